/* SPDX-License-Identifier: Apache-2.0 */
/* Strict rotation: each in turn, whatever its weight. */
#include "daemon/core/strategy.h"

uint32_t choose_round_robin(Choice *c) {
        uint32_t n = c->service->n, chosen = 0;

        for (uint32_t i = 0; i < c->n; i++) {
                uint32_t distance = (c->index[i] + n - c->service->rotation % n) % n;

                c->score[i] = 1.0 / (1 + distance);
                if (c->score[i] > c->score[chosen])
                        chosen = i;
        }
        c->service->rotation = (c->index[chosen] + 1) % n;
        c->cause = "its turn";
        return chosen;
}
