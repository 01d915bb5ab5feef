/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "basic/macro.h"
#include "daemon/core/apply.h"
#include "daemon/core/lease-memory.h"

Node *node_free(Node *n) {
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

void plans_done(Plans *p) {
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
        free(p->accounts);
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

uint32_t count_operations(const struct pm_provider *p) {
        uint32_t n = 0;

        for (const struct pm_operation *o = p ? p->operations : NULL; o && o->name && n < UINT16_MAX; o++)
                n++;
        return n;
}

bool same_vendor(const struct pm_provider *a, const struct pm_provider *b) {
        return a && b && streq(a->name, b->name);
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
        n->slot = SLOT_NONE;
        n->last_probe = -1;
        n->probe_times = PROBE_TIMES_NONE;
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

/* What was used of an operation this month counts on under its name, though it may now stand elsewhere in the list. */
static void keep_operations(const Node *n, const struct pm_provider *p, OperationState *ret) {
        if (!n || !same_vendor(n->settings->provider, p))
                return;
        ret[0] = n->operations[0];
        for (uint32_t i = 1; i <= count_operations(p); i++) {
                uint32_t before = node_find_operation(n, p->operations[i - 1].name);

                if (before > 0)
                        ret[i] = n->operations[before];
        }
}

static int plan_node(const Router *r, Plan *x, uint32_t k) {
        const NodeSettings *s = &x->settings.nodes[k];
        Node *n = find_existing(r, x->settings.name, s->id);

        if (!n || n->settings->provider != s->provider || n->n_operations != count_operations(s->provider)) {
                x->operations[k] = calloc(count_operations(s->provider) + 1, sizeof(OperationState));
                if (!x->operations[k])
                        return -ENOMEM;
                keep_operations(n, s->provider, x->operations[k]);
                for (uint32_t i = 1; i <= count_operations(s->provider); i++)
                        x->operations[k][i].mark = operation_mark(s->provider->operations[i - 1].name);
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

/* ---- slots ---- */

static const char *slot_name_of(const void *leases, uint32_t slot) {
        return ((const Leases *) leases)->names[slot].node;
}

/* A node that comes back gets the slot that leases know it by. */
static int find_old_slots(const Leases *l, Plans *p, bool *taken) {
        Names names;

        if (names_init(&names, l->header->named, slot_name_of, l) < 0)
                return -ENOMEM;
        for (uint32_t i = 0; i < l->header->named; i++)
                if (!taken[i] && slot_name(l, i))
                        names_add(&names, i);
        for (uint32_t i = 0; i < p->n; i++)
                for (uint32_t k = 0; k < p->plans[i].n; k++) {
                        Node *n = p->plans[i].nodes[k];
                        uint32_t slot = n->service ? NAMES_NONE : names_find(&names, n->name);

                        if (slot == NAMES_NONE || taken[slot])
                                continue;
                        n->slot = slot;
                        taken[slot] = true;
                }
        names_done(&names);
        return 0;
}

/* Slots that leases still mean are left alone as long as there are others. */
static void find_new_slots(const Leases *l, Plans *p, bool *taken, const bool *meant) {
        uint32_t slot = 0, any = 0;

        for (uint32_t i = 0; i < p->n; i++)
                for (uint32_t k = 0; k < p->plans[i].n; k++) {
                        Node *n = p->plans[i].nodes[k];

                        if (!n->service && n->slot == SLOT_NONE) {
                                while (slot < l->header->slots && (taken[slot] || meant[slot]))
                                        slot++;
                                while (slot == l->header->slots && taken[any])
                                        any++;
                                n->slot = slot < l->header->slots ? slot : any;
                                taken[n->slot] = true;
                        }
                        p->n_slots = MAX(p->n_slots, n->slot + 1);
                }
}

static int choose_slots(Router *r, Plans *p) {
        Leases *l = &r->leases;
        _cleanup_free_ bool *taken = calloc(l->header->slots + 1, sizeof(bool));
        _cleanup_free_ bool *meant = calloc(l->header->slots + 1, sizeof(bool));
        int k;

        if (!taken || !meant)
                return -ENOMEM;
        for (uint32_t i = 0; i < r->n_slots; i++)
                taken[i] = r->nodes[i];
        k = find_old_slots(l, p, taken);
        if (k < 0)
                return k;
        for (uint32_t i = 0; i < l->touched; i++)
                if ((l->table[i].tag != 0 || l->table[i].serial > l->committed) && l->table[i].node < l->header->slots)
                        meant[l->table[i].node] = true;
        p->n_slots = r->n_slots;
        find_new_slots(l, p, taken, meant);
        /* Where there is no room for names, leases of those nodes do not survive; nothing else. */
        (void) slot_names_prepare(l, p->n_slots);
        return 0;
}

int plans_make(Router *r, const Settings *s, Plans *p) {
        int k;

        k = check_limits(r, s, p);
        if (k < 0)
                return k;
        p->plans = calloc(s->n_services + 1, sizeof(Plan));
        p->services = calloc(s->n_services + 1, sizeof(Service *));
        p->by_account = calloc(p->n_nodes + 1, sizeof(Node *));
        p->accounts = calloc(1 + accounts_max(p->n_nodes), sizeof(Account));
        p->scratch_index = calloc(p->largest + 1, sizeof(*p->scratch_index));
        p->scratch_reason = calloc(p->largest + 1, sizeof(*p->scratch_reason));
        p->scratch_score = calloc(p->largest + 1, sizeof(*p->scratch_score));
        p->scratch_cost = calloc(p->largest + 1, sizeof(*p->scratch_cost));
        if (!p->plans || !p->services || !p->by_account || !p->accounts || !p->scratch_index || !p->scratch_reason ||
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
        k = choose_slots(r, p);
        if (k < 0)
                return k;
        p->slots = calloc(p->n_slots + 1, sizeof(Node *));
        if (!p->slots)
                return -ENOMEM;
        if (names_init(&p->service_names, p->n, service_name_of, p->services) < 0 ||
            names_init(&p->node_names, p->n_nodes, node_name_of, p->slots) < 0)
                return -ENOMEM;
        k = reserve_series(r, p->n_slots);
        if (k < 0)
                return k;
        /* Two timers a node; those of nodes that go are disarmed before new ones are armed. */
        return timers_reserve(&r->timers, 2 * MAX(p->n_nodes, r->n_slots) + accounts_max(p->n_nodes) + SCENARIOS_MAX);
}
