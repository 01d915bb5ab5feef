/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/sim/heap.h"

#include <errno.h>

#include "basic/macro.h"

static bool before(const HeapEvent *a, const HeapEvent *b) {
        return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->serial < b->serial;
}

int heap_push(Heap *h, uint64_t at_ns, uint32_t kind, uint32_t index) {
        HeapEvent e = { at_ns, h->serial++, kind, index };
        uint32_t i;

        if (h->n == h->size) {
                uint32_t size = MAX(2 * h->size, 64U);
                HeapEvent *grown = reallocarray(h->events, size, sizeof(HeapEvent));

                if (!grown)
                        return -ENOMEM;
                h->events = grown;
                h->size = size;
        }
        for (i = h->n++; i > 0 && before(&e, &h->events[(i - 1) / 2]); i = (i - 1) / 2)
                h->events[i] = h->events[(i - 1) / 2];
        h->events[i] = e;
        return 0;
}

bool heap_pop(Heap *h, HeapEvent *ret) {
        HeapEvent last;
        uint32_t i = 0, child;

        if (h->n == 0)
                return false;
        *ret = h->events[0];
        last = h->events[--h->n];
        while ((child = 2 * i + 1) < h->n) {
                if (child + 1 < h->n && before(&h->events[child + 1], &h->events[child]))
                        child++;
                if (!before(&h->events[child], &last))
                        break;
                h->events[i] = h->events[child];
                i = child;
        }
        h->events[i] = last;
        return true;
}

void heap_done(Heap *h) {
        free(h->events);
        *h = (Heap){};
}
