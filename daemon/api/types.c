/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/api/types.h"


#define F(member, name, type, ...) FIELD(Candidate, member, name, type, ##__VA_ARGS__)
static STRUCTURE(candidate_structure, "Candidate", Candidate,
        F(node, "node", FIELD_STRING),
        F(score, "score", FIELD_FLOAT),
        F(cost, "cost", FIELD_MONEY),
        F(excluded, "excluded", FIELD_STRING, OPTIONAL));
#undef F

static size_t render_reason(const void *structure, char *buffer, size_t size) {
        _Static_assert(DECISION_REASON_MAX <= FIELD_TEXT_MAX, "a reason must fit into a text field");
        (void) size;
        return decision_reason(structure, buffer);
}

#define F(member, name, type, ...) FIELD(Decision, member, name, type, ##__VA_ARGS__)
STRUCTURE(decision_structure, "Decision", Decision,
        F(id, "id", FIELD_CHARS),
        F(service_name, "serviceName", FIELD_STRING),
        F(node, "node", FIELD_STRING),
        F(provider, "provider", FIELD_STRING),
        F(region, "region", FIELD_STRING),
        F(url, "url", FIELD_STRING),
        F(strategy, "strategy", FIELD_ENUM, .names = &strategy_names),
        F(confidence, "confidence", FIELD_FLOAT),
        F(estimated_cost, "estimatedCost", FIELD_MONEY),
        F(cost_tier, "costTier", FIELD_ENUM, .names = &cost_tier_names),
        F(degraded, "degraded", FIELD_BOOL),
        F(retry_after_ns, "retryAfterMs", FIELD_MS_INT),
        F(id, "reason", FIELD_TEXT, .render = render_reason),
        F(fallbacks, "fallbacks", FIELD_INLINE_STRINGS, COUNT(Decision, n_fallbacks)),
        F(expires_in_ns, "expiresInMs", FIELD_MS_INT),
        F(max_retries, "maxRetries", FIELD_UINT32),
        F(retry_backoff_ns, "retryBackoffMs", FIELD_MS_INT),
        F(scenario, "scenario", FIELD_STRING, OPTIONAL),
        F(candidates, "candidates", FIELD_ARRAY, COUNT(Decision, n_candidates), OPTIONAL, .structure = &candidate_structure));
#undef F

#define F(member, name, type, ...) FIELD(NodeStatus, member, name, type, ##__VA_ARGS__)
STRUCTURE(node_structure, "Node", NodeStatus,
        F(node, "node", FIELD_STRING, CONSTANT),
        F(provider, "provider", FIELD_STRING),
        F(region, "region", FIELD_STRING),
        F(url, "url", FIELD_STRING),
        F(weight, "weight", FIELD_UINT32),
        F(cost_per_request, "costPerRequest", FIELD_MONEY),
        F(administrative_state, "administrativeState", FIELD_ENUM, .names = &administrative_state_names),
        F(health, "health", FIELD_ENUM, .names = &health_names),
        F(health_score, "healthScore", FIELD_FLOAT),
        F(circuit, "circuit", FIELD_ENUM, .names = &circuit_names),
        F(success_rate, "successRate", FIELD_FLOAT),
        F(latency_p50_ns, "latencyP50Ms", FIELD_MS),
        F(latency_p95_ns, "latencyP95Ms", FIELD_MS),
        F(latency_p99_ns, "latencyP99Ms", FIELD_MS),
        F(in_flight, "inFlight", FIELD_UINT32),
        F(calls, "calls", FIELD_UINT64),
        F(failures, "failures", FIELD_UINT64),
        F(verdicts, "verdicts", FIELD_COUNTS, .names = &verdict_names),
        F(cooldown_ns, "cooldownMs", FIELD_MS_INT, VOLATILE),
        F(spend_hour, "spendHour", FIELD_MONEY),
        F(spend_period, "spendPeriod", FIELD_MONEY),
        F(share, "share", FIELD_FLOAT),
        F(failure_forecast, "failureForecast", FIELD_FLOAT, OPTIONAL),
        F(last_probe_utc_ns, "lastProbeAt", FIELD_INSTANT, OPTIONAL),
        F(last_probe, "lastProbe", FIELD_ENUM, .names = &verdict_names, OPTIONAL),
        F(probe_times.dns_ns, "lastProbeDnsMs", FIELD_MS, .flags = FIELD_OPTIONAL | FIELD_VOLATILE),
        F(probe_times.connect_ns, "lastProbeConnectMs", FIELD_MS, .flags = FIELD_OPTIONAL | FIELD_VOLATILE),
        F(probe_times.tls_ns, "lastProbeTlsMs", FIELD_MS, .flags = FIELD_OPTIONAL | FIELD_VOLATILE),
        F(probe_times.first_byte_ns, "lastProbeFirstByteMs", FIELD_MS, .flags = FIELD_OPTIONAL | FIELD_VOLATILE),
        F(probe_times.total_ns, "lastProbeTotalMs", FIELD_MS, .flags = FIELD_OPTIONAL | FIELD_VOLATILE));
