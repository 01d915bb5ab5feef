/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting settings in force, whole or not at all: first everything that can fail (memory, limits, names) is made beside what is
 * there, then it is put in place by steps that cannot fail.
 */
#include "daemon/core/apply.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "basic/macro.h"
#include "daemon/core/router-private.h"

/* What a service will consist of. Nodes and services that exist already are not touched before the commit. */
typedef struct Plan {
        Service *service; /* existing or new */
        bool fresh;
        ServiceSettings settings;
        Node **nodes;     /* existing or new; new ones have service == NULL */
        OperationState **operations; /* for each node; NULL: it keeps its own */
        NodeHot *hot;
        uint32_t n;
} Plan;

typedef struct Plans {
        Plan *plans;
        uint32_t n, n_nodes, largest;
        Service **services;
        Node **slots;     /* grown table */
        Node **by_account; /* scratch for sorting */
        Names service_names, node_names;
        uint32_t n_slots;
        uint32_t *scratch_index;
        uint8_t *scratch_reason;
        double *scratch_score;
        Money *scratch_cost;
} Plans;

static Node *node_free(Node *n) {
        if (!n)
                return NULL;
        free(n->operations);
        free(n->name);
        free(n);
        return NULL;
}

Service *service_free(Service *s) {
        if (!s)
                return NULL;
        for (uint32_t i = 0; i < s->n; i++)
                node_free(s->nodes[i]);
        free(s->nodes);
        free(s->hot);
        service_settings_done(&s->settings);
        free(s);
        return NULL;
}

static void plans_done(Plans *p) {
        for (uint32_t i = 0; p->plans && i < p->n; i++) {
                Plan *x = &p->plans[i];

                for (uint32_t k = 0; k < x->n; k++) {
                        if (x->nodes && x->nodes[k] && !x->nodes[k]->service)
                                node_free(x->nodes[k]);
                        if (x->operations)
                                free(x->operations[k]);
                }
                free(x->nodes);
                free(x->operations);
                free(x->hot);
                if (x->fresh)
                        free(x->service);
                service_settings_done(&x->settings);
        }
        free(p->plans);
        free(p->services);
        free(p->slots);
        free(p->by_account);
        free(p->scratch_index);
        free(p->scratch_reason);
        free(p->scratch_score);
        free(p->scratch_cost);
        names_done(&p->service_names);
        names_done(&p->node_names);
        *p = (Plans) {};
}

static const char *service_name_of(const void *services, uint32_t i) {
        return ((Service *const *) services)[i]->settings.name;
}

static const char *node_name_of(const void *slots, uint32_t i) {
        return ((Node *const *) slots)[i]->name;
}

static const char *plan_name_of(const void *plans, uint32_t i) {
        return ((const Plan *) plans)[i].settings.name;
}

/* ---- making the plan ---- */

static uint32_t count_operations(const struct pm_provider *p) {
        uint32_t n = 0;

        for (const struct pm_operation *o = p ? p->operations : NULL; o && o->name && n < UINT16_MAX; o++)
                n++;
        return n;
}

static Node *node_new(const char *service, const NodeSettings *settings) {
        size_t size = strlen(service) + 1 + strlen(settings->id) + 1;
        Node *n = calloc(1, sizeof(*n));

        if (!n)
                return NULL;
        n->name = malloc(size);
        if (!n->name)
                return node_free(n);
        snprintf(n->name, size, "%s/%s", service, settings->id);
        n->last_probe = -1;
        n->probe_timer.kind = TIMER_PROBE;
        n->breaker_timer.kind = TIMER_BREAKER;
        return n;
}

static Node *find_existing(const Router *r, const char *service, const char *id) {
        char name[NODE_NAME_MAX + 1];
        uint32_t slot;

        if ((size_t) snprintf(name, sizeof(name), "%s/%s", service, id) >= sizeof(name))
                return NULL;
        slot = names_find(&r->node_names, name);
        return slot == NAMES_NONE ? NULL : r->nodes[slot];
}

static int plan_node(const Router *r, Plan *x, uint32_t k) {
        const NodeSettings *s = &x->settings.nodes[k];
        Node *n = find_existing(r, x->settings.name, s->id);

        if (!n || n->settings->provider != s->provider || n->n_operations != count_operations(s->provider)) {
                x->operations[k] = calloc(count_operations(s->provider) + 1, sizeof(OperationState));
                if (!x->operations[k])
                        return -ENOMEM;
        }
        x->nodes[k] = n ? n : node_new(x->settings.name, s);
        return x->nodes[k] ? 0 : -ENOMEM;
}

