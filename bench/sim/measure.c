/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/sim/measure.h"

#include <errno.h>
#include <math.h>

#include "basic/macro.h"
#include "daemon/core/budget.h"

#define BUCKETS_MAX 36000
#define CELLS_MAX 20000000.0
#define BUCKET_MIN_NS (100 * NSEC_PER_MSEC)
/* So long after a fault is over a node may still be taken out because of it. */
#define AFTERMATH_NS (60 * NSEC_PER_SEC)

static bool is_outage(const Fault *f) {
        return (f->kind == FAULT_DOWN || f->kind == FAULT_AUTH) && f->to_ns - f->from_ns >= OUTAGE_MIN_NS;
}

/* Two that touch are one. */
static void add_outage(Measure *m, const Fault *f) {
        uint64_t to = MIN(f->to_ns, m->trace->duration_ns);

        for (uint32_t i = 0; i < m->n_outages; i++)
                if (m->outages[i].node == f->node && m->outages[i].to_ns >= f->from_ns) {
                        m->outages[i].to_ns = MAX(m->outages[i].to_ns, to);
                        return;
                }
        m->outages[m->n_outages++] = (Outage){ f->node, f->from_ns, to, 0, 0, NAN, NAN, NAN };
}

/* What grows together is one. */
static void add_ramp(Measure *m, const Fault *f) {
        uint64_t to = MIN(f->to_ns, m->trace->duration_ns);

        for (uint32_t i = 0; i < m->n_ramps; i++)
                if (m->ramps[i].node == f->node && m->ramps[i].to_ns > f->from_ns) {
                        m->ramps[i].to_ns = MAX(m->ramps[i].to_ns, to);
                        return;
                }
        m->ramps[m->n_ramps++] = (Ramp){ f->node, f->from_ns, to, NAN, INFINITY };
}

static int allocate(Measure *m) {
        const Trace *t = m->trace;

        m->services = calloc(t->settings.n_services, sizeof(ServiceMeasure));
        m->sent = calloc(t->n_nodes, sizeof(*m->sent));
        m->out_since_ns = calloc(t->n_nodes, sizeof(*m->out_since_ns));
        m->outages = calloc(t->n_faults + 1, sizeof(Outage));
        m->ramps = calloc(t->n_faults + 1, sizeof(Ramp));
        if (!m->services || !m->sent || !m->out_since_ns || !m->outages || !m->ramps)
                return -ENOMEM;
        for (uint32_t i = 0; i < t->n_nodes; i++)
                if (!(m->sent[i] = calloc(m->n_buckets, sizeof(uint32_t))))
                        return -ENOMEM;
        for (size_t i = 0; i < t->settings.n_services; i++) {
                ServiceMeasure *s = &m->services[i];

                s->brier = s->brier_base = NAN;
                s->ok_series = calloc(m->n_buckets, sizeof(uint32_t));
                s->lost_series = calloc(m->n_buckets, sizeof(uint32_t));
                s->cost_series = calloc(m->n_buckets, sizeof(Money));
                if (!s->ok_series || !s->lost_series || !s->cost_series)
                        return -ENOMEM;
        }
        return 0;
}

int measure_new(Measure **ret, const Trace *trace, const World *world) {
        Measure *m = calloc(1, sizeof(Measure));
        double buckets = MIN((double) BUCKETS_MAX, CELLS_MAX / MAX(trace->n_nodes, 1U));

        if (!m)
                return -ENOMEM;
        m->trace = trace;
        m->world = world;
        m->bucket_ns = MAX(BUCKET_MIN_NS, (uint64_t) ((double) trace->duration_ns / buckets) + 1);
        m->n_buckets = (uint32_t) (trace->duration_ns / m->bucket_ns) + 1;
        if (allocate(m) < 0) {
                measure_free(m);
                return -ENOMEM;
        }
        for (uint32_t i = 0; i < trace->n_faults; i++) {
                const Fault *f = &trace->faults[i];

                if (is_outage(f))
                        add_outage(m, f);
                if (f->ramp)
                        add_ramp(m, f);
        }
        *ret = m;
        return 0;
}

Measure *measure_free(Measure *m) {
        if (!m)
                return NULL;
        for (uint32_t i = 0; m->sent && i < m->trace->n_nodes; i++)
                free(m->sent[i]);
        for (size_t i = 0; m->services && i < m->trace->settings.n_services; i++) {
                free(m->services[i].ok_series);
                free(m->services[i].lost_series);
                free(m->services[i].cost_series);
        }
        free(m->services);
        free(m->sent);
        free(m->out_since_ns);
        free(m->outages);
        free(m->ramps);
        free(m);
        return NULL;
}

static uint32_t bucket(const Measure *m, uint64_t at_ns) {
        return (uint32_t) MIN(at_ns / m->bucket_ns, (uint64_t) m->n_buckets - 1);
}

bool measure_any_works(const Measure *m, uint32_t service, uint64_t at_ns) {
        for (size_t i = 0; i < trace_service(m->trace, service)->n_nodes; i++)
                if (world_works(m->world, m->trace->services[service].nodes[i], at_ns))
                        return true;
        return false;
}

