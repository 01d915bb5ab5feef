/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/store/gather.h"

#include <errno.h>

#include "basic/macro.h"

/* What a burst needed is not held for ever. */
#define GROUPS_KEPT 4096

typedef struct Key {
        char names[4 * (STORE_NAME_MAX + 1)];
        size_t n;
        uint64_t hash;
        int64_t hour_s;
        CostTier tier;
} Key;

static void free_document(GatherDocument *d) {
        free(d->name);
        free(d->text);
}

static void drop_groups(Gather *g) {
        free(g->groups);
        free(g->index);
        free(g->names);
        g->groups = NULL;
        g->index = NULL;
        g->names = NULL;
        g->allocated_groups = g->n_index = g->allocated_names = 0;
}

void gather_done(Gather *g) {
        gather_clear(g);
        drop_groups(g);
        free(g->documents);
        free(g->scenarios);
        *g = (Gather) {};
}

void gather_clear(Gather *g) {
        if (g->allocated_groups > GROUPS_KEPT)
                drop_groups(g);
        else if (g->n_groups > 0)
                memset(g->index, 0, g->n_index * sizeof(uint32_t));
        for (size_t i = 0; i < g->n_documents; i++)
                free_document(&g->documents[i]);
        for (size_t i = 0; i < g->n_scenarios; i++)
                free(g->scenarios[i]);
        g->n_groups = g->n_names = g->n_documents = g->n_scenarios = 0;
        g->since_ns = g->calls = g->lost = g->serial = 0;
        g->urgent = false;
}

/* ---- calls ---- */

static void key_add(Key *k, const char *name) {
        size_t n = strnlen(name, STORE_NAME_MAX);

        memcpy(k->names + k->n, name, n);
        k->names[k->n + n] = 0;
        k->n += n + 1;
}

/* FNV-1a, a word at a time. Names come from the configuration: nobody gains from making them collide. */
static uint64_t hash_of(const Key *k) {
        uint64_t h = UINT64_C(0xcbf29ce484222325) ^ (uint64_t) k->hour_s ^ (uint64_t) k->tier << 56;

        for (size_t i = 0; i < k->n; i += sizeof(uint64_t)) {
                uint64_t word = 0;
                memcpy(&word, k->names + i, MIN(k->n - i, sizeof(word)));
                h = (h ^ word) * UINT64_C(0x100000001b3);
                h ^= h >> 29;
        }
        return h;
}

static void key_of(const StoreCall *c, Key *ret) {
        ret->n = 0;
        key_add(ret, c->service);
        key_add(ret, c->node);
        key_add(ret, c->provider);
        key_add(ret, c->operation);
        ret->hour_s = (int64_t) (c->utc_ns / NSEC_PER_HOUR * 3600);
        ret->tier = c->tier;
        ret->hash = hash_of(ret);
}

/* Where the group is, or is to be. */
static size_t place_of(const Gather *g, const Key *k) {
        size_t i = k->hash & (g->n_index - 1);

        for (; g->index[i]; i = (i + 1) & (g->n_index - 1)) {
                const GatherGroup *x = &g->groups[g->index[i] - 1];
                if (x->hash == k->hash && x->hour_s == k->hour_s && x->tier == k->tier && x->n_key == k->n &&
                    memcmp(g->names + x->key, k->names, k->n) == 0)
                        break;
        }
        return i;
}

static int grow_index(Gather *g, size_t n) {
        uint32_t *index = calloc(n, sizeof(uint32_t));

        if (!index)
                return -ENOMEM;
        free(g->index);
        g->index = index;
        g->n_index = n;
        for (size_t p = 0; p < g->n_groups; p++) {
                size_t i = g->groups[p].hash & (n - 1);
                while (index[i])
                        i = (i + 1) & (n - 1);
                index[i] = (uint32_t) p + 1;
        }
        return 0;
}

/* The index is at most half full. */
static int make_room(Gather *g, size_t n_names) {
        if (g->n_groups >= GATHER_GROUPS_MAX)
                return -ENOBUFS;
        if (g->n_groups == g->allocated_groups) {
                size_t want = MAX(2 * g->allocated_groups, (size_t) 64);
                GatherGroup *more = reallocarray(g->groups, want, sizeof(GatherGroup));
                if (!more)
                        return -ENOMEM;
                g->groups = more;
                g->allocated_groups = want;
        }
        if (g->n_names + n_names > g->allocated_names) {
                size_t want = MAX(2 * g->allocated_names, (size_t) 8192);
                char *more = realloc(g->names, want);
                if (!more)
                        return -ENOMEM;
                g->names = more;
                g->allocated_names = want;
        }
        return 2 * (g->n_groups + 1) > g->n_index ? grow_index(g, MAX(2 * g->n_index, (size_t) 128)) : 0;
}

static LedgerSums *find_or_add(Gather *g, const Key *k) {
        if (g->n_index > 0) {
                size_t i = place_of(g, k);
                if (g->index[i])
                        return &g->groups[g->index[i] - 1].sums;
        }
        if (make_room(g, k->n) < 0)
                return NULL;
        GatherGroup *x = &g->groups[g->n_groups++];
        *x = (GatherGroup) { k->hash, k->hour_s, (uint32_t) g->n_names, (uint32_t) k->n, k->tier, {} };
        memcpy(g->names + g->n_names, k->names, k->n);
        g->n_names += k->n;
        g->index[place_of(g, k)] = (uint32_t) g->n_groups;
        return &x->sums;
}

/* Rather a limit than a wrap: a sum of micro-dollars beyond nine trillion dollars is not exact any more in any case. */
static void add(int64_t *to, int64_t x) {
        if (__builtin_add_overflow(*to, x, to))
                *to = x > 0 ? INT64_MAX : INT64_MIN;
}

void gather_call(Gather *g, const StoreCall *c) {
        Key key;

        key_of(c, &key);
        LedgerSums *s = find_or_add(g, &key);
        g->serial = MAX(g->serial, c->serial);
        if (!s) {
                g->lost++;
                return;
        }
        g->calls++;
        s->verdicts[c->verdict]++;
        add(&s->cost, c->cost);
        add(&s->usual_cost, c->usual_cost);
        add(&s->units, c->units);
}

/* ---- what is replaced as a whole ---- */

int gather_document(Gather *g, GatherDocument *d) {
        for (size_t i = 0; i < g->n_documents; i++)
                if (streq(g->documents[i].name, d->name)) {
                        free_document(&g->documents[i]);
                        g->documents[i] = *d;
                        return 0;
                }
        GatherDocument *more = reallocarray(g->documents, g->n_documents + 1, sizeof(GatherDocument));
        if (!more)
                return -ENOMEM;
        g->documents = more;
        g->documents[g->n_documents++] = *d;
        return 0;
}

int gather_scenario(Gather *g, ScenarioCopy *c) {
        for (size_t i = 0; i < g->n_scenarios; i++)
                if (streq(g->scenarios[i]->id, c->id)) {
                        free(g->scenarios[i]);
                        g->scenarios[i] = c;
                        return 0;
                }
        if (g->n_scenarios == GATHER_SCENARIOS_MAX)
                return -ENOBUFS;
        ScenarioCopy **more = reallocarray(g->scenarios, g->n_scenarios + 1, sizeof(*more));
        if (!more)
                return -ENOMEM;
        g->scenarios = more;
        g->scenarios[g->n_scenarios++] = c;
        return 0;
}
