/* SPDX-License-Identifier: Apache-2.0 */
/* Scenarios: what opens each, how each lives and ends, what is done about it and taken back. */
#include "tests/unit/core.h"

/* The live scenario of a type; false: none. */
static bool live(Core *c, ScenarioType type, ScenarioView *ret) {
        unsigned found = 0;

        for (size_t i = 0; i < router_n_scenarios(c->router); i++) {
                ScenarioView v;

                router_scenario(c->router, i, c->now, &v);
                if (v.type != type || v.state == SCENARIO_RESOLVED)
                        continue;
                found++;
                *ret = v;
        }
        assert_in_range(found, 0, 1); /* never twice for the same cause */
        return found == 1;
}

static bool has_step(const ScenarioView *v, const char *step) {
        for (size_t i = 0; i < v->n_timeline; i++)
                if (streq(v->timeline[i].step, step) && v->timeline[i].message[0])
                        return true;
        return false;
}

static void calls(Core *c, const char *id, Verdict verdict, int n) {
        for (int i = 0; i < n; i++)
                core_call_node(c, id, verdict);
}

static void test_life(void **state) {
        ScenarioView v = {};
        Event e = {};
        Core c;

        core_init(&c, ROUND_ROBIN, (uint32_t[]) { 5, 1 }, 2);
        core_service(&c)->revenue_per_call = 100 * CENT;
        core_service(&c)->nodes[1].cost_per_request = 3 * CENT;
        core_apply(&c);
        calls(&c, "a", PM_SERVICE_UNAVAILABLE, 5);
        assert_true(live(&c, SERVICE_UNAVAILABLE, &v));
        assert_int_equal(core_events(&c, EVENT_SCENARIO_OPENED, &e), 1);
        assert_string_equal(e.scenario, v.id);
        assert_string_equal(v.service_name, "s");
        assert_int_equal(v.n_nodes, 1);
        assert_string_equal(v.nodes[0], "s/a");
        assert_int_equal(v.state, SCENARIO_ACTIVE);
        assert_int_equal(v.severity, SEVERITY_MEDIUM);
        assert_int_equal(v.optimization_strategy, AVAILABILITY_FIRST);
        assert_int_equal(core_status(&c).optimization_strategy, AVAILABILITY_FIRST);

        for (int i = 0; i < 10; i++)
                core_call(&c, PM_OK);
        assert_string_equal(c.d.scenario, v.id);
        assert_int_equal(c.d.strategy, HEALTH_BASED);
        core_call(&c, PM_SERVICE_UNAVAILABLE);
        live(&c, SERVICE_UNAVAILABLE, &v);
        assert_int_equal(v.impact.failed_calls, 1);
        assert_int_equal(v.impact.revenue_at_risk, 100 * CENT);
        assert_int_equal(v.impact.diverted_calls, 11);
        assert_int_equal(v.impact.extra_cost, 11 * 2 * CENT);

        /* It lasts: severity goes up after one minute and after five. */
        router_set_event_mask(c.router, 1U << EVENT_SCENARIO_ESCALATION);
        for (int i = 0; i < 60; i++) {
                c.now += SEC;
                router_tick(c.router, c.now);
                if (core_node(&c, "s/a").circuit == CIRCUIT_HALF_OPEN)
                        calls(&c, "a", PM_SERVICE_UNAVAILABLE, 1);
        }
        assert_int_equal(core_events(&c, EVENT_SCENARIO_ESCALATION, &e), 1);
        live(&c, SERVICE_UNAVAILABLE, &v);
        assert_int_equal(v.state, SCENARIO_ESCALATED);
        assert_int_equal(v.severity, SEVERITY_HIGH);
        for (int i = 0; i < 245; i++) {
                c.now += SEC;
                router_tick(c.router, c.now);
                if (core_node(&c, "s/a").circuit == CIRCUIT_HALF_OPEN)
                        calls(&c, "a", PM_SERVICE_UNAVAILABLE, 1);
        }
        assert_int_equal(core_events(&c, EVENT_SCENARIO_ESCALATION, NULL), 1);
        router_set_event_mask(c.router, ~0U);

        /* It ends, after a while of calm; a relapse before that continues it. */
        while (core_node(&c, "s/a").circuit != CIRCUIT_HALF_OPEN)
                core_wait(&c, SEC);
        calls(&c, "a", PM_OK, 3);
        assert_int_equal(core_node(&c, "s/a").circuit, CIRCUIT_CLOSED);
        core_wait(&c, 10 * SEC);
        live(&c, SERVICE_UNAVAILABLE, &v);
        assert_int_equal(v.state, SCENARIO_RECOVERING);
        char id[SCENARIO_ID_MAX + 1];
        memcpy(id, v.id, sizeof(id));
        calls(&c, "a", PM_SERVICE_UNAVAILABLE, 5);
        assert_true(live(&c, SERVICE_UNAVAILABLE, &v));
        assert_string_equal(v.id, id);
        assert_int_equal(v.state, SCENARIO_ESCALATED);
        while (core_node(&c, "s/a").circuit != CIRCUIT_HALF_OPEN)
                core_wait(&c, SEC);
        calls(&c, "a", PM_OK, 3);
        core_wait(&c, 41 * SEC);
        assert_false(live(&c, SERVICE_UNAVAILABLE, &v));
        router_scenario(c.router, 0, c.now, &v);
        assert_int_equal(v.state, SCENARIO_RESOLVED);
        assert_true(v.resolved_utc_ns > v.started_utc_ns);
        assert_int_equal(core_status(&c).optimization_strategy, -1); /* taken back */
        assert_true(has_step(&v, "error_detection"));
        assert_true(has_step(&v, "routing_decision"));
        assert_true(has_step(&v, "cost_assessment"));
        assert_true(has_step(&v, "fallback_execution"));
        assert_true(has_step(&v, "recovery_monitoring"));
        assert_true(has_step(&v, "analytics_update"));
        core_call(&c, PM_OK);
        assert_null(c.d.scenario);
        core_done(&c);
}

