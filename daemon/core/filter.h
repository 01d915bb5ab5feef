/* SPDX-License-Identifier: Apache-2.0 */
/* Which nodes of a service may be chosen for a request, and why the others may not. */
#pragma once

#include "daemon/core/router-private.h"

typedef enum Skip {
        SKIP_NOT = 0, /* eligible */
        SKIP_DISABLED,
        SKIP_DRAINING,
        SKIP_NO_PROVIDER,
        SKIP_EXCLUDED,
        SKIP_OPEN,
        SKIP_TRIAL,   /* half-open: see filter_trial() */
        SKIP_COOLING,
        SKIP_OPERATION_COOLING,
        SKIP_MAX_COST,
        SKIP_CEILING,
        SKIP_BUDGET,
        SKIP_TIER,    /* above the ceiling of the blended price */
        SKIP_DOUBTED, /* it fails or does not answer: left out this time; taken if nothing else is left */
        SKIP_WARMING, /* left out this time; taken if nothing else is left */
        SKIP_STANDBY, /* weight 0: taken if nothing else is left */
        _SKIP_MAX,
} Skip;

const char *skip_reason(Skip skip);

typedef struct Filter {
        Router *router;
        Service *service;
        const RouteRequest *request;
        uint64_t now_ns;
        Units units;
        CostTier tier;
        Money ceiling;        /* of the blended price in this tier; MONEY_UNSET: none */
        Money room;            /* what fits the budget */

        /* The operation in the last provider looked at; neighbours often share one. */
        const struct pm_provider *provider;
        uint32_t provider_operation;

        uint32_t n;           /* eligible ones, in the router's scratch */
        uint32_t skipped[_SKIP_MAX];
        bool last_over_budget; /* one that is open or cooling would do, but for the budget; see filter_last() */
} Filter;

void filter_init(Filter *f, Router *r, Service *s, const RouteRequest *q, uint64_t now_ns);
/* Fills the router's scratch: index and cost of the eligible nodes, and the reason for every node. */
void filter_run(Filter *f);
/* A half-open node that this request may try, or NAMES_NONE. */
uint32_t filter_trial(Filter *f);
/* The node likeliest to work soonest among those that are open or cooling and would otherwise do; NAMES_NONE: none.
 * ret_ready_ns: when. */
uint32_t filter_last(Filter *f, uint64_t *ret_ready_ns);

/* Whether a second try of the request does no harm at this node; unknown means it does. */
bool filter_is_idempotent(Filter *f, const Node *n);
uint32_t filter_operation(Filter *f, const Node *n);
Money filter_cost(Filter *f, Node *n);
