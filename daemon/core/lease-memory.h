/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the leases lie: a header, the names of the slots, the table. It may be memory that outlives the program, such
 * as a mapped file; then what is found in it is understood again, and nothing in it is trusted. There are twice as many
 * places as leases may be open, so that calls that are settled and not yet committed do not crowd out new ones.
 */
#pragma once

#include "daemon/core/lease.h"

/* Bytes; what is never used of it is never touched. */
size_t lease_memory_size(const RouterLimits *limits);

/* Takes the memory of the limits, or its own. -ENOMEM. */
int lease_memory_init(Leases *l, const RouterLimits *limits);

/* Make sure that so many places can be used, that so many slots can have names; negative: they cannot. */
int lease_memory_prepare(Leases *l, uint32_t places);
int slot_names_prepare(Leases *l, uint32_t slots);

/* The name of a slot; NULL: it never had one, or what is there is no name. */
const SlotName *slot_name(const Leases *l, uint32_t slot);
/* Says which node has the slot from now on; passed over where no name can be. */
void slot_set_name(Leases *l, uint32_t slot, const char *node, const char *provider);

/* How an operation is remembered where its name takes too much room; 0: none. */
uint32_t operation_mark(const char *name);
