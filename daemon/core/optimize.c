/* SPDX-License-Identifier: Apache-2.0 */
/* The six optimization strategies: which one answers a scenario, and what each makes the router do while it lives. */
#include <stdio.h>

#include "basic/macro.h"
#include "daemon/core/router-private.h"

#define TRIAL_SHARE 0.25

const OverridesOf overrides_none = {
        .strategy = _STRATEGY_INVALID, .priority = -1, .tier = TIER_NORMAL, .trial_share = TRIAL_SHARE, .explore = true,
};

const OverridesOf overrides_of[_OPTIMIZATION_STRATEGY_MAX] = {
        /* The cheapest that works, and no experiments. */
        [COST_MINIMIZATION] = { .strategy = COST_OPTIMIZED,
                                .priority = PRIORITY_COST,
                                .tier = TIER_NORMAL,
                                .trial_share = TRIAL_SHARE },
        /* Latency first; it may cost more. */
        [PERFORMANCE_OPTIMIZATION] = { .strategy = LEAST_RESPONSE_TIME,
                                       .priority = PRIORITY_PERFORMANCE,
                                       .tier = TIER_ELEVATED,
                                       .trial_share = TRIAL_SHARE,
                                       .explore = true },
        /* Spread over all that work, and look more often whether others work again. */
        [AVAILABILITY_FIRST] = { .strategy = HEALTH_BASED,
                                 .priority = PRIORITY_AVAILABILITY,
                                 .tier = TIER_ELEVATED,
                                 .trial_share = 2 * TRIAL_SHARE,
                                 .explore = true },
        [BALANCED] = { .strategy = HYBRID_OPTIMIZATION,
                       .priority = -1,
                       .tier = TIER_ELEVATED,
                       .trial_share = TRIAL_SHARE,
                       .explore = true },
        /* The probability of success above all, and nothing is tried out on a paying call. */
        [REVENUE_PROTECTION] = { .strategy = HYBRID_OPTIMIZATION,
                                 .priority = PRIORITY_REVENUE,
                                 .tier = TIER_EMERGENCY,
                                 .trial_share = TRIAL_SHARE / 5 },
        /* Everything that there is. */
        [EMERGENCY_MODE] = { .strategy = HEALTH_BASED,
                             .priority = PRIORITY_AVAILABILITY,
                             .tier = TIER_EMERGENCY,
                             .trial_share = 2 * TRIAL_SHARE,
                             .drained_too = true,
                             .emergency_limits = true,
                             .panic = true },
};

const char *const optimization_strategy_effects[_OPTIMIZATION_STRATEGY_MAX] = {
        [COST_MINIMIZATION] = "the cheapest node that works; nothing is tried out",
        [PERFORMANCE_OPTIMIZATION] = "the fastest node first; the elevated cost tier is allowed",
        [AVAILABILITY_FIRST] =
                "calls are spread over all nodes that work, and nodes that failed are tried again earlier",
        [BALANCED] = "success, latency, cost and load are weighed against each other",
        [REVENUE_PROTECTION] = "the likeliest success first; the emergency cost tier is allowed; nothing is tried out",
        [EMERGENCY_MODE] =
                "every node is used, drained ones too, and the spending limits are raised to the emergency's",
};

/* Where nodes fail and others work, the breakers have taken them out; what is left to say is what counts among the
 * others. A service that is to be cheap stays so, unless it is serious. */
static OptimizationStrategy answer_to_failing_nodes(Priority priority, Severity severity) {
        return priority == PRIORITY_COST && severity < SEVERITY_HIGH ? COST_MINIMIZATION : AVAILABILITY_FIRST;
}

OptimizationStrategy optimization_for(ScenarioType type, Priority priority, Severity severity) {
        switch (type) {
        case EMERGENCY_SCENARIO:
                return EMERGENCY_MODE;
        case CASCADING_FAILURE:
                if (severity == SEVERITY_CRITICAL)
                        return EMERGENCY_MODE;
                return priority == PRIORITY_REVENUE ? REVENUE_PROTECTION : AVAILABILITY_FIRST;
        case COST_OVERRUN:
        case BUDGET_EXHAUSTION:
                return priority == PRIORITY_REVENUE ? BALANCED : COST_MINIMIZATION;
        case PERFORMANCE_DEGRADATION:
                if (priority == PRIORITY_COST)
                        return BALANCED;
                return priority == PRIORITY_REVENUE ? REVENUE_PROTECTION : PERFORMANCE_OPTIMIZATION;
        case RATE_LIMIT_EXCEEDED:
                /* Never all to one: it would be the next to reach its limit. */
                return answer_to_failing_nodes(priority, severity);
        default:
                return priority == PRIORITY_REVENUE ? REVENUE_PROTECTION : answer_to_failing_nodes(priority, severity);
        }
}

