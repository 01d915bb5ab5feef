/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting settings in force, whole or not at all: first everything that can fail (memory, limits, names) is made beside
 * what is there, then it is put in place by steps that cannot fail.
 */
#include "daemon/core/apply.h"

#include <math.h>
#include <stdlib.h>

#include "basic/macro.h"
#include "daemon/core/lease-memory.h"
#include "daemon/core/plan.h"

/* Where the operation stands in the list of the provider that the node gets. */
static uint16_t new_place(const Node *n, uint16_t operation) {
        const struct pm_operation *op = node_operation(n, operation);
        const struct pm_provider *p = n->next->provider;

        if (n->settings->provider == p || operation == 0)
                return operation;
        if (op && same_vendor(n->settings->provider, p))
                for (uint32_t i = 0; i < count_operations(p); i++)
                        if (streq(p->operations[i].name, op->name))
                                return (uint16_t) (i + 1);
        return OPERATION_GONE;
}

static void remove_what_goes(Router *r, Plans *p) {
        uint32_t wanted = r->effects.event_mask;

        for (uint32_t i = 0; i < p->n; i++) {
                p->plans[i].service->keep = true;
                for (uint32_t k = 0; k < p->plans[i].n; k++)
                        p->plans[i].nodes[k]->next = &p->plans[i].settings.nodes[k];
        }
        /* Events about them would point at what is gone. */
        r->effects.event_mask = 0;
        for (uint32_t i = 0; i < r->leases.touched && r->leases.n > 0; i++) {
                Lease *l = &r->leases.table[i];

                if (l->tag == 0)
                        continue;
                if (r->nodes[l->node]->next)
                        l->operation = new_place(r->nodes[l->node], l->operation);
                else
                        lease_expire(r, l, r->now_ns);
        }
        r->effects.event_mask = wanted;

        for (uint32_t i = 0; i < r->n_slots; i++) {
                Node *n = r->nodes[i];

                if (!n || n->next)
                        continue;
                timer_disarm(&r->timers, &n->probe_timer);
                timer_disarm(&r->timers, &n->breaker_timer);
                r->nodes[i] = NULL;
        }
        for (uint32_t i = 0; i < r->n_services; i++) {
                Service *s = r->services[i];

                for (uint32_t k = 0; k < s->n; k++)
                        if (!s->nodes[k]->next)
                                s->nodes[k] = node_free(s->nodes[k]);
                if (!s->keep) {
                        scenario_drop_service(r, s);
                        if (r->last_down == s)
                                r->last_down = NULL;
                        s->n = 0; /* its nodes are freed already */
                        service_free(s);
                }
        }
}

static const char *url_of(const NodeSettings *n) {
        if (n->url)
                return n->url;
        if (!n->provider)
                return "";
        for (const struct pm_region *p = n->provider->regions; p && p->name && n->region; p++)
                if (streq(p->name, n->region) && p->url)
                        return p->url;
        return n->provider->url ? n->provider->url : "";
}

static void place_node(const NodeSettings *n, NodeHot *h) {
        double latitude = n->latitude, longitude = n->longitude;

        for (const struct pm_region *p = n->provider ? n->provider->regions : NULL; p && p->name && n->region; p++)
                if (streq(p->name, n->region) && (isnan(latitude) || isnan(longitude))) {
                        latitude = p->latitude;
                        longitude = p->longitude;
                }
        h->x = h->y = h->z = 0;
        if (isnan(latitude) || isnan(longitude))
                return;
        latitude *= M_PI / 180;
        longitude *= M_PI / 180;
        h->x = (float) (cos(latitude) * cos(longitude));
        h->y = (float) (cos(latitude) * sin(longitude));
        h->z = (float) sin(latitude);
}

static void configure_node(Node *n, NodeHot *h, const NodeSettings *s, OperationState **operations) {
        if (*operations) {
                free(n->operations);
                n->operations = TAKE(*operations);
                n->n_operations = count_operations(s->provider);
        }
        const char *url = url_of(s);
        /* The answer to a probe of what it was is none of what it is. */
        if (n->settings && (n->settings->provider != s->provider || !streq(n->url, url))) {
                n->probe_id = 0;
                n->probe_times = PROBE_TIMES_NONE;
        }
        n->settings = s;
        n->url = url;
        n->next = NULL;
        if (h->weight != s->weight || h->wrr_effective == 0)
                h->wrr_effective = (int32_t) s->weight * 100;
        h->weight = s->weight;
        h->prior = (float) s->expected_success_rate;
        h->loaded = s->provider;
        h->flat = s->n_price_tiers == 0 && s->cost_per_request != MONEY_UNSET;
        h->outlook = INT64_MAX;
        h->price = h->flat ? s->cost_per_request : 0;
        h->fresh_until_ns = 0;
        place_node(s, h);
}

