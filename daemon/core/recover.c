/* SPDX-License-Identifier: Apache-2.0 */
/* Money and leases of a life before. What lies in the lease memory may be damaged: each place is checked by itself. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "basic/macro.h"
#include "daemon/core/lease-memory.h"
#include "daemon/core/router-private.h"

/* ---- what was spent ---- */

static Node *find_node(const Router *r, const char *name) {
        uint32_t slot = name ? names_find(&r->node_names, name) : NAMES_NONE;

        return slot == NAMES_NONE ? NULL : r->nodes[slot];
}

static Service *find_service(const Router *r, const char *name) {
        uint32_t i = name ? names_find(&r->service_names, name) : NAMES_NONE;

        return i == NAMES_NONE ? NULL : r->services[i];
}

static void add_spent(Meter *m, uint64_t start_utc_ns, Money cost) {
        if (m->start_ns != start_utc_ns)
                return;
        m->spent = money_add(m->spent - m->asked, MAX(cost, (Money) 0));
        m->asked = 0;
}

void router_ask_spend(Router *r) {
        for (uint32_t i = 0; i < r->n_services; i++) {
                Service *s = r->services[i];

                s->budget.hour.meter.asked = s->budget.hour.meter.spent;
                s->budget.period.meter.asked = s->budget.period.meter.spent;
                for (uint32_t k = 0; k < s->n; k++) {
                        s->nodes[k]->hour.asked = s->nodes[k]->hour.spent;
                        s->nodes[k]->period.asked = s->nodes[k]->period.spent;
                }
        }
}

static Units add_units(Units a, Units b) {
        return a + CLAMP(b, (Units) 0, INT64_MAX / 2 - MIN(a, INT64_MAX / 2));
}

static void use_units(Node *n, uint32_t operation, Units units) {
        n->used = add_units(n->used, units);
        n->operations[operation].used = add_units(n->operations[operation].used, units);
}

static void advance_meters(Router *r, Node *n) {
        meter_advance(&n->hour, PERIOD_HOURLY, r->utc_ns);
        meter_advance(&n->period, n->service->budget.period.period, r->utc_ns);
        node_month(n, r->utc_ns);
}

void router_restore_spend(Router *r, BudgetPeriod period, uint64_t start_utc_ns, const SpendSum *sum) {
        Service *s = find_service(r, sum->service_name);
        Node *n = find_node(r, sum->node);
        bool of_period;

        if (!s)
                return;
        budget_advance(&s->budget, r->utc_ns);
        of_period = s->budget.period.period == period;
        if (period == PERIOD_HOURLY)
                add_spent(&s->budget.hour.meter, start_utc_ns, sum->cost);
        if (of_period)
                add_spent(&s->budget.period.meter, start_utc_ns, sum->cost);
        if (!n || n->service != s)
                return;
        advance_meters(r, n);
        if (period == PERIOD_HOURLY)
                add_spent(&n->hour, start_utc_ns, sum->cost);
        if (of_period)
                add_spent(&n->period, start_utc_ns, sum->cost);
        if (period == PERIOD_MONTHLY && n->month.start_ns == start_utc_ns) {
                if (meter_advance(&s->month, PERIOD_MONTHLY, r->utc_ns)) {
                        s->month_units = 0;
                        s->month_since_utc_ns = s->month.start_ns;
                }
                use_units(n, sum->operation ? node_find_operation(n, sum->operation) : 0, sum->units);
                s->month_units = add_units(s->month_units, sum->units);
        }
}

/* ---- leases ---- */

/* A serial further ahead than this is none: nobody makes so many calls while the disk is away. */
#define SERIALS_AHEAD_MAX (UINT64_C(1) << 48)

static bool is_money(Money m) {
        return m >= 0 && m <= MONEY_MAX;
}

static bool is_units(Units u) {
        return u >= 0 && u <= UNITS_MAX;
}

static bool is_open_lease(const Leases *l, const Lease *x) {
        return slot_name(l, x->node) && is_money(x->estimate) && is_units(x->units) && x->used_before >= 0 &&
               x->used_before <= INT64_MAX / 2 && (x->strategy < _STRATEGY_MAX || x->strategy == UINT8_MAX) &&
               x->tier < _COST_TIER_MAX && x->n_tried <= LEASE_TRIED_MAX;
}

static bool is_settled_lease(const Leases *l, const Lease *x, uint64_t committed) {
        return slot_name(l, x->node) && is_money(x->end.cost) && is_money(x->end.usual_cost) && is_units(x->end.units) &&
               x->end.verdict < _PM_VERDICT_MAX && x->tier < _COST_TIER_MAX &&
               (x->serial - committed <= SERIALS_AHEAD_MAX || x->serial == LEASE_LOST);
}

/* The node that the lease means, if there still is one of the name. */
static Node *node_of(const Router *r, const Lease *x) {
        return find_node(r, r->leases.names[x->node].node);
}

static uint32_t find_operation(const Node *n, uint32_t mark) {
        for (uint32_t i = 1; mark != 0 && i <= n->n_operations; i++)
                if (n->operations[i].mark == mark)
                        return i;
        return 0;
}

/* Where the lease's operation stands with the plugin of today. */
static uint16_t place_now(const Router *r, const Lease *x, const Node *n) {
        const struct pm_provider *p = n->settings->provider;
        bool same = p && streq(r->leases.names[x->node].provider, p->name);
        uint32_t operation = same ? find_operation(n, x->operation_mark) : 0;

        return operation == 0 && x->operation_mark != 0 ? OPERATION_GONE : (uint16_t) operation;
}

