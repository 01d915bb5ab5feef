/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/storm.h"

#include <stdlib.h>

#include "tests/unit/core.h"

#define OPEN_MAX 256

typedef struct Storm {
        Core core;
        StormDraw draw;
        void *source;
        char open[OPEN_MAX][DECISION_ID_MAX + 1];
        unsigned n_open;
        uint64_t probes[64];
        unsigned n_probes;
} Storm;

static uint64_t draw(Storm *s, uint64_t n) {
        return s->draw(s->source, n);
}

static Outcome random_outcome(Storm *s) {
        Outcome o = core_outcome((Verdict) draw(s, _PM_VERDICT_MAX + 1), draw(s, 3 * SEC));

        if (draw(s, 3) > 0)
                o.verdict = PM_OK;
        o.scope = (enum pm_scope) draw(s, _PM_SCOPE_MAX);
        o.reachable = draw(s, 2);
        if (draw(s, 8) == 0)
                o.retry_after_ns = draw(s, 100 * SEC);
        if (draw(s, 8) == 0)
                o.cooldown_ns = draw(s, 10 * SEC);
        if (draw(s, 8) == 0) /* less than was promised, so that a cap that holds stays a cap that holds */
                o.units = (Units) draw(s, UNITS_ONE / 2);
        if (draw(s, 8) == 0)
                o.cost = (Money) draw(s, 100);
        return o;
}

static void remember(Storm *s) {
        if (s->n_open == OPEN_MAX)
                s->n_open = (unsigned) draw(s, OPEN_MAX); /* forgotten: these will time out */
        memcpy(s->open[s->n_open++], s->core.d.id, sizeof(s->open[0]));
}

static void do_route(Storm *s) {
        static const char *const operations[] = { NULL, "geocode", "pay", "none" };
        static const char *const exclude[] = { "a", "s/b", "t/c", "x", "" };
        static const char *const regions[] = { NULL, "europe", "us-east", "mars" };
        RouteRequest q = core_request();
        int k;

        q.service = draw(s, 4) ? "s" : "t";
        q.operation = operations[draw(s, ELEMENTSOF(operations))];
        q.region = regions[draw(s, ELEMENTSOF(regions))];
        q.strategy = (Strategy) ((int) draw(s, _STRATEGY_MAX + 1) - 1);
        q.exclude = exclude;
        q.n_exclude = draw(s, 8) ? 0 : draw(s, ELEMENTSOF(exclude) + 1);
        q.explain = draw(s, 8) == 0;
        q.idempotent = (int) draw(s, 3) - 1;
        q.units = draw(s, 4) ? UNITS_ONE : (Units) draw(s, 3 * UNITS_ONE);
        if (draw(s, 4) == 0)
                q.latitude = (double) draw(s, 180) - 90, q.longitude = (double) draw(s, 360) - 180;
        k = router_route(s->core.router, &q, s->core.now, &s->core.d, &s->core.refusal);
        if (k == 0)
                remember(s);
        else
                assert_true(k == ROUTE_NO_USABLE_NODE || k == ROUTE_BUDGET_EXHAUSTED || k == ROUTE_TOO_MANY_LEASES);
        /* Nothing excluded, cheap enough and one enabled node: there is always an answer. */
        if (k == ROUTE_NO_USABLE_NODE && streq(q.service, "t"))
                assert_true(q.n_exclude > 0 || core_node(&s->core, "t/a").administrative_state != ADMIN_ENABLED);
}

static void do_report(Storm *s) {
        Outcome o = random_outcome(s);
        CostAssessment cost;
        unsigned i;
        int k;

        if (s->n_open == 0)
                return;
        i = (unsigned) draw(s, s->n_open);
        if (draw(s, 4)) {
                k = router_report(s->core.router, s->open[i], UID, false, &o, s->core.now, &s->core.settlement);
                assert_true(k == 0 || k == ROUTE_NO_SUCH_DECISION);
        } else {
                k = router_fallback(s->core.router, s->open[i], UID, false, &o, draw(s, 2) ? MONEY_UNSET : CENT, false,
                                    s->core.now, &s->core.d, &s->core.settlement, &cost, &s->core.refusal);
                if (k == 0)
                        remember(s);
        }
        memcpy(s->open[i], s->open[--s->n_open], sizeof(s->open[0]));
}

static void do_effects(Storm *s) {
        Effect e;

        while (router_next_effect(s->core.router, &e))
                if (e.type == EFFECT_PROBE_DUE)
                        s->probes[s->n_probes++ % ELEMENTSOF(s->probes)] = e.probe.id;
                else
                        assert_true(strlen(e.event.message) > 0 && strlen(e.event.message) < sizeof(e.event.message));
}

static void do_probe(Storm *s) {
        Outcome o = random_outcome(s);
        Verdict verdict;

        if (s->n_probes > 0)
                router_probe_result(s->core.router, s->probes[draw(s, ELEMENTSOF(s->probes))], &o, s->core.now,
                                    &verdict);
}

static void do_time(Storm *s) {
        static const uint64_t steps[] = { 0, MS, 50 * MS, SEC, 10 * SEC, 400 * SEC };

        if (draw(s, 50) == 0)
                s->core.now += 4000 * SEC;
        s->core.now += draw(s, steps[draw(s, ELEMENTSOF(steps))] + 1);
        router_tick(s->core.router, draw(s, 10) ? s->core.now : s->core.now / 2);
        if (draw(s, 50) == 0)
                router_set_clock(s->core.router, s->core.now, UTC_NS + draw(s, 100 * NSEC_PER_HOUR));
}

