/* SPDX-License-Identifier: Apache-2.0 */
/* Circuits in the router: what opens them, who may try them, what closes them, and that the last node is kept. */
#include "tests/unit/core.h"

#define ASSERT_CIRCUIT(c, name, expected) assert_int_equal(core_node(c, name).circuit, expected)

static void fail_node(Core *c, const char *id, int times) {
        for (int i = 0; i < times; i++)
                core_call_node(c, id, PM_SERVICE_UNAVAILABLE);
}

/* Decides until a trial is given to the node; reports others as ok. */
static void trial(Core *c, const char *id) {
        for (int i = 0; i < 200; i++) {
                RouteRequest q = core_request();

                q.idempotent = 1;
                assert_int_equal(router_route(c->router, &q, c->now, &c->d, &c->refusal), 0);
                if (streq(strchr(c->d.node, '/') + 1, id))
                        return;
                core_report(c, PM_OK, 50 * MS);
        }
        fail_msg("no trial for %s", id);
}

static void test_run_opens(void **state) {
        Core c;
        Event e = {};

        core_init(&c, ROUND_ROBIN, NULL, 2);
        fail_node(&c, "a", 4);
        core_call_node(&c, "a", PM_OK);
        fail_node(&c, "a", 4);
        ASSERT_CIRCUIT(&c, "s/a", CIRCUIT_CLOSED);
        core_call_node(&c, "a", PM_CLIENT_ERROR); /* neither good nor bad */
        core_call_node(&c, "a", PM_RATE_LIMIT_EXCEEDED); /* not for the run */
        core_done(&c);

        core_init(&c, ROUND_ROBIN, NULL, 2);
        fail_node(&c, "a", 5);
        ASSERT_CIRCUIT(&c, "s/a", CIRCUIT_OPEN);
        assert_int_equal(core_events(&c, EVENT_CIRCUIT_CHANGED, &e), 1);
        assert_string_equal(e.from, "closed");
        assert_string_equal(e.to, "open");
        assert_string_equal(e.node, "s/a");
        assert_non_null(strstr(e.message,
                               "s/a: circuit opened after 5 consecutive failures (service_unavailable); next try in "));
        for (int i = 0; i < 10; i++)
                assert_string_equal(core_choose(&c), "b");
        core_done(&c);
}

static void test_ratio_opens(void **state) {
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 2);
        core_service(&c)->failover_threshold = 0.05;
        core_apply(&c);
        for (int i = 0; i < 20; i++)
                core_call_node(&c, "a", i == 10 ? PM_NETWORK_ISSUE : PM_OK);
        ASSERT_CIRCUIT(&c, "s/a", CIRCUIT_CLOSED);
        for (int i = 0; i < 12; i++)
                if (core_node(&c, "s/a").circuit == CIRCUIT_CLOSED)
                        core_call_node(&c, "a", i % 2 ? PM_NETWORK_ISSUE : PM_OK);
        ASSERT_CIRCUIT(&c, "s/a", CIRCUIT_OPEN);
        core_done(&c);
}

static void test_slowness_opens(void **state) {
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 2);
        core_service(&c)->nodes[0].latency_limit_ns = 40 * MS;
        core_apply(&c);
        for (int i = 0; i < 11 && core_node(&c, "s/a").circuit == CIRCUIT_CLOSED; i++)
                core_call_node(&c, "a", PM_OK); /* 50 ms each */
        assert_int_equal(c.settlement.verdict, PM_PERFORMANCE_DEGRADATION);
        ASSERT_CIRCUIT(&c, "s/a", CIRCUIT_OPEN);
        assert_int_equal(core_node(&c, "s/a").failures, 0);
        core_done(&c);
}

