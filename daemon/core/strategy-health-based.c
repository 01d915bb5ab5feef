/* SPDX-License-Identifier: Apache-2.0 */
/* By chance, in proportion to weight × health⁴: a degraded node keeps a trickle, on which its recovery shows. */
#include "basic/macro.h"
#include "daemon/core/strategy.h"

#define TRICKLE 0.002

uint32_t choose_health_based(Choice *c) {
        double total = 0, drawn;
        uint32_t i;

        for (i = 0; i < c->n; i++) {
                const NodeHot *h = choice_hot(c, i);
                double health = (double) h->score / 100;

                c->score[i] = MAX(h->weight, 1U) * MAX(health * health * health * health, TRICKLE);
                total += c->score[i];
        }
        c->cause = "drawn by weight and health";
        drawn = random_unit(c->random) * total;
        for (i = 0; i < c->n - 1; i++) {
                drawn -= c->score[i];
                if (drawn < 0)
                        break;
        }
        return i;
}
