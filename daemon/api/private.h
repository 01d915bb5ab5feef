/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of daemon/api share, and nobody else sees. */
#pragma once

#include <errno.h>

#include "basic/macro.h"
#include "daemon/api/api.h"
#include "daemon/api/audit.h"
#include "daemon/api/events.h"
#include "daemon/api/persistence.h"
#include "daemon/api/probes.h"
#include "daemon/api/types.h"
#include "daemon/core/budget.h"

/* Changes of registrations that wait for the disk; the first one is under way. */
typedef struct RegistrationChange RegistrationChange;
typedef struct Registrar {
        ApiHolder holder;
        RegistrationChange *first, *last;
} Registrar;

void registrar_init(Registrar *g, Api *api);
/* Whatever waits is told that it will not be. */
void registrar_done(Registrar *g);

struct Api {
        Router *router;
        Providers *providers;
        const DaemonSettings *settings;
        Users *users;
        Events *events;
        Probes *probes;
        const ApiConfigurator *configurator; /* or NULL */

        AuditTrail trail;
        Persistence persistence;
        ApiHolder *holders;
        Registrar registrar;

        uint64_t started_ns, started_utc_ns;
        uint64_t rate_limited;         /* requests refused by a user's bucket */
        uint64_t configuration_serial; /* how many configurations have been in force */
        uint64_t last_reload_utc_ns;
        bool last_reload_failed;
};

#define MANAGEMENT_ROLES (1U << ROLE_OPERATOR | 1U << ROLE_ADMIN)

static inline bool api_is_management(const ApiMethod *m) {
        return MANAGEMENT_ROLES >> m->role & 1;
}

/* Whether the answer to a call may have to be recorded; this is all that a call costs which is not. */
static inline bool api_is_audited(const ApiCall *call) {
        return call->method && call->api->trail.roles >> call->method->role & 1 && !call->recorded;
}

/* Handlers, one file a subject; listed in methods.c. */
int api_route(ApiCall *call, const void *in);
int api_report(ApiCall *call, const void *in);
int api_cost_aware_fallback(ApiCall *call, const void *in);
int api_get_system_status(ApiCall *call, const void *in);
int api_get_health(ApiCall *call, const void *in);
int api_get_snapshot(ApiCall *call, const void *in);
int api_list_providers(ApiCall *call, const void *in);
int api_handle_scenario(ApiCall *call, const void *in);
int api_resolve_scenario(ApiCall *call, const void *in);
int api_get_active_scenarios(ApiCall *call, const void *in);
int api_get_routing_analytics(ApiCall *call, const void *in);
int api_get_optimization_analytics(ApiCall *call, const void *in);
int api_get_cost_monitoring(ApiCall *call, const void *in);
int api_get_cost_report(ApiCall *call, const void *in);
int api_register_traffic_distribution(ApiCall *call, const void *in);
int api_register_budget_allocation(ApiCall *call, const void *in);
int api_unregister_traffic_distribution(ApiCall *call, const void *in);
int api_set_node_state(ApiCall *call, const void *in);
int api_reload_configuration(ApiCall *call, const void *in);
int api_subscribe(ApiCall *call, const void *in);
int api_follow_probes(ApiCall *call, const void *in);
int api_report_probe(ApiCall *call, const void *in);

/* Their parameters and replies. */
extern const Structure route_in, decision_out, report_in, report_out, fallback_in, fallback_out;
extern const Structure handle_scenario_in, handle_scenario_out, resolve_scenario_in, resolve_scenario_out;
extern const Structure active_scenarios_in, active_scenarios_out;
extern const Structure system_status_out, health_out, snapshot_out, providers_out, node_state_in, node_out, changes_out, reload_in;
extern const Structure register_distribution_in, register_allocation_in, unregister_in, register_out;
extern const Structure routing_analytics_in, routing_analytics_out, optimization_analytics_out;
extern const Structure cost_monitoring_in, cost_monitoring_out, cost_report_in, cost_report_out;
extern const Structure subscribe_in, subscribe_out, probe_out, report_probe_in, report_probe_out;

/* The live scenarios, of one service (and those of all services) or all (NULL), in the arena; the worst first. */
int api_collect_scenarios(Api *api, Arena *arena, const char *service, uint64_t now_ns, const ApiScenario **ret, size_t *ret_n);
size_t api_count_scenarios(Api *api, uint64_t now_ns);

/* A service with its nodes, in the arena. */
int api_collect_service(Api *api, Arena *arena, const Service *s, uint64_t now_ns, ApiService *ret);

typedef struct ApiChange {
        const char *path, *before, *after;
} ApiChange;

/* Collects in its arena what a change of the configuration changes; failed: the arena has no memory. */
typedef struct ApiChanges {
        Arena *arena;
        ApiChange *changes;
        size_t n, allocated;
        bool failed;
} ApiChanges;

extern const Structure change_structure; /* ApiChange */
void api_collect_change(void *userdata, const char *path, const char *before, const char *after);

/* Answers what nobody foresaw. */
void api_fail_unforeseen(ApiCall *call, int error);

/* ---- persistence.c ---- */

/* Puts a document into the store, if there is one. */
void api_put_document(Api *api, const char *name, const char *text, size_t size);

/* ---- states.c ---- */

/* Put what has changed of the scenarios, of the nodes' administrative states. */
void api_keep_scenarios(Api *api, uint64_t now_ns);
void api_keep_node_states(Api *api);
void api_restore_states(Api *api, uint64_t now_ns);

/* The wall clock now. */
uint64_t api_utc_ns(const Api *api);

/* Turns an outcome of the brain into the error of the interface. */
int api_fail_outcome(ApiCall *call, int outcome, const RouteRefusal *refusal, const char *subject);

/* Classifies a response by the node's provider into what the brain takes. */
typedef struct ApiResponse {
        int http_status; /* -1: not said */
        const struct pm_header *headers;
        size_t n_headers;
        const char *body;
        int error; /* a CallError, or -1 */
        bool body_truncated;
        uint64_t latency_ns; /* NSEC_INFINITY: not said */
        Units units;
        Money cost;
} ApiResponse;

void api_classify(Api *api, const struct pm_provider *provider, const struct pm_operation *operation, const ApiResponse *response,
                  bool probe, bool authenticated, struct pm_classification *c, Outcome *ret);
