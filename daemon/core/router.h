/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The brain. It decides (router_route), learns (router_report, router_probe_result) and keeps time (router_tick).
 *
 * It does no I/O, reads no clock and draws no randomness of its own: the same calls in give the same decisions and
 * effects out. Every entry point takes now_ns, a clock that never goes back (CLOCK_BOOTTIME in the daemon, a counter in
 * the simulator); an earlier value than the last is taken as the last. What must happen outside is queued as effects.
 *
 * Returns: 0 for done, a positive RouteOutcome for what the caller must handle, a negative errno for what is broken.
 * Strings in results point into the brain and stay valid until the next router_apply().
 */
#pragma once

#include "daemon/core/settings.h"

typedef struct Router Router;
typedef struct Service Service;
typedef struct Node Node;

#define DECISION_ID_MAX 24 /* hexadecimal digits */
#define FALLBACKS_MAX 8
#define NODES_LISTED_MAX 64 /* how many candidates an explanation lists */

/* Domain outcomes, all positive. */
typedef enum RouteOutcome {
        ROUTE_NO_SUCH_SERVICE = 1,
        ROUTE_NO_SUCH_NODE,
        ROUTE_NO_SUCH_DECISION, /* unknown, expired, reported already, or another user's */
        ROUTE_NO_USABLE_NODE,   /* see RouteRefusal */
        ROUTE_BUDGET_EXHAUSTED, /* see RouteRefusal */
        ROUTE_TOO_MANY_LEASES,  /* the table is full, or this user's share of it */
} RouteOutcome;

/* And those that only the calls about scenarios have. */
typedef enum ScenarioOutcome {
        SCENARIO_NOT_FOUND = ROUTE_TOO_MANY_LEASES + 1, /* unknown, or resolved already */
        SCENARIO_TABLE_FULL,
} ScenarioOutcome;

typedef struct RouteRefusal {
        uint64_t retry_after_ns; /* until the first recovery, or until the limit is reset */
        const char *limit;       /* which limit: "maxCostPerHour", "totalBudget", "emergency" */
        char reason[160];
} RouteRefusal;

typedef struct RouteRequest {
        const char *service;
        const char *operation;      /* or NULL */
        Units units;                /* UNITS_ONE by default */
        const char *region;         /* the caller's, or NULL */
        double latitude, longitude; /* the caller's, degrees; NAN: unknown */
        Strategy strategy;          /* _STRATEGY_INVALID: the service's */
        int idempotent;             /* 1, 0, or -1: as the operation is known to be */
        const char *const *exclude; /* node names, full or without the service */
        size_t n_exclude;
        Money max_cost;             /* MONEY_UNSET: none */
        bool explain;
        uint32_t uid;               /* who asks; only the same may report */
        bool privileged;            /* not bound by limits a user */
} RouteRequest;

typedef struct Candidate {
        const char *node;
        double score;         /* 0..1, higher is better */
        Money cost;
        const char *excluded; /* why it was left out; NULL: eligible */
} Candidate;

typedef struct Decision {
        char id[DECISION_ID_MAX + 1];
        const char *service_name, *node, *provider, *region, *url;
        Strategy strategy;
        double confidence;
        Money estimated_cost;
        CostTier cost_tier;
        bool degraded;
        uint64_t retry_after_ns;
        const char *fallbacks[FALLBACKS_MAX];
        size_t n_fallbacks;
        uint64_t expires_in_ns;
        uint32_t max_retries;
        uint64_t retry_backoff_ns;
        const char *scenario; /* or NULL */

        /* For the sentence that decision_reason() writes; it is written only when somebody reads it. */
        const char *cause;
        uint32_t n_eligible, n_nodes;
        double health_score;

        Candidate *candidates; /* with explain: the router's own memory, valid until the next call; else NULL */
        size_t n_candidates;
} Decision;

#define DECISION_REASON_MAX 256
/* Writes the reason as one sentence, e.g. "HEALTH_BASED chose it from 2 of 3 nodes: health 98, weight 70". Returns its
 * length. */
size_t decision_reason(const Decision *d, char buffer[DECISION_REASON_MAX]);

