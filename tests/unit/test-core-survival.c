/* SPDX-License-Identifier: Apache-2.0 */
/* What survives the brain: leases and money, whatever is found at the next start. */
#include <sys/mman.h>

#include "daemon/core/random.h"
#include "tests/unit/survival.h"

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

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(test_restart, begin_with_limits),
                cmocka_unit_test_setup(test_disk_is_away, begin_with_limits),
                cmocka_unit_test_setup(test_gone_node, begin_with_limits),
                cmocka_unit_test_setup(test_other_limits, begin_with_limits),
                cmocka_unit_test_setup(test_operations_that_moved, begin_with_limits),
                cmocka_unit_test_setup(test_damage, begin_with_limits),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
