/* SPDX-License-Identifier: Apache-2.0 */
/* The real plugins, loaded by the real loader, against what vendors answer: one JSON object a line. */
#include <jansson.h>
#include <math.h>

#include "basic/macro.h"
#include "basic/units.h"
#include "daemon/config/config.h"
#include "daemon/providers/providers.h"
#include "tests/unit/test.h"

#define EXAMPLES TEST_DATA "/../../etc/examples/"

static const char *const example_files[] = { EXAMPLES "messaging.conf", EXAMPLES "mail.conf" };

static Providers *providers;
static Config *examples[ELEMENTSOF(example_files)];

static const struct pm_provider *find(void *userdata, const char *name) {
        return providers_find(userdata, name);
}

static int load(void **state) {
        return providers_load(PLUGINS, &providers);
}

static int unload(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(examples); i++)
                config_free(examples[i]);
        providers = providers_free(providers);
        return 0;
}

#define HEADERS_MAX 16

/* An object, or an array of pairs where a name repeats. */
static size_t read_headers(json_t *from, struct pm_header headers[HEADERS_MAX]) {
        const char *name;
        size_t i, n = 0;
        json_t *v;

        if (json_is_array(from))
                json_array_foreach(from, i, v)
                        headers[n++] = (struct pm_header) { json_string_value(json_array_get(v, 0)),
                                                            json_string_value(json_array_get(v, 1)) };
        else
                json_object_foreach(from, name, v)
                        headers[n++] = (struct pm_header) { name, json_string_value(v) };
        assert_true(n <= HEADERS_MAX);
        return n;
}

static uint64_t seconds(json_t *v) {
        return (uint64_t) llround(json_number_value(v) * 1e9);
}

/* "sms/courier" in any of the examples */
static const NodeSettings *find_node(const char *name) {
        char full[2 * NODE_NAME_MAX];

        for (size_t i = 0; i < ELEMENTSOF(examples); i++)
                for (size_t k = 0; k < examples[i]->settings.n_services; k++) {
                        const ServiceSettings *s = examples[i]->settings.services + k;

                        for (size_t n = 0; n < s->n_nodes; n++) {
                                snprintf(full, sizeof(full), "%s/%s", s->name, s->nodes[n].id);
                                if (streq(full, name))
                                        return s->nodes + n;
                        }
                }
        return NULL;
}

/* Says how a line went wrong; 0: it did not. */
static int check_line(json_t *c, unsigned line) {
        json_t *node = json_object_get(c, "node");
        const struct pm_provider *p = node ? find_node(json_string_value(node))->provider
                                           : providers_find(providers, json_string_value(json_object_get(c, "provider")));
        const char *operation = json_string_value(json_object_get(c, "operation")), *text;
        json_t *body = json_object_get(c, "body"), *v;
        struct pm_header headers[HEADERS_MAX];
        struct pm_classification ret;
        unsigned wrong = 0;

        assert_non_null(p);
        struct pm_response r = {
                .http_status = (int) json_integer_value(json_object_get(c, "http_status")),
                .headers = headers,
                .n_headers = read_headers(json_object_get(c, "headers"), headers),
                .body = json_string_value(body),
                .body_size = json_string_length(body),
                .body_truncated = json_is_true(json_object_get(c, "truncated")),
                .operation = provider_operation(p, operation ? operation : ""),
                .probe = json_is_true(json_object_get(c, "probe")),
                .authenticated = !json_is_false(json_object_get(c, "authenticated")),
                .now_utc_ns = (v = json_object_get(c, "now")) ? seconds(v) : 1790000000 * NSEC_PER_SEC,
        };
        assert_true(!operation || r.operation);
        providers_classify(p, &r, _CALL_ERROR_INVALID, &ret);

#define EXPECT(name, condition) \
        if ((v = json_object_get(c, "expected_" name)) && !(condition)) { \
                char *want = json_dumps(v, JSON_ENCODE_ANY); \
                print_error("line %u: " name " is not %s\n", line, want); \
                free(want); \
                wrong++; \
        }
        EXPECT("class", streq(enum_to_string(&verdict_names, ret.verdict), json_string_value(v)));
        EXPECT("scope", streq(((const char *[]) { "node", "operation", "account" })[ret.scope], json_string_value(v)));
        EXPECT("retryable", ret.retryable == json_is_true(v));
        EXPECT("reachable", ret.reachable == json_is_true(v));
        EXPECT("retry_after", ret.retry_after_ns == seconds(v));
        EXPECT("cooldown", ret.cooldown_ns == seconds(v));
        EXPECT("request_id", streq(ret.request_id, json_string_value(v)));
        EXPECT("reason", streq(ret.reason, json_string_value(v)));
        if (wrong > 0) {
                text = json_string_value(body);
                print_error("  %s %d %.200s\n  got %s, \"%s\", scope %d, retryable %d, reachable %d, wait %g, "
                            "cool-down %g, id %s\n", p->name, r.http_status, text ? text : "(no body)",
                            enum_to_string(&verdict_names, ret.verdict), ret.reason, (int) ret.scope, ret.retryable,
                            ret.reachable, (double) ret.retry_after_ns / 1e9, (double) ret.cooldown_ns / 1e9,
                            ret.request_id);
        }
        return wrong > 0;
}

