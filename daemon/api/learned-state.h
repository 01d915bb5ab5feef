/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps what was learned, as documents of the store, bit by bit, so that nobody waits for it however many nodes there are; and
 * puts it back at the start.
 *
 *     state                 the serial of events, what all nodes have taught the forecast, up to where points were kept
 *     nodes/K, services/K   SLAB of them each; only those in which something happened
 *     minute/M, hour/H      the points of all nodes at that place of the ring
 */
#pragma once

#include "daemon/api/api.h"

typedef struct LearnedState LearnedState;

int learned_state_new(LearnedState **ret, Api *api, Store *store);
LearnedState *learned_state_free(LearnedState *s);

/* Puts back what an earlier run kept. Returns how many members made no sense. */
unsigned learned_state_restore(LearnedState *s, uint64_t now_ns);
/* Does a little of what is due; returns when it wants to go on. */
uint64_t learned_state_step(LearnedState *s, uint64_t now_ns);
/* All of it, at the end. */
void learned_state_finish(LearnedState *s, uint64_t now_ns);
