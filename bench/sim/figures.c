/* SPDX-License-Identifier: Apache-2.0 */
/* From what was counted to what it means. */
#include <math.h>

#include "basic/macro.h"
#include "bench/sim/measure.h"

/* The share that a node had before is that of the last minute. */
#define BEFORE_NS NSEC_PER_MINUTE
#define DIVERT_WINDOW_NS (2 * NSEC_PER_SEC)
#define WARM_UP_S 30
#define READMIT_WINDOW_NS (5 * NSEC_PER_SEC)
/* A node with less than this had next to nothing. */
#define SHARE_MIN 0.02
#define DIVERTED 0.1
#define READMITTED 0.5
#define LEFT 0.5

/* Share of the service's attempts that the node got from one bucket up to another; NAN: there were none. */
static double share(const Measure *m, uint32_t node, uint32_t from, uint32_t to) {
        const TraceNode *x = &m->trace->nodes[node];
        double own = 0, all = 0;

        for (uint32_t b = from; b < MIN(to, m->n_buckets); b++) {
                own += m->sent[node][b];
                for (size_t i = 0; i < trace_service(m->trace, x->service)->n_nodes; i++)
                        all += m->sent[m->trace->services[x->service].nodes[i]][b];
        }
        return all > 0 ? own / all : NAN;
}

static double share_before(const Measure *m, uint32_t node, uint64_t from_ns) {
        uint32_t to = (uint32_t) (from_ns / m->bucket_ns), n = (uint32_t) (BEFORE_NS / m->bucket_ns) + 1;

        return share(m, node, to > n ? to - n : 0, to);
}

/* Seconds until the share over a window has come to at most (or with above, at least) the limit. */
static double until(const Measure *m, uint32_t node, uint64_t from_ns, uint64_t to_ns, uint64_t window_ns, double limit,
                    bool above) {
        uint32_t window = (uint32_t) MAX(window_ns / m->bucket_ns, UINT64_C(1));

        for (uint64_t b = from_ns / m->bucket_ns; b + window <= to_ns / m->bucket_ns; b++) {
                double x = share(m, node, (uint32_t) b, (uint32_t) b + window);

                if (!isnan(x) && (above ? x >= limit : x <= limit))
                        return b * m->bucket_ns <= from_ns ? 0 : (double) (b * m->bucket_ns - from_ns) / 1e9;
        }
        return INFINITY;
}

/* When the service is next hit by anything, or the trace ends. */
static uint64_t next_trouble(const Measure *m, uint32_t service, uint64_t after_ns) {
        uint64_t next = m->trace->duration_ns;

        for (uint32_t i = 0; i < m->trace->n_faults; i++)
                if (m->trace->nodes[m->trace->faults[i].node].service == service &&
                    m->trace->faults[i].from_ns >= after_ns)
                        next = MIN(next, m->trace->faults[i].from_ns);
        return next;
}

void measure_finish(Measure *m) {
        for (uint32_t i = 0; i < m->n_outages; i++) {
                Outage *o = &m->outages[i];
                double before = share_before(m, o->node, o->from_ns);
                uint64_t end = next_trouble(m, m->trace->nodes[o->node].service, o->to_ns);

                if (isnan(before) || before < SHARE_MIN ||
                    !measure_any_works(m, m->trace->nodes[o->node].service, (o->from_ns + o->to_ns) / 2))
                        continue;
                o->divert_s = until(m, o->node, o->from_ns, o->to_ns, DIVERT_WINDOW_NS, before * DIVERTED, false);
                if (isinf(o->divert_s)) /* what never left cannot come back */
                        continue;
                o->readmit_s = until(m, o->node, o->to_ns, end, READMIT_WINDOW_NS, before * READMITTED, true);
                /* Once it has been in again for as long as it warms up, who gets the calls is the strategy's choice; so
                 * it is at once if it was never taken out. */
                if (!isnan(o->eligible_s))
                        o->readmit_s = MIN(o->readmit_s, o->eligible_s + WARM_UP_S);
                else if (isinf(o->readmit_s) && m->out_since_ns[o->node] == 0)
                        o->readmit_s = NAN;
                if (isinf(o->readmit_s) && end - o->to_ns < 2 * NSEC_PER_MINUTE)
                        o->readmit_s = NAN; /* it was not given the time */
        }
        for (uint32_t i = 0; i < m->n_ramps; i++) {
                Ramp *r = &m->ramps[i];
                double before = share_before(m, r->node, r->from_ns);

                if (!isnan(before) && before >= SHARE_MIN)
                        r->leave_s = until(m, r->node, r->from_ns, r->to_ns, READMIT_WINDOW_NS, before * LEFT, false);
        }
}

