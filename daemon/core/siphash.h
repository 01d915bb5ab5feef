/* SPDX-License-Identifier: Apache-2.0 */
/* SipHash-2-4 of one 64-bit word (Aumasson and Bernstein): without the key its results can neither be predicted nor
 * told from chance. The generator in random.h alone would give its state away to whoever collects a few decision ids.
 * */
#pragma once

#include "daemon/core/random.h"

typedef struct SipKey {
        uint64_t k0, k1;
} SipKey;

static inline void siphash_round(uint64_t v[4]) {
        v[0] += v[1];
        v[1] = random_rotate(v[1], 13) ^ v[0];
        v[0] = random_rotate(v[0], 32);
        v[2] += v[3];
        v[3] = random_rotate(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = random_rotate(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = random_rotate(v[1], 17) ^ v[2];
        v[2] = random_rotate(v[2], 32);
}

static inline void siphash_block(uint64_t v[4], uint64_t m) {
        v[3] ^= m;
        siphash_round(v);
        siphash_round(v);
        v[0] ^= m;
}

static inline uint64_t siphash_u64(const SipKey *key, uint64_t word) {
        uint64_t v[4] = {
                key->k0 ^ UINT64_C(0x736f6d6570736575),
                key->k1 ^ UINT64_C(0x646f72616e646f6d),
                key->k0 ^ UINT64_C(0x6c7967656e657261),
                key->k1 ^ UINT64_C(0x7465646279746573),
        };

        siphash_block(v, word);
        siphash_block(v, UINT64_C(8) << 56); /* the length of the message ends it */
        v[2] ^= 0xff;
        for (int i = 0; i < 4; i++)
                siphash_round(v);
        return v[0] ^ v[1] ^ v[2] ^ v[3];
}
