/* SPDX-License-Identifier: Apache-2.0 */
/* Which node each strategy chooses, against vectors that others publish and by the formulas. */
#include "tests/unit/core.h"

static void sequence(Core *c, const char *expected) {
        for (; *expected; expected++) {
                char id[2] = { *expected, 0 };

                assert_string_equal(core_choose(c), id);
                assert_int_equal(core_report(c, PM_OK, 50 * MS), 0);
        }
}

static void test_round_robin(void **state) {
        Core c;

        core_init(&c, ROUND_ROBIN, (uint32_t[]) { 5, 1, 1 }, 3);
        sequence(&c, "abcabcabc");
        router_set_node_state(c.router, "s/b", ADMIN_DRAINING, c.now);
        sequence(&c, "acac");
        core_done(&c);
}

/* The sequences that nginx's smooth weighted round robin gives. */
static void test_smooth_weights(void **state) {
        static const struct {
                uint32_t weights[3];
                const char *sequence;
        } vectors[] = {
                { { 5, 1, 1 }, "aabacaaaabacaa" },
                { { 5, 2, 1 }, "abaacaba" },
                { { 3, 2, 1 }, "abacba" },
        };

        for (size_t i = 0; i < ELEMENTSOF(vectors); i++) {
                Core c;

                core_init(&c, WEIGHTED_ROUND_ROBIN, vectors[i].weights, 3);
                sequence(&c, vectors[i].sequence);
                core_done(&c);
        }
}

static void test_weights_follow_failures(void **state) {
        unsigned before = 0, after = 0;
        Core c;

        core_init(&c, WEIGHTED_ROUND_ROBIN, (uint32_t[]) { 10, 10 }, 2);
        for (int i = 0; i < 3; i++)
                core_call_node(&c, "a", PM_SERVICE_UNAVAILABLE);
        for (int i = 0; i < 20; i++) {
                core_wait(&c, 6 * SEC); /* it is in doubt: a call now and then */
                before += streq(core_choose(&c), "a");
                assert_int_equal(core_report(&c, PM_CLIENT_ERROR, MS), 0); /* says nothing about the node */
        }
        assert_in_range(before, 4, 7); /* 4 : 10 */
        for (int i = 0; i < 10; i++)
                core_call_node(&c, "a", PM_OK);
        for (int i = 0; i < 20; i++) {
                after += streq(core_choose(&c), "a");
                assert_int_equal(core_report(&c, PM_CLIENT_ERROR, MS), 0);
        }
        assert_in_range(after, 9, 11);
        core_done(&c);
}

static void test_health_based_shares(void **state) {
        unsigned a = 0;
        Core c;

        core_init(&c, HEALTH_BASED, (uint32_t[]) { 70, 30 }, 2);
        for (int i = 0; i < 10000; i++) {
                a += streq(core_choose(&c), "a");
                core_report(&c, PM_OK, 50 * MS);
                c.now += MS;
        }
        assert_in_range(a, 6650, 7350); /* within 5 % */
        core_done(&c);
}

static void test_health_based_leaves_a_degraded_node_a_trickle(void **state) {
        unsigned a = 0;
        Core c;

        core_init(&c, HEALTH_BASED, (uint32_t[]) { 50, 50 }, 2);
        core_service(&c)->failover_threshold = 0.5;
        core_apply(&c);
        for (int i = 0; i < 20000; i++) {
                bool is_a = streq(core_choose(&c), "a");

                a += is_a;
                core_report(&c, is_a && i % 3 == 0 ? PM_SERVICE_UNAVAILABLE : PM_OK, 50 * MS);
                c.now += MS;
        }
        assert_in_range(a, 20, 8500);
        core_done(&c);
}

static void test_cost_optimized(void **state) {
        Core c;

        core_init(&c, COST_OPTIMIZED, (uint32_t[]) { 60, 30, 10 }, 3);
        core_service(&c)->nodes[0].cost_per_request = 5000;
        core_service(&c)->nodes[1].cost_per_request = 8000;
        core_service(&c)->nodes[2].cost_per_request = 6000;
        core_apply(&c);
        sequence(&c, "aaaaaaaa");
        assert_int_equal(c.d.n_fallbacks, 2);
        assert_string_equal(c.d.fallbacks[0], "s/c");
        /* Free beats cheap. */
        core_service(&c)->nodes[1].cost_per_request = 0;
        core_apply(&c);
        sequence(&c, "bbbb");
        /* Within 5 % the weights decide. */
        core_service(&c)->nodes[1].cost_per_request = 5100;
        core_apply(&c);
        unsigned n[3] = {};
        for (int i = 0; i < 90; i++) {
                n[core_choose(&c)[0] - 'a']++;
                core_report(&c, PM_OK, 50 * MS);
        }
        assert_int_equal(n[0], 60);
        assert_int_equal(n[1], 30);
        core_done(&c);
}

