/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A weighted sum of success, latency, cost, load, proximity and forecast, each 1 for the best of the candidates. The
 * leader keeps the traffic until another is better by a margin for a while, so that two near-equals do not take turns;
 * unless it fails.
 */
#include <math.h>

#include "basic/macro.h"
#include "daemon/core/strategy.h"

#define MARGIN 1.10
#define HOLD_NS (5 * NSEC_PER_SEC)
#define LEADER_MIN 50 /* health score below which the leader is given up at once */

/* What counts for how much, by what matters most to the service. */
typedef struct HybridWeights {
        double success, latency, cost, load, proximity, forecast;
} HybridWeights;

static const HybridWeights weights_of[_PRIORITY_MAX] = {
        [PRIORITY_REVENUE] = { 0.50, 0.15, 0.05, 0.05, 0.05, 0.20 },
        [PRIORITY_AVAILABILITY] = { 0.40, 0.20, 0.10, 0.10, 0.05, 0.15 },
        [PRIORITY_PERFORMANCE] = { 0.25, 0.40, 0.05, 0.10, 0.10, 0.10 },
        [PRIORITY_COST] = { 0.25, 0.10, 0.45, 0.05, 0.05, 0.10 },
};

static double proximity(const Choice *c, const NodeHot *h) {
        if ((c->x == 0 && c->y == 0 && c->z == 0) || (h->x == 0 && h->y == 0 && h->z == 0))
                return 0.5;
        return (1 + c->x * h->x + c->y * h->y + c->z * h->z) / 2; /* 1 here, 0 at the antipodes */
}

/* What answers take; failures count under success already, and one of them is no reason to change the leader. */
static double answer_ns(const Choice *c, const NodeHot *h) {
        return h->answer_ns > 0 ? h->answer_ns : choice_latency_ns(c, h);
}

static uint32_t find(const Choice *c, uint32_t index) {
        for (uint32_t i = 0; i < c->n; i++)
                if (c->index[i] == index)
                        return i;
        return UINT32_MAX;
}

/* Left out of this one choice by the request (a fallback has tried it already) or by chance (it warms up): that says
 * nothing against it. */
static bool is_left_out_once(const Choice *c, uint32_t index) {
        const NodeHot *h = index < c->service->settings.n_nodes ? &c->service->hot[index] : NULL;

        return h && find(c, index) == UINT32_MAX && h->breaker.circuit == CIRCUIT_CLOSED && h->admin == ADMIN_ENABLED &&
               h->cooldown_ns <= c->now_ns && h->score >= LEADER_MIN;
}

uint32_t choose_hybrid_optimization(Choice *c) {
        const HybridWeights *w = &weights_of[c->priority];
        double fastest = INFINITY;
        Money cheapest = MONEY_MAX;
        Service *s = c->service;
        uint32_t best, leader;

        for (uint32_t i = 0; i < c->n; i++) {
                cheapest = MIN(cheapest, c->cost[i]);
                fastest = MIN(fastest, answer_ns(c, choice_hot(c, i)));
        }
        for (uint32_t i = 0; i < c->n; i++) {
                const NodeHot *h = choice_hot(c, i);

                c->score[i] = w->success * (double) h->success * (double) h->score / 100 +
                              w->latency * fastest / answer_ns(c, h) +
                              w->cost * (double) (cheapest + 1) / (double) (c->cost[i] + 1) +
                              w->load * MAX(h->weight, 1U) / (MAX(h->weight, 1U) + (double) h->in_flight) +
                              w->proximity * proximity(c, h) +
                              w->forecast * (isnan(h->forecast) ? 0.9 : 1 - (double) h->forecast);
        }

        best = choice_best(c);
        leader = find(c, s->leader);
        c->cause = "the leader by success, latency, cost, load, proximity and forecast";
        if (leader != UINT32_MAX && leader != best && choice_hot(c, leader)->score >= LEADER_MIN) {
                bool challenged = c->score[best] > c->score[leader] * MARGIN;

                if (!challenged)
                        s->challenger_since_ns = 0;
                else if (s->challenger_since_ns == 0 || s->challenger != c->index[best]) {
                        s->challenger = c->index[best];
                        s->challenger_since_ns = MAX(c->now_ns, UINT64_C(1));
                }
                if (!challenged || c->now_ns - s->challenger_since_ns < HOLD_NS)
                        return leader;
        }
        /* It keeps its lead or its challenge for when it is in again. */
        if (is_left_out_once(c, s->leader) || (leader == best && is_left_out_once(c, s->challenger)))
                return best;
        s->challenger_since_ns = 0;
        s->leader = c->index[best];
        return best;
}
