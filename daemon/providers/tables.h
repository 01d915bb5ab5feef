/* SPDX-License-Identifier: Apache-2.0 */
/* Checks what a plugin says about itself, so that nobody after this needs to. */
#pragma once

#include "pointsman/provider.h"

/*
 * What is wrong with the tables of a provider of this ABI that was loaded from <file>.so, in words that say what to do;
 * NULL: nothing. To be freed. Out of memory counts as wrong, too.
 */
char *provider_check(const struct pm_provider *p, const char *file);
