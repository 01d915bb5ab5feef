/* SPDX-License-Identifier: Apache-2.0 */
/* The life of scenarios. What makes one begin and end is in scenario-detect.c. */
#include "daemon/core/scenario.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "basic/macro.h"
#include "daemon/core/router-private.h"

static const char *const step_names[] = {
        [STEP_ERROR_DETECTION] = "error_detection",
        [STEP_ROUTING_DECISION] = "routing_decision",
        [STEP_COST_ASSESSMENT] = "cost_assessment",
        [STEP_FALLBACK_EXECUTION] = "fallback_execution",
        [STEP_RECOVERY_MONITORING] = "recovery_monitoring",
        [STEP_ANALYTICS_UPDATE] = "analytics_update",
};

void scenario_note(Router *r, Scenario *s, ScenarioStep step, const char *format, ...) {
        TimelineEntry *t;
        va_list arguments;

        /* A long life keeps its beginning and its latest. */
        if (s->n_timeline == TIMELINE_MAX) {
                memmove(&s->timeline[TIMELINE_MAX / 2], &s->timeline[TIMELINE_MAX / 2 + 1],
                        (TIMELINE_MAX / 2 - 1) * sizeof(*t));
                s->n_timeline--;
        }
        t = &s->timeline[s->n_timeline++];
        t->at_utc_ns = r->utc_ns;
        t->step = step_names[step];
        va_start(arguments, format);
        vsnprintf(t->message, sizeof(t->message), format, arguments);
        va_end(arguments);
        s->updated_utc_ns = r->utc_ns;
}

static void tell(Router *r, const Scenario *s, EventType type, ScenarioState from, uint64_t now_ns) {
        Event *e = effects_event(&r->effects, type, s->severity, now_ns);

        if (!e)
                return;
        e->service_name = s->service ? s->service->settings.name : NULL;
        e->from = enum_to_string(&scenario_state_names, (int) from);
        e->to = enum_to_string(&scenario_state_names, (int) s->state);
        e->scenario = s->id;
        e->cost = s->impact.revenue_at_risk;
        int k = snprintf(e->message, sizeof(e->message), "%s%s%s %s: ", s->service_name, s->service_name[0] ? ": " : "",
                         enum_to_string(&scenario_type_names, (int) s->type),
                         type == EVENT_SCENARIO_OPENED     ? "opened"
                         : type == EVENT_SCENARIO_RESOLVED ? "resolved"
                                                           : "escalated");
        snprintf(e->message + k, sizeof(e->message) - (size_t) k, "%s", s->reason); /* as much as there is room for */
}

static Scenario *find_live(Router *r, ScenarioType type, const Service *service) {
        for (uint32_t i = 0; i < r->n_scenarios; i++) {
                Scenario *s = &r->scenarios[i];

                if (scenario_is_live(s) && s->type == type && s->service == service && (service || !s->service_name[0]))
                        return s;
        }
        return NULL;
}

/* A place never used, or that of the oldest resolved one; NULL: all are live. */
static Scenario *find_place(Router *r) {
        Scenario *oldest = NULL;

        if (r->n_scenarios < SCENARIOS_MAX)
                return &r->scenarios[r->n_scenarios++];
        for (uint32_t i = 0; i < SCENARIOS_MAX; i++) {
                Scenario *s = &r->scenarios[i];

                if (!scenario_is_live(s) && (!oldest || s->serial < oldest->serial))
                        oldest = s;
        }
        return oldest;
}

static void add_node(Scenario *s, const Node *n) {
        for (uint8_t i = 0; i < s->n_nodes; i++)
                if (streq(s->nodes[i], n->name))
                        return;
        if (s->n_nodes < SCENARIO_NODES_MAX)
                snprintf(s->nodes[s->n_nodes++], sizeof(s->nodes[0]), "%s", n->name);
}

static void assess_cost(Router *r, Scenario *s) {
        const Service *service = s->service;
        Money left;

        if (!service)
                return;
        left = budget_remaining_hour(&service->budget);
        if (left == MONEY_UNSET)
                scenario_note(r, s, STEP_COST_ASSESSMENT, "no hourly cap; tier %s",
                              enum_to_string(&cost_tier_names, (int) overrides_of[s->strategy].tier));
        else
                scenario_note(r, s, STEP_COST_ASSESSMENT, "$%.2f left this hour; tier %s",
                              (double) left / (double) MONEY_PER_DOLLAR,
                              enum_to_string(&cost_tier_names, (int) overrides_of[s->strategy].tier));
}