static int plan_service(const Router *r, Plan *x, const ServiceSettings *s) {
        uint32_t i;
        int k;

        k = service_settings_copy(s, &x->settings);
        if (k < 0)
                return k;
        x->n = (uint32_t) s->n_nodes;
        x->nodes = calloc(x->n + 1, sizeof(Node *));
        x->operations = calloc(x->n + 1, sizeof(OperationState *));
        x->hot = aligned_alloc(64, ((x->n + 1) * sizeof(NodeHot) + 63) / 64 * 64);
        if (!x->nodes || !x->operations || !x->hot)
                return -ENOMEM;
        memset(x->hot, 0, (x->n + 1) * sizeof(NodeHot));

        i = names_find(&r->service_names, s->name);
        x->fresh = i == NAMES_NONE;
        x->service = x->fresh ? calloc(1, sizeof(Service)) : r->services[i];
        if (!x->service)
                return -ENOMEM;
        for (uint32_t n = 0; n < x->n; n++) {
                k = plan_node(r, x, n);
                if (k < 0)
                        return k;
        }
        return 0;
}

static int check_limits(const Router *r, const Settings *s, Plans *p) {
        size_t nodes = 0;

        if (s->n_services > r->limits.services)
                return -E2BIG;
        for (size_t i = 0; i < s->n_services; i++) {
                if (s->services[i].n_nodes > r->limits.nodes_per_service)
                        return -E2BIG;
                nodes += s->services[i].n_nodes;
                p->largest = MAX(p->largest, (uint32_t) s->services[i].n_nodes);
        }
        if (nodes > r->limits.nodes)
                return -E2BIG;
        p->n_nodes = (uint32_t) nodes;
        return 0;
}

/* A service, or a node of a service, that is named twice? */
static int check_names(const Plans *p) {
        Names seen;
        int k;

        k = names_init(&seen, p->n, plan_name_of, p->plans);
        for (uint32_t i = 0; k >= 0 && i < p->n; i++)
                if (!names_add(&seen, i))
                        k = -EEXIST;
        names_done(&seen);
        for (uint32_t i = 0; k >= 0 && i < p->n; i++) {
                k = names_init(&seen, p->plans[i].n, node_name_of, p->plans[i].nodes);
                for (uint32_t n = 0; k >= 0 && n < p->plans[i].n; n++)
                        if (!names_add(&seen, n))
                                k = -EEXIST;
                names_done(&seen);
        }
        return k;
}

/* Slabs are kept for good; having more than needed does no harm. */
static int reserve_series(Router *r, uint32_t slots) {
        uint32_t n = (slots + SERIES_SLAB - 1) / SERIES_SLAB;
        Series **series;

        if (n <= r->n_series)
                return 0;
        series = realloc(r->series, n * sizeof(Series *));
        if (!series)
                return -ENOMEM;
        r->series = series;
        for (; r->n_series < n; r->n_series++) {
                r->series[r->n_series] = calloc(SERIES_SLAB, sizeof(Series));
                if (!r->series[r->n_series])
                        return -ENOMEM;
        }
        return 0;
}

static int plans_make(Router *r, const Settings *s, Plans *p) {
        int k;

        k = check_limits(r, s, p);
        if (k < 0)
                return k;
        p->n_slots = MAX(r->n_slots, p->n_nodes);
        p->plans = calloc(s->n_services + 1, sizeof(Plan));
        p->services = calloc(s->n_services + 1, sizeof(Service *));
        p->slots = calloc(p->n_slots + 1, sizeof(Node *));
        p->by_account = calloc(p->n_nodes + 1, sizeof(Node *));
        p->scratch_index = calloc(p->largest + 1, sizeof(*p->scratch_index));
        p->scratch_reason = calloc(p->largest + 1, sizeof(*p->scratch_reason));
        p->scratch_score = calloc(p->largest + 1, sizeof(*p->scratch_score));
        p->scratch_cost = calloc(p->largest + 1, sizeof(*p->scratch_cost));
        if (!p->plans || !p->services || !p->slots || !p->by_account || !p->scratch_index || !p->scratch_reason ||
            !p->scratch_score || !p->scratch_cost)
                return -ENOMEM;
        for (; p->n < s->n_services; p->n++) {
                k = plan_service(r, &p->plans[p->n], &s->services[p->n]);
                if (k < 0) {
                        p->n++; /* what it has so far is to be freed too */
                        return k;
                }
        }
        k = check_names(p);
        if (k < 0)
                return k;
        if (names_init(&p->service_names, p->n, service_name_of, p->services) < 0 ||
            names_init(&p->node_names, p->n_nodes, node_name_of, p->slots) < 0)
                return -ENOMEM;
        k = reserve_series(r, p->n_slots);
        if (k < 0)
                return k;
        /* Two timers a node; those of nodes that go are disarmed before new ones are armed. */
        return timers_reserve(&r->timers, 2 * MAX(p->n_nodes, r->n_slots) + SCENARIOS_MAX);
}

