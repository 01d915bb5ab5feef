/* SPDX-License-Identifier: Apache-2.0 */
/* The fewest calls in flight for its weight; ties go round by weight. */
#include "basic/macro.h"
#include "daemon/core/strategy.h"

uint32_t choose_least_connections(Choice *c) {
        double best = 0;

        for (uint32_t i = 0; i < c->n; i++) {
                const NodeHot *h = choice_hot(c, i);

                c->score[i] = MAX(h->weight, 1U) / (h->in_flight + 1.0);
                best = MAX(best, c->score[i]);
        }
        c->cause = "fewest calls in flight for its weight";
        return choice_rotate_weighted(c, best);
}
