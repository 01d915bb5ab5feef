/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that make up the router share. */
#pragma once

#include "basic/macro.h"
#include "daemon/core/account.h"
#include "daemon/core/effects.h"
#include "daemon/core/lease.h"
#include "daemon/core/names.h"
#include "daemon/core/scenario.h"
#include "daemon/core/stats.h"

/* The longest that a caller may be told to wait, and a node left alone on a vendor's word. */
#define WAIT_MAX_NS (24 * NSEC_PER_HOUR)

#define SERIES_SLAB 64

struct Router {
        RouterLimits limits;
        uint64_t now_ns;
        uint64_t utc_ns;        /* at now_ns */
        Random random;
        uint64_t serial;        /* of decisions, also the mark in NodeHot.excluded */
        bool probing;
        uint32_t probe_serial;
        unsigned unanswered;    /* probes in a row */

        Service **services;
        uint32_t n_services;
        Node **nodes;           /* by slot; NULL: free */
        uint32_t n_slots;
        Series **series;        /* slabs, SERIES_SLAB slots each; fresh pages are not touched before they are used */
        uint32_t n_series;
        Names service_names, node_names;
        Node **by_account;      /* what the accounts' members point into */
        Account *accounts;
        uint32_t n_accounts;

        ForecastModel forecast; /* what all nodes have taught */
        Scenario *scenarios;    /* SCENARIOS_MAX places, so many of them used */
        uint32_t n_scenarios;
        uint64_t scenario_serial;
        const Service *last_down; /* the service that lost its last node last, and when */
        uint64_t last_down_ns;
        Timers timers;
        Leases leases;
        Effects effects;
        Counters counters;
        RouterBooks books;      /* or NULL */
        void *books_userdata;

        /* Scratch for one decision, as long as the largest service. */
        uint32_t scratch_size;
        uint32_t *scratch_index;
        uint8_t *scratch_reason;
        double *scratch_score;
        Money *scratch_cost;
        Candidate candidates[NODES_LISTED_MAX];
};

/* Takes an earlier time than the last as the last, and brings the wall clock along. Returns the time to go by. */
uint64_t router_advance(Router *r, uint64_t now_ns);

/* ---- health.c ---- */

/* Works out what follows from the signals of a node; see NodeHot. */
void node_refresh(Node *n, uint64_t now_ns);
static inline NodeHot *node_fresh(Service *s, uint32_t i, uint64_t now_ns) {
        if (now_ns >= s->hot[i].fresh_until_ns)
                node_refresh(s->nodes[i], now_ns);
        return &s->hot[i];
}
/* Works out what follows from all nodes of a service together. scratch: room for one value a node. */
void service_review(Service *s, double *scratch, uint64_t now_ns, uint64_t utc_ns);
static inline void node_stale(Node *n) {
        node_hot(n)->fresh_until_ns = 0;
}

/* ---- circuit.c: a node's breaker, with its timer, events and probes ---- */

void circuit_open(Router *r, Node *n, const char *why, Verdict verdict, uint64_t now_ns);
void circuit_half_open(Router *r, Node *n, uint64_t now_ns);
void circuit_close(Router *r, Node *n, uint64_t now_ns);
/* The open time is over? Then half-open. */
void circuit_poll(Router *r, Node *n, uint64_t now_ns);
/* The timer of its open time went off. */
void circuit_timeout(Router *r, Node *n, uint64_t now_ns);

/* ---- account.c ---- */

/* The credential was refused: opens the node, and sees to it that every other one of the account hears of it. */
void account_refused(Router *r, Node *n, bool probe, uint64_t now_ns);
void account_refusal_heard(Router *r, Node *n, uint64_t now_ns);
/* All nodes of the account are to be left alone until then. */
void account_cool(Router *r, Node *n, uint64_t until_ns);
/* Ticks go on telling. */
void account_timeout(Router *r, Account *a, uint64_t now_ns);
/* Tells everybody everything, before the accounts change. */
void accounts_settle(Router *r, uint64_t now_ns);
/* Tells a node what was said to its account; before its circuit, cool-down or generation is looked at. */
static inline void node_hear(Router *r, Service *s, uint32_t i, uint64_t now_ns) {
        const Account *a = &r->accounts[s->hot[i].account];

        if (a->cooldown_ns > s->hot[i].cooldown_ns)
                s->hot[i].cooldown_ns = a->cooldown_ns;
        if (a->refusals != s->hot[i].refusals)
                account_refusal_heard(r, s->nodes[i], now_ns);
}

