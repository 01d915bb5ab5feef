/* SPDX-License-Identifier: Apache-2.0 */
/* GetSystemStatus, GetHealth, GetSnapshot, ListProviders. */
#include <unistd.h>

#include "config.h"
#include "daemon/api/private.h"

int api_collect_service(Api *api, Arena *arena, const Service *s, uint64_t now_ns, ApiService *ret) {
        ServiceStatus status;

        service_status(api->router, s, now_ns, &status);
        NodeStatus *nodes = arena_alloc(arena, MAX(status.n_nodes, (size_t) 1), sizeof(NodeStatus));
        if (!nodes)
                return -ENOMEM;
        for (size_t i = 0; i < status.n_nodes; i++)
                node_status(api->router, service_node(s, i), now_ns, &nodes[i]);
        *ret = (ApiService) { status, nodes, status.n_nodes };
        return 0;
}

/* Every service with its nodes, in the arena of the call. */
static int collect_services(Api *api, Arena *arena, uint64_t now_ns, const ApiService **ret, size_t *ret_n) {
        size_t n = router_n_services(api->router);
        ApiService *services = arena_alloc(arena, MAX(n, (size_t) 1), sizeof(ApiService));

        if (!services)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                int r = api_collect_service(api, arena, router_service(api->router, i), now_ns, &services[i]);
                if (r < 0)
                        return r;
        }
        *ret = services;
        *ret_n = n;
        return 0;
}

/* ---- health ---- */

typedef enum HealthStatus { STATUS_OK, STATUS_DEGRADED, STATUS_FAILING } HealthStatus;
static const char *const health_status_table[] = { "ok", "degraded", "failing" };
static const EnumNames health_status_names = { "SystemHealth", health_status_table, ELEMENTSOF(health_status_table) };

typedef struct Check {
        const char *name;
        HealthStatus status;
        char message[200];
} Check;

typedef struct HealthOut {
        HealthStatus status;
        Check *checks;
        size_t n_checks;
} HealthOut;

static void check_services(Api *api, uint64_t now_ns, Check *c) {
        size_t n = router_n_services(api->router), nodes = 0, unhealthy = 0, dark = 0;
        const char *first = NULL;

        for (size_t i = 0; i < n; i++) {
                const Service *s = router_service(api->router, i);
                ServiceStatus status;
                size_t bad = 0;

                service_status(api->router, s, now_ns, &status);
                for (size_t k = 0; k < status.n_nodes; k++) {
                        NodeStatus node;
                        node_status(api->router, service_node(s, k), now_ns, &node);
                        bad += node.health == HEALTH_UNHEALTHY || node.circuit == CIRCUIT_OPEN;
                }
                nodes += status.n_nodes;
                unhealthy += bad;
                if (bad > 0 && bad == status.n_nodes) {
                        dark++;
                        first = first ?: status.service_name;
                }
        }
        c->status = dark ? STATUS_FAILING : unhealthy ? STATUS_DEGRADED : STATUS_OK;
        if (dark)
                snprintf(c->message, sizeof(c->message), "%s has no healthy node (%zu of %zu services, %zu of %zu nodes are unhealthy)",
                         first, dark, n, unhealthy, nodes);
        else if (unhealthy)
                snprintf(c->message, sizeof(c->message), "%zu of %zu nodes are unhealthy; every service has a healthy one", unhealthy,
                         nodes);
        else
                snprintf(c->message, sizeof(c->message), "%zu services, %zu nodes, all healthy", n, nodes);
}

static void check_providers(Api *api, Check *c) {
        size_t n = providers_n(api->providers), failed = 0;
        const ProviderInfo *first = NULL;

        for (size_t i = 0; i < n; i++) {
                const ProviderInfo *p = providers_get(api->providers, i);
                if (!p->provider) {
                        failed++;
                        first = first ?: p;
                }
        }
        c->status = failed || n == 0 ? STATUS_DEGRADED : STATUS_OK;
        if (failed)
                snprintf(c->message, sizeof(c->message), "%zu of %zu plugins not loaded; %s: %.120s", failed, n, first->name,
                         first->error);
        else
                snprintf(c->message, sizeof(c->message), n ? "%zu plugins loaded" : "no plugin loaded", n);
}

