/* SPDX-License-Identifier: Apache-2.0 */
/* What is counted during a run, and the figures that it comes to. */
#pragma once

#include "bench/sim/trace.h"
#include "bench/sim/world.h"
#include "daemon/core/router.h"

#define MEASURE_LATENCIES 1024
#define LATENCY_STEPS 32 /* an octave, from a microsecond on */

/* A stretch in which a node answers nothing at all, for at least OUTAGE_MIN_NS. */
#define OUTAGE_MIN_NS (5 * NSEC_PER_SEC)

typedef struct Outage {
        uint32_t node;
        uint64_t from_ns, to_ns;
        uint32_t hits;     /* attempts that ran into it while another node worked */
        uint32_t lost;     /* calls lost for good to it, or refused while it lasted */
        double divert_s;   /* until the node got next to nothing; NAN: it had next to nothing before, INFINITY: never */
        double eligible_s; /* after it: until the policy would use the node again; NAN: it always would */
        double readmit_s;  /* after it: until it got half of its former share again, or had been eligible for as long as
                              the  brain warms nodes up; NAN: does not apply, INFINITY: never */
} Outage;

/* A fault that grows. */
typedef struct Ramp {
        uint32_t node;
        uint64_t from_ns, to_ns;
        double leave_s; /* until the node had lost half of its share; NAN, INFINITY as above */
        double out_s;   /* until it was taken out; INFINITY: never */
} Ramp;

typedef struct ServiceMeasure {
        uint64_t calls, ok, lost, refused; /* refused ones are lost too */
        uint64_t unavoidable;              /* lost while no node worked */
        uint64_t unaffordable;             /* refused because a limit was used up */
        uint64_t attempts, failed_attempts, degraded;
        Money cost;
        double latency_ns; /* sum over successful calls, from the first attempt on */
        uint32_t latencies[MEASURE_LATENCIES];
        double brier,
                brier_base; /* squared error of the failure forecasts, and of always saying the base rate; NAN: none */
        uint32_t flaps;     /* a node taken out for no reason */
        Money spent_hour, spent_period, overshoot; /* overshoot: the worst over any cap */
        uint64_t hour_end_ns, period_end_ns;
        uint32_t *ok_series, *lost_series;
        Money *cost_series;
} ServiceMeasure;

typedef struct Measure {
        const Trace *trace;
        const World *world;
        uint64_t bucket_ns;
        uint32_t n_buckets;
        ServiceMeasure *services;
        uint32_t **sent;        /* by node, by bucket */
        uint64_t *out_since_ns; /* by node; 0: it is in */
        Outage *outages;
        Ramp *ramps;
        uint32_t n_outages, n_ramps;
        uint32_t scenarios; /* a mask of types */
        uint64_t events;    /* that the run handled */
        double seconds;     /* of the processor that it took */
} Measure;

typedef struct Figures {
        double availability;       /* 0..1, of all calls */
        double available_if_works; /* … of those that came and ended while a node worked, and that a limit allowed */
        double cost_per_success;   /* dollars */
        double lost_per_outage, hits_per_outage, divert_s, readmit_s,
                readmit_max_s; /* NAN: there was none; INFINITY: never */
        uint32_t n_outages, not_diverted, not_readmitted, readmits;
        double flaps_per_hour, latency_ms, p99_ms;
        Money overshoot;
} Figures;

/* world must outlive the run, up to measure_finish(). */
int measure_new(Measure **ret, const Trace *trace, const World *world);
Measure *measure_free(Measure *m);

void measure_sent(Measure *m, uint32_t node, const Answer *a, uint64_t now_ns);

typedef struct CallEnd {
        uint32_t service, node; /* node: of the latest attempt, if there was one */
        uint64_t started_ns, sent_ns;
        bool ok, refused;  /* refused: no node was found for it, for the first attempt */
        bool unaffordable; /* … because a limit was used up */
} CallEnd;
void measure_done(Measure *m, const CallEnd *e, uint64_t now_ns);
void measure_settled(Measure *m, uint32_t service, Money cost, uint64_t now_ns);
void measure_out(Measure *m, uint32_t node, uint64_t now_ns);
void measure_in(Measure *m, uint32_t node, uint64_t now_ns);
void measure_scenario(Measure *m, ScenarioType type);
void measure_decision(Measure *m, uint32_t service, const Decision *d);

/* After the run: what came of outages and ramps. */
void measure_finish(Measure *m);
bool measure_any_works(const Measure *m, uint32_t service, uint64_t at_ns);
void measure_figures(const Measure *m, uint32_t service, Figures *ret);
/* How far behind the oracle, in what the service is after: 0 as good, 0.1 ten percent worse. */
double measure_regret(Objective objective, const Figures *f, const Figures *oracle);
