/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers for names, the same on every host and after every restart. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define INDEX_MAX UINT32_C(2147483647)

/* Gives each of n different names its number, 1 to INDEX_MAX, no two the same. A name's number depends on the name
 * alone, unless another of the names hashes to the same value (one pair in two thousand million). -E2BIG: more than
 * 65,535 names; -ENOMEM. */
int index_assign(const char *const *names, size_t n, uint32_t *ret);