static void check_rest(Api *api, Check *configuration, Check *probes) {
        *configuration = (Check) { "configuration", api->last_reload_failed ? STATUS_DEGRADED : STATUS_OK, "" };
        snprintf(configuration->message, sizeof(configuration->message), "%s",
                 api->last_reload_failed ? "the last reload was refused; the configuration before it is in force" : "in force");

        /* A host may do without a prober; one that went away, or hangs, is a loss. */
        size_t n = probes_followers(api->probes);
        unsigned unanswered = router_probes_unanswered(api->router);
        bool lost = unanswered > 0 || (n == 0 && probes_ever_followed(api->probes));
        *probes = (Check) { "probes", lost ? STATUS_DEGRADED : STATUS_OK, "" };
        if (unanswered > 0)
                snprintf(probes->message, sizeof(probes->message), "%zu prober connected, but the last %u probes were not answered",
                         n, unanswered);
        else
                snprintf(probes->message, sizeof(probes->message),
                         n ? "%zu prober connected" : "no prober is connected; nodes are judged by the reports of callers alone", n);
}

static void check_audit(Api *api, Check *c) {
        c->status = api_audit_sentence(api, c->message, sizeof(c->message)) < 0 ? STATUS_DEGRADED : STATUS_OK;
}

#define N_CHECKS 6

static HealthStatus run_checks(Api *api, uint64_t now_ns, Check checks[N_CHECKS]) {
        HealthStatus worst = STATUS_OK;

        checks[0] = (Check) { .name = "services" };
        check_services(api, now_ns, &checks[0]);
        checks[1] = (Check) { .name = "providers" };
        check_providers(api, &checks[1]);
        check_rest(api, &checks[2], &checks[3]);
        checks[4] = (Check) { .name = "audit" };
        check_audit(api, &checks[4]);
        checks[5] = (Check) { .name = "store" };
        checks[5].status = api_store_sentence(api, checks[5].message, sizeof(checks[5].message)) < 0 ? STATUS_DEGRADED : STATUS_OK;
        for (size_t i = 0; i < N_CHECKS; i++)
                worst = MAX(worst, checks[i].status);
        return worst;
}

#define F(member, name, type, ...) FIELD(Check, member, name, type, ##__VA_ARGS__)
static STRUCTURE(check_structure, NULL, Check,
        F(name, "name", FIELD_STRING),
        F(status, "status", FIELD_ENUM, .names = &health_status_names),
        F(message, "message", FIELD_CHARS));
#undef F

#define F(member, name, type, ...) FIELD(HealthOut, member, name, type, ##__VA_ARGS__)
STRUCTURE(health_out, NULL, HealthOut,
        F(status, "status", FIELD_ENUM, .names = &health_status_names),
        F(checks, "checks", FIELD_ARRAY, COUNT(HealthOut, n_checks), .structure = &check_structure));
#undef F

int api_get_health(ApiCall *call, const void *in _unused_) {
        Check checks[N_CHECKS];
        HealthOut out = { .checks = checks, .n_checks = N_CHECKS };

        out.status = run_checks(call->api, call->now_ns, checks);
        return api_reply(call, &out);
}

const char *api_summary(Api *api, uint64_t now_ns, char *sentence, size_t size) {
        Check checks[N_CHECKS];
        HealthStatus status = run_checks(api, now_ns, checks);
        size_t n = (size_t) snprintf(sentence, size, "%s", checks[0].message);

        for (size_t i = 1; i < N_CHECKS && n < size; i++)
                if (checks[i].status != STATUS_OK)
                        n += (size_t) snprintf(sentence + n, size - n, "; %s: %s", checks[i].name, checks[i].message);
        return health_status_table[status];
}

/* ---- status ---- */

typedef struct SystemStatus {
        const char *version;
        HealthStatus health;
        uint64_t started_utc_ns, uptime_ns;
        Counters counters;
        uint64_t rate_limited, configuration_serial, last_reload_utc_ns, event_serial;
        uint64_t connections, subscribers, probers, services, nodes, active_scenarios;
        int64_t pid;
} SystemStatus;

