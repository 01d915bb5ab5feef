/* SPDX-License-Identifier: Apache-2.0 */
/* What survives the brain: leases and money, whatever came before and whenever it is killed. */
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "daemon/core/budget.h"
#include "daemon/core/random.h"
#include "tests/unit/survival.h"

/* ---- any history ---- */

typedef struct Promise {
        char id[DECISION_ID_MAX + 1];
        Money estimate;
} Promise;

typedef struct History {
        Core core;
        Random random;
        void *memory;
        Books *books;
        Promise open[64];
        size_t n_open, ended; /* ended: calls of which the caller knows, or that ran out */
        Money refused, spent; /* all that the callers were told */
        unsigned crashes;
} History;

static void forget(History *h, size_t i) {
        h->open[i] = h->open[--h->n_open];
        h->ended++;
}

/* Those that ran out, or whose node is gone. */
static void drop_ended(History *h) {
        LeaseView view;

        for (size_t i = h->n_open; i-- > 0;)
                if (router_lease(h->core.router, h->open[i].id, UID, false, &view) != 0) {
                        h->spent += h->open[i].estimate;
                        forget(h, i);
                }
}

static void route(History *h) {
        RouteRequest q = core_request();
        Core *c = &h->core;

        if (random_below(&h->random, 3) == 0) {
                q.service = "t";
                q.operation = random_below(&h->random, 2) ? "geocode" : "pay";
        }
        q.units = (Units) (1 + random_below(&h->random, 3)) * UNITS_ONE;
        if (h->n_open == ELEMENTSOF(h->open) || router_route(c->router, &q, c->now, &c->d, &c->refusal) != 0)
                return;
        memcpy(h->open[h->n_open].id, c->d.id, sizeof(c->d.id));
        h->open[h->n_open++].estimate = c->d.estimated_cost;
}

static void report(History *h) {
        size_t i = random_below(&h->random, h->n_open);
        Outcome o = core_outcome((Verdict) random_below(&h->random, _PM_VERDICT_MAX), MS);
        CostAssessment cost;
        Core *c = &h->core;
        int k;

        if (h->n_open == 0)
                return;
        if (random_below(&h->random, 2))
                o.cost = (Money) random_below(&h->random, (uint64_t) h->open[i].estimate + 1);
        o.cooldown_ns = 0;
        if (random_below(&h->random, 4) == 0) {
                k = router_fallback(c->router, h->open[i].id, UID, false, &o, MONEY_UNSET, false, c->now, &c->d, &c->settlement,
                                    &cost, &c->refusal);
                assert_int_not_equal(k, ROUTE_NO_SUCH_DECISION);
                if (k == 0) {
                        memcpy(h->open[h->n_open].id, c->d.id, sizeof(c->d.id));
                        h->open[h->n_open++].estimate = c->d.estimated_cost;
                }
        } else
                assert_int_equal(router_report(c->router, h->open[i].id, UID, false, &o, c->now, &c->settlement), 0);
        h->spent += c->settlement.settled;
        forget(h, i);
}

static void commit(History *h) {
        size_t waiting = h->books->n - h->books->committed;

        h->books->committed += random_below(&h->random, waiting + 1);
        router_set_committed(h->core.router, committed_serial(h->books));
}

static void rename_a_node(History *h) {
        NodeSettings *n = &h->core.settings.services[0].nodes[random_below(&h->random, 3)];
        char id[8];

        snprintf(id, sizeof(id), "%c%u", 'a' + (int) (n - h->core.settings.services[0].nodes), (unsigned) random_below(&h->random, 4));
        free(n->id);
        n->id = strdup(id);
}

static void crash(History *h) {
        Core *c = &h->core;
        Recovered found;

        router_free(c->router);
        if (random_below(&h->random, 4) == 0)
                rename_a_node(h);
        c->now += random_below(&h->random, 10 * SEC);
        if (random_below(&h->random, 4) == 0) {
                limits.leases = MIN(limits.leases + (uint32_t) random_below(&h->random, 20), 128U);
                limits.nodes = MIN(limits.nodes + (uint32_t) random_below(&h->random, 10), 60U);
        }
        found = start(c, &c->settings, h->memory, h->books, random_u64(&h->random));
        assert_int_equal(found.dropped, 0);
        assert_int_equal(found.open + found.lost, h->n_open);
        h->crashes++;
}

static void check(History *h) {
        uint64_t now_utc = UTC_NS + h->core.now - 1000 * SEC, from, to;
        Money all = 0, hour[2] = {}, reserved = 0, promised = 0;
        Books *b = h->books;

        drop_ended(h);
        assert_int_equal(b->n, h->ended);
        period_window(PERIOD_HOURLY, now_utc, &from, &to);
        for (size_t i = 0; i < b->n; i++) {
                all += b->calls[i].cost;
                if (b->calls[i].utc_ns >= from)
                        hour[streq(b->calls[i].service, "t")] += b->calls[i].cost;
        }
        assert_int_equal(all, h->spent);
        for (size_t i = 0; i < h->n_open; i++)
                promised += h->open[i].estimate;
        for (size_t i = 0; i < 2; i++) {
                ServiceStatus s;

                service_status(h->core.router, router_service(h->core.router, i), h->core.now, &s);
                assert_int_equal(s.spend_hour, hour[i]);
                assert_true(s.max_cost_per_hour == MONEY_UNSET || s.spend_hour + s.reserved <= s.max_cost_per_hour);
                assert_true(s.total_budget == MONEY_UNSET || s.spend_period + s.reserved <= s.total_budget);
                reserved += s.reserved;
        }
        assert_int_equal(reserved, promised);
        core_assert_money(&h->core);
}

