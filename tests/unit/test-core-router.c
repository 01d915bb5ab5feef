/* SPDX-License-Identifier: Apache-2.0 */
/* Leases, fallbacks, settings put in force while calls are in flight, replay, clocks that misbehave. */
#include <errno.h>

#include "tests/unit/core.h"

static void test_leases(void **state) {
        Outcome o = core_outcome(PM_OK, MS);
        LeaseView view;
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 2);
        core_choose(&c);
        assert_int_equal(strspn(c.d.id, "0123456789abcdef"), DECISION_ID_MAX);
        assert_int_equal(router_lease(c.router, c.d.id, UID + 1, false, &view), ROUTE_NO_SUCH_DECISION);
        assert_int_equal(router_report(c.router, c.d.id, UID + 1, false, &o, c.now, &c.settlement),
                         ROUTE_NO_SUCH_DECISION);
        assert_int_equal(router_lease(c.router, c.d.id, UID, false, &view), 0);
        assert_ptr_equal(view.provider, &test_provider);
        assert_null(view.operation);
        assert_int_equal(core_node(&c, "s/a").in_flight, 1);
        assert_int_equal(core_report(&c, PM_OK, MS), 0);
        assert_int_equal(core_report(&c, PM_OK, MS), ROUTE_NO_SUCH_DECISION); /* twice */
        assert_int_equal(core_node(&c, "s/a").in_flight, 0);
        strcpy(c.d.id, "nonsense");
        assert_int_equal(core_report(&c, PM_OK, MS), ROUTE_NO_SUCH_DECISION);
        core_choose(&c); /* late, and nobody has ticked */
        c.now += 30 * SEC;
        assert_int_equal(core_report(&c, PM_OK, MS), ROUTE_NO_SUCH_DECISION);
        assert_int_equal(core_counters(&c).leases_expired, 1);
        core_choose(&c); /* the one who manages may report for others */
        assert_int_equal(router_report(c.router, c.d.id, 0, true, &o, c.now, &c.settlement), 0);
        core_done(&c);
}

static void test_lease_limits(void **state) {
        RouteRequest q = core_request();
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 1);
        for (int i = 0; i < 12000; i++)
                assert_int_equal(core_route(&c), 0);
        assert_int_equal(core_route(&c), ROUTE_TOO_MANY_LEASES);
        q.uid = UID + 1; /* another user is not touched by it */
        assert_int_equal(router_route(c.router, &q, c.now, &c.d, &c.refusal), 0);
        q.privileged = true;
        for (int i = 12001; i < 16384; i++)
                assert_int_equal(router_route(c.router, &q, c.now, &c.d, &c.refusal), 0);
        assert_int_equal(router_route(c.router, &q, c.now, &c.d, &c.refusal), ROUTE_TOO_MANY_LEASES);
        core_wait(&c, 31 * SEC);
        assert_int_equal(core_counters(&c).leases, 0);
        assert_int_equal(core_node(&c, "s/a").in_flight, 0);
        assert_int_equal(core_route(&c), 0);
        core_assert_money(&c);
        core_done(&c);
}

static void test_unknown_service(void **state) {
        RouteRequest q = core_request();
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 0);
        assert_int_equal(core_route(&c), ROUTE_NO_USABLE_NODE); /* a service without nodes */
        q.service = "none";
        assert_int_equal(router_route(c.router, &q, c.now, &c.d, &c.refusal), ROUTE_NO_SUCH_SERVICE);
        assert_int_equal(router_set_node_state(c.router, "s/none", ADMIN_DRAINING, c.now), ROUTE_NO_SUCH_NODE);
        core_done(&c);
}

static int fall_back(Core *c, CostAssessment *cost) {
        Outcome o = core_outcome(PM_SERVICE_UNAVAILABLE, MS);
        char id[DECISION_ID_MAX + 1];

        memcpy(id, c->d.id, sizeof(id));
        return router_fallback(c->router, id, UID, false, &o, MONEY_UNSET, false, c->now, &c->d, &c->settlement, cost,
                               &c->refusal);
}

static void test_fallback_never_repeats(void **state) {
        bool seen[5] = {};
        CostAssessment cost;
        Core c;

        core_init(&c, HEALTH_BASED, NULL, 5);
        core_service(&c)->max_cost_per_hour = 100 * CENT;
        core_apply(&c);
        core_choose(&c);
        for (int i = 0;; i++) {
                int which = strchr(c.d.node, '/')[1] - 'a', k;

                assert_false(seen[which]);
                seen[which] = true;
                for (size_t f = 0; f < c.d.n_fallbacks; f++)
                        assert_false(seen[strchr(c.d.fallbacks[f], '/')[1] - 'a']);
                k = fall_back(&c, &cost);
                assert_int_equal(cost.spent, CENT);
                if (i == 4) {
                        assert_int_equal(k, ROUTE_NO_USABLE_NODE);
                        break;
                }
                assert_int_equal(k, 0);
                assert_int_equal(cost.additional, CENT); /* each reserves anew */
                assert_int_equal(cost.remaining_hour, 100 * CENT - (i + 2) * CENT);
        }
        assert_int_equal(core_counters(&c).fallbacks, 4);
        assert_int_equal(fall_back(&c, &cost), ROUTE_NO_SUCH_DECISION); /* reported already */
        core_assert_money(&c);
        core_done(&c);
}