/* ---- putting it in force ---- */

static void remove_what_goes(Router *r, Plans *p) {
        uint32_t wanted = r->effects.event_mask;

        for (uint32_t i = 0; i < p->n; i++) {
                p->plans[i].service->keep = true;
                for (uint32_t k = 0; k < p->plans[i].n; k++)
                        p->plans[i].nodes[k]->keep = true;
        }
        /* Events about them would point at what is gone. */
        r->effects.event_mask = 0;
        for (uint32_t i = 0; i < r->leases.touched && r->leases.n > 0; i++) {
                Lease *l = &r->leases.table[i];

                if (l->tag != 0 && !r->nodes[l->node]->keep)
                        lease_expire(r, l, r->now_ns);
        }
        r->effects.event_mask = wanted;

        for (uint32_t i = 0; i < r->n_slots; i++) {
                Node *n = r->nodes[i];

                if (!n || n->keep)
                        continue;
                timer_disarm(&r->timers, &n->probe_timer);
                timer_disarm(&r->timers, &n->breaker_timer);
                r->nodes[i] = NULL;
        }
        for (uint32_t i = 0; i < r->n_services; i++) {
                Service *s = r->services[i];

                for (uint32_t k = 0; k < s->n; k++)
                        if (!s->nodes[k]->keep)
                                s->nodes[k] = node_free(s->nodes[k]);
                if (!s->keep) {
                        scenario_drop_service(r, s);
                        if (r->last_down == s)
                                r->last_down = NULL;
                        s->n = 0; /* its nodes are freed already */
                        service_free(s);
                }
        }
}

static const char *url_of(const NodeSettings *n) {
        if (n->url)
                return n->url;
        if (!n->provider)
                return "";
        for (const struct pm_region *p = n->provider->regions; p && p->name && n->region; p++)
                if (streq(p->name, n->region) && p->url)
                        return p->url;
        return n->provider->url ? n->provider->url : "";
}

static void place_node(const NodeSettings *n, NodeHot *h) {
        double latitude = n->latitude, longitude = n->longitude;

        for (const struct pm_region *p = n->provider ? n->provider->regions : NULL; p && p->name && n->region; p++)
                if (streq(p->name, n->region) && (isnan(latitude) || isnan(longitude))) {
                        latitude = p->latitude;
                        longitude = p->longitude;
                }
        h->x = h->y = h->z = 0;
        if (isnan(latitude) || isnan(longitude))
                return;
        latitude *= M_PI / 180;
        longitude *= M_PI / 180;
        h->x = (float) (cos(latitude) * cos(longitude));
        h->y = (float) (cos(latitude) * sin(longitude));
        h->z = (float) sin(latitude);
}

static void configure_node(Node *n, NodeHot *h, const NodeSettings *s, OperationState **operations) {
        if (*operations) {
                free(n->operations);
                n->operations = TAKE(*operations);
                n->n_operations = count_operations(s->provider);
        }
        n->settings = s;
        n->url = url_of(s);
        n->keep = false;
        if (h->weight != s->weight || h->wrr_effective == 0)
                h->wrr_effective = (int32_t) s->weight * 100;
        h->weight = s->weight;
        h->prior = (float) s->expected_success_rate;
        h->loaded = s->provider;
        h->flat = s->n_price_tiers == 0 && s->cost_per_request != MONEY_UNSET;
        h->outlook = INT64_MAX;
        h->price = h->flat ? s->cost_per_request : 0;
        h->fresh_until_ns = 0;
        place_node(s, h);
}