static void test_history(void **state) {
        History *h = calloc(1, sizeof(History));
        unsigned full = 0;

        assert_non_null(h);
        h->memory = shared(memory_size());
        h->books = shared(sizeof(Books));
        for (uint64_t seed = 0; seed < 60; seed++) {
                limits = limits_at_first;
                memset(h->memory, 0, memory_size());
                h->books->n = h->books->committed = h->n_open = h->ended = 0;
                h->spent = 0;
                random_seed(&h->random, seed);
                two_services(&h->core);
                h->core.settings.services[0].max_cost_per_hour = 100 * CENT + (Money) seed;
                h->core.settings.services[0].total_budget = 250 * CENT;
                h->core.settings.services[0].budget_period = PERIOD_WEEKLY;
                start(&h->core, &h->core.settings, h->memory, h->books, seed);
                for (int i = 0; i < 400; i++) {
                        uint64_t what = random_below(&h->random, 100);

                        if (what < 45)
                                route(h);
                        else if (what < 75)
                                report(h);
                        else if (what < 85)
                                commit(h);
                        else if (what < 90)
                                crash(h);
                        else if (what < 92) {
                                rename_a_node(h);
                                core_apply(&h->core);
                        } else if (what < 99)
                                core_wait(&h->core, random_below(&h->random, 20 * SEC));
                        else
                                core_wait(&h->core, random_below(&h->random, 3600 * SEC));
                        check(h);
                        if (core_status(&h->core).budget_state == BUDGET_EXHAUSTED)
                                full++;
                }
                core_done(&h->core);
        }
        assert_true(h->crashes > 500);
        assert_true(full > 100);
        munmap(h->memory, memory_size());
        munmap(h->books, sizeof(Books));
        free(h);
}

/* ---- killed between any two instructions ---- */

/* Each report names a cost of its own, by which it is known. */
typedef struct Witness {
        _Atomic uint64_t asked, told; /* the newest report begun, and the newest answered */
        char id[DECISION_ID_MAX + 1]; /* of the one begun */
} Witness;

static void *commit_always(void *userdata) {
        Books *b = userdata;

        for (;;)
                b->committed = (size_t) b->n;
        return NULL;
}

static void live(Core *c, void *memory, Books *b, Witness *w, uint64_t seed) {
        Outcome o = core_outcome(PM_OK, MS);
        pthread_t thread;

        start(c, &c->settings, memory, b, seed);
        if (pthread_create(&thread, NULL, commit_always, b) != 0)
                abort();
        for (;;) {
                if (core_route(c) != 0)
                        abort();
                memcpy(w->id, c->d.id, sizeof(w->id));
                o.cost = (Money) ++w->asked;
                if (router_report(c->router, c->d.id, UID, false, &o, c->now, &c->settlement) != 0)
                        abort();
                w->told = w->asked;
                router_set_committed(c->router, committed_serial(b));
                while (b->n - b->committed > limits.leases || b->n == CALLS_MAX) /* no more than the table has places for */
                        sched_yield();
        }
}

static void test_killed(void **state) {
        void *memory = shared(memory_size());
        Witness *w = shared(sizeof(Witness));
        Books *b = shared(sizeof(Books));
        unsigned in_between = 0, missing = 0;
        uint64_t first = 0;
        Random random;
        Core c;

        random_seed(&random, 11);
        two_services(&c);
        /* At least so often, and until each kind of moment was hit: when that is, is the scheduler's choice. */
        for (int i = 0; i < 150 || ((in_between <= 5 || missing == 0) && i < 5000); i++) {
                uint8_t *seen;
                size_t lost;
                pid_t pid = fork();

                assert_true(pid >= 0);
                if (pid == 0)
                        live(&c, memory, b, w, random_u64(&random));
                random_u64(&random);
                while (w->asked == first) /* it has begun */
                        usleep(50);
                usleep((useconds_t) random_below(&random, 1500));
                kill(pid, SIGKILL);
                waitpid(pid, NULL, 0);

                lost = b->n - b->committed;
                start(&c, &c.settings, memory, b, 1);
                missing += lost > 0;
                seen = calloc(w->asked - first + 1, 1);
                assert_non_null(seen);
                for (size_t k = 0; k < b->n; k++) {
                        if ((uint64_t) b->calls[k].cost <= first)
                                continue;
                        if (b->calls[k].verdict == PM_OK)
                                assert_int_equal(seen[(uint64_t) b->calls[k].cost - first]++, 0);
                }
                for (uint64_t k = first + 1; k <= w->told; k++)
                        assert_int_equal(seen[k - first], 1);
                if (w->asked > w->told) { /* begun and not answered: it counts, or it can be done again */
                        Outcome o = core_outcome(PM_CLIENT_ERROR, MS);
                        int r = router_report(c.router, w->id, UID, false, &o, c.now, &c.settlement);

                        assert_int_equal(r, seen[w->asked - first] ? ROUTE_NO_SUCH_DECISION : 0);
                        in_between++;
                }
                core_wait(&c, 31 * SEC); /* routed and not reported */
                core_assert_money(&c);
                first = w->asked;
                w->told = first;
                /* A new volume of the books begins where the old one ended. */
                router_free(c.router);
                b->calls[0] = b->calls[b->n - 1];
                b->n = b->committed = 1;
                b->calls[0].cost = 0;
                free(seen);
        }
        assert_true(in_between > 5);
        assert_true(missing > 0);
        settings_done(&c.settings);
        munmap(memory, memory_size());
        munmap(w, sizeof(Witness));
        munmap(b, sizeof(Books));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(test_history, begin_with_limits),
                cmocka_unit_test_setup(test_killed, begin_with_limits),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
