/* SPDX-License-Identifier: Apache-2.0 */
/* Money: reserve, settle, refund; caps that hold; alerts; policies when a limit is used up. */
#include "tests/unit/core.h"

static void report(Core *c, Outcome o) {
        assert_int_equal(router_report(c->router, c->d.id, UID, false, &o, c->now, &c->settlement), 0);
}

static void test_settle_and_refund(void **state) {
        Outcome o;
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 1);
        core_choose(&c);
        assert_int_equal(c.d.estimated_cost, CENT);
        assert_int_equal(core_status(&c).reserved, CENT);
        core_report(&c, PM_OK, MS);
        assert_int_equal(c.settlement.settled, CENT);
        core_choose(&c); /* a failed call costs as well */
        core_report(&c, PM_SERVICE_UNAVAILABLE, MS);
        assert_int_equal(c.settlement.settled, CENT);
        core_choose(&c); /* only what was never sent does not */
        core_report(&c, PM_NOT_SENT, 0);
        assert_int_equal(c.settlement.settled, 0);
        core_choose(&c); /* actual units */
        o = core_outcome(PM_OK, MS);
        o.units = 3 * UNITS_ONE;
        report(&c, o);
        assert_int_equal(c.settlement.settled, 3 * CENT);
        core_choose(&c); /* actual cost wins */
        o.cost = 7;
        report(&c, o);
        assert_int_equal(c.settlement.settled, 7);
        core_choose(&c);
        o.cost = -5; /* nobody is paid for a call */
        report(&c, o);
        assert_int_equal(c.settlement.settled, 0);
        core_choose(&c);
        core_wait(&c, 31 * SEC); /* never reported: spent */
        assert_int_equal(core_counters(&c).leases_expired, 1);
        assert_int_equal(core_report(&c, PM_OK, MS), ROUTE_NO_SUCH_DECISION);
        assert_int_equal(core_status(&c).spend_hour, 2 * CENT + 3 * CENT + 7 + CENT);
        assert_int_equal(core_status(&c).reserved, 0);
        assert_int_equal(core_node(&c, "s/a").spend_hour, core_status(&c).spend_hour);
        assert_int_equal(core_node(&c, "s/a").verdicts[PM_UNKNOWN], 1);
        core_assert_money(&c);
        core_done(&c);
}

/* Ten thousand calls in flight on a budget for 4321 of them. */
static void test_cap_holds_with_many_in_flight(void **state) {
        static char ids[10000][DECISION_ID_MAX + 1];
        unsigned n = 0, refused = 0;
        Core c;

        core_init(&c, LEAST_CONNECTIONS, (uint32_t[]) { 5, 3, 1 }, 3);
        core_service(&c)->max_cost_per_hour = 4321 * CENT + CENT / 2;
        core_service(&c)->nodes[1].cost_per_request = CENT / 7;
        core_apply(&c);
        for (int i = 0; i < 10000; i++)
                if (core_route(&c) == 0)
                        memcpy(ids[n++], c.d.id, sizeof(ids[0]));
                else
                        refused++;
        assert_true(core_status(&c).reserved <= core_service(&c)->max_cost_per_hour);
        assert_true(core_service(&c)->max_cost_per_hour - core_status(&c).reserved < CENT / 7);
        assert_true(refused > 0);
        assert_string_equal(c.refusal.limit, "maxCostPerHour");
        assert_int_equal(c.refusal.retry_after_ns, 2800 * SEC); /* at the full hour */
        for (unsigned i = 0; i < n; i++) {
                memcpy(c.d.id, ids[i], sizeof(ids[0]));
                assert_int_equal(core_report(&c, i % 3 ? PM_OK : PM_CLIENT_ERROR, MS), 0);
        }
        assert_true(core_status(&c).spend_hour <= core_service(&c)->max_cost_per_hour);
        assert_int_equal(core_status(&c).budget_state, BUDGET_EXHAUSTED);
        core_assert_money(&c);
        core_wait(&c, 2800 * SEC);
        assert_int_equal(core_route(&c), 0);
        assert_int_equal(core_status(&c).spend_hour, 0);
        assert_int_equal(core_status(&c).budget_state, BUDGET_OK);
        core_done(&c);
}

