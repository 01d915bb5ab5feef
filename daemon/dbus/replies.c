/* SPDX-License-Identifier: Apache-2.0 */
/* Replies that wait for a disk. Each is let go on its own: calls on a bus are not answered in order anyway. */
#include "daemon/dbus/private.h"

typedef struct Held {
        sd_bus_message *message;
        unsigned waits; /* 0: the barrier is known */
        ApiBarrier barrier;
} Held;

struct Replies {
        Bus *bus;
        ApiHolder holder;
        Held *held; /* in the order in which they were held back */
        size_t n, allocated;
        bool news; /* of some the barrier is not known */
};

static void release(ApiHolder *holder, ApiBarrier released) {
        Replies *q = container_of(holder, Replies, holder);
        size_t kept = 0;

        for (size_t i = 0; i < q->n; i++) {
                Held *h = &q->held[i];
                if (h->waits == 0 && api_barrier_is_within(h->barrier, released)) {
                        bus_send(q->bus, h->message);
                        sd_bus_message_unref(h->message);
                } else
                        q->held[kept++] = *h;
        }
        q->n = kept;
        if (kept == 0 && q->allocated > REPLIES_HELD_MAX / 16)
                replies_clear(q);
}

int replies_new(Replies **ret, Bus *b) {
        Replies *q = calloc(1, sizeof(Replies));

        if (!q)
                return -ENOMEM;
        *q = (Replies) { .bus = b, .holder.release = release };
        api_add_holder(b->api, &q->holder);
        *ret = q;
        return 0;
}

Replies *replies_free(Replies *q) {
        if (!q)
                return NULL;
        api_remove_holder(q->bus->api, &q->holder);
        replies_clear(q);
        free(q);
        return NULL;
}

void replies_clear(Replies *q) {
        for (size_t i = 0; i < q->n; i++)
                sd_bus_message_unref(q->held[i].message);
        free(q->held);
        q->held = NULL;
        q->n = q->allocated = 0;
        q->news = false;
}

bool replies_are_none(const Replies *q) {
        return q->n == 0;
}

bool replies_are_full(const Replies *q) {
        return q->n >= REPLIES_HELD_MAX;
}

void replies_send(Replies *q, sd_bus_message *m, unsigned waits) {
        if (waits == 0) {
                bus_send(q->bus, m);
                return;
        }
        if (q->n == q->allocated) {
                size_t want = MAX(2 * q->allocated, (size_t) 16);
                Held *more = reallocarray(q->held, want, sizeof(Held));
                if (!more) /* the caller asks again, and learns what became of it */
                        return;
                q->held = more;
                q->allocated = want;
        }
        q->held[q->n++] = (Held) { .message = sd_bus_message_ref(m), .waits = waits };
        q->news = true;
}

void replies_settle(Replies *q) {
        if (!q->news)
                return;
        q->news = false;
        for (size_t i = q->n; i > 0 && q->held[i - 1].waits > 0; i--) {
                Held *h = &q->held[i - 1];
                h->barrier = api_barrier(q->bus->api, h->waits);
                h->waits = 0;
        }
        release(&q->holder, api_released(q->bus->api));
}