static void test_each_is_detected(void **state) {
        ScenarioView v = {};
        Outcome o;
        Core c;

        /* 429 above a tenth */
        core_init(&c, ROUND_ROBIN, NULL, 2);
        for (int i = 0; i < 20 && !live(&c, RATE_LIMIT_EXCEEDED, &v); i++)
                core_call_node(&c, "a", i % 5 ? PM_OK : PM_RATE_LIMIT_EXCEEDED), c.now += 2 * SEC;
        assert_true(live(&c, RATE_LIMIT_EXCEEDED, &v));
        assert_int_equal(v.severity, SEVERITY_MEDIUM);
        core_done(&c);

        /* an authentication failure, and a second that confirms it */
        core_init(&c, ROUND_ROBIN, NULL, 2);
        calls(&c, "a", PM_AUTHENTICATION_FAILURE, 1);
        assert_false(live(&c, AUTHENTICATION_FAILURE, &v));
        calls(&c, "a", PM_AUTHENTICATION_FAILURE, 1);
        assert_true(live(&c, AUTHENTICATION_FAILURE, &v));
        core_done(&c);

        /* three corrupt bodies in a row */
        core_init(&c, ROUND_ROBIN, NULL, 2);
        calls(&c, "a", PM_DATA_CORRUPTION, 2);
        assert_false(live(&c, DATA_CORRUPTION, &v));
        calls(&c, "a", PM_DATA_CORRUPTION, 1);
        assert_true(live(&c, DATA_CORRUPTION, &v));
        core_done(&c);

        /* no response from several nodes */
        core_init(&c, ROUND_ROBIN, NULL, 3);
        calls(&c, "a", PM_NETWORK_ISSUE, 3);
        assert_false(live(&c, NETWORK_ISSUES, &v));
        calls(&c, "b", PM_NETWORK_ISSUE, 3);
        assert_true(live(&c, NETWORK_ISSUES, &v));
        core_done(&c);

        /* p95 twice its own of the last ten minutes */
        core_init(&c, ROUND_ROBIN, NULL, 2);
        for (int i = 0; i < 1000; i++, c.now += 100 * MS)
                core_call_node(&c, "a", PM_OK);
        assert_false(live(&c, PERFORMANCE_DEGRADATION, &v));
        for (int i = 0; i < 300; i++, c.now += 100 * MS) {
                core_choose(&c);
                core_report(&c, PM_OK, streq(c.d.node, "s/a") ? 150 * MS : 50 * MS);
        }
        assert_true(live(&c, PERFORMANCE_DEGRADATION, &v));
        assert_string_equal(v.nodes[0], "s/a");
        core_done(&c);

        /* the rate of spend would pass the cap */
        core_init(&c, ROUND_ROBIN, NULL, 2);
        core_service(&c)->max_cost_per_hour = 400 * CENT;
        core_apply(&c);
        for (int i = 0; i < 60; i++, c.now += SEC)
                core_call(&c, PM_OK); /* 60 of 400: early */
        assert_false(live(&c, COST_OVERRUN, &v));
        for (int i = 0; i < 60; i++, c.now += SEC)
                core_call(&c, PM_OK); /* a cent a second for 45 more minutes */
        assert_true(live(&c, COST_OVERRUN, &v));
        assert_int_equal(v.optimization_strategy, COST_MINIMIZATION);
        for (int i = 0; i < 40; i++)
                core_wait(&c, 5 * SEC); /* calm: the rate goes down */
        assert_false(live(&c, COST_OVERRUN, &v));
        core_done(&c);

        /* a limit is used up, or the vendor says so */
        core_init(&c, ROUND_ROBIN, NULL, 2);
        core_service(&c)->max_cost_per_hour = 5 * CENT;
        core_apply(&c);
        for (int i = 0; i < 5; i++)
                core_call(&c, PM_OK);
        assert_true(live(&c, BUDGET_EXHAUSTION, &v));
        core_wait(&c, 3600 * SEC);
        assert_false(live(&c, BUDGET_EXHAUSTION, &v));
        calls(&c, "a", PM_BUDGET_EXHAUSTED, 1);
        assert_true(live(&c, BUDGET_EXHAUSTION, &v));
        core_done(&c);

        /* more than half of the nodes within a minute; and a revenue service without any */
        core_init(&c, ROUND_ROBIN, NULL, 3);
        core_service(&c)->priority = PRIORITY_REVENUE;
        core_apply(&c);
        calls(&c, "a", PM_SERVICE_UNAVAILABLE, 5);
        assert_false(live(&c, CASCADING_FAILURE, &v));
        calls(&c, "b", PM_SERVICE_UNAVAILABLE, 5);
        assert_true(live(&c, CASCADING_FAILURE, &v));
        assert_false(live(&c, EMERGENCY_SCENARIO, &v));
        assert_int_equal(core_status(&c).optimization_strategy, REVENUE_PROTECTION);
        calls(&c, "c", PM_SERVICE_UNAVAILABLE, 5);
        assert_true(live(&c, EMERGENCY_SCENARIO, &v));
        assert_int_equal(core_status(&c).optimization_strategy, EMERGENCY_MODE);
        core_done(&c);

        /* two services within a minute */
        core_init(&c, ROUND_ROBIN, NULL, 1);
        core_add_service(&c, "t", ROUND_ROBIN, NULL, 1);
        core_apply(&c);
        calls(&c, "a", PM_SERVICE_UNAVAILABLE, 5);
        for (int i = 0; i < 5; i++) {
                RouteRequest q = core_request();

                q.service = "t";
                o = core_outcome(PM_SERVICE_UNAVAILABLE, MS);
                assert_int_equal(router_route(c.router, &q, c.now, &c.d, &c.refusal), 0);
                assert_int_equal(router_report(c.router, c.d.id, UID, false, &o, c.now, &c.settlement), 0);
        }
        assert_true(live(&c, CASCADING_FAILURE, &v));
        assert_null(v.service_name);
        core_done(&c);
}