static void test_alerts_come_once(void **state) {
        Event e = {};
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 1);
        core_service(&c)->max_cost_per_hour = 100 * CENT;
        core_apply(&c);
        for (int i = 0; i < 79; i++)
                core_call(&c, PM_OK);
        assert_int_equal(core_events(&c, EVENT_COST_ALERT, NULL), 0);
        core_call(&c, PM_OK);
        assert_int_equal(core_events(&c, EVENT_COST_ALERT, &e), 1);
        assert_int_equal(e.severity, SEVERITY_MEDIUM);
        assert_int_equal(e.cost, 80 * CENT);
        assert_int_equal(e.limit, 100 * CENT);
        for (int i = 0; i < 20; i++)
                core_call(&c, PM_OK);
        assert_int_equal(core_events(&c, EVENT_COST_ALERT, &e), 2); /* 95 and 100 % */
        assert_int_equal(e.severity, SEVERITY_CRITICAL);
        for (int i = 0; i < 5; i++)
                assert_int_equal(core_route(&c), ROUTE_BUDGET_EXHAUSTED);
        assert_int_equal(core_events(&c, EVENT_COST_ALERT, NULL), 0);
        core_wait(&c, NSEC_PER_HOUR);
        for (int i = 0; i < 80; i++)
                core_call(&c, PM_OK);
        assert_int_equal(core_events(&c, EVENT_COST_ALERT, NULL), 1); /* a new hour */
        core_done(&c);
}

static void test_allocation(void **state) {
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 1);
        core_service(&c)->max_cost_per_hour = 10 * CENT;
        core_service(&c)->total_budget = 15 * CENT;
        core_service(&c)->budget_period = PERIOD_DAILY;
        core_apply(&c);
        for (int i = 0; i < 10; i++)
                core_call(&c, PM_OK);
        assert_int_equal(core_route(&c), ROUTE_BUDGET_EXHAUSTED);
        assert_string_equal(c.refusal.limit, "maxCostPerHour");
        core_wait(&c, 2800 * SEC);
        for (int i = 0; i < 5; i++)
                core_call(&c, PM_OK);
        assert_int_equal(core_route(&c), ROUTE_BUDGET_EXHAUSTED);
        assert_string_equal(c.refusal.limit, "totalBudget");
        assert_int_equal(c.refusal.retry_after_ns, NSEC_PER_HOUR); /* at midnight */
        assert_int_equal(core_status(&c).spend_period, 15 * CENT);
        core_done(&c);
}

static void test_emergency(void **state) {
        Event e = {};
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 1);
        core_service(&c)->max_cost_per_hour = 10 * CENT;
        core_service(&c)->on_exhausted = EXHAUSTED_EMERGENCY;
        core_apply(&c);
        for (int i = 0; i < 10; i++)
                core_call(&c, PM_OK);
        core_events(&c, EVENT_COST_ALERT, NULL);
        core_call(&c, PM_OK);
        assert_true(core_events(&c, EVENT_COST_ALERT, &e) >= 1);
        assert_non_null(strstr(e.message, "emergency"));
        assert_int_equal(core_status(&c).budget_state, BUDGET_EMERGENCY);
        assert_int_equal(c.d.cost_tier, TIER_EMERGENCY);
        for (int i = 0; i < 19; i++)
                core_call(&c, PM_OK);
        assert_int_equal(core_route(&c), ROUTE_BUDGET_EXHAUSTED); /* three times and no more */
        assert_string_equal(c.refusal.limit, "emergency");
        assert_int_equal(core_status(&c).spend_hour, 30 * CENT);
        core_done(&c);
}

static void test_cheapest(void **state) {
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 2);
        core_service(&c)->max_cost_per_hour = 100 * CENT;
        core_service(&c)->on_exhausted = EXHAUSTED_CHEAPEST;
        core_service(&c)->nodes[1].cost_per_request = CENT / 10;
        core_apply(&c);
        while (core_status(&c).spend_hour < 95 * CENT)
                core_call(&c, PM_OK);
        for (int i = 0; i < 10; i++)
                assert_string_equal(core_choose(&c), "b");
        core_done(&c);
}

static void test_prices_that_are_too_high(void **state) {
        RouteRequest q = core_request();
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 2);
        core_service(&c)->nodes[1].cost_per_request = 12 * CENT;
        core_service(&c)->tier_price[TIER_EMERGENCY] = 10 * CENT;
        core_apply(&c);
        for (int i = 0; i < 4; i++)
                assert_string_equal(core_choose(&c), "a"); /* no single call above the emergency tier */
        q.max_cost = CENT - 1;
        assert_int_equal(router_route(c.router, &q, c.now, &c.d, &c.refusal), ROUTE_NO_USABLE_NODE);
        assert_non_null(strstr(c.refusal.reason, "2 over maxCost"));
        q.max_cost = CENT;
        assert_int_equal(router_route(c.router, &q, c.now, &c.d, &c.refusal), 0);
        core_done(&c);
}

