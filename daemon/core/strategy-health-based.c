/* SPDX-License-Identifier: Apache-2.0 */
/* By chance, in proportion to weight × health⁴: a degraded node keeps a trickle, on which its recovery shows. */
#include "daemon/core/strategy.h"

uint32_t choose_health_based(Choice *c) {
        for (uint32_t i = 0; i < c->n; i++)
                c->score[i] = choice_health_weight(choice_hot(c, i));
        c->cause = "drawn by weight and health";
        return choice_draw(c);
}
