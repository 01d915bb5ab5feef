/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/core.h"

static const struct pm_operation operations[] = {
        { .name = "geocode",
          .method = "GET",
          .path = "/geocode",
          .unit = "request",
          .idempotent = true,
          .price = 5000,
          .free_units = 10 },
        { .name = "pay", .method = "POST", .path = "/pay", .unit = "request", .idempotent = false, .price = 29000 },
        {},
};
static const struct pm_region regions[] = {
        { .name = "us-east", .url = "https://us.example", .latitude = 39, .longitude = -77 },
        { .name = "europe", .url = "https://eu.example", .latitude = 50, .longitude = 8 },
        {},
};
const struct pm_provider test_provider = {
        .abi = PM_PROVIDER_ABI,
        .size = sizeof(test_provider),
        .name = "test",
        .url = "https://api.example",
        .regions = regions,
        .operations = operations,
};

void core_add_service(Core *c, const char *name, Strategy strategy, const uint32_t *weights, size_t n) {
        ServiceSettings *s;

        c->settings.services = realloc(c->settings.services, (c->settings.n_services + 1) * sizeof(ServiceSettings));
        assert_non_null(c->settings.services);
        s = &c->settings.services[c->settings.n_services++];
        service_settings_init(s);
        s->name = strdup(name);
        s->strategy = strategy;
        s->health_check_interval_ns = 30 * SEC;
        s->nodes = calloc(n, sizeof(NodeSettings));
        s->n_nodes = n;
        for (size_t i = 0; i < n; i++) {
                NodeSettings *x = &s->nodes[i];
                char id[24];

                if (n <= 26)
                        snprintf(id, sizeof(id), "%c", (int) ('a' + i));
                else
                        snprintf(id, sizeof(id), "n%zu", i);
                node_settings_init(x);
                x->id = strdup(id);
                x->provider = &test_provider;
                x->provider_name = strdup("test");
                x->weight = weights ? weights[i] : 1;
                x->cost_per_request = CENT;
        }
}

void core_init(Core *c, Strategy strategy, const uint32_t *weights, size_t n) {
        static const RouterLimits limits = {
                .leases = 16384,
                .leases_per_user = 12000,
                .services = 10000,
                .nodes = 20000,
                .nodes_per_service = 10000,
        };

        *c = (Core) { .now = 1000 * SEC, .strategy = _STRATEGY_INVALID };
        assert_int_equal(router_new(&c->router, &limits, 1, c->now, UTC_NS), 0);
        core_add_service(c, "s", strategy, weights, n);
        core_apply(c);
}

void core_apply(Core *c) {
        assert_int_equal(router_apply(c->router, &c->settings, c->now), 0);
}

void core_done(Core *c) {
        router_free(c->router);
        settings_done(&c->settings);
}

ServiceSettings *core_service(Core *c) {
        return &c->settings.services[0];
}

RouteRequest core_request(void) {
        return (RouteRequest) {
                .service = "s", .units = UNITS_ONE, .latitude = NAN, .longitude = NAN, .strategy = _STRATEGY_INVALID,
                .idempotent = -1, .max_cost = MONEY_UNSET, .uid = UID,
        };
}

int core_route(Core *c) {
        RouteRequest q = core_request();

        q.strategy = c->strategy;
        return router_route(c->router, &q, c->now, &c->d, &c->refusal);
}

const char *core_choose(Core *c) {
        assert_int_equal(core_route(c), 0);
        return strchr(c->d.node, '/') + 1;
}

int core_report(Core *c, Verdict verdict, uint64_t latency_ns) {
        Outcome o = core_outcome(verdict, latency_ns);

        return router_report(c->router, c->d.id, UID, false, &o, c->now, &c->settlement);
}

void core_call(Core *c, Verdict verdict) {
        core_choose(c);
        assert_int_equal(core_report(c, verdict, 50 * MS), 0);
}

void core_call_node(Core *c, const char *id, Verdict verdict) {
        const char *exclude[64];
        RouteRequest q = core_request();
        ServiceSettings *s = core_service(c);

        q.exclude = exclude;
        for (size_t i = 0; i < s->n_nodes; i++)
                if (!streq(s->nodes[i].id, id))
                        exclude[q.n_exclude++] = s->nodes[i].id;
        assert_int_equal(router_route(c->router, &q, c->now, &c->d, &c->refusal), 0);
        assert_string_equal(strchr(c->d.node, '/') + 1, id);
        assert_int_equal(core_report(c, verdict, 50 * MS), 0);
}

void core_wait(Core *c, uint64_t ns) {
        uint64_t end = c->now + ns;
        Effect e;

        for (uint64_t next; (next = router_tick(c->router, c->now)) <= end;) {
                while (router_next_effect(c->router, &e))
                        ;
                c->now = MAX(next, c->now);
        }
        c->now = end;
        while (router_next_effect(c->router, &e))
                ;
}

NodeStatus core_node(Core *c, const char *name) {
        const Node *n = router_find_node(c->router, name);
        NodeStatus status;

        assert_non_null(n);
        node_status(c->router, n, c->now, &status);
        return status;
}

ServiceStatus core_status(Core *c) {
        ServiceStatus status;

        service_status(c->router, router_service(c->router, 0), c->now, &status);
        return status;
}

Counters core_counters(Core *c) {
        Counters counters;

        router_counters(c->router, &counters);
        return counters;
}

unsigned core_events(Core *c, EventType type, Event *ret) {
        unsigned n = 0;
        Effect e;

        while (router_next_effect(c->router, &e))
                if (e.type == EFFECT_EVENT && e.event.type == type) {
                        n++;
                        if (ret)
                                *ret = e.event;
                }
        return n;
}

void core_assert_money(Core *c) {
        Counters x = core_counters(c);
        Money reserved = 0;

        assert_int_equal(x.settled + x.refunded + x.outstanding, x.reserved + x.adjusted);
        for (size_t i = 0; i < router_n_services(c->router); i++) {
                ServiceStatus s;

                service_status(c->router, router_service(c->router, i), c->now, &s);
                reserved += s.reserved;
        }
        assert_int_equal(reserved, x.outstanding);
}
