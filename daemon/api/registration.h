/* SPDX-License-Identifier: Apache-2.0 */
/* Registrations as the interface and the store show them. */
#pragma once

#include "daemon/api/schema.h"
#include "daemon/config/registrations.h"
#include "daemon/store/store.h"

typedef struct ApiDistribution {
        ServiceSettings settings;
        const char *algorithm; /* which callers of the earlier service send; the strategy says it all, so nothing comes of it */
} ApiDistribution;

extern const Structure distribution_structure; /* ApiDistribution */
extern const Structure allocation_structure;   /* ServiceSettings, of which it sets a part */

/*
 * Reads what is stored. What cannot be understood is set aside, and ret_trouble says so (to be freed; else NULL).
 * Negative: what is there could not be read, and must not be written over.
 */
int registrations_load(Registrations *r, Store *store, char **ret_trouble);
/* Puts them into the store; they are on the disk when that generation is committed. */
int registrations_put(const Registrations *r, Store *store, uint64_t *ret_generation);