static void test_an_operator_declares_and_ends(void **state) {
        ScenarioView v = {};
        Event e = {};
        size_t i;
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 2);
        core_service(&c)->max_cost_per_hour = 10 * CENT;
        core_apply(&c);
        router_set_node_state(c.router, "s/b", ADMIN_DRAINING, c.now);
        for (int k = 0; k < 10; k++)
                core_call(&c, PM_OK);
        assert_int_equal(core_route(&c), ROUTE_BUDGET_EXHAUSTED);
        core_events(&c, EVENT_OPTIMIZATION_EXECUTED, NULL);

        assert_int_equal(router_scenario_open(c.router, EMERGENCY_SCENARIO, "none", NULL, 0, -1, NULL, c.now, &i),
                         ROUTE_NO_SUCH_SERVICE);
        assert_int_equal(router_scenario_open(c.router, EMERGENCY_SCENARIO, "s", (const char *[]){ "s/x" }, 1, -1, NULL,
                                              c.now, &i),
                         ROUTE_NO_SUCH_NODE);
        assert_int_equal(router_scenario_open(c.router, EMERGENCY_SCENARIO, "s", (const char *[]){ "s/a" }, 1, -1,
                                              "fire", c.now, &i),
                         0);
        router_scenario(c.router, i, c.now, &v);
        assert_true(v.declared);
        assert_string_equal(v.reason, "fire");
        assert_int_equal(v.severity, SEVERITY_CRITICAL);
        assert_int_equal(core_events(&c, EVENT_OPTIMIZATION_EXECUTED, &e), 1);
        assert_string_equal(e.to, "EMERGENCY_MODE");
        assert_non_null(strstr(e.message, "outranks")); /* the exhausted budget */
        unsigned b = 0;
        for (int k = 0; k < 20; k++) { /* three times the cap, drained nodes too */
                core_call(&c, PM_OK);
                b += streq(c.d.node, "s/b");
        }
        assert_true(b > 0);
        assert_int_equal(core_status(&c).budget_state, BUDGET_EMERGENCY);
        assert_int_equal(core_route(&c), ROUTE_BUDGET_EXHAUSTED);

        core_wait(&c, 600 * SEC); /* lives until it is ended by hand */
        assert_true(live(&c, EMERGENCY_SCENARIO, &v));
        assert_int_equal(router_scenario_resolve(c.router, "sc-nonsense", NULL, c.now, &i), SCENARIO_NOT_FOUND);
        assert_int_equal(router_scenario_resolve(c.router, v.id, "put out", c.now, &i), 0);
        assert_int_equal(router_scenario_resolve(c.router, v.id, NULL, c.now, &i), SCENARIO_NOT_FOUND);
        assert_int_not_equal(core_status(&c).optimization_strategy, EMERGENCY_MODE);
        assert_int_equal(core_route(&c), ROUTE_BUDGET_EXHAUSTED);
        core_done(&c);
}

