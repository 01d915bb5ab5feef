/* SPDX-License-Identifier: Apache-2.0 */
/* GetRoutingAnalytics, GetOptimizationAnalytics. */
#include "daemon/api/analytics.h"

#include <math.h>

#include "daemon/api/private.h"

#define ADVICE_MAX 16     /* of one service */
#define ADVICE_LISTED 64  /* of all services */

/* Latencies are the slowest point's: quantiles cannot be added up. */
void tally_add(Tally *t, const AnalyticsPoint *p) {
        t->latency_mean_ms += p->latency_mean_ns / 1e6 * (double) p->successes;
        t->decisions += p->decisions;
        t->calls += p->calls;
        t->successes += p->successes;
        t->failures += p->failures;
        t->openings += p->openings;
        for (int v = 0; v < _PM_VERDICT_MAX; v++)
                t->verdicts[v] += p->verdicts[v];
        t->cost += p->cost;
        t->savings += p->static_cost - p->cost;
        t->p50_ns = MAX(t->p50_ns, p->latency_p50_ns);
        t->p95_ns = MAX(t->p95_ns, p->latency_p95_ns);
        t->p99_ns = MAX(t->p99_ns, p->latency_p99_ns);
}

void tally_finish(Tally *t) {
        t->success_rate = t->calls > 0 ? 1 - (double) t->failures / (double) t->calls : NAN;
        t->cost_per_success = t->successes > 0 ? t->cost / (Money) t->successes : MONEY_UNSET;
        t->latency_mean_ms = t->successes > 0 ? t->latency_mean_ms / (double) t->successes : NAN;
        t->p50_ns = t->p50_ns ?: NSEC_INFINITY;
        t->p95_ns = t->p95_ns ?: NSEC_INFINITY;
        t->p99_ns = t->p99_ns ?: NSEC_INFINITY;
}

/* ---- what both replies have ---- */

typedef struct Advice {
        const char *service_name;
        Recommendation it;
} Advice;

#define F(member, name, type, ...) FIELD(Advice, member, name, type, ##__VA_ARGS__)
static STRUCTURE(advice_structure, "Recommendation", Advice,
        F(service_name, "serviceName", FIELD_STRING),
        F(it.node, "node", FIELD_STRING, OPTIONAL),
        F(it.saving_per_hour, "savingPerHour", FIELD_MONEY),
        F(it.text, "text", FIELD_CHARS));
#undef F

#define F(member, name, type, ...) FIELD(ServiceTotals, member, name, type, ##__VA_ARGS__)
static STRUCTURE(forecast_structure, "ForecastQuality", ServiceTotals,
        F(forecasts_trusted, "trustedNodes", FIELD_UINT32),
        F(forecast_brier, "brier", FIELD_FLOAT, OPTIONAL),
        F(forecast_brier_base, "brierBase", FIELD_FLOAT, OPTIONAL),
        F(forecast_predicted, "predicted", FIELD_FLOAT, OPTIONAL),
        F(forecast_observed, "observed", FIELD_FLOAT, OPTIONAL));
static STRUCTURE(totals_structure, "Totals", ServiceTotals,
        F(decisions, "strategies", FIELD_COUNTS, .names = &strategy_names),
        F(fallbacks, "fallbacks", FIELD_UINT64),
        F(openings, "circuitOpenings", FIELD_UINT64),
        F(savings, "savings", FIELD_MONEY),
        VIEW("forecast", forecast_structure));
#undef F

static size_t advise(Api *api, const Service *s, const char *name, uint64_t now_ns, Advice ret[ADVICE_MAX]) {
        Recommendation list[ADVICE_MAX];
        size_t n = service_recommendations(api->router, s, now_ns, list, ADVICE_MAX);

        for (size_t i = 0; i < n; i++)
                ret[i] = (Advice) { name, list[i] };
        return n;
}

/* ---- GetRoutingAnalytics ---- */

typedef struct RoutingIn {
        const char *service_name, *window;
} RoutingIn;

STRUCTURE(routing_analytics_in, NULL, RoutingIn,
        FIELD(RoutingIn, service_name, "serviceName", FIELD_STRING, REQUIRED, LENGTH(SERVICE_NAME_MAX)),
        FIELD(RoutingIn, window, "window", FIELD_STRING, LENGTH(16)));

typedef struct Point {
        uint64_t start_utc_ns, length_ns;
        Tally tally;
} Point;

