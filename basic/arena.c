/* SPDX-License-Identifier: Apache-2.0 */
#include "basic/arena.h"

#include <stdalign.h>

#include "basic/macro.h"

#define BLOCK_SIZE ((size_t) 16 * 1024)

struct ArenaBlock {
        ArenaBlock *next;
        size_t size;
        alignas(max_align_t) char data[];
};

void *arena_alloc(Arena *a, size_t n, size_t size) {
        size_t bytes;

        if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 2)
                return NULL;
        bytes = (bytes + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);

        if (!a->blocks || a->blocks->size - a->used < bytes) {
                size_t want = MAX(bytes, BLOCK_SIZE);
                ArenaBlock *b = malloc(sizeof(ArenaBlock) + want);
                if (!b)
                        return NULL;
                b->next = a->blocks;
                b->size = want;
                a->blocks = b;
                a->used = 0;
        }
        void *p = a->blocks->data + a->used;
        a->used += bytes;
        return memset(p, 0, bytes);
}

void arena_reset(Arena *a) {
        while (a->blocks && (a->blocks->next || a->blocks->size > BLOCK_SIZE)) {
                ArenaBlock *b = a->blocks;
                a->blocks = b->next;
                free(b);
        }
        a->used = 0;
}

void arena_done(Arena *a) {
        while (a->blocks) {
                ArenaBlock *b = a->blocks;
                a->blocks = b->next;
                free(b);
        }
        a->used = 0;
}