static void test_collisions(void **state) {
        size_t i, k;
        ScenarioView v;
        Event e = {};
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 2);
        core_add_service(&c, "other", ROUND_ROBIN, NULL, 1);
        core_apply(&c);
        router_scenario_open(c.router, COST_OVERRUN, "s", NULL, 0, SEVERITY_LOW, NULL, c.now, &i);
        assert_int_equal(core_status(&c).optimization_strategy, COST_MINIMIZATION);
        router_scenario_open(c.router, SERVICE_UNAVAILABLE, "s", NULL, 0, SEVERITY_HIGH, NULL, c.now, &k);
        assert_int_equal(core_status(&c).optimization_strategy, AVAILABILITY_FIRST);
        router_scenario_open(c.router, COST_OVERRUN, "s", NULL, 0, SEVERITY_CRITICAL, NULL, c.now,
                             &i); /* the same one, worse */
        assert_int_equal(router_n_scenarios(c.router), 2);
        assert_int_equal(core_status(&c).optimization_strategy, COST_MINIMIZATION);
        router_scenario(c.router, i, c.now, &v);
        router_scenario_resolve(c.router, v.id, NULL, c.now, &i);
        assert_int_equal(core_status(&c).optimization_strategy, AVAILABILITY_FIRST);
        /* One for all services counts for each. */
        core_events(&c, EVENT_OPTIMIZATION_EXECUTED, NULL);
        router_scenario_open(c.router, EMERGENCY_SCENARIO, NULL, NULL, 0, -1, NULL, c.now, &i);
        assert_int_equal(core_status(&c).optimization_strategy, EMERGENCY_MODE);
        assert_int_equal(core_events(&c, EVENT_OPTIMIZATION_EXECUTED, &e), 1);
        assert_null(e.service_name);
        assert_string_equal(e.to, "EMERGENCY_MODE");
        /* What follows is no longer the same for all. */
        router_scenario(c.router, i, c.now, &v);
        router_scenario_resolve(c.router, v.id, NULL, c.now, &i);
        assert_int_equal(core_events(&c, EVENT_OPTIMIZATION_EXECUTED, &e), 1);
        assert_null(e.to);
        core_done(&c);
}

