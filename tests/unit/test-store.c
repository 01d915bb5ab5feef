/* SPDX-License-Identifier: Apache-2.0 */
/* The store as it is when nothing is wrong: what is put is there after a restart, and adds up. */
#include "tests/unit/store.h"

#include <errno.h>
#include <time.h>

#include "basic/macro.h"
#include "daemon/store/database.h"

#define HOUR NSEC_PER_HOUR
#define DAY NSEC_PER_DAY

static void a_document_survives(void **state) {
        Fixture *f = *state;
        char *text = NULL;
        size_t n;

        const StoreFunctions *s = f->store->functions;
        assert_int_equal(s->read(f->store, "learned", &text, &n), -ENOENT);
        uint64_t generation = s->put_document(f->store, "learned", "first", 5);
        assert_true(generation > 0);
        assert_int_equal(s->put_document(f->store, "learned", "second", 6), generation);
        s->put_document(f->store, "other", "something", 9);
        assert_int_equal(store_wait(f->store, generation), 0);
        assert_int_equal(s->committed(f->store), generation);
        s->put_document(f->store, "other", NULL, 0);
        store_reopen(f);

        assert_int_equal(s->read(f->store, "learned", &text, &n), 0);
        assert_string_equal(text, "second");
        assert_int_equal(n, 6);
        free(text);
        assert_int_equal(s->read(f->store, "other", &text, &n), -ENOENT);
        assert_true(s->committed(f->store) > generation);
        assert_true(s->put_document(f->store, "other", "", 0) > s->committed(f->store));
}

static void calls_add_up(void **state) {
        Fixture *f = *state;

        for (unsigned i = 0; i < 1000; i++) {
                StoreCall c = call_at(NOW + i * NSEC_PER_MINUTE);
                c.verdict = i % 4 == 0 ? PM_SERVICE_UNAVAILABLE : i % 4 == 1 ? PM_NOT_SENT : PM_OK;
                c.serial = i + 1;
                f->store->functions->put_call(f->store, &c);
        }
        store_reopen(f);
        for (int i = 0; i < 2; i++) {
                StoreSum s = sum_between(f, NOW, NOW + DAY);
                assert_int_equal(s.calls, 750);
                assert_int_equal(s.failures, 250);
                assert_int_equal(s.verdicts[PM_NOT_SENT], 250);
                assert_int_equal(s.cost, 1000 * 10000);
                assert_int_equal(s.usual_cost, 1000 * 12000);
                assert_int_equal(s.units, 1000 * UNITS_ONE);
                assert_int_equal(sum_between(f, NOW + HOUR, NOW + 3 * HOUR).cost, 120 * 10000);
                assert_int_equal(f->store->functions->committed_call(f->store), 1000);
                store_reopen(f);
        }
}

/* ---- questions ---- */

typedef struct Answer {
        bool answered;
        int r;
        size_t n;
        StoreSum sums[64];
        char names[64][64];
} Answer;

static void keep_answer(void *userdata, int r, const StoreSum *sums, size_t n) {
        Answer *a = userdata;

        assert_false(a->answered);
        *a = (Answer) { .answered = true, .r = r, .n = n };
        assert_true(n <= ELEMENTSOF(a->sums));
        for (size_t i = 0; i < n; i++) {
                const StoreSum *s = &sums[i];
                a->sums[i] = *s;
                snprintf(a->names[i], sizeof(a->names[i]), "%s|%s|%s|%s|%d", s->service ?: "", s->node ?: "", s->operation ?: "",
                         s->provider ?: "", s->tier);
        }
}

static bool is_answered(Fixture *f, void *userdata) {
        return ((Answer *) userdata)->answered;
}

static void put(Fixture *f, const char *node, const char *operation, CostTier tier, uint64_t utc_ns, Money cost) {
        StoreCall c = call_at(utc_ns);

        c.node = node;
        c.service = strncmp(node, "maps", 4) == 0 ? "maps" : "stripe";
        c.provider = strncmp(node, "maps", 4) == 0 ? "here" : "stripe";
        c.operation = operation;
        c.tier = tier;
        c.cost = cost;
        f->store->functions->put_call(f->store, &c);
}

