/* SPDX-License-Identifier: Apache-2.0 */
/* A weighted sum of success, latency, cost, load and proximity, each against the best of the candidates. */
#include "basic/macro.h"
#include "daemon/core/strategy.h"

uint32_t choose_hybrid_optimization(Choice *c) {
        Money cheapest = MONEY_MAX;
        double fastest = 1e300, top = 0;

        for (uint32_t i = 0; i < c->n; i++) {
                cheapest = MIN(cheapest, c->cost[i]);
                fastest = MIN(fastest, choice_latency_ns(c, choice_hot(c, i)));
        }
        for (uint32_t i = 0; i < c->n; i++) {
                const NodeHot *h = choice_hot(c, i);

                c->score[i] = 0.40 * (double) h->score / 100 + 0.25 * fastest / choice_latency_ns(c, h) +
                              0.20 * (double) (cheapest + 1) / (double) (c->cost[i] + 1) + 0.15 / (h->in_flight + 1.0);
                top = MAX(top, c->score[i]);
        }
        c->cause = "best of success, latency, cost and load together";
        return choice_rotate_weighted(c, top * 0.9);
}