void measure_sent(Measure *m, uint32_t node, const Answer *a, uint64_t now_ns) {
        ServiceMeasure *s = &m->services[m->trace->nodes[node].service];

        s->attempts++;
        s->cost = money_add(s->cost, a->cost);
        s->cost_series[bucket(m, now_ns)] += a->cost;
        m->sent[node][bucket(m, now_ns)]++;
        if (a->verdict == PM_OK)
                return;
        s->failed_attempts++;
        for (uint32_t i = 0; i < m->n_outages; i++)
                if (m->outages[i].node == node && now_ns >= m->outages[i].from_ns && now_ns < m->outages[i].to_ns &&
                    measure_any_works(m, m->trace->nodes[node].service, now_ns))
                        m->outages[i].hits++;
}

static void count_lost(Measure *m, const CallEnd *e, uint64_t now_ns) {
        ServiceMeasure *s = &m->services[e->service];

        s->lost++;
        s->refused += e->refused;
        s->lost_series[bucket(m, e->started_ns)]++;
        if (e->unaffordable) {
                s->unaffordable++;
                return;
        }
        if (!measure_any_works(m, e->service, e->started_ns) || !measure_any_works(m, e->service, now_ns)) {
                s->unavoidable++;
                return;
        }
        for (uint32_t i = 0; i < m->n_outages; i++) {
                Outage *o = &m->outages[i];
                uint64_t at_ns = e->refused ? e->started_ns : e->sent_ns;

                if (m->trace->nodes[o->node].service == e->service && (e->refused || e->node == o->node) &&
                    at_ns >= o->from_ns && at_ns < o->to_ns) {
                        o->lost++;
                        return; /* to one of them */
                }
        }
}

void measure_done(Measure *m, const CallEnd *e, uint64_t now_ns) {
        ServiceMeasure *s = &m->services[e->service];
        uint64_t took = now_ns - e->started_ns;
        int step = took > 0 ? (int) (log2((double) took / 1e3) * LATENCY_STEPS) : 0;

        s->calls++;
        if (!e->ok) {
                count_lost(m, e, now_ns);
                return;
        }
        s->ok++;
        s->ok_series[bucket(m, e->started_ns)]++;
        s->latency_ns += (double) took;
        s->latencies[CLAMP(step, 0, MEASURE_LATENCIES - 1)]++;
}

/* ---- money ---- */

static void check_cap(ServiceMeasure *m, Money spent, Money cap, double by) {
        if (cap != MONEY_UNSET)
                m->overshoot = MAX(m->overshoot, spent - (Money) ((double) cap * by + 0.5));
}

void measure_settled(Measure *m, uint32_t service, Money cost, uint64_t now_ns) {
        const ServiceSettings *s = trace_service(m->trace, service);
        ServiceMeasure *x = &m->services[service];
        uint64_t utc_ns = m->trace->utc_ns + now_ns, start;
        double by = s->on_exhausted == EXHAUSTED_EMERGENCY ? s->emergency_multiplier : 1;

        if (utc_ns >= x->hour_end_ns) {
                period_window(PERIOD_HOURLY, utc_ns, &start, &x->hour_end_ns);
                x->spent_hour = 0;
        }
        x->spent_hour = money_add(x->spent_hour, cost);
        check_cap(x, x->spent_hour, s->max_cost_per_hour, by);
        if (s->budget_period == _BUDGET_PERIOD_INVALID)
                return;
        if (utc_ns >= x->period_end_ns) {
                period_window(s->budget_period, utc_ns, &start, &x->period_end_ns);
                x->spent_period = 0;
        }
        x->spent_period = money_add(x->spent_period, cost);
        check_cap(x, x->spent_period, s->total_budget, by);
}

/* ---- who is out ---- */

static bool has_reason(const Measure *m, uint32_t node, uint64_t now_ns) {
        for (uint32_t i = 0; i < m->trace->n_faults; i++) {
                const Fault *f = &m->trace->faults[i];

                if (f->node == node && now_ns >= f->from_ns &&
                    (f->to_ns == NSEC_INFINITY || now_ns < f->to_ns + AFTERMATH_NS))
                        return true;
        }
        return false;
}

void measure_out(Measure *m, uint32_t node, uint64_t now_ns) {
        if (m->out_since_ns[node] > 0)
                return;
        m->out_since_ns[node] = MAX(now_ns, UINT64_C(1));
        if (!has_reason(m, node, now_ns))
                m->services[m->trace->nodes[node].service].flaps++;
        for (uint32_t i = 0; i < m->n_ramps; i++) {
                Ramp *r = &m->ramps[i];

                if (r->node == node && now_ns >= r->from_ns && now_ns < r->to_ns && isinf(r->out_s))
                        r->out_s = (double) (now_ns - r->from_ns) / 1e9;
        }
}

void measure_in(Measure *m, uint32_t node, uint64_t now_ns) {
        m->out_since_ns[node] = 0;
        for (uint32_t i = 0; i < m->n_outages; i++) {
                Outage *o = &m->outages[i];

                if (o->node == node && now_ns >= o->to_ns && isnan(o->eligible_s))
                        o->eligible_s = (double) (now_ns - o->to_ns) / 1e9;
        }
}

void measure_scenario(Measure *m, ScenarioType type) {
        m->scenarios |= 1U << type;
}

void measure_decision(Measure *m, uint32_t service, const Decision *d) {
        m->services[service].degraded += d->degraded;
}
