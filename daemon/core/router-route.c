/* SPDX-License-Identifier: Apache-2.0 */
/* One decision: filter, choose, reserve, lease. */
#include <math.h>
#include <stdio.h>

#include "basic/macro.h"
#include "daemon/core/filter.h"
#include "daemon/core/stats.h"
#include "daemon/core/strategy.h"

/* Share of the idempotent requests that go to a node nobody knows anything fresh about. */
#define EXPLORE_SHARE 0.01
#define EXPLORE_EVIDENCE_MAX 1.0
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

/* ---- what the caller is told ---- */

/* A fallback may take what this decision passed over only to keep the average price, a ramp or a standby. */
static bool is_reserve(const Router *r, uint32_t i) {
        switch ((Skip) r->scratch_reason[i]) {
        case SKIP_TIER: case SKIP_WARMING: case SKIP_STANDBY:
                return true;
        default:
                return false;
        }
}

/* The best others, best first, and then the reserve. Returns the score of the first. */
static double list_fallbacks(const Filter *f, const Choice *c, uint32_t chosen, Decision *d) {
        const Service *s = f->service;
        uint32_t best[FALLBACKS_MAX], n = 0;

        for (uint32_t i = 0; i < c->n; i++) {
                uint32_t at = n;

                if (i == chosen || (n == FALLBACKS_MAX && c->score[i] <= c->score[best[n - 1]]))
                        continue;
                if (n < FALLBACKS_MAX)
                        n++;
                else
                        at--;
                for (; at > 0 && c->score[best[at - 1]] < c->score[i]; at--)
                        best[at] = best[at - 1];
                best[at] = i;
        }
        for (uint32_t i = 0; i < n; i++)
                d->fallbacks[i] = s->nodes[c->index[best[i]]]->name;
        d->n_fallbacks = n;
        if (f->skipped[SKIP_TIER] + f->skipped[SKIP_WARMING] + f->skipped[SKIP_STANDBY] > 0)
                for (uint32_t i = 0; i < s->n && d->n_fallbacks < FALLBACKS_MAX; i++)
                        if (is_reserve(f->router, i))
                                d->fallbacks[d->n_fallbacks++] = s->nodes[i]->name;
        return n > 0 ? c->score[best[0]] : 0;
}

/* The lower end of its probability of success, times what its lead over the next best adds. */
static double confidence(const NodeHot *h, double score, double next) {
        double p = (double) h->success, n = SUCCESS_PRIOR_CALLS + (double) h->evidence;
        double low = p - Z_95 * sqrt(p * (1 - p) / (n + 1)), lead = score > 0 ? 1 - MIN(next / score, 1.0) : 0;

        return CLAMP(low, 0.0, 1.0) * (0.9 + 0.1 * lead);
}

static void explain(Router *r, Filter *f, const Choice *c, Decision *d) {
        double best = 0;

        d->n_candidates = MIN(f->service->n, (uint32_t) NODES_LISTED_MAX);
        for (uint32_t i = 0; i < d->n_candidates; i++) {
                Node *n = f->service->nodes[i];

                r->candidates[i] = (Candidate) {
                        .node = n->name,
                        .cost = filter_cost(f, n),
                        .excluded = skip_reason((Skip) r->scratch_reason[i]),
                };
        }
        for (uint32_t k = 0; k < c->n; k++)
                best = MAX(best, c->score[k]);
        for (uint32_t k = 0; k < c->n; k++)
                if (c->index[k] < d->n_candidates) {
                        r->candidates[c->index[k]].excluded = NULL;
                        r->candidates[c->index[k]].score = best > 0 ? c->score[k] / best : 1;
                }
        d->candidates = r->candidates;
}

static char *put_text(char *p, const char *end, const char *s) {
        while (*s && p < end)
                *p++ = *s++;
        return p;
}

static char *put_number(char *p, const char *end, uint32_t v) {
        char digits[10], *d = digits + sizeof(digits);

        do
                *--d = (char) ('0' + v % 10);
        while (v /= 10);
        while (d < digits + sizeof(digits) && p < end)
                *p++ = *d++;
        return p;
}

/* Made for each decision, and several times faster than printf. */
size_t decision_reason(const Decision *d, char buffer[DECISION_REASON_MAX]) {
        const char *end = buffer + DECISION_REASON_MAX - 1;
        char *p = put_text(buffer, end, enum_to_string(&strategy_names, (int) d->strategy));

        p = put_text(p, end, " chose it from ");
        p = put_number(p, end, d->n_eligible);
        p = put_text(p, end, " of ");
        p = put_number(p, end, d->n_nodes);
        p = put_text(p, end, " nodes: ");
        p = put_text(p, end, d->cause);
        p = put_text(p, end, ", health ");
        p = put_number(p, end, (uint32_t) (CLAMP(d->health_score, 0.0, 100.0) + 0.5));
        *p = 0;
        return (size_t) (p - buffer);
}

