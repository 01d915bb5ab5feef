/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator itself: what a trace may be, the order of events, that runs repeat, and the baselines' rules. */
#include <errno.h>
#include <math.h>

#include "basic/macro.h"
#include "bench/sim/heap.h"
#include "bench/sim/sim.h"
#include "bench/sim/trace-value.h"
#include "daemon/core/random.h"
#include "tests/unit/test.h"

static const char good[] = "title a title\nduration 10m\nservice s rate 20/s strategy ROUND_ROBIN\nnode s/a weight 2 "
                           "price 0.01 latency 50ms±20% success 100%\n"
                           "node s/b weight 1 price 0.02 latency 50ms success 100%\n";

static Trace *trace_of(const char *more) {
        _cleanup_free_ char *text = NULL;
        char error[TRACE_ERROR_MAX];
        Trace *t = NULL;

        assert_true(asprintf(&text, "%s%s\n", good, more) > 0);
        if (trace_parse(&t, "t", text, strlen(text), error) < 0)
                fail_msg("%s", error);
        return t;
}

static void test_values(void **state _unused_) {
        uint64_t ns = 0;
        double v = 0, w = 0;
        Money money = 0;

        assert_true(parse_duration("1h30m", &ns));
        assert_int_equal(ns, 5400 * NSEC_PER_SEC);
        assert_true(parse_duration("80ms", &ns));
        assert_int_equal(ns, 80 * NSEC_PER_MSEC);
        assert_true(parse_duration("2min", &ns));
        assert_int_equal(ns, 120 * NSEC_PER_SEC);
        assert_false(parse_duration("", &ns));
        assert_false(parse_duration("5", &ns));
        assert_false(parse_duration("5parsecs", &ns));
        assert_false(parse_duration("-5s", &ns));
        assert_false(parse_duration("1e9s", &ns));
        assert_false(parse_duration("infs", &ns));
        assert_false(parse_duration("99999999999999999999999999999s", &ns));

        assert_true(parse_latency("80ms±20%", &ns, &v));
        assert_int_equal(ns, 80 * NSEC_PER_MSEC);
        assert_true(fabs(v - (0.2)) <= 1e-12);
        assert_true(parse_latency("80ms+-20%", &ns, &v));
        assert_true(parse_latency("80ms", &ns, &v));
        assert_true(fabs(v - (0)) <= 0);
        assert_false(parse_latency("±20%", &ns, &v));
        assert_false(parse_latency("80ms±", &ns, &v));
        assert_false(parse_latency("0ms", &ns, &v));

        assert_true(parse_percent("99.5%", 0, 100, &v));
        assert_true(fabs(v - (0.995)) <= 1e-12);
        assert_false(parse_percent("99.5", 0, 100, &v));
        assert_false(parse_percent("101%", 0, 100, &v));
        assert_true(parse_rate("3000/min", &v));
        assert_true(fabs(v - (50)) <= 1e-9);
        assert_false(parse_rate("50", &v));
        assert_false(parse_rate("50/ms", &v));
        assert_false(parse_rate("1000001/s", &v));
        assert_true(parse_money("$0.005", &money));
        assert_int_equal(money, 5000);
        assert_false(parse_money("-1", &money));
        assert_false(parse_money("nan", &money));
        assert_true(parse_place("-33.9,151.2", &v, &w));
        assert_true(fabs(v - (-33.9)) <= 1e-9);
        assert_false(parse_place("91,0", &v, &w));
        assert_true(parse_clock("1970-01-02T00:00Z", &ns) == false); /* before 2000 */
        assert_true(parse_clock("2026-01-05T08:00Z", &ns));
        assert_int_equal(ns, UINT64_C(1767600000) * NSEC_PER_SEC);
}