#undef F

#define F(member, name, type, ...) FIELD(ApiService, member, name, type, ##__VA_ARGS__)
STRUCTURE(service_structure, "Service", ApiService,
        F(status.service_name, "serviceName", FIELD_STRING, CONSTANT),
        F(status.strategy, "strategy", FIELD_ENUM, .names = &strategy_names),
        F(status.priority, "priority", FIELD_ENUM, .names = &priority_names),
        F(status.origin, "origin", FIELD_ENUM, .names = &origin_names),
        F(status.optimization_strategy, "optimizationStrategy", FIELD_ENUM, .names = &optimization_strategy_names, OPTIONAL),
        F(status.cost_tier, "costTier", FIELD_ENUM, .names = &cost_tier_names),
        F(status.budget_state, "budgetState", FIELD_ENUM, .names = &budget_state_names),
        F(status.spend_hour, "spendHour", FIELD_MONEY),
        F(status.max_cost_per_hour, "maxCostPerHour", FIELD_MONEY, OPTIONAL),
        F(status.spend_period, "spendPeriod", FIELD_MONEY),
        F(status.total_budget, "totalBudget", FIELD_MONEY, OPTIONAL),
        F(status.budget_period, "budgetPeriod", FIELD_ENUM, .names = &budget_period_names, OPTIONAL),
        F(status.reserved, "reserved", FIELD_MONEY),
        F(status.decisions, "decisions", FIELD_UINT64),
        F(status.failures, "failures", FIELD_UINT64),
        F(status.success_rate, "successRate", FIELD_FLOAT),
        F(nodes, "nodes", FIELD_ARRAY, COUNT(ApiService, n_nodes), .structure = &node_structure));
#undef F

#define F(member, name, type, ...) FIELD(ApiEventData, member, name, type, OPTIONAL, ##__VA_ARGS__)
static STRUCTURE(event_data_structure, NULL, ApiEventData,
        F(decision, "decision", FIELD_CHARS),
        F(scenario, "scenario", FIELD_CHARS),
        F(strategy, "strategy", FIELD_ENUM, .names = &strategy_names),
        F(from, "from", FIELD_STRING),
        F(to, "to", FIELD_STRING),
        F(cost, "cost", FIELD_MONEY),
        F(limit, "limit", FIELD_MONEY),
        F(ratio, "ratio", FIELD_FLOAT));
#undef F

#define F(member, name, type, ...) FIELD(ApiEvent, member, name, type, ##__VA_ARGS__)
STRUCTURE(event_structure, "Event", ApiEvent,
        F(serial, "serial", FIELD_UINT64),
        F(utc_ns, "time", FIELD_INSTANT),
        F(type, "type", FIELD_ENUM, .names = &event_type_names),
        F(severity, "severity", FIELD_ENUM, .names = &severity_names),
        F(service_name, "serviceName", FIELD_CHARS, OPTIONAL),
        F(node, "node", FIELD_CHARS, OPTIONAL),
        F(message, "message", FIELD_CHARS),
        F(data, "data", FIELD_STRUCT, .structure = &event_data_structure));
#undef F
