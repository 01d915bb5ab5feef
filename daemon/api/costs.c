/* SPDX-License-Identifier: Apache-2.0 */
/* GetCostMonitoring: where a service stands with its limits, and when it will reach them. */
#include <math.h>

#include "daemon/api/analytics.h"
#include "daemon/api/private.h"
#include "daemon/core/budget.h"

/* The spend rate is that of the last minutes: long enough to be even, short enough to follow. */
#define RATE_MINUTES 15

typedef struct Limit {
        Money spent, limit, remaining;           /* MONEY_UNSET: no limit */
        double used_percent;                     /* NAN: no limit */
        uint64_t resets_in_ns;                   /* NSEC_INFINITY: there is no such period */
        uint64_t exhausted_in_ns;                /* at the rate of now; NSEC_INFINITY: not before it is reset */
} Limit;

#define F(member, name, type, ...) FIELD(Limit, member, name, type, ##__VA_ARGS__)
static STRUCTURE(limit_structure, "CostLimit", Limit,
        F(spent, "spent", FIELD_MONEY),
        F(limit, "limit", FIELD_MONEY, OPTIONAL),
        F(remaining, "remaining", FIELD_MONEY, OPTIONAL),
        F(used_percent, "usedPercent", FIELD_FLOAT, OPTIONAL),
        F(resets_in_ns, "resetsInMs", FIELD_MS_INT, OPTIONAL),
        F(exhausted_in_ns, "exhaustedInMs", FIELD_MS_INT, OPTIONAL));
#undef F

#define F(member, name, type, ...) FIELD(NodeStatus, member, name, type, ##__VA_ARGS__)
static STRUCTURE(cost_node_structure, "CostNode", NodeStatus,
        F(node, "node", FIELD_STRING),
        F(cost_per_request, "costPerRequest", FIELD_MONEY),
        F(share, "share", FIELD_FLOAT),
        F(spend_hour, "spendHour", FIELD_MONEY),
        F(spend_period, "spendPeriod", FIELD_MONEY));
#undef F

typedef struct CostOut {
        ServiceStatus status;
        Money spend_per_hour, savings_hour, savings;
        Money tier_price[_COST_TIER_MAX];
        double alert_percent;
        int on_exhausted;
        Limit hour, period;
        NodeStatus *nodes;
        size_t n_nodes;
} CostOut;

#define F(member, name, type, ...) FIELD(CostOut, member, name, type, ##__VA_ARGS__)
static STRUCTURE(tiers_structure, NULL, CostOut,
        F(tier_price[TIER_NORMAL], "normal", FIELD_MONEY, OPTIONAL),
        F(tier_price[TIER_ELEVATED], "elevated", FIELD_MONEY, OPTIONAL),
        F(tier_price[TIER_EMERGENCY], "emergency", FIELD_MONEY, OPTIONAL));
static STRUCTURE(cost_structure, "CostMonitoring", CostOut,
        F(status.service_name, "serviceName", FIELD_STRING),
        F(status.budget_state, "budgetState", FIELD_ENUM, .names = &budget_state_names),
        F(status.cost_tier, "costTier", FIELD_ENUM, .names = &cost_tier_names),
        F(status.reserved, "reserved", FIELD_MONEY),
        F(spend_per_hour, "spendPerHour", FIELD_MONEY),
        F(savings_hour, "savingsLastHour", FIELD_MONEY),
        F(savings, "savingsSinceStart", FIELD_MONEY),
        F(alert_percent, "budgetAlertThreshold", FIELD_FLOAT),
        F(on_exhausted, "onExhausted", FIELD_ENUM, .names = &on_exhausted_names),
        F(status.budget_period, "budgetPeriod", FIELD_ENUM, .names = &budget_period_names, OPTIONAL),
        F(hour, "hour", FIELD_STRUCT, .structure = &limit_structure),
        F(period, "period", FIELD_STRUCT, .structure = &limit_structure),
        VIEW("costTiers", tiers_structure),
        F(nodes, "nodes", FIELD_ARRAY, COUNT(CostOut, n_nodes), .structure = &cost_node_structure));
#undef F

