/* SPDX-License-Identifier: Apache-2.0 */
/* How a lease ends, and what that costs. */
#include <stdio.h>

#include "basic/macro.h"
#include "daemon/core/price.h"
#include "daemon/core/router-private.h"

/* The units count for the volume price as they are promised, so that calls in flight do not all get the cheap one. */
static void correct_units(Node *n, const Lease *lease, uint32_t operation, Units units, uint64_t utc_ns) {
        Units difference = units - lease->units;

        node_month(n, utc_ns);
        if (lease->month_start_ns != n->month.start_ns) /* promised last month, used in this */
                difference = units;
        n->used += difference;
        if (lease->operation != OPERATION_GONE)
                n->operations[operation].used += difference;
}

static void charge(Router *r, Node *n, Money cost) {
        meter_advance(&n->hour, PERIOD_HOURLY, r->utc_ns);
        meter_advance(&n->period, n->service->budget.period.period, r->utc_ns);
        n->hour.spent = money_add(n->hour.spent, cost);
        n->period.spent = money_add(n->period.spent, cost);
}

static uint32_t lease_operation(const Lease *lease, const Node *n) {
        return lease->operation <= n->n_operations ? lease->operation : 0;
}

/* What so many units cost instead of those that were promised. */
static Money price_again(const Lease *lease, const Node *n, Units units) {
        if (lease->operation != OPERATION_GONE)
                return node_price(n, lease_operation(lease, n), lease->used_before, units);
        /* Nobody knows its price any more but by what was promised. */
        return lease->units > 0 ? (Money) MIN((__int128) lease->estimate * units / lease->units, (__int128) MONEY_MAX) : 0;
}

static Money settle_money(Router *r, Lease *lease, Node *n, const Outcome *o, Units *ret_units) {
        uint32_t operation = lease_operation(lease, n);
        Budget *b = &n->service->budget;
        Units units = o->units >= 0 ? MIN(o->units, UNITS_MAX) : lease->units;
        Money cost;

        budget_advance(b, r->utc_ns);
        if (o->verdict == PM_NOT_SENT) {
                correct_units(n, lease, operation, 0, r->utc_ns);
                budget_refund(b, lease->estimate);
                r->counters.outstanding -= lease->estimate;
                r->counters.refunded = money_add(r->counters.refunded, lease->estimate);
                *ret_units = 0;
                return 0;
        }
        if (o->cost != MONEY_UNSET)
                cost = CLAMP(o->cost, (Money) 0, MONEY_MAX);
        else if (units == lease->units)
                cost = lease->estimate;
        else
                cost = price_again(lease, n, units);
        correct_units(n, lease, operation, units, r->utc_ns);
        budget_settle(b, lease->estimate, cost);
        charge(r, n, cost);
        r->counters.outstanding -= lease->estimate;
        r->counters.settled = money_add(r->counters.settled, cost);
        r->counters.adjusted = money_add(r->counters.adjusted, cost - lease->estimate);
        budget_alerts(r, n->service, r->now_ns);
        detect_spend(r, n->service, r->now_ns);
        *ret_units = units;
        return cost;
}

static void count_impact(const Service *s) {
        ScenarioImpact *i;

        if (!s->scenario)
                return;
        i = &s->scenario->impact;
        i->failed_calls++;
        if (s->settings.revenue_per_call != MONEY_UNSET)
                i->revenue_at_risk = money_add(i->revenue_at_risk, s->settings.revenue_per_call);
}

static void record_point(SeriesPoint *p, const Outcome *o, Money cost, Money usual) {
        p->verdicts[o->verdict]++;
        p->cost = money_add(p->cost, cost);
        p->static_cost = money_add(p->static_cost, usual);
        if (o->verdict == PM_OK || o->verdict == PM_PERFORMANCE_DEGRADATION)
                p->latency_sum_ms += (float) ((double) o->latency_ns / (double) NSEC_PER_MSEC);
}

static void record(Router *r, Node *n, const Outcome *o, Money cost, Money usual) {
        series_advance(n->series, &n->latency, r->utc_ns, r->now_ns);
        record_point(series_minute(n->series), o, cost, usual);
        record_point(series_hour(n->series), o, cost, usual);
        n->service->savings = money_add(n->service->savings, usual - cost);
}

/* The call is in the lease before it is in the books, and for so long as it may be missing there. */
static void close_lease(Router *r, Lease *lease, const Node *n, const LeaseEnd *end) {
        const struct pm_operation *operation = node_operation(n, lease_operation(lease, n));

        lease_close(&r->leases, lease, r->books ? end : NULL);
        if (!r->books)
                return;
        r->books(r->books_userdata, &(SettledCall) {
                .serial = lease->serial,
                .service_name = n->service->settings.name,
                .node = n->name,
                .operation = operation ? operation->name : "",
                .provider = n->settings->provider_name ?: "",
                .tier = (CostTier) lease->tier,
                .verdict = (Verdict) end->verdict,
                .cost = end->cost,
                .usual_cost = end->usual_cost,
                .units = end->units,
                .utc_ns = end->utc_ns,
        });
}

