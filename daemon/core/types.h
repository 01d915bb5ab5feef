/* SPDX-License-Identifier: Apache-2.0 */
/* The words of the domain as enumerations, each with its names. The order is part of the API of pointsman-snmp: append
 * only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pointsman/provider.h"

/* An enumeration's names, indexed by value; so that tables can describe a field by it. */
typedef struct EnumNames {
        const char *type;          /* "Strategy" */
        const char *const *names;
        int n;
} EnumNames;

const char *enum_to_string(const EnumNames *e, int value); /* NULL if out of range */
int enum_from_string(const EnumNames *e, const char *name); /* -1 if unknown */

typedef enum Strategy {
        ROUND_ROBIN,
        WEIGHTED_ROUND_ROBIN,
        LEAST_CONNECTIONS,
        LEAST_RESPONSE_TIME,
        GEOGRAPHIC_PROXIMITY,
        COST_OPTIMIZED,
        HEALTH_BASED,
        PREDICTIVE_ANALYTICS,
        HYBRID_OPTIMIZATION,
        _STRATEGY_MAX,
        _STRATEGY_INVALID = -1,
} Strategy;

typedef enum OptimizationStrategy {
        COST_MINIMIZATION,
        PERFORMANCE_OPTIMIZATION,
        AVAILABILITY_FIRST,
        BALANCED,
        REVENUE_PROTECTION,
        EMERGENCY_MODE,
        _OPTIMIZATION_STRATEGY_MAX,
        _OPTIMIZATION_STRATEGY_INVALID = -1,
} OptimizationStrategy;

typedef enum ScenarioType {
        SERVICE_UNAVAILABLE,
        PERFORMANCE_DEGRADATION,
        COST_OVERRUN,
        RATE_LIMIT_EXCEEDED,
        AUTHENTICATION_FAILURE,
        NETWORK_ISSUES,
        DATA_CORRUPTION,
        CASCADING_FAILURE,
        BUDGET_EXHAUSTION,
        EMERGENCY_SCENARIO,
        _SCENARIO_TYPE_MAX,
} ScenarioType;

typedef enum ScenarioState {
        SCENARIO_DETECTED,
        SCENARIO_ACTIVE,
        SCENARIO_ESCALATED,
        SCENARIO_RECOVERING,
        SCENARIO_RESOLVED,
        _SCENARIO_STATE_MAX,
} ScenarioState;

typedef enum Severity { SEVERITY_LOW, SEVERITY_MEDIUM, SEVERITY_HIGH, SEVERITY_CRITICAL, _SEVERITY_MAX } Severity;

typedef enum pm_verdict Verdict;

/* Whether a call of that verdict counts against the node. */
static inline bool verdict_is_failure(Verdict v) {
        return v != PM_OK && v != PM_CLIENT_ERROR && v != PM_PERFORMANCE_DEGRADATION && v != PM_NOT_SENT &&
               v != PM_UNKNOWN;
}

/* A call that got no HTTP response. */
typedef enum CallError {
        CALL_ERROR_TIMEOUT,
        CALL_ERROR_CONNECT,
        CALL_ERROR_DNS,
        CALL_ERROR_TLS,
        CALL_ERROR_RESET,
        CALL_ERROR_CANCELED,
        CALL_ERROR_NOT_SENT,
        _CALL_ERROR_MAX,
        _CALL_ERROR_INVALID = -1,
} CallError;

typedef enum CostTier { TIER_NORMAL, TIER_ELEVATED, TIER_EMERGENCY, _COST_TIER_MAX } CostTier;
typedef enum Health { HEALTH_UNKNOWN, HEALTH_HEALTHY, HEALTH_DEGRADED, HEALTH_UNHEALTHY, _HEALTH_MAX } Health;
typedef enum Circuit { CIRCUIT_CLOSED, CIRCUIT_OPEN, CIRCUIT_HALF_OPEN, _CIRCUIT_MAX } Circuit;
typedef enum AdministrativeState {
        ADMIN_ENABLED,
        ADMIN_DRAINING,
        ADMIN_DISABLED,
        _ADMINISTRATIVE_STATE_MAX
} AdministrativeState;

typedef enum EventType {
        EVENT_ROUTING_DECISION_MADE,
        EVENT_OPTIMIZATION_EXECUTED,
        EVENT_SCENARIO_ESCALATION,
        EVENT_COST_ALERT,
        EVENT_PERFORMANCE_DEGRADATION,
        EVENT_CIRCUIT_CHANGED,
        EVENT_SCENARIO_OPENED,
        EVENT_SCENARIO_RESOLVED,
        EVENT_CONFIGURATION_CHANGED,
        EVENT_SYSTEM_HEALTH_CHANGED,
        _EVENT_TYPE_MAX,
} EventType;

typedef enum Priority {
        PRIORITY_REVENUE,
        PRIORITY_AVAILABILITY,
        PRIORITY_PERFORMANCE,
        PRIORITY_COST,
        _PRIORITY_MAX
} Priority;
typedef enum Origin { ORIGIN_FILE, ORIGIN_REGISTERED, _ORIGIN_MAX } Origin;
typedef enum BudgetState { BUDGET_OK, BUDGET_ALERT, BUDGET_EXHAUSTED, BUDGET_EMERGENCY, _BUDGET_STATE_MAX } BudgetState;
typedef enum BudgetPeriod {
        PERIOD_HOURLY,
        PERIOD_DAILY,
        PERIOD_WEEKLY,
        PERIOD_MONTHLY,
        _BUDGET_PERIOD_MAX,
        _BUDGET_PERIOD_INVALID = -1,
} BudgetPeriod;
typedef enum OnExhausted { EXHAUSTED_DENY, EXHAUSTED_CHEAPEST, EXHAUSTED_EMERGENCY, _ON_EXHAUSTED_MAX } OnExhausted;
typedef enum WhenAllDown { ALL_DOWN_DEGRADED, ALL_DOWN_REFUSE, _WHEN_ALL_DOWN_MAX } WhenAllDown;

extern const EnumNames strategy_names, optimization_strategy_names, scenario_type_names, scenario_state_names,
        severity_names, verdict_names, call_error_names, cost_tier_names, health_names, circuit_names,
        administrative_state_names, event_type_names, priority_names, origin_names, budget_state_names,
        budget_period_names, on_exhausted_names, when_all_down_names;
