/* SPDX-License-Identifier: Apache-2.0 */
/* What survives the brain: leases and money, whenever it is killed and whatever is found. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "daemon/core/budget.h"
#include "daemon/core/lease-memory.h"
#include "daemon/core/random.h"
#include "tests/unit/core.h"

#define CALLS_MAX 100000

typedef struct BookedCall {
        uint64_t serial, utc_ns;
        char service[8], node[8], operation[16], provider[8];
        Money cost;
        Units units;
        Verdict verdict;
} BookedCall;

/* What stands for the disk: calls beyond `committed` are gone after a crash. */
typedef struct Books {
        _Atomic size_t n, committed;
        BookedCall calls[CALLS_MAX];
} Books;

static const RouterLimits limits_at_first = {
        .leases = 64, .leases_per_user = 60, .services = 10, .nodes = 20, .nodes_per_service = 20,
};

static RouterLimits limits; /* of the next start */

/* What the tests need at most, as they let limits grow. */
static size_t memory_size(void) {
        return lease_memory_size(&(RouterLimits) { .leases = 128, .nodes = 60 });
}

static int begin_with_limits(void **state) {
        limits = limits_at_first;
        return 0;
}

static void *shared(size_t size) {
        void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        assert_true(p != MAP_FAILED);
        return p;
}

static void book(void *userdata, const SettledCall *call) {
        Books *b = userdata;
        BookedCall *x = &b->calls[b->n];

        if (b->n == CALLS_MAX || (b->n > 0 && call->serial <= b->calls[b->n - 1].serial))
                abort();
        *x = (BookedCall) { .serial = call->serial, .utc_ns = call->utc_ns, .cost = call->cost, .units = call->units,
                            .verdict = call->verdict };
        snprintf(x->service, sizeof(x->service), "%s", call->service_name);
        snprintf(x->node, sizeof(x->node), "%s", call->node);
        snprintf(x->operation, sizeof(x->operation), "%s", call->operation);
        snprintf(x->provider, sizeof(x->provider), "%s", call->provider);
        b->n++;
}

static uint64_t committed_serial(const Books *b) {
        return b->committed > 0 ? b->calls[b->committed - 1].serial : 0;
}

static Recovered start(Core *c, const Settings *settings, void *memory, Books *b, uint64_t seed) {
        RouterLimits l = limits;
        uint64_t utc_ns = UTC_NS + c->now - 1000 * SEC;
        Recovered found = {};

        l.lease_memory = memory;
        l.lease_memory_size = memory_size();
        b->n = b->committed;
        if (router_new(&c->router, &l, seed, c->now, utc_ns) < 0)
                abort();
        router_set_books(c->router, book, b);
        if (router_apply(c->router, settings, c->now) < 0)
                abort();
        for (size_t i = 0; i < b->committed; i++)
                for (BudgetPeriod p = 0; p < _BUDGET_PERIOD_MAX; p++) {
                        const BookedCall *x = &b->calls[i];
                        uint64_t from, to, then;

                        period_window(p, utc_ns, &from, &to);
                        period_window(p, x->utc_ns, &then, &to);
                        if (from == then)
                                router_restore_spend(c->router, p, from,
                                                     &(SpendSum) { x->service, x->node, x->operation, x->cost, x->units });
                }
        router_recover_leases(c->router, c->now, &found);
        if (router_recover_calls(c->router, committed_serial(b), c->now, &found) < 0)
                abort();
        return found;
}

static void two_services(Core *c) {
        *c = (Core) { .now = 1000 * SEC, .strategy = _STRATEGY_INVALID };
        core_add_service(c, "s", ROUND_ROBIN, NULL, 3);
        core_add_service(c, "t", ROUND_ROBIN, NULL, 2);
        for (int i = 0; i < 2; i++) /* prices by operation */
                c->settings.services[1].nodes[i].cost_per_request = MONEY_UNSET;
}