static void commit_service(Router *r, Plan *x, Node **slots, uint32_t *slot) {
        Service *s = x->service;

        for (uint32_t k = 0; k < x->n; k++) {
                Node *n = x->nodes[k];
                NodeHot *h = &x->hot[k];

                if (n->service)
                        *h = *node_hot(n);
                else {
                        while (slots[*slot])
                                ++*slot;
                        n->slot = *slot;
                        n->series = &r->series[n->slot / SERIES_SLAB][n->slot % SERIES_SLAB];
                        if (n->series->minute != 0) /* of a node that is gone */
                                memset(n->series, 0, sizeof(*n->series));
                        forecast_init(&n->forecast, &r->forecast);
                        slots[*slot] = n;
                }
                configure_node(n, h, &x->settings.nodes[k], &x->operations[k]);
        }
        free(s->nodes);
        free(s->hot);
        service_settings_done(&s->settings);
        s->settings = TAKE(x->settings);
        s->nodes = TAKE(x->nodes);
        s->hot = TAKE(x->hot);
        s->n = x->n;
        s->keep = false;
        if (x->fresh) {
                s->optimization = -1;
                s->overrides = &overrides_none;
        }
        s->review_ns = 0;
        s->tiered = false;
        s->challenger_since_ns = 0;
        s->leader = UINT32_MAX; /* indexes have changed */
        for (uint32_t k = 0; k < s->n; k++) {
                s->nodes[k]->service = s;
                s->tiered = s->tiered || s->settings.nodes[k].n_price_tiers > 0;
                s->nodes[k]->index = k;
        }
        budget_apply(&s->budget, &s->settings);
        budget_advance(&s->budget, r->utc_ns);
        x->fresh = false;
}

static int compare_accounts(const void *a, const void *b) {
        const NodeSettings *x = (*(Node *const *) a)->settings, *y = (*(Node *const *) b)->settings;
        int k = strcmp(x->provider_name ?: "", y->provider_name ?: "");

        return k != 0 ? k : strcmp(x->credential ?: "", y->credential ?: "");
}

/* Rings of the nodes that share a provider and a credential. Who names no credential shares none. */
static void link_accounts(Node **nodes, uint32_t n) {
        qsort(nodes, n, sizeof(*nodes), compare_accounts);
        for (uint32_t i = 0, end; i < n; i = end) {
                for (end = i + 1; end < n && nodes[i]->settings->credential && compare_accounts(&nodes[i], &nodes[end]) == 0;)
                        end++;
                for (uint32_t k = i; k < end; k++)
                        nodes[k]->account = nodes[k + 1 < end ? k + 1 : i];
        }
}

static void schedule_probes(Router *r) {
        for (uint32_t i = 0; i < r->n_slots; i++) {
                Node *n = r->nodes[i];

                if (!n)
                        continue;
                if (!node_is_probed(r, n))
                        timer_disarm(&r->timers, &n->probe_timer);
                else if (n->probe_timer.place == 0)
                        probe_soon(r, n, random_below(&r->random, n->service->settings.health_check_interval_ns), r->now_ns);
        }
}

static void plans_commit(Router *r, Plans *p) {
        uint32_t slot = 0, n = 0;
        Effect dropped;

        /* What nobody has taken points into what may go now. */
        while (effects_pop(&r->effects, &dropped))
                r->effects.lost++;
        remove_what_goes(r, p);
        for (uint32_t i = 0; i < r->n_slots; i++)
                p->slots[i] = r->nodes[i];
        for (uint32_t i = 0; i < p->n; i++) {
                commit_service(r, &p->plans[i], p->slots, &slot);
                p->services[i] = p->plans[i].service;
                names_add(&p->service_names, i);
        }
        for (uint32_t i = 0; i < p->n_slots; i++)
                if (p->slots[i]) {
                        names_add(&p->node_names, i);
                        p->by_account[n++] = p->slots[i];
                }
        link_accounts(p->by_account, n);

#define SWAP(a, b) ({ __typeof__(a) _t = (a); (a) = (b); (b) = _t; })
        SWAP(r->services, p->services);
        SWAP(r->nodes, p->slots);
        SWAP(r->service_names, p->service_names);
        SWAP(r->node_names, p->node_names);
        SWAP(r->scratch_index, p->scratch_index);
        SWAP(r->scratch_reason, p->scratch_reason);
        SWAP(r->scratch_score, p->scratch_score);
        SWAP(r->scratch_cost, p->scratch_cost);
        r->n_services = p->n;
        r->n_slots = p->n_slots;
        schedule_probes(r);
        optimize(r, NULL, r->now_ns);
}

int router_apply(Router *r, const Settings *settings, uint64_t now_ns) {
        _cleanup_(plans_done) Plans p = {};
        int k;

        router_advance(r, now_ns);
        k = plans_make(r, settings, &p);
        if (k < 0)
                return k;
        plans_commit(r, &p);
        return 0;
}
