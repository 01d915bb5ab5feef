/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open decisions, in a table of fixed size. An id is the place in the table (8 hexadecimal digits) and 64 bits that
 * nobody can guess, so finding one takes no search. Leases that are due are found by a timing wheel. Memory that was
 * never needed is never touched.
 */
#pragma once

#include "daemon/core/router.h"
#include "daemon/core/siphash.h"

#define LEASE_NONE UINT32_MAX
#define LEASE_TRIED_MAX 24 /* nodes that one chain of fallbacks may leave behind */

#define WHEEL_SLOTS 16384
#define WHEEL_SHIFT 28 /* a slot is 2^28 ns, 268 ms; a turn 73 minutes, longer than any lease */

typedef struct Lease {
        uint64_t tag; /* 0: not open */
        uint64_t decided_ns, deadline_ns;
        Money estimate;
        Units units, used_before; /* of the month, without this one: where its price begins */
        uint64_t month_start_ns;
        uint32_t next, previous;  /* in a slot of the wheel, or in the free list; the first one's previous is the last */
        uint32_t node;            /* its slot */
        uint32_t uid;
        uint32_t generation;      /* of the breaker */
        float latitude, longitude;
        uint16_t operation;       /* 1 + its place in the provider's list; 0: none */
        uint8_t strategy;         /* asked for; UINT8_MAX: the service's */
        int8_t idempotent;        /* as asked */
        bool counted;             /* against the user's share */
        bool permit;              /* holds one of the breaker's */
        uint8_t n_tried;
        uint32_t tried[LEASE_TRIED_MAX]; /* slots of nodes */
} Lease;

typedef struct UserLeases {
        uint32_t uid, n; /* n = 0: empty */
} UserLeases;

typedef struct Leases {
        Lease *table;
        uint32_t max, per_user, n;
        uint32_t touched;   /* how many places were ever used */
        uint32_t free;      /* list of those given back */
        SipKey key;
        uint64_t serial;
        UserLeases *users;  /* open addressing, twice as many places as leases */
        uint32_t users_mask;
        uint32_t wheel[WHEEL_SLOTS];
        uint64_t occupied[WHEEL_SLOTS / 64];
        uint64_t hand;      /* the slot, counted from time zero, before which everything due is gone */
} Leases;

int leases_init(Leases *l, const RouterLimits *limits, Random *random, uint64_t now_ns);
void leases_done(Leases *l);

/* False: the table is full, or this user's share of it. */
bool leases_room(const Leases *l, uint32_t uid, bool counted);
/* Opens one; only after leases_room(). All fields but tag, deadline and those of the table are 0. */
Lease *lease_open(Leases *l, uint32_t uid, bool counted, uint64_t deadline_ns);
void lease_close(Leases *l, Lease *lease);

void lease_id(const Leases *l, const Lease *lease, char ret[DECISION_ID_MAX + 1]);
/* NULL: unknown, or another user's. */
Lease *lease_find(Leases *l, const char *id, uint32_t uid, bool privileged);

/* One that was due at now_ns, or NULL. It is still open. */
Lease *leases_due(Leases *l, uint64_t now_ns);
/* Whether the hand is behind the time, so that it is worth asking for those due. */
static inline bool leases_behind(const Leases *l, uint64_t now_ns) {
        return now_ns >> WHEEL_SHIFT > l->hand;
}
/* The earliest time at which one may be due; NSEC_INFINITY: none is open. */
uint64_t leases_next_ns(const Leases *l);