static void test_fallback_keeps_what_was_asked(void **state) {
        RouteRequest q = core_request();
        CostAssessment cost;
        LeaseView view;
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 4);
        q.operation = "geocode";
        q.units = 5 * UNITS_ONE;
        q.exclude = (const char *[]) { "s/b", "c", "nobody", NULL };
        q.n_exclude = 4;
        assert_int_equal(router_route(c.router, &q, c.now, &c.d, &c.refusal), 0);
        assert_string_equal(c.d.node, "s/a");
        assert_int_equal(fall_back(&c, &cost), 0);
        assert_string_equal(c.d.node, "s/d"); /* what was left out stays left out */
        assert_int_equal(c.d.estimated_cost, 5 * CENT);
        assert_int_equal(router_lease(c.router, c.d.id, UID, false, &view), 0);
        assert_string_equal(view.operation->name, "geocode");
        core_done(&c);
}

static void test_explanation(void **state) {
        RouteRequest q = core_request();
        char reason[DECISION_REASON_MAX];
        Core c;

        core_init(&c, COST_OPTIMIZED, (uint32_t[]) { 1, 1, 1, 0 }, 4);
        core_service(&c)->nodes[1].cost_per_request = CENT / 2;
        core_apply(&c);
        router_set_node_state(c.router, "s/c", ADMIN_DISABLED, c.now);
        q.explain = true;
        assert_int_equal(router_route(c.router, &q, c.now, &c.d, &c.refusal), 0);
        assert_int_equal(c.d.n_candidates, 4);
        assert_string_equal(c.d.candidates[0].node, "s/a");
        assert_null(c.d.candidates[0].excluded);
        assert_true(c.d.candidates[0].score < c.d.candidates[1].score);
        assert_true(fabs(c.d.candidates[1].score - 1) < 1e-9);
        assert_int_equal(c.d.candidates[1].cost, CENT / 2);
        assert_string_equal(c.d.candidates[2].excluded, "disabled");
        assert_string_equal(c.d.candidates[3].excluded, "standby (weight 0)");
        size_t length = decision_reason(&c.d, reason);
        assert_int_equal(length, strlen(reason));
        assert_string_equal(reason,
                            "COST_OPTIMIZED chose it from 2 of 4 nodes: lowest expected cost of a success, health 100");
        core_done(&c);
}

static void test_weight_zero_is_standby(void **state) {
        Core c;

        core_init(&c, WEIGHTED_ROUND_ROBIN, (uint32_t[]) { 0, 5 }, 2);
        for (int i = 0; i < 20; i++)
                assert_string_equal(core_choose(&c), "b");
        router_set_node_state(c.router, "s/b", ADMIN_DRAINING, c.now);
        assert_string_equal(core_choose(&c), "a");
        core_done(&c);
}

static void test_apply_keeps_what_keeps_its_name(void **state) {
        char id[DECISION_ID_MAX + 1];
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 3);
        c.strategy = ROUND_ROBIN;
        for (int i = 0; i < 5; i++)
                core_call_node(&c, "b", PM_SERVICE_UNAVAILABLE);
        core_choose(&c);
        assert_string_equal(c.d.node, "s/c");
        memcpy(id, c.d.id, sizeof(id));
        core_choose(&c);
        assert_string_equal(c.d.node, "s/a"); /* in flight when its node goes */

        /* a goes, d comes, and the rest changes places. */
        free(core_service(&c)->nodes[0].id);
        core_service(&c)->nodes[0].id = strdup("d");
        NodeSettings t = core_service(&c)->nodes[1];
        core_service(&c)->nodes[1] = core_service(&c)->nodes[2];
        core_service(&c)->nodes[2] = t;
        core_add_service(&c, "other", ROUND_ROBIN, NULL, 2);
        core_apply(&c);

        assert_null(router_find_node(c.router, "s/a"));
        assert_int_equal(core_node(&c, "s/b").circuit, CIRCUIT_OPEN);
        assert_int_equal(core_node(&c, "s/b").failures, 5);
        assert_int_equal(core_node(&c, "s/d").calls, 0);
        assert_int_equal(core_status(&c).spend_hour, 6 * CENT); /* that of a too, as unknown */
        assert_int_equal(core_report(&c, PM_OK, MS), ROUTE_NO_SUCH_DECISION);
        memcpy(c.d.id, id, sizeof(id));
        assert_int_equal(core_node(&c, "s/c").in_flight, 1);
        assert_int_equal(core_report(&c, PM_OK, MS), 0);
        assert_int_equal(core_node(&c, "s/c").in_flight, 0);
        assert_non_null(router_find_service(c.router, "other"));
        core_assert_money(&c);

        /* And back: what went and came again is new. */
        service_settings_done(&c.settings.services[--c.settings.n_services]);
        core_apply(&c);
        assert_null(router_find_service(c.router, "other"));
        assert_int_equal(router_n_services(c.router), 1);
        core_assert_money(&c);
        core_done(&c);
}

