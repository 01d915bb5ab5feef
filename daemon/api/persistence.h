/* SPDX-License-Identifier: Apache-2.0 */
/* What survives a restart: how the brain and the interface use the store. */
#pragma once

#include "daemon/api/api.h"

typedef struct Persistence {
        uint64_t put, released; /* the newest generations */
} Persistence;
