/* SPDX-License-Identifier: Apache-2.0 */
/* What happened in the last minute, by second. Costs nothing while nothing happens: old seconds go when a new one
 * comes. */
#pragma once

#include <stdint.h>

#define WINDOW_SECONDS 60

typedef enum WindowField {
        WINDOW_DECISIONS,
        WINDOW_CALLS,        /* that count for the failure ratio */
        WINDOW_FAILURES,     /* of these, failed by the node */
        WINDOW_SLOW,         /* of these, a success above the node's latency limit */
        WINDOW_RATE_LIMITED, /* of the failures */
        WINDOW_NETWORK,
        WINDOW_CORRUPT,
        _WINDOW_FIELD_MAX,
} WindowField;

typedef struct Window {
        uint64_t second; /* the newest, of now_ns */
        uint32_t minute[_WINDOW_FIELD_MAX]; /* sums of all seconds below */
        uint32_t seconds[WINDOW_SECONDS][_WINDOW_FIELD_MAX];
} Window;

/* Lets go of what is older than a minute. A time before the newest is taken as the newest. */
void window_advance(Window *w, uint64_t now_ns);
void window_add(Window *w, WindowField field, uint64_t now_ns);
/* Sum over the newest seconds (1..WINDOW_SECONDS, the running one included). */
uint32_t window_sum(Window *w, WindowField field, unsigned seconds, uint64_t now_ns);
/* Forgets everything but the decisions, which are no evidence about the node. */
void window_forget(Window *w);