static void test_half_open_permits(void **state) {
        char id[3][DECISION_ID_MAX + 1];
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 2);
        fail_node(&c, "a", 5);
        core_wait(&c, 2 * SEC);
        ASSERT_CIRCUIT(&c, "s/a", CIRCUIT_HALF_OPEN);
        for (int i = 0; i < 3; i++) {
                trial(&c, "a");
                memcpy(id[i], c.d.id, sizeof(id[i]));
                assert_int_equal(c.d.n_fallbacks, 1); /* where to go if it fails */
        }
        for (int i = 0; i < 200; i++)
                assert_string_equal(core_choose(&c), "b"); /* three at a time */
        /* A client error gives its permit back and says nothing. */
        memcpy(c.d.id, id[0], sizeof(id[0]));
        core_report(&c, PM_CLIENT_ERROR, MS);
        ASSERT_CIRCUIT(&c, "s/a", CIRCUIT_HALF_OPEN);
        trial(&c, "a");
        core_report(&c, PM_OK, MS);
        for (int i = 1; i < 3; i++) {
                memcpy(c.d.id, id[i], sizeof(id[i]));
                core_report(&c, PM_OK, MS);
        }
        ASSERT_CIRCUIT(&c, "s/a", CIRCUIT_CLOSED);
        core_done(&c);
}

static void test_failed_trial_opens_for_longer(void **state) {
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 2);
        fail_node(&c, "a", 5);
        core_wait(&c, 1200 * MS);
        trial(&c, "a");
        core_report(&c, PM_RATE_LIMIT_EXCEEDED, MS); /* a limit fails a trial too */
        ASSERT_CIRCUIT(&c, "s/a", CIRCUIT_OPEN);
        core_wait(&c, 1700 * MS);
        ASSERT_CIRCUIT(&c, "s/a", CIRCUIT_OPEN);
        core_wait(&c, 600 * MS);
        ASSERT_CIRCUIT(&c, "s/a", CIRCUIT_HALF_OPEN);
        core_done(&c);
}

static void test_late_reports_are_dropped(void **state) {
        char late[10][DECISION_ID_MAX + 1];
        unsigned n = 0;
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 2);
        while (n < ELEMENTSOF(late)) /* calls under way when it opens */
                if (streq(core_choose(&c), "a"))
                        memcpy(late[n++], c.d.id, sizeof(late[0]));
        fail_node(&c, "a", 5);
        core_wait(&c, 1200 * MS);
        ASSERT_CIRCUIT(&c, "s/a", CIRCUIT_HALF_OPEN);
        for (n = 0; n < 5; n++) {
                memcpy(c.d.id, late[n], sizeof(late[0]));
                assert_int_equal(core_report(&c, PM_SERVICE_UNAVAILABLE, MS), 0);
        }
        ASSERT_CIRCUIT(&c, "s/a", CIRCUIT_HALF_OPEN); /* from an earlier generation */
        for (; n < 10; n++) {
                memcpy(c.d.id, late[n], sizeof(late[0]));
                assert_int_equal(core_report(&c, PM_OK, MS), 0);
        }
        ASSERT_CIRCUIT(&c, "s/a", CIRCUIT_HALF_OPEN);
        core_assert_money(&c);
        core_done(&c);
}

static void test_last_node_is_kept(void **state) {
        Core c;

        core_init(&c, HEALTH_BASED, NULL, 2);
        fail_node(&c, "a", 5);
        c.now += 100 * MS;
        for (int i = 0; i < 5; i++) {
                assert_string_equal(core_choose(&c), "b");
                core_report(&c, PM_SERVICE_UNAVAILABLE, MS);
        }
        for (int i = 0; i < 50; i++) {
                assert_string_equal(core_choose(&c), "a"); /* the one that opens again first */
                assert_true(c.d.degraded);
                assert_in_range(c.d.retry_after_ns, 1, 1100 * MS);
                core_report(&c, PM_SERVICE_UNAVAILABLE, MS);
        }
        core_done(&c);
}

static void test_a_degraded_success_brings_it_back(void **state) {
        Core c;

        core_init(&c, HEALTH_BASED, NULL, 1);
        fail_node(&c, "a", 5);
        ASSERT_CIRCUIT(&c, "s/a", CIRCUIT_OPEN);
        for (int i = 0; i < 3; i++)
                core_call(&c, PM_OK);
        ASSERT_CIRCUIT(&c, "s/a", CIRCUIT_CLOSED);
        core_choose(&c);
        assert_false(c.d.degraded);
        core_done(&c);
}

