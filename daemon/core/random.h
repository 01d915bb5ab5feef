/* SPDX-License-Identifier: Apache-2.0 */
/* The brain's only source of chance: xoshiro256** (Blackman and Vigna), seeded once, so that every run can be replayed.
 * */
#pragma once

#include <stdint.h>

typedef struct Random {
        uint64_t s[4];
} Random;

static inline uint64_t random_mix(uint64_t *state) {
        uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        return z ^ (z >> 31);
}

/* splitmix64 spreads any seed, zero too, over the whole state. */
static inline void random_seed(Random *r, uint64_t seed) {
        for (int i = 0; i < 4; i++)
                r->s[i] = random_mix(&seed);
}

static inline uint64_t random_rotate(uint64_t x, int k) {
        return x << k | x >> (64 - k);
}

static inline uint64_t random_u64(Random *r) {
        uint64_t result = random_rotate(r->s[1] * 5, 7) * 9, t = r->s[1] << 17;

        r->s[2] ^= r->s[0];
        r->s[3] ^= r->s[1];
        r->s[1] ^= r->s[2];
        r->s[0] ^= r->s[3];
        r->s[2] ^= t;
        r->s[3] = random_rotate(r->s[3], 45);
        return result;
}

/* 0 ≤ x < 1 */
static inline double random_unit(Random *r) {
        return (double) (random_u64(r) >> 11) * 0x1.0p-53;
}

/* 0 ≤ x < n; 0 for n = 0. The bias of the multiplication is below n / 2^64. */
static inline uint64_t random_below(Random *r, uint64_t n) {
        return (uint64_t) (((unsigned __int128) random_u64(r) * n) >> 64);
}

/* x, more or less by the given share: jitter keeps what happened together from happening together again. */
static inline uint64_t random_jitter(Random *r, uint64_t x, double share) {
        return (uint64_t) ((double) x * (1 - share + 2 * share * random_unit(r)));
}
