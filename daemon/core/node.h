/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A node in two parts: what every decision looks at lies together with that of its neighbours (NodeHot), what is
 * learned lies apart (Node). Values that follow from what was learned are brought up to date when somebody wants them
 * and they are old.
 */
#pragma once

#include "daemon/core/breaker.h"
#include "daemon/core/budget.h"
#include "daemon/core/forecast.h"
#include "daemon/core/latency.h"
#include "daemon/core/router.h"
#include "daemon/core/series.h"
#include "daemon/core/timer.h"
#include "daemon/core/window.h"

#define SUCCESS_TAU_NS (30 * NSEC_PER_SEC)
#define SUCCESS_PRIOR_CALLS 20
/* So long what was worked out for a node may be used again while nothing is reported. */
#define FRESH_NS (50 * NSEC_PER_MSEC)

typedef struct NodeHot {
        Breaker breaker;
        uint64_t cooldown_ns;    /* leave alone until */
        uint64_t fresh_until_ns; /* of the derived values below */
        uint64_t excluded;       /* by the decision with this serial */
        Money price;             /* of a unit, if flat */
        Money outlook;           /* of a unit, on average over the rest of the month; INT64_MAX: no volume tiers */
        double latency_ns;       /* expected, failures included; 0: unknown. Derived */
        double answer_ns;        /* of recent successes; 0: unknown. Derived */
        int64_t wrr_current;
        int32_t wrr_effective;   /* hundredths of weight */
        uint32_t weight;
        uint32_t in_flight;
        uint32_t unheard;        /* decisions since anything was last heard of it */
        uint64_t unheard_ns;     /* the first of them */
        uint64_t asked_ns;       /* the last one */
        float prior;             /* expected success, as configured */
        float success;           /* of the next call, 0..1. Derived */
        float score;             /* health, 0..100. Derived */
        float ramp;              /* 0.1..1. Derived */
        float evidence;          /* recent calls that success rests on. Derived */
        float forecast;          /* of a failure soon, 0..1; NAN: no trusted one. Derived */
        float x, y, z;           /* place on the unit sphere; all 0: anywhere */
        uint32_t account;        /* see account.h */
        uint32_t refusals;       /* of the account's credential that it has heard of */
        uint8_t health;          /* Health. Derived */
        uint8_t admin;           /* AdministrativeState */
        bool loaded;             /* its provider is */
        bool flat;               /* its price depends neither on volume nor on the operation */
} NodeHot;

/* Calls that went well among all, both fading. */
typedef struct Success {
        double good, total;
        uint64_t at_ns;
} Success;

/* What is kept for each operation of the provider; [0] is for calls that named none. */
typedef struct OperationState {
        uint64_t cooldown_ns; /* leave this operation alone until */
        Units used;           /* this month, promised ones included */
        uint32_t mark;        /* see operation_mark() */
} OperationState;

#define SLOT_NONE UINT32_MAX

struct Node {
        Service *service;
        uint32_t index;              /* in the service */
        uint32_t slot;               /* in the router, as long as it lives */
        const NodeSettings *settings;
        char *name;                  /* "service/id" */
        const char *url;
        const NodeSettings *next;    /* while new settings are put in force; NULL: it goes */

        /* What refreshing reads stands at the head of each; the long arrays come after. */
        Success success;
        uint64_t probed_ns;          /* last answer; 0: never */
        int last_probe;              /* a Verdict, or -1 */
        ProbeTimes probe_times;      /* as last measured, each */
        uint64_t certificate_told_ns; /* when its end was last warned of; 0: never */
        uint8_t certificate_severity; /* how loud */
        Latency latency;
        Window window;
        Forecast forecast;
        uint64_t calls, failures;
        uint64_t verdicts[_PM_VERDICT_MAX];
        uint32_t limited;            /* rate limits in a row that named no wait */
        uint32_t corrupt, refused;   /* corrupt bodies in a row; authentication failures since the last success */
        uint32_t unreachable;        /* probes in a row that got no response */
        double tail_ns, tail_usual_ns; /* p95, and that of the last ten minutes; 0: unknown */
        uint64_t tail_checked_ns;

        Meter hour, period, month;
        Units used;                  /* this month, promised ones included */
        OperationState *operations;
        uint32_t n_operations;       /* [0] not counted */

        Series *series; /* in a slab of the router, so that what is never used takes no memory */

        Timer probe_timer, breaker_timer;
        uint64_t probe_id;           /* the one whose answer is awaited; 0: none */
        uint64_t probe_deadline_ns;  /* until when */
        uint64_t slow_told_ns;       /* the last performance_degradation event; 0: never */
};

/* How far in the month the node is. */
void node_month(Node *n, uint64_t utc_ns);
Money node_price(const Node *n, uint32_t operation, Units used, Units units);
/* How many units count for the price of the next call. */
Units node_used(const Node *n, uint32_t operation);
const struct pm_operation *node_operation(const Node *n, uint32_t operation);
/* 1 + its place in the provider's list; 0: not known there. */
uint32_t node_find_operation(const Node *n, const char *name);

void success_add(Success *s, bool good, uint64_t now_ns);
/* Calls that the estimate rests on, beside the prior. */
double success_evidence(const Success *s, uint64_t now_ns);
/* The probability that the next call succeeds. */
static inline double success_estimate(const Success *s, double prior, double evidence) {
        if (evidence <= 0)
                return prior;
        return (s->good / s->total * evidence + prior * SUCCESS_PRIOR_CALLS) / (evidence + SUCCESS_PRIOR_CALLS);
}
