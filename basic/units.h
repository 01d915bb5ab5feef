/* SPDX-License-Identifier: Apache-2.0 */
/* Time is nanoseconds and money is micro-dollars, both integers: nobody is charged by a rounding error. */
#pragma once

#include <stdint.h>

#define NSEC_PER_USEC UINT64_C(1000)
#define NSEC_PER_MSEC UINT64_C(1000000)
#define NSEC_PER_SEC UINT64_C(1000000000)
#define NSEC_PER_MINUTE (60 * NSEC_PER_SEC)
#define NSEC_PER_HOUR (3600 * NSEC_PER_SEC)
#define NSEC_PER_DAY (24 * NSEC_PER_HOUR)
#define NSEC_INFINITY UINT64_MAX

/* Micro-dollars. */
typedef int64_t Money;
#define MONEY_PER_DOLLAR INT64_C(1000000)
/* An absent amount, e.g. "no cap". Never part of a sum. */
#define MONEY_UNSET INT64_MIN
/* The largest amount that a setting or a field may hold: a billion dollars. */
#define MONEY_MAX (INT64_C(1000000000) * MONEY_PER_DOLLAR)

/* What a call consumes (requests, matrix elements) in millionths of a unit, so that fractions stay exact. */
typedef int64_t Units;
#define UNITS_ONE INT64_C(1000000)
#define UNITS_MAX (INT64_C(1000000) * UNITS_ONE)

/* Price of one unit times units, rounded up to the next micro-dollar: an estimate is never too small. */
static inline Money money_of_units(Money price, Units units) {
        __int128 v = (__int128) price * units;
        return (Money) ((v + UNITS_ONE - 1) / UNITS_ONE);
}
