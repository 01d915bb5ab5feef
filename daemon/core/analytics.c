/* SPDX-License-Identifier: Apache-2.0 */
/* What became of it all: points over time, totals, and what would be worth changing. */
#include <inttypes.h>
#include <stdio.h>

#include "basic/macro.h"
#include "daemon/core/router-private.h"

/* A share of the points below this is no base for advice. */
#define ADVICE_CALLS_MIN 100

static void add_point(AnalyticsPoint *p, const SeriesPoint *x) {
        uint64_t good = x->verdicts[PM_OK] + x->verdicts[PM_PERFORMANCE_DEGRADATION];

        p->openings += x->openings;
        p->cost = money_add(p->cost, x->cost);
        p->static_cost = money_add(p->static_cost, x->static_cost);
        for (int v = 0; v < _PM_VERDICT_MAX; v++) {
                p->verdicts[v] += x->verdicts[v];
                p->decisions += x->verdicts[v];
                if (v != PM_NOT_SENT)
                        p->calls += x->verdicts[v];
                if (verdict_is_failure((Verdict) v))
                        p->failures += x->verdicts[v];
        }
        if (good == 0)
                return;
        /* Of several nodes: the slowest tail, and the mean over all of their calls. */
        p->latency_mean_ns = (p->latency_mean_ns * (double) p->successes + (double) x->latency_sum_ms * 1e6) /
                             (double) (p->successes + good);
        p->successes += good;
        p->latency_p50_ns = MAX(p->latency_p50_ns, (uint64_t) ((double) x->p50_ms * 1e6));
        p->latency_p95_ns = MAX(p->latency_p95_ns, (uint64_t) ((double) x->p95_ms * 1e6));
        p->latency_p99_ns = MAX(p->latency_p99_ns, (uint64_t) ((double) x->p99_ms * 1e6));
}

static size_t add_series(const Series *s, bool hours, size_t max, AnalyticsPoint *ret) {
        size_t n = MIN(max, (size_t) (hours ? SERIES_HOURS : SERIES_MINUTES));
        uint64_t newest = hours ? s->hour : s->minute;

        for (size_t i = 0; i < n; i++) {
                uint64_t at = newest - (n - 1 - i);

                ret[i].start_utc_ns = at * (hours ? NSEC_PER_HOUR : NSEC_PER_MINUTE);
                ret[i].length_ns = hours ? NSEC_PER_HOUR : NSEC_PER_MINUTE;
                add_point(&ret[i], hours ? &s->hours[at % SERIES_HOURS] : &s->minutes[at % SERIES_MINUTES]);
        }
        return n;
}

static void add_node(Router *r, Node *n, bool hours, size_t max, AnalyticsPoint *ret) {
        series_advance(n->series, &n->latency, r->utc_ns, r->now_ns);
        add_series(n->series, hours, max, ret);
}

size_t node_analytics(Router *r, const Node *n, bool hours, uint64_t now_ns, size_t max, AnalyticsPoint *ret) {
        max = MIN(max, (size_t) (hours ? SERIES_HOURS : SERIES_MINUTES));
        router_advance(r, now_ns);
        memset(ret, 0, max * sizeof(*ret));
        add_node(r, r->nodes[n->slot], hours, max, ret);
        return max;
}

size_t service_analytics(Router *r, const Service *s, bool hours, uint64_t now_ns, size_t max, AnalyticsPoint *ret) {
        max = MIN(max, (size_t) (hours ? SERIES_HOURS : SERIES_MINUTES));
        router_advance(r, now_ns);
        memset(ret, 0, max * sizeof(*ret));
        for (uint32_t i = 0; i < s->n; i++)
                add_node(r, s->nodes[i], hours, max, ret);
        return s->n > 0 ? max : 0;
}

void service_totals(Router *r, const Service *s, uint64_t now_ns, ServiceTotals *ret) {
        ForecastScore sum = {};

        router_advance(r, now_ns);
        *ret = (ServiceTotals) { .fallbacks = s->fallbacks, .openings = s->openings, .savings = s->savings };
        memcpy(ret->decisions, s->decisions_by, sizeof(ret->decisions));
        for (uint32_t i = 0; i < s->n; i++) {
                const ForecastScore *f = &s->nodes[i]->forecast.model.score;

                sum.n += f->n;
                sum.positives += f->positives;
                sum.predicted += f->predicted;
                sum.brier += f->brier;
                sum.brier_base += f->brier_base;
                ret->forecasts_trusted += forecast_is_trusted(&s->nodes[i]->forecast, &r->forecast);
        }
        ret->forecast_brier = sum.n > 0 ? sum.brier / sum.n : NAN;
        ret->forecast_brier_base = sum.n > 0 ? sum.brier_base / sum.n : NAN;
        ret->forecast_predicted = sum.n > 0 ? sum.predicted / sum.n : NAN;
        ret->forecast_observed = sum.n > 0 ? sum.positives / sum.n : NAN;
}