#define F(member, name, type, ...) FIELD(Point, member, name, type, ##__VA_ARGS__)
static STRUCTURE(point_structure, "AnalyticsPoint", Point,
        F(start_utc_ns, "start", FIELD_INSTANT),
        F(length_ns, "seconds", FIELD_SECONDS),
        TALLY_FIELDS(Point, tally));
#undef F

typedef struct NodeAnalytics {
        const char *node;
        double share; /* NAN: nothing was decided */
        Tally tally;
} NodeAnalytics;

#define F(member, name, type, ...) FIELD(NodeAnalytics, member, name, type, ##__VA_ARGS__)
static STRUCTURE(node_analytics_structure, "NodeAnalytics", NodeAnalytics,
        F(node, "node", FIELD_STRING),
        F(share, "share", FIELD_FLOAT, OPTIONAL),
        TALLY_FIELDS(NodeAnalytics, tally));
#undef F

typedef struct RoutingAnalytics {
        const char *service_name;
        uint64_t from_utc_ns, to_utc_ns;
        Tally tally;
        ServiceTotals totals;
        const NodeAnalytics *nodes;
        size_t n_nodes;
        const Point *points;
        size_t n_points;
        Advice advice[ADVICE_MAX], *recommendations;
        size_t n_recommendations;
} RoutingAnalytics;

#define F(member, name, type, ...) FIELD(RoutingAnalytics, member, name, type, ##__VA_ARGS__)
static STRUCTURE(routing_analytics_structure, "RoutingAnalytics", RoutingAnalytics,
        F(service_name, "serviceName", FIELD_STRING),
        F(from_utc_ns, "from", FIELD_INSTANT),
        F(to_utc_ns, "to", FIELD_INSTANT),
        TALLY_FIELDS(RoutingAnalytics, tally),
        F(totals, "sinceStart", FIELD_STRUCT, .structure = &totals_structure),
        F(recommendations, "recommendations", FIELD_ARRAY, COUNT(RoutingAnalytics, n_recommendations),
          .structure = &advice_structure),
        F(nodes, "nodes", FIELD_ARRAY, COUNT(RoutingAnalytics, n_nodes), .structure = &node_analytics_structure),
        F(points, "points", FIELD_ARRAY, COUNT(RoutingAnalytics, n_points), .structure = &point_structure));
#undef F
STRUCTURE(routing_analytics_out, NULL, RoutingAnalytics, VIEW("analytics", routing_analytics_structure));

typedef struct Span {
        size_t points;
        bool hours;
} Span;

/* "30m", "6h", "2d"; what is not more than an hour is shown by the minute. */
static int parse_window(const char *s, Span *ret) {
        char *end;
        unsigned long n = *s >= '0' && *s <= '9' ? strtoul(s, &end, 10) : 0;

        if (n < 1 || n > ANALYTICS_HOURS || !*end || end[1] || !strchr("mhd", *end))
                return -EINVAL;
        if (*end == 'm' || (*end == 'h' && n == 1))
                *ret = (Span) { *end == 'm' ? n : ANALYTICS_MINUTES, false };
        else
                *ret = (Span) { *end == 'd' ? n * 24 : n, true };
        return ret->points > (ret->hours ? ANALYTICS_HOURS : ANALYTICS_MINUTES) ? -EINVAL : 0;
}

static int read_points(ApiCall *call, const Service *s, Span span, RoutingAnalytics *out) {
        AnalyticsPoint *points = arena_alloc(call->arena, span.points, sizeof(AnalyticsPoint));
        Point *shown = arena_alloc(call->arena, span.points, sizeof(Point));

        if (!points || !shown)
                return -ENOMEM;
        out->n_points = service_analytics(call->api->router, s, span.hours, call->now_ns, span.points, points);
        for (size_t i = 0; i < out->n_points; i++) {
                shown[i] = (Point) { points[i].start_utc_ns, points[i].length_ns, {} };
                tally_add(&out->tally, &points[i]);
                tally_add(&shown[i].tally, &points[i]);
                tally_finish(&shown[i].tally);
        }
        tally_finish(&out->tally);
        out->points = shown;
        out->from_utc_ns = out->n_points > 0 ? shown[0].start_utc_ns : 0;
        return 0;
}