static void choose_strategy(Router *r, Scenario *s, uint64_t now_ns) {
        Priority priority = s->service ? s->service->settings.priority : PRIORITY_AVAILABILITY;

        s->strategy = optimization_for(s->type, priority, s->severity);
        optimize(r, s->service, now_ns);
}

Scenario *scenario_open(Router *r, ScenarioType type, Service *service, const Node *node, Severity severity,
                        const char *reason, uint64_t now_ns) {
        Scenario *s = find_live(r, type, service);

        if (s) {
                if (node)
                        add_node(s, node);
                s->calm_since_ns = 0;
                if (s->state == SCENARIO_RECOVERING) { /* a relapse continues it */
                        s->state = s->escalations > 0 ? SCENARIO_ESCALATED : SCENARIO_ACTIVE;
                        scenario_note(r, s, STEP_ERROR_DETECTION, "relapse: %s", reason);
                }
                if (severity > s->severity) {
                        s->severity = severity;
                        choose_strategy(r, s, now_ns);
                }
                return s;
        }
        s = find_place(r);
        if (!s)
                return NULL;
        *s = (Scenario) {
                .serial = ++r->scenario_serial,
                .type = type,
                .state = SCENARIO_DETECTED,
                .severity = severity,
                .service = service,
                .started_ns = now_ns,
                .started_utc_ns = r->utc_ns,
                .timer.kind = TIMER_SCENARIO,
        };
        /* The clock of its beginning keeps ids of different lives of the daemon apart. */
        snprintf(s->id, sizeof(s->id), "sc-%08x-%04x", (uint32_t) (r->utc_ns / NSEC_PER_SEC),
                 (unsigned) (s->serial & 0xffff));
        snprintf(s->reason, sizeof(s->reason), "%s", reason);
        if (service)
                snprintf(s->service_name, sizeof(s->service_name), "%s", service->settings.name);
        if (node)
                add_node(s, node);
        scenario_note(r, s, STEP_ERROR_DETECTION, "%s", reason);
        tell(r, s, EVENT_SCENARIO_OPENED, SCENARIO_DETECTED, now_ns);
        choose_strategy(r, s, now_ns);
        assess_cost(r, s);
        s->state = SCENARIO_ACTIVE;
        timer_arm(&r->timers, &s->timer, now_ns + SCENARIO_CHECK_NS);
        return s;
}

static void resolve(Router *r, Scenario *s, const char *why, uint64_t now_ns) {
        ScenarioState from = s->state;

        timer_disarm(&r->timers, &s->timer);
        s->state = SCENARIO_RESOLVED;
        s->resolved_utc_ns = r->utc_ns;
        s->impact.lasted_ns = now_ns - s->started_ns;
        scenario_note(r, s, STEP_ANALYTICS_UPDATE, "%s; %llu calls failed, %llu were diverted in %.1f min", why,
                      (unsigned long long) s->impact.failed_calls, (unsigned long long) s->impact.diverted_calls,
                      (double) s->impact.lasted_ns / (double) NSEC_PER_MINUTE);
        tell(r, s, EVENT_SCENARIO_RESOLVED, from, now_ns);
        optimize(r, s->service, now_ns);
}

static void escalate(Router *r, Scenario *s, uint64_t now_ns) {
        ScenarioState from = s->state;
        uint64_t age = now_ns - s->started_ns;

        if ((s->escalations == 0 && age < SCENARIO_ESCALATE_NS) ||
            (s->escalations == 1 && age < SCENARIO_ESCALATE_AGAIN_NS) || s->escalations >= 2)
                return;
        s->escalations++;
        s->state = SCENARIO_ESCALATED;
        if (s->severity < SEVERITY_CRITICAL)
                s->severity++;
        scenario_note(r, s, STEP_ERROR_DETECTION, "still there after %.0f s: severity is %s now",
                      (double) age / (double) NSEC_PER_SEC, enum_to_string(&severity_names, (int) s->severity));
        tell(r, s, EVENT_SCENARIO_ESCALATION, from, now_ns);
        choose_strategy(r, s, now_ns);
}

