/* SPDX-License-Identifier: Apache-2.0 */
/* What happens next: a binary heap of events by time, in the order they were added where times are equal. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct HeapEvent {
        uint64_t at_ns;
        uint64_t serial; /* set by heap_push() */
        uint32_t kind, index;
} HeapEvent;

typedef struct Heap {
        HeapEvent *events;
        uint32_t n, size;
        uint64_t serial;
} Heap;

/* Allocates only when more events wait than ever before. -ENOMEM. */
int heap_push(Heap *h, uint64_t at_ns, uint32_t kind, uint32_t index);
/* False: it is empty. */
bool heap_pop(Heap *h, HeapEvent *ret);
void heap_done(Heap *h);