static void test_refuse_when_all_are_down(void **state) {
        Core c;

        core_init(&c, HEALTH_BASED, NULL, 1);
        core_service(&c)->when_all_down = ALL_DOWN_REFUSE;
        core_apply(&c);
        fail_node(&c, "a", 5);
        assert_int_equal(core_route(&c), ROUTE_NO_USABLE_NODE);
        assert_in_range(c.refusal.retry_after_ns, 1, 1100 * MS);
        assert_string_equal(c.refusal.reason, "no node of s is usable: 1 circuit open");
        core_done(&c);
}

static void test_cooldown(void **state) {
        Outcome o = core_outcome(PM_RATE_LIMIT_EXCEEDED, MS);
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 2);
        c.strategy = ROUND_ROBIN; /* whatever scenario this is */
        assert_string_equal(core_choose(&c), "a");
        o.retry_after_ns = 10 * SEC;
        assert_int_equal(router_report(c.router, c.d.id, UID, false, &o, c.now, &c.settlement), 0);
        assert_int_equal(core_node(&c, "s/a").cooldown_ns, 10 * SEC);
        ASSERT_CIRCUIT(&c, "s/a", CIRCUIT_CLOSED);
        for (int i = 0; i < 10; i++)
                assert_string_equal(core_choose(&c), "b");
        core_wait(&c, 10 * SEC);
        assert_string_equal(core_choose(&c), "a");
        /* A success may bring one too, and the later one wins. */
        o = core_outcome(PM_OK, MS);
        o.cooldown_ns = 20 * SEC;
        assert_int_equal(router_report(c.router, c.d.id, UID, false, &o, c.now, &c.settlement), 0);
        assert_int_equal(core_node(&c, "s/a").cooldown_ns, 20 * SEC);
        /* An absurd one is capped. */
        core_choose(&c);
        o.cooldown_ns = UINT64_MAX;
        assert_int_equal(router_report(c.router, c.d.id, UID, false, &o, c.now, &c.settlement), 0);
        assert_int_equal(core_node(&c, "s/b").cooldown_ns, 24 * NSEC_PER_HOUR);
        core_done(&c);
}

static void test_operation_scope(void **state) {
        RouteRequest q = core_request();
        Outcome o = core_outcome(PM_RATE_LIMIT_EXCEEDED, MS);
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 2);
        q.operation = "geocode";
        q.strategy = ROUND_ROBIN;
        assert_int_equal(router_route(c.router, &q, c.now, &c.d, &c.refusal), 0);
        assert_string_equal(c.d.node, "s/a");
        o.scope = PM_SCOPE_OPERATION;
        o.retry_after_ns = 10 * SEC;
        assert_int_equal(router_report(c.router, c.d.id, UID, false, &o, c.now, &c.settlement), 0);
        for (int i = 0; i < 4; i++) {
                assert_int_equal(router_route(c.router, &q, c.now, &c.d, &c.refusal), 0);
                assert_string_equal(c.d.node, "s/b");
        }
        q.operation = "pay"; /* the other one is free to go */
        assert_int_equal(router_route(c.router, &q, c.now, &c.d, &c.refusal), 0);
        assert_string_equal(c.d.node, "s/a");
        core_done(&c);
}

static uint64_t next_probe(Core *c, const char *name) {
        uint64_t found = 0;
        Effect e;

        for (int i = 0; i < 1000 && !found; i++) {
                uint64_t next = router_tick(c->router, c->now);

                while (router_next_effect(c->router, &e))
                        if (e.type == EFFECT_PROBE_DUE && e.probe.node == router_find_node(c->router, name))
                                found = e.probe.id;
                if (!found)
                        c->now = MAX(c->now, next);
        }
        assert_true(found != 0);
        return found;
}

static void probe(Core *c, const char *name, Verdict verdict) {
        uint64_t id = next_probe(c, name);
        Outcome o = core_outcome(verdict, MS);
        Verdict found;

        assert_int_equal(router_probe_result(c->router, id, &o, c->now, &found), 0);
        assert_int_equal(found, verdict);
        assert_int_equal(router_probe_result(c->router, id, &o, c->now, &found), ROUTE_NO_SUCH_DECISION);
}

