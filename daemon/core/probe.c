/* SPDX-License-Identifier: Apache-2.0 */
/* When a node is to be probed, and what an answer does. */
#include <stdio.h>
#include <time.h>

#include "basic/macro.h"
#include "daemon/core/router-private.h"

#define PROBE_JITTER 0.1
/* An open circuit is probed so much more often. */
#define OPEN_DIVISOR 2
/* Between the probes of a half-open node, which is to be back soon if it can. */
#define TRIAL_NS NSEC_PER_SEC
/* The vendor's time to answer. An answer after the next probe is due would be nobody's: a node that hangs would never be
 * seen to. */
#define TIMEOUT_MAX_NS (10 * NSEC_PER_SEC)
/* There and back. */
#define GRACE_NS NSEC_PER_SEC
/* Before a certificate ends: time to renew it at leisure, and time to hurry. */
#define CERTIFICATE_SOON_NS (14 * NSEC_PER_DAY)
#define CERTIFICATE_NOW_NS (3 * NSEC_PER_DAY)

bool node_is_probed(const Router *r, const Node *n) {
        return r->probing && n->service->settings.health_check_interval_ns > 0 && n->settings->provider &&
               node_hot(n)->admin != ADMIN_DISABLED;
}

void probe_soon(Router *r, Node *n, uint64_t in_ns, uint64_t now_ns) {
        timer_arm(&r->timers, &n->probe_timer, now_ns + in_ns);
}

void probe_schedule(Router *r, Node *n, uint64_t now_ns) {
        uint64_t interval = n->service->settings.health_check_interval_ns;

        if (node_hot(n)->breaker.circuit == CIRCUIT_OPEN) /* what is out is to be back soon after it can be */
                interval /= OPEN_DIVISOR;
        if (node_is_probed(r, n))
                probe_soon(r, n, random_jitter(&r->random, interval, PROBE_JITTER), now_ns);
        else
                timer_disarm(&r->timers, &n->probe_timer);
}

void router_set_probing(Router *r, bool on, uint64_t now_ns) {
        now_ns = router_advance(r, now_ns);
        if (r->probing == on)
                return;
        r->probing = on;
        r->unanswered = 0;
        for (uint32_t i = 0; i < r->n_slots; i++) {
                Node *n = r->nodes[i];

                if (!n)
                        continue;
                n->probe_id = 0;
                if (node_is_probed(r, n)) /* the first round is spread over a whole interval */
                        probe_soon(r, n, random_below(&r->random, n->service->settings.health_check_interval_ns),
                                   now_ns);
                else
                        timer_disarm(&r->timers, &n->probe_timer);
                /* A locked circuit waits for a probe; where none can come any more, time must open it. */
                if (node_hot(n)->breaker.circuit == CIRCUIT_OPEN && n->breaker_timer.place == 0)
                        timer_arm(&r->timers, &n->breaker_timer, MAX(node_hot(n)->breaker.open_until_ns, now_ns));
        }
}

bool probe_awaited(const Node *n, uint64_t now_ns) {
        return n->probe_id != 0 && now_ns < n->probe_deadline_ns;
}

void probe_due(Router *r, Node *n, uint64_t now_ns) {
        Effect *e;

        if (probe_awaited(n, now_ns))
                return probe_soon(r, n, n->probe_deadline_ns - now_ns, now_ns);
        if (n->probe_id != 0) {
                r->unanswered++;
                r->counters.probes_unanswered++;
                n->probe_id = 0;
        }
        probe_schedule(r, n, now_ns);
        if (!node_is_probed(r, n))
                return;
        e = effects_push(&r->effects, EFFECT_PROBE_DUE);
        if (!e)
                return;
        n->probe_id = (uint64_t) ++r->probe_serial << 32 | n->slot;
        r->counters.probes++;
        e->probe.id = n->probe_id;
        e->probe.node = n;
        e->probe.provider = n->settings->provider;
        e->probe.timeout_ns = MIN(TIMEOUT_MAX_NS, n->service->settings.health_check_interval_ns / 2);
        /* It may wait for as long before it is sent. */
        n->probe_deadline_ns = now_ns + 2 * e->probe.timeout_ns + GRACE_NS;
}

void router_probe_drop(Router *r, uint64_t probe) {
        const Node *n;

        if (router_probe_node(r, probe, &n) == 0)
                r->nodes[n->slot]->probe_id = 0;
}

