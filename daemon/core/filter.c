/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/filter.h"

#include "basic/macro.h"
#include "daemon/core/price.h"

/* A locked circuit comes after all others: time alone does not mend a refused credential. */
#define LOCKED_NS WAIT_MAX_NS

/* In doubt is a node that was asked so often and not heard of for so many times as long as it usually takes. */
#define DOUBT_UNHEARD 5
#define DOUBT_FACTOR 4
#define DOUBT_MIN_NS (500 * NSEC_PER_MSEC)
#define DOUBT_UNKNOWN_NS (5 * NSEC_PER_SEC)
/* So long a half-open node's first probe is waited for. */
#define PROBE_PATIENCE_NS (5 * NSEC_PER_SEC)

const char *skip_reason(Skip skip) {
        static const char *const reasons[_SKIP_MAX] = {
                [SKIP_DISABLED] = "disabled",
                [SKIP_DRAINING] = "draining",
                [SKIP_NO_PROVIDER] = "provider not loaded",
                [SKIP_EXCLUDED] = "excluded or tried already",
                [SKIP_OPEN] = "circuit open",
                [SKIP_TRIAL] = "circuit half-open",
                [SKIP_COOLING] = "cooling down",
                [SKIP_OPERATION_COOLING] = "operation cooling down",
                [SKIP_MAX_COST] = "over maxCost",
                [SKIP_CEILING] = "over the emergency cost tier",
                [SKIP_BUDGET] = "over the budget",
                [SKIP_TIER] = "over the cost tier",
                [SKIP_DOUBTED] = "in doubt, waiting for an answer",
                [SKIP_WARMING] = "warming up",
                [SKIP_STANDBY] = "standby (weight 0)",
        };

        return reasons[skip];
}

void filter_init(Filter *f, Router *r, Service *s, const RouteRequest *q, uint64_t now_ns) {
        *f = (Filter) {
                .router = r,
                .service = s,
                .request = q,
                .now_ns = now_ns,
                .units = CLAMP(q->units, (Units) 0, UNITS_MAX),
                .room = budget_room(&s->budget),
        };
}

uint32_t filter_operation(Filter *f, const Node *n) {
        if (!f->request->operation || !n->settings->provider)
                return 0;
        if (n->settings->provider != f->provider) {
                f->provider = n->settings->provider;
                f->provider_operation = node_find_operation(n, f->request->operation);
        }
        return f->provider_operation;
}

Money filter_cost(Filter *f, Node *n) {
        const NodeHot *h = node_hot(n);
        uint32_t operation;

        if (h->flat)
                return f->units == UNITS_ONE ? h->price : price_units(h->price, f->units);
        operation = filter_operation(f, n);
        node_month(n, f->router->utc_ns);
        return node_price(n, operation, node_used(n, operation), f->units);
}

static Skip check_cost(Filter *f, Money cost) {
        Money ceiling = f->service->settings.tier_price[TIER_EMERGENCY];

        if (f->request->max_cost != MONEY_UNSET && cost > f->request->max_cost)
                return SKIP_MAX_COST;
        if (ceiling != MONEY_UNSET && cost > price_units(ceiling, f->units))
                return SKIP_CEILING;
        if (cost > f->room && cost > 0)
                return SKIP_BUDGET;
        if (f->ceiling != MONEY_UNSET && !spending_fits(&f->service->spending, cost, f->units, f->ceiling))
                return SKIP_TIER;
        return SKIP_NOT;
}

/*
 * Two failures in a row, or calls that nobody hears of, are no proof, but reason enough to send it no more than one call
 * at a time until one comes back, and the longer it is silent, the more seldom. A node that hangs is found out so long
 * before its callers lose patience.
 */
static bool is_doubted(const NodeHot *h, uint64_t now_ns) {
        uint64_t patience = DOUBT_UNKNOWN_NS, silent_ns = h->unheard > 0 ? h->asked_ns - h->unheard_ns : 0;
        bool silent;

        if (h->answer_ns > 0)
                patience = MAX((uint64_t) (DOUBT_FACTOR * h->answer_ns), DOUBT_MIN_NS);
        silent = h->unheard >= DOUBT_UNHEARD && now_ns - h->unheard_ns > patience;
        return (silent || h->breaker.run >= BREAKER_DOUBT_RUN) && now_ns - h->asked_ns < MAX(patience, silent_ns);
}

