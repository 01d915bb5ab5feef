/* SPDX-License-Identifier: Apache-2.0 */
/* HandleScenario, ResolveScenario, GetActiveScenarios. */
#include <stdarg.h>

#include "daemon/api/private.h"

#define F(member, name, type, ...) FIELD(TimelineEntry, member, name, type, ##__VA_ARGS__)
static STRUCTURE(timeline_entry_structure, "TimelineEntry", TimelineEntry,
        F(at_utc_ns, "time", FIELD_INSTANT),
        F(step, "step", FIELD_STRING),
        F(message, "message", FIELD_CHARS));
#undef F

#define F(member, name, type, ...) FIELD(ApiScenario, member, name, type, ##__VA_ARGS__)
static STRUCTURE(impact_structure, NULL, ApiScenario,
        F(view.impact.failed_calls, "failedCalls", FIELD_UINT64),
        F(view.impact.diverted_calls, "divertedCalls", FIELD_UINT64),
        F(view.impact.revenue_at_risk, "revenueAtRisk", FIELD_MONEY),
        F(view.impact.extra_cost, "extraCost", FIELD_MONEY),
        F(minutes, "minutes", FIELD_FLOAT));

STRUCTURE(scenario_structure, "Scenario", ApiScenario,
        F(view.id, "id", FIELD_STRING),
        F(view.type, "type", FIELD_ENUM, .names = &scenario_type_names),
        F(view.service_name, "serviceName", FIELD_STRING, OPTIONAL),
        F(view.nodes, "nodes", FIELD_INLINE_STRINGS, COUNT(ApiScenario, view.n_nodes)),
        F(view.severity, "severity", FIELD_ENUM, .names = &severity_names),
        F(view.state, "state", FIELD_ENUM, .names = &scenario_state_names),
        F(view.declared, "declared", FIELD_BOOL),
        F(view.optimization_strategy, "optimizationStrategy", FIELD_ENUM, .names = &optimization_strategy_names),
        F(view.started_utc_ns, "startedAt", FIELD_INSTANT),
        F(view.updated_utc_ns, "updatedAt", FIELD_INSTANT),
        F(view.resolved_utc_ns, "resolvedAt", FIELD_INSTANT, OPTIONAL),
        F(view.reason, "reason", FIELD_STRING),
        VIEW("impact", impact_structure),
        F(view.timeline, "timeline", FIELD_ARRAY, COUNT(ApiScenario, view.n_timeline), .structure = &timeline_entry_structure));
#undef F

static void read_scenario(Api *api, size_t i, uint64_t now_ns, ApiScenario *ret) {
        router_scenario(api->router, i, now_ns, &ret->view);
        ret->minutes = (double) ret->view.impact.lasted_ns / (double) NSEC_PER_MINUTE;
}

/* The worst first, then the oldest. */
static int compare_scenarios(const void *a, const void *b) {
        const ScenarioView *x = &((const ApiScenario *) a)->view, *y = &((const ApiScenario *) b)->view;

        if (x->severity != y->severity)
                return x->severity > y->severity ? -1 : 1;
        if (x->started_utc_ns != y->started_utc_ns)
                return x->started_utc_ns < y->started_utc_ns ? -1 : 1;
        return strcmp(x->id, y->id);
}

int api_collect_scenarios(Api *api, Arena *arena, const char *service, uint64_t now_ns, const ApiScenario **ret, size_t *ret_n) {
        size_t n = router_n_scenarios(api->router), live = 0;
        ApiScenario *scenarios = arena_alloc(arena, n + 1, sizeof(ApiScenario));

        if (!scenarios)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                ApiScenario *s = &scenarios[live];

                read_scenario(api, i, now_ns, s);
                /* One of all services concerns each of them. */
                live += s->view.state != SCENARIO_RESOLVED &&
                        (!service || !s->view.service_name || streq(s->view.service_name, service));
        }
        qsort(scenarios, live, sizeof(ApiScenario), compare_scenarios);
        *ret = scenarios;
        *ret_n = live;
        return 0;
}

