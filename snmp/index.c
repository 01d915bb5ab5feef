/* SPDX-License-Identifier: Apache-2.0 */
#include "snmp/index.h"

#include <errno.h>

#include "basic/macro.h"

/* Room behind the largest hash, so that a collision always finds a free number after it. */
#define ROOM 65536

typedef struct Entry {
        uint32_t hash;
        size_t i;
        const char *name;
} Entry;

/* FNV-1a. */
static uint32_t hash_of(const char *name) {
        uint64_t h = UINT64_C(14695981039346656037);

        for (const char *p = name; *p; p++)
                h = (h ^ (uint8_t) *p) * UINT64_C(1099511628211);
        return (uint32_t) (h % (INDEX_MAX - ROOM)) + 1;
}

static int compare(const void *a, const void *b) {
        const Entry *x = a, *y = b;

        return x->hash != y->hash ? (x->hash < y->hash ? -1 : 1) : strcmp(x->name, y->name);
}

int index_assign(const char *const *names, size_t n, uint32_t *ret) {
        if (n >= ROOM)
                return -E2BIG;
        _cleanup_free_ Entry *entries = calloc(MAX(n, (size_t) 1), sizeof(Entry));
        if (!entries)
                return -ENOMEM;

        for (size_t i = 0; i < n; i++)
                entries[i] = (Entry) { hash_of(names[i]), i, names[i] };
        qsort(entries, n, sizeof(Entry), compare);

        uint32_t last = 0;
        for (size_t i = 0; i < n; i++) {
                last = MAX(entries[i].hash, last + 1);
                ret[entries[i].i] = last;
        }
        return 0;
}
