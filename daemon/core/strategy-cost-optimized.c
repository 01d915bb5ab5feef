/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The smallest expected cost of a call that succeeds. A call is tried until it does, so it costs price ÷ probability of
 * success. Where the price falls with the volume of a month, what counts is the lower of now and the average over the
 * calls still to come; so free quotas go first, and a volume discount is worked towards if the month is long enough for
 * it. Only nodes whose errors and latency are within the service's limits compete, as long as there are any.
 */
#include <math.h>

#include "basic/macro.h"
#include "daemon/core/strategy.h"

#define NEAR_TIE 1.05
#define SUCCESS_FLOOR 0.05

/* Slower than this many times the service's median is no bargain. */
#define LATENCY_FACTOR 4

static bool is_good_enough(const Choice *c, const NodeHot *h, double best) {
        return h->success >= best - service_threshold(c->service) &&
               (h->answer_ns <= 0 || c->service->median_ns <= 0 ||
                h->answer_ns <= LATENCY_FACTOR * c->service->median_ns);
}

static double price_ahead(const Choice *c, uint32_t i, const NodeHot *h) {
        double now = (double) c->cost[i];

        return h->outlook == INT64_MAX ? now : MIN(now, (double) h->outlook * (double) c->units / UNITS_ONE);
}

uint32_t choose_cost_optimized(Choice *c) {
        double best_success = 0, cheapest = INFINITY, cheapest_good = INFINITY;

        for (uint32_t i = 0; i < c->n; i++)
                best_success = MAX(best_success, (double) choice_hot(c, i)->success);
        for (uint32_t i = 0; i < c->n; i++) {
                const NodeHot *h = choice_hot(c, i);
                double cost = price_ahead(c, i, h) / MAX((double) h->success, SUCCESS_FLOOR);

                c->score[i] = cost;
                cheapest = MIN(cheapest, cost);
                if (is_good_enough(c, h, best_success))
                        cheapest_good = MIN(cheapest_good, cost);
        }
        if (cheapest_good == INFINITY)
                cheapest_good = cheapest;
        /* Cost → score: 1 for the cheapest good one; a bad bargain comes after all good ones. The +1 keeps free calls
         * finite. */
        for (uint32_t i = 0; i < c->n; i++) {
                double score = (cheapest_good + 1) / (c->score[i] + 1);

                c->score[i] = is_good_enough(c, choice_hot(c, i), best_success) ? score : MIN(score, 1.0) * 1e-3;
        }
        c->cause = "lowest expected cost of a success";
        return choice_rotate_weighted(c, (cheapest_good + 1) / (cheapest_good * NEAR_TIE + 1));
}