/* What came of a call, as the provider's plugin and the caller say. */
/* Of a probe, each step by itself. NSEC_INFINITY: it did not happen, as on a connection that was used again. */
typedef struct ProbeTimes {
        uint64_t dns_ns, connect_ns, tls_ns, first_byte_ns, total_ns;
} ProbeTimes;

#define PROBE_TIMES_NONE ((ProbeTimes) { NSEC_INFINITY, NSEC_INFINITY, NSEC_INFINITY, NSEC_INFINITY, NSEC_INFINITY })

typedef struct Outcome {
        Verdict verdict;
        enum pm_scope scope;
        bool retryable;
        bool reachable;
        int http_status;         /* for the record; 0: none */
        uint64_t retry_after_ns; /* 0: not said */
        uint64_t cooldown_ns;    /* 0: none */
        uint64_t latency_ns;     /* 0: not said */
        Units units;             /* actual; -1: as estimated */
        Money cost;              /* actual; MONEY_UNSET: from units */
        const char *reason;      /* for the record */
        uint64_t certificate_expires_utc_ns; /* of a probe: when the host's certificate ends; 0: not said */
        const ProbeTimes *times; /* of a probe; or NULL */
} Outcome;

typedef struct Settlement {
        Verdict verdict; /* the outcome's, or performance_degradation if it was too slow */
        Money settled;   /* what the service was charged */
        uint64_t retry_after_ns;
} Settlement;

typedef struct CostAssessment {
        Money spent;          /* by the call that failed */
        Money additional;     /* reserved for the fallback */
        Money remaining_hour; /* MONEY_UNSET: no cap */
        CostTier tier;
} CostAssessment;

/* What a lease is about, for those who must classify a response before reporting it. Valid until the next call. */
typedef struct LeaseView {
        const Node *node;
        const struct pm_provider *provider;
        const struct pm_operation *operation; /* or NULL */
        const char *node_name, *service_name;
} LeaseView;

/* ---- life ---- */

/* seed: of the generator that every draw comes from. utc_ns: what now_ns is on the wall clock. */
int router_new(Router **ret, const RouterLimits *limits, uint64_t seed, uint64_t now_ns, uint64_t utc_ns);
Router *router_free(Router *r);

/* Puts new settings in force, whole or (-ENOMEM, -E2BIG: over a limit) not at all. Nodes that keep their name keep
 * health, breaker, spend and leases; those that go settle their leases as unknown. */
int router_apply(Router *r, const Settings *settings, uint64_t now_ns);

/* The wall clock was set, or time has passed: budgets follow it. */
void router_set_clock(Router *r, uint64_t now_ns, uint64_t utc_ns);

/* ---- deciding and learning; no allocation ---- */

int router_route(Router *r, const RouteRequest *q, uint64_t now_ns, Decision *ret, RouteRefusal *ret_refusal);
int router_lease(Router *r, const char *decision, uint32_t uid, bool privileged, LeaseView *ret);
int router_report(Router *r, const char *decision, uint32_t uid, bool privileged, const Outcome *o, uint64_t now_ns,
                  Settlement *ret);
/* Reports the failed call and decides anew, never for a node that this chain of decisions has tried. */
int router_fallback(Router *r, const char *decision, uint32_t uid, bool privileged, const Outcome *o, Money max_cost,
                    bool explain, uint64_t now_ns, Decision *ret, Settlement *ret_settlement, CostAssessment *ret_cost,
                    RouteRefusal *ret_refusal);

int router_set_node_state(Router *r, const char *node, AdministrativeState state, uint64_t now_ns);

/* ---- probes ---- */

/* Whether anybody carries out probes; while nobody does, none falls due. */
void router_set_probing(Router *r, bool on, uint64_t now_ns);
/* A node has one probe under way at most. One that is not answered in time is given up when the next is due, and says
 * nothing about the node.
 *
 * probe: the number from the EFFECT_PROBE_DUE. ROUTE_NO_SUCH_DECISION: unknown, late or answered already. */