static void commit_service(Router *r, Plan *x, Node **slots) {
        Service *s = x->service;

        for (uint32_t k = 0; k < x->n; k++) {
                Node *n = x->nodes[k];
                NodeHot *h = &x->hot[k];

                if (n->service)
                        *h = *node_hot(n);
                else {
                        n->series = &r->series[n->slot / SERIES_SLAB][n->slot % SERIES_SLAB];
                        if (n->series->minute != 0) /* of a node that is gone */
                                memset(n->series, 0, sizeof(*n->series));
                        forecast_init(&n->forecast, &r->forecast);
                        slots[n->slot] = n;
                }
                configure_node(n, h, &x->settings.nodes[k], &x->operations[k]);
                slot_set_name(&r->leases, n->slot, n->name, n->settings->provider_name ?: "");
        }
        free(s->nodes);
        free(s->hot);
        service_settings_done(&s->settings);
        s->settings = TAKE(x->settings);
        s->nodes = TAKE(x->nodes);
        s->hot = TAKE(x->hot);
        s->n = x->n;
        s->keep = false;
        if (x->fresh) {
                s->optimization = -1;
                s->overrides = &overrides_none;
        }
        s->review_ns = 0;
        s->tiered = false;
        s->challenger_since_ns = 0;
        s->leader = UINT32_MAX; /* indexes have changed */
        for (uint32_t k = 0; k < s->n; k++) {
                s->nodes[k]->service = s;
                s->tiered = s->tiered || s->settings.nodes[k].n_price_tiers > 0;
                s->nodes[k]->index = k;
        }
        budget_apply(&s->budget, &s->settings);
        budget_advance(&s->budget, r->utc_ns);
        x->fresh = false;
}

static void schedule_probes(Router *r) {
        for (uint32_t i = 0; i < r->n_slots; i++) {
                Node *n = r->nodes[i];

                if (!n)
                        continue;
                if (!node_is_probed(r, n))
                        timer_disarm(&r->timers, &n->probe_timer);
                else if (n->probe_timer.place == 0)
                        probe_soon(r, n, random_below(&r->random, n->service->settings.health_check_interval_ns),
                                   r->now_ns);
        }
}

static void plans_commit(Router *r, Plans *p) {
        uint32_t n = 0;
        Effect dropped;

        accounts_settle(r, r->now_ns);
        /* What nobody has taken points into what may go now. */
        while (effects_pop(&r->effects, &dropped))
                r->effects.lost++;
        remove_what_goes(r, p);
        for (uint32_t i = 0; i < r->n_slots; i++)
                p->slots[i] = r->nodes[i];
        for (uint32_t i = 0; i < p->n; i++) {
                commit_service(r, &p->plans[i], p->slots);
                p->services[i] = p->plans[i].service;
                names_add(&p->service_names, i);
        }
        for (uint32_t i = 0; i < p->n_slots; i++)
                if (p->slots[i]) {
                        names_add(&p->node_names, i);
                        p->by_account[n++] = p->slots[i];
                }
        r->n_accounts = accounts_make(p->accounts, p->by_account, n);

#define SWAP(a, b) ({ __typeof__(a) _t = (a); (a) = (b); (b) = _t; })
        SWAP(r->services, p->services);
        SWAP(r->nodes, p->slots);
        SWAP(r->service_names, p->service_names);
        SWAP(r->node_names, p->node_names);
        SWAP(r->by_account, p->by_account);
        SWAP(r->accounts, p->accounts);
        SWAP(r->scratch_index, p->scratch_index);
        SWAP(r->scratch_reason, p->scratch_reason);
        SWAP(r->scratch_score, p->scratch_score);
        SWAP(r->scratch_cost, p->scratch_cost);
        r->n_services = p->n;
        r->n_slots = p->n_slots;
        schedule_probes(r);
        optimize(r, NULL, r->now_ns);
}

int router_apply(Router *r, const Settings *settings, uint64_t now_ns) {
        _cleanup_(plans_done) Plans p = {};
        int k;

        router_advance(r, now_ns);
        k = plans_make(r, settings, &p);
        if (k < 0)
                return k;
        plans_commit(r, &p);
        return 0;
}
