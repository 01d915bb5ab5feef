/* SPDX-License-Identifier: Apache-2.0 */
/* The parts that the brain is made of, each by itself. */
#include "tests/unit/core.h"

#include "daemon/core/breaker.h"
#include "daemon/core/budget.h"
#include "daemon/core/latency.h"
#include "daemon/core/lease.h"
#include "daemon/core/names.h"
#include "daemon/core/node.h"
#include "daemon/core/price.h"
#include "daemon/core/stats.h"
#include "daemon/core/timer.h"
#include "daemon/core/window.h"

static void assert_near(double value, double expected, double tolerance) {
        if (!(fabs(value - expected) <= tolerance))
                fail_msg("%.9g is not within %g of %.9g", value, tolerance, expected);
}

static double failure_percent(Window *w, unsigned seconds, uint64_t now) {
        return 100.0 * window_sum(w, WINDOW_FAILURES, seconds, now) / window_sum(w, WINDOW_CALLS, seconds, now);
}

/* E,S,S,S,S through a window of four: 100, 50, 33.33, 25, 0 % (resilience4j's example; one call a second here). */
static void test_window_of_four(void **state) {
        static const double expected[] = { 100, 50, 100.0 / 3, 25, 0 };
        Window w = {};

        for (unsigned i = 0; i < ELEMENTSOF(expected); i++) {
                uint64_t now = (100 + i) * SEC;

                window_add(&w, WINDOW_CALLS, now);
                if (i == 0)
                        window_add(&w, WINDOW_FAILURES, now);
                assert_near(failure_percent(&w, 4, now), expected[i], 1e-9);
        }
}

static void test_window_lets_go(void **state) {
        Window w = {};

        for (unsigned i = 0; i < 200; i++)
                window_add(&w, WINDOW_CALLS, i * SEC / 2);
        assert_int_equal(w.minute[WINDOW_CALLS], 120);
        assert_int_equal(window_sum(&w, WINDOW_CALLS, 10, 100 * SEC - 1), 20);
        window_advance(&w, 99 * SEC + 30 * SEC);
        assert_int_equal(w.minute[WINDOW_CALLS], 60);
        window_add(&w, WINDOW_CALLS, 5 * SEC); /* a clock that jumps back: counted now */
        assert_int_equal(w.minute[WINDOW_CALLS], 61);
        window_advance(&w, 10000 * SEC);
        assert_int_equal(w.minute[WINDOW_CALLS], 0);
}

static void test_latency_quantiles(void **state) {
        static const double q[] = { 0.5, 0.95, 0.99 };
        uint64_t found[3], now = 1;
        Latency l = {};

        latency_quantiles(&l, q, 3, now, found);
        assert_int_equal(found[2], 0);
        /* 1, 2, … 1000 ms, and the same once more a thousand times as fast: every scale is as exact. */
        for (unsigned scale = 1; scale <= 1000; scale *= 1000) {
                l = (Latency) {};
                for (unsigned i = 1; i <= 1000; i++)
                        latency_success(&l, i * (MS / scale), now);
                latency_quantiles(&l, q, 3, now, found);
                for (int i = 0; i < 3; i++)
                        assert_near((double) found[i] / (q[i] * 1000 * (double) MS / scale), 1, 0.05);
        }
        /* More of one kind than a bucket can count keeps the shape. */
        l = (Latency) {};
        for (unsigned i = 0; i < 300000; i++)
                latency_success(&l, i % 10 ? 10 * MS : 500 * MS, now);
        latency_quantiles(&l, q, 3, now, found);
        assert_near((double) found[0], 10e6, 0.5e6);
        assert_near((double) found[1], 500e6, 25e6);
        /* Old ones go. */
        latency_quantiles(&l, q, 3, now + 3 * LATENCY_GENERATION_NS, found);
        assert_int_equal(found[0], 0);
}