static void check_file(const char *path, unsigned at_least) {
        _cleanup_fclose_ FILE *f = fopen(path, "re");
        unsigned line = 0, wrong = 0;
        char *text = NULL;
        size_t size = 0;

        assert_non_null(f);
        while (getline(&text, &size, f) >= 0) {
                json_error_t e;
                json_t *c = json_loads(text, 0, &e);

                line++;
                if (!c)
                        fail_msg("%s:%u: %s", path, line, e.text);
                wrong += (unsigned) check_line(c, line);
                json_decref(c);
        }
        free(text);
        assert_true(line >= at_least);
        if (wrong > 0)
                fail_msg("%s: %u of %u lines", path, wrong, line);
}

static void vendors_samples(void **state) {
        check_file(TEST_DATA "/provider_samples.jsonl", 50);
}

static void own_cases(void **state) {
        check_file(TEST_DATA "/provider_cases.jsonl", 450);
}

/* Each is a configuration without a mistake, whose nodes are all used. */
static void examples_of_the_generic_provider(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(examples); i++) {
                ConfigErrors errors;
                char text[512];
                int r = config_load(example_files[i], find, providers, &examples[i], &errors);

                if (errors.n > 0) {
                        config_error_format(&errors.errors[0], text, sizeof(text));
                        fail_msg("%s", text);
                }
                assert_int_equal(r, 0);
                config_errors_done(&errors);
        }
        check_file(TEST_DATA "/generic_cases.jsonl", 50);
}

static void what_the_examples_say_of_probes_and_prices(void **state) {
        const struct pm_provider *courier = find_node("sms/courier")->provider, *pigeon = find_node("sms/pigeon")->provider;
        const struct pm_operation *o = provider_operation(courier, "send_sms");

        assert_string_equal(courier->name, "generic");
        assert_string_equal(courier->probe->path, "/health");
        assert_string_equal(courier->probe->headers[0].name, "Accept");
        assert_null(courier->probe->headers[1].name);
        assert_string_equal(courier->authenticated_probe->path, "/v1/account");
        assert_string_equal(courier->authenticated_probe->headers[0].value, "Bearer {credential}");
        assert_string_equal(courier->authenticated_probe->headers[1].value, "application/json");
        assert_string_equal(pigeon->probe->path, "/status");
        assert_string_equal(pigeon->authenticated_probe->path, "/status?api_key={credential}");

        assert_string_equal(o->unit, "segment");
        assert_int_equal(o->price, 7500);
        assert_int_equal(o->free_units, 100);
        assert_false(o->idempotent);
        assert_true(provider_operation(courier, "lookup")->idempotent);
        assert_int_equal(provider_operation(pigeon, "send_sms")->price, -1);
        /* What two nodes say alike is made once. */
        assert_ptr_equal(find_node("mail/us")->provider, find_node("mail/eu")->provider);
}

/* ---- options that are wrong ---- */

typedef struct Mistakes {
        char text[1024];
} Mistakes;

static void note(void *userdata, const char *option, const char *message) {
        Mistakes *m = userdata;
        size_t n = strlen(m->text);

        snprintf(m->text + n, sizeof(m->text) - n, "%s%s %s", n > 0 ? "\n" : "", option ? option : "-", message);
}

