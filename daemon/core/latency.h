/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast a node answers: a peak-EWMA, which believes a slow sample at once and a fast one slowly, and a rolling
 * histogram for quantiles. Only successes feed the histogram; a failure raises the average, so that a fast error never
 * attracts traffic.
 */
#pragma once

#include <stdint.h>

#define LATENCY_TAU_NS (10 * NSEC_PER_SEC)
/* Half of what the quantiles look back on; they cover one to two of these. */
#define LATENCY_GENERATION_NS (60 * NSEC_PER_SEC)

/* Sixteen buckets an octave, each at most 1/16 wide: a quantile is off by at most 3.2 %. From 2^13 ns (8 µs) to 2^39 ns
 * (550 s). */
#define LATENCY_OCTAVE_BITS 4
#define LATENCY_FIRST_OCTAVE 13
#define LATENCY_OCTAVES 26
#define LATENCY_BUCKETS (LATENCY_OCTAVES << LATENCY_OCTAVE_BITS)

typedef struct Latency {
        double peak_ns;    /* at sampled_ns; 0: never sampled */
        double answer_ns;  /* average of recent successes, without what failures add; 0: no success yet */
        double typical_ns; /* slow average of successes, to which an idle node's peak drifts back; 0: no success yet */
        uint64_t sampled_ns, succeeded_ns;
        uint64_t rotated_ns;
        uint32_t total[2];
        uint16_t buckets[2][LATENCY_BUCKETS]; /* this generation and the one before, by `current` */
        uint8_t current;
} Latency;

/* A success took so long. */
void latency_success(Latency *l, uint64_t latency_ns, uint64_t now_ns);
/* A failure took so long (0: unknown), and the next call is worth at least penalty_ns. */
void latency_failure(Latency *l, uint64_t latency_ns, uint64_t penalty_ns, uint64_t now_ns);

/* What to expect now, ns; 0: unknown. */
double latency_expected(const Latency *l, uint64_t now_ns);

/* The quantiles q[0..n) (0..1, rising) of the last one to two minutes; 0 without successes. */
void latency_quantiles(Latency *l, const double *q, int n, uint64_t now_ns, uint64_t *ret);
