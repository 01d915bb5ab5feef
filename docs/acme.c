/* SPDX-License-Identifier: Apache-2.0 */
/* The example of docs/plugins.md: a whole provider plugin, for an API that says everything by its HTTP status. */
#include <stdio.h>
#include <string.h>

#include <pointsman/provider.h>

static const struct pm_operation operations[] = {
        {
                .name = "geocode",
                .method = "GET",
                .path = "/v1/geocode",
                .unit = "request",
                .idempotent = true, /* a second try does no harm */
                .required_keys = (const char *const[]) { "results", NULL },
                .price = 400, /* micro-dollars: $0.40 per 1000 */
                .free_units = 5000,
        },
        {},
};

static void classify(const struct pm_provider *p, const struct pm_response *r, struct pm_classification *ret) {
        (void) p;
        memset(ret, 0, sizeof(*ret));
        ret->reachable = r->http_status > 0;
        if (r->http_status >= 200 && r->http_status <= 299)
                ret->verdict = PM_OK;
        else if (r->http_status == 429) {
                ret->verdict = PM_RATE_LIMIT_EXCEEDED;
                ret->scope = PM_SCOPE_OPERATION;
                ret->retryable = true;
        } else if (r->http_status == 401 || r->http_status == 403) {
                ret->verdict = PM_AUTHENTICATION_FAILURE;
                ret->scope = PM_SCOPE_ACCOUNT;
                ret->retryable = true;
        } else if (r->http_status >= 400 && r->http_status <= 499)
                ret->verdict = PM_CLIENT_ERROR;
        else {
                ret->verdict = PM_SERVICE_UNAVAILABLE;
                ret->retryable = true;
        }
        if (ret->verdict != PM_OK)
                snprintf(ret->reason, sizeof(ret->reason), "HTTP %d", r->http_status);
}

PM_PROVIDER_EXPORT const struct pm_provider pointsman_provider = {
        .abi = PM_PROVIDER_ABI,
        .size = sizeof(struct pm_provider),
        .name = "acme",
        .title = "Acme Maps",
        .version = "1",
        .documentation = "https://acme.example/docs/errors",
        .url = "https://api.acme.example",
        .operations = operations,
        .probe = &(const struct pm_probe) { .method = "GET", .path = "/v1/geocode" },
        .authenticated_probe = &(const struct pm_probe) {
                .method = "GET",
                .path = "/v1/status",
                .headers = (const struct pm_header[]) { { "Authorization", "Bearer {credential}" }, {} },
        },
        .classify = classify,
};
