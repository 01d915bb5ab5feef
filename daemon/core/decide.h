/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of a decision between the filter and the lease: which node, and what the caller is told about it. */
#pragma once

#include "daemon/core/filter.h"
#include "daemon/core/strategy.h"

typedef struct Chosen {
        uint32_t position; /* among the candidates */
        bool degraded;
        uint64_t ready_ns;
} Chosen;

/* Which of the eligible nodes, or which other. 0: chosen; otherwise an outcome, with *ret_refusal filled in. */
int decide(Filter *f, Choice *c, Strategy strategy, Chosen *ret, RouteRefusal *ret_refusal);

/* Fills in the decision. */
void describe(Filter *f, const Choice *c, const Chosen *chosen, Strategy strategy, const Lease *l, Decision *d);