typedef struct SystemStatusOut {
        SystemStatus status;
        const ApiService *services;
        size_t n_services;
} SystemStatusOut;

/* What counts, for the status and for the snapshot. */
#define COUNTERS \
        F(services, "services", FIELD_UINT64), \
        F(nodes, "nodes", FIELD_UINT64), \
        F(active_scenarios, "activeScenarios", FIELD_UINT64), \
        F(counters.decisions, "decisions", FIELD_UINT64), \
        F(counters.reports, "reports", FIELD_UINT64), \
        F(counters.failures, "failures", FIELD_UINT64), \
        F(counters.fallbacks, "fallbacks", FIELD_UINT64), \
        F(counters.refused, "refused", FIELD_UINT64), \
        F(counters.leases_expired, "leasesExpired", FIELD_UINT64), \
        F(counters.leases, "leases", FIELD_UINT32), \
        F(counters.probes, "probes", FIELD_UINT64), \
        F(counters.probes_unanswered, "probesUnanswered", FIELD_UINT64), \
        F(rate_limited, "rateLimited", FIELD_UINT64)

#define F(member, name, type, ...) FIELD(SystemStatus, member, name, type, ##__VA_ARGS__)
STRUCTURE(system_status_structure, "SystemStatus", SystemStatus,
        F(version, "version", FIELD_STRING, CONSTANT),
        F(health, "health", FIELD_ENUM, .names = &health_status_names),
        F(pid, "pid", FIELD_INT, CONSTANT),
        F(started_utc_ns, "startedAt", FIELD_INSTANT, CONSTANT),
        F(uptime_ns, "uptimeSeconds", FIELD_SECONDS, VOLATILE),
        F(configuration_serial, "configurationSerial", FIELD_UINT64),
        F(last_reload_utc_ns, "lastReloadAt", FIELD_INSTANT, OPTIONAL),
        COUNTERS,
        F(counters.outstanding, "reserved", FIELD_MONEY),
        F(counters.settled, "settled", FIELD_MONEY),
        F(counters.refunded, "refunded", FIELD_MONEY),
        F(event_serial, "eventSerial", FIELD_UINT64),
        F(connections, "connections", FIELD_UINT64),
        F(subscribers, "subscribers", FIELD_UINT64),
        F(probers, "probers", FIELD_UINT64));
#undef F

#define F(member, name, type, ...) FIELD(SystemStatusOut, member, name, type, ##__VA_ARGS__)
STRUCTURE(system_status_out, NULL, SystemStatusOut,
        F(status, "status", FIELD_STRUCT, .structure = &system_status_structure),
        F(services, "services", FIELD_ARRAY, COUNT(SystemStatusOut, n_services), .structure = &service_structure));
#undef F

static void fill_status(Api *api, uint64_t now_ns, SystemStatus *s) {
        Check checks[N_CHECKS];

        *s = (SystemStatus) {
                .version = PACKAGE_VERSION, .health = run_checks(api, now_ns, checks), .pid = getpid(),
                .uptime_ns = now_ns - api->started_ns, .started_utc_ns = api->started_utc_ns,
                .configuration_serial = api->configuration_serial, .last_reload_utc_ns = api->last_reload_utc_ns,
                .rate_limited = api->rate_limited, .event_serial = events_serial(api->events),
                .connections = users_connections(api->users), .subscribers = events_subscribers(api->events),
                .probers = probes_followers(api->probes), .services = router_n_services(api->router),
                .active_scenarios = api_count_scenarios(api, now_ns),
        };
        router_counters(api->router, &s->counters);
        for (size_t i = 0; i < s->services; i++) {
                ServiceStatus status;
                service_status(api->router, router_service(api->router, i), now_ns, &status);
                s->nodes += status.n_nodes;
        }
}

void api_read_status(Api *api, uint64_t now_ns, void *ret) {
        fill_status(api, now_ns, ret);
}

