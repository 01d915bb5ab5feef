/* SPDX-License-Identifier: Apache-2.0 */
/* What the caller is told: fallbacks, confidence, explanation, reason. */
#include <math.h>

#include "basic/macro.h"
#include "daemon/core/decide.h"
#include "daemon/core/stats.h"

/* A fallback may take what this decision passed over only to keep the average price, a ramp or a standby. */
static bool is_reserve(const Router *r, uint32_t i) {
        switch ((Skip) r->scratch_reason[i]) {
        case SKIP_TIER: case SKIP_WARMING: case SKIP_STANDBY:
                return true;
        default:
                return false;
        }
}

/* The best others, best first, and then the reserve. Returns the score of the first. */
static double list_fallbacks(const Filter *f, const Choice *c, uint32_t chosen, Decision *d) {
        const Service *s = f->service;
        uint32_t best[FALLBACKS_MAX], n = 0;

        for (uint32_t i = 0; i < c->n; i++) {
                uint32_t at = n;

                if (i == chosen || (n == FALLBACKS_MAX && c->score[i] <= c->score[best[n - 1]]))
                        continue;
                if (n < FALLBACKS_MAX)
                        n++;
                else
                        at--;
                for (; at > 0 && c->score[best[at - 1]] < c->score[i]; at--)
                        best[at] = best[at - 1];
                best[at] = i;
        }
        for (uint32_t i = 0; i < n; i++)
                d->fallbacks[i] = s->nodes[c->index[best[i]]]->name;
        d->n_fallbacks = n;
        if (f->skipped[SKIP_TIER] + f->skipped[SKIP_WARMING] + f->skipped[SKIP_STANDBY] > 0)
                for (uint32_t i = 0; i < s->n && d->n_fallbacks < FALLBACKS_MAX; i++)
                        if (is_reserve(f->router, i))
                                d->fallbacks[d->n_fallbacks++] = s->nodes[i]->name;
        return n > 0 ? c->score[best[0]] : 0;
}

/* The lower end of its probability of success, times what its lead over the next best adds. */
static double confidence(const NodeHot *h, double score, double next) {
        double p = (double) h->success, n = SUCCESS_PRIOR_CALLS + (double) h->evidence;
        double low = p - Z_95 * sqrt(p * (1 - p) / (n + 1)), lead = score > 0 ? 1 - MIN(next / score, 1.0) : 0;

        return CLAMP(low, 0.0, 1.0) * (0.9 + 0.1 * lead);
}

static void explain(Router *r, Filter *f, const Choice *c, Decision *d) {
        double best = 0;

        d->n_candidates = MIN(f->service->n, (uint32_t) NODES_LISTED_MAX);
        for (uint32_t i = 0; i < d->n_candidates; i++) {
                Node *n = f->service->nodes[i];

                r->candidates[i] = (Candidate) {
                        .node = n->name,
                        .cost = filter_cost(f, n),
                        .excluded = skip_reason((Skip) r->scratch_reason[i]),
                };
        }
        for (uint32_t k = 0; k < c->n; k++)
                best = MAX(best, c->score[k]);
        for (uint32_t k = 0; k < c->n; k++)
                if (c->index[k] < d->n_candidates) {
                        r->candidates[c->index[k]].excluded = NULL;
                        r->candidates[c->index[k]].score = best > 0 ? c->score[k] / best : 1;
                }
        d->candidates = r->candidates;
}

typedef struct Text {
        char *p, *end;
} Text;

static inline void put_bytes(Text *t, const char *s, size_t n) {
        size_t room = (size_t) (t->end - t->p);

        if (n <= room) { /* of a literal, a store or two */
                memcpy(t->p, s, n);
                t->p += n;
        } else
                t->p = mempcpy(t->p, s, room);
}

#define put_literal(t, s) put_bytes((t), s, sizeof(s) - 1)

static void put_number(Text *t, uint32_t v) {
        char digits[10], *d = digits + sizeof(digits);

        do
                *--d = (char) ('0' + v % 10);
        while (v /= 10);
        put_bytes(t, d, (size_t) (digits + sizeof(digits) - d));
}

/* Made for each decision, and many times faster than printf. */
size_t decision_reason(const Decision *d, char buffer[DECISION_REASON_MAX]) {
        const char *strategy = enum_to_string(&strategy_names, (int) d->strategy);
        Text t = { buffer, buffer + DECISION_REASON_MAX - 1 };

        put_bytes(&t, strategy, strlen(strategy));
        put_literal(&t, " chose it from ");
        put_number(&t, d->n_eligible);
        put_literal(&t, " of ");
        put_number(&t, d->n_nodes);
        put_literal(&t, " nodes: ");
        put_bytes(&t, d->cause, strlen(d->cause));
        put_literal(&t, ", health ");
        put_number(&t, (uint32_t) (CLAMP(d->health_score, 0.0, 100.0) + 0.5));
        *t.p = 0;
        return (size_t) (t.p - buffer);
}

void describe(Filter *f, const Choice *c, const Chosen *chosen, Strategy strategy, const Lease *l, Decision *d) {
        Service *s = f->service;
        Node *n = s->nodes[c->index[chosen->position]];
        const NodeHot *h = node_hot(n);
        double next;

        lease_id(&f->router->leases, l, d->id);
        d->service_name = s->settings.name;
        d->node = n->name;
        d->provider = n->settings->provider_name;
        d->region = n->settings->region;
        d->url = n->url;
        d->strategy = strategy;
        d->estimated_cost = l->estimate;
        d->cost_tier = f->tier;
        d->degraded = chosen->degraded || h->health == HEALTH_UNHEALTHY;
        d->retry_after_ns = chosen->ready_ns > f->now_ns ? chosen->ready_ns - f->now_ns : 0;
        d->expires_in_ns = l->deadline_ns - f->now_ns;
        d->max_retries = s->settings.max_retries;
        d->retry_backoff_ns = s->settings.retry_backoff_ns;
        d->scenario = s->scenario ? s->scenario->id : NULL;
        d->cause = c->cause;
        d->n_eligible = f->n;
        d->n_nodes = s->n;
        d->health_score = (double) h->score;
        d->candidates = NULL;
        d->n_candidates = 0;
        next = list_fallbacks(f, c, chosen->position, d);
        d->confidence = confidence(h, c->score[chosen->position], next) * (chosen->degraded ? 0.5 : 1);
        if (f->request->explain)
                explain(f->router, f, c, d);
}
