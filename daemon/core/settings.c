/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of settings that a service and a node have, and what follows from them. */
#include "daemon/core/settings.h"

#include <errno.h>
#include <math.h>

#include "basic/macro.h"
#include "daemon/core/provider.h"
#include "daemon/core/setting.h"

/* The tables hold every enumeration as an int. */
_Static_assert(sizeof(Priority) == sizeof(int) && sizeof(BudgetPeriod) == sizeof(int), "enumerations are not ints");

#define DOLLARS_MAX ((double) (MONEY_MAX / MONEY_PER_DOLLAR))

#define AT(member) .offset = offsetof(ServiceSettings, member)
static const Setting service_rows[] = {
        { "strategy", "strategy", SETTING_ENUM, AT(strategy), .names = &strategy_names, .fallback = HEALTH_BASED,
          .doc = "how a node is chosen" },
        { "priority", "priority", SETTING_ENUM, AT(priority), .names = &priority_names,
          .fallback = PRIORITY_AVAILABILITY, .doc = "what matters most when something is wrong" },
        { "when_all_down", "whenAllDown", SETTING_ENUM, AT(when_all_down), .names = &when_all_down_names,
          .fallback = ALL_DOWN_DEGRADED, .doc = "what a caller gets when no node is usable" },
        { "revenue_per_call", "revenuePerCall", SETTING_MONEY, AT(revenue_per_call), "dollars", 0, DOLLARS_MAX, NAN,
          .doc = "what a successful call earns" },

        { "load_balancing.health_check_interval", "loadBalancing.healthCheckInterval", SETTING_SECONDS,
          AT(health_check_interval_ns), "seconds", 0, 86400, 30,
          .doc = "time between two probes of a node, 0 for none" },
        { "load_balancing.failover_threshold", "loadBalancing.failoverThreshold", SETTING_PERCENT,
          AT(failover_threshold), "percent", 0, 100, 5, .flags = SETTING_POSITIVE,
          .doc = "share of failed calls that takes a node out" },
        { "load_balancing.retry_backoff_ms", "loadBalancing.retryBackoffMs", SETTING_MILLISECONDS, AT(retry_backoff_ns),
          "milliseconds", 1, 300000, 1000, .doc = "wait before a retry, and the first time that a node stays out" },
        { "load_balancing.max_retries", "loadBalancing.maxRetries", SETTING_UINT32, AT(max_retries), NULL, 0, 100, 3,
          .doc = "fallbacks that callers are advised to try" },
        { "load_balancing.lease_seconds", "loadBalancing.leaseSeconds", SETTING_SECONDS, AT(lease_ns), "seconds", 1,
          3600, 30, .doc = "time that a caller has to report" },

        { "cost_constraints.max_cost_per_hour", "costConstraints.maxCostPerHour", SETTING_MONEY, AT(max_cost_per_hour),
          "dollars an hour", 0, DOLLARS_MAX, NAN, .doc = "cap on the spend of one hour" },
        { "cost_constraints.budget_alert_threshold", "costConstraints.budgetAlertThreshold", SETTING_PERCENT,
          AT(budget_alert_threshold), "percent", 0, 100, 80, .flags = SETTING_POSITIVE,
          .doc = "share of a limit whose use raises the first alert" },
        { "cost_constraints.cost_optimization_enabled", "costConstraints.costOptimizationEnabled", SETTING_BOOL,
          AT(cost_optimization_enabled), .fallback = true,
          .doc = "whether pricier nodes lose share when the cost tier asks for it" },
        { "cost_constraints.on_exhausted", "costConstraints.onExhausted", SETTING_ENUM, AT(on_exhausted),
          .names = &on_exhausted_names, .fallback = EXHAUSTED_DENY, .doc = "what happens when a limit is used up" },

        { "budget.total", "totalBudget", SETTING_MONEY, AT(total_budget), "dollars a period", 0, DOLLARS_MAX, NAN,
          .doc = "spend of one budget period" },
        { "budget.period", "budgetPeriod", SETTING_ENUM, AT(budget_period), .names = &budget_period_names,
          .fallback = NAN, .doc = "length of a budget period, aligned to UTC" },
        { "budget.tiers.normal", "costTiers.normal", SETTING_MONEY, AT(tier_price[TIER_NORMAL]), "dollars a request", 0,
          DOLLARS_MAX, NAN, .doc = "ceiling of the blended price while all is well" },
        { "budget.tiers.elevated", "costTiers.elevated", SETTING_MONEY, AT(tier_price[TIER_ELEVATED]),
          "dollars a request", 0, DOLLARS_MAX, NAN, .doc = "ceiling while a scenario degrades the service" },
        { "budget.tiers.emergency", "costTiers.emergency", SETTING_MONEY, AT(tier_price[TIER_EMERGENCY]),
          "dollars a request", 0, DOLLARS_MAX, NAN, .doc = "ceiling in an emergency, and of every single call" },
        { "budget.emergency_multiplier", "emergencyMultiplier", SETTING_DOUBLE, AT(emergency_multiplier),
          "times the normal limits", 1, 100, 3, .doc = "how far an emergency raises the limits" },

        { "nodes", "nodes", SETTING_NODES, AT(nodes), .flags = SETTING_REQUIRED, .doc = "where calls can go, by name" },
};
#undef AT

