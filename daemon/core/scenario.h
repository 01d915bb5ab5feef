/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Error situations with a life of their own: detected → active → (escalated) → recovering → resolved. There is at most
 * one live scenario of a type for a service: what else points to the same cause is added to it, and a relapse continues
 * it.
 */
#pragma once

#include "daemon/core/service.h"

#define SCENARIOS_MAX 256 /* live ones and the latest resolved ones */

#define SCENARIO_CHECK_NS (5 * NSEC_PER_SEC)
#define SCENARIO_HOLD_NS (30 * NSEC_PER_SEC) /* of calm, before it is resolved */
#define SCENARIO_ESCALATE_NS (60 * NSEC_PER_SEC)
#define SCENARIO_ESCALATE_AGAIN_NS (300 * NSEC_PER_SEC)

typedef struct Scenario {
        char id[SCENARIO_ID_MAX + 1]; /* "": never used */
        uint64_t serial;              /* rising; the oldest resolved one makes room */
        ScenarioType type;
        ScenarioState state;
        Severity severity;
        OptimizationStrategy strategy;
        Service *service;             /* NULL: all of them, or it is gone */
        char service_name[SERVICE_NAME_MAX + 1]; /* "": all */
        char nodes[SCENARIO_NODES_MAX][NODE_NAME_MAX + 1];
        uint8_t n_nodes;
        uint8_t escalations;
        bool declared;                /* by somebody: only somebody ends it */
        uint64_t started_ns, started_utc_ns, updated_utc_ns, resolved_utc_ns;
        uint64_t calm_since_ns;       /* 0: not calm */
        char reason[SCENARIO_TEXT_MAX];
        ScenarioImpact impact;
        TimelineEntry timeline[TIMELINE_MAX];
        uint8_t n_timeline;
        bool fell_back;               /* the first diverted call is in the timeline */
        Timer timer;
} Scenario;

static inline bool scenario_is_live(const Scenario *s) {
        return s->id[0] && s->state != SCENARIO_RESOLVED;
}

/* What a live scenario makes the router do for a service; see optimize.c. */
typedef struct OverridesOf {
        Strategy strategy; /* _STRATEGY_INVALID: the service's own */
        int priority;      /* -1: the service's own */
        CostTier tier;
        double trial_share;
        bool explore, drained_too, emergency_limits, panic;
} OverridesOf;

extern const OverridesOf overrides_of[_OPTIMIZATION_STRATEGY_MAX], overrides_none;

OptimizationStrategy optimization_for(ScenarioType type, Priority priority, Severity severity);