static void reopen(Router *r, Lease *x, Node *n) {
        Breaker *b = &node_hot(n)->breaker;

        advance_meters(r, n);
        x->serial = 0;
        x->operation = place_now(r, x, n);
        x->node = n->slot;
        x->counted = x->counted != 0;
        x->idempotent = (int8_t) CLAMP(x->idempotent, -1, 1);
        if (!(fabsf(x->latitude) <= 90) || !(fabsf(x->longitude) <= 180))
                x->latitude = x->longitude = NAN;
        if ((int32_t) (x->generation - b->generation) > 0)
                b->generation = x->generation;
        x->permit = x->permit && b->circuit == CIRCUIT_HALF_OPEN && b->permits > 0;
        b->permits -= x->permit;
        lease_reopen(&r->leases, x);
        lease_reserve(r, n, x);
}

static void put_in_books(Router *r, const Lease *x) {
        const SlotName *name = &r->leases.names[x->node];
        const char *slash = strchr(name->node, '/');
        char service[SERVICE_NAME_MAX + 1];
        Node *n = node_of(r, x);
        Service *s;
        uint32_t operation = n ? find_operation(n, x->operation_mark) : 0;
        const struct pm_operation *known = n ? node_operation(n, operation) : NULL;
        uint64_t utc_ns = MIN(x->end.utc_ns, r->utc_ns);

        snprintf(service, sizeof(service), "%.*s", (int) (slash - name->node), name->node);
        s = find_service(r, service);
        for (BudgetPeriod period = PERIOD_HOURLY; period < _BUDGET_PERIOD_MAX; period++) {
                uint64_t start_ns, end_ns;

                period_window(period, utc_ns, &start_ns, &end_ns);
                if (s)
                        router_restore_spend(r, period, start_ns, &(SpendSum) {
                                .service_name = service, .node = name->node, .operation = known ? known->name : NULL,
                                .cost = x->end.cost, .units = x->end.units,
                        });
        }
        if (r->books)
                r->books(r->books_userdata, &(SettledCall) {
                        .serial = x->serial, .service_name = service, .node = name->node,
                        .operation = known ? known->name : "", .provider = name->provider,
                        .tier = (CostTier) x->tier, .verdict = (Verdict) x->end.verdict,
                        .cost = x->end.cost, .usual_cost = x->end.usual_cost, .units = x->end.units, .utc_ns = utc_ns,
                });
}

/* Its node is gone, or there may be fewer now, so nobody can report it: what it promised counts as spent. */
static void lose(const Router *r, Lease *x) {
        x->end = (LeaseEnd) {
                .cost = x->estimate, .usual_cost = x->estimate, .units = x->units, .utc_ns = r->utc_ns,
                .verdict = PM_UNKNOWN,
        };
        x->serial = LEASE_LOST;
        lease_barrier();
        x->tag = 0;
        lease_barrier();
}

static void drop(Leases *l, Lease *x) {
        x->serial = 0;
        lease_barrier();
        x->tag = 0;
        lease_barrier();
        lease_reclose(l, x);
}

void router_recover_leases(Router *r, uint64_t now_ns, Recovered *ret) {
        Leases *l = &r->leases;

        *ret = (Recovered) {};
        router_advance(r, now_ns);
        for (uint32_t i = 0; l->found && i < l->touched; i++) {
                Lease *x = &l->table[i];
                Node *n = NULL;

                if (x->tag == 0) {
                        if (x->serial == 0)
                                lease_reclose(l, x);
                } else if (!is_open_lease(l, x)) {
                        drop(l, x);
                        ret->dropped++;
                } else if (l->n == l->max || !(n = node_of(r, x))) {
                        lose(r, x);
                        ret->lost++;
                } else {
                        reopen(r, x, n);
                        ret->open++;
                }
        }
}

/* Lost ones come last: their serial is the highest. */
static int compare_serials(const void *a, const void *b) {
        const Lease *x = *(Lease *const *) a, *y = *(Lease *const *) b;

        return (x->serial > y->serial) - (x->serial < y->serial);
}

/* Those that are settled and not committed, in the order of their serials. */
static uint32_t find_settled(Leases *l, Lease **list, Recovered *ret) {
        uint32_t n = 0;

        for (uint32_t i = 0; i < l->touched; i++) {
                Lease *x = &l->table[i];

                if (x->tag != 0 || x->serial == 0) /* open, or used again since */
                        continue;
                if (x->serial <= l->committed)
                        lease_reclose(l, x);
                else if (is_settled_lease(l, x, l->committed))
                        list[n++] = x;
                else {
                        drop(l, x);
                        ret->dropped++;
                }
        }
        qsort(list, n, sizeof(*list), compare_serials);
        return n;
}

int router_recover_calls(Router *r, uint64_t committed, uint64_t now_ns, Recovered *ret) {
        Leases *l = &r->leases;
        _cleanup_free_ Lease **list = calloc((size_t) l->touched + 1, sizeof(Lease *));
        uint64_t before = 0;
        uint32_t n;

        if (!list)
                return -ENOMEM;
        router_advance(r, now_ns);
        l->committed = l->call = committed;
        n = l->found ? find_settled(l, list, ret) : 0;
        for (uint32_t i = 0; i < n; i++) {
                Lease *x = list[i];

                if (x->serial == LEASE_LOST)
                        x->serial = l->call + 1;
                if (x->serial == before) { /* one of the two is damaged: a serial stands for one call */
                        drop(l, x);
                        ret->dropped++;
                        continue;
                }
                l->call = before = x->serial;
                put_in_books(r, x);
                lease_reclose(l, x);
                ret->settled++;
        }
        l->found = false;
        l->numbered = true;
        return 0;
}
