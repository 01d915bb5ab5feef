/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "basic/macro.h"
#include "prober/credentials.h"
#include "prober/probe.h"
#include "prober/report.h"
#include "prober/request.h"
#include "prober/secret.h"
#include "prober/template.h"
#include "prober/transfer.h"
#include "tests/unit/test.h"

static void check_filled(const char *t, const char *secret, bool percent_encode, const char *expected) {
        _cleanup_(secret_freep) char *filled = NULL;

        assert_int_equal(template_fill(t, secret, percent_encode, &filled), 0);
        assert_string_equal(filled, expected);
}

static void credentials_are_filled_in(void **state) {
        check_filled("no place", "x", false, "no place");
        check_filled("", "x", true, "");
        check_filled("{credential}", "s3cret", false, "s3cret");
        check_filled("a{credential}b{credential}", "", true, "ab");
        check_filled("{credential}{credential}/{credentia", "x", true, "xx/{credentia");
        check_filled("Bearer {credential}", "a b/c+d", false, "Bearer a b/c+d");
        check_filled("?key={credential}&x", "a b/c+d%&=\xc3\xa9", true, "?key=a%20b%2Fc%2Bd%25%26%3D%C3%A9&x");
        check_filled("{credential}", "AZaz09-._~", true, "AZaz09-._~");
        /* A secret that looks like a place is not filled in again. */
        check_filled("{credential}", "{credential}", false, "{credential}");
        assert_true(template_wants_credential("a{credential}"));
        assert_false(template_wants_credential("{Credential}"));
        assert_false(template_wants_credential(NULL));
}

static void secrets_are_scrubbed(void **state) {
        char text[] = "key=a/b, again a/b, encoded a%2Fb, a/ b, a%2f", no_secret[] = "as it was";

        secret_scrub(text, strlen(text), "a/b");
        assert_string_equal(text, "key=***, again ***, encoded *****, a/ b, a%2f");
        secret_scrub(no_secret, strlen(no_secret), NULL);
        secret_scrub(no_secret, strlen(no_secret), "");
        secret_scrub(no_secret, 3, "as it");
        assert_string_equal(no_secret, "as it was");
        char with_nul[] = "a\0a/b";
        secret_scrub(with_nul, sizeof(with_nul), "a/b");
        assert_memory_equal(with_nul, "a\0***", sizeof(with_nul));
}

static void names_of_credentials(void **state) {
        static const char *const good[] = { "stripe", "stripe-key_2.live", "0" };
        static const char *const bad[] = { "", ".", "..", ".hidden", "a/b", "/etc/passwd", "a b", "a\n", "caf\xc3\xa9" };
        char long_name[CREDENTIAL_NAME_MAX + 2] = {};

        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                assert_true(credential_name_is_valid(good[i]));
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_false(credential_name_is_valid(bad[i]));
        memset(long_name, 'x', CREDENTIAL_NAME_MAX);
        assert_true(credential_name_is_valid(long_name));
        long_name[CREDENTIAL_NAME_MAX] = 'x';
        assert_false(credential_name_is_valid(long_name));
}

static void errors_have_the_interfaces_names(void **state) {
        static const struct {
                CURLcode code;
                bool sent;
                const char *name;
        } table[] = {
                { CURLE_OPERATION_TIMEDOUT, true, "timeout" }, { CURLE_COULDNT_RESOLVE_HOST, false, "dns" },
                { CURLE_COULDNT_CONNECT, false, "connect" }, { CURLE_PEER_FAILED_VERIFICATION, false, "tls" },
                { CURLE_SSL_CONNECT_ERROR, false, "tls" }, { CURLE_RECV_ERROR, true, "reset" }, { CURLE_GOT_NOTHING, true, "reset" },
                { CURLE_PARTIAL_FILE, true, "reset" }, { CURLE_HTTP2_STREAM, true, "reset" }, { CURLE_ABORTED_BY_CALLBACK, true, "canceled" },
                { CURLE_URL_MALFORMAT, false, "not_sent" }, { CURLE_UNSUPPORTED_PROTOCOL, false, "not_sent" },
                { CURLE_UNSUPPORTED_PROTOCOL, true, "reset" }, { CURLE_SSL_CACERT_BADFILE, false, "not_sent" },
                { CURLE_OUT_OF_MEMORY, false, "not_sent" },
        };
        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                assert_string_equal(transfer_error_name(table[i].code, table[i].sent), table[i].name);
}

