/* SPDX-License-Identifier: Apache-2.0 */
/* Instants as "2026-03-01T12:00:00.123Z" (RFC 3339). */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define INSTANT_MAX 32

size_t instant_to_string(uint64_t utc_ns, char buffer[INSTANT_MAX]);
/* -EINVAL: it is none, or before 1970. */
int instant_from_string(const char *s, uint64_t *ret);
