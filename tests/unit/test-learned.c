/* SPDX-License-Identifier: Apache-2.0 */
/* What was learned comes back as it was, in steps that keep nobody waiting; and whatever comes back does no harm. */
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "daemon/api/learned-state.h"
#include "daemon/api/private.h"
#include "daemon/core/random.h"
#include "tests/unit/core.h"

/* A store that is nothing but documents in memory. */
typedef struct Documents {
        Store store;
        size_t n, puts, set_aside;
        struct {
                char name[32];
                char *text;
                size_t size;
        } documents[1024];
} Documents;

static int find(const Documents *d, const char *name) {
        for (size_t i = 0; i < d->n; i++)
                if (streq(d->documents[i].name, name))
                        return (int) i;
        return -1;
}

static int read_document(Store *store, const char *name, char **ret, size_t *ret_size) {
        Documents *d = (Documents *) store;
        int i = find(d, name);

        if (i < 0 || !d->documents[i].text)
                return -ENOENT;
        *ret = malloc(d->documents[i].size + 1);
        assert_non_null(*ret);
        memcpy(*ret, d->documents[i].text, d->documents[i].size);
        (*ret)[d->documents[i].size] = 0;
        *ret_size = d->documents[i].size;
        return 0;
}

static int set_aside(Store *store, const char *name, char **ret_where) {
        Documents *d = (Documents *) store;
        int i = find(d, name);

        assert_true(i >= 0);
        free(d->documents[i].text);
        d->documents[i].text = NULL;
        d->set_aside++;
        *ret_where = strdup("elsewhere");
        return 0;
}

static uint64_t put_document(Store *store, const char *name, const char *text, size_t n) {
        Documents *d = (Documents *) store;
        int i = find(d, name);

        if (i < 0) {
                assert_true(d->n < ELEMENTSOF(d->documents));
                i = (int) d->n++;
                snprintf(d->documents[i].name, sizeof(d->documents[i].name), "%s", name);
        }
        free(d->documents[i].text);
        d->documents[i].text = malloc(n);
        assert_non_null(d->documents[i].text);
        memcpy(d->documents[i].text, text, n);
        d->documents[i].size = n;
        return ++d->puts;
}

static uint64_t put_scenario(Store *store, const ScenarioView *scenario _unused_) {
        return ((Documents *) store)->puts; /* rows of their own, which the store's tests are about */
}

static const StoreFunctions functions = {
        .read = read_document, .set_aside = set_aside, .put_document = put_document, .put_scenario = put_scenario,
};

#define START_NS (100000 * SEC)

typedef struct Fixture {
        Core core;
        uint64_t utc_ns; /* at START_NS; the brain's clock is ahead of ours as soon as it has waited */
        RouterLimits limits; /* zeroed: large */
        Documents *documents;
        DaemonSettings settings;
        Api *api;
        LearnedState *state;
} Fixture;

/* What is put back is as much older as time has passed on the wall; here that stands still, or a node with just enough evidence would
 * be unknown after a slow test. */
#define WALL_SECONDS 1772366400 /* 2026-03-01 12:00 UTC */

int clock_gettime(clockid_t clock, struct timespec *ret) {
        if (clock != CLOCK_REALTIME)
                return (int) syscall(SYS_clock_gettime, clock, ret);
        *ret = (struct timespec) { .tv_sec = WALL_SECONDS };
        return 0;
}

static void begin(Fixture *f) {
        const RouterLimits large = { .leases = 16384, .leases_per_user = 16384, .services = 1000, .nodes = 20000, .nodes_per_service = 20000 };

        uint64_t utc_ns = f->utc_ns + f->core.now - START_NS;

        assert_int_equal(router_new(&f->core.router, f->limits.leases ? &f->limits : &large, 1, f->core.now, utc_ns), 0);
        core_apply(&f->core);
        assert_int_equal(api_new(&f->api, f->core.router, NULL, &f->settings, f->core.now), 0);
        f->api->persistence.store = &f->documents->store;
        assert_int_equal(learned_state_new(&f->state, f->api, &f->documents->store), 0);
}

static void end(Fixture *f) {
        learned_state_free(f->state);
        f->api->persistence.store = NULL;
        api_free(f->api);
        router_free(f->core.router);
}

static void set_up(Fixture *f, size_t services, size_t nodes) {
        *f = (Fixture) { .core = { .now = START_NS, .strategy = _STRATEGY_INVALID }, .utc_ns = WALL_SECONDS * NSEC_PER_SEC,
                         .settings = { .state_interval_ns = 5 * SEC, .event_history = 16, .connections_max = 4 } };
        f->documents = calloc(1, sizeof(Documents));
        assert_non_null(f->documents);
        f->documents->store.functions = &functions;
        for (size_t i = 0; i < services; i++) {
                char name[16];

                snprintf(name, sizeof(name), i == 0 ? "s" : "s%zu", i);
                core_add_service(&f->core, name, ROUND_ROBIN, NULL, nodes);
        }
        begin(f);
}

