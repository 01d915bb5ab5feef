/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Google Maps Platform: https://developers.google.com/maps/documentation/geocoding/requests-geocoding#StatusCodes
 * (and its like for each classic API), https://developers.google.com/maps/documentation/routes/handle-errors,
 * https://cloud.google.com/apis/design/errors. The classic APIs answer 200 and say in `status` how it went; the newer
 * ones use HTTP and {"error":{…}}, which a streamed answer wraps into an array.
 */
#include <math.h>

#include "plugins/helper/helper.h"

enum { STATUS = 1, ERROR_STATUS, REASON, MESSAGE };

static const Field fields[] = {
        { STATUS, { "status" } },
        { MESSAGE, { "error_message" } },
        { MESSAGE, { "errorMessage" } }, /* Time Zone */
        { MESSAGE, { "error", "message" } },
        { ERROR_STATUS, { "error", "status" } },
        { REASON, { "error", "details", EACH, "reason" } },
        { REASON, { "error", "errors", EACH, "reason" } },
        { MESSAGE, { EACH, "error", "message" } },
        { ERROR_STATUS, { EACH, "error", "status" } },
};

#define ANSWER(text) 200, 499, STATUS, MATCH_EQUAL, text
#define BECAUSE(text) 200, 499, REASON, MATCH_EQUAL, text
#define ERROR(text) 200, 299, ERROR_STATUS, MATCH_EQUAL, text

#define NO_RESULT PM_CLIENT_ERROR, PM_SCOPE_OPERATION, false, "no result for this request"
#define BAD_REQUEST PM_CLIENT_ERROR, PM_SCOPE_OPERATION, false, "the request was refused"
#define BAD_KEY PM_AUTHENTICATION_FAILURE, PM_SCOPE_ACCOUNT, true, "the API key is missing or wrong"
#define NOT_ALLOWED PM_AUTHENTICATION_FAILURE, PM_SCOPE_OPERATION, true, "the API key does not allow this"
#define TOO_FAST PM_RATE_LIMIT_EXCEEDED, PM_SCOPE_OPERATION, true, "too many requests"
#define USED_UP PM_BUDGET_EXHAUSTED, PM_SCOPE_ACCOUNT, true, "the quota of the day is used up"
#define NO_BILLING PM_BUDGET_EXHAUSTED, PM_SCOPE_ACCOUNT, true, "the project has no billing"
#define FAILED PM_SERVICE_UNAVAILABLE, PM_SCOPE_NODE, true, "the vendor failed"

static const Rule rules[] = {
        /* Classic. */
        { ANSWER("OK"), PM_OK },
        { ANSWER("ZERO_RESULTS"), NO_RESULT },
        { ANSWER("NOT_FOUND"), NO_RESULT },
        { ANSWER("DATA_NOT_AVAILABLE"), NO_RESULT },
        { ANSWER("INVALID_REQUEST"), BAD_REQUEST },
        { ANSWER("MAX_WAYPOINTS_EXCEEDED"), BAD_REQUEST },
        { ANSWER("MAX_ROUTE_LENGTH_EXCEEDED"), BAD_REQUEST },
        { ANSWER("MAX_ELEMENTS_EXCEEDED"), BAD_REQUEST },
        { ANSWER("MAX_DIMENSIONS_EXCEEDED"), BAD_REQUEST },
        { ANSWER("UNKNOWN_ERROR"), FAILED },
        { ANSWER("OVER_DAILY_LIMIT"), USED_UP },
        /* One status stands for several causes; only the message tells them apart. */
        { 200, 499, MESSAGE, MATCH_TEXT, "daily request quota", USED_UP },
        { 200, 499, MESSAGE, MATCH_TEXT, "enable billing", NO_BILLING },
        { ANSWER("OVER_QUERY_LIMIT"), TOO_FAST },
        { ANSWER("REQUEST_DENIED"), BAD_KEY },
        { 200, 299, STATUS, MATCH_PRESENT, NULL, PM_DATA_CORRUPTION, PM_SCOPE_OPERATION, true,
          "a status that the documentation does not know" },

        /* Newer. */
        { BECAUSE("API_KEY_INVALID"), BAD_KEY },
        { BECAUSE("keyInvalid"), BAD_KEY },
        { 400, 400, MESSAGE, MATCH_TEXT, "api key not valid", BAD_KEY },
        { 400, 400, MESSAGE, MATCH_TEXT, "api key is not valid", BAD_KEY },
        { 400, 400, MESSAGE, MATCH_TEXT, "api key is invalid", BAD_KEY },
        { 400, 400, MESSAGE, MATCH_TEXT, "api key expired", BAD_KEY },
        { BECAUSE("BILLING_DISABLED"), NO_BILLING },
        { BECAUSE("dailyLimitExceeded"), USED_UP },
        { 429, 429, MESSAGE, MATCH_TEXT, "per day", USED_UP }, /* "… and limit 'Requests per day' of service …" */
        { BECAUSE("userRateLimitExceeded"), TOO_FAST },
        { BECAUSE("rateLimitExceeded"), TOO_FAST },
        { BECAUSE("RATE_LIMIT_EXCEEDED"), TOO_FAST },
        { 200, 499, ERROR_STATUS, MATCH_EQUAL, "RESOURCE_EXHAUSTED", TOO_FAST },
        { BECAUSE("accessNotConfigured"), NOT_ALLOWED },
        { BECAUSE("SERVICE_DISABLED"), NOT_ALLOWED },
        { BECAUSE("API_KEY_SERVICE_BLOCKED"), NOT_ALLOWED },
        { 400, 499, ERROR_STATUS, MATCH_EQUAL, "ACCESS_NOT_CONFIGURED", NOT_ALLOWED },

        /* An error inside of a success: a stream that had begun. */
        { ERROR("INVALID_ARGUMENT"), BAD_REQUEST },
        { ERROR("NOT_FOUND"), BAD_REQUEST },
        { ERROR("PERMISSION_DENIED"), BAD_KEY },
        { ERROR("UNAUTHENTICATED"), BAD_KEY },
        { 200, 299, ERROR_STATUS, MATCH_PRESENT, NULL, FAILED },
};