static void test_restart(void **state) {
        void *memory = shared(memory_size());
        Books *b = shared(sizeof(Books));
        Decision first, second;
        RouteRefusal refusal;
        CostAssessment cost;
        char tried[NODE_NAME_MAX + 1], now_at[NODE_NAME_MAX + 1];
        RouteRequest q;
        Recovered found;
        Outcome o;
        Core c;

        two_services(&c);
        start(&c, &c.settings, memory, b, 1);
        core_call(&c, PM_OK);
        b->committed = b->n;
        router_set_committed(c.router, committed_serial(b));
        core_call(&c, PM_OK); /* settled, and not yet committed */
        q = core_request();
        q.service = "t";
        q.operation = "geocode";
        q.units = 3 * UNITS_ONE;
        assert_int_equal(router_route(c.router, &q, c.now, &first, &refusal), 0);
        core_choose(&c);
        second = c.d;
        snprintf(tried, sizeof(tried), "%s", c.d.node);
        o = core_outcome(PM_SERVICE_UNAVAILABLE, MS);
        assert_int_equal(router_fallback(c.router, second.id, UID, false, &o, MONEY_UNSET, false, c.now, &c.d, &c.settlement,
                                         &cost, &refusal), 0);
        snprintf(now_at, sizeof(now_at), "%s", c.d.node);
        router_free(c.router);

        c.now += 5 * SEC;
        found = start(&c, &c.settings, memory, b, 2);
        assert_int_equal(found.open, 2);
        assert_int_equal(found.settled, 2);
        assert_int_equal(found.lost + found.dropped, 0);
        assert_int_equal(b->n, 3);
        assert_string_equal(b->calls[1].provider, "test");
        assert_int_equal(core_status(&c).spend_hour, 3 * CENT);
        assert_int_equal(core_status(&c).reserved, CENT);
        assert_int_equal(core_node(&c, now_at).in_flight, 1);
        core_assert_money(&c);

        /* A chain of fallbacks goes on, and knows whom it has tried. */
        assert_int_equal(router_fallback(c.router, c.d.id, UID, false, &o, MONEY_UNSET, false, c.now, &c.d, &c.settlement, &cost,
                                         &refusal), 0);
        assert_string_not_equal(c.d.node, tried);
        assert_string_not_equal(c.d.node, now_at);
        /* Only its user may report it, and only once. */
        o = core_outcome(PM_OK, MS);
        assert_int_equal(router_report(c.router, first.id, UID + 1, false, &o, c.now, &c.settlement), ROUTE_NO_SUCH_DECISION);
        assert_int_equal(router_report(c.router, first.id, UID, false, &o, c.now, &c.settlement), 0);
        assert_int_equal(router_report(c.router, first.id, UID, false, &o, c.now, &c.settlement), ROUTE_NO_SUCH_DECISION);
        assert_string_equal(b->calls[b->n - 1].operation, "geocode");
        assert_int_equal(b->calls[b->n - 1].units, 3 * UNITS_ONE);
        q.exclude = (const char *[]) { streq(b->calls[b->n - 1].node, "t/a") ? "b" : "a" };
        q.n_exclude = 1;
        core_wait(&c, 31 * SEC);
        assert_int_equal(core_counters(&c).leases, 0);
        b->committed = b->n;
        router_free(c.router);

        /* Free units are used up for good: three of ten are gone. */
        found = start(&c, &c.settings, memory, b, 3);
        assert_int_equal(found.open + found.settled, 0);
        q.units = 8 * UNITS_ONE;
        assert_int_equal(router_route(c.router, &q, c.now, &c.d, &refusal), 0);
        assert_int_equal(c.d.estimated_cost, 5000);
        core_done(&c);
        munmap(memory, memory_size());
        munmap(b, sizeof(Books));
}

/* The table may be full of what was not committed: then the oldest makes room, and routing goes on. */
static void test_disk_is_away(void **state) {
        void *memory = shared(memory_size());
        Books *b = shared(sizeof(Books));
        Recovered found;
        Core c;

        two_services(&c);
        start(&c, &c.settings, memory, b, 1);
        for (int i = 0; i < 1000; i++)
                core_call(&c, PM_OK);
        router_free(c.router);
        found = start(&c, &c.settings, memory, b, 1);
        assert_int_equal(found.settled, 2 * limits.leases);
        assert_int_equal(b->calls[b->n - 1].serial, 1000);
        core_call(&c, PM_OK);
        assert_int_equal(b->calls[b->n - 1].serial, 1001);
        core_done(&c);
        munmap(memory, memory_size());
        munmap(b, sizeof(Books));
}