/* ---- learn.c ---- */

typedef struct Observation {
        Verdict verdict;
        enum pm_scope scope;
        uint32_t operation;      /* see OperationState */
        uint32_t generation;     /* of the breaker when the call began */
        bool probe;
        uint64_t latency_ns, retry_after_ns, cooldown_ns;
} Observation;

/* What the outcome of a call or a probe says about its node, and about those that share its account. */
void node_learn(Router *r, Node *n, const Observation *o, uint64_t now_ns);

/* ---- scenario.c ---- */

typedef enum ScenarioStep {
        STEP_ERROR_DETECTION,
        STEP_ROUTING_DECISION,
        STEP_COST_ASSESSMENT,
        STEP_FALLBACK_EXECUTION,
        STEP_RECOVERY_MONITORING,
        STEP_ANALYTICS_UPDATE,
} ScenarioStep;

/* Opens one, or adds to the one that lives. NULL: there are too many live ones. */
Scenario *scenario_open(Router *r, ScenarioType type, Service *service, const Node *node, Severity severity,
                        const char *reason, uint64_t now_ns);
void scenario_note(Router *r, Scenario *s, ScenarioStep step, const char *format, ...) _printf_(4, 5);
void scenario_check(Router *r, Scenario *s, uint64_t now_ns);
/* The service is about to go. */
void scenario_drop_service(Router *r, const Service *service);

/* ---- scenario-detect.c ---- */

bool scenario_holds(Router *r, const Scenario *s, uint64_t now_ns);
void detect_open(Router *r, Node *n, Verdict verdict, const char *why, uint64_t now_ns);
void detect_verdict(Router *r, Node *n, const Observation *o, uint64_t now_ns);
void detect_slow(Router *r, Node *n, uint64_t now_ns);
void detect_spend(Router *r, Service *s, uint64_t now_ns);
void detect_exhausted(Router *r, Service *s, const char *limit, uint64_t now_ns);

/* ---- optimize.c ---- */

/* Which scenario shapes the decisions of a service (NULL: of all) from now on. */
void optimize(Router *r, Service *s, uint64_t now_ns);

/* ---- settle.c ---- */

/* What a lease promises counts as in flight and as reserved. */
static inline void lease_reserve(Router *r, Node *n, const Lease *l) {
        Service *s = n->service;

        s->month_units += MIN(l->units, INT64_MAX - s->month_units);
        if (l->month_start_ns == n->month.start_ns) {
                n->used += l->units;
                if (l->operation != OPERATION_GONE)
                        n->operations[l->operation].used += l->units;
        }
        node_hot(n)->in_flight++;
        budget_reserve(&s->budget, l->estimate);
        r->counters.reserved = money_add(r->counters.reserved, l->estimate);
        r->counters.outstanding = money_add(r->counters.outstanding, l->estimate);
}

/* Ends a lease and settles its cost; returns what was charged. */
Money lease_settle(Router *r, Lease *lease, const Outcome *o, uint64_t now_ns);
/* Ends a lease that nobody reported. */
void lease_expire(Router *r, Lease *lease, uint64_t now_ns);
/* Ends those that nobody reported in time, at most so many; returns how many. */
unsigned leases_sweep(Router *r, unsigned max, uint64_t now_ns);
void budget_alerts(Router *r, Service *s, uint64_t now_ns);

/* ---- router-route.c ---- */

int route_decide(Router *r, Service *s, const RouteRequest *q, const Lease *before, uint64_t now_ns, Decision *ret,
                 RouteRefusal *ret_refusal);

/* ---- probe.c ---- */

bool node_is_probed(const Router *r, const Node *n);
/* One is under way, and may still be answered. */
bool probe_awaited(const Node *n, uint64_t now_ns);
void probe_schedule(Router *r, Node *n, uint64_t now_ns);
void probe_soon(Router *r, Node *n, uint64_t in_ns, uint64_t now_ns);
void probe_due(Router *r, Node *n, uint64_t now_ns);