static void test_peak_ewma(void **state) {
        uint64_t now = SEC;
        Latency l = {};

        latency_success(&l, 100 * MS, now);
        assert_near(l.peak_ns, 100e6, 1);
        latency_success(&l, 300 * MS, now + SEC); /* slower: at once */
        assert_near(l.peak_ns, 300e6, 1);
        now += 6 * SEC; /* faster: slowly */
        latency_success(&l, 100 * MS, now);
        assert_near(l.peak_ns, 300e6 * exp(-0.5) + 100e6 * (1 - exp(-0.5)), 1);
        /* A fast failure does not make it look fast, and a refusal makes it look slow. */
        double before = l.peak_ns;
        latency_failure(&l, MS, 0, now);
        assert_true(l.peak_ns >= before);
        latency_failure(&l, MS, 5 * SEC, now);
        assert_near(l.peak_ns, 5e9, 1);
        /* Idle, it drifts back to what is typical, not to zero. */
        assert_near(latency_expected(&l, now + 600 * SEC), l.typical_ns, 1);
}

static void test_wilson(void **state) {
        assert_near(wilson_lower(0, 0, Z_95), 0, 0);
        assert_near(wilson_lower(0, 10, Z_95), 0, 0);
        assert_near(wilson_lower(5, 10, Z_95), 0.2692718, 1e-6);
        assert_near(wilson_lower(10, 10, Z_95), 0.787058, 1e-6);
        assert_false(breaker_ratio_exceeded(1, 20, 0.05)); /* one failure in twenty calls opens nothing */
        assert_false(breaker_ratio_exceeded(2, 20, 0.05));
        assert_true(breaker_ratio_exceeded(5, 20, 0.05));
        assert_false(breaker_ratio_exceeded(3, 3, 0.05)); /* too few to say */
}

/* 1, 2, 4 … 300 s, each with its jitter. (Where the published ladder adds 10 s a time, ours doubles.) */
static void test_breaker_ladder(void **state) {
        static const unsigned ladder[] = { 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300 };
        uint64_t now = SEC;
        Random random;
        Breaker b = {};

        random_seed(&random, 7);
        for (size_t i = 0; i < ELEMENTSOF(ladder); i++) {
                breaker_open(&b, SEC, &random, now);
                assert_near((double) (b.open_until_ns - now), ladder[i] * 1e9, ladder[i] * BREAKER_JITTER * 1e9);
                now = b.open_until_ns;
                breaker_half_open(&b, now);
        }
        /* Every healthy minute takes one doubling back: eleven openings, eight minutes, so the next lasts 2³ s. */
        breaker_close(&b, now);
        now += 8 * BREAKER_HEALTHY_NS;
        breaker_open(&b, SEC, &random, now);
        assert_near((double) (b.open_until_ns - now), 8e9, 0.8e9);
        breaker_close(&b, now);
        now += 1000 * BREAKER_HEALTHY_NS;
        breaker_open(&b, SEC, &random, now);
        assert_near((double) (b.open_until_ns - now), 1e9, 0.1e9);
}

static void test_slow_start(void **state) {
        Breaker b = {};

        assert_near(breaker_ramp(&b, 0), 1, 0);
        breaker_close(&b, 100 * SEC);
        assert_near(breaker_ramp(&b, 100 * SEC), 0.1, 1e-9);
        assert_near(breaker_ramp(&b, 103 * SEC), 0.1, 1e-9);
        assert_near(breaker_ramp(&b, 115 * SEC), 0.5, 1e-9);
        assert_near(breaker_ramp(&b, 130 * SEC), 1, 1e-9);
        assert_near(breaker_ramp(&b, 90 * SEC), 0.1, 1e-9); /* a clock that jumps back */
}

static void test_periods(void **state) {
        static const struct {
                BudgetPeriod period;
                uint64_t at, start, end;
        } vectors[] = { /* by date -u -d … +%s */
                { PERIOD_HOURLY, 1700000000, 1699999200, 1700002800 },
                { PERIOD_DAILY, 1700000000, 1699920000, 1700006400 },
                { PERIOD_WEEKLY, 1700000000, 1699833600, 1700438400 },   /* Monday 2023-11-13 */
                { PERIOD_MONTHLY, 1700000000, 1698796800, 1701388800 },  /* November 2023 */
                { PERIOD_MONTHLY, 1709164800, 1706745600, 1709251200 },  /* 2024-02-29 */
                { PERIOD_MONTHLY, 1704067199, 1701388800, 1704067200 },  /* the last second of 2023 */
                { PERIOD_MONTHLY, 1704067200, 1704067200, 1706745600 },  /* the first of 2024 */
                { PERIOD_WEEKLY, 0, 0, 345600 },
        };

        for (size_t i = 0; i < ELEMENTSOF(vectors); i++) {
                uint64_t start, end;

                period_window(vectors[i].period, vectors[i].at * SEC, &start, &end);
                assert_int_equal(start / SEC, vectors[i].start);
                assert_int_equal(end / SEC, vectors[i].end);
        }
}

