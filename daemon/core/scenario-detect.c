/* SPDX-License-Identifier: Apache-2.0 */
/* What makes a scenario begin, and whether its cause is still there. */
#include <stdio.h>

#include "basic/macro.h"
#include "daemon/core/router-private.h"

#define RECENT_NS NSEC_PER_MINUTE /* failures so close together have one cause */
#define LIMITED_RATIO 0.10
#define LIMITED_CALLS_MIN 10
#define CORRUPT_RATIO 0.01
#define CORRUPT_MIN 2
#define CORRUPT_CALLS_MIN 50
#define CORRUPT_RUN 3
#define NETWORK_MIN 2
#define PROBES_FAILED_MIN 2
#define REFUSED_MIN 2 /* an authentication failure, and a second that confirms it */

/* The tail of the latency is looked at so often while calls come, and compared with that of the last ten minutes. */
#define TAIL_EVERY_NS (5 * NSEC_PER_SEC)
#define TAIL_TAU_NS (600 * NSEC_PER_SEC)
#define TAIL_CALLS_MIN 20
#define TAIL_FACTOR 2

#define OVERRUN_EVERY_NS (10 * NSEC_PER_SEC)
#define OVERRUN_SHARE_MIN 0.2 /* of the cap is spent, else it is too early to say */

static uint32_t count_down(const Service *s, uint64_t since_ns) {
        uint32_t n = 0;

        for (uint32_t i = 0; i < s->n; i++)
                n += s->hot[i].breaker.circuit == CIRCUIT_OPEN && s->hot[i].breaker.since_ns >= since_ns;
        return n;
}

static bool all_down(const Service *s) {
        for (uint32_t i = 0; i < s->n; i++)
                if (s->hot[i].breaker.circuit != CIRCUIT_OPEN && s->hot[i].admin == ADMIN_ENABLED && s->hot[i].loaded)
                        return false;
        return s->n > 0;
}

/* One node of several is bad, all of them is worse. */
static Severity severity_of(const Service *s) {
        return all_down(s)                                ? SEVERITY_CRITICAL
               : s->settings.priority == PRIORITY_REVENUE ? SEVERITY_HIGH
                                                          : SEVERITY_MEDIUM;
}

static Severity at_least_high(const Service *s) {
        return all_down(s) ? SEVERITY_CRITICAL : SEVERITY_HIGH;
}

static void service_went_down(Router *r, Service *s, uint64_t now_ns) {
        char reason[SCENARIO_TEXT_MAX];

        if (s->settings.priority == PRIORITY_REVENUE)
                scenario_open(r, EMERGENCY_SCENARIO, s, NULL, SEVERITY_CRITICAL,
                              "a revenue service has no healthy node", now_ns);
        if (r->last_down && r->last_down != s && now_ns - r->last_down_ns <= RECENT_NS) {
                snprintf(reason, sizeof(reason), "%s and %s went down within a minute", r->last_down->settings.name,
                         s->settings.name);
                scenario_open(r, CASCADING_FAILURE, NULL, NULL, SEVERITY_CRITICAL, reason, now_ns);
        }
        r->last_down = s;
        r->last_down_ns = now_ns;
}

void detect_open(Router *r, Node *n, Verdict verdict, const char *why, uint64_t now_ns) {
        char reason[SCENARIO_TEXT_MAX];
        Service *s = n->service;
        uint32_t down;

        if (verdict == PM_AUTHENTICATION_FAILURE) /* waits for a second one */
                return;
        snprintf(reason, sizeof(reason), "%s opened after %s (%s)", n->name, why,
                 enum_to_string(&verdict_names, (int) verdict));
        scenario_open(r, verdict == PM_PERFORMANCE_DEGRADATION ? PERFORMANCE_DEGRADATION : SERVICE_UNAVAILABLE, s, n,
                      severity_of(s), reason, now_ns);
        down = count_down(s, now_ns > RECENT_NS ? now_ns - RECENT_NS : 0);
        if (down >= 2 && down * 2 > s->n) {
                snprintf(reason, sizeof(reason), "%u of %u nodes went down within a minute", down, s->n);
                scenario_open(r, CASCADING_FAILURE, s, n, severity_of(s), reason, now_ns);
        }
        if (all_down(s))
                service_went_down(r, s, now_ns);
}

static bool is_limited(Node *n, uint64_t now_ns) {
        uint32_t calls = window_sum(&n->window, WINDOW_CALLS, WINDOW_SECONDS, now_ns);

        return calls >= LIMITED_CALLS_MIN && n->window.minute[WINDOW_RATE_LIMITED] > LIMITED_RATIO * calls;
}