static Skip check_state(Filter *f, uint32_t i, NodeHot *h) {
        if (h->admin != ADMIN_ENABLED && !(h->admin == ADMIN_DRAINING && f->service->overrides->drained_too))
                return h->admin == ADMIN_DRAINING ? SKIP_DRAINING : SKIP_DISABLED;
        if (!h->loaded)
                return SKIP_NO_PROVIDER;
        if (h->excluded == f->router->serial)
                return SKIP_EXCLUDED;
        if (h->breaker.circuit != CIRCUIT_CLOSED) {
                if (h->breaker.circuit == CIRCUIT_OPEN)
                        circuit_poll(f->router, f->service->nodes[i], f->now_ns);
                if (h->breaker.circuit == CIRCUIT_OPEN)
                        return SKIP_OPEN;
        }
        if (h->cooldown_ns > f->now_ns)
                return SKIP_COOLING;
        if (f->request->operation) {
                Node *n = f->service->nodes[i];

                if (n->operations[filter_operation(f, n)].cooldown_ns > f->now_ns)
                        return SKIP_OPERATION_COOLING;
        }
        if (h->breaker.circuit == CIRCUIT_HALF_OPEN)
                return SKIP_TRIAL;
        return is_doubted(h, f->now_ns) ? SKIP_DOUBTED : SKIP_NOT;
}

static void take(Filter *f, uint32_t i, Money cost) {
        f->router->scratch_index[f->n] = i;
        f->router->scratch_cost[f->n] = cost;
        f->n++;
}

/* Those that were left out for a reason that no longer holds when nothing else is left. */
static void take_skipped(Filter *f, Skip skip) {
        for (uint32_t i = 0; i < f->service->n; i++)
                if (f->router->scratch_reason[i] == skip) {
                        f->router->scratch_reason[i] = SKIP_NOT;
                        take(f, i, filter_cost(f, f->service->nodes[i]));
                }
}

/* Their cost was not looked at yet. */
static void take_doubted(Filter *f) {
        for (uint32_t i = 0; i < f->service->n; i++) {
                Money cost;

                if (f->router->scratch_reason[i] != SKIP_DOUBTED)
                        continue;
                cost = filter_cost(f, f->service->nodes[i]);
                f->router->scratch_reason[i] = (uint8_t) check_cost(f, cost);
                f->skipped[SKIP_DOUBTED]--;
                f->skipped[f->router->scratch_reason[i]]++;
                if (f->router->scratch_reason[i] == SKIP_NOT)
                        take(f, i, cost);
        }
}

static void set_tier(Filter *f, CostTier tier) {
        const ServiceSettings *s = &f->service->settings;

        f->tier = tier;
        f->ceiling = s->cost_optimization_enabled ? s->tier_price[tier] : MONEY_UNSET;
}

/* All that works is above the ceiling: rather the next tier than a dark service. */
static void raise_tier(Filter *f) {
        while (f->n == 0 && f->tier < TIER_EMERGENCY) {
                set_tier(f, f->tier + 1);
                for (uint32_t i = 0; i < f->service->n; i++) {
                        Money cost;

                        if (f->router->scratch_reason[i] != SKIP_TIER)
                                continue;
                        cost = filter_cost(f, f->service->nodes[i]);
                        if (f->tier == TIER_EMERGENCY || check_cost(f, cost) == SKIP_NOT) {
                                f->router->scratch_reason[i] = SKIP_NOT;
                                take(f, i, cost);
                        }
                }
        }
}

