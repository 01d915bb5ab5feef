/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers for names, for ever: what a station has stored under a row's index must stay about the same thing. A name's
 * number is worked out from the name, so that it is the same on another host or if the file is lost; only when another
 * name has that number already does it get the next free one. Because that depends on who came first, every number is
 * kept in a file, also of names that are not there at the moment.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define INDEX_MAX UINT32_C(2147483647)
/* So many names of a kind are remembered; when there are more, those that are gone are forgotten. */
#define INDEX_NAMES_MAX 65536

typedef enum IndexKind {
        INDEX_SERVICE,
        INDEX_NODE,
        INDEX_SCENARIO, /* forgotten when they are gone: their names do not come back */
        INDEX_PROVIDER,
        _INDEX_KIND_MAX,
} IndexKind;

typedef struct Indexes Indexes;

enum { INDEXES_WHOLE, INDEXES_DAMAGED }; /* damaged: what could be understood has been read */

/* Reads the file if there is one. path: NULL for none, then all is forgotten at the end. */
int indexes_new(Indexes **ret, const char *path);
Indexes *indexes_free(Indexes *x);

/* Gives each of n names of a kind its number, 1 to INDEX_MAX, no two the same. -E2BIG: they are too many; -ENOMEM. */
int indexes_assign(Indexes *x, IndexKind kind, const char *const *names, size_t n, uint32_t *ret);

/* Writes the file anew if it must be, all or nothing. 1: written; 0: nothing to do. Tries again at the next call. */
int indexes_save(Indexes *x);