static bool is_corrupt(Node *n, uint64_t now_ns) {
        uint32_t calls = window_sum(&n->window, WINDOW_CALLS, WINDOW_SECONDS, now_ns),
                 corrupt = n->window.minute[WINDOW_CORRUPT];

        return n->corrupt >= CORRUPT_RUN ||
               (corrupt >= CORRUPT_MIN && calls >= CORRUPT_CALLS_MIN && corrupt > CORRUPT_RATIO * calls);
}

static bool is_cut_off(Node *n, uint64_t now_ns) {
        return window_sum(&n->window, WINDOW_NETWORK, WINDOW_SECONDS, now_ns) >= NETWORK_MIN ||
               n->unreachable >= PROBES_FAILED_MIN;
}

static void detect_network(Router *r, Node *n, uint64_t now_ns) {
        char reason[SCENARIO_TEXT_MAX];
        uint32_t cut_off = 0;
        Service *s = n->service;

        if (!is_cut_off(n, now_ns))
                return;
        for (uint32_t i = 0; i < s->n; i++)
                cut_off += is_cut_off(s->nodes[i], now_ns);
        if (cut_off < 2 && n->unreachable < PROBES_FAILED_MIN)
                return;
        snprintf(reason, sizeof(reason), "no HTTP response from %u of %u nodes", cut_off, s->n);
        scenario_open(r, NETWORK_ISSUES, s, n, severity_of(s), reason, now_ns);
}

void detect_verdict(Router *r, Node *n, const Observation *o, uint64_t now_ns) {
        char reason[SCENARIO_TEXT_MAX];
        Service *s = n->service;

        n->corrupt = o->verdict == PM_DATA_CORRUPTION ? n->corrupt + 1
                     : verdict_is_failure(o->verdict) ? n->corrupt
                                                      : 0;
        n->refused = o->verdict == PM_AUTHENTICATION_FAILURE ? n->refused + 1
                     : verdict_is_failure(o->verdict)        ? n->refused
                                                             : 0;
        if (o->probe)
                n->unreachable = o->verdict == PM_NETWORK_ISSUE ? n->unreachable + 1 : 0;
        switch ((int) o->verdict) {
        case PM_RATE_LIMIT_EXCEEDED:
                if (is_limited(n, now_ns)) {
                        snprintf(reason, sizeof(reason), "%s refuses more than a tenth of its calls", n->name);
                        scenario_open(r, RATE_LIMIT_EXCEEDED, s, n, SEVERITY_MEDIUM, reason, now_ns);
                } else if (o->retry_after_ns > 0) {
                        snprintf(reason, sizeof(reason), "%s asks to be left alone for %.0f s", n->name,
                                 (double) o->retry_after_ns / (double) NSEC_PER_SEC);
                        scenario_open(r, RATE_LIMIT_EXCEEDED, s, n, SEVERITY_LOW, reason, now_ns);
                }
                break;
        case PM_AUTHENTICATION_FAILURE:
                if (n->refused >= REFUSED_MIN) {
                        snprintf(reason, sizeof(reason), "%s refuses the credential", n->name);
                        scenario_open(r, AUTHENTICATION_FAILURE, s, n, at_least_high(s), reason, now_ns);
                }
                break;
        case PM_DATA_CORRUPTION:
                if (is_corrupt(n, now_ns)) {
                        snprintf(reason, sizeof(reason), "%s returns bodies that are not what they must be", n->name);
                        scenario_open(r, DATA_CORRUPTION, s, n, at_least_high(s), reason, now_ns);
                }
                break;
        case PM_NETWORK_ISSUE:
                detect_network(r, n, now_ns);
                break;
        case PM_BUDGET_EXHAUSTED:
                snprintf(reason, sizeof(reason), "%s: the vendor says that the quota is used up", n->name);
                scenario_open(r, BUDGET_EXHAUSTION, s, n, SEVERITY_HIGH, reason, now_ns);
                break;
        default:
                break;
        }
}

static bool is_slow(const Node *n) {
        return (n->settings->latency_limit_ns > 0 && n->tail_ns > (double) n->settings->latency_limit_ns) ||
               (n->tail_usual_ns > 0 && n->tail_ns > TAIL_FACTOR * n->tail_usual_ns);
}

void detect_slow(Router *r, Node *n, uint64_t now_ns) {
        static const double quantile = 0.95;
        uint64_t elapsed = now_ns - n->tail_checked_ns, tail;
        char reason[SCENARIO_TEXT_MAX];

        if (elapsed < TAIL_EVERY_NS)
                return;
        n->tail_checked_ns = now_ns;
        if (n->latency.total[0] + n->latency.total[1] < TAIL_CALLS_MIN)
                return;
        latency_quantiles(&n->latency, &quantile, 1, now_ns, &tail);
        n->tail_ns = (double) tail;
        if (is_slow(n)) {
                snprintf(reason, sizeof(reason), "%s: p95 is %.0f ms, usually %.0f ms", n->name, n->tail_ns / 1e6,
                         n->tail_usual_ns / 1e6);
                scenario_open(r, PERFORMANCE_DEGRADATION, n->service, n, SEVERITY_MEDIUM, reason, now_ns);
        }
        /* The usual follows slowly, so that what lasts becomes usual in the end. */
        if (n->tail_usual_ns <= 0)
                n->tail_usual_ns = n->tail_ns;
        else {
                double w = decay(MIN(elapsed, TAIL_TAU_NS), TAIL_TAU_NS);

                n->tail_usual_ns = n->tail_usual_ns * w + n->tail_ns * (1 - w);
        }
}

