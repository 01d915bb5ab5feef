/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/lease.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "basic/macro.h"
#include "daemon/core/lease-memory.h"

int leases_init(Leases *l, const RouterLimits *limits, Random *random, uint64_t now_ns) {
        uint32_t users = 16;

        while (users / 2 < limits->leases && users < UINT32_C(1) << 31)
                users *= 2;
        *l = (Leases) {
                .max = limits->leases,
                .per_user = limits->leases_per_user,
                .first_closed = LEASE_NONE,
                .key = { random_u64(random), random_u64(random) },
                .users = calloc(users, sizeof(UserLeases)),
                .users_mask = users - 1,
                .hand = now_ns >> WHEEL_SHIFT,
        };
        for (int i = 0; i < WHEEL_SLOTS; i++)
                l->wheel[i] = LEASE_NONE;
        if (!l->users || lease_memory_init(l, limits) < 0) {
                leases_done(l);
                return -ENOMEM;
        }
        return 0;
}

void leases_done(Leases *l) {
        if (l->own)
                free(l->header);
        free(l->users);
        *l = (Leases) {};
}

/* ---- how many each user has ---- */

static uint32_t user_home(const Leases *l, uint32_t uid) {
        return (uint32_t) (uid * UINT64_C(0x9e3779b97f4a7c15) >> 32) & l->users_mask;
}

static uint32_t user_place(const Leases *l, uint32_t uid) {
        uint32_t i = user_home(l, uid);

        while (l->users[i].n > 0 && l->users[i].uid != uid)
                i = (i + 1) & l->users_mask;
        return i;
}

static void user_remove(Leases *l, uint32_t uid) {
        uint32_t hole = user_place(l, uid);

        if (--l->users[hole].n > 0)
                return;
        /* Whoever was pushed past the hole moves back, so that searches end at the first empty place. */
        for (uint32_t i = (hole + 1) & l->users_mask; l->users[i].n > 0; i = (i + 1) & l->users_mask) {
                uint32_t home = user_home(l, l->users[i].uid);

                if (((i - home) & l->users_mask) >= ((i - hole) & l->users_mask)) {
                        l->users[hole] = l->users[i];
                        l->users[i].n = 0;
                        hole = i;
                }
        }
}

static bool has_place(Leases *l) {
        return l->first_closed != LEASE_NONE || l->touched < l->ready || lease_memory_prepare(l, l->touched + 1) == 0;
}

bool leases_room(Leases *l, uint32_t uid, bool counted) {
        return l->n < l->max && (!counted || l->users[user_place(l, uid)].n < l->per_user) && has_place(l);
}

/* ---- the wheel ---- */

static uint32_t wheel_slot(const Lease *lease) {
        return (uint32_t) (lease->deadline_ns >> WHEEL_SHIFT) % WHEEL_SLOTS;
}

static void wheel_add(Leases *l, uint32_t i) {
        uint32_t slot = wheel_slot(&l->table[i]), first = l->wheel[slot];

        l->table[i].next = LEASE_NONE;
        if (first == LEASE_NONE) {
                l->wheel[slot] = l->table[i].previous = i;
                l->occupied[slot / 64] |= UINT64_C(1) << slot % 64;
                return;
        }
        l->table[i].previous = l->table[first].previous;
        l->table[l->table[first].previous].next = i;
        l->table[first].previous = i;
}

static void wheel_remove(Leases *l, uint32_t i) {
        Lease *lease = &l->table[i];
        uint32_t slot = wheel_slot(lease), first = l->wheel[slot];

        if (lease->next != LEASE_NONE)
                l->table[lease->next].previous = lease->previous;
        else
                l->table[first].previous = lease->previous;
        if (i != first)
                l->table[lease->previous].next = lease->next;
        else {
                l->wheel[slot] = lease->next;
                if (lease->next == LEASE_NONE)
                        l->occupied[slot / 64] &= ~(UINT64_C(1) << slot % 64);
        }
}

/* The first occupied slot at or after hand, at most a turn away; UINT64_MAX: none. */
static uint64_t wheel_next(const Leases *l) {
        uint32_t first = (uint32_t) (l->hand % WHEEL_SLOTS);

        for (uint32_t i = 0; i <= WHEEL_SLOTS / 64; i++) {
                uint32_t word = (first / 64 + i) % (WHEEL_SLOTS / 64);
                uint64_t bits = l->occupied[word];

                if (i == 0)
                        bits &= ~UINT64_C(0) << first % 64;
                else if (i == WHEEL_SLOTS / 64)
                        bits &= ~(~UINT64_C(0) << first % 64);
                if (bits) {
                        uint32_t slot = word * 64 + (uint32_t) __builtin_ctzll(bits);

                        return l->hand + (slot - first) % WHEEL_SLOTS;
                }
        }
        return UINT64_MAX;
}

Lease *leases_due(Leases *l, uint64_t now_ns) {
        uint64_t now = now_ns >> WHEEL_SHIFT, slot = l->n > 0 ? wheel_next(l) : UINT64_MAX;
        Lease *first;

        if (slot > now) {
                l->hand = MAX(l->hand, now);
                return NULL;
        }
        l->hand = slot;
        first = &l->table[l->wheel[slot % WHEEL_SLOTS]];
        /* They stand in the order in which they were opened; of a slot that is running the first is due first, or
         * nearly so. */
        return slot < now || first->deadline_ns <= now_ns ? first : NULL;
}