static int refuse_budget(const Router *r, Budget *b, BudgetLimit limit, RouteRefusal *ret) {
        uint64_t reset = budget_reset_ns(b, limit);

        *ret = (RouteRefusal) {
                .retry_after_ns = reset > r->utc_ns ? reset - r->utc_ns : 0,
                .limit = budget_limit_name(limit),
        };
        snprintf(ret->reason, sizeof(ret->reason), "%s is used up", ret->limit);
        return ROUTE_BUDGET_EXHAUSTED;
}

static int refuse(Filter *f, RouteRefusal *ret) {
        uint64_t ready = 0;
        int k;

        *ret = (RouteRefusal) {};
        if (filter_last(f, &ready) != NAMES_NONE && ready > f->now_ns)
                ret->retry_after_ns = ready - f->now_ns;
        k = snprintf(ret->reason, sizeof(ret->reason), "no node of %s is usable", f->service->settings.name);
        for (int i = SKIP_NOT + 1, first = 1; i < _SKIP_MAX; i++)
                if (f->skipped[i] > 0 && (size_t) k < sizeof(ret->reason)) {
                        k += snprintf(ret->reason + k, sizeof(ret->reason) - (size_t) k, "%s %u %s", first ? ":" : ",",
                                      f->skipped[i], skip_reason((Skip) i));
                        first = 0;
                }
        return ROUTE_NO_USABLE_NODE;
}

/* ---- choosing ---- */

typedef struct Chosen {
        uint32_t position; /* among the candidates */
        bool degraded;
        uint64_t ready_ns;
} Chosen;

/* Chooses a node that is not eligible, before those that are. */
static void choose_outside(Choice *c, Filter *f, uint32_t i, const char *cause, Chosen *ret) {
        Router *r = f->router;

        for (uint32_t k = 0; k < f->n; k++)
                r->scratch_score[k] = (double) choice_hot(c, k)->success;
        r->scratch_index[f->n] = i;
        r->scratch_cost[f->n] = filter_cost(f, f->service->nodes[i]);
        r->scratch_score[f->n] = 1;
        c->n = f->n + 1;
        c->cause = cause;
        ret->position = f->n;
}

static uint32_t choose_cheapest(Choice *c) {
        for (uint32_t i = 0; i < c->n; i++)
                c->score[i] = 1.0 / ((double) c->cost[i] + 1);
        c->cause = "the cheapest, since the budget is nearly used up";
        return choice_best(c);
}

/* The limits are so nearly used up that the policy asks for the cheapest only. */
static bool must_save(const Filter *f) {
        const Budget *b = &f->service->budget;

        return b->on_exhausted == EXHAUSTED_CHEAPEST &&
               (f->skipped[SKIP_BUDGET] > 0 || ((b->hour.alerts | b->period.alerts) & ALERT_NEARLY));
}

/* One of the candidates without fresh evidence, now and then; never with what must not be done twice. */
static bool explore(Filter *f, Choice *c, Chosen *ret) {
        uint32_t stale = 0;

        if (!f->service->overrides->explore || f->n < 2 || (f->request->idempotent < 0 && !f->request->operation) ||
            f->request->idempotent == 0)
                return false;
        for (uint32_t i = 0; i < f->n; i++) {
                c->score[i] = (double) choice_hot(c, i)->success;
                stale += choice_hot(c, i)->evidence < EXPLORE_EVIDENCE_MAX;
        }
        if (stale == 0 || stale == f->n || random_unit(c->random) >= EXPLORE_SHARE)
                return false;
        stale = (uint32_t) random_below(c->random, stale);
        for (uint32_t i = 0; i < f->n; i++)
                if (choice_hot(c, i)->evidence < EXPLORE_EVIDENCE_MAX && stale-- == 0) {
                        if (!filter_is_idempotent(f, f->service->nodes[c->index[i]]))
                                return false;
                        ret->position = i;
                        c->score[i] = 1;
                        c->cause = "explored, since nothing fresh is known about it";
                        return true;
                }
        return false;
}

