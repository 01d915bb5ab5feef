/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/sim/trace-value.h"

#include <math.h>
#include <time.h>

#include "basic/macro.h"

/* Digits and at most one point: strtod() alone would take "inf", "0x1" and "1e999" too. */
static const char *number(const char *p, double *ret) {
        char digits[32];
        size_t n = strspn(p, "0123456789.");

        if (n == 0 || n >= sizeof(digits) || p[0] == '.' || p[n - 1] == '.')
                return NULL;
        memcpy(digits, p, n);
        digits[n] = '\0';
        if (strchr(digits, '.') != strrchr(digits, '.'))
                return NULL;
        *ret = strtod(digits, NULL);
        return p + n;
}

static double unit_ns(const char *p, size_t *ret_length) {
        static const struct {
                const char *name;
                double ns;
        } units[] = {
                { "ns", 1 },  { "us", 1e3 }, { "ms", 1e6 },   { "min", 60e9 },
                { "s", 1e9 }, { "m", 60e9 }, { "h", 3600e9 }, { "d", 86400e9 },
        };

        for (size_t i = 0; i < ELEMENTSOF(units); i++) {
                *ret_length = strlen(units[i].name);
                if (strncmp(p, units[i].name, *ret_length) == 0)
                        return units[i].ns;
        }
        return 0;
}

static bool duration(const char *text, const char *end, uint64_t *ret_ns) {
        double sum = 0, v, ns;
        size_t length;

        while (text < end) {
                text = number(text, &v);
                if (!text || (ns = unit_ns(text, &length)) <= 0 || text + length > end)
                        return false;
                sum += v * ns;
                text += length;
        }
        if (sum > 366 * 86400e9)
                return false;
        *ret_ns = (uint64_t) llround(sum);
        return true;
}

bool parse_duration(const char *text, uint64_t *ret_ns) {
        return *text && duration(text, text + strlen(text), ret_ns);
}

bool parse_number(const char *text, const char *suffix, double min, double max, double *ret) {
        double v;
        const char *p = number(text, &v);

        if (!p || !streq(p, suffix) || v < min || v > max)
                return false;
        *ret = v;
        return true;
}

bool parse_percent(const char *text, double min, double max, double *ret) {
        double v;

        if (!parse_number(text, "%", min, max, &v))
                return false;
        *ret = v / 100;
        return true;
}

bool parse_rate(const char *text, double *ret) {
        double v, ns;
        size_t length;
        const char *p = number(text, &v);

        if (!p || *p++ != '/' || (ns = unit_ns(p, &length)) < 1e9 || p[length])
                return false;
        v *= 1e9 / ns;
        if (v > 1e6)
                return false;
        *ret = v;
        return true;
}

bool parse_money(const char *text, Money *ret) {
        double v;

        if (!parse_number(text + (*text == '$'), "", 0, (double) (MONEY_MAX / MONEY_PER_DOLLAR), &v))
                return false;
        *ret = (Money) llround(v * (double) MONEY_PER_DOLLAR);
        return true;
}

bool parse_latency(const char *text, uint64_t *ret_ns, double *ret_share) {
        const char *sign = strstr(text, "±"), *rest = sign ? sign + strlen("±") : NULL;
        double share = 0;
        uint64_t ns;

        if (!sign && (sign = strstr(text, "+-")))
                rest = sign + 2;
        if (rest && !parse_percent(rest, 0, 300, &share))
                return false;
        if (!duration(text, sign ? sign : text + strlen(text), &ns) || ns == 0 || ns > NSEC_PER_HOUR)
                return false;
        *ret_ns = ns;
        *ret_share = share;
        return true;
}

bool parse_clock(const char *text, uint64_t *ret_ns) {
        struct tm tm = {};
        const char *end = strptime(text, "%Y-%m-%dT%H:%MZ", &tm);
        time_t t;

        if (!end || *end || tm.tm_year < 100 || tm.tm_year > 199)
                return false;
        t = timegm(&tm);
        *ret_ns = (uint64_t) t * NSEC_PER_SEC;
        return true;
}

static const char *degrees(const char *p, double max, double *ret) {
        bool negative = *p == '-';

        p = number(p + negative, ret);
        if (!p || *ret > max)
                return NULL;
        if (negative)
                *ret = -*ret;
        return p;
}

bool parse_place(const char *text, double *ret_latitude, double *ret_longitude) {
        double latitude, longitude;
        const char *p = degrees(text, 90, &latitude);

        if (!p || *p != ',' || !(p = degrees(p + 1, 180, &longitude)) || *p)
                return false;
        *ret_latitude = latitude;
        *ret_longitude = longitude;
        return true;
}