static void expiry_of_certificates(void **state) {
        char at[32] = "as it was";

        assert_int_equal(transfer_parse_expiry("Nov  3 12:05:09 2027 GMT", at, sizeof(at)), 0);
        assert_string_equal(at, "2027-11-03T12:05:09Z");
        assert_int_equal(transfer_parse_expiry("2027-11-23 12:00:00 GMT", at, sizeof(at)), 0);
        assert_string_equal(at, "2027-11-23T12:00:00Z");
        assert_int_equal(transfer_parse_expiry("Nov  3 12:05:09 2027 CET", at, sizeof(at)), -EINVAL);
        assert_int_equal(transfer_parse_expiry("", at, sizeof(at)), -EINVAL);
        assert_int_equal(transfer_parse_expiry("Nov  3 12:05:09 2027 GMT", at, 5), -EINVAL);
}

static void probes_are_understood(void **state) {
        _cleanup_(probe_freep) Probe *p = NULL;

        assert_int_equal(probe_parse("{\"probe\":{\"id\":\"7\",\"node\":\"stripe/us-east\",\"method\":\"POST\",\"url\":\"https:\\/\\/x\\/\","
                                     "\"headers\":{\"A\":\"b\",\"C\":\"{credential}\"},\"body\":\"\\u00e9\",\"timeoutMs\":1500,"
                                     "\"credential\":\"key\",\"later\":[{}]},\"other\":1}", &p), 0);
        assert_string_equal(p->id, "7");
        assert_string_equal(p->node, "stripe/us-east");
        assert_string_equal(p->method, "POST");
        assert_string_equal(p->url, "https://x/");
        assert_int_equal(p->n_headers, 2);
        assert_string_equal(p->headers[1].name, "C");
        assert_string_equal(p->headers[1].value, "{credential}");
        assert_string_equal(p->body, "\xc3\xa9");
        assert_string_equal(p->credential, "key");
        assert_int_equal(p->timeout_ns, 1500 * NSEC_PER_MSEC);
        assert_true(probe_wants_credential(p));
}

static void what_a_probe_leaves_out(void **state) {
        _cleanup_(probe_freep) Probe *p = NULL;

        assert_int_equal(probe_parse("{\"probe\":{\"id\":\"7\",\"method\":\"GET\",\"url\":\"u\",\"body\":null,\"credential\":null}}", &p), 0);
        assert_null(p->body);
        assert_null(p->credential);
        assert_null(p->node);
        assert_int_equal(p->timeout_ns, PROBE_TIMEOUT_DEFAULT_NS);
        assert_false(probe_wants_credential(p));
        p = probe_free(p);
        assert_int_equal(probe_parse("{\"probe\":{\"id\":\"7\",\"method\":\"GET\",\"url\":\"u\",\"timeoutMs\":999999999}}", &p), 0);
        assert_int_equal(p->timeout_ns, PROBE_TIMEOUT_MAX_NS);
}

static void probes_that_are_wrong(void **state) {
        static const char *const with_id[] = {
                "{\"probe\":{\"id\":\"7\"}}", "{\"probe\":{\"id\":\"7\",\"method\":1,\"url\":\"u\"}}",
                "{\"probe\":{\"id\":\"7\",\"method\":\"GET\",\"url\":\"u\",\"timeoutMs\":0}}",
                "{\"probe\":{\"id\":\"7\",\"method\":\"GET\",\"url\":\"u\",\"timeoutMs\":1.5}}",
                "{\"probe\":{\"id\":\"7\",\"method\":\"GET\",\"url\":\"u\",\"headers\":[]}}",
                "{\"probe\":{\"id\":\"7\",\"method\":\"GET\",\"url\":\"u\",\"headers\":{},\"headers\":{\"a\":\"b\"}}}",
                "{\"probe\":{\"id\":\"7\",\"method\":\"GET\",\"url\":\"u\"", "{\"probe\":{\"id\":\"7\",\"id\":[]}}",
        };
        static const char *const without_id[] = { "", "[]", "1", "{}", "{\"probe\":7}", "{\"probe\":{\"url\":\"u\"}}", "{\"probe\":{\"id\":[1]}}" };

        for (size_t i = 0; i < ELEMENTSOF(with_id); i++) {
                _cleanup_(probe_freep) Probe *p = NULL;
                assert_int_equal(probe_parse(with_id[i], &p), -EBADMSG);
                assert_string_equal(p->id, "7");
        }
        for (size_t i = 0; i < ELEMENTSOF(without_id); i++) {
                Probe *p = NULL;
                assert_int_equal(probe_parse(without_id[i], &p), -EBADMSG);
                assert_null(p);
        }
}