static void tear_down(Fixture *f) {
        end(f);
        settings_done(&f->core.settings);
        for (size_t i = 0; i < f->documents->n; i++)
                free(f->documents->documents[i].text);
        free(f->documents);
}

/* Calls of any outcome, to every node. */
static void live(Fixture *f, unsigned calls) {
        Random random;

        random_seed(&random, 3);
        for (unsigned i = 0; i < calls; i++) {
                static char service[16];
                RouteRequest q = core_request();
                Outcome o = core_outcome(PM_OK, (20 + random_below(&random, 100)) * MS);
                Core *c = &f->core;

                snprintf(service, sizeof(service), "%s", f->core.settings.services[i % f->core.settings.n_services].name);
                q.service = service;
                q.operation = i % 3 ? "geocode" : NULL;
                if (router_route(c->router, &q, c->now, &c->d, &c->refusal) != 0)
                        continue;
                if (random_below(&random, 5) == 0)
                        o.verdict = (Verdict) random_below(&random, _PM_VERDICT_MAX);
                if (random_below(&random, 40) == 0) {
                        o.scope = PM_SCOPE_OPERATION;
                        o.cooldown_ns = 100 * SEC;
                }
                assert_int_equal(router_report(c->router, c->d.id, UID, false, &o, c->now, &c->settlement), 0);
                if (i % 16 == 0)
                        core_wait(c, random_below(&random, SEC));
        }
}

static void assert_same_node(const NodeStatus *a, const NodeStatus *b) {
        assert_string_equal(a->node, b->node);
        assert_int_equal(a->circuit, b->circuit);
        assert_int_equal(a->calls, b->calls);
        assert_int_equal(a->failures, b->failures);
        assert_memory_equal(a->verdicts, b->verdicts, sizeof(a->verdicts));
        assert_true(fabs(a->success_rate - b->success_rate) < 0.001);
        assert_int_equal(a->latency_p50_ns, b->latency_p50_ns);
        assert_int_equal(a->latency_p99_ns, b->latency_p99_ns);
        assert_true(a->cooldown_ns >= b->cooldown_ns && a->cooldown_ns - b->cooldown_ns < SEC);
        assert_int_equal(a->health, b->health);
        assert_true(fabs(a->health_score - b->health_score) < 1);
        assert_int_equal(isnan(a->failure_forecast), isnan(b->failure_forecast));
        assert_true(isnan(a->failure_forecast) || fabs(a->failure_forecast - b->failure_forecast) < 0.01);
        assert_true(fabs(a->share - b->share) < 0.001);
}

static void test_comes_back(void **state) {
        NodeStatus before[100], after;
        char names[100][32];
        AnalyticsPoint hour, hour_after;
        ServiceTotals totals, totals_after;
        Fixture f;

        set_up(&f, 4, 25);
        live(&f, 20000);
        for (size_t i = 0; i < 100; i++) {
                const Node *n = service_node(router_service(f.core.router, i / 25), i % 25);

                node_status(f.core.router, n, f.core.now, &before[i]);
                snprintf(names[i], sizeof(names[i]), "%s", before[i].node);
                before[i].node = names[i];
        }
        service_analytics(f.core.router, router_service(f.core.router, 0), true, f.core.now, 1, &hour);
        service_totals(f.core.router, router_service(f.core.router, 0), f.core.now, &totals);
        learned_state_finish(f.state, f.core.now);
        end(&f);

        begin(&f);
        assert_int_equal(learned_state_restore(f.state, f.core.now), 0);
        assert_int_equal(f.documents->set_aside, 0);
        for (size_t i = 0; i < 100; i++) {
                node_status(f.core.router, router_find_node(f.core.router, names[i]), f.core.now, &after);
                assert_same_node(&before[i], &after);
        }
        service_analytics(f.core.router, router_service(f.core.router, 0), true, f.core.now, 1, &hour_after);
        assert_int_equal(hour.calls, hour_after.calls);
        assert_int_equal(hour.cost, hour_after.cost);
        service_totals(f.core.router, router_service(f.core.router, 0), f.core.now, &totals_after);
        assert_memory_equal(totals.decisions, totals_after.decisions, sizeof(totals.decisions));
        assert_int_equal(totals.savings, totals_after.savings);
        assert_int_equal(totals.openings, totals_after.openings);
        assert_true(fabs(totals.forecast_brier - totals_after.forecast_brier) < 0.001);
        live(&f, 1000);
        tear_down(&f);
}

static uint64_t thread_ns(void) {
        struct timespec ts;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
        return (uint64_t) ts.tv_sec * NSEC_PER_SEC + (uint64_t) ts.tv_nsec;
}