static void test_gone_node(void **state) {
        void *memory = shared(memory_size());
        Books *b = shared(sizeof(Books));
        Recovered found;
        Core c;

        two_services(&c);
        core_service(&c)->max_cost_per_hour = 10 * CENT;
        start(&c, &c.settings, memory, b, 1);
        for (int i = 0; i < 3; i++)
                core_choose(&c);
        core_report(&c, PM_OK, MS); /* s/c */
        router_free(c.router);
        free(core_service(&c)->nodes[1].id);
        core_service(&c)->nodes[1].id = strdup("new");
        free(core_service(&c)->nodes[2].id);
        core_service(&c)->nodes[2].id = strdup("newer");

        found = start(&c, &c.settings, memory, b, 2);
        assert_int_equal(found.open, 1);
        assert_int_equal(found.lost, 1);
        assert_int_equal(found.settled, 2);
        assert_string_equal(b->calls[0].node, "s/c");
        assert_string_equal(b->calls[1].node, "s/b");
        assert_int_equal(b->calls[1].verdict, PM_UNKNOWN);
        assert_int_equal(core_status(&c).spend_hour, 2 * CENT); /* the service's cap counts what its former nodes spent */
        assert_int_equal(core_status(&c).reserved, CENT);
        assert_int_equal(core_node(&c, "s/new").spend_hour, 0);
        core_done(&c);
        munmap(memory, memory_size());
        munmap(b, sizeof(Books));
}

/* Open decisions are still known when limits have changed, as far as there is room. */
static void test_other_limits(void **state) {
        static const struct { uint32_t leases, nodes, known, lost; } next[] = {
                { 100, 20, 30, 0 }, { 100, 60, 30, 0 }, { 64, 30, 30, 0 }, { 128, 60, 30, 0 }, { 128, 20, 30, 0 },
                { 16, 20, 16, 14 }, { 64, 20, 16, 0 },
        };
        void *memory = shared(memory_size());
        Books *b = shared(sizeof(Books));
        char ids[30][DECISION_ID_MAX + 1];
        Outcome o = core_outcome(PM_OK, MS);
        Recovered found;
        LeaseView view;
        Core c;

        two_services(&c);
        start(&c, &c.settings, memory, b, 1);
        for (size_t i = 0; i < ELEMENTSOF(ids); i++) {
                core_choose(&c);
                memcpy(ids[i], c.d.id, sizeof(ids[i]));
        }
        for (size_t i = 0; i < ELEMENTSOF(next); i++) {
                router_free(c.router);
                limits.leases = next[i].leases;
                limits.nodes = next[i].nodes;
                found = start(&c, &c.settings, memory, b, i + 2);
                assert_int_equal(found.open, next[i].known);
                assert_int_equal(found.lost, next[i].lost);
                assert_int_equal(found.settled, next[i].lost);
                assert_int_equal(found.dropped, 0);
                b->committed = b->n;
                router_set_committed(c.router, committed_serial(b));
                assert_int_equal(core_status(&c).reserved, next[i].known * CENT);
                for (size_t k = 0; k < ELEMENTSOF(ids); k++)
                        assert_int_equal(router_lease(c.router, ids[k], UID, false, &view), k < next[i].known ? 0 : ROUTE_NO_SUCH_DECISION);
                core_assert_money(&c);
        }
        for (size_t k = 0; k < 16; k++)
                assert_int_equal(router_report(c.router, ids[k], UID, false, &o, c.now, &c.settlement), 0);
        assert_int_equal(core_status(&c).spend_hour, 30 * CENT); /* what is lost counts as spent */
        core_done(&c);
        munmap(memory, memory_size());
        munmap(b, sizeof(Books));
}