int api_get_system_status(ApiCall *call, const void *in _unused_) {
        SystemStatusOut out = {};

        fill_status(call->api, call->now_ns, &out.status);
        int r = collect_services(call->api, call->arena, call->now_ns, &out.services, &out.n_services);
        return r < 0 ? r : api_reply(call, &out);
}

/* ---- snapshot ---- */

typedef struct SnapshotOut {
        uint64_t serial;
        const ApiService *services;
        size_t n_services;
        const ApiScenario *scenarios;
        size_t n_scenarios;
        SystemStatus counters;
} SnapshotOut;

/* Only what counts: the map is [string]int for clients. */
#define F(member, name, type, ...) FIELD(SystemStatus, member, name, type, ##__VA_ARGS__)
static STRUCTURE(counters_structure, NULL, SystemStatus,
        F(uptime_ns, "uptimeMs", FIELD_MS_INT),
        F(configuration_serial, "configurationSerial", FIELD_UINT64),
        COUNTERS,
        F(counters.effects_lost, "effectsLost", FIELD_UINT64));
#undef F

#define F(member, name, type, ...) FIELD(SnapshotOut, member, name, type, ##__VA_ARGS__)
STRUCTURE(snapshot_out, NULL, SnapshotOut,
        F(serial, "serial", FIELD_UINT64),
        F(counters, "status", FIELD_STRUCT, .structure = &system_status_structure),
        F(services, "services", FIELD_ARRAY, COUNT(SnapshotOut, n_services), .structure = &service_structure),
        F(scenarios, "scenarios", FIELD_ARRAY, COUNT(SnapshotOut, n_scenarios), .structure = &scenario_structure),
        F(counters, "counters", FIELD_STRUCT, .structure = &counters_structure));
#undef F

int api_get_snapshot(ApiCall *call, const void *in _unused_) {
        SnapshotOut out = { .serial = events_serial(call->api->events) };

        fill_status(call->api, call->now_ns, &out.counters);
        int r = collect_services(call->api, call->arena, call->now_ns, &out.services, &out.n_services);
        if (r == 0)
                r = api_collect_scenarios(call->api, call->arena, NULL, call->now_ns, &out.scenarios, &out.n_scenarios);
        return r < 0 ? r : api_reply(call, &out);
}

/* ---- providers ---- */

typedef struct ProviderOut {
        ProviderInfo info;
        const char *const *operations;
        size_t n_operations;
} ProviderOut;

typedef struct ProvidersOut {
        const ProviderOut *providers;
        size_t n_providers;
} ProvidersOut;

#define F(member, name, type, ...) FIELD(ProviderOut, member, name, type, ##__VA_ARGS__)
static STRUCTURE(provider_structure, NULL, ProviderOut,
        F(info.name, "name", FIELD_STRING),
        F(info.title, "title", FIELD_STRING),
        F(info.version, "version", FIELD_STRING),
        F(info.abi, "abi", FIELD_INT32),
        F(info.path, "path", FIELD_STRING),
        F(operations, "operations", FIELD_STRINGS, COUNT(ProviderOut, n_operations)),
        F(info.error, "error", FIELD_STRING, OPTIONAL));
#undef F

STRUCTURE(providers_out, NULL, ProvidersOut,
        FIELD(ProvidersOut, providers, "providers", FIELD_ARRAY, COUNT(ProvidersOut, n_providers), .structure = &provider_structure));

int api_list_providers(ApiCall *call, const void *in _unused_) {
        Providers *providers = call->api->providers;
        size_t n = providers_n(providers);
        ProviderOut *list = arena_alloc(call->arena, n + 1, sizeof(ProviderOut));

        if (!list)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                list[i].info = *providers_get(providers, i);
                const struct pm_operation *o = list[i].info.provider ? list[i].info.provider->operations : NULL;
                size_t k = 0;
                while (o && o[k].name)
                        k++;
                const char **names = arena_alloc(call->arena, k + 1, sizeof(char *));
                if (!names)
                        return -ENOMEM;
                for (size_t j = 0; j < k; j++)
                        names[j] = o[j].name;
                list[i].operations = names;
                list[i].n_operations = k;
        }
        return api_reply(call, &(ProvidersOut) { list, n });
}
