/* SPDX-License-Identifier: Apache-2.0 */
/* Which node: by the strategy, or in spite of it: a trial, an exploration, the cheapest, the last that is left. */
#include "daemon/core/decide.h"

#include <stdio.h>

#include "basic/macro.h"

/* Share of the idempotent requests that go to a node nobody knows anything fresh about. */
#define EXPLORE_SHARE 0.01
#define EXPLORE_EVIDENCE_MAX 1.0

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

int decide(Filter *f, Choice *c, Strategy strategy, Chosen *ret, RouteRefusal *ret_refusal) {
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
