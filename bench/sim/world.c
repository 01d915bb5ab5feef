/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/sim/world.h"

#include <errno.h>
#include <math.h>

#include "basic/macro.h"
#include "daemon/core/budget.h"
#include "daemon/core/price.h"
#include "daemon/core/random.h"

/* A refusal is quicker than an answer, and a refused connection quicker still. */
#define ERROR_LATENCY 0.5
#define REFUSAL_LATENCY 0.3
#define CONNECT_LATENCY 0.1
/* The part of a second's worth of calls that a rate limit lets through at once. */
#define BURST_SECONDS 1.0

typedef struct FaultState {
        double tokens;
        uint64_t at_ns;
        double used; /* of a quota */
} FaultState;

typedef struct WorldNode {
        uint32_t *faults;         /* sorted by their start */
        uint32_t n_faults, first; /* those before are over */
        Money price;              /* MONEY_UNSET: as the settings have it */
        Units used;               /* this month */
        uint64_t month_end_ns;
} WorldNode;

struct World {
        const Trace *trace;
        uint64_t seed;
        WorldNode *nodes;
        FaultState *states;
};

/* All that is wrong with a node at an instant. */
typedef struct Condition {
        double fail, corrupt, slow; /* slow: a factor */
        Failure how;
        bool auth;
        uint64_t retry_after_ns;
        uint32_t limit, quota; /* indexes of faults; UINT32_MAX: none */
} Condition;

int world_new(World **ret, const Trace *trace, uint64_t seed) {
        World *w = calloc(1, sizeof(World));

        if (!w)
                return -ENOMEM;
        w->trace = trace;
        w->seed = seed;
        w->nodes = calloc(trace->n_nodes, sizeof(WorldNode));
        w->states = calloc(trace->n_faults + 1, sizeof(FaultState));
        if (!w->nodes || !w->states)
                goto fail;
        for (uint32_t i = 0; i < trace->n_nodes; i++)
                w->nodes[i].price = MONEY_UNSET;
        for (uint32_t i = 0; i < trace->n_faults; i++)
                w->nodes[trace->faults[i].node].n_faults++;
        for (uint32_t i = 0; i < trace->n_nodes; i++) {
                w->nodes[i].faults = calloc(w->nodes[i].n_faults + 1, sizeof(uint32_t));
                if (!w->nodes[i].faults)
                        goto fail;
                w->nodes[i].n_faults = 0;
        }
        for (uint32_t i = 0; i < trace->n_faults; i++) {
                WorldNode *n = &w->nodes[trace->faults[i].node];

                n->faults[n->n_faults++] = i;
                w->states[i] = (FaultState){ trace->faults[i].amount * BURST_SECONDS, trace->faults[i].from_ns, 0 };
        }
        *ret = w;
        return 0;
fail:
        world_free(w);
        return -ENOMEM;
}

World *world_free(World *w) {
        if (!w)
                return NULL;
        for (uint32_t i = 0; w->nodes && i < w->trace->n_nodes; i++)
                free(w->nodes[i].faults);
        free(w->nodes);
        free(w->states);
        free(w);
        return NULL;
}

void world_set_price(World *w, uint32_t node, Money price) {
        w->nodes[node].price = price;
}

static double level(const Fault *f, uint64_t now_ns) {
        return f->ramp ? (double) (now_ns - f->from_ns) / (double) (f->to_ns - f->from_ns) : 1;
}

static void apply(Condition *c, const Fault *f, uint32_t index, uint64_t now_ns) {
        switch (f->kind) {
        case FAULT_DOWN:
                c->fail = 1;
                c->how = f->how;
                c->retry_after_ns = f->retry_after_ns;
                break;
        case FAULT_FLAP:
                if ((now_ns - f->from_ns) % (f->up_ns + f->down_ns) < f->up_ns)
                        break;
                c->fail = 1;
                c->how = f->how;
                break;
        case FAULT_ERRORS:
                c->fail = 1 - (1 - c->fail) * (1 - f->amount * level(f, now_ns));
                c->how = f->how;
                break;
        case FAULT_CORRUPT:
                c->corrupt = 1 - (1 - c->corrupt) * (1 - f->amount * level(f, now_ns));
                break;
        case FAULT_SLOW:
                c->slow *= 1 + (f->amount - 1) * level(f, now_ns);
                break;
        case FAULT_AUTH:
                c->auth = true;
                break;
        case FAULT_RATE_LIMIT:
                c->limit = index;
                break;
        case FAULT_QUOTA:
                c->quota = index;
                break;
        default:
                break;
        }
}