static void test_account_is_locked_until_a_good_probe(void **state) {
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 3);
        core_service(&c)->nodes[0].credential = strdup("key");
        core_service(&c)->nodes[1].credential = strdup("key");
        core_apply(&c);
        router_set_probing(c.router, true, c.now);
        core_call_node(&c, "a", PM_AUTHENTICATION_FAILURE);
        ASSERT_CIRCUIT(&c, "s/a", CIRCUIT_OPEN);
        ASSERT_CIRCUIT(&c, "s/b", CIRCUIT_OPEN); /* shares the credential */
        ASSERT_CIRCUIT(&c, "s/c", CIRCUIT_CLOSED);
        probe(&c, "s/a", PM_AUTHENTICATION_FAILURE);
        c.now += 3600 * SEC;
        ASSERT_CIRCUIT(&c, "s/a", CIRCUIT_OPEN); /* time alone does not mend a credential */
        probe(&c, "s/a", PM_OK);
        ASSERT_CIRCUIT(&c, "s/a", CIRCUIT_CLOSED);
        ASSERT_CIRCUIT(&c, "s/b", CIRCUIT_OPEN);
        core_done(&c);
}

/* A probe that shows no credential goes well whatever becomes of the calls: it must not make the circuit flap. */
static void test_a_blind_probe_does_not_flap(void **state) {
        unsigned opened = 0;
        uint64_t start;
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 2);
        router_set_probing(c.router, true, c.now);
        for (start = c.now; c.now < start + 3600 * SEC;) {
                if (core_node(&c, "s/a").circuit == CIRCUIT_CLOSED) {
                        core_call_node(&c, "a", PM_AUTHENTICATION_FAILURE);
                        opened++;
                }
                probe(&c, "s/a", PM_OK);
        }
        assert_in_range(opened, 10, 25);
        core_done(&c);
}

static void test_probes_bring_a_node_back(void **state) {
        uint64_t failed;
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 2);
        router_set_probing(c.router, true, c.now);
        fail_node(&c, "a", 5);
        failed = c.now;
        for (int i = 0; i < 8; i++) /* probes fail too, so the open time grows */
                probe(&c, "s/a", PM_NETWORK_ISSUE);
        assert_int_equal(core_node(&c, "s/a").last_probe, PM_NETWORK_ISSUE);
        failed = c.now;
        while (core_node(&c, "s/a").circuit != CIRCUIT_CLOSED)
                probe(&c, "s/a", PM_OK);
        assert_true(c.now - failed <= 60 * SEC);
        core_done(&c);
}

static void test_probes_first_when_a_second_try_does_harm(void **state) {
        RouteRequest q = core_request();
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 2);
        router_set_probing(c.router, true, c.now);
        fail_node(&c, "a", 5);
        core_wait(&c, 1200 * MS);
        ASSERT_CIRCUIT(&c, "s/a", CIRCUIT_HALF_OPEN);
        q.operation = "pay";
        for (int i = 0; i < 100; i++) {
                assert_int_equal(router_route(c.router, &q, c.now, &c.d, &c.refusal), 0);
                assert_string_equal(c.d.node, "s/b");
        }
        core_done(&c);
}

static void test_probes_fall_due_spread_out(void **state) {
        enum { N = 1000 };
        unsigned in_tenth[10] = {}, n = 0;
        uint64_t start;
        Effect e;
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, N);
        start = c.now;
        while (router_tick(c.router, c.now) < start + 100 * SEC)
                fail_msg("nobody probes, and yet something is due");
        router_set_probing(c.router, true, c.now);
        while (c.now < start + 30 * SEC - 1) {
                uint64_t next = router_tick(c.router, c.now);

                while (router_next_effect(c.router, &e))
                        if (e.type == EFFECT_PROBE_DUE) {
                                in_tenth[(c.now - start) * 10 / (30 * SEC)]++;
                                n++;
                        }
                c.now = MIN(MAX(next, c.now), start + 30 * SEC - 1);
        }
        assert_in_range(n, N, N * 12 / 10);
        for (int i = 0; i < 10; i++)
                assert_in_range(in_tenth[i], 50, 150);
        core_done(&c);
}

