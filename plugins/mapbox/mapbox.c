/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mapbox: https://docs.mapbox.com/api/overview/, https://docs.mapbox.com/api/navigation/directions/,
 * https://docs.mapbox.com/api/search/geocoding/, https://docs.mapbox.com/api/accounts/tokens/. A success may say in
 * `code` that it is none; Geocoding v6 calls it `error_code`.
 */
#include <math.h>

#include "plugins/helper/helper.h"

enum { CODE = 1, MESSAGE };

static const Field fields[] = {
        { CODE, { "code" } },
        { CODE, { "error_code" } },
        { MESSAGE, { "message" } },
};

#define BAD_TOKEN PM_AUTHENTICATION_FAILURE, PM_SCOPE_ACCOUNT, true, "the token is not valid"
#define NO_RESULT PM_CLIENT_ERROR, PM_SCOPE_OPERATION, false, "no result for this request"

static const Rule rules[] = {
        { 400, 499, MESSAGE, MATCH_TEXT, "account over limit", PM_BUDGET_EXHAUSTED, PM_SCOPE_ACCOUNT, true,
          "the account is over its limit" },

        { 200, 299, CODE, MATCH_EQUAL, "Ok", PM_OK },
        { 200, 299, CODE, MATCH_EQUAL, "TokenValid", PM_OK },
        { 200, 299, CODE, MATCH_EQUAL, "TokenMalformed", BAD_TOKEN },
        { 200, 299, CODE, MATCH_EQUAL, "TokenInvalid", BAD_TOKEN },
        { 200, 299, CODE, MATCH_EQUAL, "TokenExpired", BAD_TOKEN },
        { 200, 299, CODE, MATCH_EQUAL, "TokenRevoked", BAD_TOKEN },
        /* NoRoute, NoSegment, NoMatch and others like them: all codes but those above are about the request. */
        { 200, 299, CODE, MATCH_PRESENT, NULL, NO_RESULT },

        { 400, 499, CODE, MATCH_EQUAL, "INVALID_TOKEN", BAD_TOKEN },
};

ASSERT_VENDOR_TABLES(fields, rules);

#define REQUEST "request", true
#define PLACES "/mapbox/{profile}/{coordinates}"

/* Prices as of 2026, from public price lists; those that nobody could confirm are left to the operator. */
static const struct pm_operation operations[] = {
        { "geocode", "GET", "/search/geocode/v6/forward", REQUEST, KEYS("type", "features"), 750, 100000 },
        { "reverse_geocode", "GET", "/search/geocode/v6/reverse", REQUEST, KEYS("type", "features"), 750, 100000 },
        { "directions", "GET", "/directions/v5" PLACES, REQUEST, KEYS("code", "routes"), 2000, 100000 },
        { "matrix", "GET", "/directions-matrix/v1" PLACES, "element", true, KEYS("code"), -1, 0 },
        { "isochrone", "GET", "/isochrone/v1" PLACES, REQUEST, KEYS("type", "features"), -1, 0 },
        { "map_matching", "GET", "/matching/v5" PLACES, REQUEST, KEYS("code", "matchings"), -1, 0 },
        { "optimized_trips", "GET", "/optimized-trips/v1" PLACES, REQUEST, KEYS("code", "trips"), -1, 0 },
        { "check_token", "GET", "/tokens/v2", REQUEST, KEYS("code"), 0, 0 },
        {},
};

static const Vendor vendor = {
        VENDOR_TABLES(fields, rules),
        .codes = { CODE },
        .limit_scope = PM_SCOPE_OPERATION, /* so many a minute for each API */
        .probe_operation = &operations[7],
};

static void classify(const struct pm_provider *p _unused_, const struct pm_response *r,
                     struct pm_classification *ret) {
        vendor_classify(&vendor, r, ret);
}

/* Served from the edge of a worldwide network. */
static const struct pm_region regions[] = {
        { "global", "https://api.mapbox.com", NAN, NAN },
        {},
};

PM_PROVIDER_EXPORT const struct pm_provider pointsman_provider = {
        .abi = PM_PROVIDER_ABI,
        .size = sizeof(struct pm_provider),
        .name = "mapbox",
        .title = "Mapbox",
        .version = "1",
        .documentation = "https://docs.mapbox.com/api/overview/",
        .url = "https://api.mapbox.com",
        .regions = regions,
        .operations = operations,
        /* What is no token is answered by 200 and TokenMalformed; no token at all by 422, the caller's fault. */
        .probe = &(const struct pm_probe) { .method = "GET", .path = "/tokens/v2?access_token=none" },
        .authenticated_probe = &(const struct pm_probe) {
                .method = "GET",
                .path = "/tokens/v2?access_token={credential}",
        },
        .classify = classify,
};
