/* SPDX-License-Identifier: Apache-2.0 */
/* What a report or a probe says about a node. */
#include <stdio.h>

#include "basic/macro.h"
#include "daemon/core/router-private.h"

/* Without a word from the vendor: a refusal is worth so long a latency, and a used-up quota is asked for again after so
 * long. */
#define PENALTY_NS (5 * NSEC_PER_SEC)
#define QUOTA_NS NSEC_PER_MINUTE
#define FORBIDDEN_NS NSEC_PER_MINUTE
#define LIMITED_DOUBLINGS_MAX 6
#define PROOF_NS NSEC_PER_SEC
#define SLOW_TOLD_NS NSEC_PER_MINUTE

static void cool(Node *n, uint32_t operation, uint64_t until_ns) {
        uint64_t *place = operation > 0 ? &n->operations[operation].cooldown_ns : &node_hot(n)->cooldown_ns;

        *place = MAX(*place, until_ns); /* the later one wins */
}

/* The scope that a verdict reaches: one operation, one node, or every node of the account. */
static void cool_scope(Router *r, Node *n, const Observation *o, uint64_t for_ns, uint64_t now_ns) {
        uint64_t until_ns = now_ns + MIN(for_ns, WAIT_MAX_NS);

        if (o->scope == PM_SCOPE_OPERATION && o->operation > 0)
                cool(n, o->operation, until_ns);
        else if (o->scope == PM_SCOPE_ACCOUNT)
                account_cool(r, n, until_ns);
        else
                cool(n, 0, until_ns);
}

static void learn_cooldown(Router *r, Node *n, const Observation *o, uint64_t now_ns) {
        uint64_t wait = o->cooldown_ns;

        if (o->verdict == PM_RATE_LIMIT_EXCEEDED) {
                uint64_t own = n->service->settings.retry_backoff_ns
                               << MIN(n->limited, (uint32_t) LIMITED_DOUBLINGS_MAX);

                if (o->retry_after_ns == 0)
                        n->limited++;
                wait = MAX(wait, o->retry_after_ns > 0 ? o->retry_after_ns : own);
        } else if (o->verdict == PM_BUDGET_EXHAUSTED)
                wait = MAX(wait, o->retry_after_ns > 0 ? o->retry_after_ns : QUOTA_NS);
        else if (verdict_is_failure(o->verdict))
                wait = MAX(wait, o->retry_after_ns);
        else
                n->limited = 0;
        if (wait > 0)
                cool_scope(r, n, o, wait, now_ns);
}

static void learn_authentication(Router *r, Node *n, const Observation *o, uint64_t now_ns) {
        if (o->scope == PM_SCOPE_OPERATION && o->operation > 0) {
                cool(n, o->operation, now_ns + FORBIDDEN_NS);
                return;
        }
        account_refused(r, n, o->probe, now_ns); /* one credential, one fate */
        node_hot(n)->breaker.probe_failed = o->probe;
}

static void tell_slow(Router *r, Node *n, uint64_t latency_ns, uint64_t now_ns) {
        Event *e;

        if (n->slow_told_ns > 0 && now_ns - n->slow_told_ns < SLOW_TOLD_NS)
                return;
        n->slow_told_ns = MAX(now_ns, UINT64_C(1));
        e = effects_event(&r->effects, EVENT_PERFORMANCE_DEGRADATION, SEVERITY_MEDIUM, now_ns);
        if (!e)
                return;
        e->service_name = n->service->settings.name;
        e->node = n->name;
        e->ratio = (double) latency_ns / (double) n->settings->latency_limit_ns;
        snprintf(e->message, sizeof(e->message), "%s: a call took %.0f ms, its limit is %.0f ms", n->name,
                 (double) latency_ns / (double) NSEC_PER_MSEC,
                 (double) n->settings->latency_limit_ns / (double) NSEC_PER_MSEC);
}

static void count(Node *n, const Observation *o, uint64_t now_ns) {
        window_add(&n->window, WINDOW_CALLS, now_ns);
        if (o->verdict == PM_PERFORMANCE_DEGRADATION)
                window_add(&n->window, WINDOW_SLOW, now_ns);
        if (!verdict_is_failure(o->verdict))
                return;
        window_add(&n->window, WINDOW_FAILURES, now_ns);
        if (o->verdict == PM_RATE_LIMIT_EXCEEDED)
                window_add(&n->window, WINDOW_RATE_LIMITED, now_ns);
        else if (o->verdict == PM_NETWORK_ISSUE)
                window_add(&n->window, WINDOW_NETWORK, now_ns);
        else if (o->verdict == PM_DATA_CORRUPTION)
                window_add(&n->window, WINDOW_CORRUPT, now_ns);
}

static void learn_latency(Node *n, const Observation *o, uint64_t now_ns) {
        if (o->probe) /* another request than what callers send */
                return;
        if (!verdict_is_failure(o->verdict)) {
                if (o->latency_ns > 0)
                        latency_success(&n->latency, o->latency_ns, now_ns);
        } else if (o->verdict == PM_RATE_LIMIT_EXCEEDED || o->verdict == PM_SERVICE_UNAVAILABLE)
                latency_failure(&n->latency, o->latency_ns,
                                o->retry_after_ns > 0 ? MIN(o->retry_after_ns, WAIT_MAX_NS) : PENALTY_NS, now_ns);
        else
                latency_failure(&n->latency, o->latency_ns, 0, now_ns);
}

/* A doubted node gets hardly any calls that could fail: probes are to find out, one at a time. */
static void ask_for_proof(Router *r, Node *n, uint64_t now_ns) {
        if (node_is_probed(r, n) && !probe_awaited(n, now_ns) && now_ns - n->probed_ns >= PROOF_NS)
                probe_soon(r, n, 0, now_ns);
}