/* A prober that says nothing says nothing about the node either, and gets no second probe for it meanwhile. */
static void test_one_probe_at_a_time(void **state) {
        Outcome o = core_outcome(PM_OK, MS);
        uint64_t first, second, sent;
        Verdict found;
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 1);
        core_service(&c)->health_check_interval_ns = 3600 * SEC;
        core_apply(&c);
        router_set_probing(c.router, true, c.now);
        first = next_probe(&c, "s/a");
        sent = c.now;
        /* Doubt asks for a probe at once; the one that is under way will do. */
        fail_node(&c, "a", 3);
        core_wait(&c, 15 * SEC);
        assert_int_equal(core_counters(&c).probes, 1);
        assert_int_equal(router_probe_result(c.router, first, &o, c.now, &found), 0);

        /* The second is not answered, and after so long nobody waits for it. */
        first = next_probe(&c, "s/a");
        sent = c.now;
        fail_node(&c, "a", 3);
        second = next_probe(&c, "s/a");
        assert_true(second != first);
        assert_in_range(c.now - sent, 20 * SEC, 25 * SEC);
        assert_int_equal(router_probes_unanswered(c.router), 1);
        assert_int_equal(core_counters(&c).probes_unanswered, 1);
        assert_int_equal(core_node(&c, "s/a").last_probe, PM_OK); /* what was answered last */
        assert_int_equal(router_probe_result(c.router, first, &o, c.now, &found), ROUTE_NO_SUCH_DECISION);
        assert_int_equal(router_probe_result(c.router, second, &o, c.now, &found), 0);
        assert_int_equal(router_probes_unanswered(c.router), 0);
        assert_int_equal(core_counters(&c).probes_unanswered, 1);

        /* An answer that comes late is better than none, as long as nothing else was asked. */
        first = next_probe(&c, "s/a");
        core_wait(&c, 60 * SEC);
        assert_int_equal(router_probe_result(c.router, first, &o, c.now, &found), 0);
        core_done(&c);
}

/* What was asked of the node as it was says nothing about what it is now. */
static void test_a_probe_does_not_outlive_what_it_was_sent_to(void **state) {
        Outcome o = core_outcome(PM_OK, MS);
        struct pm_provider other = test_provider;
        uint64_t id;
        Verdict found;
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 1);
        router_set_probing(c.router, true, c.now);
        id = next_probe(&c, "s/a");
        core_service(&c)->nodes[0].weight = 7;
        core_apply(&c);
        assert_int_equal(router_probe_result(c.router, id, &o, c.now, &found), 0);
        id = next_probe(&c, "s/a");
        core_service(&c)->nodes[0].url = strdup("https://elsewhere.example");
        core_apply(&c);
        assert_int_equal(router_probe_result(c.router, id, &o, c.now, &found), ROUTE_NO_SUCH_DECISION);
        id = next_probe(&c, "s/a");
        core_service(&c)->nodes[0].provider = &other;
        core_apply(&c);
        assert_int_equal(router_probe_result(c.router, id, &o, c.now, &found), ROUTE_NO_SUCH_DECISION);
        core_done(&c);
}

static void test_keyless_no_is_an_answer(void **state) {
        Outcome o = core_outcome(PM_AUTHENTICATION_FAILURE, MS);
        Verdict found;
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 1);
        router_set_probing(c.router, true, c.now);
        assert_int_equal(router_probe_result(c.router, next_probe(&c, "s/a"), &o, c.now, &found), 0);
        assert_int_equal(found, PM_OK);
        ASSERT_CIRCUIT(&c, "s/a", CIRCUIT_CLOSED);
        assert_int_equal(core_node(&c, "s/a").health, HEALTH_HEALTHY);
        core_done(&c);
}