static void a_question_groups_as_it_says(void **state) {
        static const struct {
                unsigned by;
                size_t n;
                const char *first;
                Money cost;
        } cases[] = {
                { 0, 1, "||||-1", 31 }, { STORE_BY_SERVICE, 2, "maps||||-1", 15 }, { STORE_BY_NODE, 3, "|maps/a|||-1", 11 },
                { STORE_BY_OPERATION, 3, "||geocode||-1", 3 }, { STORE_BY_PROVIDER, 2, "|||here|-1", 15 },
                { STORE_BY_TIER, 2, "||||0", 29 }, { STORE_BY_HOUR, 3, "||||-1", 3 }, { STORE_BY_DAY, 2, "||||-1", 15 },
                { STORE_BY_MONTH, 2, "||||-1", 15 }, { STORE_BY_NODE | STORE_BY_OPERATION, 4, "|maps/a|geocode||-1", 3 },
                { STORE_BY_SERVICE | STORE_BY_NODE | STORE_BY_PROVIDER | STORE_BY_TIER | STORE_BY_OPERATION | STORE_BY_HOUR, 5,
                  "maps|maps/a|geocode|here|0", 1 },
        };
        Fixture *f = *state;
        uint64_t next = NOW + 31 * DAY;

        put(f, "maps/a", "geocode", TIER_NORMAL, NOW + 30 * DAY + 20 * HOUR, 1);
        put(f, "maps/a", "geocode", TIER_ELEVATED, NOW + 30 * DAY + 20 * HOUR, 2);
        put(f, "maps/a", "route", TIER_NORMAL, NOW + 30 * DAY + 23 * HOUR, 8);
        put(f, "maps/b", "route", TIER_NORMAL, NOW + 30 * DAY + 23 * HOUR, 4);
        put(f, "stripe/x", "", TIER_NORMAL, next, 16);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                StoreQuestion q = { NOW, NOW + 60 * DAY, cases[i].by, 64 };
                Answer a = {};
                size_t calls = 0;
                Money cost = 0;

                assert_int_equal(f->store->functions->ask(f->store, &q, keep_answer, &a), 0);
                assert_false(a.answered);
                wait_until(f, is_answered, &a);
                assert_int_equal(a.r, 0);
                assert_int_equal(a.n, cases[i].n);
                assert_string_equal(a.names[0], cases[i].first);
                assert_int_equal(a.sums[0].cost, cases[i].cost);
                for (size_t k = 0; k < a.n; k++) {
                        calls += a.sums[k].calls;
                        cost += a.sums[k].cost;
                        if (k > 0)
                                assert_true(a.sums[k].start_utc_ns >= a.sums[k - 1].start_utc_ns);
                }
                assert_int_equal(calls, 5);
                assert_int_equal(cost, 31);
                if (cases[i].by & STORE_BY_HOUR)
                        assert_int_equal(a.sums[0].start_utc_ns, NOW + 30 * DAY + 20 * HOUR);
                if (cases[i].by & STORE_BY_DAY)
                        assert_int_equal(a.sums[0].start_utc_ns, NOW + 30 * DAY);
                if (cases[i].by & STORE_BY_MONTH)
                        assert_int_equal(a.sums[1].start_utc_ns, next);
        }
}

static void a_question_knows_its_limit(void **state) {
        Fixture *f = *state;

        put(f, "maps/a", "", TIER_NORMAL, NOW, 1);
        put(f, "maps/b", "", TIER_NORMAL, NOW, 1);
        for (size_t max = 1; max <= 2; max++) {
                StoreQuestion q = { 0, UINT64_MAX, STORE_BY_NODE, max };
                Answer a = {};
                assert_int_equal(f->store->functions->ask(f->store, &q, keep_answer, &a), 0);
                wait_until(f, is_answered, &a);
                assert_int_equal(a.r, max == 1 ? -E2BIG : 0);
        }
}

