/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open decisions, in a table of fixed size. An id is the place in the table (8 hexadecimal digits) and 64 bits that
 * nobody can guess, so finding one takes no search. Leases that are due are found by a timing wheel. Memory that was
 * never needed is never touched.
 *
 * The table may lie in memory that outlives the program (see lease-memory.h). A lease is open while it has a tag; what
 * it came to is written beside that, and counts from when the tag is gone. So a program that is killed between any two
 * instructions leaves either an open lease or a settled one, and a settled one stays until its call is committed.
 */
#pragma once

#include "daemon/core/router.h"
#include "daemon/core/siphash.h"

#define LEASE_NONE UINT32_MAX
#define LEASE_LOST UINT64_MAX /* instead of a serial: found open, and its node is gone */
#define LEASE_TRIED_MAX 24 /* nodes that one chain of fallbacks may leave behind */

/* It had one, which the provider has no more. */
#define OPERATION_GONE UINT16_MAX

#define WHEEL_SLOTS 16384
#define WHEEL_SHIFT 28 /* a slot is 2^28 ns, 268 ms; a turn 73 minutes, longer than any lease */

/* What a lease came to. */
typedef struct LeaseEnd {
        Money cost, usual_cost;
        Units units;
        uint64_t utc_ns;
        uint8_t verdict;
} LeaseEnd;

/* No type in it has a value that cannot be looked at: it may be found damaged. */
typedef struct Lease {
        uint64_t tag;             /* 0: not open */
        uint64_t serial;          /* of the call that it became; 0: not numbered; LEASE_LOST */
        uint64_t deadline_ns;
        Money estimate;
        Units units, used_before; /* of the month, without this one: where its price begins */
        uint64_t month_start_ns;
        uint32_t next, previous;  /* in a slot of the wheel, or among the closed; the first one's previous is the last */
        uint32_t node;            /* its slot */
        uint32_t uid;
        uint32_t generation;      /* of the breaker */
        uint32_t operation_mark;  /* see operation_mark() */
        float latitude, longitude;
        uint16_t operation;       /* 1 + its place in the provider's list; 0: none; OPERATION_GONE */
        uint8_t strategy;         /* asked for; UINT8_MAX: the service's */
        int8_t idempotent;        /* as asked */
        uint8_t counted;          /* against the user's share */
        uint8_t permit;           /* holds one of the breaker's */
        uint8_t tier;             /* CostTier */
        uint8_t n_tried;
        LeaseEnd end;
        uint32_t tried[LEASE_TRIED_MAX]; /* slots of nodes */
} Lease;

/* The name of a slot, so that a lease means the same node when the program starts anew. */
typedef struct SlotName {
        char node[NODE_NAME_MAX + 1]; /* "": never used */
        char provider[65];
} SlotName;

typedef struct LeaseHeader {
        uint64_t magic;
        uint32_t version, lease_size, name_size, places, slots;
        uint32_t touched; /* places that were ever used */
        uint32_t named;   /* slots that ever had a name */
} LeaseHeader;

typedef struct UserLeases {
        uint32_t uid, n; /* n = 0: empty */
} UserLeases;

typedef struct Leases {
        LeaseHeader *header; /* in front of the names and the table */
        SlotName *names;
        Lease *table;
        bool own;           /* the memory is */
        bool found;         /* there is something in it from before */
        bool numbered;      /* it is known which calls are committed, so that others can be numbered */
        uint32_t max, per_user, n;
        uint32_t touched;   /* how many places were ever used */
        uint32_t ready;     /* how many may be */
        uint32_t names_ready;
        int (*prepare)(void *userdata, size_t offset, size_t size);
        void *prepare_userdata;
        uint32_t first_closed, last_closed; /* in the order in which they were closed, so that the oldest is used again */
        uint64_t committed; /* the calls up to here need their places no more */
        uint64_t call;      /* the serial of the newest call */
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
bool leases_room(Leases *l, uint32_t uid, bool counted);
/* Opens one; only after leases_room(). All fields but the deadline and those of the table are 0. It counts, and can be
 * found, once it is published. */
Lease *lease_open(Leases *l, uint32_t uid, bool counted, uint64_t deadline_ns);
void lease_publish(Leases *l, Lease *lease);
/* end: NULL: nobody keeps books. Otherwise the call gets the next serial, once that is known. */
void lease_close(Leases *l, Lease *lease, const LeaseEnd *end);

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

/* ---- for lease-memory.c and recover.c ---- */

/* Nothing that stands before this in the program is done after it, as far as a kill can tell. */
#define lease_barrier() __atomic_signal_fence(__ATOMIC_SEQ_CST)

/* Puts an open lease that was found where it belongs: the wheel, its user's count. */
void lease_reopen(Leases *l, Lease *lease);
/* Puts a place that was found with those that are closed. */
void lease_reclose(Leases *l, Lease *lease);
