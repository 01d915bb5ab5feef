/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samsara: https://developers.samsara.com/docs/response-codes, https://developers.samsara.com/docs/rate-limits and
 * the OpenAPI description of 2025-10-23. An error is {"message","requestId"}: no code for machines, and messages are
 * not to be matched.
 */
#include "plugins/helper/helper.h"

enum { REQUEST_ID = 1 };

static const Field fields[] = {
        { REQUEST_ID, { "requestId" } },
};

static const Rule rules[] = {
        /* A scope or licence that this endpoint wants. */
        { 403, 403, .verdict = PM_AUTHENTICATION_FAILURE, .scope = PM_SCOPE_OPERATION, .retryable = true,
          .reason = "the token does not allow this" },
        { 409, 409, .verdict = PM_CLIENT_ERROR, .scope = PM_SCOPE_OPERATION, .retryable = true,
          .reason = "another request is in the way" }, /* the vendor's SDK tries again */
        { 501, 501, .verdict = PM_CLIENT_ERROR, .scope = PM_SCOPE_OPERATION, .reason = "there is no such endpoint" },
};

ASSERT_VENDOR_TABLES(fields, rules);

/* Calls are part of the subscription; a price a call is the operator's to set. */
static const struct pm_operation operations[] = {
        { "me", "GET", "/me", "request", true, KEYS("data"), -1, 0 },
        { "vehicle_stats", "GET", "/fleet/vehicles/stats", "request", true, KEYS("data"), -1, 0 },
        { "vehicle_stats_feed", "GET", "/fleet/vehicles/stats/feed", "request", true, KEYS("data"), -1, 0 },
        { "vehicle_stats_history", "GET", "/fleet/vehicles/stats/history", "request", true, KEYS("data"), -1, 0 },
        { "vehicle_locations", "GET", "/fleet/vehicles/locations", "request", true, KEYS("data"), -1, 0 },
        { "drivers", "GET", "/fleet/drivers", "request", true, KEYS("data"), -1, 0 },
        { "hos_clocks", "GET", "/fleet/hos/clocks", "request", true, KEYS("data"), -1, 0 },
        {},
};

static const Vendor vendor = {
        VENDOR_TABLES(fields, rules),
        .request_id = REQUEST_ID,
        /* An endpoint's own limit (5 to 25 a second) is reached long before the token's (150). */
        .limit_scope = PM_SCOPE_OPERATION,
        .probe_operation = &operations[0],
};

static void classify(const struct pm_provider *p _unused_, const struct pm_response *r,
                     struct pm_classification *ret) {
        vendor_classify(&vendor, r, ret);
}

/*
 * An account lives in the United States, in Europe or in Canada. The vendor does not publish where: these are the
 * places that such names mean.
 */
static const struct pm_region regions[] = {
        { "us", "https://api.samsara.com", 45.8, -119.7 },
        { "us-central", "https://api.samsara.com", 41.3, -95.9 },
        { "us-west", "https://api.samsara.com", 45.8, -119.7 },
        { "eu", "https://api.eu.samsara.com", 53.3, -6.3 },
        { "ca", "https://api.ca.samsara.com", 45.5, -73.6 },
        {},
};

PM_PROVIDER_EXPORT const struct pm_provider pointsman_provider = {
        .abi = PM_PROVIDER_ABI,
        .size = sizeof(struct pm_provider),
        .name = "samsara",
        .title = "Samsara",
        .version = "1",
        .documentation = "https://developers.samsara.com/docs/response-codes",
        .url = "https://api.samsara.com",
        .regions = regions,
        .operations = operations,
        .probe = &(const struct pm_probe) { .method = "GET", .path = "/me" },
        .authenticated_probe = &(const struct pm_probe) {
                .method = "GET",
                .path = "/me",
                .headers = (const struct pm_header[]) { { "Authorization", "Bearer {credential}" }, {} },
        },
        .classify = classify,
};
