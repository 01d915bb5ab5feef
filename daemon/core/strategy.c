/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/strategy.h"

#include "basic/macro.h"

/* What a node that is barely alive keeps of its share. */
#define HEALTH_TRICKLE 0.002
#define LATENCY_UNKNOWN_NS ((double) (250 * NSEC_PER_MSEC))

const StrategyChoose strategy_table[_STRATEGY_MAX] = {
        [ROUND_ROBIN] = choose_round_robin,
        [WEIGHTED_ROUND_ROBIN] = choose_weighted_round_robin,
        [LEAST_CONNECTIONS] = choose_least_connections,
        [LEAST_RESPONSE_TIME] = choose_least_response_time,
        [GEOGRAPHIC_PROXIMITY] = choose_geographic_proximity,
        [COST_OPTIMIZED] = choose_cost_optimized,
        [HEALTH_BASED] = choose_health_based,
        [PREDICTIVE_ANALYTICS] = choose_predictive_analytics,
        [HYBRID_OPTIMIZATION] = choose_hybrid_optimization,
};

uint32_t choice_best(const Choice *c) {
        uint32_t best = 0;

        for (uint32_t i = 1; i < c->n; i++)
                if (c->score[i] > c->score[best])
                        best = i;
        return best;
}

/*
 * Each candidate gains its weight, the one that has most is chosen and pays what all gained together, as nginx does it:
 * the chosen ones are spread as evenly as their weights allow. Failures lower a weight for this, successes restore it.
 */
uint32_t choice_rotate_weighted(const Choice *c, double score_min) {
        NodeHot *best = NULL;
        uint32_t chosen = 0;
        int64_t total = 0;

        for (uint32_t i = 0; i < c->n; i++) {
                NodeHot *h = choice_hot(c, i);
                int64_t gain = MAX(h->wrr_effective, 1);

                if (c->score[i] < score_min)
                        continue;
                total += gain;
                h->wrr_current += gain;
                if (!best || h->wrr_current > best->wrr_current) {
                        best = h;
                        chosen = i;
                }
        }
        if (best)
                best->wrr_current -= total;
        return chosen;
}

uint32_t choice_draw(const Choice *c) {
        double total = 0, drawn;
        uint32_t i;

        for (i = 0; i < c->n; i++)
                total += c->score[i];
        drawn = random_unit(c->random) * total;
        for (i = 0; i < c->n - 1; i++) {
                drawn -= c->score[i];
                if (drawn < 0)
                        break;
        }
        return i;
}

double choice_health_weight(const NodeHot *h) {
        double health = (double) h->score / 100;

        return MAX(h->weight, 1U) * MAX(health * health * health * health, HEALTH_TRICKLE);
}

double choice_latency_ns(const Choice *c, const NodeHot *h) {
        if (h->latency_ns > 0)
                return h->latency_ns;
        return c->service->median_ns > 0 ? c->service->median_ns : LATENCY_UNKNOWN_NS;
}
