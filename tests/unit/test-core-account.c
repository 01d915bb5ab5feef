/* SPDX-License-Identifier: Apache-2.0 */
/* Many nodes, one credential: each shares its fate, at once, and a report does not pay for all of them. */
#include "tests/unit/core.h"

enum { N = 1000 };

/* N nodes in ten services, and one node with a credential of its own. */
static void init(Core *c) {
        core_init(c, ROUND_ROBIN, NULL, 1);
        core_service(c)->nodes[0].credential = strdup("other");
        for (int i = 0; i < 10; i++) {
                char name[8];
                ServiceSettings *s;

                snprintf(name, sizeof(name), "s%d", i);
                core_add_service(c, name, ROUND_ROBIN, NULL, N / 10);
                s = &c->settings.services[i + 1];
                for (size_t k = 0; k < s->n_nodes; k++)
                        s->nodes[k].credential = strdup("key");
        }
        core_apply(c);
}

static int route(Core *c, const char *service) {
        RouteRequest q = core_request();

        q.service = service;
        return router_route(c->router, &q, c->now, &c->d, &c->refusal);
}

static void call(Core *c, const char *service, Verdict verdict, uint64_t retry_after_ns) {
        Outcome o = core_outcome(verdict, MS);

        o.scope = PM_SCOPE_ACCOUNT;
        o.retry_after_ns = retry_after_ns;
        assert_int_equal(route(c, service), 0);
        assert_int_equal(router_report(c->router, c->d.id, UID, false, &o, c->now, &c->settlement), 0);
}

/* Ticks at this very time until nothing is due; how many circuits opened. */
static unsigned tick_out(Core *c, unsigned *ret_most) {
        unsigned opened = 0, most = 0, ticks = 0;

        do {
                unsigned n = core_events(c, EVENT_CIRCUIT_CHANGED, NULL);

                opened += n;
                most = MAX(most, n);
                assert_in_range(++ticks, 1, N);
        } while (router_tick(c->router, c->now) <= c->now);
        if (ret_most)
                *ret_most = most;
        return opened + core_events(c, EVENT_CIRCUIT_CHANGED, NULL);
}

static void test_all_are_refused_at_once(void **state) {
        Core c;

        init(&c);
        call(&c, "s0", PM_AUTHENTICATION_FAILURE, 0);
        for (int i = 0; i < 10; i++) { /* no tick has come yet */
                char name[8];

                snprintf(name, sizeof(name), "s%d", i);
                assert_int_equal(route(&c, name), 0);
                assert_true(c.d.degraded);
        }
        assert_int_equal(route(&c, "s"), 0);
        assert_false(c.d.degraded);
        core_done(&c);
}

static void test_each_opens_once_and_no_tick_opens_many(void **state) {
        unsigned most;
        Core c;

        init(&c);
        router_set_event_mask(c.router, UINT32_MAX);
        call(&c, "s0", PM_AUTHENTICATION_FAILURE, 0);
        assert_int_equal(tick_out(&c, &most), N);
        assert_in_range(most, 1, 100);
        assert_int_equal(core_node(&c, "s9/n99").circuit, CIRCUIT_OPEN);
        assert_int_equal(core_node(&c, "s/a").circuit, CIRCUIT_CLOSED);
        assert_int_equal(tick_out(&c, NULL), 0);
        core_done(&c);
}

static void test_status_knows_before_a_tick(void **state) {
        Core c;

        init(&c);
        call(&c, "s0", PM_AUTHENTICATION_FAILURE, 0);
        assert_int_equal(core_node(&c, "s9/n99").circuit, CIRCUIT_OPEN);
        core_done(&c);
}

/* What a call says that was on its way before the refusal comes too late, heard or not. */
static void test_late_reports_do_not_count(void **state) {
        char id[DECISION_ID_MAX + 1];
        Outcome o = core_outcome(PM_AUTHENTICATION_FAILURE, MS);
        Core c;

        init(&c);
        router_set_event_mask(c.router, UINT32_MAX);
        assert_int_equal(route(&c, "s9"), 0);
        memcpy(id, c.d.id, sizeof(id));
        call(&c, "s0", PM_AUTHENTICATION_FAILURE, 0);
        assert_int_equal(router_report(c.router, id, UID, false, &o, c.now, &c.settlement), 0);
        assert_int_equal(tick_out(&c, NULL), N);
        core_done(&c);
}

