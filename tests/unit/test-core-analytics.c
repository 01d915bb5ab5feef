/* SPDX-License-Identifier: Apache-2.0 */
/* Points over time, savings, recommendations. */
#include "tests/unit/core.h"

static void test_points(void **state) {
        AnalyticsPoint minutes[60], hours[168], one[60];
        uint64_t calls = 0;
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 2);
        for (int i = 0; i < 1800; i++, c.now += SEC) /* half an hour */
                core_call(&c, i % 100 ? PM_OK : PM_CLIENT_ERROR);
        assert_int_equal(service_analytics(c.router, router_service(c.router, 0), false, c.now, 60, minutes), 60);
        for (int i = 0; i < 60; i++) {
                assert_int_equal(minutes[i].length_ns, NSEC_PER_MINUTE);
                if (i > 0)
                        assert_int_equal(minutes[i].start_utc_ns - minutes[i - 1].start_utc_ns, NSEC_PER_MINUTE);
                calls += minutes[i].calls;
        }
        assert_int_equal(calls, 1800);
        assert_int_equal(minutes[58].calls, 60);
        assert_int_equal(minutes[58].cost, 60 * CENT);
        assert_int_equal(minutes[58].decisions, 60);
        assert_true(fabs(minutes[58].latency_mean_ns / 50e6 - 1) < 0.01);
        assert_in_range(minutes[58].latency_p95_ns, 48 * MS, 52 * MS);
        assert_int_equal(node_analytics(c.router, router_find_node(c.router, "s/a"), false, c.now, 5, one), 5);
        assert_int_equal(one[3].calls, 30);

        core_wait(&c, 3 * NSEC_PER_HOUR);
        assert_int_equal(service_analytics(c.router, router_service(c.router, 0), true, c.now, 168, hours), 168);
        assert_int_equal(hours[164].calls + hours[165].calls, 1800);
        assert_int_equal(service_analytics(c.router, router_service(c.router, 0), false, c.now, 60, minutes), 60);
        for (int i = 0; i < 60; i++)
                assert_int_equal(minutes[i].calls, 0);
        core_wait(&c, 200 * NSEC_PER_HOUR);
        service_analytics(c.router, router_service(c.router, 0), true, c.now, 168, hours);
        for (int i = 0; i < 168; i++)
                assert_int_equal(hours[i].calls, 0);
        core_done(&c);
}

static void test_savings_and_totals(void **state) {
        ServiceTotals t;
        Core c;

        core_init(&c, COST_OPTIMIZED, (uint32_t[]) { 60, 40 }, 2);
        core_service(&c)->nodes[1].cost_per_request = 2 * CENT; /* by weight a call would cost 1.4 cents */
        core_apply(&c);
        for (int i = 0; i < 100; i++, c.now += 100 * MS)
                core_call(&c, PM_OK);
        service_totals(c.router, router_service(c.router, 0), c.now, &t);
        assert_int_equal(t.savings, 100 * (4 * CENT / 10));
        assert_int_equal(t.decisions[COST_OPTIMIZED], 100);
        assert_int_equal(t.openings, 0);
        core_done(&c);
}

static void test_recommendations(void **state) {
        Recommendation r[8];
        Core c;
        size_t n;

        core_init(&c, ROUND_ROBIN, NULL, 2);
        core_service(&c)->nodes[1].cost_per_request = 3 * CENT;
        core_apply(&c);
        assert_int_equal(service_recommendations(c.router, router_service(c.router, 0), c.now, r, 8), 0);
        for (int i = 0; i < 1000; i++, c.now += SEC)
                core_call(&c, PM_OK);
        n = service_recommendations(c.router, router_service(c.router, 0), c.now, r, 8);
        assert_int_equal(n, 1);
        assert_string_equal(r[0].node, "s/a");
        assert_int_equal(r[0].saving_per_hour, 500 * 2 * CENT);
        assert_non_null(strstr(r[0].text, "COST_OPTIMIZED"));
        core_done(&c);

        core_init(&c, ROUND_ROBIN, NULL, 2);
        core_service(&c)->max_cost_per_hour = 800 * CENT;
        core_service(&c)->failover_threshold = 0.2;
        core_apply(&c);
        c.strategy = ROUND_ROBIN;
        for (int i = 0; i < 900; i++, c.now += SEC)
                if (core_route(&c) == 0)
                        core_report(&c, streq(c.d.node, "s/b") && i % 10 < 2 ? PM_SERVICE_UNAVAILABLE : PM_OK, 50 * MS);
        n = service_recommendations(c.router, router_service(c.router, 0), c.now, r, 8);
        assert_int_equal(n, 2);
        assert_non_null(strstr(r[0].text, "maxCostPerHour"));
        assert_string_equal(r[1].node, "s/b");
        assert_non_null(strstr(r[1].text, "Lower the weight"));
        core_done(&c);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_points),
                cmocka_unit_test(test_savings_and_totals),
                cmocka_unit_test(test_recommendations),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
