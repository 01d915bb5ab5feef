/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/timer.h"

#include <errno.h>
#include <stdlib.h>

int timers_reserve(Timers *t, uint32_t room) {
        Timer **heap;

        if (room <= t->room)
                return 0;
        heap = realloc(t->heap, ((size_t) room + 1) * sizeof(Timer *));
        if (!heap)
                return -ENOMEM;
        t->heap = heap;
        t->room = room;
        return 0;
}

void timers_done(Timers *t) {
        free(t->heap);
        *t = (Timers) {};
}

static void put(Timers *t, uint32_t place, Timer *timer) {
        t->heap[place] = timer;
        timer->place = place;
}

static void rise(Timers *t, Timer *timer) {
        uint32_t place = timer->place;

        for (; place > 1 && t->heap[place / 2]->at_ns > timer->at_ns; place /= 2)
                put(t, place, t->heap[place / 2]);
        put(t, place, timer);
}

static void sink(Timers *t, Timer *timer) {
        uint32_t place = timer->place;

        for (uint32_t child; (child = place * 2) <= t->n; place = child) {
                if (child < t->n && t->heap[child + 1]->at_ns < t->heap[child]->at_ns)
                        child++;
                if (t->heap[child]->at_ns >= timer->at_ns)
                        break;
                put(t, place, t->heap[child]);
        }
        put(t, place, timer);
}

void timer_arm(Timers *t, Timer *timer, uint64_t at_ns) {
        timer->at_ns = at_ns;
        if (timer->place == 0)
                put(t, ++t->n, timer);
        rise(t, timer);
        sink(t, timer);
}

void timer_disarm(Timers *t, Timer *timer) {
        uint32_t place = timer->place;
        Timer *last;

        if (place == 0)
                return;
        last = t->heap[t->n--];
        timer->place = 0;
        if (last == timer)
                return;
        put(t, place, last);
        rise(t, last);
        sink(t, last);
}

Timer *timers_first(const Timers *t) {
        return t->n > 0 ? t->heap[1] : NULL;
}