uint64_t leases_next_ns(const Leases *l) {
        uint64_t slot = l->n > 0 ? wheel_next(l) : UINT64_MAX;

        return slot == UINT64_MAX ? NSEC_INFINITY : l->table[l->wheel[slot % WHEEL_SLOTS]].deadline_ns;
}

/* ---- leases ---- */

static void user_add(Leases *l, uint32_t uid) {
        UserLeases *user = &l->users[user_place(l, uid)];

        user->uid = uid;
        user->n++;
}

/* Those whose call is not committed are left alone, unless there is no other place any more: then the oldest goes. */
static uint32_t take_place(Leases *l) {
        uint32_t i = l->first_closed;

        if (i == LEASE_NONE || (l->table[i].serial > l->committed &&
                                (l->touched < l->ready || lease_memory_prepare(l, l->touched + 1) == 0))) {
                i = l->touched++;
                l->table[i].tag = l->table[i].serial = 0;
                lease_barrier();
                l->header->touched = l->touched;
        } else
                l->first_closed = l->table[i].next;
        return i;
}

Lease *lease_open(Leases *l, uint32_t uid, bool counted, uint64_t deadline_ns) {
        uint32_t i = take_place(l);
        Lease *lease = &l->table[i];

        lease->serial = 0;
        lease_barrier();
        l->n++;
        memset(&lease->estimate, 0, offsetof(Lease, end) - offsetof(Lease, estimate));
        lease->uid = uid;
        lease->counted = counted;
        /* Within the turn that is ahead of the hand, however long nobody has turned it. */
        lease->deadline_ns = CLAMP(deadline_ns, l->hand << WHEEL_SHIFT, (l->hand + WHEEL_SLOTS - 1) << WHEEL_SHIFT);
        wheel_add(l, i);
        if (counted)
                user_add(l, uid);
        return lease;
}

void lease_publish(Leases *l, Lease *lease) {
        uint64_t tag = siphash_u64(&l->key, ++l->serial);

        lease_barrier();
        lease->tag = tag + (tag == 0);
}

void lease_close(Leases *l, Lease *lease, const LeaseEnd *end) {
        uint32_t i = (uint32_t) (lease - l->table);

        if (end) {
                lease->end = *end;
                lease->serial = l->numbered ? ++l->call : 0;
        }
        lease_barrier();
        lease->tag = 0;
        lease_barrier();
        wheel_remove(l, i);
        if (lease->counted)
                user_remove(l, lease->uid);
        l->n--;
        lease_reclose(l, lease);
}

void lease_reopen(Leases *l, Lease *lease) {
        lease->deadline_ns = CLAMP(lease->deadline_ns, l->hand << WHEEL_SHIFT, (l->hand + WHEEL_SLOTS - 1) << WHEEL_SHIFT);
        wheel_add(l, (uint32_t) (lease - l->table));
        if (lease->counted)
                user_add(l, lease->uid);
        l->n++;
}

void lease_reclose(Leases *l, Lease *lease) {
        uint32_t i = (uint32_t) (lease - l->table);

        lease->next = LEASE_NONE;
        if (l->first_closed == LEASE_NONE)
                l->first_closed = i;
        else
                l->table[l->last_closed].next = i;
        l->last_closed = i;
}

/* Eight hexadecimal digits at once, one in each byte of a word. */
static void put_hex(char *p, uint32_t v) {
        uint64_t x = v, letters;

        x = (x << 16 | x) & UINT64_C(0x0000ffff0000ffff);
        x = (x << 8 | x) & UINT64_C(0x00ff00ff00ff00ff);
        x = (x << 4 | x) & UINT64_C(0x0f0f0f0f0f0f0f0f);
        letters = (x + UINT64_C(0x0606060606060606)) >> 4 & UINT64_C(0x0101010101010101);
        x = htobe64(x + UINT64_C(0x3030303030303030) + letters * ('a' - '0' - 10));
        memcpy(p, &x, 8);
}

/* The reverse; of anything but digits it makes any number. */
static uint32_t get_hex(const char *p) {
        uint64_t x;

        memcpy(&x, p, 8);
        x = be64toh(x);
        x = (x & UINT64_C(0x0f0f0f0f0f0f0f0f)) + (x >> 6 & UINT64_C(0x0101010101010101)) * 9;
        x = (x | x >> 4) & UINT64_C(0x00ff00ff00ff00ff);
        x = (x | x >> 8) & UINT64_C(0x0000ffff0000ffff);
        return (uint32_t) (x | x >> 16);
}

void lease_id(const Leases *l, const Lease *lease, char ret[DECISION_ID_MAX + 1]) {
        put_hex(ret, (uint32_t) (lease - l->table));
        put_hex(ret + 8, (uint32_t) (lease->tag >> 32));
        put_hex(ret + 16, (uint32_t) lease->tag);
        ret[DECISION_ID_MAX] = 0;
}

Lease *lease_find(Leases *l, const char *id, uint32_t uid, bool privileged) {
        char own[DECISION_ID_MAX + 1];

        if (strnlen(id, DECISION_ID_MAX + 1) != DECISION_ID_MAX)
                return NULL;
        uint32_t i = get_hex(id);
        if (i >= l->touched || l->table[i].tag == 0 || (l->table[i].uid != uid && !privileged))
                return NULL;
        lease_id(l, &l->table[i], own);
        return memcmp(own, id, DECISION_ID_MAX) == 0 ? &l->table[i] : NULL;
}