/* 0: chosen; otherwise an outcome, with *ret_refusal filled in. */
static int choose(Filter *f, Choice *c, Strategy strategy, Chosen *ret, RouteRefusal *ret_refusal) {
        Router *r = f->router;
        Service *s = f->service;
        BudgetLimit limit;
        uint32_t last;

        *ret = (Chosen) {};
        if (f->skipped[SKIP_TRIAL] > 0 && (f->n == 0 || random_unit(&r->random) < s->overrides->trial_share)) {
                uint32_t trial = filter_trial(f);

                if (trial != NAMES_NONE) {
                        choose_outside(c, f, trial, "a trial, since its circuit is half-open", ret);
                        return 0;
                }
        }
        if (f->n > 0) {
                c->n = f->n;
                if (explore(f, c, ret))
                        return 0;
                ret->position = must_save(f) ? choose_cheapest(c) : strategy_table[strategy](c);
                return 0;
        }

        last = filter_last(f, &ret->ready_ns);
        if (last == NAMES_NONE && (f->skipped[SKIP_BUDGET] > 0 || f->last_over_budget)) {
                limit = budget_check(&s->budget, f->room + 1);
                return refuse_budget(r, &s->budget, limit, ret_refusal);
        }
        if (last == NAMES_NONE || s->settings.when_all_down == ALL_DOWN_REFUSE)
                return refuse(f, ret_refusal);
        choose_outside(c, f, last, "the likeliest to work soonest, since no node is well", ret);
        ret->degraded = true;
        return 0;
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
        l->decided_ns = f->now_ns;
        l->estimate = cost;
        l->units = f->units;
        l->used_before = node_used(n, operation);
        l->month_start_ns = n->month.start_ns;
        l->operation = (uint16_t) operation;
        l->idempotent = (int8_t) CLAMP(q->idempotent, -1, 1);
        l->strategy = q->strategy == _STRATEGY_INVALID ? UINT8_MAX : (uint8_t) q->strategy;
        if (h->breaker.circuit == CIRCUIT_HALF_OPEN && h->breaker.permits > 0) {
                h->breaker.permits--;
                l->permit = true;
        }
        l->generation = h->breaker.generation;

        s->month_units += MIN(f->units, INT64_MAX - s->month_units);
        n->used += f->units;
        n->operations[operation].used += f->units;
        h->in_flight++;
        budget_reserve(&s->budget, cost);
        r->counters.reserved = money_add(r->counters.reserved, cost);
        r->counters.outstanding = money_add(r->counters.outstanding, cost);
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
        snprintf(e->message, sizeof(e->message), "%s: chosen by %s", d->node, enum_to_string(&strategy_names, (int) d->strategy));
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
        snprintf(e->message, sizeof(e->message), "%s: its budget is used up; the emergency limits (%g times) are in force",
                 s->settings.name, s->settings.emergency_multiplier);
}

static void describe(Filter *f, const Choice *c, const Chosen *chosen, Strategy strategy, const Lease *l, Decision *d) {
        Service *s = f->service;
        Node *n = s->nodes[c->index[chosen->position]];
        const NodeHot *h = node_hot(n);
        double next;

        lease_id(&f->router->leases, l, d->id);
        d->service_name = s->settings.name;
        d->node = n->name;
        d->provider = n->settings->provider_name;
        d->region = n->settings->region;
        d->url = n->url;
        d->strategy = strategy;
        d->estimated_cost = l->estimate;
        d->cost_tier = f->tier;
        d->degraded = chosen->degraded || h->health == HEALTH_UNHEALTHY;
        d->retry_after_ns = chosen->ready_ns > f->now_ns ? chosen->ready_ns - f->now_ns : 0;
        d->expires_in_ns = l->deadline_ns - f->now_ns;
        d->max_retries = s->settings.max_retries;
        d->retry_backoff_ns = s->settings.retry_backoff_ns;
        d->scenario = s->scenario ? s->scenario->id : NULL;
        d->cause = c->cause;
        d->n_eligible = f->n;
        d->n_nodes = s->n;
        d->health_score = (double) h->score;
        d->candidates = NULL;
        d->n_candidates = 0;
        next = list_fallbacks(f, c, chosen->position, d);
        d->confidence = confidence(h, c->score[chosen->position], next) * (chosen->degraded ? 0.5 : 1);
        if (f->request->explain)
                explain(f->router, f, c, d);
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

                if ((skip == SKIP_OPEN || skip == SKIP_TRIAL || skip == SKIP_COOLING || skip == SKIP_OPERATION_COOLING) &&
                    (!missed || f->service->hot[i].weight > node_hot(missed)->weight))
                        missed = f->service->nodes[i];
        }
        if (!missed || missed == chosen || node_hot(missed)->weight < node_hot(chosen)->weight)
                return;
        x->impact.diverted_calls++;
        x->impact.extra_cost = money_add(x->impact.extra_cost, MAX(cost - filter_cost(f, missed), (Money) 0));
        if (!x->fell_back) {
                x->fell_back = true;
                scenario_note(f->router, x, STEP_FALLBACK_EXECUTION, "%s takes the calls of %s", chosen->name, missed->name);
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
        if (f.n == 0 && f.skipped[SKIP_BUDGET] > 0 && budget_exhausted(&s->budget, budget_check(&s->budget, f.room + 1))) {
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
        k = choose(&f, &c, strategy, &chosen, ret_refusal);
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
