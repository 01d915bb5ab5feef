/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/spending.h"

#include <string.h>

#include "basic/macro.h"
#include "daemon/core/budget.h"

#define TOLERANCE_PERCENT 5

void spending_advance(Spending *s, uint64_t now_ns) {
        uint64_t second = now_ns / NSEC_PER_SEC;

        if (second <= s->second)
                return;
        if (second - s->second >= SPENDING_SECONDS) {
                memset(s, 0, sizeof(*s));
                s->second = s->since_second = second;
                return;
        }
        while (s->second < second) {
                size_t i = ++s->second % SPENDING_SECONDS;

                s->cost -= s->seconds[i].cost;
                s->units -= s->seconds[i].units;
                s->seconds[i].cost = 0;
                s->seconds[i].units = 0;
        }
}

void spending_add(Spending *s, Money cost, Units units, uint64_t now_ns) {
        size_t i;

        spending_advance(s, now_ns);
        /* What would not fit is left out rather than wrapped; no real minute comes near. */
        if (cost > INT64_MAX - s->cost || units > INT64_MAX - s->units)
                return;
        i = s->second % SPENDING_SECONDS;
        s->cost += cost;
        s->units += units;
        s->seconds[i].cost += cost;
        s->seconds[i].units += units;
}

double spending_rate(Spending *s, uint64_t now_ns) {
        uint64_t seconds;

        spending_advance(s, now_ns);
        seconds = MIN(s->second - s->since_second + 1, (uint64_t) SPENDING_SECONDS);
        /* One dear call at the start of a minute is no rate yet. */
        return (double) s->cost / (double) MAX(seconds, (uint64_t) 10);
}

bool spending_fits(const Spending *s, Money cost, Units units, Money ceiling) {
        return ((__int128) s->cost + cost) * UNITS_ONE * 100 <=
               (__int128) ceiling * (100 + TOLERANCE_PERCENT) * ((__int128) s->units + units);
}