/* Any stretch of hours comes out as the plain sum of what was put in them. */
static void any_stretch_of_time_adds_up(void **state) {
        enum { HOURS = 24 * 100 };
        static Money spent[HOURS];
        Fixture *f = *state;
        unsigned seed = 7;

        for (size_t i = 0; i < HOURS; i++) {
                spent[i] = (Money) (rand_r(&seed) % 1000);
                put(f, "maps/a", "", TIER_NORMAL, NOW + i * HOUR + (uint64_t) rand_r(&seed) % 3600 * NSEC_PER_SEC, spent[i]);
        }
        store_reopen(f);
        for (int i = 0; i < 200; i++) {
                size_t from = (size_t) rand_r(&seed) % HOURS, to = from + (size_t) rand_r(&seed) % (HOURS - from + 1);
                Money sum = 0;
                for (size_t k = from; k < to; k++)
                        sum += spent[k];
                assert_int_equal(sum_between(f, NOW + from * HOUR, NOW + to * HOUR).cost, sum);
                if (to > from)
                        assert_int_equal(sum_between(f, NOW + from * HOUR + 1, NOW + to * HOUR - 1).cost, sum);
        }
}

static void a_sum_stops_at_its_limit(void **state) {
        Fixture *f = *state;

        for (int i = 0; i < 4; i++) {
                put(f, "maps/a", i & 1 ? "a" : "b", TIER_NORMAL, NOW, INT64_MAX - 5);
                store_reopen(f);
        }
        assert_int_equal(sum_between(f, NOW, NOW + 1).cost, INT64_MAX);
        assert_int_equal(sum_between(f, NOW, NOW + 1).calls, 4);
}

/* ---- scenarios ---- */

typedef struct Seen {
        size_t n;
        char ids[8][32];
        ScenarioCopy last;
} Seen;

static void see(void *userdata, const ScenarioView *v) {
        Seen *seen = userdata;

        strcpy(seen->ids[seen->n++], v->id);
        scenario_copy(&seen->last, v);
}

static void a_scenario_comes_back_as_it_was(void **state) {
        Fixture *f = *state;
        TimelineEntry timeline[] = {
                { NOW, "error_detection", "it's \"bad\"" }, { NOW + NSEC_PER_SEC, "routing_decision", "elsewhere" },
        };
        ScenarioView v = {
                .id = "s-1", .type = NETWORK_ISSUES, .service_name = "maps", .nodes = { "maps/b", "maps/a" }, .n_nodes = 2,
                .severity = SEVERITY_HIGH, .state = SCENARIO_ACTIVE, .optimization_strategy = AVAILABILITY_FIRST, .declared = true,
                .started_utc_ns = NOW, .updated_utc_ns = NOW + 60 * NSEC_PER_SEC, .reason = "the uplink",
                .impact = { 3, 4, 5000, -6, 0 }, .timeline = timeline, .n_timeline = 1,
        };
        Seen seen = {};

        const StoreFunctions *s = f->store->functions;
        assert_true(s->put_scenario(f->store, &v) > 0);
        v.n_timeline = 2;
        v.state = SCENARIO_ESCALATED;
        s->put_scenario(f->store, &v);
        store_reopen(f);
        assert_int_equal(s->scenarios(f->store, NOW + DAY, 10, see, &seen), 0);
        assert_int_equal(seen.n, 1);
        const ScenarioView *w = &seen.last.view;
        assert_string_equal(w->id, "s-1");
        assert_string_equal(w->service_name, "maps");
        assert_string_equal(w->reason, "the uplink");
        assert_int_equal(w->type, NETWORK_ISSUES);
        assert_int_equal(w->severity, SEVERITY_HIGH);
        assert_int_equal(w->state, SCENARIO_ESCALATED);
        assert_int_equal(w->optimization_strategy, AVAILABILITY_FIRST);
        assert_true(w->declared);
        assert_int_equal(w->started_utc_ns, NOW);
        assert_int_equal(w->resolved_utc_ns, 0);
        assert_int_equal(w->impact.lasted_ns, 60 * NSEC_PER_SEC);
        assert_int_equal(w->impact.failed_calls, 3);
        assert_int_equal(w->impact.extra_cost, -6);
        assert_int_equal(w->n_nodes, 2);
        assert_string_equal(w->nodes[0], "maps/b");
        assert_int_equal(w->n_timeline, 2);
        assert_string_equal(w->timeline[0].message, "it's \"bad\"");
        assert_string_equal(w->timeline[1].step, "routing_decision");
        assert_int_equal(w->timeline[1].at_utc_ns, NOW + NSEC_PER_SEC);

        v.resolved_utc_ns = NOW + HOUR;
        v.state = SCENARIO_RESOLVED;
        v.service_name = NULL;
        s->put_scenario(f->store, &v);
        for (int i = 2; i < 6; i++) {
                char id[8] = { 's', '-', (char) ('0' + i) };
                v.id = id;
                v.started_utc_ns += HOUR;
                v.resolved_utc_ns += HOUR;
                s->put_scenario(f->store, &v);
        }
        store_reopen(f);
        seen.n = 0;
        assert_int_equal(s->scenarios(f->store, NOW + DAY, 10, see, &seen), 0);
        assert_int_equal(seen.n, 0);
        assert_int_equal(s->scenarios(f->store, NOW + 3 * HOUR, 2, see, &seen), 0);
        assert_int_equal(seen.n, 2);
        assert_string_equal(seen.ids[0], "s-4");
        assert_string_equal(seen.ids[1], "s-5");
        assert_null(seen.last.view.service_name);
        assert_int_equal(seen.last.view.resolved_utc_ns, NOW + 5 * HOUR);
}

