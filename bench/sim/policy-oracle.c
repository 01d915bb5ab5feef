/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The oracle: it sees the true state of every node when a call is made, errors, latency, limits, quotas and prices, and
 * takes the best for what the service is after. Nobody can know that; it shows how much there is to be had.
 */
#include <errno.h>
#include <math.h>

#include "basic/macro.h"
#include "bench/sim/policy.h"

typedef struct Oracle {
        Policy policy;
        const Trace *trace;
        World *world;
        int64_t *current; /* by node, for equals: they share by weight */
} Oracle;

static Policy *oracle_free(Policy *p) {
        free(((Oracle *) p)->current);
        free(p);
        return NULL;
}

static int oracle_new(Policy **ret, const PolicyContext *context) {
        Oracle *o = calloc(1, sizeof(Oracle));

        if (!o)
                return -ENOMEM;
        o->policy.type = &policy_oracle;
        o->trace = context->trace;
        o->world = context->world;
        o->current = calloc(o->trace->n_nodes, sizeof(*o->current));
        if (!o->current) {
                oracle_free(&o->policy);
                return -ENOMEM;
        }
        *ret = &o->policy;
        return 0;
}

/* Lower is better. What hardly ever succeeds is never a bargain. */
static double loss(Objective objective, const Prospect *x, double best_success, double tolerance) {
        if (objective != OBJECTIVE_SUCCESS && x->success < best_success - tolerance)
                return INFINITY;
        switch (objective) {
        case OBJECTIVE_COST:
                return (double) x->price / MAX(x->success, 1e-3);
        case OBJECTIVE_LATENCY:
                return x->latency_ns / MAX(x->success, 1e-3);
        default:
                return 1 - x->success;
        }
}

static uint32_t oracle_choose(Policy *p, Call *c, uint64_t now_ns) {
        Oracle *o = (Oracle *) p;
        const ServiceSettings *s = trace_service(o->trace, c->service);
        const uint32_t *nodes = o->trace->services[c->service].nodes;
        Objective objective = trace_objective(o->trace, c->service);
        double best_success = 0, best_loss = INFINITY;
        uint32_t best = NODE_NONE;
        int64_t total = 0;
        Prospect x;

        for (size_t i = 0; i < s->n_nodes; i++)
                if (!call_tried(c, nodes[i])) {
                        world_look(o->world, nodes[i], now_ns, &x);
                        best_success = MAX(best_success, x.success);
                }
        for (size_t i = 0; i < s->n_nodes; i++)
                if (!call_tried(c, nodes[i])) {
                        world_look(o->world, nodes[i], now_ns, &x);
                        best_loss = MIN(best_loss, loss(objective, &x, best_success, s->failover_threshold));
                }
        for (size_t i = 0; i < s->n_nodes; i++) {
                uint32_t node = nodes[i];

                if (call_tried(c, node))
                        continue;
                world_look(o->world, node, now_ns, &x);
                if (loss(objective, &x, best_success, s->failover_threshold) > best_loss)
                        continue;
                o->current[node] += MAX(s->nodes[i].weight, 1U);
                total += MAX(s->nodes[i].weight, 1U);
                if (best == NODE_NONE || o->current[node] > o->current[best])
                        best = node;
        }
        if (best != NODE_NONE)
                o->current[best] -= total;
        return best;
}

static uint32_t oracle_answered(Policy *p, Call *c, bool again, uint64_t now_ns) {
        return again ? oracle_choose(p, c, now_ns) : NODE_NONE;
}

const PolicyType policy_oracle = {
        .name = "oracle",
        .doc = "sees the true state of every node",
        .new = oracle_new,
        .free = oracle_free,
        .choose = oracle_choose,
        .answered = oracle_answered,
};
