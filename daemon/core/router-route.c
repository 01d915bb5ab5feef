/* SPDX-License-Identifier: Apache-2.0 */
/* One decision: filter, choose, reserve, lease. */
#include <math.h>
#include <stdio.h>

#include "basic/macro.h"
#include "daemon/core/decide.h"

/* Leases that one decision sweeps up at most. */
#define SWEEP_MAX 8

/* ---- what the caller wants left out ---- */

static Node *find_in_service(const Router *r, const Service *s, const char *name) {
        char full[NODE_NAME_MAX + 1];
        uint32_t slot;

        if (!strchr(name, '/')) {
                if (strlen(name) > NODE_ID_MAX)
                        return NULL;
                snprintf(full, sizeof(full), "%s/%s", s->settings.name, name);
                name = full;
        }
        slot = names_find(&r->node_names, name);
        return slot != NAMES_NONE && r->nodes[slot]->service == s ? r->nodes[slot] : NULL;
}

/* Marks what must not be chosen, and remembers it in the lease for the fallbacks to come. */
static uint32_t mark_excluded(Router *r, Service *s, const RouteRequest *q, const Lease *before,
                              uint32_t tried[LEASE_TRIED_MAX]) {
        uint32_t n = 0;

        r->serial++;
        for (uint32_t i = 0; before && i < before->n_tried; i++) {
                Node *x = before->tried[i] < r->n_slots ? r->nodes[before->tried[i]] : NULL;

                if (!x || x->service != s)
                        continue;
                node_hot(x)->excluded = r->serial;
                tried[n++] = x->slot;
        }
        for (size_t i = 0; i < q->n_exclude; i++) {
                Node *x = q->exclude[i] ? find_in_service(r, s, q->exclude[i]) : NULL;

                if (!x || node_hot(x)->excluded == r->serial)
                        continue;
                node_hot(x)->excluded = r->serial;
                if (n < LEASE_TRIED_MAX)
                        tried[n++] = x->slot;
        }
        return n;
}

/* ---- where the caller is ---- */

static bool region_place(const Service *s, const char *region, double *ret_latitude, double *ret_longitude) {
        for (uint32_t i = 0; i < s->n; i++) {
                const NodeSettings *n = s->nodes[i]->settings;
                const struct pm_region *p = n->provider ? n->provider->regions : NULL;

                if (n->region && streq(n->region, region) && !isnan(n->latitude) && !isnan(n->longitude)) {
                        *ret_latitude = n->latitude;
                        *ret_longitude = n->longitude;
                        return true;
                }
                for (; p && p->name; p++)
                        if (streq(p->name, region) && !isnan(p->latitude) && !isnan(p->longitude)) {
                                *ret_latitude = p->latitude;
                                *ret_longitude = p->longitude;
                                return true;
                        }
        }
        return false;
}

static void locate(const RouteRequest *q, const Service *s, double *ret_latitude, double *ret_longitude) {
        *ret_latitude = q->latitude;
        *ret_longitude = q->longitude;
        if ((isnan(q->latitude) || isnan(q->longitude)) &&
            !(q->region && region_place(s, q->region, ret_latitude, ret_longitude)))
                *ret_latitude = *ret_longitude = NAN;
}

static void place(Choice *c, double latitude, double longitude) {
        double a = latitude * M_PI / 180, o = longitude * M_PI / 180;

        if (isnan(a) || isnan(o))
                return;
        c->x = cos(a) * cos(o);
        c->y = cos(a) * sin(o);
        c->z = sin(a);
}

/* ---- the lease ---- */

static Lease *promise(Filter *f, Node *n, Money cost, const RouteRequest *q) {
        Router *r = f->router;
        Service *s = f->service;
        NodeHot *h = node_hot(n);
        uint32_t operation = filter_operation(f, n);
        Lease *l = lease_open(&r->leases, q->uid, !q->privileged, f->now_ns + s->settings.lease_ns);

        node_month(n, r->utc_ns);
        l->node = n->slot;
        l->estimate = cost;
        l->units = f->units;
        l->used_before = node_used(n, operation);
        l->month_start_ns = n->month.start_ns;
        l->operation = (uint16_t) operation;
        l->operation_mark = n->operations[operation].mark;
        l->tier = (uint8_t) f->tier;
        l->idempotent = (int8_t) CLAMP(q->idempotent, -1, 1);
        l->strategy = q->strategy == _STRATEGY_INVALID ? UINT8_MAX : (uint8_t) q->strategy;
        if (h->breaker.circuit == CIRCUIT_HALF_OPEN && h->breaker.permits > 0) {
                h->breaker.permits--;
                l->permit = true;
        }
        l->generation = h->breaker.generation;

        lease_reserve(r, n, l);
        h->asked_ns = f->now_ns;
        if (h->unheard++ == 0)
                h->unheard_ns = f->now_ns;
        return l;
}

static void tell_decision(Router *r, const Decision *d, uint64_t now_ns) {
        Event *e = effects_event(&r->effects, EVENT_ROUTING_DECISION_MADE, SEVERITY_LOW, now_ns);

        if (!e)
                return;
        e->service_name = d->service_name;
        e->node = d->node;
        memcpy(e->decision, d->id, sizeof(e->decision));
        e->strategy = d->strategy;
        e->cost = d->estimated_cost;
        e->ratio = d->confidence;
        snprintf(e->message, sizeof(e->message), "%s: chosen by %s", d->node,
                 enum_to_string(&strategy_names, (int) d->strategy));
}

