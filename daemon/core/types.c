/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/types.h"

#include "basic/macro.h"

const char *enum_to_string(const EnumNames *e, int value) {
        return value >= 0 && value < e->n ? e->names[value] : NULL;
}

int enum_from_string(const EnumNames *e, const char *name) {
        for (int i = 0; i < e->n; i++)
                if (streq(e->names[i], name))
                        return i;
        return -1;
}

/* The assertion catches a value that was added without a name. */
#define DEFINE_ENUM_NAMES(variable, type_, max, ...) \
        static const char *const variable##_table[] = { __VA_ARGS__ }; \
        _Static_assert(ELEMENTSOF(variable##_table) == (max), #type_ " has a value without a name"); \
        const EnumNames variable##_names = { #type_, variable##_table, (max) }

DEFINE_ENUM_NAMES(strategy, Strategy, _STRATEGY_MAX, "ROUND_ROBIN", "WEIGHTED_ROUND_ROBIN", "LEAST_CONNECTIONS",
                  "LEAST_RESPONSE_TIME", "GEOGRAPHIC_PROXIMITY", "COST_OPTIMIZED", "HEALTH_BASED",
                  "PREDICTIVE_ANALYTICS", "HYBRID_OPTIMIZATION");
DEFINE_ENUM_NAMES(optimization_strategy, OptimizationStrategy, _OPTIMIZATION_STRATEGY_MAX, "COST_MINIMIZATION",
                  "PERFORMANCE_OPTIMIZATION", "AVAILABILITY_FIRST", "BALANCED", "REVENUE_PROTECTION", "EMERGENCY_MODE");
DEFINE_ENUM_NAMES(scenario_type, ScenarioType, _SCENARIO_TYPE_MAX, "SERVICE_UNAVAILABLE", "PERFORMANCE_DEGRADATION",
                  "COST_OVERRUN", "RATE_LIMIT_EXCEEDED", "AUTHENTICATION_FAILURE", "NETWORK_ISSUES", "DATA_CORRUPTION",
                  "CASCADING_FAILURE", "BUDGET_EXHAUSTION", "EMERGENCY_SCENARIO");
DEFINE_ENUM_NAMES(scenario_state, ScenarioState, _SCENARIO_STATE_MAX, "detected", "active", "escalated", "recovering",
                  "resolved");
DEFINE_ENUM_NAMES(severity, Severity, _SEVERITY_MAX, "low", "medium", "high", "critical");
DEFINE_ENUM_NAMES(verdict, Verdict, _PM_VERDICT_MAX, "ok", "client_error", "service_unavailable",
                  "performance_degradation", "rate_limit_exceeded", "authentication_failure", "network_issue",
                  "data_corruption", "budget_exhausted", "not_sent", "unknown");
DEFINE_ENUM_NAMES(call_error, CallError, _CALL_ERROR_MAX, "timeout", "connect", "dns", "tls", "reset", "canceled",
                  "not_sent");
DEFINE_ENUM_NAMES(cost_tier, CostTier, _COST_TIER_MAX, "normal", "elevated", "emergency");
DEFINE_ENUM_NAMES(health, Health, _HEALTH_MAX, "unknown", "healthy", "degraded", "unhealthy");
DEFINE_ENUM_NAMES(circuit, Circuit, _CIRCUIT_MAX, "closed", "open", "half_open");
DEFINE_ENUM_NAMES(administrative_state, AdministrativeState, _ADMINISTRATIVE_STATE_MAX, "enabled", "draining",
                  "disabled");
DEFINE_ENUM_NAMES(event_type, EventType, _EVENT_TYPE_MAX, "routing_decision_made", "optimization_executed",
                  "scenario_escalation", "cost_alert", "performance_degradation", "circuit_changed", "scenario_opened",
                  "scenario_resolved", "configuration_changed", "system_health_changed");
DEFINE_ENUM_NAMES(priority, Priority, _PRIORITY_MAX, "revenue", "availability", "performance", "cost");
DEFINE_ENUM_NAMES(origin, Origin, _ORIGIN_MAX, "file", "registered");
DEFINE_ENUM_NAMES(budget_state, BudgetState, _BUDGET_STATE_MAX, "ok", "alert", "exhausted", "emergency");
DEFINE_ENUM_NAMES(budget_period, BudgetPeriod, _BUDGET_PERIOD_MAX, "hourly", "daily", "weekly", "monthly");
DEFINE_ENUM_NAMES(on_exhausted, OnExhausted, _ON_EXHAUSTED_MAX, "deny", "cheapest", "emergency");
DEFINE_ENUM_NAMES(when_all_down, WhenAllDown, _WHEN_ALL_DOWN_MAX, "degraded", "refuse");