/* A call is settled as the operation that it was, though a newer plugin has it elsewhere, or not at all. */
static void test_operations_that_moved(void **state) {
        const struct pm_operation reordered[] = { test_provider.operations[1], test_provider.operations[0], {} };
        struct pm_provider newer = test_provider, without = test_provider, other = test_provider;
        const struct {
                const struct pm_provider *provider;
                const char *operation;
        } cases[] = { { &newer, "pay" }, { &without, NULL }, { &other, NULL } };
        Outcome o = core_outcome(PM_OK, MS);

        newer.operations = reordered;
        without.operations = reordered + 1; /* geocode alone */
        other.name = "other";
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                void *memory = shared(memory_size());
                Books *b = shared(sizeof(Books));
                RouteRequest q = core_request();
                RouteRefusal refusal;
                LeaseView view;
                Core c;

                two_services(&c);
                start(&c, &c.settings, memory, b, 1);
                q.service = "t";
                q.operation = "pay"; /* 29000 each */
                assert_int_equal(router_route(c.router, &q, c.now, &c.d, &refusal), 0);
                router_free(c.router);

                for (size_t k = 0; k < 2; k++)
                        c.settings.services[1].nodes[k].provider = cases[i].provider;
                assert_int_equal(start(&c, &c.settings, memory, b, 2).open, 1);
                assert_int_equal(router_lease(c.router, c.d.id, UID, false, &view), 0);
                if (cases[i].operation)
                        assert_string_equal(view.operation->name, cases[i].operation);
                else
                        assert_null(view.operation);
                o.units = 3 * UNITS_ONE;
                assert_int_equal(router_report(c.router, c.d.id, UID, false, &o, c.now, &c.settlement), 0);
                assert_int_equal(c.settlement.settled, 3 * 29000);
                core_done(&c);
                munmap(memory, memory_size());
                munmap(b, sizeof(Books));
        }
}

/* ---- any damage ---- */

static void test_damage(void **state) {
        size_t size = lease_memory_size(&limits);
        uint8_t *memory = shared(memory_size()), *good = shared(size);
        Books *b = shared(sizeof(Books)), *kept = shared(sizeof(Books));
        unsigned understood = 0, dropped = 0;
        Random random;
        Core c;

        random_seed(&random, 7);
        two_services(&c);
        start(&c, &c.settings, memory, kept, 1);
        for (int i = 0; i < 40; i++) {
                core_choose(&c);
                if (i % 2)
                        core_report(&c, PM_OK, MS);
                if (i == 10)
                        router_set_committed(c.router, 3);
        }
        kept->committed = 3;
        router_free(c.router);
        memcpy(good, memory, size);

        for (int i = 0; i < 4000; i++) {
                size_t used = sizeof(LeaseHeader) + 64 + 5 * sizeof(SlotName), n = 1 + random_below(&random, 20);
                Recovered found;

                memcpy(memory, good, size);
                b->committed = 3;
                memcpy(b->calls, kept->calls, 3 * sizeof(BookedCall));
                for (size_t k = 0; k < n; k++) { /* the head and the names, or the leases in use */
                        size_t at = random_below(&random, 4) == 0 ? random_below(&random, used)
                                                                  : size - 2 * limits.leases * sizeof(Lease) +
                                                                            random_below(&random, 45 * sizeof(Lease));

                        switch (random_below(&random, 3)) {
                        case 0: memory[at] = (uint8_t) random_u64(&random); break;
                        case 1: memory[at] ^= (uint8_t) (1U << random_below(&random, 8)); break;
                        default: memset(memory + at, (int) random_below(&random, 2) * 255, MIN(random_below(&random, 300), size - at));
                        }
                }
                found = start(&c, &c.settings, memory, b, 2);
                understood += found.open + found.settled;
                dropped += found.dropped;
                core_assert_money(&c);
                for (int k = 0; k < 20; k++)
                        if (core_route(&c) == 0 && k % 2)
                                core_report(&c, PM_OK, MS);
                core_wait(&c, 100 * 60 * SEC);
                assert_int_equal(core_counters(&c).leases, 0);
                core_assert_money(&c);
                router_free(c.router);
                c.now = 1000 * SEC;
        }
        assert_true(understood > 4000 * 10);
        assert_true(dropped > 4000 / 4);
        settings_done(&c.settings);
        munmap(memory, memory_size());
        munmap(good, size);
        munmap(b, sizeof(Books));
        munmap(kept, sizeof(Books));
}

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
                cmocka_unit_test_setup(test_restart, begin_with_limits),
                cmocka_unit_test_setup(test_disk_is_away, begin_with_limits),
                cmocka_unit_test_setup(test_gone_node, begin_with_limits),
                cmocka_unit_test_setup(test_other_limits, begin_with_limits),
                cmocka_unit_test_setup(test_operations_that_moved, begin_with_limits),
                cmocka_unit_test_setup(test_damage, begin_with_limits),
                cmocka_unit_test_setup(test_history, begin_with_limits),
                cmocka_unit_test_setup(test_killed, begin_with_limits),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