int router_probe_result(Router *r, uint64_t probe, const Outcome *o, uint64_t now_ns, Verdict *ret);
/* The node that a probe is about. */
int router_probe_node(Router *r, uint64_t probe, const Node **ret);
/* It is not carried out, and nobody is to wait for an answer. */
void router_probe_drop(Router *r, uint64_t probe);
/* How many in a row were given up, of any node. */
unsigned router_probes_unanswered(const Router *r);

/* ---- time ---- */

/* Does what has fallen due: lease timeouts, open times, periods, probes, baselines. Returns the next time it wants to
 * be called. */
uint64_t router_tick(Router *r, uint64_t now_ns);
/* That time as it is now: a call may have brought it forward. Cheap enough to be asked after every one. */
uint64_t router_next_ns(const Router *r);

/* ---- effects ---- */

typedef enum EffectType { EFFECT_EVENT, EFFECT_PROBE_DUE } EffectType;

typedef struct Event {
        EventType type;
        Severity severity;
        uint64_t at_ns;
        const char *service_name, *node; /* or NULL; point into the brain */
        const char *from, *to;           /* states, e.g. "closed" and "open"; or NULL */
        char decision[DECISION_ID_MAX + 1]; /* or "" */
        const char *scenario;            /* its id, or NULL */
        Strategy strategy;               /* or _STRATEGY_INVALID */
        Money cost;                      /* or MONEY_UNSET */
        Money limit;                     /* or MONEY_UNSET */
        double ratio;                    /* or NAN; used share of the limit, success rate, … by type */
        char message[160];
} Event;

typedef struct Effect {
        EffectType type;
        union {
                Event event;
                struct {
                        uint64_t id;
                        const Node *node;
                        const struct pm_provider *provider;
                        uint64_t timeout_ns; /* of the request */
                } probe;
        };
} Effect;

/* Takes the oldest effect off the queue; false: it is empty. Drain it after every entry point; pointers in an effect
 * hold until the next router_apply(). The queue is bounded: what does not fit is counted in the counters as lost. */
bool router_next_effect(Router *r, Effect *ret);

/* Which event types anybody wants, as a mask of 1 << EventType. The others are not even made. */
void router_set_event_mask(Router *r, uint32_t mask);

/* ---- the books ---- */

/* A call that has ended, as it goes into the books. */
typedef struct SettledCall {
        uint64_t serial; /* rising with each call, through all lives of the brain; 0: not known yet */
        const char *service_name, *node, *operation, *provider; /* operation: "" where none was named */
        CostTier tier;
        Verdict verdict;
        Money cost, usual_cost; /* what was charged; what the configured weights alone would have led to */
        Units units;
        uint64_t utc_ns;
} SettledCall;

typedef void (*RouterBooks)(void *userdata, const SettledCall *call);

/* Each call goes there as it ends, in the order of the serials; money is too dear for a queue that may be full. The
 * strings last as long as the call. */
void router_set_books(Router *r, RouterBooks books, void *userdata);
/* The calls up to this serial are in the books for good. After router_recover_calls(). */
void router_set_committed(Router *r, uint64_t serial);

/* ---- taking up where another life of the brain ended ---- */

/* What was spent in the window of that period around now, by calls that are in the books; from the hour come the caps an
 * hour, from the month the units that volume prices go by. Once for each sum, after router_apply(). Where the books were asked
 * when calls had been made already, after router_ask_spend() at the time of the question: what is in both counts once. */
typedef struct SpendSum {
        const char *service_name, *node, *operation;
        Money cost;
        Units units;
} SpendSum;

void router_ask_spend(Router *r);
void router_restore_spend(Router *r, BudgetPeriod period, uint64_t start_utc_ns, const SpendSum *sum);

typedef struct Recovered {
        uint32_t open;    /* leases that are open again */
        uint32_t lost;    /* leases of nodes that are gone, or more than there may be now: what they promised counts as spent */
        uint32_t dropped; /* places that made no sense */
        uint32_t settled; /* calls that had ended and were not committed, the lost ones included: they are put into the books */
} Recovered;

