/* SPDX-License-Identifier: Apache-2.0 */
/* Plugins as they should not be, and one as it should; the build says which by a macro. */
#include <string.h>

#include "pointsman/provider.h"

#ifndef NAME
#define NAME "good"
#endif
#ifndef ABI
#define ABI PM_PROVIDER_ABI
#endif
#ifndef SIZE
#define SIZE sizeof(struct pm_provider)
#endif
#ifndef PRICE
#define PRICE 1000
#endif
#ifndef SYMBOL
#define SYMBOL pointsman_provider
#endif

#ifdef UNRESOLVED
void nobody_defines_this(void);
#endif

static void classify(const struct pm_provider *p, const struct pm_response *r, struct pm_classification *ret) {
        (void) p;
#ifdef UNRESOLVED
        nobody_defines_this();
#endif
#ifdef NONSENSE
        /* The status says which nonsense. */
        memset(ret, 0, sizeof(*ret));
        switch (r->http_status) {
        case 200: memset(ret, 0xFF, sizeof(*ret)); break;
        case 201: memset(ret->reason, 'x', sizeof(ret->reason)); break;
        case 202: memset(ret->request_id, 'x', sizeof(ret->request_id)); break;
        case 203: ret->verdict = PM_NOT_SENT; break;
        case 204: ret->scope = (enum pm_scope) 77; break;
        case 205: ret->verdict = _PM_VERDICT_MAX; break;
        case 206:
                ret->verdict = PM_RATE_LIMIT_EXCEEDED;
                ret->retry_after_ns = ret->cooldown_ns = UINT64_MAX;
                memset(&ret->retryable, 0x55, sizeof(ret->retryable));
                strcpy(ret->reason, "see https://x/?key=geheim&a=b\n\xff");
                strcpy(ret->request_id, "id");
                break;
        }
#else
        memset(ret, 0, sizeof(*ret));
        ret->verdict = r->http_status == 200 ? PM_OK : PM_SERVICE_UNAVAILABLE;
#endif
}

static const struct pm_operation operations[] = {
        { "ping", "GET", "/ping", "request", true, NULL, PRICE, 0 },
        {},
};

#ifdef FUNCTION
PM_PROVIDER_EXPORT int pointsman_provider(void);
int pointsman_provider(void) {
        struct pm_response r = { .operation = operations };
        struct pm_classification c;

        classify(NULL, &r, &c);
        return (int) c.verdict;
}
#else
PM_PROVIDER_EXPORT extern const struct pm_provider SYMBOL;
const struct pm_provider SYMBOL = {
        .abi = ABI,
        .size = SIZE,
        .name = NAME,
        .title = "A variant",
        .version = "1",
        .documentation = "https://example.org/",
        .url = "https://example.org",
        .operations = operations,
        .probe = &(const struct pm_probe) { .method = "GET", .path = "/ping" },
        .classify = classify,
};
#endif
