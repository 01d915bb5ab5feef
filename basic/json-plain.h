/* SPDX-License-Identifier: Apache-2.0 */
/* How much of a string's text stands for itself, many bytes at a time: most of what is read and written is such text. */
#pragma once

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Sixteen bytes, which gcc and clang compare at once where the processor can. Signed: what is not ASCII is below zero. */
typedef int8_t JsonBytes __attribute__((vector_size(16)));
typedef uint64_t JsonWords __attribute__((vector_size(16)));

static inline bool json_is_plain(unsigned char c) {
        return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* All ones in each byte of v that does not stand for itself. */
static inline JsonWords _json_special(JsonBytes v) {
        return (JsonWords) ((v < 0x20) | (v == '"') | (v == '\\'));
}

/* Whether a short text, of 4 to 16 bytes, is all plain: its beginning and its end, which may overlap, are looked at together. */
static inline bool _json_is_plain_text(const char *p, size_t n) {
        uint64_t head, tail;

        if (n >= 8) {
                memcpy(&head, p, 8);
                memcpy(&tail, p + n - 8, 8);
        } else {
                uint32_t begin, end;
                memcpy(&begin, p, 4);
                memcpy(&end, p + n - 4, 4);
                head = tail = (uint64_t) begin << 32 | end;
        }
        JsonWords special = _json_special((JsonBytes) (JsonWords) { head, tail });
        return !(special[0] | special[1]);
}

/* The length of the longest beginning of p[0..n) that is ASCII without quote, backslash and control characters. */
static inline size_t json_plain_prefix(const char *p, size_t n) {
        size_t i = 0;

        for (; i + sizeof(JsonBytes) <= n; i += sizeof(JsonBytes)) {
                JsonBytes v;
                memcpy(&v, p + i, sizeof(v));
                JsonWords special = _json_special(v);
                if (special[0])
                        return i + (size_t) __builtin_ctzll(le64toh(special[0])) / 8;
                if (special[1])
                        return i + 8 + (size_t) __builtin_ctzll(le64toh(special[1])) / 8;
        }
        if (n - i >= 4 && _json_is_plain_text(p + i, n - i))
                return n;
        while (i < n && json_is_plain((unsigned char) p[i]))
                i++;
        return i;
}
