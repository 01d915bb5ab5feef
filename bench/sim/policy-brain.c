/* SPDX-License-Identifier: Apache-2.0 */
/* The brain of pointsmand itself, called as the daemon calls it. */
#include <errno.h>
#include <math.h>

#include "basic/macro.h"
#include "bench/sim/policy.h"
#include "daemon/core/router.h"

#define CALLER_UID 1000
/* The brain's clock does not begin at zero, as no machine's does. */
#define START_NS NSEC_PER_HOUR
#define EVENTS_WANTED (1U << EVENT_CIRCUIT_CHANGED | 1U << EVENT_SCENARIO_OPENED)

typedef struct Brain {
        Policy policy;
        PolicyContext context;
        Settings settings;
        Router *router;
} Brain;

static Policy *brain_free(Policy *p) {
        Brain *b = (Brain *) p;

        router_free(b->router);
        settings_done(&b->settings);
        free(b);
        return NULL;
}

static int copy_settings(Brain *b) {
        const Settings *from = &b->context.trace->settings;

        b->settings.services = calloc(from->n_services, sizeof(ServiceSettings));
        if (!b->settings.services)
                return -ENOMEM;
        for (size_t i = 0; i < from->n_services; i++) {
                if (service_settings_copy(&from->services[i], &b->settings.services[i]) < 0)
                        return -ENOMEM;
                b->settings.n_services++;
                if (b->context.strategy != _STRATEGY_INVALID)
                        b->settings.services[i].strategy = b->context.strategy;
        }
        return 0;
}

static int brain_new(Policy **ret, const PolicyContext *context) {
        const RouterLimits limits = {
                .leases = 65536,
                .leases_per_user = 65536,
                .services = TRACE_SERVICES_MAX,
                .nodes = TRACE_NODES_MAX,
                .nodes_per_service = TRACE_NODES_MAX,
        };
        Brain *b = calloc(1, sizeof(Brain));
        int r;

        if (!b)
                return -ENOMEM;
        b->policy.type = &policy_brain;
        b->context = *context;
        r = copy_settings(b);
        if (r >= 0)
                r = router_new(&b->router, &limits, context->seed, START_NS, context->trace->utc_ns);
        if (r >= 0) {
                router_set_event_mask(b->router, EVENTS_WANTED);
                r = router_apply(b->router, &b->settings, START_NS);
        }
        if (r >= 0)
                router_set_probing(b->router, true, START_NS);
        if (r < 0) {
                brain_free(&b->policy);
                return r;
        }
        *ret = &b->policy;
        return 0;
}

/* The brain lists services and nodes in the order of the settings. */
static uint32_t node_of_service(const Brain *b, uint32_t service, const Node *n) {
        const Service *s = router_service(b->router, service);

        for (uint32_t k = 0; k < trace_service(b->context.trace, service)->n_nodes; k++)
                if (service_node(s, k) == n)
                        return b->context.trace->services[service].nodes[k];
        return NODE_NONE;
}

static uint32_t node_number(const Brain *b, const Node *n) {
        uint32_t i = 0;

        while (router_service(b->router, i) != node_service(n))
                i++;
        return node_of_service(b, i, n);
}

static void tell_circuit(Brain *b, const Event *e, uint64_t now_ns) {
        const Node *n = router_find_node(b->router, e->node);
        uint32_t node = n ? node_number(b, n) : NODE_NONE;

        if (node == NODE_NONE)
                return;
        if (streq(e->from, "closed"))
                measure_out(b->context.measure, node, now_ns);
        else if (streq(e->to, "closed"))
                measure_in(b->context.measure, node, now_ns);
}

static void tell_scenario(Brain *b, const Event *e, uint64_t now_ns) {
        ScenarioView v;

        for (size_t i = 0; i < router_n_scenarios(b->router); i++) {
                router_scenario(b->router, i, now_ns, &v);
                if (e->scenario && v.id && streq(v.id, e->scenario)) {
                        measure_scenario(b->context.measure, v.type);
                        return;
                }
        }
}

static void drain(Brain *b, uint64_t now_ns) {
        Effect e;

        while (router_next_effect(b->router, &e))
                if (e.type == EFFECT_PROBE_DUE)
                        b->context.probe(b->context.sim, node_number(b, e.probe.node), e.probe.id, now_ns);
                else if (e.event.type == EVENT_CIRCUIT_CHANGED)
                        tell_circuit(b, &e.event, now_ns);
                else if (e.event.type == EVENT_SCENARIO_OPENED)
                        tell_scenario(b, &e.event, START_NS + now_ns);
}

/* Time for the brain goes by before every call, as the daemon's timer sees to it. */
static uint64_t brain_tick(Policy *p, uint64_t now_ns) {
        Brain *b = (Brain *) p;
        uint64_t next = router_tick(b->router, START_NS + now_ns);

        drain(b, now_ns);
        /* At most a thousand times a second, and at least once, as the daemon does. */
        return CLAMP(next == NSEC_INFINITY ? next : next - START_NS, now_ns + NSEC_PER_MSEC, now_ns + NSEC_PER_SEC);
}