Money lease_settle(Router *r, Lease *lease, const Outcome *o, uint64_t now_ns) {
        Node *n = r->nodes[lease->node];
        NodeHot *h = node_hot(n);
        Money usual = o->verdict == PM_NOT_SENT ? 0 : price_units(n->service->static_price, lease->units);
        LeaseEnd end = { .usual_cost = usual, .utc_ns = r->utc_ns, .verdict = (uint8_t) o->verdict };
        Money cost = end.cost = settle_money(r, lease, n, o, &end.units);

        h->in_flight--;
        if (o->verdict != PM_NOT_SENT && o->verdict != PM_UNKNOWN)
                h->unheard = 0;
        record(r, n, o, cost, usual);
        if (lease->permit && h->breaker.circuit == CIRCUIT_HALF_OPEN && lease->generation == h->breaker.generation)
                h->breaker.permits++;
        n->verdicts[o->verdict]++;
        if (o->verdict != PM_NOT_SENT)
                n->calls++;
        if (verdict_is_failure(o->verdict)) {
                n->failures++;
                n->service->failures++;
                r->counters.failures++;
                count_impact(n->service);
        }
        node_learn(r, n, &(Observation) {
                .verdict = o->verdict,
                .scope = o->scope,
                .operation = lease_operation(lease, n),
                .generation = lease->generation,
                .latency_ns = o->latency_ns,
                .retry_after_ns = o->retry_after_ns,
                .cooldown_ns = o->cooldown_ns,
        }, now_ns);
        close_lease(r, lease, n, &end);
        return cost;
}

void lease_expire(Router *r, Lease *lease, uint64_t now_ns) {
        r->counters.leases_expired++;
        lease_settle(r, lease, &(Outcome) { .verdict = PM_UNKNOWN, .units = -1, .cost = MONEY_UNSET }, now_ns);
}

unsigned leases_sweep(Router *r, unsigned max, uint64_t now_ns) {
        unsigned n = 0;
        Lease *lease;

        for (; n < max && (lease = leases_due(&r->leases, now_ns)); n++)
                lease_expire(r, lease, now_ns);
        return n;
}

/* When the limit will be used up if spending goes on as in the last minute. */
static void tell_end(char *text, size_t size, const Router *r, Service *s, const Allowance *a, unsigned level) {
        double rate = spending_rate(&s->spending, r->now_ns), left;

        if (level == ALERT_EXHAUSTED) {
                snprintf(text, size, "; the limit is used up");
                return;
        }
        left = rate > 0 ? (double) (a->limit - a->meter.spent) / rate : INFINITY;
        if (a->meter.end_ns > r->utc_ns && left < (double) (a->meter.end_ns - r->utc_ns) / (double) NSEC_PER_SEC)
                snprintf(text, size, "; at this rate used up in %.0f min", left / 60);
        else
                snprintf(text, size, "; at this rate it will last");
}

static void tell_alert(Router *r, Service *s, Allowance *a, const char *limit, uint64_t now_ns) {
        unsigned level = allowance_alert(a, s->settings.budget_alert_threshold);
        Event *e;
        int k;

        if (level == 0)
                return;
        if (level == ALERT_EXHAUSTED)
                detect_exhausted(r, s, limit, now_ns);
        e = effects_event(&r->effects, EVENT_COST_ALERT,
                          level == ALERT_EXHAUSTED ? SEVERITY_CRITICAL
                          : level == ALERT_NEARLY  ? SEVERITY_HIGH
                                                   : SEVERITY_MEDIUM,
                          now_ns);
        if (!e)
                return;
        e->service_name = s->settings.name;
        e->cost = a->meter.spent;
        e->limit = a->limit;
        e->ratio = a->limit > 0 ? (double) a->meter.spent / (double) a->limit : 1;
        k = snprintf(e->message, sizeof(e->message), "%s: $%.2f of $%.2f are spent (%s)", s->settings.name,
                     (double) a->meter.spent / (double) MONEY_PER_DOLLAR, (double) a->limit / (double) MONEY_PER_DOLLAR,
                     limit);
        tell_end(e->message + k, sizeof(e->message) - (size_t) k, r, s, a, level);
}

void budget_alerts(Router *r, Service *s, uint64_t now_ns) {
        tell_alert(r, s, &s->budget.hour, budget_limit_name(LIMIT_HOUR), now_ns);
        tell_alert(r, s, &s->budget.period, budget_limit_name(LIMIT_PERIOD), now_ns);
}