void filter_run(Filter *f) {
        Router *r = f->router;
        Service *s = f->service;

        spending_advance(&s->spending, f->now_ns);
        set_tier(f, s->budget.emergency ? TIER_EMERGENCY : s->overrides->tier);

        for (uint32_t i = 0; i < s->n; i++) {
                Money cost = 0;
                NodeHot *h;
                Skip skip;

                node_hear(r, s, i, f->now_ns);
                h = node_fresh(s, i, f->now_ns);
                skip = check_state(f, i, h);
                if (skip == SKIP_NOT) {
                        cost = filter_cost(f, s->nodes[i]);
                        skip = check_cost(f, cost);
                }
                if (skip == SKIP_NOT && h->weight == 0)
                        skip = SKIP_STANDBY;
                if (skip == SKIP_NOT && h->ramp < 1 && random_unit(&r->random) >= (double) h->ramp)
                        skip = SKIP_WARMING;
                r->scratch_reason[i] = (uint8_t) skip;
                f->skipped[skip]++;
                if (skip == SKIP_NOT)
                        take(f, i, cost);
        }
        if (f->n == 0 && f->skipped[SKIP_DOUBTED] > 0)
                take_doubted(f);
        if (f->n == 0 && f->skipped[SKIP_WARMING] > 0)
                take_skipped(f, SKIP_WARMING);
        if (f->n == 0 && f->skipped[SKIP_STANDBY] > 0)
                take_skipped(f, SKIP_STANDBY);
        if (f->n == 0 && f->skipped[SKIP_TIER] > 0)
                raise_tier(f);
        f->ceiling = MONEY_UNSET; /* trials and the last resort are not held to it */
}

bool filter_is_idempotent(Filter *f, const Node *n) {
        const struct pm_operation *op;

        if (f->request->idempotent >= 0)
                return f->request->idempotent > 0;
        op = node_operation(n, filter_operation(f, n));
        return op && op->idempotent;
}

static bool awaits_probe(const Breaker *b, uint64_t now_ns) {
        return b->successes == 0 && now_ns - b->since_ns < PROBE_PATIENCE_NS;
}

uint32_t filter_trial(Filter *f) {
        for (uint32_t i = 0; i < f->service->n && f->skipped[SKIP_TRIAL] > 0; i++) {
                Node *n = f->service->nodes[i];

                if (f->router->scratch_reason[i] != SKIP_TRIAL || f->service->hot[i].breaker.permits == 0)
                        continue;
                /* What must not be done twice is no trial, as long as probes can do it; and a probe goes first in any
                 * case. */
                if (node_is_probed(f->router, n) && f->n > 0 &&
                    (!filter_is_idempotent(f, n) || awaits_probe(&f->service->hot[i].breaker, f->now_ns)))
                        continue;
                if (check_cost(f, filter_cost(f, n)) == SKIP_NOT)
                        return i;
        }
        return NAMES_NONE;
}

uint32_t filter_last(Filter *f, uint64_t *ret_ready_ns) {
        uint64_t soonest = NSEC_INFINITY;
        uint32_t best = NAMES_NONE;

        for (uint32_t i = 0; i < f->service->n; i++) {
                const NodeHot *h = &f->service->hot[i];
                Skip skip = f->router->scratch_reason[i];
                Node *n = f->service->nodes[i];
                uint64_t ready, rank;
                Skip cost;

                if (skip != SKIP_OPEN && skip != SKIP_TRIAL && skip != SKIP_COOLING && skip != SKIP_OPERATION_COOLING)
                        continue;
                cost = check_cost(f, filter_cost(f, n));
                if (cost != SKIP_NOT) {
                        f->last_over_budget = f->last_over_budget || cost == SKIP_BUDGET;
                        continue;
                }
                ready = MAX(h->cooldown_ns, f->now_ns);
                ready = MAX(ready, n->operations[filter_operation(f, n)].cooldown_ns);
                if (h->breaker.circuit == CIRCUIT_OPEN)
                        ready = MAX(ready, h->breaker.open_until_ns);
                rank = ready + (h->breaker.locked ? LOCKED_NS : 0);
                if (best == NAMES_NONE || rank < soonest ||
                    (rank == soonest && h->success > f->service->hot[best].success)) {
                        best = i;
                        soonest = rank;
                        *ret_ready_ns = ready;
                }
        }
        return best;
}