/* Makes the leases that are found in their memory open again. After router_apply(), and before anything else. */
void router_recover_leases(Router *r, uint64_t now_ns, Recovered *ret);
/* Puts the calls into the books that are not there yet, by the serial of the newest one that is there for good. Only from
 * here on calls are numbered. After router_set_books(), router_recover_leases() and router_restore_spend(). Adds to *ret.
 * -ENOMEM. */
int router_recover_calls(Router *r, uint64_t committed, uint64_t now_ns, Recovered *ret);

/* ---- scenarios ---- */

#define SCENARIO_ID_MAX 31
#define SCENARIO_NODES_MAX 16
#define SCENARIO_TEXT_MAX 160
#define TIMELINE_MAX 24

typedef struct TimelineEntry {
        uint64_t at_utc_ns;
        const char *step; /* "error_detection", "routing_decision", "cost_assessment", "fallback_execution",
                             "recovery_monitoring", "analytics_update" */
        char message[SCENARIO_TEXT_MAX];
} TimelineEntry;

typedef struct ScenarioImpact {
        uint64_t failed_calls, diverted_calls;
        Money revenue_at_risk; /* revenue per call × failed calls; 0 where no revenue is known */
        Money extra_cost;      /* of diverted calls, against the node that they would have gone to */
        uint64_t lasted_ns;
} ScenarioImpact;

/* Valid until the next call that is more than a look. */
typedef struct ScenarioView {
        const char *id;
        ScenarioType type;
        const char *service_name; /* NULL: all of them */
        const char *nodes[SCENARIO_NODES_MAX];
        size_t n_nodes;
        Severity severity;
        ScenarioState state;
        OptimizationStrategy optimization_strategy;
        bool declared;            /* by router_scenario_open(): lives until it is resolved by hand */
        uint64_t started_utc_ns, updated_utc_ns, resolved_utc_ns; /* 0: not yet */
        const char *reason;
        ScenarioImpact impact;
        const TimelineEntry *timeline;
        size_t n_timeline;
} ScenarioView;

/* What each optimization strategy does, in a phrase. */
extern const char *const optimization_strategy_effects[_OPTIMIZATION_STRATEGY_MAX];

/* Live ones and the latest resolved ones, in no order; a place keeps its scenario until a new one needs it. */
size_t router_n_scenarios(const Router *r);
void router_scenario(Router *r, size_t i, uint64_t now_ns, ScenarioView *ret);
/* Declares one (0, ROUTE_NO_SUCH_SERVICE, ROUTE_NO_SUCH_NODE, SCENARIO_TABLE_FULL), or adds to the live one of that
 * type and service (NULL: all services). severity -1: as usual. *ret: its place. */
int router_scenario_open(Router *r, ScenarioType type, const char *service, const char *const *nodes, size_t n_nodes,
                         int severity, const char *detail, uint64_t now_ns, size_t *ret);
/* Puts back one of an earlier life, resolved ones too, in the order in which they began. -ENOSPC: the table is full. */
int router_restore_scenario(Router *r, const ScenarioView *x, uint64_t now_ns);
/* All of them are back: they shape decisions again. */
void router_restore_scenarios_done(Router *r, uint64_t now_ns);
int router_scenario_resolve(Router *r, const char *id, const char *why, uint64_t now_ns, size_t *ret);

/* ---- analytics ---- */

typedef struct AnalyticsPoint {
        uint64_t start_utc_ns, length_ns;
        uint64_t decisions, calls, successes, failures,
                openings; /* decisions: that ended then; openings: of circuits */
        uint64_t verdicts[_PM_VERDICT_MAX];
        Money cost;
        Money static_cost; /* what the configured weights alone would have led to; the difference is what was saved */
        double latency_mean_ns;
        uint64_t latency_p50_ns, latency_p95_ns, latency_p99_ns; /* of closed points; of a service the slowest node's */
} AnalyticsPoint;

/* The newest points, oldest first, the last one still running: at most 60 minutes, or 168 hours. Returns how many. */
size_t node_analytics(Router *r, const Node *n, bool hours, uint64_t now_ns, size_t max, AnalyticsPoint *ret);
size_t service_analytics(Router *r, const Service *s, bool hours, uint64_t now_ns, size_t max, AnalyticsPoint *ret);