/* However many nodes there are, no step is long; and where nothing has happened, nothing is written. */
static void test_steps(void **state) {
        uint64_t longest = 0, all = 0, due;
        size_t puts, bytes = 0;
        unsigned steps = 0;
        Fixture f;

        set_up(&f, 10, 1000);
        live(&f, 100000);
        do {
                uint64_t started = thread_ns();

                due = learned_state_step(f.state, f.core.now);
                started = thread_ns() - started;
                longest = MAX(longest, started);
                all += started;
                steps++;
        } while (due < f.core.now + SEC);
        for (size_t i = 0; i < f.documents->n; i++)
                bytes += f.documents->documents[i].size;
        print_message("10000 nodes: %u steps, the longest %.2f ms, on average %.3f ms; %zu documents, %.1f MB\n", steps,
                      (double) longest / 1e6, (double) all / 1e6 / steps, f.documents->n, (double) bytes / 1e6);
        assert_true(steps > 10000 / 8);
        assert_true(f.documents->n >= 10000 / 64);

        puts = f.documents->puts;
        f.core.now = due;
        do
                due = learned_state_step(f.state, f.core.now);
        while (due < f.core.now + SEC);
        assert_int_equal(f.documents->puts, puts + 1); /* but for that it was done */
        f.core.now = due;
        core_choose(&f.core);
        core_report(&f.core, PM_OK, MS);
        do
                due = learned_state_step(f.state, f.core.now);
        while (due < f.core.now + SEC);
        assert_int_equal(f.documents->puts, puts + 1 + 3); /* its node, its service */
        tear_down(&f);
}

/* Nothing that is found leads to a brain that does not work, or to an answer out of bounds. */
static void test_damage(void **state) {
        unsigned refused = 0, aside = 0;
        Documents *good;
        Random random;
        Fixture f;

        random_seed(&random, 5);
        set_up(&f, 2, 3);
        live(&f, 3000);
        learned_state_finish(f.state, f.core.now);
        end(&f);
        good = calloc(1, sizeof(Documents));
        assert_non_null(good);
        for (size_t i = 0; i < f.documents->n; i++)
                put_document(&good->store, f.documents->documents[i].name, f.documents->documents[i].text, f.documents->documents[i].size);

        /* A small brain: it is made three thousand times. */
        f.limits = (RouterLimits) { .leases = 64, .leases_per_user = 64, .services = 10, .nodes = 20, .nodes_per_service = 20 };
        for (int round = 0; round < 3000; round++) {
                static const char *const tokens[] = { "-1", "1e308", "-1e308", "9007199254740993", "null", "[", "]", "{", "}", "\"\"", "0", ",",
                                                      "[-1000]", "65536", "4294967296", "18446744073709551616", ":" };

                for (size_t i = 0; i < good->n; i++) {
                        char *text = good->documents[i].text;
                        size_t at = random_below(&random, good->documents[i].size), end_of, size = good->documents[i].size;
                        const char *token = tokens[random_below(&random, ELEMENTSOF(tokens))];
                        char buffer[1 << 16];

                        assert_true(size + 32 < sizeof(buffer));
                        if (round % 3 == 0) { /* any byte */
                                memcpy(buffer, text, size);
                                buffer[at] = (char) random_u64(&random);
                        } else { /* a value, so that what is around it is still understood */
                                while (at > 0 && text[at] != ':' && text[at] != ',' && text[at] != '[')
                                        at--;
                                at++;
                                end_of = at;
                                while (end_of < size && text[end_of] != ',' && text[end_of] != ']' && text[end_of] != '}')
                                        end_of++;
                                size = at + strlen(token) + (size - end_of);
                                memcpy(buffer, text, at);
                                memcpy(buffer + at, token, strlen(token));
                                memcpy(buffer + at + strlen(token), text + end_of, size - at - strlen(token));
                        }
                        put_document(&f.documents->store, good->documents[i].name, buffer, size);
                }
                f.core.now = START_NS + 10000 * SEC;
                begin(&f);
                refused += learned_state_restore(f.state, f.core.now);
                core_assert_money(&f.core);
                for (int i = 0; i < 20; i++) {
                        NodeStatus s;

                        if (core_route(&f.core) == 0)
                                core_report(&f.core, i % 4 ? PM_OK : PM_SERVICE_UNAVAILABLE, 30 * MS);
                        core_wait(&f.core, SEC);
                        node_status(f.core.router, service_node(router_service(f.core.router, 0), (size_t) i % 3), f.core.now, &s);
                        assert_true(s.health_score >= 0 && s.health_score <= 100);
                        assert_true(s.success_rate >= 0 && s.success_rate <= 1);
                        assert_true(isnan(s.failure_forecast) || (s.failure_forecast >= 0 && s.failure_forecast <= 1));
                }
                core_wait(&f.core, 400 * SEC); /* no circuit stays open for ever */
                assert_int_equal(core_route(&f.core), 0);
                learned_state_finish(f.state, f.core.now);
                end(&f);
        }
        aside = (unsigned) f.documents->set_aside;
        print_message("%u values refused, %u documents set aside\n", refused, aside);
        assert_true(refused > 1000 && aside > 1000);
        for (size_t i = 0; i < good->n; i++)
                free(good->documents[i].text);
        free(good);
        begin(&f);
        tear_down(&f);
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_comes_back), cmocka_unit_test(test_steps), cmocka_unit_test(test_damage) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