/* Whether the hourly cap would be passed at the rate of the last minute. */
static bool will_overrun(Service *s, uint64_t utc_ns, uint64_t now_ns) {
        const Allowance *a = &s->budget.hour;
        double left, rate;

        if (a->limit == MONEY_UNSET || (double) a->meter.spent < OVERRUN_SHARE_MIN * (double) a->limit)
                return false;
        left = a->meter.end_ns > utc_ns ? (double) (a->meter.end_ns - utc_ns) / (double) NSEC_PER_SEC : 0;
        rate = spending_rate(&s->spending, now_ns);
        return (double) a->meter.spent + rate * left > (double) a->limit;
}

void detect_spend(Router *r, Service *s, uint64_t now_ns) {
        char reason[SCENARIO_TEXT_MAX];

        if (now_ns - s->overrun_checked_ns < OVERRUN_EVERY_NS)
                return;
        s->overrun_checked_ns = now_ns;
        if (!will_overrun(s, r->utc_ns, now_ns))
                return;
        snprintf(reason, sizeof(reason), "at $%.2f an hour the cap of $%.2f would be passed before the hour ends",
                 spending_rate(&s->spending, now_ns) * 3600 / (double) MONEY_PER_DOLLAR,
                 (double) s->budget.hour.limit / (double) MONEY_PER_DOLLAR);
        scenario_open(r, COST_OVERRUN, s, NULL, SEVERITY_MEDIUM, reason, now_ns);
}

void detect_exhausted(Router *r, Service *s, const char *limit, uint64_t now_ns) {
        char reason[SCENARIO_TEXT_MAX];

        snprintf(reason, sizeof(reason), "%s is used up", limit);
        scenario_open(r, BUDGET_EXHAUSTION, s, NULL, SEVERITY_HIGH, reason, now_ns);
}

/* ---- is it still there? ---- */

static bool node_holds(Router *r, const Scenario *x, Node *n, uint64_t now_ns) {
        const NodeHot *h = node_hot(n);

        node_hear(r, n->service, n->index, now_ns);
        switch (x->type) {
        case SERVICE_UNAVAILABLE:
                return h->breaker.circuit != CIRCUIT_CLOSED;
        case PERFORMANCE_DEGRADATION:
                return h->breaker.circuit != CIRCUIT_CLOSED ||
                       (now_ns - n->tail_checked_ns < NSEC_PER_MINUTE && is_slow(n));
        case RATE_LIMIT_EXCEEDED:
                return h->cooldown_ns > now_ns || is_limited(n, now_ns);
        case AUTHENTICATION_FAILURE:
                return h->breaker.locked;
        case NETWORK_ISSUES:
                return h->breaker.circuit != CIRCUIT_CLOSED || is_cut_off(n, now_ns);
        case DATA_CORRUPTION:
                return h->breaker.circuit != CIRCUIT_CLOSED || is_corrupt(n, now_ns);
        case BUDGET_EXHAUSTION:
                return h->cooldown_ns > now_ns;
        default:
                return false;
        }
}

bool scenario_holds(Router *r, const Scenario *x, uint64_t now_ns) {
        Service *s = x->service;

        switch (x->type) {
        case COST_OVERRUN:
                return s && will_overrun(s, r->utc_ns, now_ns);
        case BUDGET_EXHAUSTION:
                if (s) {
                        budget_advance(&s->budget, r->utc_ns);
                        if (budget_state(&s->budget) == BUDGET_EXHAUSTED || s->budget.emergency)
                                return true;
                }
                break;
        case CASCADING_FAILURE:
                if (!s) {
                        uint32_t down = 0;

                        for (uint32_t i = 0; i < r->n_services; i++)
                                down += all_down(r->services[i]);
                        return down >= 2;
                }
                return count_down(s, 0) * 2 > s->n;
        case EMERGENCY_SCENARIO:
                return s && all_down(s);
        default:
                break;
        }
        for (uint8_t i = 0; i < x->n_nodes; i++) {
                uint32_t slot = names_find(&r->node_names, x->nodes[i]);

                if (slot != NAMES_NONE && node_holds(r, x, r->nodes[slot], now_ns))
                        return true;
        }
        return false;
}
