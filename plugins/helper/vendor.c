/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "basic/macro.h"
#include "plugins/helper/helper.h"

/*
 * What HTTP itself says of a status (RFC 9110 section 15, RFC 6585), where no rule of the vendor's says more.
 * Retryable: nothing is wrong with the request itself.
 */
static const Rule http_rules[] = {
        { 200, 299, .verdict = PM_OK },
        { 304, 304, .verdict = PM_OK },
        { 300, 399, .verdict = PM_CLIENT_ERROR, .reason = "redirected: this URL is not the API's" },
        { 401, 401, .verdict = PM_AUTHENTICATION_FAILURE, .scope = PM_SCOPE_ACCOUNT, .retryable = true,
          .reason = "the credential is missing or wrong" },
        { 403, 403, .verdict = PM_AUTHENTICATION_FAILURE, .scope = PM_SCOPE_ACCOUNT, .retryable = true,
          .reason = "the credential does not allow this" },
        { 407, 407, .verdict = PM_NETWORK_ISSUE, .retryable = true,
          .reason = "a proxy on the way wants a credential of its own" },
        { 408, 408, .verdict = PM_CLIENT_ERROR, .retryable = true, .reason = "the request came too slowly" },
        { 425, 425, .verdict = PM_CLIENT_ERROR, .retryable = true, .reason = "the request came too early" },
        { 429, 429, .verdict = PM_RATE_LIMIT_EXCEEDED, .retryable = true, .reason = "too many requests" },
        { 400, 499, .verdict = PM_CLIENT_ERROR, .reason = "the request was refused" },
        { 500, 599, .verdict = PM_SERVICE_UNAVAILABLE, .retryable = true, .reason = "the vendor failed" },
        { 0, 0, .verdict = PM_NETWORK_ISSUE, .retryable = true, .reason = "no HTTP response" },
};

static const Rule not_final = {
        .verdict = PM_DATA_CORRUPTION,
        .retryable = true,
        .reason = "not the status of a response",
};

static const Rule *find_http_rule(int status) {
        for (size_t i = 0; i < ELEMENTSOF(http_rules); i++)
                if (status >= http_rules[i].from && status <= http_rules[i].to)
                        return &http_rules[i];
        return &not_final;
}

/* The vendor's first rule that holds, or NULL. */
static const Rule *find_rule(const Vendor *v, int status, const Body *b) {
        for (size_t i = 0; i < v->n_rules; i++) {
                const Rule *rule = &v->rules[i];

                if (status >= rule->from && status <= rule->to && (rule->field == 0 || b->rules >> i & 1))
                        return rule;
        }
        return NULL;
}

/* Why the body of a success is not one; NULL: it is. */
static const char *body_complaint(const Vendor *v, const struct pm_response *r, const Body *b,
                                  const char *const *required_keys, bool *ret_json) {
        bool cut = (r->body_truncated || r->body_size > BODY_MAX) && b->error == -ENODATA;

        *ret_json = true;
        /* The caller did not keep the body; or there is none to keep (RFC 9110 sections 15.3.5, 15.3.6, 15.4.5). */
        if (!r->body || r->http_status == 204 || r->http_status == 205 || r->http_status == 304 || cut)
                return NULL;
        if (b->error == 0 && b->container) {
                for (size_t i = 0; required_keys && required_keys[i] && i < 32; i++)
                        if (!(b->keys >> i & 1))
                                return "the body lacks what this operation returns";
                return b->hollow && !v->may_be_empty ? "the body is an object with nothing in it" : NULL;
        }
        *ret_json = false;
        return b->empty ? "the body is empty" :
               b->error == -ENODATA ? "the body ends too early" :
               b->error == -ELOOP ? "the body is nested too deep" :
               b->error < 0 ? "the body is not JSON" : "the body is neither an object nor an array";
}

static bool is_word(const char *s, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (!((s[i] >= '0' && s[i] <= '9') || ((s[i] | 0x20) >= 'a' && (s[i] | 0x20) <= 'z') ||
                      memchr("_-.:", s[i], 4)))
                        return false;
        return n > 0;
}

void classification_explain(struct pm_classification *ret, int http_status, const char *reason, const char *code) {
        bool named = code && is_word(code, strlen(code));

        snprintf(ret->reason, sizeof(ret->reason), "HTTP %d: %s%s%.80s%s", http_status, reason, named ? " (" : "",
                 named ? code : "", named ? ")" : "");
}