/* ---- retention ---- */

static bool hours_are_gone(Fixture *f, void *userdata) {
        StoreQuestion q = { 0, UINT64_MAX, STORE_BY_HOUR, *(size_t *) userdata };
        Answer a = {};

        assert_int_equal(f->store->functions->ask(f->store, &q, keep_answer, &a), 0);
        wait_until(f, is_answered, &a);
        return a.r == 0;
}

static void what_is_old_becomes_days_and_months(void **state) {
        Fixture *f = *state;
        uint64_t now = (uint64_t) time(NULL) * NSEC_PER_SEC, start = now - now % DAY - 100 * DAY;
        size_t few = 60;

        for (uint64_t t = start; t <= now; t += 6 * HOUR)
                put(f, "maps/a", "", TIER_NORMAL, t, 1);
        Money all = (Money) ((now - start) / (6 * HOUR)) + 1;
        store_reopen(f);
        f->store->functions->set_limits(f->store, &(StoreLimits) { NSEC_PER_SEC, 10 * DAY, 50 * DAY });
        wait_until(f, hours_are_gone, &few);
        for (int i = 0; i < 2; i++) {
                assert_int_equal(sum_between(f, 0, UINT64_MAX).cost, all);
                /* What is not known by the hour is told by the day, and beyond that by the month, as a whole. */
                assert_int_equal(sum_between(f, now - now % DAY - 20 * DAY + HOUR, now - now % DAY - 20 * DAY + 2 * HOUR).cost, 4);
                assert_int_equal(sum_between(f, now - now % DAY - 5 * DAY, now - now % DAY - 5 * DAY + 2 * HOUR).cost, 1);
                assert_true(sum_between(f, start + DAY, start + DAY + HOUR).cost >= 28);
                store_reopen(f);
                f->store->functions->set_limits(f->store, &(StoreLimits) { NSEC_PER_SEC, 1000 * DAY, 1000 * DAY });
        }
}

/* ---- size ---- */

/* An hour of each kind of call is a call: no less can be added up. */
static void pass_a_day(Database *d, Gather *g, unsigned day, unsigned kinds) {
        static const StoreLimits defaults = { NSEC_PER_SEC, 35 * DAY, 400 * DAY };
        int r;

        for (unsigned hour = 0; hour < 24; hour++)
                for (unsigned kind = 0; kind < kinds; kind++) {
                        StoreCall c = call_at(NOW + day * DAY + hour * HOUR);
                        char node[32];
                        snprintf(node, sizeof(node), "maps/node-%u", kind);
                        c.node = node;
                        c.cost += kind;
                        gather_call(g, &c);
                }
        assert_int_equal(database_write(d, g), 0);
        gather_clear(g);
        while ((r = database_tidy(d, NOW + (day + 1) * DAY, &defaults)) > 0)
                ;
        assert_int_equal(r, 0);
}