static void wrong_options_are_named(void **state) {
        static const struct { const char *name, *value, *says; } cases[] = {
                { "rule_a", "429", "rule_a lacks ->; must be like: 4xx /error/code = quota -> budget_exhausted" },
                { "rule_a", "-> ok", "rule_a must begin with a status: 429, 4xx or 500-504" },
                { "rule_a", "199 -> ok", "rule_a must begin with a status: 429, 4xx or 500-504" },
                { "rule_a", "504-500 -> ok", "rule_a must begin with a status: 429, 4xx or 500-504" },
                { "rule_a", "4xxx -> ok", "rule_a must begin with a status: 429, 4xx or 500-504" },
                { "rule_a", "400 code = 1 -> ok", "rule_a has code where a JSON pointer like /error/code must be" },
                { "rule_a", "400 /a~2 = 1 -> ok", "rule_a has ~ in a JSON pointer; must be written ~0, and / in a name ~1" },
                { "rule_a", "400 /1/2/3/4/5/6/7/8/9 -> ok", "rule_a has a JSON pointer of more than 8 parts" },
                { "rule_a", "400 /a == 1 -> ok",
                  "rule_a has == behind the JSON pointer; must be = (is), ^= (begins with) or ~= (contains)" },
                { "rule_a", "400 /a = -> ok", "rule_a lacks the value behind =" },
                { "rule_a", "400 -> fine",
                  "rule_a must say behind -> what it means: ok, client_error, service_unavailable, rate_limit_exceeded, "
                  "authentication_failure, network_issue, data_corruption or budget_exhausted" },
                { "rule_a", "400 -> not_sent",
                  "rule_a must say behind -> what it means: ok, client_error, service_unavailable, rate_limit_exceeded, "
                  "authentication_failure, network_issue, data_corruption or budget_exhausted" },
                { "rule_a", "400 -> ok everywhere",
                  "rule_a has everywhere; must be node, operation or account, and retryable or final" },
                { "rule_a", "400 -> client_error:", "rule_a has a reason behind : that is not 1 to 80 bytes long" },
                { "operation_A", "GET /", "operation_A must have a name of up to 64 of a-z 0-9 _ behind operation_" },
                { "operation_a", "get /", "operation_a must begin with an HTTP method and a path, like GET /v1/status" },
                { "operation_a", "GET", "operation_a must begin with an HTTP method and a path, like GET /v1/status" },
                { "operation_a", "GET / price=-1", "operation_a has price=-1; must be 0 to 1000000000 (dollars a unit)" },
                { "operation_a", "GET / price=1e99", "operation_a has price=1e99; must be 0 to 1000000000 (dollars a unit)" },
                { "operation_a", "GET / free=0.5", "operation_a has free=0.5; must be a whole number (units a calendar month)" },
                { "operation_a", "GET / keys=a,,b",
                  "operation_a must have 1 to 16 names with commas between them behind keys=" },
                { "operation_a", "GET / cheap",
                  "operation_a has cheap; must be unit=NAME, price=DOLLARS, free=UNITS, keys=NAME,NAME or idempotent" },
                { "auth_header", "Authorization: Bearer sk_live_x",
                  "auth_header must hold {credential} where the prober puts the secret, and never the secret itself" },
                { "auth_header", "{credential}", "auth_header must be a header, like Accept: application/json" },
                { "auth_query", "key=1", "auth_query must hold {credential} where the prober puts the secret, and never the secret itself" },
                { "keyless_probe", "GET /?k={credential}", "keyless_probe must not hold {credential}; the authenticated_probe may" },
                { "keyless_probe", "GET / cheap", "keyless_probe has more behind the path than the word billed" },
                { "authenticated_probe", "GET /",
                  "authenticated_probe shows no credential; auth_header or auth_query says where it goes" },
                { "header_a", "A b: c", "header_a must be a header, like Accept: application/json" },
                { "header_a", "A: {credential}", "header_a must not hold {credential}; auth_header may" },
                { "body", "xml", "body must be json or any" },
                { "limit_scope", "world", "limit_scope must be node, operation or account" },
                { "limit_reset", "", "limit_reset must be the name of a header" },
                { "code", "/a /b /c /d", "code must have at most 3 JSON pointers" },
                { "code", "", "code must have a JSON pointer, like /error/code" },
        };
        const struct pm_provider *generic = providers_find(providers, "generic");

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct pm_option option = { cases[i].name, cases[i].value };
                Mistakes m = {};

                if (generic->create(&option, 1, note, &m))
                        fail_msg("%s = %s is taken", cases[i].name, cases[i].value);
                assert_string_equal(m.text, cases[i].says);
        }
}