/* A failure of a closed circuit: is it one too many? */
static void judge(Router *r, Node *n, const Observation *o, uint64_t now_ns) {
        double threshold = service_threshold(n->service);
        Breaker *b = &node_hot(n)->breaker;
        char why[64];
        uint32_t calls, failures, slow;

        /* A limit is the vendor's way of saying "less", not of being down. */
        if (verdict_is_failure(o->verdict) && o->verdict != PM_RATE_LIMIT_EXCEEDED &&
            o->verdict != PM_BUDGET_EXHAUSTED && ++b->run >= BREAKER_RUN) {
                snprintf(why, sizeof(why), "%u consecutive failures", b->run);
                circuit_open(r, n, why, o->verdict, now_ns);
                return;
        }
        if (b->run >= BREAKER_DOUBT_RUN)
                ask_for_proof(r, n, now_ns);
        calls = window_sum(&n->window, WINDOW_CALLS, BREAKER_WINDOW_SECONDS, now_ns);
        failures = window_sum(&n->window, WINDOW_FAILURES, BREAKER_WINDOW_SECONDS, now_ns);
        slow = window_sum(&n->window, WINDOW_SLOW, BREAKER_WINDOW_SECONDS, now_ns);
        if (verdict_is_failure(o->verdict) && breaker_ratio_exceeded(failures, calls, threshold)) {
                snprintf(why, sizeof(why), "%u failures in %u calls", failures, calls);
                circuit_open(r, n, why, o->verdict, now_ns);
        } else if (o->verdict == PM_PERFORMANCE_DEGRADATION &&
                   breaker_ratio_exceeded(slow, calls, BREAKER_SLOW_RATIO)) {
                snprintf(why, sizeof(why), "%u slow ones in %u calls", slow, calls);
                circuit_open(r, n, why, o->verdict, now_ns);
        }
}

static void learn_success(Router *r, Node *n, const Observation *o, uint64_t now_ns) {
        Breaker *b = &node_hot(n)->breaker;

        if (b->circuit == CIRCUIT_CLOSED) {
                if (!o->probe) /* a status page that answers does not make up for calls that fail */
                        b->run = 0;
                return;
        }
        if (b->circuit == CIRCUIT_OPEN) {
                /* A probe opens the way before its time only if what now works is what did not: one that shows no
                 * credential goes well all along. */
                if (o->probe && now_ns < b->open_until_ns && !b->probe_failed)
                        return;
                if (b->locked) {
                        if (o->probe)
                                circuit_close(r, n, now_ns);
                        return;
                }
                circuit_half_open(r, n, now_ns);
        }
        if (++b->successes >= BREAKER_PERMITS)
                circuit_close(r, n, now_ns);
}

static void learn_failure(Router *r, Node *n, const Observation *o, uint64_t now_ns) {
        Breaker *b = &node_hot(n)->breaker;

        if (b->circuit == CIRCUIT_CLOSED)
                judge(r, n, o, now_ns);
        else if (b->circuit == CIRCUIT_HALF_OPEN)
                circuit_open(r, n, o->probe ? "a failed probe" : "a failed trial", o->verdict, now_ns);
        if (o->probe && b->circuit == CIRCUIT_OPEN)
                b->probe_failed = true;
}

static void learn_weights(NodeHot *h, bool success) {
        int32_t full = (int32_t) h->weight * 100;

        h->wrr_effective =
                success ? MIN(full, h->wrr_effective + MAX(full / 10, 1)) : MAX(0, h->wrr_effective - MAX(full / 5, 1));
}

void node_learn(Router *r, Node *n, const Observation *o, uint64_t now_ns) {
        NodeHot *h = node_hot(n);
        bool failed = verdict_is_failure(o->verdict);

        node_hear(r, n->service, n->index, now_ns);
        learn_cooldown(r, n, o, now_ns);
        if (failed || o->probe || n->corrupt + n->refused > 0)
                detect_verdict(r, n, o, now_ns);
        if (o->verdict == PM_CLIENT_ERROR || o->verdict == PM_NOT_SENT || o->verdict == PM_UNKNOWN)
                return;
        if (o->generation != h->breaker.generation) /* of an earlier state: too late to say anything about this one */
                return;
        node_stale(n);
        if (o->verdict == PM_AUTHENTICATION_FAILURE) {
                learn_authentication(r, n, o, now_ns);
                return;
        }
        if (failed && o->scope == PM_SCOPE_OPERATION && o->operation > 0 && o->verdict != PM_SERVICE_UNAVAILABLE)
                return; /* the rest of the node is well */

        count(n, o, now_ns);
        success_add(&n->success, !failed, now_ns);
        learn_latency(n, o, now_ns);
        if (!o->probe)
                forecast_call(&n->forecast, &r->forecast, &(ForecastCall) {
                        .failed = failed,
                        .limited = o->verdict == PM_RATE_LIMIT_EXCEEDED,
                        .latency_ns = (double) o->latency_ns,
                        .typical_ns = n->latency.typical_ns,
                        .in_flight = h->in_flight,
                }, now_ns, r->utc_ns);
        learn_weights(h, !failed);
        if (o->verdict == PM_PERFORMANCE_DEGRADATION)
                tell_slow(r, n, o->latency_ns, now_ns);
        if (!failed && !o->probe)
                detect_slow(r, n, now_ns);

        if (failed || (o->verdict == PM_PERFORMANCE_DEGRADATION &&
                       (h->breaker.circuit == CIRCUIT_CLOSED || h->breaker.slow)))
                learn_failure(r, n, o, now_ns);
        else
                learn_success(r, n, o, now_ns);
}