#define AT(member) .offset = offsetof(NodeSettings, member)
static const Setting node_rows[] = {
        { "provider", "provider", SETTING_STRING, AT(provider_name), .max = 64, .flags = SETTING_REQUIRED,
          .doc = "name of the provider plugin that knows the vendor" },
        { "region", "region", SETTING_STRING, AT(region), .max = 64,
          .doc = "where the node is, in the provider's or your own words" },
        { "url", "url", SETTING_STRING, AT(url), .max = URL_MAX,
          .doc = "base URL of the node; without it the provider's own" },
        { "weight", "weight", SETTING_UINT32, AT(weight), NULL, 0, 1000, 100,
          .doc = "share among the nodes, 0 for only when nothing else is left" },
        { "cost_per_request", "costPerRequest", SETTING_MONEY, AT(cost_per_request), "dollars a unit", 0, DOLLARS_MAX,
          NAN, .doc = "price of a unit; without it the provider's own for the operation" },
        { "expected_success_rate", "expectedSuccessRate", SETTING_PERCENT, AT(expected_success_rate), "percent", 0, 100,
          99, .flags = SETTING_POSITIVE | SETTING_RATIO_TOO,
          .doc = "success rate to assume until calls show the real one" },
        { "latitude", "latitude", SETTING_DOUBLE, AT(latitude), "degrees north", -90, 90, NAN,
          .doc = "where the node is" },
        { "longitude", "longitude", SETTING_DOUBLE, AT(longitude), "degrees east", -180, 180, NAN,
          .doc = "where the node is" },
        { "latency_limit_ms", "latencyLimitMs", SETTING_MILLISECONDS, AT(latency_limit_ns), "milliseconds", 0, 600000,
          0, .doc = "a success slower than this counts as performance_degradation, 0 for no limit" },
        { "price_tiers", "priceTiers", SETTING_PRICE_TIERS, AT(price_tiers),
          .doc = "volume prices: units a calendar month up to which each price holds" },
        { "credential", "credential", SETTING_STRING, AT(credential), .max = 64,
          .doc = "name of the credential that the prober holds for this node" },
        { "options", "options", SETTING_OPTIONS, AT(options), .doc = "what else the provider understands" },
};
#undef AT

const SettingTable service_setting_table = { service_rows, ELEMENTSOF(service_rows) };
const SettingTable node_setting_table = { node_rows, ELEMENTSOF(node_rows) };

void node_settings_init(NodeSettings *n) {
        *n = (NodeSettings) {};
        for (size_t i = 0; i < ELEMENTSOF(node_rows); i++)
                setting_init(node_rows + i, n);
}

void service_settings_init(ServiceSettings *s) {
        *s = (ServiceSettings) {};
        for (size_t i = 0; i < ELEMENTSOF(service_rows); i++)
                setting_init(service_rows + i, s);
}

static void node_settings_done(NodeSettings *n) {
        for (size_t i = 0; i < ELEMENTSOF(node_rows); i++)
                setting_done(node_rows + i, n);
        for (size_t i = 0; i < n->n_options; i++) {
                free(n->options[i].name);
                free(n->options[i].value);
        }
        free(n->options);
        free(n->price_tiers);
        provider_instance_unref(n->instance);
        free(n->id);
        *n = (NodeSettings) {};
}

/* What is shared with the original becomes a copy or NULL, so that *ret can be done away with however far this came. */
static int node_settings_copy(const NodeSettings *n, NodeSettings *ret) {
        int r = 0;

        *ret = *n;
        ret->n_options = ret->n_price_tiers = 0;
        for (size_t i = 0; i < ELEMENTSOF(node_rows); i++)
                if (setting_own(node_rows + i, ret) < 0)
                        r = -ENOMEM;
        provider_instance_ref(ret->instance);
        ret->id = n->id ? strdup(n->id) : NULL;
        ret->price_tiers = n->n_price_tiers > 0 ? calloc(n->n_price_tiers, sizeof(PriceTier)) : NULL;
        ret->options = n->n_options > 0 ? calloc(n->n_options, sizeof(Option)) : NULL;
        if (r < 0 || (n->id && !ret->id) || (n->n_price_tiers > 0 && !ret->price_tiers) ||
            (n->n_options > 0 && !ret->options))
                return -ENOMEM;

        for (size_t i = 0; i < n->n_price_tiers; i++)
                ret->price_tiers[ret->n_price_tiers++] = n->price_tiers[i];
        for (size_t i = 0; i < n->n_options; i++) {
                Option *o = ret->options + ret->n_options++;

                *o = (Option) { strdup(n->options[i].name), strdup(n->options[i].value) };
                if (!o->name || !o->value)
                        return -ENOMEM;
        }
        return 0;
}

int service_settings_copy(const ServiceSettings *s, ServiceSettings *ret) {
        ServiceSettings c = *s;

        c.n_nodes = 0;
        c.name = s->name ? strdup(s->name) : NULL;
        c.nodes = s->n_nodes > 0 ? calloc(s->n_nodes, sizeof(NodeSettings)) : NULL;
        if ((s->name && !c.name) || (s->n_nodes > 0 && !c.nodes))
                goto fail;
        for (size_t i = 0; i < s->n_nodes; i++)
                if (node_settings_copy(s->nodes + i, c.nodes + c.n_nodes++) < 0)
                        goto fail;
        *ret = c;
        return 0;
fail:
        service_settings_done(&c);
        return -ENOMEM;
}

void service_settings_done(ServiceSettings *s) {
        for (size_t i = 0; i < s->n_nodes; i++)
                node_settings_done(s->nodes + i);
        free(s->nodes);
        free(s->name);
        *s = (ServiceSettings) {};
}

void settings_done(Settings *s) {
        for (size_t i = 0; i < s->n_services; i++)
                service_settings_done(s->services + i);
        free(s->services);
        *s = (Settings) {};
}