unsigned router_probes_unanswered(const Router *r) {
        return r->unanswered;
}

int router_probe_node(Router *r, uint64_t probe, const Node **ret) {
        uint32_t slot = (uint32_t) probe;
        Node *n = slot < r->n_slots ? r->nodes[slot] : NULL;

        if (!n || probe == 0 || n->probe_id != probe)
                return ROUTE_NO_SUCH_DECISION;
        *ret = n;
        return 0;
}

/* Warns of a certificate that ends soon: once a day, and once more when it becomes urgent. */
static void check_certificate(Router *r, Node *n, uint64_t expires_utc_ns, uint64_t now_ns) {
        uint64_t left = expires_utc_ns > r->utc_ns ? expires_utc_ns - r->utc_ns : 0;
        Severity severity = left < CERTIFICATE_NOW_NS ? SEVERITY_HIGH : SEVERITY_MEDIUM;
        time_t at = (time_t) (expires_utc_ns / NSEC_PER_SEC);
        char date[16];
        struct tm tm;
        Event *e;

        if (expires_utc_ns == 0) /* only new connections tell */
                return;
        if (left >= CERTIFICATE_SOON_NS) {
                n->certificate_told_ns = 0;
                return;
        }
        if (n->certificate_told_ns > 0 && now_ns - n->certificate_told_ns < NSEC_PER_DAY && severity <= n->certificate_severity)
                return;
        n->certificate_told_ns = MAX(now_ns, UINT64_C(1));
        n->certificate_severity = (uint8_t) severity;
        e = effects_event(&r->effects, EVENT_SYSTEM_HEALTH_CHANGED, severity, now_ns);
        if (!e)
                return;
        e->service_name = n->service->settings.name;
        e->node = n->name;
        strftime(date, sizeof(date), "%F", gmtime_r(&at, &tm));
        snprintf(e->message, sizeof(e->message), "%.100s: its certificate ends in %.1f days, on %s", n->name,
                 (double) left / (double) NSEC_PER_DAY, date);
}

/* A step that did not happen keeps the time that it took the last time. */
static void take_times(ProbeTimes *known, const ProbeTimes *t) {
        const struct {
                uint64_t *known, time_ns;
        } steps[] = {
                { &known->dns_ns, t->dns_ns }, { &known->connect_ns, t->connect_ns }, { &known->tls_ns, t->tls_ns },
                { &known->first_byte_ns, t->first_byte_ns }, { &known->total_ns, t->total_ns },
        };

        for (size_t i = 0; i < ELEMENTSOF(steps); i++)
                if (steps[i].time_ns != NSEC_INFINITY)
                        *steps[i].known = steps[i].time_ns;
}

int router_probe_result(Router *r, uint64_t probe, const Outcome *o, uint64_t now_ns, Verdict *ret) {
        const Node *found = NULL;
        Verdict verdict = o->verdict;
        Breaker *b;
        Node *n;

        now_ns = router_advance(r, now_ns);
        if (router_probe_node(r, probe, &found) != 0)
                return ROUTE_NO_SUCH_DECISION;
        n = r->nodes[found->slot];
        b = &node_hot(n)->breaker;
        node_hear(r, n->service, n->index, now_ns);

        /* "No" to a probe that showed no credential is an answer all the same. */
        if (verdict == PM_AUTHENTICATION_FAILURE && o->reachable && !n->settings->credential)
                verdict = PM_OK;
        if ((unsigned) verdict >= _PM_VERDICT_MAX)
                verdict = PM_UNKNOWN;
        check_certificate(r, n, o->certificate_expires_utc_ns, now_ns);
        n->probe_id = 0;
        r->unanswered = 0;
        n->probed_ns = MAX(now_ns, UINT64_C(1));
        n->last_probe = (int) verdict;
        if (o->times)
                take_times(&n->probe_times, o->times);
        node_stale(n);

        node_learn(r, n, &(Observation) {
                .verdict = verdict,
                .scope = o->scope,
                .generation = b->generation,
                .probe = true,
                .retry_after_ns = o->retry_after_ns,
                .cooldown_ns = o->cooldown_ns,
        }, now_ns);
        if (b->circuit == CIRCUIT_HALF_OPEN && node_is_probed(r, n))
                probe_soon(r, n, TRIAL_NS, now_ns);
        *ret = verdict;
        return 0;
}