static void test_cost_optimized_pays_for_success(void **state) {
        Core c;

        core_init(&c, COST_OPTIMIZED, (uint32_t[]) { 1, 1 }, 2);
        core_service(&c)->nodes[0].cost_per_request = 5000;
        core_service(&c)->nodes[1].cost_per_request = 5500;
        core_apply(&c);
        for (int i = 0; i < 4; i++) {
                core_call_node(&c, "a", PM_SERVICE_UNAVAILABLE);
                core_call_node(&c, "a", PM_OK);
        }
        assert_string_equal(core_choose(&c), "b"); /* 5500 / 0.99 is less than 5000 / (23.8 / 28) */
        core_done(&c);
}

/* A discount is worked towards if the month has calls enough for it, and free quotas go first. */
static void test_cost_optimized_looks_ahead(void **state) {
        for (int busy = 0; busy < 2; busy++) {
                PriceTier *discount = calloc(2, sizeof(PriceTier)), *quota = calloc(2, sizeof(PriceTier));
                unsigned n[3] = {};
                Core c;

                discount[0] = (PriceTier) { 2000, 5000 };
                discount[1] = (PriceTier) { INT64_MAX, 2000 };
                quota[0] = (PriceTier) { 100, 0 };
                quota[1] = (PriceTier) { INT64_MAX, 9000 };
                core_init(&c, COST_OPTIMIZED, NULL, 3);
                core_service(&c)->nodes[0].price_tiers = discount;
                core_service(&c)->nodes[0].n_price_tiers = 2;
                core_service(&c)->nodes[1].price_tiers = quota;
                core_service(&c)->nodes[1].n_price_tiers = 2;
                core_service(&c)->nodes[2].cost_per_request = 4000;
                core_apply(&c);
                for (int i = 0; i < (busy ? 4000 : 150); i++, c.now += 10 * SEC) {
                        n[core_choose(&c)[0] - 'a']++;
                        core_report(&c, PM_OK, 50 * MS);
                }
                assert_int_equal(n[1], 100); /* the free ones, all of them */
                if (busy)
                        assert_true(n[0] > n[2]); /* 4 cents a call all month, or 5 for a while and then 2 */
                else
                        assert_int_equal(n[0], 0);
                core_done(&c);
        }
}

static void test_least_connections(void **state) {
        unsigned n[2] = {};
        Core c;

        core_init(&c, LEAST_CONNECTIONS, (uint32_t[]) { 3, 1 }, 2);
        for (int i = 0; i < 40; i++)
                n[core_choose(&c)[0] - 'a']++;
        assert_int_equal(n[0], 30);
        assert_int_equal(n[1], 10);
        core_done(&c);
}

static void test_least_response_time(void **state) {
        Core c;

        core_init(&c, LEAST_RESPONSE_TIME, (uint32_t[]) { 1, 1 }, 2);
        for (int i = 0; i < 10; i++) {
                RouteRequest q = core_request();

                q.exclude = (const char *[]) { i % 2 ? "a" : "b" };
                q.n_exclude = 1;
                assert_int_equal(router_route(c.router, &q, c.now, &c.d, &c.refusal), 0);
                core_report(&c, PM_OK, i % 2 ? 40 * MS : 100 * MS);
        }
        sequence(&c, "bbb");
        /* Two waiting at b make a the shorter one: 40 × 3 > 100 × 1. */
        assert_string_equal(core_choose(&c), "b");
        c.now += SEC;
        assert_string_equal(core_choose(&c), "b");
        c.now += SEC;
        assert_string_equal(core_choose(&c), "a");
        core_done(&c);
}

