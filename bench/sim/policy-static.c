/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Static weights: every node gets its share whatever comes of it, spread by smooth weighted round robin. The caller
 * tries another node where it may, and that is all.
 */
#include <errno.h>

#include "basic/macro.h"
#include "bench/sim/policy.h"

typedef struct Static {
        Policy policy;
        const Trace *trace;
        int64_t *current; /* by node */
} Static;

static Policy *static_free(Policy *p) {
        free(((Static *) p)->current);
        free(p);
        return NULL;
}

static int static_new(Policy **ret, const PolicyContext *context) {
        Static *s = calloc(1, sizeof(Static));

        if (!s)
                return -ENOMEM;
        s->policy.type = &policy_static;
        s->trace = context->trace;
        s->current = calloc(s->trace->n_nodes, sizeof(*s->current));
        if (!s->current) {
                static_free(&s->policy);
                return -ENOMEM;
        }
        *ret = &s->policy;
        return 0;
}

static uint32_t static_choose(Policy *p, Call *c, uint64_t now_ns _unused_) {
        Static *s = (Static *) p;
        const TraceService *x = &s->trace->services[c->service];
        uint32_t best = NODE_NONE;
        int64_t total = 0;

        for (size_t i = 0; i < trace_service(s->trace, c->service)->n_nodes; i++) {
                uint32_t node = x->nodes[i];
                int64_t weight = trace_node(s->trace, node)->weight;

                if (weight == 0 || call_tried(c, node))
                        continue;
                s->current[node] += weight;
                total += weight;
                if (best == NODE_NONE || s->current[node] > s->current[best])
                        best = node;
        }
        if (best != NODE_NONE)
                s->current[best] -= total;
        return best;
}

static uint32_t static_answered(Policy *p, Call *c, bool again, uint64_t now_ns) {
        return again ? static_choose(p, c, now_ns) : NODE_NONE;
}

const PolicyType policy_static = {
        .name = "static",
        .doc = "static weights, without any check",
        .new = static_new,
        .free = static_free,
        .choose = static_choose,
        .answered = static_answered,
};