static void test_meter_and_a_clock_that_is_set(void **state) {
        Meter m = {};

        assert_true(meter_advance(&m, PERIOD_HOURLY, UTC_NS));
        m.spent = 5;
        assert_false(meter_advance(&m, PERIOD_HOURLY, UTC_NS + 60 * SEC));
        /* Set back into the hour before: nobody gets a budget twice. */
        assert_false(meter_advance(&m, PERIOD_HOURLY, UTC_NS - NSEC_PER_HOUR / 2));
        assert_int_equal(m.spent, 5);
        assert_true(meter_advance(&m, PERIOD_HOURLY, UTC_NS + NSEC_PER_HOUR));
        assert_int_equal(m.spent, 0);
        /* Set back by years, after having been wrong: the right hour counts. */
        assert_true(meter_advance(&m, PERIOD_HOURLY, UTC_NS - 30000 * NSEC_PER_HOUR));
}

static void test_prices(void **state) {
        const struct pm_operation *geocode = &test_provider.operations[0];
        PriceTier tiers[] = { { 100, 0 }, { 1000, 750 }, { INT64_MAX, 500 } };
        NodeSettings n;

        node_settings_init(&n);
        assert_int_equal(price_call(&n, NULL, 0, UNITS_ONE), 0);
        assert_int_equal(price_call(&n, geocode, 0, UNITS_ONE), 0); /* ten are free */
        assert_int_equal(price_call(&n, geocode, 9 * UNITS_ONE, 2 * UNITS_ONE), 5000);
        assert_int_equal(price_call(&n, geocode, 10 * UNITS_ONE, UNITS_ONE), 5000);
        n.cost_per_request = 7;
        assert_int_equal(price_call(&n, geocode, 0, UNITS_ONE), 7); /* the operator's price wins */
        assert_int_equal(price_call(&n, NULL, 0, 1), 1);            /* rounded up */
        n.price_tiers = tiers;
        n.n_price_tiers = 3;
        assert_int_equal(price_call(&n, NULL, 99 * UNITS_ONE, UNITS_ONE), 0);
        assert_int_equal(price_call(&n, NULL, 99 * UNITS_ONE, 2 * UNITS_ONE), 750);
        assert_int_equal(price_call(&n, NULL, 999 * UNITS_ONE, 3 * UNITS_ONE), 750 + 2 * 500);
        assert_int_equal(price_call(&n, NULL, 50 * UNITS_ONE, 1000 * UNITS_ONE), 900 * 750 + 50 * 500);
        assert_int_equal(price_units(MONEY_MAX, UNITS_MAX), MONEY_MAX); /* nothing wraps */
}

static const char *name_of(const void *userdata, uint32_t i) {
        return ((char *const *) userdata)[i];
}

static void test_names(void **state) {
        enum { N = 2000 };
        char *names[N + 1];
        Names t;

        for (int i = 0; i < N; i++) {
                names[i] = malloc(32);
                snprintf(names[i], 32, "service-%d/node", i);
        }
        names[N] = names[0];
        assert_int_equal(names_init(&t, N + 1, name_of, names), 0);
        for (uint32_t i = 0; i < N; i++)
                assert_true(names_add(&t, i));
        assert_false(names_add(&t, N));
        for (uint32_t i = 0; i < N; i++)
                assert_int_equal(names_find(&t, names[i]), i);
        assert_int_equal(names_find(&t, "service-2000/node"), NAMES_NONE);
        assert_int_equal(names_find(&t, ""), NAMES_NONE);
        names_done(&t);
        for (int i = 0; i < N; i++)
                free(names[i]);
}

static void test_timers_come_in_order(void **state) {
        enum { N = 500 };
        Timer timers[N] = {};
        uint64_t last = 0;
        Timers t = {};
        Random random;
        unsigned left = N;

        random_seed(&random, 3);
        assert_int_equal(timers_reserve(&t, N), 0);
        for (int k = 0; k < 5 * N; k++) { /* arming again moves it */
                timer_arm(&t, &timers[random_below(&random, N)], random_below(&random, 1000));
        }
        for (int i = 0; i < N; i++)
                if (timers[i].place == 0 || i % 3 == 0) {
                        timer_disarm(&t, &timers[i]);
                        left--;
                }
        for (Timer *x; (x = timers_first(&t)); left--) {
                assert_true(x->at_ns >= last);
                last = x->at_ns;
                timer_disarm(&t, x);
        }
        assert_int_equal(left, 0);
        timers_done(&t);
}

