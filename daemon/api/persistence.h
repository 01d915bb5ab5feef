/* SPDX-License-Identifier: Apache-2.0 */
/* What survives a restart: how the brain and the interface use the store. */
#pragma once

#include "daemon/api/api.h"

typedef struct Persistence {
        Store *store;           /* or NULL */
        uint64_t put, released; /* the newest generations */
        bool recovered;         /* the calls that an earlier run left are in the books */
        int error;              /* as last told */
        char trouble[256];
} Persistence;