static void test_apply_is_whole_or_not_at_all(void **state) {
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 2);
        core_call(&c, PM_OK);
        free(core_service(&c)->nodes[0].id);
        core_service(&c)->nodes[0].id = strdup("b"); /* twice */
        assert_int_equal(router_apply(c.router, &c.settings, c.now), -EEXIST);
        core_add_service(&c, "big", ROUND_ROBIN, NULL, 10001);
        assert_int_equal(router_apply(c.router, &c.settings, c.now), -E2BIG);
        assert_int_equal(core_node(&c, "s/a").calls, 1);
        assert_null(router_find_service(c.router, "big"));
        assert_int_equal(core_route(&c), 0);
        core_done(&c);
}

static void test_a_clock_that_stands_still_or_jumps(void **state) {
        Core c;

        core_init(&c, HEALTH_BASED, NULL, 3);
        for (int i = 0; i < 500; i++)
                core_call(&c, i % 7 ? PM_OK : PM_SERVICE_UNAVAILABLE);
        c.now = 1; /* back */
        for (int i = 0; i < 500; i++)
                core_call(&c, PM_OK);
        assert_true(router_tick(c.router, 0) >= 1000 * SEC);
        c.now = UINT64_MAX / 4; /* nearly 150 years ahead */
        core_call(&c, PM_OK);
        core_wait(&c, SEC);
        router_set_clock(c.router, c.now, 0); /* and the wall clock is set to 1970 */
        core_call(&c, PM_OK);
        core_assert_money(&c);
        core_done(&c);
}

static void test_a_report_brings_the_next_deadline_forward(void **state) {
        uint64_t before;
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 2);
        before = router_tick(c.router, c.now);
        assert_int_equal(router_next_ns(c.router), before);
        for (int i = 0; i < 5; i++)
                core_call_node(&c, "a", PM_SERVICE_UNAVAILABLE);
        assert_in_range(router_next_ns(c.router), c.now, c.now + 2 * SEC); /* the end of the open time */
        assert_true(router_next_ns(c.router) < before);
        core_done(&c);
}

static uint64_t run(uint64_t seed) {
        static const RouterLimits limits = {
                .leases = 1024, .leases_per_user = 1024, .services = 10, .nodes = 100, .nodes_per_service = 100,
        };
        uint64_t hash = 0;
        Core c;

        core_init(&c, HEALTH_BASED, (uint32_t[]) { 5, 3, 1, 1 }, 4);
        router_free(c.router);
        assert_int_equal(router_new(&c.router, &limits, seed, c.now, UTC_NS), 0);
        core_apply(&c);
        router_set_probing(c.router, true, c.now);
        for (int i = 0; i < 5000; i++) {
                Effect e;

                core_choose(&c);
                for (const char *p = c.d.id; *p; p++)
                        hash = hash * 31 + (unsigned char) *p;
                hash = hash * 31 + (unsigned char) c.d.node[2];
                core_report(&c, c.d.node[2] == 'b' && i % 3 == 0 ? PM_NETWORK_ISSUE : PM_OK, (uint64_t) (i % 50) * MS);
                c.now += 20 * MS;
                router_tick(c.router, c.now);
                while (router_next_effect(c.router, &e))
                        hash = hash * 31 + (e.type == EFFECT_EVENT ? strlen(e.event.message) : e.probe.id);
        }
        core_done(&c);
        return hash;
}

static void test_same_seed_same_run(void **state) {
        assert_int_equal(run(1), run(1));
        assert_int_equal(run(77), run(77));
        assert_int_not_equal(run(1), run(2));
}

static void test_effects_are_bounded(void **state) {
        Effect e;
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 1);
        router_set_event_mask(c.router, 1U << EVENT_ROUTING_DECISION_MADE);
        for (int i = 0; i < 5000; i++) {
                core_choose(&c);
                core_report(&c, PM_OK, MS);
        }
        assert_int_equal(core_events(&c, EVENT_ROUTING_DECISION_MADE, &e.event) + core_counters(&c).effects_lost, 5000);
        assert_string_equal(e.event.node, "s/a");
        router_set_event_mask(c.router, 0);
        core_choose(&c);
        assert_false(router_next_effect(c.router, &e));
        core_done(&c);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_leases),
                cmocka_unit_test(test_lease_limits),
                cmocka_unit_test(test_unknown_service),
                cmocka_unit_test(test_fallback_never_repeats),
                cmocka_unit_test(test_fallback_keeps_what_was_asked),
                cmocka_unit_test(test_explanation),
                cmocka_unit_test(test_weight_zero_is_standby),
                cmocka_unit_test(test_apply_keeps_what_keeps_its_name),
                cmocka_unit_test(test_apply_is_whole_or_not_at_all),
                cmocka_unit_test(test_a_clock_that_stands_still_or_jumps),
                cmocka_unit_test(test_a_report_brings_the_next_deadline_forward),
                cmocka_unit_test(test_same_seed_same_run),
                cmocka_unit_test(test_effects_are_bounded),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
