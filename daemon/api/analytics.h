/* SPDX-License-Identifier: Apache-2.0 */
/* What became of calls in a stretch of time, as several methods show it. */
#pragma once

#include "daemon/api/types.h"

#define ANALYTICS_MINUTES 60
#define ANALYTICS_HOURS 168

typedef struct Tally {
        uint64_t decisions, calls, successes, failures, openings;
        uint64_t verdicts[_PM_VERDICT_MAX];
        Money cost, savings;
        Money cost_per_success;          /* MONEY_UNSET: no success */
        double success_rate;             /* NAN: no call */
        double latency_mean_ms;          /* NAN: no success */
        uint64_t p50_ns, p95_ns, p99_ns; /* of the slowest minute or hour; NSEC_INFINITY: none is over yet */
} Tally;

/* Adds points up; tally_finish() works out what follows from the sums. */
void tally_add(Tally *t, const AnalyticsPoint *p);
void tally_finish(Tally *t);

/* The fields of a tally that is the member m of a structure s. */
#define TALLY_FIELDS(s, m) \
        FIELD(s, m.decisions, "decisions", FIELD_UINT64), \
        FIELD(s, m.calls, "calls", FIELD_UINT64), \
        FIELD(s, m.failures, "failures", FIELD_UINT64), \
        FIELD(s, m.success_rate, "successRate", FIELD_FLOAT, OPTIONAL), \
        FIELD(s, m.cost, "cost", FIELD_MONEY), \
        FIELD(s, m.cost_per_success, "costPerSuccess", FIELD_MONEY, OPTIONAL), \
        FIELD(s, m.savings, "savings", FIELD_MONEY), \
        FIELD(s, m.openings, "circuitOpenings", FIELD_UINT64), \
        FIELD(s, m.latency_mean_ms, "latencyMeanMs", FIELD_FLOAT, OPTIONAL), \
        FIELD(s, m.p50_ns, "latencyP50Ms", FIELD_MS, OPTIONAL), \
        FIELD(s, m.p95_ns, "latencyP95Ms", FIELD_MS, OPTIONAL), \
        FIELD(s, m.p99_ns, "latencyP99Ms", FIELD_MS, OPTIONAL), \
        FIELD(s, m.verdicts, "verdicts", FIELD_COUNTS, .names = &verdict_names)