/* Every complaint names the line, and what is allowed. */
static void test_mistakes(void **state _unused_) {
        static const struct {
                const char *line, *complaint;
        } cases[] = {
                { "nod s/c", "t:6: \"nod\" begins no line" },
                { "node s/a", "there is a node s/a already" },
                { "node x/c", "no such service" },
                { "node s/c weight 1001", "a whole number from 0 to 1000" },
                { "node s/c weight -1", "a whole number from 0 to 1000" },
                { "node s/c colour red", "\"colour\" is not known here; there are latency success price" },
                { "node s/c latency fast", "latency: \"fast\" is not like 80ms" },
                { "node s/c weight", "weight: its value is missing" },
                { "node s/..", "is no name" },
                { "service s", "there is a service s already" },
                { "service t strategy BEST", "strategy: \"BEST\" is not" },
                { "service t max-cost-per-hour -3", "max-cost-per-hour: \"-3\" is not a number from 0" },
                { "service t failover-threshold 5", "written like 5%" },
                { "service t rate 1/s", "service t has no node" },
                { "tier s/a up-to 100", "tier: it ends with" },
                { "at 5m", "what happens is missing" },
                { "at soon s/a down", "a time since the start is wanted" },
                { "at 11m s/a down", "after the end" },
                { "at 5m s/c down", "none of that name" },
                { "at 5m s/a explode", "\"explode\" is nothing that happens to a node; there are down, up" },
                { "at 5m s/a slow 5", "slow: \"5\" is not a factor" },
                { "at 5m s/a slow 5x ramp", "a ramp has an end" },
                { "at 5m s/a down ramp", "down: \"ramp\" does not belong here" },
                { "from 5m s/a down", "\"to TIME\" is missing" },
                { "from 5m to 4m s/a down", "the end is not after the start" },
                { "from 5m to 6m s/a flap 5s", "two times are wanted" },
                { "duration 25h", "a time from 1s to 24h" },
                { "rate s 1000000/s", "calls; at most" },
                { "at 1m s/a up now", "\"now\" is one word too many" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *text = NULL;
                char error[TRACE_ERROR_MAX];
                Trace *t = NULL;

                assert_true(asprintf(&text, "%s%s\n", good, cases[i].line) > 0);
                assert_int_equal(trace_parse(&t, "t", text, strlen(text), error), -EINVAL);
                assert_null(t);
                if (strncmp(error, "t:6: ", 5) != 0 || !strstr(error, cases[i].complaint))
                        fail_msg("\"%s\": %s", cases[i].line, error);
        }
}

/* Whatever the bytes, it ends in a trace or in a complaint. */
static void test_hostile(void **state _unused_) {
        static const char *const pieces[] = {
                "service", "node", "s/a",   "t/b",  " ",  "\n",   "*/*", "at",   "5m",     "from",
                "to",      "down", "ramp",  "slow", "5x", "rate", "9/s", "tier", "up-to",  "price",
                "0.1",     "#",    "±",     "%",    "\t", "\xff", ",",   "/",    "weight", "999999999999999999999999",
                "title",   "flap", "quota",
        };
        Random random;
        char error[TRACE_ERROR_MAX], text[4096];

        random_seed(&random, 7);
        for (int round = 0; round < 3000; round++) {
                Trace *t = NULL;
                size_t n = 0;

                while (n < sizeof(text) - 80 && random_below(&random, 60) > 0) {
                        const char *piece = pieces[random_below(&random, ELEMENTSOF(pieces))];

                        n += (size_t) snprintf(text + n, sizeof(text) - n, "%s%s", piece,
                                               random_below(&random, 3) ? " " : "");
                }
                if (trace_parse(&t, "t", text, n, error) == 0)
                        trace_free(t);
                else
                        assert_true(strncmp(error, "t:", 2) == 0);
        }
        memset(text, 'x', sizeof(text));
        Trace *t = NULL;
        assert_int_equal(trace_parse(&t, "t", text, sizeof(text), error), -EINVAL);
        assert_non_null(strstr(error, "a line has at most"));
        assert_int_equal(trace_parse(&t, "t", "title a\0b\n", 10, error), -EINVAL);
        assert_int_equal(trace_parse(&t, "t", "", 0, error), -EINVAL);
}

static void test_heap(void **state _unused_) {
        Heap h = {};
        HeapEvent e, last = {};
        Random random;

        random_seed(&random, 3);
        for (uint32_t i = 0; i < 1000; i++)
                assert_int_equal(heap_push(&h, random_below(&random, 50), 0, i), 0);
        for (int i = 0; i < 1000; i++) {
                assert_true(heap_pop(&h, &e));
                assert_true(e.at_ns > last.at_ns || (e.at_ns == last.at_ns && (i == 0 || e.serial > last.serial)));
                last = e;
        }
        assert_false(heap_pop(&h, &e));
        heap_done(&h);
}

static Measure *run(const Trace *t, const PolicyType *type, uint64_t seed) {
        Measure *m = NULL;

        assert_int_equal(sim_run(&m, t, type, _STRATEGY_INVALID, seed), 0);
        return m;
}

static uint32_t sent_between(const Measure *m, uint32_t node, double from_s, double to_s) {
        uint32_t n = 0;

        for (uint32_t b = 0; b < m->n_buckets; b++)
                if ((double) b * (double) m->bucket_ns / 1e9 >= from_s &&
                    (double) b * (double) m->bucket_ns / 1e9 < to_s)
                        n += m->sent[node][b];
        return n;
}

/* The same calls to the same nodes have the same outcome, whoever decides; and a run repeats to the last call. */
static void test_same(void **state _unused_) {
        Trace *t = trace_of(
                "from 2m to 4m s/a errors 30%\nfrom 5m to 6m s/b slow 9x ramp\nfrom 7m to 8m s/a rate-limit 2/s");
        const PolicyType *const types[] = { &policy_brain, &policy_static, &policy_nginx, &policy_envoy,
                                            &policy_oracle };

        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                Measure *a = run(t, types[i], 5), *b = run(t, types[i], 5), *c = run(t, types[i], 6);

                assert_int_equal(a->events, b->events);
                assert_memory_equal(a->sent[0], b->sent[0], a->n_buckets * sizeof(uint32_t));
                assert_memory_equal(&a->services[0].calls, &b->services[0].calls, offsetof(ServiceMeasure, ok_series));
                assert_true(a->services[0].calls != c->services[0].calls ||
                            a->services[0].latency_ns != c->services[0].latency_ns);
                measure_free(a);
                measure_free(b);
                measure_free(c);
        }
        Measure *x = run(t, &policy_static, 5), *y = run(t, &policy_oracle, 5);
        assert_int_equal(x->services[0].calls, y->services[0].calls); /* the same arrivals */
        measure_free(x);
        measure_free(y);
        trace_free(t);
}