static int make_request(const char *url, const char *secret, Request **ret) {
        Probe p = { .method = (char *) "GET", .url = (char *) url };
        const char *why;
        return request_new(&p, secret, ret, &why);
}

static void where_a_credential_may_go(void **state) {
        static const char *const safe[] = {
                "https://api.example.com/?k={credential}", "http://127.0.0.1:8080/", "http://localhost/", "http://[::1]:1/", "http://127.9.9.9/",
        };
        static const char *const unsafe[] = {
                "http://api.example.com/", "http://10.0.0.1/", "http://127.0.0.1.example.com/", "http://127.0.0.1@example.com/",
                "http://[::2]/", "http://localhost.example.com/",
        };
        for (size_t i = 0; i < ELEMENTSOF(safe); i++) {
                _cleanup_(request_freep) Request *r = NULL;
                assert_int_equal(make_request(safe[i], "s", &r), 0);
        }
        for (size_t i = 0; i < ELEMENTSOF(unsafe); i++) {
                _cleanup_(request_freep) Request *r = NULL;
                assert_int_equal(make_request(unsafe[i], "s", &r), -EPERM);
                assert_int_equal(make_request(unsafe[i], NULL, &r), 0);
        }
        Request *r = NULL;
        assert_int_equal(make_request("file:///etc/passwd", NULL, &r), -EINVAL);
        assert_int_equal(make_request("not a url", NULL, &r), -EINVAL);
        assert_int_equal(make_request("", NULL, &r), -EINVAL);
}

static void reports_are_the_interfaces(void **state) {
        HttpHeader headers[] = { { (char *) "A", (char *) "b\"c" }, { (char *) "D", (char *) "e" } };
        TransferResult r = {
                .http_status = 200, .headers = headers, .n_headers = 2, .body = "{\"x\":\"\xff\"}", .dns_ns = NSEC_INFINITY,
                .connect_ns = NSEC_INFINITY, .tls_ns = NSEC_INFINITY, .first_byte_ns = 12345678, .total_ns = 20000000,
                .certificate_expires = "2027-11-23T12:00:00Z",
        };
        JsonWriter w = {};

        report_write(&w, "7", &r);
        assert_string_equal(w.data, "{\"probe\":\"7\",\"httpStatus\":200,\"headers\":{\"A\":\"b\\\"c\",\"D\":\"e\"},"
                                    "\"body\":\"{\\\"x\\\":\\\"\\ufffd\\\"}\",\"bodyTruncated\":false,\"firstByteMs\":12.346,\"totalMs\":20,"
                                    "\"certificateExpires\":\"2027-11-23T12:00:00Z\"}");
        w.size = 0;
        report_write(&w, "8", &(TransferResult) { .error = "dns", .dns_ns = NSEC_INFINITY, .connect_ns = NSEC_INFINITY,
                                                  .tls_ns = NSEC_INFINITY, .first_byte_ns = NSEC_INFINITY, .total_ns = 1000 });
        assert_string_equal(w.data, "{\"probe\":\"8\",\"error\":\"dns\",\"totalMs\":0.001}");
        w.size = 0;
        report_write_not_sent(&w, "9\"");
        assert_string_equal(w.data, "{\"probe\":\"9\\\"\",\"error\":\"not_sent\"}");
        json_writer_done(&w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(credentials_are_filled_in), cmocka_unit_test(secrets_are_scrubbed), cmocka_unit_test(names_of_credentials),
                cmocka_unit_test(errors_have_the_interfaces_names), cmocka_unit_test(expiry_of_certificates),
                cmocka_unit_test(probes_are_understood), cmocka_unit_test(what_a_probe_leaves_out),
                cmocka_unit_test(probes_that_are_wrong), cmocka_unit_test(where_a_credential_may_go),
                cmocka_unit_test(reports_are_the_interfaces),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