static Condition condition_from(const World *w, uint32_t node, uint32_t first, uint64_t now_ns) {
        const WorldNode *n = &w->nodes[node];
        Condition c = { .slow = 1, .limit = UINT32_MAX, .quota = UINT32_MAX };

        for (uint32_t i = first; i < n->n_faults; i++) {
                const Fault *f = &w->trace->faults[n->faults[i]];

                if (f->from_ns > now_ns)
                        break;
                if (f->to_ns > now_ns)
                        apply(&c, f, n->faults[i], now_ns);
        }
        return c;
}

static Condition condition(World *w, uint32_t node, uint64_t now_ns) {
        WorldNode *n = &w->nodes[node];

        while (n->first < n->n_faults && w->trace->faults[n->faults[n->first]].to_ns <= now_ns)
                n->first++;
        return condition_from(w, node, n->first, now_ns);
}

static bool has_token(World *w, uint32_t fault, uint64_t now_ns) {
        const Fault *f = &w->trace->faults[fault];
        FaultState *s = &w->states[fault];
        double burst = MAX(f->amount * BURST_SECONDS, 1.0);

        s->tokens = MIN(burst, s->tokens + f->amount * (double) (now_ns - s->at_ns) / (double) NSEC_PER_SEC);
        s->at_ns = now_ns;
        return s->tokens >= 1;
}

static bool has_quota(const World *w, uint32_t fault) {
        return w->states[fault].used < w->trace->faults[fault].amount;
}

static Money price(World *w, uint32_t node, uint64_t now_ns) {
        const NodeSettings *settings = trace_node(w->trace, node);
        WorldNode *n = &w->nodes[node];
        uint64_t utc_ns = w->trace->utc_ns + now_ns, start;

        if (n->price != MONEY_UNSET)
                return n->price;
        if (settings->n_price_tiers == 0)
                return settings->cost_per_request == MONEY_UNSET ? 0 : settings->cost_per_request;
        if (utc_ns >= n->month_end_ns) {
                period_window(PERIOD_MONTHLY, utc_ns, &start, &n->month_end_ns);
                n->used = 0;
        }
        return price_call(settings, NULL, n->used, UNITS_ONE);
}

/* ---- chance ---- */

typedef struct Draw {
        uint64_t state;
} Draw;

static Draw draw_of(const World *w, uint32_t node, uint64_t call, unsigned attempt) {
        Draw d = { w->seed ^ call * UINT64_C(0xd1342543de82ef95) };
        uint64_t mixed = random_mix(&d.state);

        d.state = mixed ^ ((uint64_t) node << 32 | attempt) * UINT64_C(0xaf251af3b0f025b5);
        return d;
}

static double unit(Draw *d) {
        return (double) (random_mix(&d->state) >> 11) * 0x1.0p-53;
}

/* Box and Muller, one of the two. */
static double normal(Draw *d) {
        double u = unit(d), v = unit(d);

        return sqrt(-2 * log(1 - u)) * cos(2 * M_PI * v);
}

/* ---- answers ---- */

static void fail(Answer *a, Failure how, double latency_ns, uint64_t timeout_ns) {
        switch (how) {
        case FAIL_TIMEOUT:
                a->verdict = PM_NETWORK_ISSUE;
                a->latency_ns = timeout_ns;
                break;
        case FAIL_CONNECT:
                a->verdict = PM_NETWORK_ISSUE;
                a->latency_ns = (uint64_t) (latency_ns * CONNECT_LATENCY);
                a->undone = true;
                break;
        default:
                a->verdict = PM_SERVICE_UNAVAILABLE;
                a->latency_ns = (uint64_t) (latency_ns * ERROR_LATENCY);
        }
}

