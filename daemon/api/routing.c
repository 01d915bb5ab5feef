/* SPDX-License-Identifier: Apache-2.0 */
/* Route, Report, CostAwareFallback. */
#include <math.h>

#include "daemon/api/private.h"

/* Bodies are excerpts; a caller has no reason to send more. */
#define BODY_MAX (1 << 20)

int api_fail_outcome(ApiCall *call, int outcome, const RouteRefusal *refusal, const char *subject) {
        static const RouteRefusal none = { .limit = "" };

        refusal = refusal ?: &none;
        switch ((RouteOutcome) outcome) {
        case ROUTE_NO_SUCH_SERVICE:
                return api_fail(call, ERROR_NO_SUCH_SERVICE, .service_name = subject);
        case ROUTE_NO_SUCH_NODE:
                return api_fail(call, ERROR_NO_SUCH_NODE, .node = subject);
        case ROUTE_NO_SUCH_DECISION:
                return api_fail(call, ERROR_NO_SUCH_DECISION, .decision = subject);
        case ROUTE_NO_USABLE_NODE:
                return api_fail(call, ERROR_NO_USABLE_NODE, .service_name = subject, .retry_after_ns = refusal->retry_after_ns,
                                .reason = refusal->reason);
        case ROUTE_BUDGET_EXHAUSTED:
                return api_fail(call, ERROR_BUDGET_EXHAUSTED, .service_name = subject, .limit = refusal->limit,
                                .resets_in_ns = refusal->retry_after_ns);
        case ROUTE_TOO_MANY_LEASES:
                return api_fail(call, ERROR_BUSY, .reason = "too many decisions wait for their report");
        }
        return -EINVAL;
}

/* ---- Route ---- */

#define F(member, name, type, ...) FIELD(RouteRequest, member, name, type, ##__VA_ARGS__)
STRUCTURE(route_in, NULL, RouteRequest,
        F(service, "serviceName", FIELD_STRING, .flags = FIELD_REQUIRED, LENGTH(SERVICE_NAME_MAX)),
        F(operation, "operation", FIELD_STRING, LENGTH(64)),
        F(units, "units", FIELD_UNITS, RANGE(0, 1e6)),
        F(region, "region", FIELD_STRING, LENGTH(64)),
        F(latitude, "latitude", FIELD_DEGREES, RANGE(-90, 90)),
        F(longitude, "longitude", FIELD_DEGREES, RANGE(-180, 180)),
        F(strategy, "strategy", FIELD_ENUM, .names = &strategy_names),
        F(idempotent, "idempotent", FIELD_TRISTATE),
        F(exclude, "exclude", FIELD_STRINGS, COUNT(RouteRequest, n_exclude)),
        F(max_cost, "maxCost", FIELD_MONEY, RANGE(0, 1e9)),
        F(explain, "explain", FIELD_BOOL));
#undef F

STRUCTURE(decision_out, NULL, Decision, VIEW("decision", decision_structure));

int api_route(ApiCall *call, const void *in) {
        RouteRequest q = *(const RouteRequest *) in;
        RouteRefusal refusal;
        Decision d;

        if (isnan(q.latitude) != isnan(q.longitude))
                return api_fail(call, ERROR_INVALID_PARAMETER, .parameter = isnan(q.latitude) ? "latitude" : "longitude",
                                .reason = "latitude and longitude go together");
        if (q.units < 0)
                q.units = UNITS_ONE;
        q.uid = call->peer->uid;
        q.privileged = call->peer->privileged;

        int r = router_route(call->api->router, &q, call->now_ns, &d, &refusal);
        if (r < 0)
                return r;
        return r > 0 ? api_fail_outcome(call, r, &refusal, q.service) : api_reply(call, &d);
}

/* ---- Report ---- */

/* A caller may pass the whole body or only its beginning; if it passes Content-Length too, we can tell. */
static bool is_truncated(const ApiResponse *response, size_t body_size) {
        if (response->body_truncated)
                return true;
        for (size_t i = 0; i < response->n_headers; i++)
                if (strcasecmp(response->headers[i].name, "Content-Length") == 0)
                        return strtoull(response->headers[i].value, NULL, 10) > body_size;
        return false;
}

void api_classify(Api *api, const struct pm_provider *provider, const struct pm_operation *operation, const ApiResponse *response,
                  bool probe, bool authenticated, struct pm_classification *c, Outcome *ret) {
        size_t body_size = response->body ? strlen(response->body) : 0;
        struct pm_response r = {
                .http_status = MAX(response->http_status, 0),
                .headers = response->headers, .n_headers = response->n_headers,
                .body = response->body, .body_size = body_size, .body_truncated = is_truncated(response, body_size),
                .operation = operation, .probe = probe, .authenticated = authenticated,
                .now_utc_ns = api_utc_ns(api),
        };

        providers_classify(provider, &r, response->error, c);
        *ret = (Outcome) {
                .verdict = c->verdict, .scope = c->scope, .retryable = c->retryable, .reachable = c->reachable,
                .retry_after_ns = c->retry_after_ns, .cooldown_ns = c->cooldown_ns,
                .latency_ns = response->latency_ns == NSEC_INFINITY ? 0 : response->latency_ns,
                .units = response->units, .cost = response->cost, .http_status = r.http_status, .reason = c->reason,
        };
}

typedef struct ReportIn {
        const char *decision;
        ApiResponse response;
        Money max_cost; /* of a fallback */
        bool explain;   /* of a fallback */
} ReportIn;

