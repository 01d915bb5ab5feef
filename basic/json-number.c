/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of JSON, exact where they can be. */
#include <errno.h>
#include <math.h>

#include "basic/json.h"
#include "basic/macro.h"

int json_fixed(const JsonValue *v, unsigned digits, int64_t *ret) {
        const char *p = v->start, *end = v->start + v->size;
        int64_t exponent = 0, scale = (int64_t) digits;
        bool negative, point = false;
        __int128 x = 0;

        if (v->type != JSON_NUMBER)
                return -EDOM;
        negative = *p == '-';
        for (p += negative; p < end && (*p | 0x20) != 'e'; p++) {
                if (*p == '.') {
                        point = true;
                        continue;
                }
                /* Digits far beyond what can count are not gathered, only weighed. */
                if (x < (__int128) INT64_MAX * INT64_MAX / 10) {
                        x = x * 10 + (*p - '0');
                        scale -= point;
                } else
                        scale += !point;
        }
        if (p < end) {
                bool minus = p[1] == '-';
                for (p += 1 + (p[1] == '-' || p[1] == '+'); p < end; p++)
                        exponent = MIN(exponent * 10 + (*p - '0'), INT64_C(1000000));
                scale += minus ? -exponent : exponent;
        }

        for (; scale > 0 && x != 0; scale--) {
                if (x > INT64_MAX / 10)
                        return -ERANGE;
                x *= 10;
        }
        for (int dropped = 0; scale < 0 && (x != 0 || dropped != 0); scale++) {
                dropped = (int) (x % 10);
                x = x / 10 + (scale == -1 && dropped >= 5);
        }
        if (x > INT64_MAX)
                return -ERANGE;
        *ret = (int64_t) (negative ? -x : x);
        return 0;
}

int json_int64(const JsonValue *v, int64_t *ret) {
        const char *p = v->start, *end = v->start + v->size;
        bool negative = false;
        int64_t x = 0;

        if (v->type != JSON_NUMBER)
                return -EDOM;
        if (*p == '-') {
                negative = true;
                p++;
        }
        for (; p < end; p++) {
                if (*p < '0' || *p > '9') {
                        /* 3.0 and 1e3 are integers too, written another way. */
                        double d;
                        int k = json_double(v, &d);
                        if (k < 0)
                                return k;
                        if (d != floor(d))
                                return -EDOM;
                        if (fabs(d) > 9007199254740992.0)
                                return -ERANGE;
                        *ret = (int64_t) d;
                        return 0;
                }
                if (__builtin_mul_overflow(x, 10, &x) || __builtin_sub_overflow(x, *p - '0', &x))
                        return -ERANGE;
        }
        if (!negative && __builtin_sub_overflow((int64_t) 0, x, &x))
                return -ERANGE;
        *ret = x;
        return 0;
}

/* A short decimal: both the digits and the power of ten are exact as doubles, so that one division rounds as it should. */
static bool read_short_decimal(const JsonValue *v, double *ret) {
        static const double powers[] = { 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15 };
        bool negative = v->start[0] == '-', point = false;
        uint64_t x = 0;
        size_t behind = 0;

        if (v->size > ELEMENTSOF(powers))
                return false;
        for (size_t i = negative; i < v->size; i++) {
                char c = v->start[i];
                if (c == '.')
                        point = true;
                else if (c >= '0' && c <= '9') {
                        x = x * 10 + (uint64_t) (c - '0');
                        behind += point;
                } else
                        return false;
        }
        *ret = (negative ? -(double) x : (double) x) / powers[behind];
        return true;
}

int json_double(const JsonValue *v, double *ret) {
        char buffer[64];

        if (v->type != JSON_NUMBER)
                return -EDOM;
        if (read_short_decimal(v, ret))
                return 0;
        if (v->size >= sizeof(buffer))
                return -ERANGE;
        memcpy(buffer, v->start, v->size);
        buffer[v->size] = 0;
        double d = strtod(buffer, NULL);
        if (!isfinite(d))
                return -ERANGE;
        *ret = d;
        return 0;
}