/* Probes the node, whose certificate ends so long from now; the warning's severity, or -1. */
static int probe_certificate(Core *c, uint64_t left_ns, uint64_t *utc_ns) {
        uint64_t before = c->now, id = next_probe(c, "s/a");
        Outcome o = core_outcome(PM_OK, MS);
        Verdict found;
        Event e;

        *utc_ns += c->now - before;
        o.certificate_expires_utc_ns = *utc_ns + left_ns;
        core_events(c, EVENT_SYSTEM_HEALTH_CHANGED, NULL);
        assert_int_equal(router_probe_result(c->router, id, &o, c->now, &found), 0);
        if (core_events(c, EVENT_SYSTEM_HEALTH_CHANGED, &e) == 0)
                return -1;
        assert_string_equal(e.node, "s/a");
        assert_non_null(strstr(e.message, "its certificate ends in "));
        return (int) e.severity;
}

static void test_certificates_that_end_soon(void **state) {
        const uint64_t day = 24 * 3600 * SEC;
        uint64_t utc = UTC_NS;
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 1);
        router_set_probing(c.router, true, c.now);
        assert_int_equal(probe_certificate(&c, 90 * day, &utc), -1);
        assert_int_equal(probe_certificate(&c, 14 * day, &utc), -1);
        assert_int_equal(probe_certificate(&c, 14 * day - SEC, &utc), SEVERITY_MEDIUM);
        for (int i = 0; i < 20; i++) /* said already */
                assert_int_equal(probe_certificate(&c, 13 * day, &utc), -1);
        c.now += day;
        utc += day;
        assert_int_equal(probe_certificate(&c, 12 * day, &utc), SEVERITY_MEDIUM); /* a day later */
        assert_int_equal(probe_certificate(&c, 3 * day - SEC, &utc), SEVERITY_HIGH); /* it has become urgent */
        assert_int_equal(probe_certificate(&c, 2 * day, &utc), -1);
        assert_int_equal(probe_certificate(&c, 90 * day, &utc), -1); /* it was renewed */
        assert_int_equal(probe_certificate(&c, 0, &utc), SEVERITY_HIGH); /* and the next one has ended */
        core_done(&c);
}

static void test_health_states(void **state) {
        Core c;

        core_init(&c, ROUND_ROBIN, NULL, 2);
        assert_int_equal(core_node(&c, "s/a").health, HEALTH_UNKNOWN);
        core_call_node(&c, "a", PM_OK);
        assert_int_equal(core_node(&c, "s/a").health, HEALTH_HEALTHY);
        for (int i = 0; i < 3; i++)
                core_call_node(&c, "a", PM_SERVICE_UNAVAILABLE);
        assert_int_not_equal(core_node(&c, "s/a").health, HEALTH_HEALTHY);
        for (int i = 0; i < 2; i++)
                core_call_node(&c, "a", PM_SERVICE_UNAVAILABLE);
        assert_int_equal(core_node(&c, "s/a").health, HEALTH_UNHEALTHY);
        assert_true(core_node(&c, "s/a").health_score <= 0);
        core_done(&c);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_run_opens),
                cmocka_unit_test(test_ratio_opens),
                cmocka_unit_test(test_slowness_opens),
                cmocka_unit_test(test_half_open_permits),
                cmocka_unit_test(test_failed_trial_opens_for_longer),
                cmocka_unit_test(test_late_reports_are_dropped),
                cmocka_unit_test(test_last_node_is_kept),
                cmocka_unit_test(test_a_degraded_success_brings_it_back),
                cmocka_unit_test(test_refuse_when_all_are_down),
                cmocka_unit_test(test_cooldown),
                cmocka_unit_test(test_operation_scope),
                cmocka_unit_test(test_account_is_locked_until_a_good_probe),
                cmocka_unit_test(test_a_blind_probe_does_not_flap),
                cmocka_unit_test(test_probes_bring_a_node_back),
                cmocka_unit_test(test_probes_first_when_a_second_try_does_harm),
                cmocka_unit_test(test_probes_fall_due_spread_out),
                cmocka_unit_test(test_one_probe_at_a_time),
                cmocka_unit_test(test_a_probe_does_not_outlive_what_it_was_sent_to),
                cmocka_unit_test(test_keyless_no_is_an_answer),
                cmocka_unit_test(test_certificates_that_end_soon),
                cmocka_unit_test(test_health_states),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
