/* SPDX-License-Identifier: Apache-2.0 */
/* The queue of what must happen outside: a ring of fixed size. */
#pragma once

#include "daemon/core/router.h"

#define EFFECTS_MAX 2048 /* a power of two */

typedef struct Effects {
        Effect *ring;
        uint32_t head, n;
        uint32_t event_mask;
        uint64_t lost;
} Effects;

int effects_init(Effects *e);
void effects_done(Effects *e);
static inline bool effects_wanted(const Effects *e, EventType type) {
        return e->event_mask & 1U << type;
}
/* A place for one more effect, to be filled in; NULL: full, and counted as lost. */
Effect *effects_push(Effects *e, EffectType type);
bool effects_pop(Effects *e, Effect *ret);
static inline uint32_t effects_room(const Effects *e) {
        return EFFECTS_MAX - e->n;
}
/* An event with nothing but its type, severity and time; NULL: not wanted, or full. */
Event *effects_event(Effects *e, EventType type, Severity severity, uint64_t now_ns);