static void refuse(Answer *a, Verdict verdict, double latency_ns, uint64_t retry_after_ns) {
        a->verdict = verdict;
        a->latency_ns = (uint64_t) (latency_ns * REFUSAL_LATENCY);
        a->retry_after_ns = retry_after_ns;
        a->undone = true;
}

static void answer(World *w, uint32_t node, const Condition *c, Draw *d, bool probe, uint64_t now_ns, Answer *a) {
        const TraceNode *n = &w->trace->nodes[node];
        uint64_t timeout = w->trace->services[n->service].timeout_ns;
        double chance = unit(d), corrupt = unit(d), latency = (double) n->latency_ns * exp(n->spread * normal(d));

        a->verdict = PM_OK;
        a->retry_after_ns = 0;
        a->undone = false;
        a->latency_ns = (uint64_t) (latency * c->slow);
        if (chance >= n->success * (1 - c->fail)) {
                fail(a, c->fail > 0 ? c->how : FAIL_ERROR, latency, timeout);
                a->retry_after_ns = c->retry_after_ns;
        } else if (c->auth)
                refuse(a, PM_AUTHENTICATION_FAILURE, latency, 0);
        else if (!probe && c->limit != UINT32_MAX && !has_token(w, c->limit, now_ns))
                refuse(a, PM_RATE_LIMIT_EXCEEDED, latency, w->trace->faults[c->limit].retry_after_ns);
        else if (!probe && c->quota != UINT32_MAX && !has_quota(w, c->quota))
                refuse(a, PM_BUDGET_EXHAUSTED, latency, w->trace->faults[c->quota].retry_after_ns);
        else if (a->latency_ns > timeout)
                fail(a, FAIL_TIMEOUT, latency, timeout);
        else if (!probe && corrupt < c->corrupt)
                a->verdict = PM_DATA_CORRUPTION;
        a->latency_ns = MAX(a->latency_ns, NSEC_PER_USEC);
}

void world_send(World *w, uint32_t node, uint64_t call, unsigned attempt, uint64_t now_ns, Answer *ret) {
        Condition c = condition(w, node, now_ns);
        Draw d = draw_of(w, node, call, attempt);

        ret->cost = price(w, node, now_ns);
        w->nodes[node].used += UNITS_ONE;
        answer(w, node, &c, &d, false, now_ns, ret);
        if (c.limit != UINT32_MAX && ret->verdict != PM_RATE_LIMIT_EXCEEDED && has_token(w, c.limit, now_ns))
                w->states[c.limit].tokens -= 1;
        if (c.quota != UINT32_MAX && ret->verdict == PM_OK)
                w->states[c.quota].used += 1;
}

void world_probe(World *w, uint32_t node, uint64_t serial, uint64_t now_ns, Answer *ret) {
        Condition c = condition(w, node, now_ns);
        Draw d = draw_of(w, node, ~serial, 0);

        answer(w, node, &c, &d, true, now_ns, ret);
        ret->cost = 0;
}

/* The chance of a success, limits and quotas aside. A call slower than the caller's patience is lost as well. */
static double chance(const World *w, uint32_t node, const Condition *c) {
        const TraceNode *n = &w->trace->nodes[node];
        double late = (double) n->latency_ns * c->slow / (double) w->trace->services[n->service].timeout_ns;

        if (c->auth)
                return 0;
        return n->success * (1 - c->fail) * (1 - c->corrupt) * 0.5 * erfc(log(late) / (MAX(n->spread, 1e-9) * M_SQRT2));
}

void world_look(World *w, uint32_t node, uint64_t now_ns, Prospect *ret) {
        Condition c = condition(w, node, now_ns);

        ret->success = chance(w, node, &c);
        if ((c.limit != UINT32_MAX && !has_token(w, c.limit, now_ns)) ||
            (c.quota != UINT32_MAX && !has_quota(w, c.quota)))
                ret->success = 0;
        ret->latency_ns = (double) w->trace->nodes[node].latency_ns * c.slow;
        ret->price = price(w, node, now_ns);
}

bool world_works(const World *w, uint32_t node, uint64_t at_ns) {
        Condition c = condition_from(w, node, 0, at_ns);

        return chance(w, node, &c) >= 0.5;
}
