/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the brain. */
#include <math.h>

#include "basic/macro.h"
#include "daemon/core/router-private.h"

size_t router_n_services(const Router *r) {
        return r->n_services;
}

const Service *router_service(const Router *r, size_t i) {
        return i < r->n_services ? r->services[i] : NULL;
}

const Service *router_find_service(const Router *r, const char *name) {
        uint32_t i = names_find(&r->service_names, name);

        return i == NAMES_NONE ? NULL : r->services[i];
}

const Node *router_find_node(const Router *r, const char *name) {
        uint32_t slot = names_find(&r->node_names, name);

        return slot == NAMES_NONE ? NULL : r->nodes[slot];
}

const ServiceSettings *service_settings(const Service *s) {
        return &s->settings;
}

const NodeSettings *node_settings(const Node *n) {
        return n->settings;
}

const Node *service_node(const Service *s, size_t i) {
        return i < s->n ? s->nodes[i] : NULL;
}

const Service *node_service(const Node *n) {
        return n->service;
}

static double recent_success(Window *w, double otherwise, uint64_t now_ns) {
        window_advance(w, now_ns);
        if (w->minute[WINDOW_CALLS] == 0)
                return otherwise;
        return 1 - (double) w->minute[WINDOW_FAILURES] / w->minute[WINDOW_CALLS];
}

void service_status(Router *r, const Service *constant, uint64_t now_ns, ServiceStatus *ret) {
        Service *s = r->services[names_find(&r->service_names, constant->settings.name)];
        const ServiceSettings *x = &s->settings;
        uint64_t calls = 0, failures = 0;

        now_ns = router_advance(r, now_ns);
        budget_advance(&s->budget, r->utc_ns);
        for (uint32_t i = 0; i < s->n; i++) {
                Window *w = &s->nodes[i]->window;

                window_advance(w, now_ns);
                calls += w->minute[WINDOW_CALLS];
                failures += w->minute[WINDOW_FAILURES];
        }
        *ret = (ServiceStatus) {
                .service_name = x->name,
                .strategy = x->strategy,
                .priority = x->priority,
                .origin = x->origin,
                .optimization_strategy = s->optimization,
                .cost_tier = s->tier,
                .budget_state = budget_state(&s->budget),
                .spend_hour = s->budget.hour.meter.spent,
                .max_cost_per_hour = x->max_cost_per_hour,
                .spend_period = s->budget.period.meter.spent,
                .total_budget = x->total_budget,
                .reserved = s->budget.reserved,
                .budget_period = x->budget_period,
                .decisions = s->decisions,
                .failures = s->failures,
                .success_rate = calls > 0 ? 1 - (double) failures / (double) calls : 1,
                .n_nodes = s->n,
        };
}

void node_status(Router *r, const Node *constant, uint64_t now_ns, NodeStatus *ret) {
        static const double quantiles[] = { 0.5, 0.95, 0.99 };
        Node *n = r->nodes[constant->slot];
        const NodeSettings *x = n->settings;
        uint64_t latency[ELEMENTSOF(quantiles)];
        Service *s = n->service;
        NodeHot *h;

        now_ns = router_advance(r, now_ns);
        node_hear(r, s, n->index, now_ns);
        circuit_poll(r, n, now_ns);
        node_stale(n);
        h = node_fresh(s, n->index, now_ns);
        latency_quantiles(&n->latency, quantiles, ELEMENTSOF(quantiles), now_ns, latency);
        meter_advance(&n->hour, PERIOD_HOURLY, r->utc_ns);
        meter_advance(&n->period, s->budget.period.period, r->utc_ns);
        node_month(n, r->utc_ns);
        window_advance(&s->window, now_ns);
        window_advance(&n->window, now_ns);
        *ret = (NodeStatus) {
                .node = n->name,
                .provider = x->provider_name,
                .region = x->region,
                .url = n->url,
                .weight = x->weight,
                .cost_per_request = node_price(n, 0, n->used, UNITS_ONE),
                .administrative_state = (AdministrativeState) h->admin,
                .health = (Health) h->health,
                .health_score = (double) h->score,
                .circuit = h->breaker.circuit,
                .success_rate = recent_success(&n->window, x->expected_success_rate, now_ns),
                .latency_p50_ns = latency[0],
                .latency_p95_ns = latency[1],
                .latency_p99_ns = latency[2],
                .in_flight = h->in_flight,
                .calls = n->calls,
                .failures = n->failures,
                .cooldown_ns = h->cooldown_ns > now_ns ? h->cooldown_ns - now_ns : 0,
                .spend_hour = n->hour.spent,
                .spend_period = n->period.spent,
                .share = s->window.minute[WINDOW_DECISIONS] > 0
                                 ? (double) n->window.minute[WINDOW_DECISIONS] / s->window.minute[WINDOW_DECISIONS]
                                 : 0,
                .failure_forecast = (double) h->forecast,
                .last_probe_utc_ns = n->probed_ns > 0 ? r->utc_ns - (now_ns - n->probed_ns) : 0,
                .last_probe = n->last_probe,
                .probe_times = n->probe_times,
                .credential = x->credential,
                .health_check_interval_ns = s->settings.health_check_interval_ns,
        };
        memcpy(ret->verdicts, n->verdicts, sizeof(ret->verdicts));
}

void router_counters(const Router *r, Counters *ret) {
        *ret = r->counters;
        ret->leases = r->leases.n;
        ret->effects_lost = r->effects.lost;
}