static uint64_t probe_of(Core *c, const char *name) {
        for (;;) {
                uint64_t next = router_tick(c->router, c->now);
                Effect e;

                while (router_next_effect(c->router, &e))
                        if (e.type == EFFECT_PROBE_DUE && e.probe.node == router_find_node(c->router, name))
                                return e.probe.id;
                c->now = MAX(c->now, next);
        }
}

/* A probe that was on its way is no proof; a later one is, and its node is not told of the refusal once more. */
static void test_a_good_probe_closes_its_node(void **state) {
        Outcome o = core_outcome(PM_OK, MS);
        uint64_t probe;
        Verdict found;
        Core c;

        init(&c);
        router_set_probing(c.router, true, c.now);
        probe = probe_of(&c, "s9/n99");
        call(&c, "s0", PM_AUTHENTICATION_FAILURE, 0);
        assert_int_equal(router_probe_result(c.router, probe, &o, c.now, &found), 0);
        assert_int_equal(core_node(&c, "s9/n99").circuit, CIRCUIT_OPEN);
        c.now += 3 * SEC; /* past its open time; ticks are still to tell the others */
        probe = probe_of(&c, "s9/n99");
        assert_int_equal(router_probe_result(c.router, probe, &o, c.now, &found), 0);
        assert_int_equal(core_node(&c, "s9/n99").circuit, CIRCUIT_CLOSED);
        core_wait(&c, SEC);
        assert_int_equal(core_node(&c, "s9/n99").circuit, CIRCUIT_CLOSED);
        assert_int_equal(core_node(&c, "s9/n98").circuit, CIRCUIT_OPEN);
        core_done(&c);
}

static void test_a_wait_holds_for_all(void **state) {
        Core c;

        init(&c);
        call(&c, "s0", PM_RATE_LIMIT_EXCEEDED, 10 * SEC);
        assert_int_equal(route(&c, "s9"), 0);
        assert_true(c.d.degraded);
        assert_int_equal(c.d.retry_after_ns, 10 * SEC);
        assert_int_equal(core_node(&c, "s5/n50").cooldown_ns, 10 * SEC);
        assert_int_equal(core_node(&c, "s/a").cooldown_ns, 0);
        call(&c, "s1", PM_RATE_LIMIT_EXCEEDED, SEC); /* the later one wins */
        assert_int_equal(core_node(&c, "s5/n50").cooldown_ns, 10 * SEC);
        c.now += 10 * SEC;
        assert_int_equal(route(&c, "s9"), 0);
        assert_false(c.d.degraded);
        core_done(&c);
}

static void test_new_settings_keep_what_was_said(void **state) {
        Core c;

        init(&c);
        call(&c, "s0", PM_RATE_LIMIT_EXCEEDED, 10 * SEC);
        call(&c, "s0", PM_AUTHENTICATION_FAILURE, 0);
        free(c.settings.services[10].nodes[99].credential);
        c.settings.services[10].nodes[99].credential = strdup("new");
        core_apply(&c);
        assert_int_equal(core_node(&c, "s9/n98").circuit, CIRCUIT_OPEN);
        assert_int_equal(core_node(&c, "s9/n99").circuit, CIRCUIT_OPEN); /* a probe will tell */
        assert_int_equal(core_node(&c, "s9/n99").cooldown_ns, 10 * SEC);
        core_apply(&c);
        core_wait(&c, 20 * SEC);
        core_done(&c);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_all_are_refused_at_once),
                cmocka_unit_test(test_each_opens_once_and_no_tick_opens_many),
                cmocka_unit_test(test_status_knows_before_a_tick),
                cmocka_unit_test(test_late_reports_do_not_count),
                cmocka_unit_test(test_a_good_probe_closes_its_node),
                cmocka_unit_test(test_a_wait_holds_for_all),
                cmocka_unit_test(test_new_settings_keep_what_was_said),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
