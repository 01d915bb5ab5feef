/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who decides where a call goes: the brain, or one of the baselines that it is compared with. Each has a file of its
 * own. Nodes are numbers, as in Trace.nodes.
 */
#pragma once

#include "bench/sim/measure.h"
#include "bench/sim/world.h"

#define NODE_NONE UINT32_MAX
#define CALL_TRIED_MAX 17 /* the first node and sixteen further ones */

typedef struct Call {
        uint64_t number, started_ns, sent_ns; /* sent_ns: the latest attempt */
        uint32_t service, node;
        uint32_t attempts; /* nodes tried so far, tried[attempts - 1] is the latest */
        uint32_t tried[CALL_TRIED_MAX];
        Answer answer;                      /* of the latest attempt */
        bool unaffordable;                  /* no node, because a limit is used up */
        bool unreported;                    /* the caller will never report the latest attempt */
        char decision[DECISION_ID_MAX + 1]; /* the brain's */
        uint32_t next;                      /* in the list of free ones */
} Call;

typedef struct Policy Policy;

/* What a policy may use of the run that it is part of. */
typedef struct PolicyContext {
        const Trace *trace;
        World *world;     /* the oracle alone looks; anybody may be told of a price */
        Measure *measure; /* measure_out(), measure_in() */
        uint64_t seed;
        Strategy strategy; /* the brain's; _STRATEGY_INVALID: as the trace has it */
        /* Has a probe of the node answered later. */
        int (*probe)(void *sim, uint32_t node, uint64_t id, uint64_t now_ns);
        void *sim;
} PolicyContext;

typedef struct PolicyType {
        const char *name, *doc;
        int (*new)(Policy **ret, const PolicyContext *context);
        Policy *(*free)(Policy *p);
        /* Where the call goes; NODE_NONE: nowhere. */
        uint32_t (*choose)(Policy *p, Call *c, uint64_t now_ns);
        /* c->answer has come, and the caller would try another node (again), or would not. Where to; NODE_NONE:
         * nowhere. */
        uint32_t (*answered)(Policy *p, Call *c, bool again, uint64_t now_ns);
        /* Optional. Time passes; returns when to be called next. */
        uint64_t (*tick)(Policy *p, uint64_t now_ns);
        /* Optional. */
        void (*probed)(Policy *p, uint64_t id, const Answer *a, uint64_t now_ns);
        /* Optional. The run is over. */
        void (*finished)(Policy *p, uint64_t now_ns);
        int (*price_changed)(Policy *p, uint32_t node, Money price, uint64_t now_ns);
} PolicyType;

struct Policy {
        const PolicyType *type;
};

extern const PolicyType policy_brain, policy_static, policy_nginx, policy_nginx_default, policy_envoy, policy_oracle;

static inline bool call_tried(const Call *c, uint32_t node) {
        for (uint32_t i = 0; i < c->attempts; i++)
                if (c->tried[i] == node)
                        return true;
        return false;
}