/* When scenarios collide the more severe one wins, then the one whose answer goes further. */
static const uint8_t rank[_OPTIMIZATION_STRATEGY_MAX] = {
        [COST_MINIMIZATION] = 0, [BALANCED] = 1, [PERFORMANCE_OPTIMIZATION] = 2,
        [AVAILABILITY_FIRST] = 3, [REVENUE_PROTECTION] = 4, [EMERGENCY_MODE] = 5,
};

static bool outranks(const Scenario *a, const Scenario *b) {
        return !b || a->severity > b->severity || (a->severity == b->severity && rank[a->strategy] > rank[b->strategy]);
}

static void tell(Router *r, Service *s, const Scenario *was, const Scenario *winner, const Scenario *loser,
                 uint64_t now_ns) {
        Event *e = effects_event(&r->effects, EVENT_OPTIMIZATION_EXECUTED, winner ? winner->severity : SEVERITY_LOW,
                                 now_ns);
        const char *from = was ? enum_to_string(&optimization_strategy_names, (int) was->strategy) : NULL;
        int k;

        if (!e)
                return;
        e->service_name = s->settings.name;
        e->from = from;
        if (!winner) {
                snprintf(e->message, sizeof(e->message), "%s: %s is taken back; its own settings are in force again",
                         s->settings.name, from);
                return;
        }
        e->to = enum_to_string(&optimization_strategy_names, (int) winner->strategy);
        k = snprintf(e->message, sizeof(e->message), "%s: %s is in force because of %s (%s)", s->settings.name, e->to,
                     enum_to_string(&scenario_type_names, (int) winner->type),
                     enum_to_string(&severity_names, (int) winner->severity));
        if (loser)
                snprintf(e->message + k, sizeof(e->message) - (size_t) k, ", which outranks %s",
                         enum_to_string(&scenario_type_names, (int) loser->type));
}

/* True: another optimization strategy is in force now. */
static bool optimize_service(Router *r, Service *s, bool say, uint64_t now_ns) {
        Scenario *winner = NULL, *loser = NULL, *was = s->scenario;
        int strategy_was = s->optimization;

        for (uint32_t i = 0; i < SCENARIOS_MAX && i < r->n_scenarios; i++) {
                Scenario *x = &r->scenarios[i];

                if (!scenario_is_live(x) || (x->service != s && x->service_name[0]))
                        continue;
                if (outranks(x, winner)) {
                        loser = winner;
                        winner = x;
                } else if (outranks(x, loser))
                        loser = x;
        }
        s->scenario = winner;
        s->optimization = winner ? (int) winner->strategy : -1;
        s->overrides = winner ? &overrides_of[winner->strategy] : &overrides_none;
        /* A cap is a cap: only a person, or the policy that a person has set, raises it. */
        s->budget.by_scenario = winner && s->overrides->emergency_limits &&
                                (winner->declared || s->settings.on_exhausted == EXHAUSTED_EMERGENCY);
        if (s->optimization == strategy_was)
                return false;
        if (!say)
                return true;
        if (strategy_was < 0 || (was && (int) was->strategy != strategy_was))
                was = NULL;
        tell(r, s, was, winner, loser && winner && loser->strategy != winner->strategy ? loser : NULL, now_ns);
        if (winner)
                scenario_note(r, winner, STEP_ROUTING_DECISION, "%s is in force for %s",
                              enum_to_string(&optimization_strategy_names, (int) winner->strategy), s->settings.name);
        return true;
}

/* One event for all that have changed: it names what is in force now if that is the same for each of them. */
static void optimize_all(Router *r, uint64_t now_ns) {
        uint32_t changed = 0, same = 0;
        int strategy = -1;

        for (uint32_t i = 0; i < r->n_services; i++) {
                Service *s = r->services[i];
                if (!optimize_service(r, s, false, now_ns))
                        continue;
                if (changed++ == 0)
                        strategy = s->optimization;
                same += s->optimization == strategy;
        }
        Event *e = changed > 0 ? effects_event(&r->effects, EVENT_OPTIMIZATION_EXECUTED, SEVERITY_HIGH, now_ns) : NULL;
        if (!e)
                return;
        e->to = strategy >= 0 && same == changed ? enum_to_string(&optimization_strategy_names, strategy) : NULL;
        snprintf(e->message, sizeof(e->message), "a scenario of all services has changed what is in force for %u of them%s%s",
                 changed, e->to ? ", to " : "", e->to ?: "");
}

void optimize(Router *r, Service *s, uint64_t now_ns) {
        if (s)
                optimize_service(r, s, true, now_ns);
        else
                optimize_all(r, now_ns);
}
