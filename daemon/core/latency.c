/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/latency.h"

#include <string.h>

#include "basic/macro.h"
#include "basic/units.h"
#include "daemon/core/stats.h"

/* So slowly does the typical latency follow, and so fast does the peak of an idle node go back to it. */
#define TYPICAL_TAU_NS (600 * NSEC_PER_SEC)

static unsigned bucket_of(uint64_t ns) {
        int octave;

        if (ns < UINT64_C(1) << LATENCY_FIRST_OCTAVE)
                return 0;
        octave = 63 - __builtin_clzll(ns);
        if (octave >= LATENCY_FIRST_OCTAVE + LATENCY_OCTAVES)
                return LATENCY_BUCKETS - 1;
        return (unsigned) (octave - LATENCY_FIRST_OCTAVE) << LATENCY_OCTAVE_BITS |
               (ns >> (octave - LATENCY_OCTAVE_BITS) & ((1 << LATENCY_OCTAVE_BITS) - 1));
}

static uint64_t middle_of(unsigned bucket) {
        unsigned octave = LATENCY_FIRST_OCTAVE + (bucket >> LATENCY_OCTAVE_BITS);
        uint64_t width = UINT64_C(1) << (octave - LATENCY_OCTAVE_BITS);

        return (UINT64_C(1) << octave) + (bucket & ((1 << LATENCY_OCTAVE_BITS) - 1)) * width + width / 2;
}

static void rotate(Latency *l, uint64_t now_ns) {
        uint64_t age = now_ns - l->rotated_ns;

        if (now_ns < l->rotated_ns || age < LATENCY_GENERATION_NS)
                return;
        if (age >= 2 * LATENCY_GENERATION_NS) {
                memset(l->buckets, 0, sizeof(l->buckets));
                l->total[0] = l->total[1] = 0;
        } else {
                l->current ^= 1;
                memset(l->buckets[l->current], 0, sizeof(l->buckets[0]));
                l->total[l->current] = 0;
        }
        l->rotated_ns = now_ns;
}

static void count(Latency *l, uint64_t latency_ns, uint64_t now_ns) {
        uint16_t *buckets = l->buckets[l->current], *b;

        rotate(l, now_ns);
        buckets = l->buckets[l->current];
        b = &buckets[bucket_of(latency_ns)];
        if (*b == UINT16_MAX) { /* halving all of them keeps the shape */
                l->total[l->current] = 0;
                for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
                        l->total[l->current] += buckets[i] /= 2;
        }
        ++*b;
        l->total[l->current]++;
}

double latency_expected(const Latency *l, uint64_t now_ns) {
        double settled = l->typical_ns > 0 ? l->typical_ns : l->peak_ns;
        uint64_t idle = now_ns > l->sampled_ns ? now_ns - l->sampled_ns : 0;

        return settled + (l->peak_ns - settled) * decay(idle, LATENCY_TAU_NS);
}

/* An exponentially weighted moving average over time. */
static double average(double was, double x, uint64_t elapsed_ns, uint64_t tau_ns) {
        double w = decay(elapsed_ns, tau_ns);

        return was * w + x * (1 - w);
}

static void sample(Latency *l, double latency_ns, uint64_t now_ns) {
        if (latency_ns >= l->peak_ns)
                l->peak_ns = latency_ns;
        else
                l->peak_ns = average(l->peak_ns, latency_ns, now_ns > l->sampled_ns ? now_ns - l->sampled_ns : 0,
                                     LATENCY_TAU_NS);
        l->sampled_ns = now_ns;
}

void latency_success(Latency *l, uint64_t latency_ns, uint64_t now_ns) {
        double x = (double) MAX(latency_ns, UINT64_C(1));

        if (l->typical_ns > 0) {
                uint64_t elapsed = now_ns > l->succeeded_ns ? now_ns - l->succeeded_ns : 0;

                l->typical_ns = average(l->typical_ns, x, elapsed, TYPICAL_TAU_NS);
                l->answer_ns = average(l->answer_ns, x, elapsed, LATENCY_TAU_NS);
        } else
                l->typical_ns = l->answer_ns = x;
        l->succeeded_ns = now_ns;
        sample(l, x, now_ns);
        count(l, latency_ns, now_ns);
}

void latency_failure(Latency *l, uint64_t latency_ns, uint64_t penalty_ns, uint64_t now_ns) {
        double x = MAX((double) MAX(latency_ns, penalty_ns), latency_expected(l, now_ns));

        sample(l, MAX(x, 1.0), now_ns);
}

void latency_quantiles(Latency *l, const double *q, int n, uint64_t now_ns, uint64_t *ret) {
        uint64_t total, seen = 0;
        int k = 0;

        rotate(l, now_ns);
        total = (uint64_t) l->total[0] + l->total[1];
        memset(ret, 0, (size_t) n * sizeof(*ret));
        if (total == 0)
                return;
        for (unsigned i = 0; i < LATENCY_BUCKETS && k < n; i++) {
                seen += (uint64_t) l->buckets[0][i] + l->buckets[1][i];
                for (; k < n && (double) seen >= q[k] * (double) total && seen > 0; k++)
                        ret[k] = middle_of(i);
        }
}
