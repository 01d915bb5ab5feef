/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for what lives as long as one request: taken bit by bit, given back all at once. */
#pragma once

#include <stddef.h>

typedef struct ArenaBlock ArenaBlock;

typedef struct Arena {
        ArenaBlock *blocks; /* the newest first */
        size_t used;        /* of the newest */
} Arena;

/* Zeroed memory, aligned for any type; NULL if there is none. */
void *arena_alloc(Arena *a, size_t n, size_t size);
/* Everything is free again; the first block is kept, so that an ordinary request allocates nothing. */
void arena_reset(Arena *a);
void arena_done(Arena *a);
