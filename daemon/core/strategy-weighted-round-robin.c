/* SPDX-License-Identifier: Apache-2.0 */
/* Smooth weighted round robin: weights {5,1,1} give a a b a c a a. */
#include "basic/macro.h"
#include "daemon/core/strategy.h"

uint32_t choose_weighted_round_robin(Choice *c) {
        int64_t low = INT64_MAX;
        uint32_t chosen;

        for (uint32_t i = 0; i < c->n; i++) {
                c->score[i] = 1;
                low = MIN(low, choice_hot(c, i)->wrr_current);
        }
        chosen = choice_rotate_weighted(c, 0);
        /* Who would be next comes next; the chosen one has paid already. */
        for (uint32_t i = 0; i < c->n; i++)
                c->score[i] = (double) (choice_hot(c, i)->wrr_current - low) + 1;
        c->score[chosen] = 0;
        c->score[chosen] = c->score[choice_best(c)] + 1;
        c->cause = "its turn by weight";
        return chosen;
}