static void many_options_at_once(void **state) {
        struct pm_option options[100];
        const struct pm_provider *generic = providers_find(providers, "generic"), *made;
        char values[ELEMENTSOF(options)][64], names[ELEMENTSOF(options)][16];
        Mistakes m = {};

        for (size_t i = 0; i < ELEMENTSOF(options); i++) {
                snprintf(values[i], sizeof(values[i]), "4%02zu /a/%zu = x -> ok", i, i % 20);
                snprintf(names[i], sizeof(names[i]), "rule_%zu", i);
                options[i] = (struct pm_option) { names[i], values[i] };
        }
        made = generic->create(options, 15, note, &m);
        assert_non_null(made);
        generic->destroy(made);
        made = generic->create(options, 0, note, &m);
        assert_non_null(made);
        generic->destroy(made);
        assert_string_equal(m.text, "");

        assert_null(generic->create(options, 16, note, &m));
        assert_string_equal(m.text, "rule_15 is one JSON pointer too many; all options together may have 15");
        m.text[0] = 0;
        assert_null(generic->create(options, ELEMENTSOF(options), note, &m));
        assert_string_equal(m.text, "- has 100 rules; must have at most 64");
        m.text[0] = 0;
        options[1].name = options[0].name;
        assert_null(generic->create(options, 2, note, &m));
        assert_string_equal(m.text, "rule_0 is there twice");
        m.text[0] = 0;
        options[0] = (struct pm_option) { "colour", "red" };
        options[1] = (struct pm_option) { "body", "xml" };
        assert_null(generic->create(options, 2, note, &m));
        assert_string_equal(m.text, "body must be json or any\ncolour is unknown; allowed here: keyless_probe, authenticated_probe, "
                            "auth_header, auth_query, header_*, operation_*, rule_*, code, body, request_id, limit_scope, "
                            "limit_remaining, limit_reset, retry_after");
}

static void all_six_are_loaded(void **state) {
        static const char *const names[] = { "generic", "google", "here", "mapbox", "samsara", "stripe" };

        assert_int_equal(providers_n(providers), ELEMENTSOF(names));
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                const ProviderInfo *info = providers_get(providers, i);

                if (info->error)
                        fail_msg("%s: %s", info->path, info->error);
                assert_string_equal(info->name, names[i]);
                assert_ptr_equal(info->provider, providers_find(providers, names[i]));
                assert_int_equal(info->abi, PM_PROVIDER_ABI);
                assert_true(info->path[0] == '/' && info->title[0] && info->version[0]);
        }
        assert_null(providers_find(providers, "nobody"));
}

/* ---- what no file of lines can hold ---- */

static struct pm_classification classify(const char *provider, const struct pm_response *r) {
        struct pm_classification c;

        providers_classify(providers_find(providers, provider), r, _CALL_ERROR_INVALID, &c);
        return c;
}

