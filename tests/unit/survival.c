/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/survival.h"

#include <sys/mman.h>

#include "daemon/core/budget.h"

const RouterLimits limits_at_first = {
        .leases = 64, .leases_per_user = 60, .services = 10, .nodes = 20, .nodes_per_service = 20,
};

RouterLimits limits;

size_t memory_size(void) {
        return lease_memory_size(&(RouterLimits) { .leases = 128, .nodes = 60 });
}

int begin_with_limits(void **state) {
        limits = limits_at_first;
        return 0;
}

void *shared(size_t size) {
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

uint64_t committed_serial(const Books *b) {
        return b->committed > 0 ? b->calls[b->committed - 1].serial : 0;
}

Recovered start(Core *c, const Settings *settings, void *memory, Books *b, uint64_t seed) {
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

void two_services(Core *c) {
        *c = (Core) { .now = 1000 * SEC, .strategy = _STRATEGY_INVALID };
        core_add_service(c, "s", ROUND_ROBIN, NULL, 3);
        core_add_service(c, "t", ROUND_ROBIN, NULL, 2);
        for (int i = 0; i < 2; i++) /* prices by operation */
                c->settings.services[1].nodes[i].cost_per_request = MONEY_UNSET;
}
