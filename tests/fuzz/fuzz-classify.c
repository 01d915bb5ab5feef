/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any answer to any plugin is a verdict within bounds, and the same one again. The input: a byte each for the plugin,
 * the status, the operation and the flags; header lines "Name: value" up to an empty one; the body.
 */
#include "basic/macro.h"
#include "daemon/providers/providers.h"

#define HEADERS_MAX 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static Providers *providers;

static void check(bool condition) {
        if (!condition)
                abort();
}

static void check_text(const char *text, size_t size) {
        check(memchr(text, 0, size));
        for (; *text; text++)
                check(*text >= 0x20 && *text < 0x7F);
}

/* Cuts lines off text, which it changes, into headers. Returns what is behind the empty line. */
static char *read_headers(char *text, struct pm_header headers[HEADERS_MAX], size_t *ret_n) {
        size_t n = 0;

        for (char *line; n < HEADERS_MAX && (line = strsep(&text, "\n")) && line[0]; n++) {
                char *value = strchr(line, ':');

                if (value)
                        *value++ = 0;
                headers[n] = (struct pm_header) { line, value };
        }
        *ret_n = n;
        return text;
}

static void check_classification(const struct pm_classification *c) {
        check(c->verdict >= 0 && c->verdict < _PM_VERDICT_MAX && c->verdict != PM_PERFORMANCE_DEGRADATION);
        check(c->scope >= 0 && c->scope < _PM_SCOPE_MAX);
        check(c->retry_after_ns <= RETRY_AFTER_MAX_NS && c->cooldown_ns <= RETRY_AFTER_MAX_NS);
        check(c->verdict == PM_OK ? c->reason[0] == 0 : c->cooldown_ns == 0 && c->reason[0] != 0);
        check_text(c->reason, sizeof(c->reason));
        check_text(c->request_id, sizeof(c->request_id));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct pm_classification first, second;
        struct pm_header headers[HEADERS_MAX];
        _cleanup_free_ char *text = NULL;
        const struct pm_provider *p;
        size_t n_operations = 0;

        if (!providers) {
                check(providers_load(PLUGINS, &providers) == 0 && providers_n(providers) == 5);
                for (size_t i = 0; i < 5; i++)
                        check(providers_get(providers, i)->provider);
        }
        if (size < 4)
                return 0;
        text = malloc(size - 3);
        check(text);
        memcpy(text, data + 4, size - 4);
        text[size - 4] = 0;

        p = providers_get(providers, data[0] % 5)->provider;
        while (p->operations[n_operations].name)
                n_operations++;
        struct pm_response r = {
                .http_status = data[1] < 200 ? 200 + 100 * (data[1] % 4) + data[1] / 4 : data[1] - 210,
                .operation = data[2] < n_operations ? &p->operations[data[2]] : NULL,
                .body_truncated = data[3] & 1,
                .probe = data[3] & 2,
                .authenticated = data[3] & 4,
                .now_utc_ns = data[3] & 8 ? UINT64_C(1790000000000000000) : 0,
                .headers = headers,
        };
        r.body = read_headers(text, headers, &r.n_headers);
        r.body_size = r.body ? size - 4 - (size_t) (r.body - text) : 0;

        providers_classify(p, &r, _CALL_ERROR_INVALID, &first);
        check_classification(&first);
        providers_classify(p, &r, _CALL_ERROR_INVALID, &second);
        check(memcmp(&first, &second, sizeof(first)) == 0);
        return 0;
}