size_t api_count_scenarios(Api *api, uint64_t now_ns) {
        size_t n = router_n_scenarios(api->router), live = 0;

        for (size_t i = 0; i < n; i++) {
                ScenarioView view;

                router_scenario(api->router, i, now_ns, &view);
                live += view.state != SCENARIO_RESOLVED;
        }
        return live;
}

/* ---- HandleScenario ---- */

#define ACTIONS_MAX 4
#define ACTION_TEXT_MAX 256

typedef struct HandleIn {
        int type;
        const char *service_name;
        const char *const *nodes;
        size_t n_nodes;
        int severity;
        const char *detail;
} HandleIn;

typedef struct HandleOut {
        ApiScenario scenario;
        const char *actions[ACTIONS_MAX];
        size_t n_actions;
} HandleOut;

#define F(member, name, type, ...) FIELD(HandleIn, member, name, type, ##__VA_ARGS__)
STRUCTURE(handle_scenario_in, NULL, HandleIn,
        F(type, "type", FIELD_ENUM, REQUIRED, .names = &scenario_type_names),
        F(service_name, "serviceName", FIELD_STRING, LENGTH(SERVICE_NAME_MAX)),
        F(nodes, "nodes", FIELD_STRINGS, COUNT(HandleIn, n_nodes), LENGTH(SCENARIO_NODES_MAX)),
        F(severity, "severity", FIELD_ENUM, .names = &severity_names),
        F(detail, "detail", FIELD_STRING, LENGTH(SCENARIO_TEXT_MAX - 1)));
#undef F

#define F(member, name, type, ...) FIELD(HandleOut, member, name, type, ##__VA_ARGS__)
STRUCTURE(handle_scenario_out, NULL, HandleOut,
        F(scenario, "scenario", FIELD_STRUCT, .structure = &scenario_structure),
        F(actions, "actions", FIELD_INLINE_STRINGS, COUNT(HandleOut, n_actions)));
#undef F

_printf_(3, 4) static void add_action(ApiCall *call, HandleOut *out, const char *format, ...) {
        char *text = arena_alloc(call->arena, 1, ACTION_TEXT_MAX);
        va_list ap;

        if (!text || out->n_actions == ACTIONS_MAX)
                return;
        va_start(ap, format);
        vsnprintf(text, ACTION_TEXT_MAX, format, ap);
        va_end(ap);
        out->actions[out->n_actions++] = text;
}

static void say_what_is_in_force(ApiCall *call, HandleOut *out) {
        const ScenarioView *s = &out->scenario.view;
        const char *strategy = enum_to_string(&optimization_strategy_names, (int) s->optimization_strategy);
        size_t n = router_n_services(call->api->router), obeying = 0;
        int other = -1;

        for (size_t i = 0; i < n; i++) {
                ServiceStatus status;

                service_status(call->api->router, router_service(call->api->router, i), call->now_ns, &status);
                if (s->service_name && !streq(s->service_name, status.service_name))
                        continue;
                if (status.optimization_strategy == (int) s->optimization_strategy)
                        obeying++;
                else
                        other = status.optimization_strategy;
        }
        if (!s->service_name)
                add_action(call, out, "%s is in force for %zu of %zu services", strategy, obeying, n);
        else if (obeying > 0)
                add_action(call, out, "%s is in force for %s", strategy, s->service_name);
        else
                add_action(call, out, "%s stays in force for %s, because of a scenario that outranks this one",
                           enum_to_string(&optimization_strategy_names, other) ?: "nothing", s->service_name);
        if (obeying > 0)
                add_action(call, out, "%s: %s", strategy, optimization_strategy_effects[s->optimization_strategy]);
}

/* "us-east" beside a service means "stripe/us-east". Positive: the outcome to fail with, *ret_subject says of what. */
static int name_nodes(ApiCall *call, const HandleIn *q, const char **names, const char **ret_subject) {
        for (size_t i = 0; i < q->n_nodes; i++) {
                char *name = arena_alloc(call->arena, 1, NODE_NAME_MAX + 1);

                if (!name)
                        return -ENOMEM;
                *ret_subject = q->nodes[i];
                bool bare = q->service_name && !strchr(q->nodes[i], '/');
                int n = snprintf(name, NODE_NAME_MAX + 1, "%s%s%s", bare ? q->service_name : "", bare ? "/" : "", q->nodes[i]);
                const Node *node = n <= NODE_NAME_MAX ? router_find_node(call->api->router, name) : NULL;
                if (!node || (q->service_name && node_service(node) != router_find_service(call->api->router, q->service_name)))
                        return ROUTE_NO_SUCH_NODE;
                names[i] = name;
        }
        return 0;
}

