/* SPDX-License-Identifier: Apache-2.0 */
/* What keeping what was learned (learned-state.c) and putting it back (learned-restore.c) share. */
#pragma once

#include "daemon/api/learned-state.h"
#include "daemon/api/private.h"
#include "daemon/core/learned.h"

#define LEARNED_VERSION 1 /* of the documents */
/* How many points a ring has. */
#define LEARNED_MINUTES 60
#define LEARNED_HOURS 168

typedef enum Phase { PHASE_IDLE, PHASE_NODES, PHASE_SERVICES, PHASE_MINUTES, PHASE_HOURS, PHASE_SCENARIOS, PHASE_STATE } Phase;

struct LearnedState {
        Api *api;
        Store *store;
        Phase phase;
        uint64_t due_ns;
        size_t position;      /* slot, service, or slot within a point */
        size_t n_written;     /* entries of the document at hand */
        JsonWriter text;
        uint64_t *marks[2];   /* of the slabs of nodes, of services, as they were kept */
        size_t n_marks[2];
        uint64_t mark;        /* of the slab at hand */
        uint64_t points[2];   /* the newest minute and hour that is kept, since 1970; 0: none */
        uint64_t first[2];    /* the oldest */
        bool finishing;
        union { /* scratch: too large for the stack */
                LearnedNode node;
                LearnedService service;
        };
};

/* The number of the minute or hour that is running, since 1970. */
static inline uint64_t learned_running(const LearnedState *s, bool hours) {
        return api_utc_ns(s->api) / (hours ? NSEC_PER_HOUR : NSEC_PER_MINUTE);
}
