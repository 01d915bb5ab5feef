/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nginx: smooth weighted round robin with passive checks, max_fails=1 and fail_timeout=10s, the defaults.
 *
 * Rules, from nginx.org/en/docs/http/ngx_http_upstream_module.html#server and
 * nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_next_upstream, and what the documentation leaves open from
 * nginx's behaviour (ngx_http_upstream_round_robin.c):
 *  - After max_fails unsuccessful attempts within fail_timeout a server is left out for fail_timeout; then one live
 *    request is let through, and its failure leaves the server out again.
 *  - What is unsuccessful is said by proxy_next_upstream; errors and timeouts always are, 403 and 404 never.
 *  - An unsuccessful attempt lowers the effective weight by weight/max_fails, every selection round gives one back.
 *  - A success after the last check forgets the failures. The only server of a group is never left out.
 *  - No server left: 502 to the caller ("no live upstreams").
 *  - A request that is not idempotent is not passed on once it was sent.
 *  - Its clock has whole seconds.
 *
 * Two of them: "nginx" is set up for APIs (proxy_next_upstream error timeout http_500 http_502 http_503 http_504
 * http_429), and "nginx-default" has the default, error timeout, which takes a 5xx for an answer like any other.
 */
#include <errno.h>

#include "basic/macro.h"
#include "bench/sim/policy.h"

#define MAX_FAILS 1
#define FAIL_TIMEOUT_S 10

typedef struct Peer {
        int64_t current, effective;
        unsigned fails;
        int64_t accessed_s, checked_s;
        bool out; /* as told to the measure */
} Peer;

typedef struct Nginx {
        Policy policy;
        const Trace *trace;
        Measure *measure;
        Peer *peers;   /* by node */
        bool statuses; /* whether 5xx and 429 are unsuccessful */
} Nginx;

static Policy *nginx_free(Policy *p) {
        free(((Nginx *) p)->peers);
        free(p);
        return NULL;
}

static int start(Policy **ret, const PolicyContext *context, bool statuses) {
        Nginx *n = calloc(1, sizeof(Nginx));

        if (!n)
                return -ENOMEM;
        n->policy.type = statuses ? &policy_nginx : &policy_nginx_default;
        n->trace = context->trace;
        n->measure = context->measure;
        n->statuses = statuses;
        n->peers = calloc(n->trace->n_nodes, sizeof(Peer));
        if (!n->peers) {
                nginx_free(&n->policy);
                return -ENOMEM;
        }
        for (uint32_t i = 0; i < n->trace->n_nodes; i++) {
                n->peers[i].effective = trace_node(n->trace, i)->weight;
                n->peers[i].checked_s = -FAIL_TIMEOUT_S - 1; /* long ago */
        }
        *ret = &n->policy;
        return 0;
}

static int nginx_new(Policy **ret, const PolicyContext *context) {
        return start(ret, context, true);
}

static int nginx_default_new(Policy **ret, const PolicyContext *context) {
        return start(ret, context, false);
}

static uint32_t nginx_choose(Policy *p, Call *c, uint64_t now_ns) {
        Nginx *n = (Nginx *) p;
        const ServiceSettings *s = trace_service(n->trace, c->service);
        int64_t now_s = (int64_t) (now_ns / NSEC_PER_SEC), total = 0;
        uint32_t best = NODE_NONE;

        if (s->n_nodes == 1)
                return c->attempts == 0 ? n->trace->services[c->service].nodes[0] : NODE_NONE;
        for (size_t i = 0; i < s->n_nodes; i++) {
                uint32_t node = n->trace->services[c->service].nodes[i];
                int64_t weight = s->nodes[i].weight;
                Peer *x = &n->peers[node];

                if (weight == 0 || call_tried(c, node) ||
                    (x->fails >= MAX_FAILS && now_s - x->checked_s <= FAIL_TIMEOUT_S))
                        continue;
                x->current += x->effective;
                total += x->effective;
                if (x->effective < weight)
                        x->effective++;
                if (best == NODE_NONE || x->current > n->peers[best].current)
                        best = node;
        }
        if (best == NODE_NONE)
                return best;
        n->peers[best].current -= total;
        if (now_s - n->peers[best].checked_s > FAIL_TIMEOUT_S)
                n->peers[best].checked_s = now_s;
        return best;
}

static bool is_unsuccessful(const Nginx *n, const Answer *a) {
        switch (a->verdict) {
        case PM_NETWORK_ISSUE:
                return true;
        case PM_SERVICE_UNAVAILABLE:
        case PM_RATE_LIMIT_EXCEEDED:
        case PM_BUDGET_EXHAUSTED: /* a 429, as most vendors have it */
                return n->statuses;
        default:
                return false;
        }
}

static uint32_t nginx_answered(Policy *p, Call *c, bool again, uint64_t now_ns) {
        Nginx *n = (Nginx *) p;
        int64_t now_s = (int64_t) (now_ns / NSEC_PER_SEC), weight = trace_node(n->trace, c->node)->weight;
        Peer *x = &n->peers[c->node];

        if (trace_service(n->trace, c->service)->n_nodes == 1)
                return NODE_NONE;
        if (!is_unsuccessful(n, &c->answer)) {
                if (x->accessed_s < x->checked_s) {
                        x->fails = 0;
                        if (x->out)
                                measure_in(n->measure, c->node, now_ns);
                        x->out = false;
                }
                return NODE_NONE; /* it is passed to the caller, whatever it is */
        }
        x->fails++;
        x->accessed_s = x->checked_s = now_s;
        x->effective = MAX(x->effective - weight / MAX_FAILS, (int64_t) 0);
        if (x->fails >= MAX_FAILS && !x->out) {
                x->out = true;
                measure_out(n->measure, c->node, now_ns);
        }
        return again ? nginx_choose(p, c, now_ns) : NODE_NONE;
}

const PolicyType policy_nginx = {
        .name = "nginx",
        .doc = "nginx, passive checks, 5xx and 429 count as failures",
        .new = nginx_new,
        .free = nginx_free,
        .choose = nginx_choose,
        .answered = nginx_answered,
};

const PolicyType policy_nginx_default = {
        .name = "nginx-default",
        .doc = "nginx, passive checks by default: only errors and timeouts count",
        .new = nginx_default_new,
        .free = nginx_free,
        .choose = nginx_choose,
        .answered = nginx_answered,
};