/* A node that never succeeds is asked as its weight says by static weights, and once in more than ten seconds by nginx.
 */
static void test_baselines(void **state _unused_) {
        Trace *t = trace_of("from 1m to 9m s/a down connect");
        Measure *fixed = run(t, &policy_static, 1), *nginx = run(t, &policy_nginx, 1),
                *by_default = run(t, &policy_nginx_default, 1);
        Measure *envoy = run(t, &policy_envoy, 1), *oracle = run(t, &policy_oracle, 1);
        double share = (double) sent_between(fixed, 0, 0, 60) /
                       (sent_between(fixed, 0, 0, 60) + sent_between(fixed, 1, 0, 60));

        assert_true(fabs(share - (2.0 / 3)) <= 0.01);
        assert_in_range(sent_between(nginx, 0, 70, 540), 470 / 12, 470 / 10);
        assert_in_range(sent_between(by_default, 0, 70, 540), 470 / 12,
                        470 / 10); /* a refused connection is an error to it too */
        /* 30, 60, 90, … s out after five failures each: 4 rounds fit in 8 minutes. */
        assert_in_range(sent_between(envoy, 0, 60, 540), 4 * 5, 6 * 8);
        assert_int_equal(sent_between(oracle, 0, 60, 540), 0);
        assert_int_equal(oracle->services[0].lost, 0);
        measure_free(fixed);
        measure_free(nginx);
        measure_free(by_default);
        measure_free(envoy);
        measure_free(oracle);
        trace_free(t);

        t = trace_of("from 1m to 9m s/a down"); /* 503 is an answer to nginx's default: it asks on, and does not try
                                                   another */
        by_default = run(t, &policy_nginx_default, 1);
        assert_true(sent_between(by_default, 0, 60, 540) > 5000);
        assert_true(by_default->services[0].lost > 5000);
        measure_free(by_default);
        trace_free(t);
}

/* What a fault says comes to pass, as calls by static weights see it. */
static void test_faults(void **state _unused_) {
        static const struct {
                const char *line;
                double fails; /* share of the attempts at s/a between 2m and 8m */
        } cases[] = {
                { "from 2m to 8m s/a errors 30%", 0.3 },
                { "from 2m to 8m s/a errors 60% ramp", 0.3 },
                { "from 2m to 8m s/a corrupt 20%", 0.2 },
                { "from 2m to 8m s/a auth", 1 },
                { "from 2m to 8m s/a down timeout", 1 },
                { "from 2m to 8m s/a flap 10s 30s", 0.75 },
                { "at 2m s/a down\nat 5m s/a up", 0.5 },
                { "from 2m to 8m s/a rate-limit 5/s", 1 - 5 / 13.33 },
                { "from 2m to 8m s/a quota 1200", 1 - 1200 / (360 * 13.33) },
                { "from 2m to 8m s/a slow 2x", 0 },
                { "from 2m to 8m s/a slow 1000x", 1 }, /* beyond the caller's patience */
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Trace *t = trace_of(cases[i].line);
                Measure *m = run(t, &policy_static, 11);
                double share = (double) m->services[0].failed_attempts / sent_between(m, 0, 120, 480);

                if (fabs(share - cases[i].fails) > 0.03)
                        fail_msg("%s: %g of the calls failed, not %g", cases[i].line, share, cases[i].fails);
                measure_free(m);
                trace_free(t);
        }
}

/* Figures of a run whose outcome is known beforehand. */
static void test_figures(void **state _unused_) {
        Trace *t = trace_of("from 3m to 6m s/a down");
        Measure *m = run(t, &policy_static, 2);
        Figures f;

        measure_figures(m, 0, &f);
        assert_int_equal(f.n_outages, 1);
        assert_int_equal(f.not_diverted, 1);
        assert_true(fabs(f.hits_per_outage - (180 * 20 * 2 / 3.0)) <= 150);
        assert_true(fabs(f.availability - (1)) <= 0); /* the second try goes to the other node */
        measure_free(m);

        m = run(t, &policy_brain, 2);
        measure_figures(m, 0, &f);
        assert_int_equal(f.not_diverted, 0);
        assert_true(f.divert_s < 5 && f.hits_per_outage < 60);
        assert_int_equal(f.not_readmitted, 0);
        assert_true(f.readmit_s <= 60);
        measure_free(m);
        trace_free(t);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_values), cmocka_unit_test(test_mistakes), cmocka_unit_test(test_hostile),
                cmocka_unit_test(test_heap),   cmocka_unit_test(test_same),     cmocka_unit_test(test_baselines),
                cmocka_unit_test(test_faults), cmocka_unit_test(test_figures),
        };

        return cmocka_run_group_tests_name("sim", tests, NULL, NULL);
}
