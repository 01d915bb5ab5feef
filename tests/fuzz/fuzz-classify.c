/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any answer to a plugin, the one that the program is called after, is a verdict within bounds, and the same one again. The
 * input: a byte each for the status, the operation and the flags; for the generic one options as lines "name: value" up to
 * an empty one; header lines likewise; the body. Whatever options the generic one takes, the tables that it makes of them
 * are whole.
 */
#include "basic/macro.h"
#include "daemon/core/provider.h"
#include "daemon/providers/providers.h"

#define HEADERS_MAX 32

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static Providers *providers;
static const struct pm_provider *plugin;

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

static void ignore(void *userdata _unused_, const char *option _unused_, const char *message) {
        check(message && message[0]);
}

/* NULL: they are wrong. *text moves behind them. */
static const struct pm_provider *make_provider(char **text) {
        struct pm_header lines[HEADERS_MAX];
        struct pm_option options[HEADERS_MAX];
        const struct pm_provider *p;
        size_t n;

        *text = read_headers(*text, lines, &n);
        for (size_t i = 0; i < n; i++) {
                const char *value = lines[i].value ? lines[i].value : "";

                options[i] = (struct pm_option) { lines[i].name, value + strspn(value, " ") };
        }
        p = plugin->create(options, n, ignore, NULL);
        if (p)
                check(!provider_check(p, plugin->name));
        return p;
}

static void check_classification(const struct pm_classification *c) {
        check(c->verdict >= 0 && c->verdict < _PM_VERDICT_MAX && c->verdict != PM_PERFORMANCE_DEGRADATION);
        check(c->scope >= 0 && c->scope < _PM_SCOPE_MAX);
        check(c->retry_after_ns <= RETRY_AFTER_MAX_NS && c->cooldown_ns <= RETRY_AFTER_MAX_NS);
        check(c->verdict == PM_OK ? c->reason[0] == 0 : c->cooldown_ns == 0 && c->reason[0] != 0);
        check_text(c->reason, sizeof(c->reason));
        check_text(c->request_id, sizeof(c->request_id));
}

int LLVMFuzzerInitialize(int *argc _unused_, char ***argv) {
        const char *dash = strrchr((*argv)[0], '-');

        check(dash && providers_load(PLUGINS, &providers) == 0);
        plugin = providers_find(providers, dash + 1);
        check(plugin);
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct pm_classification first, second;
        struct pm_header headers[HEADERS_MAX];
        _cleanup_free_ char *text = NULL;
        const struct pm_provider *p = plugin;
        size_t n_operations = 0;
        char *rest;

        if (size < 3)
                return 0;
        text = malloc(size - 2);
        check(text);
        memcpy(text, data + 3, size - 3);
        text[size - 3] = 0;

        rest = text;
        if (plugin->create)
                p = make_provider(&rest);
        if (!p)
                return 0;
        while (p->operations[n_operations].name)
                n_operations++;
        struct pm_response r = {
                .http_status = data[0] < 200 ? 200 + 100 * (data[0] % 4) + data[0] / 4 : data[0] - 210,
                .operation = data[1] < n_operations ? &p->operations[data[1]] : NULL,
                .body_truncated = data[2] & 1,
                .probe = data[2] & 2,
                .authenticated = data[2] & 4,
                .now_utc_ns = data[2] & 8 ? UINT64_C(1790000000000000000) : 0,
                .headers = headers,
        };
        r.body = read_headers(rest, headers, &r.n_headers);
        r.body_size = r.body ? size - 3 - (size_t) (r.body - text) : 0;

        providers_classify(p, &r, _CALL_ERROR_INVALID, &first);
        check_classification(&first);
        providers_classify(p, &r, _CALL_ERROR_INVALID, &second);
        /* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): both began as zeros */
        check(memcmp(&first, &second, sizeof(first)) == 0);
        if (p != plugin)
                plugin->destroy(p);
        return 0;
}
