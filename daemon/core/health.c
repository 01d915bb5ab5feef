/* SPDX-License-Identifier: Apache-2.0 */
/* How well a node is: a score from 0 to 100, and a state that does not flutter. */
#include "basic/macro.h"
#include "daemon/core/router-private.h"

/* To enter a state takes more than to stay in it. */
#define HEALTHY_ENTER 80
#define HEALTHY_LEAVE 70
#define UNHEALTHY_ENTER 30
#define UNHEALTHY_LEAVE 45

/* Calls that the last minute must have seen (faded), or a probe in the last two intervals; else health is unknown. */
#define EVIDENCE_MIN 1.0F

#define REVIEW_NS NSEC_PER_SEC
/* Of a month, before its pace is believed. */
#define OUTLOOK_NS NSEC_PER_HOUR

/* Half the points are gone when the errors beyond the expected ones have used up the service's error budget. */
static double success_points(const Node *n, double success) {
        double excess = (double) node_hot(n)->prior - success;

        return excess <= 0 ? 1 : MAX(0.0, 1 - 0.5 * excess / service_threshold(n->service));
}

/* Up to 1.5 times the median is ordinary; at six times half the points are gone. */
static double latency_points(const Service *s, double latency_ns) {
        double ratio;

        if (latency_ns <= 0 || s->median_ns <= 0)
                return 1;
        ratio = latency_ns / s->median_ns;
        return ratio <= 1.5 ? 1 : MAX(0.5, 1 - 0.5 * (ratio - 1.5) / 4.5);
}

static double limit_points(Window *w, uint64_t now_ns) {
        uint32_t calls;

        window_advance(w, now_ns);
        calls = w->minute[WINDOW_CALLS];
        if (calls < 5)
                return 1;
        return MAX(0.5, 1 - 2.0 * w->minute[WINDOW_RATE_LIMITED] / calls);
}

static bool probe_is_recent(const Node *n, uint64_t now_ns) {
        return n->probed_ns > 0 && now_ns - n->probed_ns <= 2 * n->service->settings.health_check_interval_ns;
}

static Health state_of(const Node *n, const NodeHot *h, double score, uint64_t now_ns) {
        if (h->breaker.circuit == CIRCUIT_OPEN)
                return HEALTH_UNHEALTHY;
        if (h->evidence < EVIDENCE_MIN && !probe_is_recent(n, now_ns))
                return HEALTH_UNKNOWN;
        if (score >= HEALTHY_ENTER || (score >= HEALTHY_LEAVE && h->health == HEALTH_HEALTHY))
                return HEALTH_HEALTHY;
        if (score < UNHEALTHY_ENTER || (score < UNHEALTHY_LEAVE && h->health == HEALTH_UNHEALTHY))
                return HEALTH_UNHEALTHY;
        return HEALTH_DEGRADED;
}

static void swap(double *a, double *b) {
        double t = *a;

        *a = *b;
        *b = t;
}

/* The k-th smallest (Hoare's selection). */
static double select_nth(double *v, size_t n, size_t k) {
        size_t low = 0, high = n - 1;

        while (low < high) {
                double pivot = v[low + (high - low) / 2];
                size_t i = low, j = high;

                for (;;) {
                        while (v[i] < pivot)
                                i++;
                        while (v[j] > pivot)
                                j--;
                        if (i >= j)
                                break;
                        swap(&v[i++], &v[j--]);
                }
                if (k <= j)
                        high = j;
                else
                        low = j + 1;
        }
        return v[k];
}

/* The lower one of two, so that of two nodes the slow one stands out against the fast one. */
static void review_median(Service *s, double *scratch) {
        uint32_t known = 0;

        for (uint32_t i = 0; i < s->n; i++) {
                if (s->hot[i].answer_ns > 0) /* as it was when somebody last looked, which is soon enough */
                        scratch[known++] = s->hot[i].answer_ns;
        }
        s->median_ns = known > 0 ? select_nth(scratch, known, (known - 1) / 2) : 0;
}

/* What a unit would cost if the configured weights alone decided. */
static void review_static_price(Service *s) {
        uint64_t weights = 0;
        __int128 sum = 0;

        for (uint32_t i = 0; i < s->n; i++) {
                const NodeHot *h = &s->hot[i];

                sum += (__int128) (h->flat ? h->price : node_price(s->nodes[i], 0, s->nodes[i]->used, UNITS_ONE)) *
                       h->weight;
                weights += h->weight;
        }
        s->static_price = weights > 0 ? (Money) (sum / weights) : 0;
}

/* What the service will still need this month, if it goes on as it did; at least a unit, which is what counts when
 * nothing is known. */
static Units expected_units(Service *s, uint64_t utc_ns) {
        double gone, left;

        if (meter_advance(&s->month, PERIOD_MONTHLY, utc_ns)) {
                s->month_units = 0;
                s->month_since_utc_ns = utc_ns;
        }
        gone = utc_ns > s->month_since_utc_ns ? (double) (utc_ns - s->month_since_utc_ns) : 0;
        left = s->month.end_ns > utc_ns ? (double) (s->month.end_ns - utc_ns) : 0;
        if (gone < (double) OUTLOOK_NS)
                return UNITS_ONE;
        return (Units) CLAMP((double) s->month_units * left / gone, (double) UNITS_ONE, (double) UNITS_MAX);
}

/* A price that falls with volume is worth what it comes to in the end, not what the first units cost. */
static void review_outlook(Service *s, uint64_t utc_ns) {
        Units units = expected_units(s, utc_ns);

        for (uint32_t i = 0; i < s->n; i++) {
                Node *n = s->nodes[i];

                if (n->settings->n_price_tiers == 0)
                        continue;
                node_month(n, utc_ns);
                s->hot[i].outlook = (Money) ((__int128) node_price(n, 0, n->used, units) * UNITS_ONE / units);
        }
}

void service_review(Service *s, double *scratch, uint64_t now_ns, uint64_t utc_ns) {
        s->review_ns = now_ns + REVIEW_NS;
        if (s->tiered)
                review_outlook(s, utc_ns);
        review_median(s, scratch);
        review_static_price(s);
}

void node_refresh(Node *n, uint64_t now_ns) {
        NodeHot *h = node_hot(n);
        double evidence = success_evidence(&n->success, now_ns), score;
        double success = success_estimate(&n->success, (double) h->prior, evidence);

        h->fresh_until_ns = now_ns + FRESH_NS;
        h->success = (float) success;
        h->evidence = (float) evidence;
        h->latency_ns = n->latency.sampled_ns > 0 ? latency_expected(&n->latency, now_ns) : 0;
        h->forecast = (float) forecast_probability(&n->forecast, now_ns);
        h->answer_ns = n->latency.answer_ns;
        h->ramp = (float) breaker_ramp(&h->breaker, now_ns);

        score = 100 * success_points(n, success) * latency_points(n->service, h->answer_ns) *
                limit_points(&n->window, now_ns);
        if (probe_is_recent(n, now_ns) && verdict_is_failure((Verdict) n->last_probe))
                score *= 0.7;
        if (h->breaker.circuit == CIRCUIT_OPEN)
                score = 0;
        else if (h->breaker.circuit == CIRCUIT_HALF_OPEN)
                score *= 0.5;
        h->score = (float) score;
        h->health = (uint8_t) state_of(n, h, score, now_ns);
}