static void tell_emergency(Router *r, const Service *s, uint64_t now_ns) {
        Event *e = effects_event(&r->effects, EVENT_COST_ALERT, SEVERITY_CRITICAL, now_ns);

        if (!e)
                return;
        e->service_name = s->settings.name;
        e->cost = s->budget.hour.meter.spent;
        e->limit = allowance_limit(&s->budget, &s->budget.hour);
        e->from = enum_to_string(&budget_state_names, BUDGET_EXHAUSTED);
        e->to = enum_to_string(&budget_state_names, BUDGET_EMERGENCY);
        snprintf(e->message, sizeof(e->message),
                 "%s: its budget is used up; the emergency limits (%g times) are in force", s->settings.name,
                 s->settings.emergency_multiplier);
}

/* What the request names, what a live scenario asks for, what the service is set to. */
static Strategy strategy_for(const Service *s, const RouteRequest *q) {
        if (q->strategy >= 0 && q->strategy < _STRATEGY_MAX)
                return q->strategy;
        return s->overrides->strategy != _STRATEGY_INVALID ? s->overrides->strategy : s->settings.strategy;
}

/* While a scenario lives, a call is diverted if a node of more weight than the chosen one could not be had. */
static void count_diverted(Filter *f, const Node *chosen, Money cost) {
        Scenario *x = f->service->scenario;
        Node *missed = NULL;

        for (uint32_t i = 0; i < f->service->n; i++) {
                Skip skip = f->router->scratch_reason[i];

                if ((skip == SKIP_OPEN || skip == SKIP_TRIAL || skip == SKIP_COOLING ||
                     skip == SKIP_OPERATION_COOLING) &&
                    (!missed || f->service->hot[i].weight > node_hot(missed)->weight))
                        missed = f->service->nodes[i];
        }
        if (!missed || missed == chosen || node_hot(missed)->weight < node_hot(chosen)->weight)
                return;
        x->impact.diverted_calls++;
        x->impact.extra_cost = money_add(x->impact.extra_cost, MAX(cost - filter_cost(f, missed), (Money) 0));
        if (!x->fell_back) {
                x->fell_back = true;
                scenario_note(f->router, x, STEP_FALLBACK_EXECUTION, "%s takes the calls of %s", chosen->name,
                              missed->name);
        }
}

int route_decide(Router *r, Service *s, const RouteRequest *q, const Lease *before, uint64_t now_ns, Decision *ret,
                 RouteRefusal *ret_refusal) {
        Strategy strategy = strategy_for(s, q);
        double latitude, longitude;
        uint32_t tried[LEASE_TRIED_MAX], n_tried;
        Chosen chosen;
        Filter f;
        Lease *l;
        Node *n;
        int k;

        if (leases_behind(&r->leases, now_ns)) /* does not rest on somebody's ticking in time */
                leases_sweep(r, SWEEP_MAX, now_ns);
        if (!leases_room(&r->leases, q->uid, !q->privileged))
                return ROUTE_TOO_MANY_LEASES;
        budget_advance(&s->budget, r->utc_ns);
        if (now_ns >= s->review_ns)
                service_review(s, r->scratch_score, now_ns, r->utc_ns);
        n_tried = mark_excluded(r, s, q, before, tried);
        locate(q, s, &latitude, &longitude);

        filter_init(&f, r, s, q, now_ns);
        filter_run(&f);
        if (f.n == 0 && f.skipped[SKIP_BUDGET] > 0 &&
            budget_exhausted(&s->budget, budget_check(&s->budget, f.room + 1))) {
                tell_emergency(r, s, now_ns);
                filter_init(&f, r, s, q, now_ns);
                filter_run(&f);
        }

        Choice c = {
                .service = s,
                .random = &r->random,
                .now_ns = now_ns,
                .units = f.units,
                .priority = s->overrides->priority >= 0 ? (Priority) s->overrides->priority : s->settings.priority,
                .index = r->scratch_index,
                .cost = r->scratch_cost,
                .score = r->scratch_score,
        };
        if (strategy == GEOGRAPHIC_PROXIMITY || strategy == HYBRID_OPTIMIZATION)
                place(&c, latitude, longitude);
        k = decide(&f, &c, strategy, &chosen, ret_refusal);
        if (k != 0) {
                r->counters.refused++;
                budget_alerts(r, s, now_ns);
                return k;
        }

        n = s->nodes[c.index[chosen.position]];
        l = promise(&f, n, c.cost[chosen.position], q);
        l->latitude = (float) latitude;
        l->longitude = (float) longitude;
        l->n_tried = (uint8_t) n_tried;
        memcpy(l->tried, tried, n_tried * sizeof(*tried));
        lease_publish(&r->leases, l);

        r->counters.decisions++;
        s->decisions++;
        s->decisions_by[strategy]++;
        s->tier = f.tier;
        spending_add(&s->spending, l->estimate, f.units, now_ns);
        if (s->scenario)
                count_diverted(&f, n, l->estimate);
        window_add(&s->window, WINDOW_DECISIONS, now_ns);
        window_add(&n->window, WINDOW_DECISIONS, now_ns);
        describe(&f, &c, &chosen, strategy, l, ret);
        if (effects_wanted(&r->effects, EVENT_ROUTING_DECISION_MADE))
                tell_decision(r, ret, now_ns);
        return 0;
}

int router_route(Router *r, const RouteRequest *q, uint64_t now_ns, Decision *ret, RouteRefusal *ret_refusal) {
        uint32_t i;

        now_ns = router_advance(r, now_ns);
        i = names_find(&r->service_names, q->service);
        if (i == NAMES_NONE)
                return ROUTE_NO_SUCH_SERVICE;
        return route_decide(r, r->services[i], q, NULL, now_ns, ret, ret_refusal);
}