static double quantile_ms(const ServiceMeasure *s, double q) {
        uint64_t seen = 0;

        for (int i = 0; i < MEASURE_LATENCIES; i++) {
                seen += s->latencies[i];
                if (s->ok > 0 && (double) seen >= q * (double) s->ok)
                        return exp2((i + 0.5) / LATENCY_STEPS) / 1e3;
        }
        return NAN;
}

void measure_figures(const Measure *m, uint32_t service, Figures *ret) {
        const ServiceMeasure *s = &m->services[service];
        double avoidable = (double) (s->calls - s->unavoidable - s->unaffordable), lost = 0, hits = 0, divert = 0,
               readmit = 0;
        uint32_t diverts = 0;

        *ret = (Figures){
                .availability = s->calls > 0 ? (double) s->ok / (double) s->calls : NAN,
                .available_if_works = avoidable > 0 ? (double) s->ok / avoidable : NAN,
                .cost_per_success = s->ok > 0 ? (double) s->cost / (double) MONEY_PER_DOLLAR / (double) s->ok : NAN,
                .lost_per_outage = NAN,
                .hits_per_outage = NAN,
                .divert_s = NAN,
                .readmit_s = NAN,
                .readmit_max_s = NAN,
                .flaps_per_hour = s->flaps / ((double) m->trace->duration_ns / (double) NSEC_PER_HOUR),
                .latency_ms = s->ok > 0 ? s->latency_ns / (double) s->ok / 1e6 : NAN,
                .p99_ms = quantile_ms(s, 0.99),
                .overshoot = s->overshoot,
        };
        for (uint32_t i = 0; i < m->n_outages; i++) {
                const Outage *o = &m->outages[i];

                if (m->trace->nodes[o->node].service != service)
                        continue;
                ret->n_outages++;
                lost += o->lost;
                hits += o->hits;
                if (isinf(o->divert_s))
                        ret->not_diverted++;
                else if (!isnan(o->divert_s)) {
                        divert += o->divert_s;
                        diverts++;
                }
                if (isinf(o->readmit_s))
                        ret->not_readmitted++;
                else if (!isnan(o->readmit_s)) {
                        readmit += o->readmit_s;
                        ret->readmit_max_s = ret->readmits == 0 ? o->readmit_s : MAX(ret->readmit_max_s, o->readmit_s);
                        ret->readmits++;
                }
        }
        if (ret->n_outages > 0) {
                ret->lost_per_outage = lost / ret->n_outages;
                ret->hits_per_outage = hits / ret->n_outages;
        }
        if (diverts > 0)
                ret->divert_s = divert / diverts;
        if (ret->readmits > 0)
                ret->readmit_s = readmit / ret->readmits;
}

double measure_regret(Objective objective, const Figures *f, const Figures *oracle) {
        switch (objective) {
        case OBJECTIVE_COST:
                return oracle->cost_per_success > 0 ? f->cost_per_success / oracle->cost_per_success - 1 : 0;
        case OBJECTIVE_LATENCY:
                return f->latency_ms / oracle->latency_ms - 1;
        default:
                return 1 - f->available_if_works / oracle->available_if_works;
        }
}
