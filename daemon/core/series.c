/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/series.h"

#include <string.h>

#include "basic/macro.h"
#include "basic/units.h"

static void close_point(SeriesPoint *p, Latency *l, uint64_t now_ns) {
        static const double quantiles[] = { 0.5, 0.95, 0.99 };
        uint64_t found[ELEMENTSOF(quantiles)];

        if (p->verdicts[PM_OK] + p->verdicts[PM_PERFORMANCE_DEGRADATION] == 0)
                return;
        latency_quantiles(l, quantiles, ELEMENTSOF(quantiles), now_ns, found);
        p->p50_ms = (float) ((double) found[0] / 1e6);
        p->p95_ms = (float) ((double) found[1] / 1e6);
        p->p99_ms = (float) ((double) found[2] / 1e6);
}

/* Forgets the points between the newest and now. A time further back than all points means that the clock was wrong:
 * all go. */
static void move(SeriesPoint *points, uint64_t n, uint64_t *newest, uint64_t now) {
        if (now < *newest ? *newest - now >= n : now - *newest >= n)
                memset(points, 0, n * sizeof(*points));
        else
                for (uint64_t i = *newest + 1; i <= now; i++)
                        memset(&points[i % n], 0, sizeof(*points));
        *newest = now;
}

void series_advance(Series *s, Latency *l, uint64_t utc_ns, uint64_t now_ns) {
        uint64_t minute = utc_ns / NSEC_PER_MINUTE, hour = minute / 60;

        if (minute == s->minute)
                return;
        if (s->minute == 0) { /* never used: nothing to clear */
                s->minute = minute;
                s->hour = hour;
                return;
        }
        close_point(series_minute(s), l, now_ns);
        if (hour != s->hour) {
                close_point(series_hour(s), l, now_ns);
                move(s->hours, SERIES_HOURS, &s->hour, hour);
        }
        move(s->minutes, SERIES_MINUTES, &s->minute, minute);
}