ASSERT_VENDOR_TABLES(fields, rules);

/*
 * What other maps can do has the same name there. Prices as of 2026; those that nobody could confirm are left to the
 * operator.
 */
static const struct pm_operation operations[] = {
        { "geocode", "GET", "/maps/api/geocode/json", "request", true, KEYS("results", "status"), 5000, 10000 },
        { "reverse_geocode", "GET", "/maps/api/geocode/json", "request", true, KEYS("results", "status"), 5000, 10000 },
        { "directions", "GET", "/maps/api/directions/json", "request", true, KEYS("routes", "status"), -1, 0 },
        { "matrix", "GET", "/maps/api/distancematrix/json", "element", true, KEYS("rows", "status"), -1, 0 },
        { "elevation", "GET", "/maps/api/elevation/json", "request", true, KEYS("results", "status"), -1, 0 },
        { "timezone", "GET", "/maps/api/timezone/json", "request", true, KEYS("status", "timeZoneId"), -1, 0 },
        { "place_details", "GET", "/maps/api/place/details/json", "request", true, KEYS("result", "status"), -1, 0 },
        { "place_search", "GET", "/maps/api/place/textsearch/json", "request", true, KEYS("results", "status"), -1, 0 },
        /* An answer without a route is {}. */
        { "compute_routes", "POST", "/directions/v2:computeRoutes", "request", true, NULL, -1, 0 },
        { "compute_route_matrix", "POST", "/distanceMatrix/v2:computeRouteMatrix", "element", true, NULL, -1, 0 },
        {},
};

static const Vendor vendor = {
        VENDOR_TABLES(fields, rules),
        .codes = { REASON, ERROR_STATUS, STATUS },
        .may_be_empty = true,              /* Routes: no route */
        .limit_scope = PM_SCOPE_OPERATION, /* so many a minute for each API */
        .probe_operation = &operations[0],
};

static void classify(const struct pm_provider *p _unused_, const struct pm_response *r,
                     struct pm_classification *ret) {
        vendor_classify(&vendor, r, ret);
}

/* Served from the edge of a worldwide network. */
static const struct pm_region regions[] = {
        { "global", "https://maps.googleapis.com", NAN, NAN },
        {},
};

#define PLACE "/maps/api/geocode/json?latlng=0,0"

PM_PROVIDER_EXPORT const struct pm_provider pointsman_provider = {
        .abi = PM_PROVIDER_ABI,
        .size = sizeof(struct pm_provider),
        .name = "google",
        .title = "Google Maps Platform",
        .version = "1",
        .documentation = "https://developers.google.com/maps/documentation",
        .url = "https://maps.googleapis.com",
        .regions = regions,
        .operations = operations,
        /* Without a key: 200 and REQUEST_DENIED, and nothing is charged. */
        .probe = &(const struct pm_probe) { .method = "GET", .path = PLACE },
        .authenticated_probe = &(const struct pm_probe) {
                .method = "GET",
                .path = PLACE "&key={credential}",
                .billed = true,
        },
        .classify = classify,
};