static void test_geographic_proximity(void **state) {
        RouteRequest q = core_request();
        Core c;

        core_init(&c, GEOGRAPHIC_PROXIMITY, (uint32_t[]) { 1, 1 }, 2);
        core_service(&c)->nodes[0].region = strdup("us-east");
        core_service(&c)->nodes[1].region = strdup("europe");
        core_apply(&c);
        q.latitude = 48.9; /* Paris */
        q.longitude = 2.4;
        assert_int_equal(router_route(c.router, &q, c.now, &c.d, &c.refusal), 0);
        assert_string_equal(c.d.node, "s/b");
        assert_string_equal(c.d.url, "https://eu.example");
        q.latitude = q.longitude = NAN;
        q.region = "us-east";
        assert_int_equal(router_route(c.router, &q, c.now, &c.d, &c.refusal), 0);
        assert_string_equal(c.d.node, "s/a");
        core_done(&c);
}

/* What nobody has asked lately has only the map to speak for it, and the map knows nothing of what comes on top everywhere. */
static void test_geographic_proximity_stays_with_the_nearest(void **state) {
        RouteRequest q = core_request();
        unsigned near = 0;
        Core c;

        q.latitude = 48.9;
        q.longitude = 2.4;
        core_init(&c, GEOGRAPHIC_PROXIMITY, NULL, 2);
        core_service(&c)->nodes[0].latitude = 48.9;
        core_service(&c)->nodes[0].longitude = 2.4;
        core_service(&c)->nodes[1].latitude = 50.1;
        core_service(&c)->nodes[1].longitude = 8.7;
        core_apply(&c);
        for (int i = 0; i < 1000; i++) {
                assert_int_equal(router_route(c.router, &q, c.now, &c.d, &c.refusal), 0);
                near += streq(c.d.node, "s/a");
                assert_int_equal(core_report(&c, PM_OK, streq(c.d.node, "s/a") ? 80 * MS : 90 * MS), 0);
                c.now += 100 * MS;
        }
        assert_in_range(near, 950, 1000);
        core_done(&c);
}

static void test_no_eligible_node_starves(void **state) {
        /* LEAST_CONNECTIONS promises one only to callers that overlap, see test_least_connections. */
        static const Strategy promise_a_share[] = { ROUND_ROBIN, WEIGHTED_ROUND_ROBIN, HEALTH_BASED };

        for (size_t i = 0; i < ELEMENTSOF(promise_a_share); i++) {
                unsigned n[5] = {};
                Core c;

                core_init(&c, promise_a_share[i], (uint32_t[]) { 1000, 100, 10, 1, 1 }, 5);
                for (int k = 0; k < 20000; k++) {
                        n[core_choose(&c)[0] - 'a']++;
                        core_report(&c, PM_OK, 50 * MS);
                        c.now += MS;
                }
                for (int k = 0; k < 5; k++)
                        assert_true(n[k] > 0);
                core_done(&c);
        }
}

static void test_every_strategy_lives_with_anything(void **state) {
        static const uint32_t counts[] = { 1, 2, 30 };

        for (int strategy = 0; strategy < _STRATEGY_MAX; strategy++)
                for (size_t k = 0; k < ELEMENTSOF(counts); k++) {
                        uint32_t weights[30] = {}; /* all zero */
                        Core c;

                        core_init(&c, (Strategy) strategy, weights, counts[k]);
                        for (size_t i = 0; i < counts[k]; i++)
                                core_service(&c)->nodes[i].cost_per_request = 0;
                        core_apply(&c);
                        for (int i = 0; i < 100; i++) { /* the clock stands still */
                                core_choose(&c);
                                assert_true(c.d.confidence >= 0 && c.d.confidence <= 1);
                                core_report(&c, (Verdict) (i % _PM_VERDICT_MAX), (uint64_t) (i % 3) * MS);
                        }
                        core_done(&c);
                }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_round_robin),
                cmocka_unit_test(test_smooth_weights),
                cmocka_unit_test(test_weights_follow_failures),
                cmocka_unit_test(test_health_based_shares),
                cmocka_unit_test(test_health_based_leaves_a_degraded_node_a_trickle),
                cmocka_unit_test(test_cost_optimized),
                cmocka_unit_test(test_cost_optimized_pays_for_success),
                cmocka_unit_test(test_cost_optimized_looks_ahead),
                cmocka_unit_test(test_least_connections),
                cmocka_unit_test(test_least_response_time),
                cmocka_unit_test(test_geographic_proximity),
                cmocka_unit_test(test_geographic_proximity_stays_with_the_nearest),
                cmocka_unit_test(test_no_eligible_node_starves),
                cmocka_unit_test(test_every_strategy_lives_with_anything),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
