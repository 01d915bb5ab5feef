/* SPDX-License-Identifier: Apache-2.0 */
/* What came of a decision: report, fallback. */
#include "basic/macro.h"
#include "daemon/core/router-private.h"

static Lease *find(Router *r, const char *decision, uint32_t uid, bool privileged) {
        Lease *l = lease_find(&r->leases, decision, uid, privileged);

        /* Its time is over, although nobody has swept it up yet. */
        if (l && l->deadline_ns <= r->now_ns) {
                lease_expire(r, l, r->now_ns);
                return NULL;
        }
        return l;
}

int router_lease(Router *r, const char *decision, uint32_t uid, bool privileged, LeaseView *ret) {
        Lease *l = find(r, decision, uid, privileged);
        const Node *n;

        if (!l)
                return ROUTE_NO_SUCH_DECISION;
        n = r->nodes[l->node];
        *ret = (LeaseView) {
                .node = n,
                .provider = n->settings->provider,
                .operation = node_operation(n, l->operation),
                .node_name = n->name,
                .service_name = n->service->settings.name,
        };
        return 0;
}

static Settlement settle(Router *r, Lease *l, const Outcome *o, uint64_t now_ns) {
        Node *n = r->nodes[l->node];
        Outcome x = *o;

        if ((unsigned) x.verdict >= _PM_VERDICT_MAX)
                x.verdict = PM_UNKNOWN;
        if (x.verdict == PM_OK && n->settings->latency_limit_ns > 0 && x.latency_ns > n->settings->latency_limit_ns)
                x.verdict = PM_PERFORMANCE_DEGRADATION;
        x.latency_ns = MIN(x.latency_ns, NSEC_PER_HOUR);
        r->counters.reports++;
        return (Settlement) {
                .verdict = x.verdict,
                .settled = lease_settle(r, l, &x, now_ns),
                .retry_after_ns = x.retry_after_ns,
        };
}

int router_report(Router *r, const char *decision, uint32_t uid, bool privileged, const Outcome *o, uint64_t now_ns,
                  Settlement *ret) {
        Lease *l;

        now_ns = router_advance(r, now_ns);
        l = find(r, decision, uid, privileged);
        if (!l)
                return ROUTE_NO_SUCH_DECISION;
        *ret = settle(r, l, o, now_ns);
        return 0;
}

int router_fallback(Router *r, const char *decision, uint32_t uid, bool privileged, const Outcome *o, Money max_cost,
                    bool explain, uint64_t now_ns, Decision *ret, Settlement *ret_settlement, CostAssessment *ret_cost,
                    RouteRefusal *ret_refusal) {
        Service *s;
        Lease *l, before;
        Node *n;
        int k;

        now_ns = router_advance(r, now_ns);
        l = find(r, decision, uid, privileged);
        if (!l)
                return ROUTE_NO_SUCH_DECISION;
        n = r->nodes[l->node];
        s = n->service;
        before = *l;
        /* A chain as long as the table gives the oldest up: by then it has had time to mend. */
        if (before.n_tried == LEASE_TRIED_MAX)
                memmove(before.tried, before.tried + 1, --before.n_tried * sizeof(before.tried[0]));
        before.tried[before.n_tried++] = n->slot;

        *ret_settlement = settle(r, l, o, now_ns);
        *ret_cost = (CostAssessment){ .spent = ret_settlement->settled,
                                      .remaining_hour = budget_remaining_hour(&s->budget) };

        const struct pm_operation *operation = node_operation(n, before.operation);
        k = route_decide(r, s, &(RouteRequest) {
                .service = s->settings.name,
                .operation = operation ? operation->name : NULL,
                .units = before.units,
                .latitude = (double) before.latitude,
                .longitude = (double) before.longitude,
                .strategy = before.strategy == UINT8_MAX ? _STRATEGY_INVALID : (Strategy) before.strategy,
                .idempotent = before.idempotent,
                .max_cost = max_cost,
                .explain = explain,
                .uid = before.uid,
                .privileged = privileged,
        }, &before, now_ns, ret, ret_refusal);
        if (k != 0)
                return k;
        r->counters.fallbacks++;
        s->fallbacks++;
        ret_cost->additional = ret->estimated_cost;
        ret_cost->remaining_hour = budget_remaining_hour(&s->budget);
        ret_cost->tier = ret->cost_tier;
        return 0;
}
