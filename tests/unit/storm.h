/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on the whole brain, one drawn after the other, with what must hold after each: money adds up, caps hold, the
 * last node is kept. A cmocka assertion fails if it does not. */
#pragma once

#include <stdint.h>

/* A number below n, which is not 0. */
typedef uint64_t (*StormDraw)(void *source, uint64_t n);

void storm(StormDraw draw, void *source, unsigned operations);
