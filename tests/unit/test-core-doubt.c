/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes in doubt: they fail, or do not answer, and the circuit does not know yet. */
#include "tests/unit/core.h"

/* How many of so many decisions, so far apart, the node gets; none of them is reported. */
static unsigned share(Core *c, const char *id, int n, uint64_t apart_ns) {
        unsigned got = 0;

        for (int i = 0; i < n; i++) {
                core_wait(c, apart_ns);
                got += streq(core_choose(c), id);
        }
        return got;
}

static void warm_up(Core *c) {
        for (int i = 0; i < 20; i++)
                core_call(c, PM_OK); /* 50 ms each */
}

static void b_is_asked_and_answers(Core *c) {
        assert_string_equal(core_choose(c), "b");
        assert_int_equal(core_report(c, PM_OK, 50 * MS), 0);
}

static void test_two_failures_hold_the_rest_back(void **state) {
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 2);
        warm_up(&c);
        core_call_node(&c, "a", PM_SERVICE_UNAVAILABLE);
        for (int i = 0; i < 10; i++) /* one is nothing */
                core_call(&c, PM_OK);
        core_call_node(&c, "a", PM_SERVICE_UNAVAILABLE);
        core_call_node(&c, "a", PM_SERVICE_UNAVAILABLE);
        for (int i = 0; i < 20; i++)
                b_is_asked_and_answers(&c);
        core_wait(&c, 499 * MS);
        b_is_asked_and_answers(&c);
        core_wait(&c, 2 * MS); /* one call in half a second is to find out */
        for (int i = 0; !streq(core_choose(&c), "a"); i++) {
                core_report(&c, PM_OK, 50 * MS);
                assert_true(i < 2);
        }
        b_is_asked_and_answers(&c);
        b_is_asked_and_answers(&c);
        core_call_node(&c, "a", PM_OK);
        assert_int_equal(share(&c, "a", 10, 0), 5);
        core_done(&c);
}

static void test_silence_holds_the_rest_back(void **state) {
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 3);
        warm_up(&c);
        /* b and c answer; a hangs from now on. */
        for (int i = 0; i < 60; i++) {
                core_wait(&c, 20 * MS);
                if (!streq(core_choose(&c), "a"))
                        assert_int_equal(core_report(&c, PM_OK, 50 * MS), 0);
        }
        unsigned got = 0;
        for (int i = 0; i < 200; i++) { /* four seconds: a call after one, two, four times as long */
                core_wait(&c, 20 * MS);
                if (streq(core_choose(&c), "a"))
                        got++;
                else
                        assert_int_equal(core_report(&c, PM_OK, 50 * MS), 0);
        }
        assert_in_range(got, 1, 3);
        assert_int_equal(core_node(&c, "s/a").circuit, CIRCUIT_CLOSED);

        core_wait(&c, 10 * SEC);
        while (!streq(core_choose(&c), "a"))
                core_report(&c, PM_OK, 50 * MS);
        core_report(&c, PM_OK, 50 * MS); /* there it is again */
        assert_in_range(share(&c, "a", 9, 0), 2, 4);
        core_done(&c);
}

/* Calls that nobody reports soon are no reason to leave a service without nodes, or to change anything where all are
 * alike. */
static void test_the_last_one_is_asked_all_the_same(void **state) {
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 1);
        assert_int_equal(share(&c, "a", 50, 100 * MS), 50);
        core_done(&c);

        core_init(&c, ROUND_ROBIN, NULL, 2);
        core_call_node(&c, "b", PM_SERVICE_UNAVAILABLE);
        core_call_node(&c, "b", PM_SERVICE_UNAVAILABLE);
        core_call_node(&c, "a", PM_SERVICE_UNAVAILABLE);
        core_call_node(&c, "a", PM_SERVICE_UNAVAILABLE);
        assert_in_range(share(&c, "a", 20, 10 * MS), 8, 12);
        core_done(&c);
}

static unsigned probes_due(Core *c) {
        unsigned n = 0;
        Effect e;

        router_tick(c->router, c->now);
        while (router_next_effect(c->router, &e))
                n += e.type == EFFECT_PROBE_DUE;
        return n;
}

static void test_doubt_asks_for_a_probe(void **state) {
        Outcome good = core_outcome(PM_OK, MS);
        uint64_t probe = 0;
        Verdict verdict;
        Effect e;
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 2);
        core_service(&c)->health_check_interval_ns = 3600 * SEC;
        core_apply(&c);
        router_set_probing(c.router, true, c.now);
        warm_up(&c);
        assert_int_equal(probes_due(&c), 0);
        core_call_node(&c, "a", PM_SERVICE_UNAVAILABLE);
        assert_int_equal(probes_due(&c), 0);
        core_call_node(&c, "a", PM_SERVICE_UNAVAILABLE);
        router_tick(c.router, c.now);
        while (router_next_effect(c.router, &e))
                if (e.type == EFFECT_PROBE_DUE)
                        probe = e.probe.id;
        assert_true(probe > 0);
        core_call_node(&c, "a", PM_SERVICE_UNAVAILABLE); /* one is under way */
        assert_int_equal(probes_due(&c), 0);
        assert_int_equal(router_probe_result(c.router, probe, &good, c.now, &verdict), 0);
        core_call_node(&c, "a", PM_SERVICE_UNAVAILABLE); /* and one a second is enough */
        assert_int_equal(probes_due(&c), 0);
        /* The status page does not make up for the calls: the fifth failure opens. */
        core_call_node(&c, "a", PM_SERVICE_UNAVAILABLE);
        assert_int_equal(core_node(&c, "s/a").circuit, CIRCUIT_OPEN);
        core_done(&c);
}

/* Where somebody probes, a half-open node gets a probe before it gets a call that could fail; but not for ever. */
static void test_a_probe_goes_first(void **state) {
        RouteRequest q = core_request();
        Core c;

        q.idempotent = 1;
        core_init(&c, ROUND_ROBIN, NULL, 2);
        router_set_probing(c.router, true, c.now);
        for (int i = 0; i < 5; i++)
                core_call_node(&c, "a", PM_SERVICE_UNAVAILABLE);
        core_wait(&c, 1200 * MS);
        assert_int_equal(core_node(&c, "s/a").circuit, CIRCUIT_HALF_OPEN);
        for (int i = 0; i < 50; i++) {
                assert_int_equal(router_route(c.router, &q, c.now, &c.d, &c.refusal), 0);
                assert_string_equal(c.d.node, "s/b");
        }
        core_wait(&c, 5 * SEC); /* the prober is there and does nothing */
        for (int i = 0; !streq(c.d.node, "s/a"); i++) {
                assert_int_equal(router_route(c.router, &q, c.now, &c.d, &c.refusal), 0);
                assert_true(i < 100);
        }
        core_done(&c);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_two_failures_hold_the_rest_back),
                cmocka_unit_test(test_silence_holds_the_rest_back),
                cmocka_unit_test(test_the_last_one_is_asked_all_the_same),
                cmocka_unit_test(test_doubt_asks_for_a_probe),
                cmocka_unit_test(test_a_probe_goes_first),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
