/* SPDX-License-Identifier: Apache-2.0 */
/* What a service's decisions promised in the last minute, by second: for the blended price of a call and the rate of
 * spend. */
#pragma once

#include "daemon/core/settings.h"

#define SPENDING_SECONDS 60

typedef struct Spending {
        uint64_t second, since_second; /* the newest, and the first one ever */
        Money cost;                    /* sums of all seconds below */
        Units units;
        struct {
                Money cost;
                Units units;
        } seconds[SPENDING_SECONDS];
} Spending;

void spending_advance(Spending *s, uint64_t now_ns);
void spending_add(Spending *s, Money cost, Units units, uint64_t now_ns);
/* Micro-dollars a second. */
double spending_rate(Spending *s, uint64_t now_ns);
/* Whether the blended price of a unit stays below the ceiling, with 5 % tolerance, when so much more is added. */
bool spending_fits(const Spending *s, Money cost, Units units, Money ceiling);