static void hostile_bodies(void **state) {
        static char deep[20000], large[1024 * 1024];
        static const struct { const char *text; size_t size; Verdict at_200; } cases[] = {
                { "{\"a\":\"\xff\"}", 9, PM_DATA_CORRUPTION },         /* not UTF-8 */
                { "{\"a\":\"\xed\xa0\x80\"}", 11, PM_DATA_CORRUPTION },  /* a surrogate in UTF-8 */
                { "{\"a\":\"\\ud800\"}", 14, PM_DATA_CORRUPTION },        /* half a pair */
                { "{\"a\":1}\0", 8, PM_DATA_CORRUPTION },
                { "\0\0\0\0", 4, PM_DATA_CORRUPTION },
                { "\x1f\x8b\x08", 3, PM_DATA_CORRUPTION },               /* still compressed */
                { deep, sizeof(deep), PM_DATA_CORRUPTION },
                { large, sizeof(large), PM_OK },                         /* only its beginning is read */
        };

        memset(deep, '[', sizeof(deep) / 2);
        memset(deep + sizeof(deep) / 2, ']', sizeof(deep) / 2);
        memset(large, ' ', sizeof(large));
        memcpy(large, "{\"a\":[", 6);

        for (size_t i = 0; i < providers_n(providers); i++)
                for (size_t j = 0; j < ELEMENTSOF(cases); j++) {
                        const char *name = providers_get(providers, i)->name;
                        struct pm_response r = {
                                .http_status = 200, .body = cases[j].text, .body_size = cases[j].size,
                        };
                        struct pm_classification c = classify(name, &r);

                        if (c.verdict != cases[j].at_200)
                                fail_msg("%s, body %zu: %d, %s", name, j, (int) c.verdict, c.reason);
                        r.http_status = 500;
                        assert_int_equal(classify(name, &r).verdict, PM_SERVICE_UNAVAILABLE);
                        r.http_status = 404;
                        assert_int_equal(classify(name, &r).verdict, PM_CLIENT_ERROR);
                }
}

static void hostile_headers(void **state) {
        static struct pm_header headers[1000];
        static char large[65536];

        memset(large, '9', sizeof(large) - 1);
        for (size_t i = 0; i < ELEMENTSOF(headers); i++)
                headers[i] = (struct pm_header) { "Retry-After", "1" };
        headers[0] = (struct pm_header) { "Request-Id", large };
        headers[1] = (struct pm_header) { "Retry-After", large };
        headers[2] = (struct pm_header) { NULL, "x" };
        headers[3] = (struct pm_header) { "Retry-After", NULL };
        headers[4] = (struct pm_header) { "", "" };
        headers[5] = (struct pm_header) { "Stripe-Rate-Limited-Reason", large };
        headers[6] = (struct pm_header) { "X-RateLimit-Reset", large };
        headers[7] = (struct pm_header) { "Retry-After", "Mon, 99 Foo 9999 99:99:99 GMT" };
        headers[8] = (struct pm_header) { "Retry-After", "Mon Sep 2" };
        headers[9] = (struct pm_header) { "Retry-After", ",,,,," };

        for (size_t i = 0; i < providers_n(providers); i++) {
                struct pm_response r = {
                        .http_status = 429,
                        .headers = headers,
                        .n_headers = ELEMENTSOF(headers),
                        .now_utc_ns = 1790000000 * NSEC_PER_SEC,
                };
                struct pm_classification c = classify(providers_get(providers, i)->name, &r);

                assert_int_equal(c.verdict, PM_RATE_LIMIT_EXCEEDED);
                assert_int_equal(c.retry_after_ns, RETRY_AFTER_MAX_NS);
                assert_string_equal(c.request_id, "");
        }
}

/* Every beginning of a success is corrupt unless the caller says that it cut it off; then it is a success. */
static void every_beginning_of_a_success(void **state) {
        static const char body[] = "{\"a\":[1.5e3,\"caf\xc3\xa9\",true,null,{\"b\":\"\\ud83d\\ude00\"}],\"c\":{}}";

        for (size_t i = 0; i < providers_n(providers); i++)
                for (size_t n = 0; n < strlen(body); n++) {
                        struct pm_response r = { .http_status = 200, .body = body, .body_size = n };

                        assert_int_equal(classify(providers_get(providers, i)->name, &r).verdict, PM_DATA_CORRUPTION);
                        r.body_truncated = true;
                        assert_int_equal(classify(providers_get(providers, i)->name, &r).verdict, PM_OK);
                }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(all_six_are_loaded),
                cmocka_unit_test(examples_of_the_generic_provider),
                cmocka_unit_test(what_the_examples_say_of_probes_and_prices),
                cmocka_unit_test(wrong_options_are_named),
                cmocka_unit_test(many_options_at_once),
                cmocka_unit_test(vendors_samples),
                cmocka_unit_test(own_cases),
                cmocka_unit_test(hostile_bodies),
                cmocka_unit_test(hostile_headers),
                cmocka_unit_test(every_beginning_of_a_success),
        };
        return cmocka_run_group_tests(tests, load, unload);
}
