/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/breaker.h"

#include "basic/macro.h"
#include "basic/units.h"
#include "daemon/core/stats.h"

#define DOUBLINGS_MAX 40

static void change(Breaker *b, Circuit circuit, uint64_t now_ns) {
        b->circuit = circuit;
        b->generation++;
        b->run = 0;
        b->successes = 0;
        b->since_ns = now_ns;
}

void breaker_open(Breaker *b, uint64_t first_ns, Random *random, uint64_t now_ns) {
        uint64_t open_ns = MAX(first_ns, NSEC_PER_MSEC);

        if (b->circuit == CIRCUIT_CLOSED) {
                uint64_t healthy = (now_ns - b->since_ns) / BREAKER_HEALTHY_NS;

                b->doublings -= (uint8_t) MIN(healthy, (uint64_t) b->doublings);
        }
        for (int i = 0; i < b->doublings && open_ns < BREAKER_OPEN_MAX_NS; i++)
                open_ns *= 2;
        open_ns = MIN(open_ns, BREAKER_OPEN_MAX_NS);
        if (b->doublings < DOUBLINGS_MAX)
                b->doublings++;

        change(b, CIRCUIT_OPEN, now_ns);
        b->locked = b->slow = b->probe_failed = false;
        b->permits = 0;
        b->open_until_ns = now_ns + MIN(random_jitter(random, open_ns, BREAKER_JITTER), BREAKER_OPEN_MAX_NS);
}

void breaker_half_open(Breaker *b, uint64_t now_ns) {
        change(b, CIRCUIT_HALF_OPEN, now_ns);
        b->permits = BREAKER_PERMITS;
}

void breaker_close(Breaker *b, uint64_t now_ns) {
        change(b, CIRCUIT_CLOSED, now_ns);
        b->locked = b->slow = false;
        b->permits = 0;
        b->ramp_ns = MAX(now_ns, UINT64_C(1));
}

bool breaker_ratio_exceeded(uint32_t failures, uint32_t calls, double threshold) {
        return calls >= BREAKER_CALLS_MIN && failures >= BREAKER_FAILURES_MIN &&
               wilson_lower(failures, calls, Z_95) > threshold;
}

double breaker_ramp(const Breaker *b, uint64_t now_ns) {
        uint64_t elapsed;

        if (b->circuit != CIRCUIT_CLOSED || b->ramp_ns == 0)
                return 1;
        elapsed = now_ns > b->ramp_ns ? now_ns - b->ramp_ns : 0;
        if (elapsed >= BREAKER_RAMP_NS)
                return 1;
        return MAX(0.1, (double) elapsed / (double) BREAKER_RAMP_NS);
}
