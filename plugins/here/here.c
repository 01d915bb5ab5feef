/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HERE: https://www.here.com/docs/category/routing-api-v8 and the OpenAPI description of Routing 8.162.0. Two
 * envelopes: the gateway's {"error","error_description"} and the services'
 * {"title","status","code","cause","action","correlationId"}.
 */
#include <math.h>

#include "plugins/helper/helper.h"

enum { CODE = 1, TEXT, REQUEST_ID, RESULT, RESULTS, NOTICE, SEVERITY };

static const Field fields[] = {
        { CODE, { "code" } },
        { REQUEST_ID, { "correlationId" } },
        { TEXT, { "error_description" } },
        { TEXT, { "error" } },
        { TEXT, { "title" } },
        { TEXT, { "cause" } },
        { TEXT, { "action" } },
        { RESULT, { "routes", EACH } },
        { RESULT, { "isolines", EACH } },
        { RESULTS, { "routes" } },
        { RESULTS, { "isolines" } },
        { NOTICE, { "notices", EACH, "code" } },
        { SEVERITY, { "notices", EACH, "severity" } },
};

#define TOO_FAST PM_RATE_LIMIT_EXCEEDED, PM_SCOPE_OPERATION, true, "too many requests"
#define NO_RESULT PM_CLIENT_ERROR, PM_SCOPE_OPERATION, false, "no result for this request"

static const Rule rules[] = {
        { 400, 499, CODE, MATCH_EQUAL, "E605101", PM_CLIENT_ERROR, PM_SCOPE_OPERATION, false,
          "the account is not entitled to this region" },
        { 400, 599, CODE, MATCH_EQUAL, "E605501", TOO_FAST },
        { 403, 403, TEXT, MATCH_TEXT, "do not authorize", PM_AUTHENTICATION_FAILURE, PM_SCOPE_OPERATION, true,
          "the credential does not allow this" },
        { 403, 403, TEXT, MATCH_TEXT, "upgrad", PM_BUDGET_EXHAUSTED, PM_SCOPE_ACCOUNT, true,
          "the account's plan is used up" },
        /* After the statuses that speak for themselves: E605500 and its like are failures inside. */
        { 400, 400, CODE, MATCH_PREFIX, "E6055", PM_SERVICE_UNAVAILABLE, PM_SCOPE_NODE, true, "the vendor failed" },
        { 404, 428, CODE, MATCH_PREFIX, "E6055", PM_SERVICE_UNAVAILABLE, PM_SCOPE_NODE, true, "the vendor failed" },

        /* A success without a route says why in notices (noRouteFound, …); one with a route may have notices too. */
        { 200, 299, RESULT, MATCH_PRESENT, NULL, PM_OK },
        { 200, 299, SEVERITY, MATCH_EQUAL, "critical", NO_RESULT },
        { 200, 299, NOTICE, MATCH_EQUAL, "noRouteFound", NO_RESULT },
        { 200, 299, NOTICE, MATCH_PREFIX, "couldNotMatch", NO_RESULT },
        { 200, 299, RESULTS, MATCH_PRESENT, NULL, NO_RESULT },
};

ASSERT_VENDOR_TABLES(fields, rules);

/* Most have a host of their own. The vendor's rates are confidential, so that prices are the operator's to set. */
static const struct pm_operation operations[] = {
        { "geocode", "GET", "/v1/geocode", "request", true, KEYS("items"), -1, 0 },
        { "reverse_geocode", "GET", "/v1/revgeocode", "request", true, KEYS("items"), -1, 0 },
        { "discover", "GET", "/v1/discover", "request", true, KEYS("items"), -1, 0 },
        { "autosuggest", "GET", "/v1/autosuggest", "request", true, KEYS("items"), -1, 0 },
        { "browse", "GET", "/v1/browse", "request", true, KEYS("items"), -1, 0 },
        { "lookup", "GET", "/v1/lookup", "request", true, KEYS("id"), -1, 0 },
        { "directions", "GET", "/v8/routes", "request", true, KEYS("routes"), -1, 0 },
        { "matrix", "POST", "/v8/matrix", "element", true, KEYS("matrixId"), -1, 0 },
        { "isochrone", "GET", "/v8/isolines", "request", true, KEYS("isolines"), -1, 0 },
        {},
};

static const Vendor vendor = {
        VENDOR_TABLES(fields, rules),
        .codes = { CODE, NOTICE },
        .request_id = REQUEST_ID,
        .limit_scope = PM_SCOPE_OPERATION, /* so many a second for each service */
        .probe_operation = &operations[6],
};

static void classify(const struct pm_provider *p _unused_, const struct pm_response *r,
                     struct pm_classification *ret) {
        vendor_classify(&vendor, r, ret);
}

/* One host serves the world; where its servers are is not published. */
static const struct pm_region regions[] = {
        { "global", "https://router.hereapi.com", NAN, NAN },
        {},
};

PM_PROVIDER_EXPORT const struct pm_provider pointsman_provider = {
        .abi = PM_PROVIDER_ABI,
        .size = sizeof(struct pm_provider),
        .name = "here",
        .title = "HERE",
        .version = "1",
        .documentation = "https://www.here.com/docs/category/routing-api-v8",
        .url = "https://router.hereapi.com",
        .regions = regions,
        .operations = operations,
        .probe = &(const struct pm_probe) { .method = "GET", .path = "/v8/health" },
        /* A short route, counted by the vendor like any other. */
        .authenticated_probe = &(const struct pm_probe) {
                .method = "GET",
                .path = "/v8/routes?transportMode=car&origin=52.53,13.38&destination=52.52,13.37&apiKey={credential}",
                .billed = true,
        },
        .classify = classify,
};