void scenario_check(Router *r, Scenario *s, uint64_t now_ns) {
        timer_arm(&r->timers, &s->timer, now_ns + SCENARIO_CHECK_NS);
        s->impact.lasted_ns = now_ns - s->started_ns;
        if (s->declared || scenario_holds(r, s, now_ns)) {
                s->calm_since_ns = 0;
                if (s->state == SCENARIO_RECOVERING)
                        s->state = s->escalations > 0 ? SCENARIO_ESCALATED : SCENARIO_ACTIVE;
                if (!s->declared)
                        escalate(r, s, now_ns);
                return;
        }
        if (s->calm_since_ns == 0) {
                s->calm_since_ns = MAX(now_ns, UINT64_C(1));
                s->state = SCENARIO_RECOVERING;
                scenario_note(r, s, STEP_RECOVERY_MONITORING, "the cause is gone; resolved after %d s of calm",
                              (int) (SCENARIO_HOLD_NS / NSEC_PER_SEC));
        } else if (now_ns - s->calm_since_ns >= SCENARIO_HOLD_NS)
                resolve(r, s, "calm", now_ns);
}

void scenario_drop_service(Router *r, const Service *service) {
        for (uint32_t i = 0; i < r->n_scenarios; i++) {
                Scenario *s = &r->scenarios[i];

                if (s->service != service)
                        continue;
                if (scenario_is_live(s)) {
                        timer_disarm(&r->timers, &s->timer);
                        s->state = SCENARIO_RESOLVED;
                        s->resolved_utc_ns = r->utc_ns;
                        scenario_note(r, s, STEP_ANALYTICS_UPDATE, "its service is gone");
                }
                s->service = NULL;
        }
}

/* ---- for the interface ---- */

int router_scenario_open(Router *r, ScenarioType type, const char *service, const char *const *nodes, size_t n_nodes,
                         int severity, const char *detail, uint64_t now_ns, size_t *ret) {
        Severity first = severity >= 0 && severity < _SEVERITY_MAX ? (Severity) severity
                         : type == EMERGENCY_SCENARIO              ? SEVERITY_CRITICAL
                                                                   : SEVERITY_HIGH;
        Service *s = NULL;
        Scenario *x;

        now_ns = router_advance(r, now_ns);
        if (service) {
                uint32_t i = names_find(&r->service_names, service);

                if (i == NAMES_NONE)
                        return ROUTE_NO_SUCH_SERVICE;
                s = r->services[i];
        }
        for (size_t i = 0; i < n_nodes; i++)
                if (names_find(&r->node_names, nodes[i]) == NAMES_NONE)
                        return ROUTE_NO_SUCH_NODE;
        x = scenario_open(r, type, s, NULL, first, detail && detail[0] ? detail : "declared by an operator", now_ns);
        if (!x)
                return SCENARIO_TABLE_FULL;
        x->declared = true;
        optimize(r, s, now_ns);
        for (size_t i = 0; i < n_nodes; i++)
                add_node(x, r->nodes[names_find(&r->node_names, nodes[i])]);
        *ret = (size_t) (x - r->scenarios);
        return 0;
}

/* The constant of that name; NULL: there is none. */
static const char *step_name(const char *name) {
        for (size_t i = 0; name && i < ELEMENTSOF(step_names); i++)
                if (streq(step_names[i], name))
                        return step_names[i];
        return NULL;
}

static bool can_be(const ScenarioView *x) {
        return x->id && x->id[0] && strlen(x->id) <= SCENARIO_ID_MAX && (unsigned) x->type < _SCENARIO_TYPE_MAX &&
               (unsigned) x->severity < _SEVERITY_MAX && (unsigned) x->state < _SCENARIO_STATE_MAX &&
               (unsigned) x->optimization_strategy < _OPTIMIZATION_STRATEGY_MAX && x->n_nodes <= SCENARIO_NODES_MAX &&
               x->n_timeline <= TIMELINE_MAX;
}

