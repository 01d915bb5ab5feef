/* SPDX-License-Identifier: Apache-2.0 */
/* Up to where the disks have got, and who waits for it. */
#include "daemon/api/private.h"

unsigned api_waits(const ApiMethod *method) {
        if (!method || !method->durable)
                return 0;
        return WAIT_STORE | (api_is_management(method) ? WAIT_AUDIT : 0);
}

ApiBarrier api_barrier(const Api *api, unsigned waits) {
        const Persistence *p = &api->persistence;

        if (waits & WAIT_STORE && p->put > p->released)
                p->store->functions->hurry(p->store, p->put);
        return (ApiBarrier) {
                .generation = waits & WAIT_STORE ? api->persistence.put : 0,
                .record = waits & WAIT_AUDIT ? api->trail.newest : 0,
        };
}

ApiBarrier api_released(Api *api) {
        return (ApiBarrier) {
                .generation = api->persistence.released,
                .record = api->trail.audit ? audit_released(api->trail.audit) : UINT64_MAX,
        };
}

void api_add_holder(Api *api, ApiHolder *holder) {
        holder->next = api->holders;
        api->holders = holder;
}

void api_remove_holder(Api *api, ApiHolder *holder) {
        ApiHolder **p = &api->holders;

        while (*p && *p != holder)
                p = &(*p)->next;
        if (*p)
                *p = holder->next;
}

void api_release(Api *api) {
        ApiBarrier released = api_released(api);

        for (ApiHolder *h = api->holders; h; h = h->next)
                h->release(h, released);
}