/* One word of printable ASCII that needs no escape anywhere. */
static bool is_token(const char *s, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (s[i] <= 0x20 || s[i] >= 0x7F || s[i] == '"' || s[i] == '\\')
                        return false;
        return n > 0;
}

/* The vendor's id of the request, best source first. It is for people who write to the vendor's support. */
static void find_request_id(const Vendor *v, const struct pm_response *r, const Body *b,
                            struct pm_classification *ret) {
        static const char *const headers[] = { "Request-Id", "X-Correlation-Id", "X-Request-Id" };
        const char *id = NULL;
        size_t n = 0;

        if (v->request_id_header)
                id = header_find(r, v->request_id_header, &n);
        for (size_t i = 0; !id && i < ELEMENTSOF(headers); i++)
                id = header_find(r, headers[i], &n);
        if (!id && v->request_id) {
                id = b->text[v->request_id];
                n = strlen(id);
        }
        if (id && n < sizeof(ret->request_id) && is_token(id, n))
                memcpy(ret->request_id, id, n);
}

/* How long to wait: as Retry-After says, else until the limit's reset, else for its interval. */
static void find_waits(const Vendor *v, const struct pm_response *r, struct pm_classification *ret) {
        RateLimit limit;

        rate_limit(r, v->remaining_header, v->reset_header, &limit);
        if (ret->verdict == PM_OK) {
                if (limit.used_up)
                        ret->cooldown_ns = limit.reset_ns;
                return;
        }
        ret->retry_after_ns = retry_after(r, "Retry-After");
        if (v->retry_header)
                ret->retry_after_ns = MAX(ret->retry_after_ns, retry_after(r, v->retry_header));
        if (ret->retry_after_ns == 0 && ret->verdict == PM_RATE_LIMIT_EXCEEDED)
                ret->retry_after_ns = limit.reset_ns > 0 ? limit.reset_ns : limit.interval_ns;
}

void vendor_classify(const Vendor *v, const struct pm_response *r, struct pm_classification *ret) {
        const struct pm_operation *operation = r->operation;
        const char *const *required_keys;
        const char *complaint = NULL, *code = NULL;
        bool success = r->http_status >= 200 && r->http_status <= 299, json = true;
        const Rule *rule;
        Body body = {};

        if (!operation && r->probe && r->authenticated)
                operation = v->probe_operation;
        required_keys = operation ? operation->required_keys : NULL;

        if (r->body && r->http_status > 0 && (!v->any_body || v->n_fields > 0 || required_keys)) {
                body_read(v, r, success ? required_keys : NULL, &body);
                if (success && (!v->any_body || required_keys))
                        complaint = body_complaint(v, r, &body, required_keys, &json);
        }

        *ret = (struct pm_classification) {};
        /* A body that is not JSON tells nothing; one that lacks a key may say why. */
        rule = json ? find_rule(v, r->http_status, &body) : NULL;
        bool own = rule;
        if (!rule)
                rule = find_http_rule(r->http_status);

        ret->verdict = rule->verdict;
        ret->scope = own || rule->verdict != PM_RATE_LIMIT_EXCEEDED ? rule->scope : v->limit_scope;
        ret->retryable = rule->retryable;
        /* A success that is not the API's may come from something on the way, e.g. the sign-in page of a network. */
        ret->reachable = r->http_status > 0 && json && rule->verdict != PM_NETWORK_ISSUE;

        if (ret->verdict == PM_OK && complaint) {
                ret->verdict = PM_DATA_CORRUPTION;
                ret->retryable = true;
        } else
                complaint = rule->reason;

        find_request_id(v, r, &body, ret);
        find_waits(v, r, ret);
        if (ret->verdict == PM_OK) {
                ret->scope = v->limit_scope;
                return;
        }

        /* That a probe without a credential is turned away says nothing about the account. */
        if (ret->verdict == PM_AUTHENTICATION_FAILURE && r->probe && !r->authenticated)
                ret->scope = PM_SCOPE_NODE;
        for (size_t i = 0; !code && i < ELEMENTSOF(v->codes); i++)
                if (v->codes[i] && body.text[v->codes[i]][0])
                        code = body.text[v->codes[i]];
        classification_explain(ret, r->http_status, complaint, code);
}
