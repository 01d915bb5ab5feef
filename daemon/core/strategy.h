/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A strategy is a function from the eligible candidates and the request to a choice. Each has a file of its own; the
 * table in strategy.c lists them all.
 */
#pragma once

#include "daemon/core/router-private.h"

typedef struct Choice {
        Service *service;
        Random *random;
        uint64_t now_ns;
        uint32_t n;            /* candidates, at least one */
        const uint32_t *index; /* of each in the service; rising */
        const Money *cost;     /* of each, for this call */
        double *score;         /* of each, to be filled in: ≥ 0, higher is better, on any scale */
        Units units;           /* of this call */
        Priority priority;     /* what matters most now */
        double x, y, z;        /* the caller's place on the unit sphere; all 0: unknown */
        const char *cause;     /* to be filled in: by what it was chosen, e.g. "lowest expected cost" */
} Choice;

/* Which candidate, as a position. */
typedef uint32_t (*StrategyChoose)(Choice *c);

extern const StrategyChoose strategy_table[_STRATEGY_MAX];

uint32_t choose_round_robin(Choice *c);
uint32_t choose_weighted_round_robin(Choice *c);
uint32_t choose_least_connections(Choice *c);
uint32_t choose_least_response_time(Choice *c);
uint32_t choose_geographic_proximity(Choice *c);
uint32_t choose_cost_optimized(Choice *c);
uint32_t choose_health_based(Choice *c);
uint32_t choose_predictive_analytics(Choice *c);
uint32_t choose_hybrid_optimization(Choice *c);

static inline NodeHot *choice_hot(const Choice *c, uint32_t i) {
        return &c->service->hot[c->index[i]];
}

/* The position of the highest score, the first of equals. */
uint32_t choice_best(const Choice *c);
/* Smooth weighted round robin among the candidates whose score is at least so much. */
uint32_t choice_rotate_weighted(const Choice *c, double score_min);
/* By chance, in proportion to the scores. */
uint32_t choice_draw(const Choice *c);
/* weight × health⁴, and never nothing. */
double choice_health_weight(const NodeHot *h);
/* What a call to it would take now; an unmeasured node is taken for an ordinary one, never for a fast one. */
double choice_latency_ns(const Choice *c, const NodeHot *h);
