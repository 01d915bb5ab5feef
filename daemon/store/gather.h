/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A generation that gathers: calls added up by what they have in common, so that many calls are few rows; documents, of
 * which the last one counts. Memory that one generation needed serves the next ones: in the steady state putting
 * allocates nothing.
 */
#pragma once

#include "daemon/store/scenario-copy.h"
#include "daemon/store/store.h"

/* Kinds of calls in an hour that one generation holds; reached only when nothing can be written for long. */
#define GATHER_GROUPS_MAX 131072

/* And scenarios. */
#define GATHER_SCENARIOS_MAX 1024

/* What is added up. */
typedef struct LedgerSums {
        int64_t verdicts[_PM_VERDICT_MAX];
        Money cost, usual_cost;
        Units units;
} LedgerSums;

typedef struct GatherGroup {
        uint64_t hash;
        int64_t hour_s;      /* since 1970, UTC */
        uint32_t key, n_key; /* where its names are: "service\0node\0provider\0operation\0" */
        CostTier tier;
        LedgerSums sums;
} GatherGroup;

typedef struct GatherDocument {
        char *name, *text; /* text NULL: it is to be removed */
        size_t n;
        uint64_t utc_ns;
} GatherDocument;

typedef struct Gather {
        uint64_t generation;
        uint64_t since_ns; /* of the first thing put; 0: it is empty */
        bool urgent;       /* somebody waits for it */
        uint64_t calls, lost;
        uint64_t serial;   /* the highest; 0: none */

        GatherGroup *groups;
        size_t n_groups, allocated_groups;
        uint32_t *index; /* hash table of positions + 1 */
        size_t n_index;  /* a power of two, or 0 */
        char *names;
        size_t n_names, allocated_names;

        GatherDocument *documents;
        size_t n_documents;
        ScenarioCopy **scenarios;
        size_t n_scenarios;
} Gather;

void gather_done(Gather *g);
/* Empty again. */
void gather_clear(Gather *g);
/* One that there is no memory or room for is counted as lost. */
void gather_call(Gather *g, const StoreCall *call);
/* -ENOMEM: nothing has changed. Takes name and text over. */
int gather_document(Gather *g, GatherDocument *d);

/* -ENOMEM, -ENOBUFS: nothing has changed. Takes it over. */
int gather_scenario(Gather *g, ScenarioCopy *c);

static inline const char *gather_names(const Gather *g, const GatherGroup *group) {
        return g->names + group->key;
}