static void test_an_open_node_over_budget(void **state) {
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 2);
        core_service(&c)->max_cost_per_hour = 10 * CENT;
        core_apply(&c);
        for (int i = 0; i < 10; i++)
                core_call_node(&c, i % 2 ? "a" : "b", PM_SERVICE_UNAVAILABLE);
        assert_int_equal(core_node(&c, "s/a").circuit, CIRCUIT_OPEN);
        assert_int_equal(core_node(&c, "s/b").circuit, CIRCUIT_OPEN);
        assert_int_equal(core_route(&c), ROUTE_BUDGET_EXHAUSTED); /* the last node is kept, but not beyond the budget */
        assert_string_equal(c.refusal.limit, "maxCostPerHour");
        core_done(&c);
}

static void test_free_quota_counts_calls_in_flight(void **state) {
        RouteRequest q = core_request();
        Money promised = 0;
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 1);
        core_service(&c)->nodes[0].cost_per_request = MONEY_UNSET;
        core_apply(&c);
        q.operation = "geocode"; /* ten are free, then 5000 */
        for (int i = 0; i < 12; i++) {
                assert_int_equal(router_route(c.router, &q, c.now, &c.d, &c.refusal), 0);
                promised += c.d.estimated_cost;
        }
        assert_int_equal(promised, 2 * 5000);
        core_report(&c, PM_NOT_SENT, 0); /* gives its unit back */
        assert_int_equal(router_route(c.router, &q, c.now, &c.d, &c.refusal), 0);
        assert_int_equal(c.d.estimated_cost, 5000);
        core_wait(&c, 40 * 24 * NSEC_PER_HOUR); /* a new month */
        assert_int_equal(router_route(c.router, &q, c.now, &c.d, &c.refusal), 0);
        assert_int_equal(c.d.estimated_cost, 0);
        core_assert_money(&c);
        core_done(&c);
}

/* What the first n units of a month cost with 3000 free, then $0.0010 up to 100,000, then $0.0007. */
static Money tiered(int64_t n) {
        return MAX(MIN(n, INT64_C(100000)) - 3000, INT64_C(0)) * 1000 + MAX(n - 100000, INT64_C(0)) * 700;
}

static void test_a_free_quota_and_then_the_tiers(void **state) {
        static PriceTier tiers[] = { { 3000, 0 }, { 100000, 1000 }, { INT64_MAX, 700 } };
        RouteRequest q = core_request();
        NodeSettings *n;
        int64_t used = 0;
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 1);
        n = &core_service(&c)->nodes[0];
        n->price_tiers = malloc(sizeof(tiers));
        assert_non_null(n->price_tiers);
        memcpy(n->price_tiers, tiers, sizeof(tiers));
        n->n_price_tiers = ELEMENTSOF(tiers);
        core_apply(&c);
        for (int64_t units = 1; used < 150000; used += units, units = units % 997 + 1) {
                q.units = units * UNITS_ONE;
                assert_int_equal(router_route(c.router, &q, c.now, &c.d, &c.refusal), 0);
                assert_int_equal(c.d.estimated_cost, tiered(used + units) - tiered(used));
                core_report(&c, PM_OK, MS);
                assert_int_equal(c.settlement.settled, c.d.estimated_cost);
                core_assert_money(&c);
        }
        assert_int_equal(core_node(&c, "s/a").spend_hour, tiered(used));
        core_done(&c);
}

/* A reload that changes what operations there are, as options of the generic provider may, gives no free units anew. */
static void test_a_quota_is_not_renewed_by_a_reload(void **state) {
        struct pm_operation operations[] = { test_provider.operations[1], test_provider.operations[0], {}, {} };
        struct pm_provider changed = test_provider, other = test_provider;
        RouteRequest q = core_request();
        Core c;

        operations[2] = (struct pm_operation) { .name = "new", .method = "GET", .path = "/", .unit = "request", .price = 7, .free_units = 1 };
        changed.operations = operations;
        core_init(&c, ROUND_ROBIN, NULL, 1);
        core_service(&c)->nodes[0].cost_per_request = MONEY_UNSET;
        core_apply(&c);
        q.operation = "geocode"; /* ten are free, then 5000 */
        for (int i = 0; i < 12; i++) {
                if (i == 6) {
                        core_service(&c)->nodes[0].provider = &changed;
                        core_apply(&c);
                }
                assert_int_equal(router_route(c.router, &q, c.now, &c.d, &c.refusal), 0);
                assert_int_equal(c.d.estimated_cost, i < 10 ? 0 : 5000);
                core_report(&c, PM_OK, MS);
        }
        q.operation = "new";
        for (int i = 0; i < 2; i++) {
                assert_int_equal(router_route(c.router, &q, c.now, &c.d, &c.refusal), 0);
                assert_int_equal(c.d.estimated_cost, i == 0 ? 0 : 7);
                core_report(&c, PM_OK, MS);
        }
        /* Another vendor counts for itself. */
        other.name = "other";
        core_service(&c)->nodes[0].provider = &other;
        core_apply(&c);
        q.operation = "geocode";
        assert_int_equal(router_route(c.router, &q, c.now, &c.d, &c.refusal), 0);
        assert_int_equal(c.d.estimated_cost, 0);
        core_done(&c);
}