static void test_lease_table(void **state) {
        const RouterLimits limits = { .leases = 1000, .leases_per_user = 400 };
        char id[DECISION_ID_MAX + 1], wrong[DECISION_ID_MAX + 1];
        uint64_t now = 5 * SEC;
        Random random;
        Leases l;
        Lease *x;

        random_seed(&random, 1);
        assert_int_equal(leases_init(&l, &limits, &random, now), 0);
        for (uint32_t i = 0; i < 400; i++) {
                assert_true(leases_room(&l, 7, true));
                lease_publish(&l, lease_open(&l, 7, true, now + (1 + i % 50) * SEC));
        }
        assert_false(leases_room(&l, 7, true));
        assert_true(leases_room(&l, 8, true));
        assert_true(leases_room(&l, 7, false));
        x = lease_open(&l, 8, true, now + 3600 * SEC);
        lease_publish(&l, x);
        lease_id(&l, x, id);
        assert_int_equal(strlen(id), DECISION_ID_MAX);
        assert_ptr_equal(lease_find(&l, id, 8, false), x);
        assert_null(lease_find(&l, id, 7, false));
        assert_ptr_equal(lease_find(&l, id, 0, true), x);
        for (int i = 0; i < DECISION_ID_MAX; i++) { /* each digit counts, and nothing but 24 of them */
                memcpy(wrong, id, sizeof(wrong));
                wrong[i] = wrong[i] == '0' ? '1' : '0';
                assert_null(lease_find(&l, wrong, 8, true));
                wrong[i] = i % 2 ? 'G' : 0;
                assert_null(lease_find(&l, wrong, 8, true));
        }
        assert_null(lease_find(&l, "", 8, true));
        /* All are found when they are due, none before. */
        for (unsigned s = 1; s <= 50; s++) {
                unsigned due = 0;

                assert_null(leases_due(&l, now + s * SEC - 1));
                assert_int_equal(leases_next_ns(&l), now + s * SEC);
                while ((x = leases_due(&l, now + s * SEC))) {
                        lease_close(&l, x, NULL);
                        due++;
                }
                assert_int_equal(due, 8);
        }
        assert_int_equal(l.n, 1);
        assert_true(leases_room(&l, 7, true));
        assert_null(leases_due(&l, now + 3599 * SEC));
        x = leases_due(&l, now + 100000 * SEC);
        assert_non_null(x);
        lease_close(&l, x, NULL);
        assert_null(lease_find(&l, id, 8, false));
        assert_int_equal(leases_next_ns(&l), NSEC_INFINITY);
        leases_done(&l);
}

static void test_success_prior(void **state) {
        Success s = {};

        assert_near(success_estimate(&s, 0.99, success_evidence(&s, SEC)), 0.99, 0);
        for (int i = 0; i < 20; i++)
                success_add(&s, false, SEC);
        assert_near(success_estimate(&s, 0.99, success_evidence(&s, SEC)), 0.99 / 2, 1e-9);
        assert_near(success_estimate(&s, 0.99, success_evidence(&s, 31 * SEC)), 0.99 * 20 / (20 + 20 * exp(-1)), 1e-9);
        assert_near(success_estimate(&s, 0.99, success_evidence(&s, 3600 * SEC)), 0.99, 1e-9);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_window_of_four),
                cmocka_unit_test(test_window_lets_go),
                cmocka_unit_test(test_latency_quantiles),
                cmocka_unit_test(test_peak_ewma),
                cmocka_unit_test(test_wilson),
                cmocka_unit_test(test_breaker_ladder),
                cmocka_unit_test(test_slow_start),
                cmocka_unit_test(test_periods),
                cmocka_unit_test(test_meter_and_a_clock_that_is_set),
                cmocka_unit_test(test_prices),
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_timers_come_in_order),
                cmocka_unit_test(test_lease_table),
                cmocka_unit_test(test_success_prior),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