/* Since it is known, over restarts of whoever keeps what was learned. */
typedef struct ServiceTotals {
        uint64_t decisions[_STRATEGY_MAX]; /* by the strategy that chose */
        uint64_t fallbacks, openings;
        Money savings;                     /* against the configured weights; negative: it cost more */
        double forecast_brier,
                forecast_brier_base; /* squared error of the forecasts and of the base rate; NAN: none yet */
        double forecast_predicted, forecast_observed; /* calibration: share of failures as forecast, and as it came */
        uint32_t forecasts_trusted;        /* nodes whose forecast beats the base rate */
} ServiceTotals;

void service_totals(Router *r, const Service *s, uint64_t now_ns, ServiceTotals *ret);

#define RECOMMENDATION_NODES_MAX 256 /* larger services get none */

typedef struct Recommendation {
        char text[256];
        Money saving_per_hour; /* had it been so in the last hour; 0: not in money */
        const char *node;      /* or NULL */
} Recommendation;

size_t service_recommendations(Router *r, const Service *s, uint64_t now_ns, Recommendation *ret, size_t max);

/* ---- status ---- */

typedef struct NodeStatus {
        const char *node, *provider, *region, *url;
        uint32_t weight;
        Money cost_per_request; /* marginal price now */
        AdministrativeState administrative_state;
        Health health;
        double health_score; /* 0..100 */
        Circuit circuit;
        double success_rate; /* 0..1, recent */
        uint64_t latency_p50_ns, latency_p95_ns, latency_p99_ns;
        uint32_t in_flight;
        uint64_t calls, failures;
        uint64_t verdicts[_PM_VERDICT_MAX];
        uint64_t cooldown_ns;
        Money spend_hour, spend_period;
        double share;            /* 0..1 of the service's decisions in the last minute */
        double failure_forecast; /* NAN: no trusted forecast */
        uint64_t last_probe_utc_ns; /* 0: never */
        int last_probe;             /* a Verdict, or -1 */
        ProbeTimes probe_times;     /* as last measured, each */
        const char *credential;     /* its name, or NULL */
        uint64_t health_check_interval_ns;
} NodeStatus;

typedef struct ServiceStatus {
        const char *service_name;
        Strategy strategy;
        Priority priority;
        Origin origin;
        int optimization_strategy; /* or -1 */
        CostTier cost_tier;
        BudgetState budget_state;
        Money spend_hour, max_cost_per_hour;
        Money spend_period, total_budget;
        Money reserved;            /* by decisions not yet reported */
        BudgetPeriod budget_period;
        uint64_t decisions, failures;
        double success_rate;
        size_t n_nodes;
} ServiceStatus;

typedef struct Counters {
        uint64_t decisions, reports, failures, fallbacks, refused, leases_expired, probes, probes_unanswered, effects_lost;
        uint32_t leases; /* open now */
        /* Since the start: settled + refunded + outstanding = reserved + adjusted, always. */
        Money reserved;    /* by all decisions ever */
        Money outstanding; /* of that, by decisions not yet reported */
        Money settled, refunded;
        Money adjusted;    /* sum of (settled cost − estimate) over all settled calls */
} Counters;

size_t router_n_services(const Router *r);
const Service *router_service(const Router *r, size_t i); /* in the order of the settings */
const Service *router_find_service(const Router *r, const char *name); /* or NULL */
const Node *router_find_node(const Router *r, const char *name);       /* "service/id", or NULL */
const Node *service_node(const Service *s, size_t i);
const ServiceSettings *service_settings(const Service *s);
const NodeSettings *node_settings(const Node *n);
const Service *node_service(const Node *n);

/* Brings what decays up to now_ns and reads it. */
void service_status(Router *r, const Service *s, uint64_t now_ns, ServiceStatus *ret);
void node_status(Router *r, const Node *n, uint64_t now_ns, NodeStatus *ret);
void router_counters(const Router *r, Counters *ret);