static void the_file_stops_growing(void **state) {
        enum { KINDS = 5, CALLS_A_DAY = 24 * KINDS };
        Fixture *f = *state;
        uint64_t empty, month = 0, old = 0;
        Database d;
        Gather g = {};

        f->store = store_free(f->store);
        assert_int_equal(database_init(&d, f->folder), 0);
        assert_int_equal(database_open(&d), 0);
        /* For the test's sake. */
        assert_int_equal(database_execute(&d, "PRAGMA synchronous = OFF"), 0);
        assert_int_equal(database_execute(&d, "PRAGMA wal_checkpoint(TRUNCATE)"), 0);
        empty = database_size(&d);
        for (unsigned day = 0; day < 1000; day++) {
                pass_a_day(&d, &g, day, KINDS);
                if (day != 29 && day != 499 && day != 999)
                        continue;
                assert_int_equal(database_execute(&d, "PRAGMA wal_checkpoint(TRUNCATE)"), 0);
                uint64_t size = database_size(&d);
                if (day == 29)
                        month = size;
                else if (day == 499)
                        old = size;
                else
                        /* A row a month and kind is kept for ever. */
                        assert_true(size <= old + 4 * 4096);
        }
        assert_true((month - empty) / (30 * CALLS_A_DAY) <= 100);
        print_message("empty %llu, after 30 days %llu (%llu bytes a call), after 500 days %llu\n", (unsigned long long) empty,
                      (unsigned long long) month, (unsigned long long) ((month - empty) / (30 * CALLS_A_DAY)), (unsigned long long) old);
        gather_done(&g);
        database_done(&d);
        store_open(f);
        assert_int_equal(sum_between(f, 0, UINT64_MAX).calls, 1000 * CALLS_A_DAY);
}

/* When what it held is gone for the most part, its room is given back. */
static void room_is_given_back(void **state) {
        Fixture *f = *state;
        uint64_t full, now = NOW + 1000 * DAY;
        Database d;
        Gather g = {};
        int r;

        f->store = store_free(f->store);
        assert_int_equal(database_init(&d, f->folder), 0);
        assert_int_equal(database_open(&d), 0);
        for (unsigned day = 0; day < 200; day++)
                for (unsigned hour = 0; hour < 24; hour++)
                        for (unsigned kind = 0; kind < 10; kind++) {
                                StoreCall c = call_at(NOW + day * DAY + hour * HOUR);
                                char operation[8];
                                snprintf(operation, sizeof(operation), "%u", kind);
                                c.operation = operation;
                                gather_call(&g, &c);
                        }
        assert_int_equal(database_write(&d, &g), 0);
        assert_int_equal(database_execute(&d, "PRAGMA wal_checkpoint(TRUNCATE)"), 0);
        full = database_size(&d);
        while ((r = database_tidy(&d, now, &(StoreLimits) { NSEC_PER_SEC, 35 * DAY, 400 * DAY })) > 0)
                ;
        assert_int_equal(r, 0);
        assert_int_equal(database_execute(&d, "PRAGMA wal_checkpoint(TRUNCATE)"), 0);
        /* Up to what is kept free for new rows. */
        assert_true(database_size(&d) < full / 2);
        assert_true(full > 1 << 20);
        gather_done(&g);
        database_done(&d);
        store_open(f);
        assert_int_equal(sum_between(f, 0, UINT64_MAX).calls, 200 * 24 * 10);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, store_set_up, store_tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(a_document_survives), TEST(calls_add_up), TEST(a_question_groups_as_it_says), TEST(a_question_knows_its_limit),
                TEST(any_stretch_of_time_adds_up), TEST(a_sum_stops_at_its_limit), TEST(a_scenario_comes_back_as_it_was),
                TEST(what_is_old_becomes_days_and_months), TEST(the_file_stops_growing), TEST(room_is_given_back),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
