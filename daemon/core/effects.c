/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/effects.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

int effects_init(Effects *e) {
        *e = (Effects) {
                .ring = malloc(EFFECTS_MAX * sizeof(Effect)),
                /* Who wants to hear of every single decision must say so. */
                .event_mask = ~(1U << EVENT_ROUTING_DECISION_MADE),
        };
        return e->ring ? 0 : -ENOMEM;
}

void effects_done(Effects *e) {
        free(e->ring);
        *e = (Effects) {};
}

Effect *effects_push(Effects *e, EffectType type) {
        Effect *x;

        if (e->n == EFFECTS_MAX) {
                e->lost++;
                return NULL;
        }
        x = &e->ring[(e->head + e->n++) % EFFECTS_MAX];
        x->type = type;
        return x;
}

bool effects_pop(Effects *e, Effect *ret) {
        if (e->n == 0)
                return false;
        *ret = e->ring[e->head];
        e->head = (e->head + 1) % EFFECTS_MAX;
        e->n--;
        return true;
}

Event *effects_event(Effects *e, EventType type, Severity severity, uint64_t now_ns) {
        Effect *x;

        if (!effects_wanted(e, type))
                return NULL;
        x = effects_push(e, EFFECT_EVENT);
        if (!x)
                return NULL;
        x->event = (Event) {
                .type = type,
                .severity = severity,
                .at_ns = now_ns,
                .strategy = _STRATEGY_INVALID,
                .cost = MONEY_UNSET,
                .limit = MONEY_UNSET,
                .ratio = NAN,
        };
        return &x->event;
}
