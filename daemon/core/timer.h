/* SPDX-License-Identifier: Apache-2.0 */
/* Deadlines in a heap. A timer is part of what it is about, so that arming one never allocates. */
#pragma once

#include <stdint.h>

typedef enum TimerKind { TIMER_PROBE, TIMER_BREAKER, TIMER_SCENARIO, TIMER_ACCOUNT, _TIMER_KIND_MAX } TimerKind;

typedef struct Timer {
        uint64_t at_ns;
        uint32_t place; /* in the heap, from 1; 0: not armed */
        uint32_t kind;  /* TimerKind */
} Timer;

typedef struct Timers {
        Timer **heap; /* heap[0] is not used */
        uint32_t n, room;
} Timers;

/* Room for so many; never less than are armed. */
int timers_reserve(Timers *t, uint32_t room);
void timers_done(Timers *t);

void timer_arm(Timers *t, Timer *timer, uint64_t at_ns);
void timer_disarm(Timers *t, Timer *timer);
/* The earliest, or NULL. */
Timer *timers_first(const Timers *t);