static int read_nodes(ApiCall *call, const Service *s, Span span, RoutingAnalytics *out) {
        AnalyticsPoint *points = arena_alloc(call->arena, span.points, sizeof(AnalyticsPoint));
        ServiceStatus status;

        service_status(call->api->router, s, call->now_ns, &status);
        NodeAnalytics *nodes = arena_alloc(call->arena, status.n_nodes + 1, sizeof(NodeAnalytics));
        if (!points || !nodes)
                return -ENOMEM;
        for (size_t i = 0; i < status.n_nodes; i++) {
                const Node *node = service_node(s, i);
                NodeStatus is;

                node_status(call->api->router, node, call->now_ns, &is);
                nodes[i].node = is.node;
                size_t n = node_analytics(call->api->router, node, span.hours, call->now_ns, span.points, points);
                for (size_t k = 0; k < n; k++)
                        tally_add(&nodes[i].tally, &points[k]);
                tally_finish(&nodes[i].tally);
                nodes[i].share = out->tally.decisions > 0 ? (double) nodes[i].tally.decisions / (double) out->tally.decisions : NAN;
        }
        out->nodes = nodes;
        out->n_nodes = status.n_nodes;
        return 0;
}

int api_get_routing_analytics(ApiCall *call, const void *in) {
        const RoutingIn *q = in;
        Span span = { ANALYTICS_MINUTES, false };

        if (q->window && parse_window(q->window, &span) < 0)
                return api_fail(call, ERROR_INVALID_PARAMETER, .parameter = "window",
                                .reason = "1m to 60m, 1h to 168h or 1d to 7d are allowed");
        const Service *s = router_find_service(call->api->router, q->service_name);
        if (!s)
                return api_fail(call, ERROR_NO_SUCH_SERVICE, .service_name = q->service_name);
        RoutingAnalytics *out = arena_alloc(call->arena, 1, sizeof(RoutingAnalytics));
        if (!out)
                return -ENOMEM;
        out->service_name = q->service_name;
        out->to_utc_ns = api_utc_ns(call->api);
        int r = read_points(call, s, span, out);
        if (r == 0)
                r = read_nodes(call, s, span, out);
        if (r < 0)
                return r;
        service_totals(call->api->router, s, call->now_ns, &out->totals);
        out->n_recommendations = advise(call->api, s, q->service_name, call->now_ns, out->advice);
        out->recommendations = out->advice;
        return api_reply(call, out);
}

/* ---- GetOptimizationAnalytics ---- */

typedef struct ServiceOptimization {
        const char *service_name;
        int optimization_strategy;
        ServiceTotals totals;
} ServiceOptimization;

#define F(member, name, type, ...) FIELD(ServiceOptimization, member, name, type, ##__VA_ARGS__)
static STRUCTURE(service_optimization_structure, "ServiceOptimization", ServiceOptimization,
        F(service_name, "serviceName", FIELD_STRING),
        F(optimization_strategy, "optimizationStrategy", FIELD_ENUM, .names = &optimization_strategy_names, OPTIONAL),
        F(totals.decisions, "strategies", FIELD_COUNTS, .names = &strategy_names),
        F(totals.fallbacks, "fallbacks", FIELD_UINT64),
        F(totals.openings, "circuitOpenings", FIELD_UINT64),
        F(totals.savings, "savings", FIELD_MONEY),
        F(totals, "forecast", FIELD_STRUCT, .structure = &forecast_structure));
#undef F

typedef struct ScenarioSummary {
        uint64_t active, resolved;
        uint64_t types[_SCENARIO_TYPE_MAX], strategies[_OPTIMIZATION_STRATEGY_MAX];
        uint64_t failed_calls, diverted_calls;
        Money revenue_at_risk, extra_cost;
        double minutes, minutes_each;
} ScenarioSummary;

#define F(member, name, type, ...) FIELD(ScenarioSummary, member, name, type, ##__VA_ARGS__)
static STRUCTURE(scenario_summary_structure, "ScenarioSummary", ScenarioSummary,
        F(active, "active", FIELD_UINT64),
        F(resolved, "resolved", FIELD_UINT64),
        F(types, "types", FIELD_COUNTS, .names = &scenario_type_names),
        F(strategies, "optimizationStrategies", FIELD_COUNTS, .names = &optimization_strategy_names),
        F(failed_calls, "failedCalls", FIELD_UINT64),
        F(diverted_calls, "divertedCalls", FIELD_UINT64),
        F(revenue_at_risk, "revenueAtRisk", FIELD_MONEY),
        F(extra_cost, "extraCost", FIELD_MONEY),
        F(minutes, "minutes", FIELD_FLOAT),
        F(minutes_each, "minutesEach", FIELD_FLOAT, OPTIONAL));
#undef F

