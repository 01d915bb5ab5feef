/* SPDX-License-Identifier: Apache-2.0 */
#include "basic/instant.h"

#include <errno.h>
#include <time.h>

#include "basic/macro.h"
#include "basic/units.h"

size_t instant_to_string(uint64_t utc_ns, char buffer[INSTANT_MAX]) {
        time_t s = (time_t) (utc_ns / NSEC_PER_SEC);
        struct tm tm;

        gmtime_r(&s, &tm);
        size_t n = strftime(buffer, INSTANT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
        return n + (size_t) snprintf(buffer + n, INSTANT_MAX - n, ".%03uZ", (unsigned) (utc_ns % NSEC_PER_SEC / NSEC_PER_MSEC));
}

int instant_from_string(const char *s, uint64_t *ret) {
        struct tm tm = {};
        const char *p = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);
        uint64_t fraction = 0, unit = NSEC_PER_SEC;
        int hours = 0, minutes = 0, end = 0;

        if (!p)
                return -EINVAL;
        if (*p == '.')
                for (p++; *p >= '0' && *p <= '9'; p++) {
                        unit /= 10;
                        fraction += (uint64_t) (*p - '0') * unit;
                }
        if (*p == '+' || *p == '-') {
                if (sscanf(p + 1, "%2d:%2d%n", &hours, &minutes, &end) != 2 || p[1 + end])
                        return -EINVAL;
        } else if (!streq(p, "Z"))
                return -EINVAL;
        int64_t t = (int64_t) timegm(&tm) - (*p == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
        if (t < 0)
                return -EINVAL;
        *ret = (uint64_t) t * NSEC_PER_SEC + fraction;
        return 0;
}
