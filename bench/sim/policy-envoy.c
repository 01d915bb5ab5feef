/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Envoy: weighted round robin with outlier detection at its defaults.
 *
 * Rules, from envoyproxy.io/docs/envoy/v1.22.7/api-v3/config/cluster/v3/outlier_detection.proto and
 * …/intro/arch_overview/upstream/outlier and …/load_balancing/panic_threshold:
 *  - consecutive_5xx 5, enforced 100 %; errors of local origin (timeout, connection) count as 5xx.
 *  - Every interval (10 s): hosts whose ejection is over come back; hosts that were not out have their ejection count
 *    lowered by one; then success_rate: with at least 5 hosts of 100 requests each in the interval, those below
 *    mean − 1.9 × deviation go.
 *  - consecutive_gateway_failure and failure_percentage are enforced 0 % of the time: they do nothing.
 *  - An ejection lasts base_ejection_time (30 s) × the ejection count, at most 300 s.
 *  - max_ejection_percent 10 %, but at least one host. (From v1.31 on, small clusters keep even that one unless
 *    always_eject_one_host is set; here it is taken to be set, which is kinder to Envoy.)
 *  - Fewer than half of the hosts left (healthy_panic_threshold 50 %): all of them are used.
 * A caller's retries go to a host that was not tried (previous_hosts), for 5xx and for what gave no answer.
 */
#include <errno.h>
#include <math.h>

#include "basic/macro.h"
#include "bench/sim/policy.h"

#define CONSECUTIVE_5XX 5
#define INTERVAL_NS (10 * NSEC_PER_SEC)
#define BASE_EJECTION_NS (30 * NSEC_PER_SEC)
#define MAX_EJECTION_NS (300 * NSEC_PER_SEC)
#define MAX_EJECTION_PERCENT 10
#define MINIMUM_HOSTS 5
#define REQUEST_VOLUME 100
#define STDEV_FACTOR 1.9
#define PANIC_PERCENT 50

typedef struct Host {
        int64_t current;
        unsigned run, ejections;
        bool ejected;
        uint64_t since_ns;
        uint32_t calls, successes; /* in this interval */
} Host;

typedef struct Envoy {
        Policy policy;
        const Trace *trace;
        Measure *measure;
        Host *hosts; /* by node */
} Envoy;

static Policy *envoy_free(Policy *p) {
        free(((Envoy *) p)->hosts);
        free(p);
        return NULL;
}

static int envoy_new(Policy **ret, const PolicyContext *context) {
        Envoy *e = calloc(1, sizeof(Envoy));

        if (!e)
                return -ENOMEM;
        e->policy.type = &policy_envoy;
        e->trace = context->trace;
        e->measure = context->measure;
        e->hosts = calloc(e->trace->n_nodes, sizeof(Host));
        if (!e->hosts) {
                envoy_free(&e->policy);
                return -ENOMEM;
        }
        *ret = &e->policy;
        return 0;
}

static uint32_t count_ejected(const Envoy *e, uint32_t service) {
        uint32_t n = 0;

        for (size_t i = 0; i < trace_service(e->trace, service)->n_nodes; i++)
                n += e->hosts[e->trace->services[service].nodes[i]].ejected;
        return n;
}

static uint32_t envoy_choose(Policy *p, Call *c, uint64_t now_ns _unused_) {
        Envoy *e = (Envoy *) p;
        const ServiceSettings *s = trace_service(e->trace, c->service);
        bool panic = (s->n_nodes - count_ejected(e, c->service)) * 100 < PANIC_PERCENT * s->n_nodes;
        uint32_t best = NODE_NONE;
        int64_t total = 0;

        for (size_t i = 0; i < s->n_nodes; i++) {
                uint32_t node = e->trace->services[c->service].nodes[i];
                Host *h = &e->hosts[node];

                if (s->nodes[i].weight == 0 || call_tried(c, node) || (h->ejected && !panic))
                        continue;
                h->current += s->nodes[i].weight;
                total += s->nodes[i].weight;
                if (best == NODE_NONE || h->current > e->hosts[best].current)
                        best = node;
        }
        if (best != NODE_NONE)
                e->hosts[best].current -= total;
        return best;
}

