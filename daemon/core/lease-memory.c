/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/lease-memory.h"

#include <errno.h>
#include <stdio.h>

#include "basic/macro.h"

#define MAGIC UINT64_C(0x657361654c6d7470) /* "ptmLease" */
#define VERSION 1
#define PREPARED_PLACES 1024 /* at once */

static uint32_t n_places(const RouterLimits *limits) {
        return 2 * MIN(limits->leases, UINT32_MAX / 4);
}

/* More than there may be nodes, so that a slot is not given away while a call of its last node is on the way to the
 * disk. */
static uint32_t n_slots(const RouterLimits *limits) {
        return 2 * MIN(limits->nodes, UINT32_MAX / 4);
}

static size_t names_offset(void) {
        return (sizeof(LeaseHeader) + 63) / 64 * 64;
}

static size_t table_offset(uint32_t slots) {
        return (names_offset() + (size_t) slots * sizeof(SlotName) + 63) / 64 * 64;
}

size_t lease_memory_size(const RouterLimits *limits) {
        return table_offset(n_slots(limits)) + (size_t) n_places(limits) * sizeof(Lease);
}

static int prepare(Leases *l, const void *from, const void *to) {
        const char *start = (const char *) l->header;

        return l->prepare ? l->prepare(l->prepare_userdata, (size_t) ((const char *) from - start),
                                       (size_t) ((const char *) to - (const char *) from))
                          : 0;
}

/* Takes over the leases of a layout with more or fewer slots and places, in which the table begins elsewhere. What finds no room any
 * more is gone; and all of it is, if we are killed meanwhile. */
static bool move_table(Leases *l, const LeaseHeader *wanted, size_t size) {
        LeaseHeader found = *l->header, moved = *wanted;
        const Lease *old = (const Lease *) ((char *) l->header + table_offset(found.slots));
        uint32_t touched = MIN(found.touched, found.places), kept = MIN(touched, wanted->places);

        if (memcmp(&found, wanted, offsetof(LeaseHeader, places)) != 0 ||
            table_offset(found.slots) + touched * sizeof(Lease) > size ||
            prepare(l, old, old + touched) < 0 || prepare(l, l->table, l->table + kept) < 0)
                return false;
        moved.magic = l->header->magic = 0;
        moved.touched = kept;
        moved.named = MIN(found.named, found.slots);
        lease_barrier();
        memmove(l->table, old, kept * sizeof(Lease));
        *l->header = moved;
        lease_barrier();
        l->header->magic = wanted->magic;
        return true;
}

static void begin_anew(Leases *l, const LeaseHeader *wanted) {
        l->header->magic = 0;
        lease_barrier();
        l->header->touched = l->header->named = 0;
        lease_barrier();
        *l->header = *wanted;
}

int lease_memory_init(Leases *l, const RouterLimits *limits) {
        char *memory = limits->lease_memory ?: calloc(1, lease_memory_size(limits));
        LeaseHeader wanted = {
                .magic = MAGIC,
                .version = VERSION,
                .lease_size = sizeof(Lease),
                .name_size = sizeof(SlotName),
                .places = n_places(limits),
                .slots = n_slots(limits),
        };

        if (!memory)
                return -ENOMEM;
        l->prepare = limits->prepare_lease_memory;
        l->prepare_userdata = limits->lease_memory_userdata;
        if (l->prepare && l->prepare(l->prepare_userdata, 0, sizeof(LeaseHeader)) < 0)
                return -ENOMEM;
        l->own = !limits->lease_memory;
        l->header = (LeaseHeader *) memory;
        l->names = (SlotName *) (memory + names_offset());
        l->table = (Lease *) (memory + table_offset(wanted.slots));
        if (memcmp(l->header, &wanted, offsetof(LeaseHeader, touched)) != 0 &&
            !move_table(l, &wanted, MAX(limits->lease_memory_size, lease_memory_size(limits))))
                begin_anew(l, &wanted);
        l->header->touched = MIN(l->header->touched, wanted.places);
        l->header->named = MIN(l->header->named, wanted.slots);
        l->touched = l->header->touched;
        l->found = l->touched > 0;
        if (lease_memory_prepare(l, l->touched) < 0 || slot_names_prepare(l, l->header->named) < 0)
                return -ENOMEM;
        return 0;
}

int lease_memory_prepare(Leases *l, uint32_t places) {
        uint32_t want = (places + PREPARED_PLACES - 1) / PREPARED_PLACES * PREPARED_PLACES;

        want = l->prepare ? MIN(want, l->header->places) : l->header->places;
        if (places <= l->ready)
                return 0;
        if (places > want || prepare(l, l->table + l->ready, l->table + want) < 0)
                return -ENOBUFS;
        l->ready = want;
        return 0;
}

int slot_names_prepare(Leases *l, uint32_t slots) {
        if (slots <= l->names_ready)
                return 0;
        if (slots > l->header->slots || prepare(l, l->names + l->names_ready, l->names + slots) < 0)
                return -ENOBUFS;
        l->names_ready = slots;
        return 0;
}

/* "service/id" of the characters that names consist of. */
static bool is_node_name(const char *s) {
        const char *slash = memchr(s, '/', SERVICE_NAME_MAX + 1);
        size_t n = strnlen(s, NODE_NAME_MAX + 1);

        if (!slash || slash == s || slash[1] == 0 || n > NODE_NAME_MAX)
                return false;
        for (size_t i = 0; i < n; i++)
                if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-", s[i]) && s + i != slash)
                        return false;
        return true;
}

const SlotName *slot_name(const Leases *l, uint32_t slot) {
        const SlotName *name = &l->names[slot];

        if (slot >= MIN(l->header->named, l->names_ready) || !is_node_name(name->node) ||
            strnlen(name->provider, sizeof(name->provider)) == sizeof(name->provider))
                return NULL;
        return name;
}

void slot_set_name(Leases *l, uint32_t slot, const char *node, const char *provider) {
        SlotName *name = &l->names[slot];
        char first = node[0];

        if (slot >= l->names_ready)
                return;
        /* Others lay here, perhaps. */
        for (uint32_t i = l->header->named; i < slot; i++)
                l->names[i].node[0] = 0;
        /* Its first letter comes last: until then there is no name. */
        name->node[0] = 0;
        lease_barrier();
        snprintf(name->node + 1, sizeof(name->node) - 1, "%s", node + 1);
        snprintf(name->provider, sizeof(name->provider), "%s", provider);
        lease_barrier();
        name->node[0] = first;
        lease_barrier();
        l->header->named = MAX(l->header->named, slot + 1);
}

uint32_t operation_mark(const char *name) {
        uint32_t mark = 2166136261; /* FNV-1a */

        for (; *name; name++)
                mark = (mark ^ (uint8_t) *name) * 16777619;
        return mark + (mark == 0);
}
