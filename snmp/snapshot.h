/* SPDX-License-Identifier: Apache-2.0 */
/* What one reply of the daemon says, as the rows of the tables. Never changed once it is made. */
#pragma once

#include "snmp/index.h"
#include "snmp/mib.h"

typedef struct Rows {
        char *rows; /* n of the row type's size each, in ascending order of their index */
        size_t n, allocated, size;
} Rows;

typedef struct Snapshot {
        char *text; /* the reply; the rows' strings lie in it */
        SystemRow system;
        Rows tables[_TABLE_MAX]; /* empty for those that augment another or that the reply does not speak of */
} Snapshot;

/* Takes text over, also on failure, and changes it. utc_ns: the time that ages are reckoned from. indexes: where
 * the rows' numbers come from. -E2BIG: there are too many rows; -ENOMEM; -EBADMSG,
 * -ENODATA, -ELOOP: the reply is not what the interface promises. */
int snapshot_parse(char *text, uint64_t utc_ns, Indexes *indexes, Snapshot **ret);
Snapshot *snapshot_free(Snapshot *s);

static inline const Row *rows_at(const Rows *r, size_t i) {
        return (const Row *) (const void *) (r->rows + i * r->size);
}

/* The row whose member at this offset is that text; or NULL. */
const Row *rows_find_text(const Rows *r, size_t offset, const char *text);