static void eject(Envoy *e, uint32_t node, uint64_t now_ns) {
        uint32_t service = e->trace->nodes[node].service, ejected = count_ejected(e, service);
        Host *h = &e->hosts[node];

        if (h->ejected ||
            (ejected > 0 && ejected * 100 >= MAX_EJECTION_PERCENT * trace_service(e->trace, service)->n_nodes))
                return;
        h->ejected = true;
        h->ejections++;
        h->since_ns = now_ns;
        measure_out(e->measure, node, now_ns);
}

static uint32_t envoy_answered(Policy *p, Call *c, bool again, uint64_t now_ns) {
        Envoy *e = (Envoy *) p;
        Host *h = &e->hosts[c->node];
        bool failed = c->answer.verdict == PM_SERVICE_UNAVAILABLE || c->answer.verdict == PM_NETWORK_ISSUE;

        h->calls++;
        h->successes += !failed;
        h->run = failed ? h->run + 1 : 0;
        if (h->run >= CONSECUTIVE_5XX) {
                h->run = 0;
                eject(e, c->node, now_ns);
        }
        return again && failed ? envoy_choose(p, c, now_ns) : NODE_NONE;
}

static void check_success_rate(Envoy *e, uint32_t service, uint64_t now_ns) {
        const TraceService *x = &e->trace->services[service];
        size_t n = trace_service(e->trace, service)->n_nodes;
        double sum = 0, squares = 0, hosts = 0, mean, threshold;

        for (size_t i = 0; i < n; i++) {
                const Host *h = &e->hosts[x->nodes[i]];

                if (h->calls < REQUEST_VOLUME)
                        continue;
                hosts++;
                sum += (double) h->successes / h->calls;
                squares += (double) h->successes / h->calls * h->successes / h->calls;
        }
        if (hosts < MINIMUM_HOSTS)
                return;
        mean = sum / hosts;
        threshold = mean - STDEV_FACTOR * sqrt(MAX(squares / hosts - mean * mean, 0.0));
        for (size_t i = 0; i < n; i++) {
                const Host *h = &e->hosts[x->nodes[i]];

                if (h->calls >= REQUEST_VOLUME && (double) h->successes / h->calls < threshold)
                        eject(e, x->nodes[i], now_ns);
        }
}

static uint64_t envoy_tick(Policy *p, uint64_t now_ns) {
        Envoy *e = (Envoy *) p;

        if (now_ns % INTERVAL_NS != 0)
                return now_ns - now_ns % INTERVAL_NS + INTERVAL_NS;
        for (uint32_t i = 0; i < e->trace->n_nodes; i++) {
                Host *h = &e->hosts[i];

                if (h->ejected && now_ns - h->since_ns >= MIN(BASE_EJECTION_NS * h->ejections, MAX_EJECTION_NS)) {
                        h->ejected = false;
                        h->run = 0;
                        measure_in(e->measure, i, now_ns);
                } else if (!h->ejected && h->ejections > 0)
                        h->ejections--;
        }
        for (uint32_t i = 0; i < e->trace->settings.n_services; i++)
                check_success_rate(e, i, now_ns);
        for (uint32_t i = 0; i < e->trace->n_nodes; i++)
                e->hosts[i].calls = e->hosts[i].successes = 0;
        return now_ns + INTERVAL_NS;
}

const PolicyType policy_envoy = {
        .name = "envoy",
        .doc = "Envoy, outlier detection at its defaults",
        .new = envoy_new,
        .free = envoy_free,
        .choose = envoy_choose,
        .answered = envoy_answered,
        .tick = envoy_tick,
};