/* A call that was decided before a reload is settled as the operation that it was, wherever that stands now. */
static void test_a_reload_mixes_no_operations_up(void **state) {
        struct pm_operation operations[] = { test_provider.operations[1], test_provider.operations[0], {} };
        struct pm_provider reordered = test_provider, without = test_provider, other = test_provider;
        RouteRequest q = core_request();
        Outcome o = core_outcome(PM_OK, MS);
        LeaseView view;
        Core c;

        reordered.operations = operations;
        without.operations = operations + 1; /* geocode alone */
        other.name = "other";
        core_init(&c, ROUND_ROBIN, NULL, 1);
        core_service(&c)->nodes[0].cost_per_request = MONEY_UNSET;
        core_apply(&c);
        q.operation = "pay"; /* 29000 each */

        const struct {
                const struct pm_provider *before, *after;
                const char *expected; /* the operation afterwards, or NULL */
        } cases[] = {
                { &test_provider, &reordered, "pay" },
                { &reordered, &test_provider, "pay" },
                { &test_provider, &without, NULL },
                { &test_provider, &other, NULL },
                { &test_provider, NULL, NULL },
        };
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                for (int more = 0; more < 2; more++) {
                        core_service(&c)->nodes[0].provider = cases[i].before;
                        core_apply(&c);
                        assert_int_equal(router_route(c.router, &q, c.now, &c.d, &c.refusal), 0);
                        assert_int_equal(c.d.estimated_cost, 29000);
                        core_service(&c)->nodes[0].provider = cases[i].after;
                        core_apply(&c);
                        assert_int_equal(router_lease(c.router, c.d.id, UID, false, &view), 0);
                        if (cases[i].expected)
                                assert_string_equal(view.operation->name, cases[i].expected);
                        else
                                assert_null(view.operation);
                        /* Three times what was promised, or as much. */
                        o.units = more ? 3 * UNITS_ONE : -1;
                        report(&c, o);
                        assert_int_equal(c.settlement.settled, more ? 3 * 29000 : 29000);
                        core_assert_money(&c);
                }
        core_done(&c);
}

static void test_nothing_wraps(void **state) {
        RouteRequest q = core_request();
        Outcome o = core_outcome(PM_OK, MS);
        Core c;

        core_init(&c, COST_OPTIMIZED, NULL, 2);
        core_service(&c)->nodes[0].cost_per_request = core_service(&c)->nodes[1].cost_per_request = MONEY_MAX;
        core_apply(&c);
        q.units = INT64_MAX;
        o.cost = INT64_MAX;
        for (int i = 0; i < 20000; i++) {
                assert_int_equal(router_route(c.router, &q, c.now, &c.d, &c.refusal), 0);
                assert_true(c.d.estimated_cost >= 0);
                report(&c, o);
        }
        assert_int_equal(core_status(&c).spend_hour, INT64_MAX);
        q.units = INT64_MIN;
        assert_int_equal(router_route(c.router, &q, c.now, &c.d, &c.refusal), 0);
        assert_int_equal(c.d.estimated_cost, 0);
        core_done(&c);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_settle_and_refund),
                cmocka_unit_test(test_cap_holds_with_many_in_flight),
                cmocka_unit_test(test_alerts_come_once),
                cmocka_unit_test(test_allocation),
                cmocka_unit_test(test_emergency),
                cmocka_unit_test(test_cheapest),
                cmocka_unit_test(test_prices_that_are_too_high),
                cmocka_unit_test(test_an_open_node_over_budget),
                cmocka_unit_test(test_free_quota_counts_calls_in_flight),
                cmocka_unit_test(test_a_free_quota_and_then_the_tiers),
                cmocka_unit_test(test_a_quota_is_not_renewed_by_a_reload),
                cmocka_unit_test(test_a_reload_mixes_no_operations_up),
                cmocka_unit_test(test_nothing_wraps),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