/* ---- recommendations ---- */

typedef struct Hour {
        uint64_t calls, failures, openings;
        Money cost;
} Hour;

static Hour last_hour(Router *r, Node *n) {
        Hour h = {};

        series_advance(n->series, &n->latency, r->utc_ns, r->now_ns);
        for (int i = 0; i < SERIES_MINUTES; i++) {
                AnalyticsPoint p = {};

                add_point(&p, &n->series->minutes[i]);
                h.calls += p.calls;
                h.failures += p.failures;
                h.openings += p.openings;
                h.cost = money_add(h.cost, p.cost);
        }
        return h;
}

static double failure_ratio(const Hour *h) {
        return h->calls > 0 ? (double) h->failures / (double) h->calls : 0;
}

static double price_of(const Hour *h) {
        return h->calls > 0 ? (double) h->cost / (double) h->calls : 0;
}

/* Would the cheapest node that works as well have cost less? */
static bool advise_cost(const Service *s, const Hour *hours, const Hour *all, Recommendation *ret) {
        uint32_t best = NAMES_NONE;
        Money saving;

        for (uint32_t i = 0; i < s->n; i++)
                if (hours[i].calls >= ADVICE_CALLS_MIN / 4 && failure_ratio(&hours[i]) <= failure_ratio(all) + 0.01 &&
                    (best == NAMES_NONE || price_of(&hours[i]) < price_of(&hours[best])))
                        best = i;
        if (best == NAMES_NONE || s->settings.strategy == COST_OPTIMIZED)
                return false;
        saving = all->cost - (Money) (price_of(&hours[best]) * (double) all->calls);
        if ((double) saving < 0.05 * (double) all->cost)
                return false;
        ret->saving_per_hour = saving;
        ret->node = s->nodes[best]->name;
        snprintf(
                ret->text, sizeof(ret->text),
                "Set the strategy to COST_OPTIMIZED: %s costs $%.4f a call, the mix $%.4f, and it fails no more often.",
                ret->node, price_of(&hours[best]) / 1e6, price_of(all) / 1e6);
        return true;
}

/* Does a node fail clearly more often than its share of the weights deserves? */
static bool advise_weight(const Service *s, uint32_t i, const Hour *hours, const Hour *all, Recommendation *ret) {
        Hour others = { all->calls - hours[i].calls, all->failures - hours[i].failures, 0, all->cost - hours[i].cost };
        double excess;

        if (hours[i].calls < ADVICE_CALLS_MIN || others.calls < ADVICE_CALLS_MIN || s->settings.nodes[i].weight == 0)
                return false;
        excess = wilson_lower((double) hours[i].failures, (double) hours[i].calls, Z_95) - failure_ratio(&others);
        if (excess < service_threshold(s) / 2)
                return false;
        ret->saving_per_hour = (Money) (excess * (double) hours[i].cost); /* what was paid for calls that failed */
        ret->node = s->nodes[i]->name;
        snprintf(ret->text, sizeof(ret->text),
                 "Lower the weight of %s (%u): %.1f %% of its calls failed in the last hour, of the others %.1f %%.",
                 ret->node, s->settings.nodes[i].weight, 100 * failure_ratio(&hours[i]), 100 * failure_ratio(&others));
        return true;
}

static bool advise_cap(Router *r, Service *s, Recommendation *ret) {
        budget_advance(&s->budget, r->utc_ns);
        if (!s->budget.hour.refused)
                return false;
        ret->saving_per_hour = 0;
        ret->node = NULL;
        snprintf(ret->text, sizeof(ret->text),
                 "maxCostPerHour ($%.2f) refuses calls this hour: raise it, or use cheaper nodes earlier.",
                 (double) s->budget.hour.limit / (double) MONEY_PER_DOLLAR);
        return true;
}

size_t service_recommendations(Router *r, const Service *constant, uint64_t now_ns, Recommendation *ret, size_t max) {
        Service *s = r->services[names_find(&r->service_names, constant->settings.name)];
        Hour hours[RECOMMENDATION_NODES_MAX], all = {};
        size_t n = 0;

        router_advance(r, now_ns);
        if (s->n > RECOMMENDATION_NODES_MAX) /* nobody tunes so many by hand */
                return 0;
        for (uint32_t i = 0; i < s->n; i++) {
                hours[i] = last_hour(r, s->nodes[i]);
                all.calls += hours[i].calls;
                all.failures += hours[i].failures;
                all.cost = money_add(all.cost, hours[i].cost);
        }
        if (n < max && advise_cap(r, s, &ret[n]))
                n++;
        if (all.calls < ADVICE_CALLS_MIN)
                return n;
        if (n < max && advise_cost(s, hours, &all, &ret[n]))
                n++;
        for (uint32_t i = 0; i < s->n && n < max; i++)
                if (advise_weight(s, i, hours, &all, &ret[n]))
                        n++;
        return n;
}
