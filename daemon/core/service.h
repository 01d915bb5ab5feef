/* SPDX-License-Identifier: Apache-2.0 */
/* A service: its nodes, its money, and what its strategies remember from one decision to the next. */
#pragma once

#include "daemon/core/node.h"
#include "daemon/core/spending.h"

struct Service {
        ServiceSettings settings; /* owned */
        Node **nodes;
        NodeHot *hot;             /* of the node with the same index */
        uint32_t n;
        bool tiered;              /* a node has volume prices */
        bool keep;                /* while new settings are put in force */

        Budget budget;
        Window window;
        Spending spending;
        uint64_t decisions, failures, fallbacks, openings;
        uint64_t decisions_by[_STRATEGY_MAX];
        Meter month;        /* only its window is used */
        Units month_units;  /* of all nodes together, since */
        uint64_t month_since_utc_ns;
        Money static_price; /* of a unit, by the configured weights; worked out together with the median */
        Money savings;      /* against it */

        struct Scenario *scenario; /* the live one that shapes its decisions, or NULL */
        int optimization;          /* OptimizationStrategy in force, or -1 */
        const struct OverridesOf *overrides;
        CostTier tier;             /* of the last decision */
        uint64_t overrun_checked_ns;

        double median_ns;         /* of its nodes' recent answers; 0: unknown */
        uint64_t review_ns;       /* when median and static price are to be worked out again */

        uint32_t leader, challenger; /* HYBRID_OPTIMIZATION: indexes; and since when the one is better, 0: it is not */
        uint64_t challenger_since_ns;
        uint32_t rotation;        /* ROUND_ROBIN: the index after the last choice */
};

static inline NodeHot *node_hot(const Node *n) {
        return &n->service->hot[n->index];
}

static inline double service_threshold(const Service *s) {
        double t = s->settings.failover_threshold;

        return t > 0 && t <= 1 ? t : 1;
}
