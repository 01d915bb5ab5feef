/* SPDX-License-Identifier: Apache-2.0 */
/* What became of a node's calls, for the last hour by minute and the last week by hour, aligned to UTC. */
#pragma once

#include "daemon/core/latency.h"
#include "daemon/core/types.h"

#define SERIES_MINUTES 60
#define SERIES_HOURS 168

typedef struct SeriesPoint {
        int64_t cost, static_cost; /* Money; what the configured weights alone would have led to */
        uint32_t openings;
        uint32_t verdicts[_PM_VERDICT_MAX];
        float latency_sum_ms;      /* of successes */
        float p50_ms, p95_ms, p99_ms;
} SeriesPoint;

typedef struct Series {
        uint64_t minute, hour; /* the newest, since 1970 */
        SeriesPoint minutes[SERIES_MINUTES], hours[SERIES_HOURS];
} Series;

/* Starts new points as time passes; what closes gets its quantiles. A wall clock that is set back counts where it is.
 * */
void series_advance(Series *s, Latency *l, uint64_t utc_ns, uint64_t now_ns);
static inline SeriesPoint *series_minute(Series *s) {
        return &s->minutes[s->minute % SERIES_MINUTES];
}
static inline SeriesPoint *series_hour(Series *s) {
        return &s->hours[s->hour % SERIES_HOURS];
}
