/* SPDX-License-Identifier: Apache-2.0 */
/* The forecast: it learns from ramps, beats the base rate, keeps still in calm weather; and the strategies that use it.
 * */
#include "daemon/core/forecast.h"
#include "daemon/core/random.h"
#include "tests/unit/core.h"

typedef struct Weather {
        ForecastModel shared;
        Forecast node;
        Random random;
        uint64_t now;
        unsigned alarms, seconds; /* seconds with a forecast above a half */
} Weather;

/* So many seconds at ten calls a second; latency and errors go from the first to the second value. */
static void blow(Weather *w, unsigned seconds, double latency0, double latency1, double error0, double error1) {
        for (unsigned i = 0; i < 10 * seconds; i++) {
                double part = (double) i / (10 * seconds), p;
                ForecastCall c = {
                        .failed = random_unit(&w->random) < error0 + (error1 - error0) * part,
                        .latency_ns = (latency0 + (latency1 - latency0) * part) * (0.8 + 0.4 * random_unit(&w->random)),
                        .typical_ns = 50e6,
                        .in_flight = 2,
                };

                w->now += 100 * MS;
                forecast_call(&w->node, &w->shared, &c, w->now, w->now);
                p = forecast_probability(&w->node, w->now);
                if (i % 10 == 0) {
                        w->seconds++;
                        w->alarms += p > 0.5;
                }
        }
}

static Weather fair(uint64_t seed) {
        Weather w = { .now = 1000 * SEC };

        random_seed(&w.random, seed);
        forecast_model_init(&w.shared);
        forecast_init(&w.node, &w.shared);
        return w;
}

static void test_calm_is_not_trusted_nor_alarmed(void **state) {
        Weather w = fair(1);

        blow(&w, 3600, 50e6, 50e6, 0.01, 0.01);
        assert_int_equal(w.alarms, 0);
        assert_false(forecast_is_trusted(&w.node, &w.shared)); /* nothing ever failed, so nothing was shown */
}

static void test_it_learns_from_ramps(void **state) {
        unsigned foreseen = 0, ramps = 0;
        Weather w = fair(2);

        for (int i = 0; i < 12; i++) {
                blow(&w, 300, 50e6, 50e6, 0.01, 0.01);
                if (i >= 2) {
                        ramps++;
                        w.alarms = w.seconds = 0;
                }
                blow(&w, 30, 50e6, 400e6, 0.01, 0.25);
                if (i >= 2)
                        foreseen += w.alarms > 0;
                forecast_failed(&w.node, &w.shared, w.now);
                w.now += 60 * SEC;
        }
        assert_true(forecast_is_trusted(&w.node, &w.shared));
        assert_true(w.node.model.score.brier < w.node.model.score.brier_base);
        assert_true(foreseen * 10 >= ramps * 8);
        w.alarms = w.seconds = 0;
        blow(&w, 1200, 50e6, 50e6, 0.01, 0.01);
        assert_true(w.alarms * 100 <= w.seconds); /* at most 1 % of calm seconds */
}

static void test_noise_earns_no_trust(void **state) {
        Weather w = fair(3);

        for (int i = 0; i < 40; i++) { /* failures out of the blue */
                blow(&w, 60 + (unsigned) random_below(&w.random, 120), 50e6, 50e6, 0.02, 0.02);
                forecast_failed(&w.node, &w.shared, w.now);
        }
        blow(&w, 300, 50e6, 50e6, 0.02, 0.02);
        assert_true(isnan(forecast_probability(&w.node, w.now)) || w.alarms * 20 < w.seconds);
}

static void test_traffic_leaves_before_the_failure(void **state) {
        unsigned before = 0, after = 0, n = 0;
        Core c;

        core_init(&c, PREDICTIVE_ANALYTICS, NULL, 2);
        core_choose(&c);
        assert_non_null(strstr(c.d.cause, "no forecast has beaten its base rate"));
        core_report(&c, PM_OK, 50 * MS);
        for (int round = 0; round < 6; round++) {
                for (int i = 0; i < 3000; i++, c.now += 100 * MS) { /* calm */
                        core_choose(&c);
                        core_report(&c, PM_OK, 50 * MS);
                        before += round == 5 && i >= 2000 && streq(c.d.node, "s/a");
                }
                for (int i = 0; i < 250; i++, c.now += 100 * MS) { /* a slows down more and more */
                        core_choose(&c);
                        n += round == 5 && i >= 200;
                        after += round == 5 && i >= 200 && streq(c.d.node, "s/a");
                        core_report(&c, PM_OK, streq(c.d.node, "s/a") ? (50 + 3 * (uint64_t) i) * MS : 50 * MS);
                }
                for (int i = 0; i < 5; i++)
                        core_call_node(&c, "a", PM_SERVICE_UNAVAILABLE);
                core_wait(&c, 120 * SEC);
                for (int i = 0; i < 3; i++)
                        core_call_node(&c, "a", PM_OK);
        }
        assert_true(before > 300);         /* of a thousand */
        assert_true(after * 10 < n);       /* of fifty: nearly none */
        core_done(&c);
}

