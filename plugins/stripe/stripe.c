/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stripe: https://docs.stripe.com/api/errors, https://docs.stripe.com/rate-limits,
 * https://docs.stripe.com/error-low-level, https://docs.stripe.com/api/idempotent_requests. Authentication failures
 * carry the type invalid_request_error, so the status decides before the type.
 */
#include <math.h>
#include <string.h>

#include "plugins/helper/helper.h"

enum { CODE = 1, TYPE };

static const Field fields[] = {
        { CODE, { "error", "code" } },
        { TYPE, { "error", "type" } },
        { CODE, { "error" } }, /* a string, as OAuth and one 409 have it */
};

static const Rule rules[] = {
        /* Before 2015-09-18 a rate limit was a 400; old API versions still get it. */
        { 400, 400, CODE, MATCH_EQUAL, "rate_limit", PM_RATE_LIMIT_EXCEEDED, PM_SCOPE_ACCOUNT, true,
          "too many requests" },
        /* One object is being changed by another request; nobody was too fast. */
        { 429, 429, CODE, MATCH_EQUAL, "lock_timeout", PM_CLIENT_ERROR, PM_SCOPE_OPERATION, true,
          "another request holds the object" },
        { 409, 409, .verdict = PM_CLIENT_ERROR, .scope = PM_SCOPE_OPERATION, .retryable = true,
          .reason = "another request is in the way" },
        { 402, 402, .verdict = PM_CLIENT_ERROR, .scope = PM_SCOPE_OPERATION, .reason = "the payment was declined" },
        /* A restricted key may do some things and not others. */
        { 403, 403, .verdict = PM_AUTHENTICATION_FAILURE, .scope = PM_SCOPE_OPERATION, .retryable = true,
          .reason = "the key does not allow this" },
        /* Something that Stripe itself depends on for this call, e.g. a bank. */
        { 424, 424, .verdict = PM_SERVICE_UNAVAILABLE, .scope = PM_SCOPE_OPERATION, .retryable = true,
          .reason = "a party behind the vendor failed" },
};

ASSERT_VENDOR_TABLES(fields, rules);

#define INTENT "/v1/payment_intents"
#define INTENT_KEYS KEYS("id", "object", "status")

/* Fees are a percentage and a fixed part, so that a price a call is the operator's to set. */
static const struct pm_operation operations[] = {
        { "create_payment_intent", "POST", INTENT, "request", false, INTENT_KEYS, -1, 0 },
        { "confirm_payment_intent", "POST", INTENT "/{id}/confirm", "request", false, INTENT_KEYS, -1, 0 },
        { "capture_payment_intent", "POST", INTENT "/{id}/capture", "request", false, INTENT_KEYS, -1, 0 },
        { "create_refund", "POST", "/v1/refunds", "request", false, KEYS("id", "object"), -1, 0 },
        { "create_customer", "POST", "/v1/customers", "request", false, KEYS("id", "object"), -1, 0 },
        { "balance", "GET", "/v1/balance", "request", true, KEYS("object", "available", "livemode"), -1, 0 },
        {},
};

static const Vendor vendor = {
        VENDOR_TABLES(fields, rules),
        .codes = { CODE, TYPE },
        .limit_scope = PM_SCOPE_ACCOUNT,
        .probe_operation = &operations[5],
};

/* Stripe-Rate-Limited-Reason: what was exceeded, and so how far it reaches. */
static const struct { const char *value; enum pm_scope scope; } limits[] = {
        { "global-rate", PM_SCOPE_ACCOUNT },
        { "global-concurrency", PM_SCOPE_ACCOUNT },
        { "endpoint-rate", PM_SCOPE_OPERATION },
        { "endpoint-concurrency", PM_SCOPE_OPERATION },
        { "resource-specific", PM_SCOPE_OPERATION },
};

static void classify(const struct pm_provider *p _unused_, const struct pm_response *r,
                     struct pm_classification *ret) {
        vendor_classify(&vendor, r, ret);

        if (ret->verdict == PM_RATE_LIMIT_EXCEEDED)
                for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
                        if (header_is(r, "Stripe-Rate-Limited-Reason", limits[i].value)) {
                                ret->scope = limits[i].scope;
                                classification_explain(ret, r->http_status, "too many requests", limits[i].value);
                        }

        /* An idempotency key brings back the saved answer for 24 hours, failures included: a second try is in vain. */
        if (ret->verdict == PM_SERVICE_UNAVAILABLE && header_is(r, "Idempotent-Replayed", "true"))
                ret->retryable = false;
        if (ret->verdict != PM_OK && header_is(r, "Stripe-Should-Retry", "true"))
                ret->retryable = true;
        if (header_is(r, "Stripe-Should-Retry", "false"))
                ret->retryable = false;
}

/* One host serves the world; where its servers are is not published. The others are the places that such names mean. */
static const struct pm_region regions[] = {
        { "global", "https://api.stripe.com", NAN, NAN },
        { "us-east", "https://api.stripe.com", 38.9, -77.5 },
        { "us-west", "https://api.stripe.com", 45.8, -119.7 },
        {},
};

PM_PROVIDER_EXPORT const struct pm_provider pointsman_provider = {
        .abi = PM_PROVIDER_ABI,
        .size = sizeof(struct pm_provider),
        .name = "stripe",
        .title = "Stripe",
        .version = "1",
        .documentation = "https://docs.stripe.com/api/errors",
        .url = "https://api.stripe.com",
        .regions = regions,
        .operations = operations,
        .probe = &(const struct pm_probe) { .method = "GET", .path = "/v1/balance" },
        .authenticated_probe = &(const struct pm_probe) {
                .method = "GET",
                .path = "/v1/balance",
                .headers = (const struct pm_header[]) { { "Authorization", "Bearer {credential}" }, {} },
        },
        .classify = classify,
};
