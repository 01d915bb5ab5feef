/* SPDX-License-Identifier: Apache-2.0 */
/* The clocks of the machine. Not for the brain, which is told what time it is. */
#pragma once

#include <time.h>

#include "basic/units.h"

static inline uint64_t clock_ns(clockid_t clock) {
        struct timespec ts;

        clock_gettime(clock, &ts);
        return (uint64_t) ts.tv_sec * NSEC_PER_SEC + (uint64_t) ts.tv_nsec;
}