static void test_the_table_is_bounded(void **state) {
        ScenarioView v;
        unsigned full = 0;
        size_t i;
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 1);
        for (int k = 0; k < 50; k++) {
                char name[8];

                snprintf(name, sizeof(name), "t%d", k);
                core_add_service(&c, name, ROUND_ROBIN, NULL, 1);
        }
        core_apply(&c);
        for (size_t s = 0; s < 50; s++)
                for (int type = 0; type < _SCENARIO_TYPE_MAX; type++)
                        full += router_scenario_open(c.router, (ScenarioType) type, c.settings.services[s].name, NULL,
                                                     0, -1, NULL, c.now, &i) == SCENARIO_TABLE_FULL;
        assert_true(full > 0);
        assert_int_equal(router_n_scenarios(c.router), 256);
        router_scenario(c.router, 7, c.now, &v);
        assert_int_equal(router_scenario_resolve(c.router, v.id, NULL, c.now, &i), 0);
        assert_int_equal(router_scenario_open(c.router, EMERGENCY_SCENARIO, "t49", NULL, 0, -1, NULL, c.now, &i), 0);
        assert_int_equal(i, 7); /* the place of the resolved one */
        /* A service that goes takes its scenarios along. */
        while (c.settings.n_services > 1)
                service_settings_done(&c.settings.services[--c.settings.n_services]);
        core_apply(&c);
        core_wait(&c, 100 * SEC);
        unsigned alive = 0;
        for (i = 0; i < router_n_scenarios(c.router); i++) {
                router_scenario(c.router, i, c.now, &v);
                alive += v.state != SCENARIO_RESOLVED;
        }
        assert_int_equal(alive, 9); /* of s; its first was resolved */
        core_done(&c);
}

static void test_blended_price(void **state) {
        unsigned n[2] = {};
        Core c;

        /* $0.029 and $0.032, with a normal tier of $0.029: 70/30 fits, more does not. */
        core_init(&c, ROUND_ROBIN, NULL, 2);
        core_service(&c)->nodes[0].cost_per_request = 29000;
        core_service(&c)->nodes[1].cost_per_request = 32000;
        core_service(&c)->tier_price[TIER_NORMAL] = 29000;
        core_service(&c)->tier_price[TIER_ELEVATED] = 50000;
        core_service(&c)->tier_price[TIER_EMERGENCY] = 100000;
        core_apply(&c);
        for (int i = 0; i < 1000; i++, c.now += 10 * MS) {
                n[core_choose(&c)[0] - 'a']++;
                assert_int_equal(c.d.cost_tier, TIER_NORMAL);
                core_report(&c, PM_OK, 50 * MS);
        }
        assert_in_range(n[1], 440, 485); /* (0.03045 - 0.029) / (0.032 - 0.029) = 48 % at most */
        /* Rather the next tier than a dark service, and it says so. */
        router_set_node_state(c.router, "s/a", ADMIN_DISABLED, c.now);
        for (int i = 0; i < 1000; i++, c.now += 100 * MS)
                core_call(&c, PM_OK);
        assert_int_equal(c.d.cost_tier, TIER_ELEVATED);
        assert_int_equal(core_status(&c).cost_tier, TIER_ELEVATED);
        core_done(&c);
}

static void test_exploration(void **state) {
        unsigned explored = 0;
        Core c;

        core_init(&c, COST_OPTIMIZED, NULL, 2);
        core_service(&c)->nodes[1].cost_per_request = 3 * CENT;
        core_apply(&c);
        for (int k = 0; k < 2; k++) { /* a geocode may be tried, a payment never */
                for (int i = 0; i < 10000; i++, c.now += 20 * SEC) {
                        RouteRequest q = core_request();

                        q.operation = k == 0 ? "geocode" : "pay";
                        assert_int_equal(router_route(c.router, &q, c.now, &c.d, &c.refusal), 0);
                        explored += streq(c.d.node, "s/b");
                        core_report(&c, PM_OK, 50 * MS);
                        if (i % 16 == 0) /* keeps the evidence about a fresh */
                                core_call_node(&c, "a", PM_OK);
                }
                if (k == 0)
                        assert_in_range(explored, 1, 200);
                else
                        assert_int_equal(explored, 0);
                explored = 0;
        }
        core_done(&c);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_life),
                cmocka_unit_test(test_each_is_detected),
                cmocka_unit_test(test_an_operator_declares_and_ends),
                cmocka_unit_test(test_collisions),
                cmocka_unit_test(test_the_table_is_bounded),
                cmocka_unit_test(test_blended_price),
                cmocka_unit_test(test_exploration),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
