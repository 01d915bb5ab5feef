/* SPDX-License-Identifier: Apache-2.0 */
/* Small statistics: decay over time and what a ratio is at least. */
#pragma once

#include <math.h>
#include <stdint.h>

/* One-sided 95 %. */
#define Z_95 1.6448536269514722

/* What is left of a weight after so long: exp(−Δt/τ). */
static inline double decay(uint64_t elapsed_ns, uint64_t tau_ns) {
        return elapsed_ns == 0 ? 1 : exp(-(double) elapsed_ns / (double) tau_ns);
}

/* The lower end of the Wilson interval for k of n; 0 for n = 0. */
static inline double wilson_lower(double k, double n, double z) {
        double p, z2 = z * z, middle, reach, low;

        if (n <= 0)
                return 0;
        p = k / n;
        middle = p + z2 / (2 * n);
        reach = z * sqrt(p * (1 - p) / n + z2 / (4 * n * n));
        low = (middle - reach) / (1 + z2 / n);
        return low > 0 ? low : 0; /* rounding may leave it just below */
}