static void test_hybrid_leader_holds(void **state) {
        Core c;

        core_init(&c, HYBRID_OPTIMIZATION, NULL, 2);
        c.strategy = HYBRID_OPTIMIZATION; /* whatever scenario this is */
        core_service(&c)->nodes[0].cost_per_request = core_service(&c)->nodes[1].cost_per_request = CENT;
        core_apply(&c);
        for (int i = 0; i < 20; i++, c.now += 100 * MS)
                core_call_node(&c, i % 2 ? "a" : "b", PM_OK);
        const char leader = core_choose(&c)[0];
        core_report(&c, PM_OK, 50 * MS);
        for (int i = 0; i < 100; i++, c.now += 100 * MS) { /* a little better is not better */
                assert_int_equal(core_choose(&c)[0], leader);
                core_report(&c, PM_OK, 55 * MS);
        }
        unsigned i;
        for (i = 0; i < 300; i++, c.now += 100 * MS) { /* much slower: the other takes over after the hold time */
                bool stays = core_choose(&c)[0] == leader;

                core_report(&c, PM_OK, stays ? 500 * MS : 50 * MS);
                if (!stays)
                        break;
        }
        assert_in_range(i, 50, 60);
        core_done(&c);
}

/* The fallback of one failed call goes elsewhere, and takes no lead with it. */
static void test_hybrid_leader_outlives_a_fallback(void **state) {
        Outcome failed = core_outcome(PM_SERVICE_UNAVAILABLE, 50 * MS);
        CostAssessment cost;
        Core c;

        core_init(&c, HYBRID_OPTIMIZATION, NULL, 2);
        for (int i = 0; i < 100; i++, c.now += 100 * MS)
                core_call_node(&c, i % 2 ? "a" : "b", PM_OK);
        const char leader = core_choose(&c)[0];
        char id[DECISION_ID_MAX + 1];

        memcpy(id, c.d.id, sizeof(id));
        assert_int_equal(router_fallback(c.router, id, UID, false, &failed, MONEY_UNSET, false, c.now, &c.d,
                                         &c.settlement, &cost, &c.refusal), 0);
        assert_int_not_equal(strchr(c.d.node, '/')[1], leader);
        core_report(&c, PM_OK, 50 * MS);
        for (int i = 0; i < 50; i++, c.now += 10 * MS) {
                assert_int_equal(core_choose(&c)[0], leader);
                core_report(&c, PM_OK, 50 * MS);
        }
        core_done(&c);
}

/* Routes for so many seconds, ten times a second; the share of the node. */
static double share_over(Core *c, const char *node, unsigned seconds) {
        unsigned n = 0;

        for (unsigned i = 0; i < seconds * 10; i++) {
                n += streq(core_choose(c), node);
                core_report(c, PM_OK, 50 * MS);
                core_wait(c, 100 * MS);
        }
        return n / (seconds * 10.0);
}

static void test_hybrid_leader_comes_back_as_it_warms_up(void **state) {
        Core c;

        core_init(&c, HYBRID_OPTIMIZATION, NULL, 2);
        c.strategy = HYBRID_OPTIMIZATION;
        core_service(&c)->priority = PRIORITY_COST;
        core_service(&c)->nodes[1].cost_per_request = 3 * CENT;
        core_apply(&c);
        share_over(&c, "a", 10);
        assert_true(share_over(&c, "a", 10) > 0.95);

        for (int i = 0; i < 5; i++)
                core_call_node(&c, "a", PM_SERVICE_UNAVAILABLE);
        assert_int_equal(core_node(&c, "s/a").circuit, CIRCUIT_OPEN);
        while (core_node(&c, "s/a").circuit == CIRCUIT_OPEN)
                core_wait(&c, 100 * MS);
        while (core_node(&c, "s/a").circuit == CIRCUIT_HALF_OPEN)
                core_call_node(&c, "a", PM_OK);

        share_over(&c, "a", 10); /* its challenge has to last a while */
        double warming = share_over(&c, "a", 10);
        assert_true(warming > 0.3 && warming < 0.8);
        share_over(&c, "a", 10);
        assert_true(share_over(&c, "a", 10) > 0.95);
        core_done(&c);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_calm_is_not_trusted_nor_alarmed),
                cmocka_unit_test(test_it_learns_from_ramps),
                cmocka_unit_test(test_noise_earns_no_trust),
                cmocka_unit_test(test_traffic_leaves_before_the_failure),
                cmocka_unit_test(test_hybrid_leader_holds),
                cmocka_unit_test(test_hybrid_leader_outlives_a_fallback),
                cmocka_unit_test(test_hybrid_leader_comes_back_as_it_warms_up),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