int api_handle_scenario(ApiCall *call, const void *in) {
        const HandleIn *q = in;
        const char *names[SCENARIO_NODES_MAX], *subject = q->service_name;
        Router *router = call->api->router;
        HandleOut out = {};
        size_t place, before = api_count_scenarios(call->api, call->now_ns);

        if (q->service_name && !router_find_service(router, q->service_name))
                return api_fail(call, ERROR_NO_SUCH_SERVICE, .service_name = q->service_name);
        int r = name_nodes(call, q, names, &subject);
        if (r == 0)
                r = router_scenario_open(router, (ScenarioType) q->type, q->service_name, names, q->n_nodes, q->severity, q->detail,
                                         call->now_ns, &place);
        if (r == SCENARIO_TABLE_FULL)
                return api_fail(call, ERROR_BUSY, .reason = "too many scenarios are going on");
        if (r != 0)
                return r < 0 ? r : api_fail_outcome(call, r, NULL, subject);

        api_keep_scenarios(call->api, call->now_ns);
        read_scenario(call->api, place, call->now_ns, &out.scenario);
        add_action(call, &out, api_count_scenarios(call->api, call->now_ns) > before ? "scenario %s was opened" : "joined scenario %s, which was going on already",
                   out.scenario.view.id);
        say_what_is_in_force(call, &out);
        add_action(call, &out, "it lives until somebody resolves it");
        return api_reply(call, &out);
}

/* ---- ResolveScenario, GetActiveScenarios ---- */

typedef struct ResolveIn {
        const char *id, *why;
} ResolveIn;

STRUCTURE(resolve_scenario_in, NULL, ResolveIn,
        FIELD(ResolveIn, id, "id", FIELD_STRING, REQUIRED, LENGTH(SCENARIO_ID_MAX)),
        FIELD(ResolveIn, why, "why", FIELD_STRING, LENGTH(SCENARIO_TEXT_MAX - 1)));
STRUCTURE(resolve_scenario_out, NULL, ApiScenario, VIEW("scenario", scenario_structure));

int api_resolve_scenario(ApiCall *call, const void *in) {
        const ResolveIn *q = in;
        ApiScenario out;
        size_t place;
        int r = router_scenario_resolve(call->api->router, q->id, q->why, call->now_ns, &place);

        if (r == SCENARIO_NOT_FOUND)
                return api_fail(call, ERROR_NO_SUCH_SCENARIO, .id = q->id);
        if (r < 0)
                return r;
        api_keep_scenarios(call->api, call->now_ns);
        read_scenario(call->api, place, call->now_ns, &out);
        return api_reply(call, &out);
}

typedef struct ActiveIn {
        const char *service_name;
} ActiveIn;

typedef struct ActiveOut {
        const ApiScenario *scenarios;
        size_t n_scenarios;
} ActiveOut;

STRUCTURE(active_scenarios_in, NULL, ActiveIn,
        FIELD(ActiveIn, service_name, "serviceName", FIELD_STRING, LENGTH(SERVICE_NAME_MAX)));
STRUCTURE(active_scenarios_out, NULL, ActiveOut,
        FIELD(ActiveOut, scenarios, "scenarios", FIELD_ARRAY, COUNT(ActiveOut, n_scenarios), .structure = &scenario_structure));

int api_get_active_scenarios(ApiCall *call, const void *in) {
        const ActiveIn *q = in;
        ActiveOut out;

        if (q->service_name && !router_find_service(call->api->router, q->service_name))
                return api_fail(call, ERROR_NO_SUCH_SERVICE, .service_name = q->service_name);
        int r = api_collect_scenarios(call->api, call->arena, q->service_name, call->now_ns, &out.scenarios, &out.n_scenarios);
        return r < 0 ? r : api_reply(call, &out);
}
