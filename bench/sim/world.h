/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the nodes of a trace truly do. Chance comes from the seed, the number of the call and the node alone: whoever
 * sends the same call to the same node at the same time gets the same answer, so that policies compare.
 */
#pragma once

#include "bench/sim/trace.h"

typedef struct World World;

/* What came of a call. */
typedef struct Answer {
        Verdict verdict;
        uint64_t latency_ns, retry_after_ns;
        Money cost;  /* every call that was sent costs its price, as the ledger has it too */
        bool undone; /* the vendor has certainly not carried it out: it may be tried again, whatever it is */
} Answer;

/* What a call sent now may expect. */
typedef struct Prospect {
        double success;    /* 0..1 */
        double latency_ns; /* of a success, median */
        Money price;
} Prospect;

int world_new(World **ret, const Trace *trace, uint64_t seed);
World *world_free(World *w);

void world_send(World *w, uint32_t node, uint64_t call, unsigned attempt, uint64_t now_ns, Answer *ret);
/* A probe: free, and of another kind than calls, so that limits, quotas and corrupt bodies do not show. */
void world_probe(World *w, uint32_t node, uint64_t serial, uint64_t now_ns, Answer *ret);
void world_look(World *w, uint32_t node, uint64_t now_ns, Prospect *ret);
/* Whether calls to it succeed at least every other time, limits and quotas aside; at any instant, past ones too. */
bool world_works(const World *w, uint32_t node, uint64_t at_ns);
/* The operator's or the vendor's new price. */
void world_set_price(World *w, uint32_t node, Money price);