typedef struct OptimizationOut {
        uint64_t since_utc_ns;
        uint64_t strategies[_STRATEGY_MAX], fallbacks, openings;
        Money savings;
        ScenarioSummary scenarios;
        ServiceOptimization *services;
        size_t n_services;
        Advice *recommendations;
        size_t n_recommendations;
} OptimizationOut;

#define F(member, name, type, ...) FIELD(OptimizationOut, member, name, type, ##__VA_ARGS__)
static STRUCTURE(optimization_structure, "OptimizationAnalytics", OptimizationOut,
        F(since_utc_ns, "since", FIELD_INSTANT),
        F(strategies, "strategies", FIELD_COUNTS, .names = &strategy_names),
        F(fallbacks, "fallbacks", FIELD_UINT64),
        F(openings, "circuitOpenings", FIELD_UINT64),
        F(savings, "savings", FIELD_MONEY),
        F(scenarios, "scenarios", FIELD_STRUCT, .structure = &scenario_summary_structure),
        F(recommendations, "recommendations", FIELD_ARRAY, COUNT(OptimizationOut, n_recommendations),
          .structure = &advice_structure),
        F(services, "services", FIELD_ARRAY, COUNT(OptimizationOut, n_services), .structure = &service_optimization_structure));
#undef F
STRUCTURE(optimization_analytics_out, NULL, OptimizationOut, VIEW("analytics", optimization_structure));

static void sum_scenarios(ApiCall *call, ScenarioSummary *ret) {
        size_t n = router_n_scenarios(call->api->router);

        for (size_t i = 0; i < n; i++) {
                ScenarioView v;

                router_scenario(call->api->router, i, call->now_ns, &v);
                *(v.state == SCENARIO_RESOLVED ? &ret->resolved : &ret->active) += 1;
                ret->types[v.type]++;
                ret->strategies[v.optimization_strategy]++;
                ret->failed_calls += v.impact.failed_calls;
                ret->diverted_calls += v.impact.diverted_calls;
                ret->revenue_at_risk += v.impact.revenue_at_risk;
                ret->extra_cost += v.impact.extra_cost;
                ret->minutes += (double) v.impact.lasted_ns / (double) NSEC_PER_MINUTE;
        }
        ret->minutes_each = n > 0 ? ret->minutes / (double) n : NAN;
}

/* What saves most comes first. */
static int compare_advice(const void *a, const void *b) {
        Money x = ((const Advice *) a)->it.saving_per_hour, y = ((const Advice *) b)->it.saving_per_hour;

        return x > y ? -1 : x < y;
}

/* Keeps the best of what there is and what is new. */
static void keep_advice(OptimizationOut *out, const Advice *more, size_t n) {
        for (size_t i = 0; i < n; i++) {
                if (out->n_recommendations < ADVICE_LISTED)
                        out->recommendations[out->n_recommendations++] = more[i];
                else if (compare_advice(&more[i], &out->recommendations[ADVICE_LISTED - 1]) < 0)
                        out->recommendations[ADVICE_LISTED - 1] = more[i];
                else
                        continue;
                if (out->n_recommendations == ADVICE_LISTED)
                        qsort(out->recommendations, ADVICE_LISTED, sizeof(Advice), compare_advice);
        }
}

int api_get_optimization_analytics(ApiCall *call, const void *in _unused_) {
        size_t n = router_n_services(call->api->router);
        OptimizationOut out = {
                .since_utc_ns = call->api->started_utc_ns, .n_services = n,
                .services = arena_alloc(call->arena, n + 1, sizeof(ServiceOptimization)),
                .recommendations = arena_alloc(call->arena, ADVICE_LISTED, sizeof(Advice)),
        };
        Advice advice[ADVICE_MAX];

        if (!out.services || !out.recommendations)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                const Service *s = router_service(call->api->router, i);
                ServiceOptimization *o = &out.services[i];
                ServiceStatus status;

                service_status(call->api->router, s, call->now_ns, &status);
                service_totals(call->api->router, s, call->now_ns, &o->totals);
                o->service_name = status.service_name;
                o->optimization_strategy = status.optimization_strategy;
                for (int k = 0; k < _STRATEGY_MAX; k++)
                        out.strategies[k] += o->totals.decisions[k];
                out.fallbacks += o->totals.fallbacks;
                out.openings += o->totals.openings;
                out.savings += o->totals.savings;
                keep_advice(&out, advice, advise(call->api, s, status.service_name, call->now_ns, advice));
        }
        qsort(out.recommendations, out.n_recommendations, sizeof(Advice), compare_advice);
        sum_scenarios(call, &out.scenarios);
        return api_reply(call, &out);
}