#define F(member, name, type, ...) FIELD(ReportIn, member, name, type, ##__VA_ARGS__)
#define RESPONSE_FIELDS \
        F(decision, "decision", FIELD_STRING, REQUIRED, LENGTH(64)), \
        F(response.http_status, "httpStatus", FIELD_INT32, RANGE(0, 599)), \
        F(response.headers, "headers", FIELD_MAP, UNRECORDED, COUNT(ReportIn, response.n_headers)), \
        F(response.body, "body", FIELD_STRING, UNRECORDED, LENGTH(BODY_MAX)), \
        F(response.body_truncated, "bodyTruncated", FIELD_BOOL), \
        F(response.error, "error", FIELD_ENUM, .names = &call_error_names), \
        F(response.latency_ns, "latencyMs", FIELD_MS, RANGE(0, 3600000)), \
        F(response.units, "units", FIELD_UNITS, RANGE(0, 1e6))

STRUCTURE(report_in, NULL, ReportIn, RESPONSE_FIELDS, F(response.cost, "cost", FIELD_MONEY, RANGE(0, 1e6)));
STRUCTURE(fallback_in, NULL, ReportIn, RESPONSE_FIELDS, F(max_cost, "maxCost", FIELD_MONEY, RANGE(0, 1e9)),
        F(explain, "explain", FIELD_BOOL));
#undef F

typedef struct ReportOut {
        Settlement settlement;
        bool retryable;
        const char *reason, *request_id;
} ReportOut;

#define F(member, name, type, ...) FIELD(ReportOut, member, name, type, ##__VA_ARGS__)
STRUCTURE(report_out, NULL, ReportOut,
        F(settlement.verdict, "verdict", FIELD_ENUM, .names = &verdict_names),
        F(retryable, "retryable", FIELD_BOOL),
        F(settlement.retry_after_ns, "retryAfterMs", FIELD_MS_INT),
        F(reason, "reason", FIELD_STRING),
        F(settlement.settled, "settledCost", FIELD_MONEY),
        F(request_id, "requestId", FIELD_STRING, OPTIONAL));
#undef F

/* Says for both methods what the response of a decision means. Positive: an outcome to fail with. */
static int classify_for(ApiCall *call, const ReportIn *q, struct pm_classification *c, Outcome *ret) {
        LeaseView lease;
        int r = router_lease(call->api->router, q->decision, call->peer->uid, call->peer->privileged, &lease);

        if (r == 0) {
                call->node = lease.node_name;
                api_classify(call->api, lease.provider, lease.operation, &q->response, false, true, c, ret);
        }
        return r;
}

int api_report(ApiCall *call, const void *in) {
        const ReportIn *q = in;
        struct pm_classification c;
        ReportOut out;
        Outcome o;

        if (q->response.http_status < 0 && q->response.error < 0)
                return api_fail(call, ERROR_INVALID_PARAMETER, .parameter = "httpStatus",
                                .reason = "httpStatus or, if there was no response, error is required");
        int r = classify_for(call, q, &c, &o);
        if (r == 0)
                r = router_report(call->api->router, q->decision, call->peer->uid, call->peer->privileged, &o, call->now_ns,
                                  &out.settlement);
        if (r < 0)
                return r;
        if (r > 0)
                return api_fail_outcome(call, r, NULL, q->decision);
        out.retryable = c.retryable;
        out.reason = c.reason;
        out.request_id = c.request_id[0] ? c.request_id : NULL;
        return api_reply(call, &out);
}

/* ---- CostAwareFallback ---- */

typedef struct FallbackOut {
        Decision decision;
        Verdict verdict;
        CostAssessment cost;
} FallbackOut;

#define F(member, name, type, ...) FIELD(CostAssessment, member, name, type, ##__VA_ARGS__)
static STRUCTURE(cost_structure, NULL, CostAssessment,
        F(spent, "spent", FIELD_MONEY),
        F(additional, "additional", FIELD_MONEY),
        F(remaining_hour, "remainingHour", FIELD_MONEY, OPTIONAL),
        F(tier, "tier", FIELD_ENUM, .names = &cost_tier_names));
#undef F

#define F(member, name, type, ...) FIELD(FallbackOut, member, name, type, ##__VA_ARGS__)
STRUCTURE(fallback_out, NULL, FallbackOut,
        F(decision, "decision", FIELD_STRUCT, .structure = &decision_structure),
        F(verdict, "verdict", FIELD_ENUM, .names = &verdict_names),
        F(cost, "costAssessment", FIELD_STRUCT, .structure = &cost_structure));
#undef F

int api_cost_aware_fallback(ApiCall *call, const void *in) {
        const ReportIn *q = in;
        struct pm_classification c;
        Settlement settlement;
        RouteRefusal refusal;
        LeaseView lease = {};
        FallbackOut out;
        Outcome o;

        int r = classify_for(call, q, &c, &o);
        if (r == 0)
                r = router_lease(call->api->router, q->decision, call->peer->uid, call->peer->privileged, &lease);
        if (r == 0)
                r = router_fallback(call->api->router, q->decision, call->peer->uid, call->peer->privileged, &o, q->max_cost,
                                    q->explain, call->now_ns, &out.decision, &settlement, &out.cost, &refusal);
        if (r < 0)
                return r;
        if (r > 0)
                return api_fail_outcome(call, r, &refusal, r == ROUTE_NO_SUCH_DECISION ? q->decision : lease.service_name);
        out.verdict = settlement.verdict;
        return api_reply(call, &out);
}