static void restore_texts(Scenario *s, const ScenarioView *x) {
        snprintf(s->id, sizeof(s->id), "%s", x->id);
        snprintf(s->service_name, sizeof(s->service_name), "%s", x->service_name ?: "");
        snprintf(s->reason, sizeof(s->reason), "%s", x->reason ?: "");
        for (size_t i = 0; i < x->n_nodes; i++)
                snprintf(s->nodes[s->n_nodes++], sizeof(s->nodes[0]), "%s", x->nodes[i]);
        for (size_t i = 0; i < x->n_timeline; i++) {
                TimelineEntry *t = &s->timeline[s->n_timeline];

                *t = x->timeline[i];
                t->step = step_name(t->step);
                s->n_timeline += t->step != NULL;
        }
}

int router_restore_scenario(Router *r, const ScenarioView *x, uint64_t now_ns) {
        uint64_t age_ns = r->utc_ns > x->started_utc_ns ? r->utc_ns - x->started_utc_ns : 0;
        Scenario *s;

        now_ns = router_advance(r, now_ns);
        if (!can_be(x))
                return -EINVAL;
        s = find_place(r);
        if (!s)
                return -ENOSPC;
        *s = (Scenario) {
                .serial = ++r->scenario_serial, .type = x->type, .state = x->state, .severity = x->severity,
                .strategy = x->optimization_strategy, .declared = x->declared, .impact = x->impact,
                .started_ns = now_ns > age_ns ? now_ns - age_ns : 0, .started_utc_ns = x->started_utc_ns,
                .updated_utc_ns = x->updated_utc_ns, .resolved_utc_ns = x->resolved_utc_ns,
                .escalations = x->state != SCENARIO_ESCALATED ? 0 : age_ns < SCENARIO_ESCALATE_AGAIN_NS ? 1 : 2,
                .fell_back = x->impact.diverted_calls > 0, .timer.kind = TIMER_SCENARIO,
        };
        restore_texts(s, x);
        if (!scenario_is_live(s))
                return 0;
        if (s->service_name[0]) {
                uint32_t i = names_find(&r->service_names, s->service_name);

                if (i == NAMES_NONE) {
                        s->state = SCENARIO_RESOLVED;
                        s->resolved_utc_ns = r->utc_ns;
                        scenario_note(r, s, STEP_ANALYTICS_UPDATE, "its service is gone");
                        return 0;
                }
                s->service = r->services[i];
        }
        timer_arm(&r->timers, &s->timer, now_ns + SCENARIO_CHECK_NS);
        return 0;
}

void router_restore_scenarios_done(Router *r, uint64_t now_ns) {
        uint32_t wanted = r->effects.event_mask;

        r->effects.event_mask = 0; /* it was told when it happened */
        optimize(r, NULL, router_advance(r, now_ns));
        r->effects.event_mask = wanted;
}

int router_scenario_resolve(Router *r, const char *id, const char *why, uint64_t now_ns, size_t *ret) {
        now_ns = router_advance(r, now_ns);
        for (uint32_t i = 0; i < r->n_scenarios; i++)
                if (scenario_is_live(&r->scenarios[i]) && streq(r->scenarios[i].id, id)) {
                        resolve(r, &r->scenarios[i], why && why[0] ? why : "resolved by an operator", now_ns);
                        *ret = i;
                        return 0;
                }
        return SCENARIO_NOT_FOUND;
}

size_t router_n_scenarios(const Router *r) {
        return r->n_scenarios;
}

void router_scenario(Router *r, size_t i, uint64_t now_ns, ScenarioView *ret) {
        Scenario *s = &r->scenarios[i];

        now_ns = router_advance(r, now_ns);
        if (scenario_is_live(s))
                s->impact.lasted_ns = now_ns - s->started_ns;
        *ret = (ScenarioView) {
                .id = s->id,
                .type = s->type,
                .service_name = s->service_name[0] ? s->service_name : NULL,
                .n_nodes = s->n_nodes,
                .severity = s->severity,
                .state = s->state,
                .optimization_strategy = s->strategy,
                .declared = s->declared,
                .started_utc_ns = s->started_utc_ns,
                .updated_utc_ns = s->updated_utc_ns,
                .resolved_utc_ns = s->resolved_utc_ns,
                .reason = s->reason,
                .impact = s->impact,
                .timeline = s->timeline,
                .n_timeline = s->n_timeline,
        };
        for (uint8_t k = 0; k < s->n_nodes; k++)
                ret->nodes[k] = s->nodes[k];
}
