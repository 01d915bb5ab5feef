/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>

#include "basic/macro.h"
#include "daemon/core/router-private.h"

/* In an emergency an open circuit is tried again after so little. */
#define PANIC_NS NSEC_PER_SEC

static void __attribute__((format(printf, 5, 6)))
tell(Router *r, const Node *n, Circuit from, Severity severity, const char *format, ...) {
        Event *e = effects_event(&r->effects, EVENT_CIRCUIT_CHANGED, severity, r->now_ns);
        va_list arguments;
        int k;

        if (!e)
                return;
        e->service_name = n->service->settings.name;
        e->node = n->name;
        e->from = enum_to_string(&circuit_names, from);
        e->to = enum_to_string(&circuit_names, node_hot(n)->breaker.circuit);
        k = snprintf(e->message, sizeof(e->message), "%s: circuit ", n->name);
        va_start(arguments, format);
        vsnprintf(e->message + k, sizeof(e->message) - (size_t) k, format, arguments);
        va_end(arguments);
}

void circuit_open(Router *r, Node *n, const char *why, Verdict verdict, uint64_t now_ns) {
        Breaker *b = &node_hot(n)->breaker;
        Circuit from = b->circuit;

        n->service->openings++;
        series_advance(n->series, &n->latency, r->utc_ns, now_ns);
        series_minute(n->series)->openings++;
        series_hour(n->series)->openings++;
        if (from == CIRCUIT_CLOSED)
                forecast_failed(&n->forecast, &r->forecast, now_ns);
        breaker_open(b, n->service->settings.retry_backoff_ns, &r->random, now_ns);
        b->locked = verdict == PM_AUTHENTICATION_FAILURE;
        b->slow = verdict == PM_PERFORMANCE_DEGRADATION;
        timer_arm(&r->timers, &n->breaker_timer, b->open_until_ns);
        node_stale(n);
        tell(r, n, from, from == CIRCUIT_CLOSED ? SEVERITY_HIGH : SEVERITY_MEDIUM,
             "%s after %s (%s); next try in %.1f s", from == CIRCUIT_CLOSED ? "opened" : "opened again", why,
             enum_to_string(&verdict_names, (int) verdict),
             (double) (b->open_until_ns - now_ns) / (double) NSEC_PER_SEC);
        probe_schedule(r, n, now_ns);
        if (from == CIRCUIT_CLOSED)
                detect_open(r, n, verdict, why, now_ns);
}

void circuit_half_open(Router *r, Node *n, uint64_t now_ns) {
        Breaker *b = &node_hot(n)->breaker;
        bool slow = b->slow;
        Circuit from = b->circuit;

        breaker_half_open(b, now_ns);
        b->slow = slow;
        timer_disarm(&r->timers, &n->breaker_timer);
        node_stale(n);
        tell(r, n, from, SEVERITY_LOW, "half-open, letting %d calls try", BREAKER_PERMITS);
        if (node_is_probed(r, n))
                probe_soon(r, n, 0, now_ns);
}

void circuit_close(Router *r, Node *n, uint64_t now_ns) {
        Breaker *b = &node_hot(n)->breaker;
        Circuit from = b->circuit;

        breaker_close(b, now_ns);
        timer_disarm(&r->timers, &n->breaker_timer);
        /* What was learned while it failed says nothing about it now; the ramp is what keeps it careful. */
        window_forget(&n->window);
        n->success = (Success) { BREAKER_PERMITS, BREAKER_PERMITS, now_ns };
        n->latency.peak_ns = n->latency.typical_ns;
        n->limited = 0;
        node_stale(n);
        tell(r, n, from, SEVERITY_LOW, "closed; full share again in %d s", (int) (BREAKER_RAMP_NS / NSEC_PER_SEC));
        probe_schedule(r, n, now_ns);
}

/* A locked circuit asks for a probe instead, if anybody probes. */
static bool only_a_probe_will_do(const Router *r, const Node *n) {
        return node_hot(n)->breaker.locked && node_is_probed(r, n);
}

void circuit_poll(Router *r, Node *n, uint64_t now_ns) {
        const Breaker *b = &node_hot(n)->breaker;

        bool panic = n->service->overrides->panic && now_ns - b->since_ns >= PANIC_NS;

        if (b->circuit == CIRCUIT_OPEN && (now_ns >= b->open_until_ns || panic) && !only_a_probe_will_do(r, n))
                circuit_half_open(r, n, now_ns);
}

void circuit_timeout(Router *r, Node *n, uint64_t now_ns) {
        if (only_a_probe_will_do(r, n))
                probe_soon(r, n, 0, now_ns);
        else
                circuit_poll(r, n, now_ns);
}
