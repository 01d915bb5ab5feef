/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/api/persistence.h"

#include "daemon/api/private.h"

uint64_t api_barrier(Api *api) {
        return api->persistence.put;
}

bool api_is_released(Api *api, uint64_t generation) {
        return generation <= api->persistence.released;
}

void api_listen_for_release(Api *api, unsigned place, ApiReleaseListener listener, void *userdata) {
        api->persistence.listeners[place].listener = listener;
        api->persistence.listeners[place].userdata = userdata;
}