typedef struct CostIn {
        const char *service_name;
} CostIn;

STRUCTURE(cost_monitoring_in, NULL, CostIn,
        FIELD(CostIn, service_name, "serviceName", FIELD_STRING, REQUIRED, LENGTH(SERVICE_NAME_MAX)));
STRUCTURE(cost_monitoring_out, NULL, CostOut, VIEW("cost", cost_structure));

static void read_rate(ApiCall *call, const Service *s, CostOut *out) {
        AnalyticsPoint points[ANALYTICS_MINUTES];
        size_t n = service_analytics(call->api->router, s, false, call->now_ns, ANALYTICS_MINUTES, points);
        uint64_t seconds = (call->now_ns - call->api->started_ns) / NSEC_PER_SEC;
        Money recent = 0;

        for (size_t i = 0; i < n; i++) {
                out->savings_hour += points[i].static_cost - points[i].cost;
                if (i + RATE_MINUTES >= n)
                        recent += points[i].cost;
        }
        /* Of a daemon that has just started less is known; the first minute counts whole, so that one call is no flood. */
        seconds = CLAMP(seconds, UINT64_C(60), UINT64_C(60) * RATE_MINUTES);
        out->spend_per_hour = (Money) ((__int128) recent * 3600 / (int64_t) seconds);
}

static Limit read_limit(Money spent, Money reserved, Money limit, Money per_hour, BudgetPeriod period, uint64_t utc_ns) {
        Limit l = { .spent = spent, .limit = limit, .remaining = MONEY_UNSET, .used_percent = NAN,
                    .resets_in_ns = NSEC_INFINITY, .exhausted_in_ns = NSEC_INFINITY };
        uint64_t start_ns, end_ns;

        if (period == _BUDGET_PERIOD_INVALID)
                return l;
        period_window(period, utc_ns, &start_ns, &end_ns);
        l.resets_in_ns = end_ns - utc_ns;
        if (limit == MONEY_UNSET)
                return l;
        l.remaining = MAX(limit - spent - reserved, (Money) 0);
        l.used_percent = limit > 0 ? 100 * (double) spent / (double) limit : 100;
        double hours = l.remaining == 0 ? 0 : per_hour > 0 ? (double) l.remaining / (double) per_hour : INFINITY;
        if (hours * (double) NSEC_PER_HOUR < (double) l.resets_in_ns)
                l.exhausted_in_ns = (uint64_t) (hours * (double) NSEC_PER_HOUR);
        return l;
}

int api_get_cost_monitoring(ApiCall *call, const void *in) {
        const CostIn *q = in;
        const Service *s = router_find_service(call->api->router, q->service_name);
        uint64_t utc_ns = api_utc_ns(call->api);
        ServiceTotals totals;
        CostOut out = {};

        if (!s)
                return api_fail(call, ERROR_NO_SUCH_SERVICE, .service_name = q->service_name);
        const ServiceSettings *settings = service_settings(s);
        service_status(call->api->router, s, call->now_ns, &out.status);
        service_totals(call->api->router, s, call->now_ns, &totals);
        read_rate(call, s, &out);
        out.savings = totals.savings;
        out.alert_percent = settings->budget_alert_threshold * 100;
        out.on_exhausted = (int) settings->on_exhausted;
        memcpy(out.tier_price, settings->tier_price, sizeof(out.tier_price));
        out.hour = read_limit(out.status.spend_hour, out.status.reserved, out.status.max_cost_per_hour, out.spend_per_hour,
                              PERIOD_HOURLY, utc_ns);
        out.period = read_limit(out.status.spend_period, out.status.reserved, out.status.total_budget, out.spend_per_hour,
                                out.status.budget_period, utc_ns);
        out.n_nodes = out.status.n_nodes;
        out.nodes = arena_alloc(call->arena, out.n_nodes + 1, sizeof(NodeStatus));
        if (!out.nodes)
                return -ENOMEM;
        for (size_t i = 0; i < out.n_nodes; i++)
                node_status(call->api->router, service_node(s, i), call->now_ns, &out.nodes[i]);
        return api_reply(call, &out);
}
