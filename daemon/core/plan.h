/* SPDX-License-Identifier: Apache-2.0 */
/* What new settings will come to, made beside what is in force, which it does not touch; see apply.c. */
#pragma once

#include "daemon/core/router-private.h"

/* What a service will consist of. Nodes and services that exist already are not touched before the commit. */
typedef struct Plan {
        Service *service; /* existing or new */
        bool fresh;
        ServiceSettings settings;
        Node **nodes;     /* existing or new; new ones have service == NULL */
        OperationState **operations; /* for each node; NULL: it keeps its own */
        NodeHot *hot;
        uint32_t n;
} Plan;

typedef struct Plans {
        Plan *plans;
        uint32_t n, n_nodes, largest;
        Service **services;
        Node **slots;     /* grown table */
        Node **by_account;
        Account *accounts;
        Names service_names, node_names;
        uint32_t n_slots;
        uint32_t *scratch_index;
        uint8_t *scratch_reason;
        double *scratch_score;
        Money *scratch_cost;
} Plans;

/* Everything about it that can fail. -ENOMEM, -E2BIG, -EEXIST: a name twice; then it is to be done away with as well. */
int plans_make(Router *r, const Settings *s, Plans *p);
void plans_done(Plans *p);

Node *node_free(Node *n);
uint32_t count_operations(const struct pm_provider *p);
/* Whether an operation of the same name is the same with both. */
bool same_vendor(const struct pm_provider *a, const struct pm_provider *b);
