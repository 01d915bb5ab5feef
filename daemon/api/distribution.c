/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What RegisterTrafficDistribution and RegisterBudgetAllocation take, read right into settings. Here are names and types; what a
 * number may be stands in the tables of settings (daemon/core/settings.c), which the file is held to as well.
 */
#include "daemon/api/registration.h"

/* A header and an option are both a name and a value. */
_Static_assert(sizeof(struct pm_header) == sizeof(Option) && offsetof(struct pm_header, name) == offsetof(Option, name) &&
               offsetof(struct pm_header, value) == offsetof(Option, value), "options are read as a map");

#define PRICE_TIERS_MAX 16
#define OPTIONS_MAX 32
#define NODES_MAX 1000000 /* the configured limits are lower */

static void init_node(void *ret) {
        node_settings_init(ret);
}

static void init_distribution(void *ret) {
        *(ApiDistribution *) ret = (ApiDistribution) {};
        service_settings_init(&((ApiDistribution *) ret)->settings);
}

static void init_allocation(void *ret) {
        service_settings_init(ret);
}

#define FIELDS(...) (const Field[]) { __VA_ARGS__, {} }

#define F(member, name, type, ...) FIELD(PriceTier, member, name, type, ##__VA_ARGS__)
static STRUCTURE(price_tier_structure, "PriceTier", PriceTier,
        F(up_to, "upTo", FIELD_LIMIT, OPTIONAL, RANGE(1, 1e15)),
        F(price, "price", FIELD_MONEY, REQUIRED));
#undef F

#define F(member, name, type, ...) FIELD(NodeSettings, member, name, type, ##__VA_ARGS__)
static const Structure node_settings_structure = { "NodeSettings", sizeof(NodeSettings), FIELDS(
        F(id, "id", FIELD_STRING, REQUIRED, LENGTH(NODE_NAME_MAX)),
        F(provider_name, "provider", FIELD_STRING, REQUIRED, LENGTH(64)),
        F(region, "region", FIELD_STRING, OPTIONAL, LENGTH(64)),
        F(url, "url", FIELD_STRING, OPTIONAL, LENGTH(URL_MAX)),
        F(weight, "weight", FIELD_UINT32, OPTIONAL),
        F(cost_per_request, "costPerRequest", FIELD_MONEY, OPTIONAL),
        F(expected_success_rate, "expectedSuccessRate", FIELD_RATIO, OPTIONAL),
        F(latitude, "latitude", FIELD_DEGREES, OPTIONAL),
        F(longitude, "longitude", FIELD_DEGREES, OPTIONAL),
        F(latency_limit_ns, "latencyLimitMs", FIELD_MS_INT, OPTIONAL),
        F(price_tiers, "priceTiers", FIELD_ARRAY, OPTIONAL, LENGTH(PRICE_TIERS_MAX), COUNT(NodeSettings, n_price_tiers),
          .structure = &price_tier_structure),
        F(credential, "credential", FIELD_STRING, OPTIONAL, LENGTH(64)),
        F(options, "options", FIELD_MAP, OPTIONAL, LENGTH(OPTIONS_MAX), COUNT(NodeSettings, n_options))), init_node };
#undef F

#define F(member, name, type, ...) FIELD(ApiDistribution, member, name, type, ##__VA_ARGS__)
static const Structure load_balancing_structure = { NULL, sizeof(ApiDistribution), FIELDS(
        F(algorithm, "algorithm", FIELD_STRING, OPTIONAL, LENGTH(64)),
        F(settings.health_check_interval_ns, "healthCheckInterval", FIELD_SECONDS_INT, OPTIONAL),
        F(settings.failover_threshold, "failoverThreshold", FIELD_PERCENT, OPTIONAL),
        F(settings.retry_backoff_ns, "retryBackoffMs", FIELD_MS_INT, OPTIONAL),
        F(settings.max_retries, "maxRetries", FIELD_UINT32, OPTIONAL),
        F(settings.lease_ns, "leaseSeconds", FIELD_SECONDS_INT, OPTIONAL)), init_distribution };

static const Structure cost_constraints_structure = { NULL, sizeof(ApiDistribution), FIELDS(
        F(settings.max_cost_per_hour, "maxCostPerHour", FIELD_MONEY, OPTIONAL),
        F(settings.budget_alert_threshold, "budgetAlertThreshold", FIELD_PERCENT, OPTIONAL),
        F(settings.cost_optimization_enabled, "costOptimizationEnabled", FIELD_BOOL, OPTIONAL),
        F(settings.on_exhausted, "onExhausted", FIELD_ENUM, OPTIONAL, .names = &on_exhausted_names)), init_distribution };

const Structure distribution_structure = { "Distribution", sizeof(ApiDistribution), FIELDS(
        F(settings.strategy, "strategy", FIELD_ENUM, OPTIONAL, .names = &strategy_names),
        F(settings.priority, "priority", FIELD_ENUM, OPTIONAL, .names = &priority_names),
        F(settings.nodes, "nodes", FIELD_ARRAY, REQUIRED, LENGTH(NODES_MAX), COUNT(ApiDistribution, settings.n_nodes),
          .structure = &node_settings_structure),
        VIEW("loadBalancing", load_balancing_structure, OPTIONAL),
        VIEW("costConstraints", cost_constraints_structure, OPTIONAL),
        F(settings.revenue_per_call, "revenuePerCall", FIELD_MONEY, OPTIONAL),
        F(settings.when_all_down, "whenAllDown", FIELD_ENUM, OPTIONAL, .names = &when_all_down_names)), init_distribution };
#undef F

#define F(member, name, type, ...) FIELD(ServiceSettings, member, name, type, ##__VA_ARGS__)
static const Structure cost_tiers_structure = { NULL, sizeof(ServiceSettings), FIELDS(
        F(tier_price[TIER_NORMAL], "normal", FIELD_MONEY, REQUIRED),
        F(tier_price[TIER_ELEVATED], "elevated", FIELD_MONEY, REQUIRED),
        F(tier_price[TIER_EMERGENCY], "emergency", FIELD_MONEY, REQUIRED)), init_allocation };

const Structure allocation_structure = { "Allocation", sizeof(ServiceSettings), FIELDS(
        F(total_budget, "totalBudget", FIELD_MONEY, REQUIRED),
        F(budget_period, "budgetPeriod", FIELD_ENUM, REQUIRED, .names = &budget_period_names),
        VIEW("costTiers", cost_tiers_structure, OPTIONAL),
        F(emergency_multiplier, "emergencyMultiplier", FIELD_FLOAT, OPTIONAL)), init_allocation };
#undef F