/* Operations in another order, and fewer of them. */
static const struct pm_provider *providers[] = { &test_provider, &test_provider, NULL, NULL };

static void make_providers(void) {
        static struct pm_operation operations[3];
        static struct pm_provider reordered, fewer;

        operations[0] = test_provider.operations[1];
        operations[1] = test_provider.operations[0];
        reordered = fewer = test_provider;
        reordered.operations = operations;
        fewer.operations = operations + 1;
        providers[2] = &reordered;
        providers[3] = &fewer;
}

static void do_apply(Storm *s) {
        ServiceSettings *x = &s->core.settings.services[0];
        size_t n = x->n_nodes;

        x->strategy = (Strategy) draw(s, _STRATEGY_MAX);
        x->on_exhausted = (OnExhausted) draw(s, 2); /* the third raises the cap that is checked */
        x->nodes[draw(s, n)].weight = (uint32_t) draw(s, 20);
        x->nodes[0].provider = draw(s, 5) ? providers[draw(s, ELEMENTSOF(providers))] : NULL;
        if (draw(s, 2)) { /* nodes that come and go */
                free(x->nodes[n - 1].id);
                x->nodes[n - 1].id = strdup(draw(s, 2) ? "y" : "z");
        }
        core_apply(&s->core);
}

static void do_state(Storm *s) {
        static const char *const nodes[] = { "s/a", "s/b", "s/c", "t/a", "t/none" };

        router_set_node_state(s->core.router, nodes[draw(s, ELEMENTSOF(nodes))],
                              draw(s, 3) ? ADMIN_ENABLED : ADMIN_DRAINING, s->core.now);
        router_set_probing(s->core.router, draw(s, 4), s->core.now);
}

static void do_scenario(Storm *s) {
        static const char *const services[] = { NULL, "s", "t", "none" };
        ScenarioView v;
        size_t i = 0;

        if (draw(s, 2) && router_n_scenarios(s->core.router) > 0) {
                router_scenario(s->core.router, draw(s, router_n_scenarios(s->core.router)), s->core.now, &v);
                router_scenario_resolve(s->core.router, v.id, NULL, s->core.now, &i);
        } else /* no emergency, which would raise the cap that is checked */
                router_scenario_open(s->core.router, (ScenarioType) draw(s, CASCADING_FAILURE), services[draw(s, 4)],
                                     NULL, 0, (int) draw(s, _SEVERITY_MAX + 1) - 1, NULL, s->core.now, &i);
}

/* At most one live scenario of a type for a service. */
static void check_scenarios(Storm *s) {
        for (size_t i = 0; i < router_n_scenarios(s->core.router); i++) {
                ScenarioView a, b;

                router_scenario(s->core.router, i, s->core.now, &a);
                for (size_t k = 0; k < i && a.state != SCENARIO_RESOLVED; k++) {
                        router_scenario(s->core.router, k, s->core.now, &b);
                        assert_false(b.state != SCENARIO_RESOLVED && a.type == b.type &&
                                     !a.service_name == !b.service_name &&
                                     (!a.service_name || streq(a.service_name, b.service_name)));
                }
        }
}

static void check(Storm *s) {
        Money cap = s->core.settings.services[0].max_cost_per_hour;
        ServiceStatus status = core_status(&s->core);

        core_assert_money(&s->core);
        assert_true(status.spend_hour + status.reserved <= cap);
        for (size_t i = 0; i < status.n_nodes; i++) {
                NodeStatus n;

                node_status(s->core.router, service_node(router_service(s->core.router, 0), i), s->core.now, &n);
                assert_true(n.health_score >= 0 && n.health_score <= 100);
                assert_true(n.success_rate >= 0 && n.success_rate <= 1);
                assert_true(n.in_flight <= 16384);
        }
}

void storm(StormDraw draw_from, void *source, unsigned operations) {
        Storm s = { .draw = draw_from, .source = source };

        make_providers();
        core_init(&s.core, HEALTH_BASED, (uint32_t[]) { 5, 3, 0, 1, 1 }, 5);
        s.core.settings.services[0].max_cost_per_hour = 5000 * CENT;
        s.core.settings.services[0].nodes[1].credential = strdup("key");
        s.core.settings.services[0].nodes[2].credential = strdup("key");
        s.core.settings.services[0].nodes[1].latency_limit_ns = SEC;
        s.core.settings.services[0].nodes[2].cost_per_request = MONEY_UNSET;
        core_add_service(&s.core, "t", LEAST_RESPONSE_TIME, NULL, 1);
        core_apply(&s.core);
        for (unsigned i = 0; i < operations; i++) {
                switch (draw(&s, 100)) {
                case 0:
                        do_apply(&s);
                        break;
                case 1:
                        do_state(&s);
                        break;
                case 2:
                        if (draw(&s, 20) == 0)
                                do_scenario(&s);
                        break;
                case 3 ... 5:
                        do_probe(&s);
                        break;
                case 6 ... 20:
                        do_time(&s);
                        break;
                case 21 ... 59:
                        do_report(&s);
                        break;
                default:
                        do_route(&s);
                }
                do_effects(&s);
                if (i % 16 == 0)
                        check(&s);
                if (i % 4096 == 0)
                        check_scenarios(&s);
        }
        check(&s);
        core_done(&s.core);
}
