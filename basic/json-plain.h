/* SPDX-License-Identifier: Apache-2.0 */
/* How much of a string's text stands for itself, eight bytes at a time: most of what is read and written is such text. */
#pragma once

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define _BYTES(b) (UINT64_C(0x0101010101010101) * (b))

/* The high bit of each byte of v that is below n (n ≤ 128); bytes above the first such may be wrong. */
#define _BELOW(v, n) (((v) - _BYTES(n)) & ~(v) & _BYTES(0x80))

static inline bool json_is_plain(unsigned char c) {
        return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* The length of the longest beginning of p[0..n) that is ASCII without quote, backslash and control characters. */
static inline size_t json_plain_prefix(const char *p, size_t n) {
        size_t i = 0;

        for (; i + 8 <= n; i += 8) {
                uint64_t v;
                memcpy(&v, p + i, 8);
                v = le64toh(v); /* the first byte lowest, where the marks are right */
                uint64_t special = _BELOW(v, 0x20) | _BELOW(v ^ _BYTES('"'), 1) | _BELOW(v ^ _BYTES('\\'), 1) | (v & _BYTES(0x80));
                if (special)
                        return i + (size_t) __builtin_ctzll(special) / 8;
        }
        while (i < n && json_is_plain((unsigned char) p[i]))
                i++;
        return i;
}
