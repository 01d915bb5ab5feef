/* SPDX-License-Identifier: Apache-2.0 */
/* Away from a node before it fails: by chance, in proportion to weight × health⁴ × the forecast that it holds, made
 * steep. */
#include <math.h>

#include "basic/macro.h"
#include "daemon/core/strategy.h"

#define TRICKLE 0.01

uint32_t choose_predictive_analytics(Choice *c) {
        uint32_t trusted = 0;

        for (uint32_t i = 0; i < c->n; i++) {
                const NodeHot *h = choice_hot(c, i);
                double holds = 1;

                if (!isnan(h->forecast)) {
                        trusted++;
                        holds = 1 - (double) h->forecast;
                        holds = MAX(holds * holds * holds * holds, TRICKLE);
                }
                c->score[i] = choice_health_weight(h) * holds;
        }
        c->cause = trusted > 0 ? "drawn by weight, health and forecast"
                               : "drawn by weight and health, since no forecast has beaten its base rate yet";
        return choice_draw(c);
}
