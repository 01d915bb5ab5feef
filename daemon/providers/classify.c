/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "basic/macro.h"
#include "basic/scrub.h"
#include "basic/units.h"
#include "daemon/providers/providers.h"
#include "plugins/helper/helper.h"

/* Nobody knows this vendor: only HTTP itself says what an answer means. */
static const Vendor unknown_vendor = { .any_body = true };

static void say(struct pm_classification *ret, Verdict verdict, bool retryable, const char *reason) {
        *ret = (struct pm_classification) { .verdict = verdict, .retryable = retryable };
        snprintf(ret->reason, sizeof(ret->reason), "%s", reason);
}

/* A call that got no (whole) response. */
static void classify_error(CallError error, struct pm_classification *ret) {
        static const char *const reasons[] = {
                [CALL_ERROR_TIMEOUT] = "no response in time",
                [CALL_ERROR_CONNECT] = "no connection",
                [CALL_ERROR_DNS] = "the host's name was not found",
                [CALL_ERROR_TLS] = "no secure connection",
                [CALL_ERROR_RESET] = "the connection was closed",
        };

        if (error == CALL_ERROR_NOT_SENT)
                say(ret, PM_NOT_SENT, true, "the call was not made");
        else if (error == CALL_ERROR_CANCELED)
                say(ret, PM_UNKNOWN, true, "the caller gave up before there was a response");
        else
                say(ret, PM_NETWORK_ISSUE, true,
                    error >= 0 && (size_t) error < ELEMENTSOF(reasons) ? reasons[error] : "no HTTP response");
}

/* A bool that a plugin wrote may be any byte. */
static bool any_bool(const bool *b) {
        unsigned char c;

        memcpy(&c, b, 1);
        return c;
}

/* What only the daemon decides, and what is not a verdict at all, a plugin must not say. */
static bool is_sane(const struct pm_classification *c) {
        return c->verdict >= 0 && c->verdict < _PM_VERDICT_MAX && c->verdict != PM_PERFORMANCE_DEGRADATION &&
                c->verdict != PM_NOT_SENT && c->verdict != PM_UNKNOWN && c->scope >= 0 && c->scope < _PM_SCOPE_MAX &&
                memchr(c->request_id, 0, sizeof(c->request_id)) && memchr(c->reason, 0, sizeof(c->reason));
}

/* Text for logs and D-Bus: printable ASCII, so that nothing is said to a terminal and nothing is not UTF-8. */
static void make_printable(char *text) {
        for (; *text; text++)
                if ((unsigned char) *text < 0x20 || (unsigned char) *text >= 0x7F)
                        *text = '?';
}

static void call_plugin(const struct pm_provider *p, const struct pm_response *response,
                        struct pm_classification *ret) {
        /* A plugin that fills in nothing has not said that all is well. */
        struct pm_classification c = { .verdict = _PM_VERDICT_MAX };

        p->classify(p, response, &c);
        if (!is_sane(&c)) {
                say(ret, PM_UNKNOWN, true, "");
                ret->reachable = true;
                snprintf(ret->reason, sizeof(ret->reason), "the plugin %.64s returned what is no verdict", p->name);
                return;
        }
        *ret = (struct pm_classification) {
                .verdict = c.verdict,
                .scope = c.scope,
                .retryable = any_bool(&c.retryable),
                .reachable = any_bool(&c.reachable),
                .retry_after_ns = MIN(c.retry_after_ns, RETRY_AFTER_MAX_NS),
                .cooldown_ns = MIN(c.cooldown_ns, RETRY_AFTER_MAX_NS),
        };
        memcpy(ret->request_id, c.request_id, strlen(c.request_id));
        memcpy(ret->reason, c.reason, strlen(c.reason));
        make_printable(ret->request_id);
        make_printable(ret->reason);
        scrub_secrets(ret->request_id);
        scrub_secrets(ret->reason);
}

/* The request's id helps who writes to the vendor's support, and the reason is what reaches log and audit. */
static void add_request_id(struct pm_classification *c) {
        size_t n = strlen(c->reason);

        if (c->verdict != PM_OK && c->request_id[0])
                snprintf(c->reason + n, sizeof(c->reason) - n, "%srequest %s", n > 0 ? ", " : "", c->request_id);
}

void providers_classify(const struct pm_provider *p, const struct pm_response *response, CallError error,
                        struct pm_classification *ret) {
        int status = response->http_status;

        /* A success that broke off is none. */
        if (status == 0 || (status >= 200 && status <= 299 && error != _CALL_ERROR_INVALID)) {
                classify_error(error, ret);
                return;
        }
        if (status < 200 || status > 599) {
                say(ret, PM_UNKNOWN, true, "");
                snprintf(ret->reason, sizeof(ret->reason), "%d is not the status of an HTTP response", status);
                return;
        }

        if (p)
                call_plugin(p, response, ret);
        else
                vendor_classify(&unknown_vendor, response, ret);
        /* What nobody named cannot be left alone by itself. */
        if (ret->scope == PM_SCOPE_OPERATION && !response->operation)
                ret->scope = PM_SCOPE_NODE;
        add_request_id(ret);
}