static uint32_t taken(Brain *b, Call *c, const Decision *d) {
        const Node *n = router_find_node(b->router, d->node);

        memcpy(c->decision, d->id, sizeof(c->decision));
        measure_decision(b->context.measure, c->service, d);
        return n ? node_of_service(b, c->service, n) : NODE_NONE;
}

static uint32_t brain_choose(Policy *p, Call *c, uint64_t now_ns) {
        Brain *b = (Brain *) p;
        const TraceService *s = &b->context.trace->services[c->service];
        RouteRequest q = {
                .service = trace_service(b->context.trace, c->service)->name,
                .units = UNITS_ONE,
                .latitude = s->latitude,
                .longitude = s->longitude,
                .strategy = _STRATEGY_INVALID,
                .idempotent = s->idempotent,
                .max_cost = MONEY_UNSET,
                .uid = CALLER_UID,
        };
        RouteRefusal refusal;
        Decision d;
        int r = router_route(b->router, &q, START_NS + now_ns, &d, &refusal);

        drain(b, now_ns);
        c->unaffordable = r == ROUTE_BUDGET_EXHAUSTED;
        return r == 0 ? taken(b, c, &d) : NODE_NONE;
}

static Outcome outcome_of(const Answer *a, bool account) {
        return (Outcome){
                .verdict = a->verdict,
                .scope = account && (a->verdict == PM_AUTHENTICATION_FAILURE || a->verdict == PM_BUDGET_EXHAUSTED)
                               ? PM_SCOPE_ACCOUNT
                               : PM_SCOPE_NODE,
                .retryable = a->verdict != PM_OK,
                .reachable = a->verdict != PM_NETWORK_ISSUE,
                .retry_after_ns = a->retry_after_ns,
                .latency_ns = a->latency_ns,
                .units = -1,
                .cost = MONEY_UNSET,
        };
}

static uint32_t brain_answered(Policy *p, Call *c, bool again, uint64_t now_ns) {
        Brain *b = (Brain *) p;
        Outcome o = outcome_of(&c->answer, trace_node(b->context.trace, c->node)->credential != NULL);
        Settlement settlement = {};
        CostAssessment cost;
        RouteRefusal refusal;
        Decision d;
        int r;

        if (c->unreported) /* the caller died before it could; its lease will run out */
                return NODE_NONE;
        if (!again) {
                r = router_report(b->router, c->decision, CALLER_UID, false, &o, START_NS + now_ns, &settlement);
                drain(b, now_ns);
                if (r == 0)
                        measure_settled(b->context.measure, c->service, settlement.settled, now_ns);
                return NODE_NONE;
        }
        r = router_fallback(b->router, c->decision, CALLER_UID, false, &o, MONEY_UNSET, false, START_NS + now_ns, &d,
                            &settlement, &cost, &refusal);
        drain(b, now_ns);
        if (r != ROUTE_NO_SUCH_DECISION)
                measure_settled(b->context.measure, c->service, settlement.settled, now_ns);
        c->unaffordable = r == ROUTE_BUDGET_EXHAUSTED;
        return r == 0 ? taken(b, c, &d) : NODE_NONE;
}

static void brain_probed(Policy *p, uint64_t id, const Answer *a, uint64_t now_ns) {
        Brain *b = (Brain *) p;
        const Node *n = NULL;
        Outcome o;
        Verdict verdict;

        if (router_probe_node(b->router, id, &n) != 0)
                return;
        o = outcome_of(a, node_settings(n)->credential != NULL);
        router_probe_result(b->router, id, &o, START_NS + now_ns, &verdict);
        drain(b, now_ns);
}

static int brain_price_changed(Policy *p, uint32_t node, Money price, uint64_t now_ns) {
        Brain *b = (Brain *) p;
        const TraceNode *x = &b->context.trace->nodes[node];

        b->settings.services[x->service].nodes[x->index].cost_per_request = price;
        b->settings.services[x->service].nodes[x->index].n_price_tiers = 0;
        return router_apply(b->router, &b->settings, START_NS + now_ns);
}

static void brain_finished(Policy *p, uint64_t now_ns) {
        Brain *b = (Brain *) p;
        ServiceTotals t;

        for (size_t i = 0; i < b->settings.n_services; i++) {
                service_totals(b->router, router_service(b->router, i), START_NS + now_ns, &t);
                b->context.measure->services[i].brier = t.forecast_brier;
                b->context.measure->services[i].brier_base = t.forecast_brier_base;
        }
}

const PolicyType policy_brain = {
        .name = "pointsman",
        .doc = "the brain of pointsmand",
        .new = brain_new,
        .free = brain_free,
        .choose = brain_choose,
        .answered = brain_answered,
        .tick = brain_tick,
        .finished = brain_finished,
        .probed = brain_probed,
        .price_changed = brain_price_changed,
};
