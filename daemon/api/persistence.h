/* SPDX-License-Identifier: Apache-2.0 */
/* What survives a restart: how the brain and the interface use the store. */
#pragma once

#include "daemon/api/learned-state.h"

#define SCENARIO_MARKS 256

typedef struct Persistence {
        Store *store;           /* or NULL */
        uint64_t put, released; /* the newest generations */
        LearnedState *learned;
        uint64_t scenarios[SCENARIO_MARKS]; /* as they were kept, by place */
        bool spend_known;       /* what an earlier run spent counts, or the ledger was asked for it */
        bool recovered;         /* the calls that an earlier run left are in the books */
        int error;              /* as last told */
        char trouble[256];
} Persistence;
