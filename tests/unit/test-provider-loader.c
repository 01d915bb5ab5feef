/* SPDX-License-Identifier: Apache-2.0 */
/* What is loaded, what is refused and what is said about it; and that nonsense from a plugin stays with the plugin. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>

#include "basic/macro.h"
#include "basic/scrub.h"
#include "basic/units.h"
#include "daemon/providers/providers.h"
#include "daemon/core/provider.h"
#include "tests/unit/test.h"

DEFINE_CLEANUP(Providers *, providers_free);

/* ---- a folder of plugins ---- */

static int make_folder(void **state) {
        char *folder = strdup("/tmp/pointsman-test-XXXXXX");

        *state = folder;
        return folder && mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
        DIR *d = opendir(*state);

        if (!d)
                return -1;
        for (struct dirent *e; (e = readdir(d));)
                if (unlinkat(dirfd(d), e->d_name, 0) < 0)
                        unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
        closedir(d);
        rmdir(*state);
        free(*state);
        return 0;
}

static const char *in_folder(void **state, const char *file) {
        static char path[256];

        snprintf(path, sizeof(path), "%s/%s", (const char *) *state, file);
        return path;
}

static void write_file(const char *path, const void *data, size_t n, mode_t mode) {
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, data, n), (ssize_t) n);
        assert_int_equal(fchmod(fd, mode), 0);
}

/* Copies the beginning of a plugin from the build: all of it with SIZE_MAX. */
static void put(void **state, const char *variant, const char *file, size_t size, mode_t mode) {
        _cleanup_fclose_ FILE *f = NULL;
        char from[512], data[256 * 1024];

        snprintf(from, sizeof(from), "%s/%s.so", VARIANTS, variant);
        f = fopen(from, "re");
        assert_non_null(f);
        size_t n = fread(data, 1, sizeof(data), f);
        assert_true(n > 0 && n < sizeof(data));
        write_file(in_folder(state, file), data, MIN(n, size), mode);
}

/* Loads the folder, which holds one plugin, and expects it to be refused with these words. */
static void expect_refusal(void **state, const char *words) {
        _cleanup_(providers_freep) Providers *p = NULL;

        assert_int_equal(providers_load(*state, &p), 0);
        assert_int_equal(providers_n(p), 1);
        const ProviderInfo *info = providers_get(p, 0);
        if (!info->error || !strstr(info->error, words))
                fail_msg("%s: '%s' does not say '%s'", info->path, info->error ? info->error : "no error", words);
        assert_null(info->provider);
        assert_null(providers_find(p, info->name));
        assert_string_equal(info->title, "");
        assert_string_equal(info->version, "");
}

/* ---- loading ---- */

static void folders(void **state) {
        Providers *p = (Providers *) state;

        assert_int_equal(providers_load("/nonexistent/folder", &p), -ENOENT);
        put(state, "good", "good.so", SIZE_MAX, 0644);
        assert_int_equal(providers_load(in_folder(state, "good.so"), &p), -ENOTDIR);
        assert_ptr_equal(p, state); /* untouched */
        assert_null(providers_free(NULL));
}

static void an_empty_folder_is_fine(void **state) {
        _cleanup_(providers_freep) Providers *p = NULL;

        write_file(in_folder(state, "README"), "x", 1, 0644);
        write_file(in_folder(state, ".hidden.so"), "x", 1, 0644);
        write_file(in_folder(state, ".so"), "x", 1, 0644);
        write_file(in_folder(state, "old.so.bak"), "x", 1, 0644);
        assert_int_equal(providers_load(*state, &p), 0);
        assert_int_equal(providers_n(p), 0);
}

static void a_good_one(void **state) {
        _cleanup_(providers_freep) Providers *p = NULL;

        put(state, "good", "good.so", SIZE_MAX, 0444);
        assert_int_equal(providers_load(*state, &p), 0);
        assert_int_equal(providers_n(p), 1);
        const ProviderInfo *info = providers_get(p, 0);
        assert_null(info->error);
        assert_string_equal(info->name, "good");
        assert_string_equal(info->path, in_folder(state, "good.so"));
        assert_int_equal(info->abi, PM_PROVIDER_ABI);
        assert_ptr_equal(providers_find(p, "good"), info->provider);
        assert_string_equal(provider_operation(info->provider, "ping")->path, "/ping");
        assert_null(provider_operation(info->provider, "pong"));
        assert_null(provider_operation(NULL, "ping"));
}

static void variants_are_refused(void **state) {
        static const struct { const char *variant, *words; } cases[] = {
                { "other-abi", "rebuild it against" },
                { "other-size", "rebuild it against" },
                { "no-symbol", "exports no data called pointsman_provider" },
                { "function", "exports no data called pointsman_provider" },
                { "misnamed", "it calls itself 'good'; rename the file to good.so" },
                { "bad-name", "its name must be" },
                { "bad-table", "operations ping: price must be" },
                { "unresolved", "nobody_defines_this" },
        };
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char file[64];
                snprintf(file, sizeof(file), "%s.so", cases[i].variant);
                put(state, cases[i].variant, file, SIZE_MAX, 0644);
                expect_refusal(state, cases[i].words);
                unlink(in_folder(state, file));
        }
}

static void files_are_refused(void **state) {
        put(state, "good", "good.so", SIZE_MAX, 0664);
        expect_refusal(state, "chmod go-w");
        put(state, "good", "good.so", SIZE_MAX, 0646);
        expect_refusal(state, "chmod go-w");
        if (geteuid() == 0) {
                put(state, "good", "good.so", SIZE_MAX, 0644);
                assert_int_equal(chown(in_folder(state, "good.so"), 65534, (gid_t) -1), 0);
                expect_refusal(state, "chown root");
                assert_int_equal(chown(in_folder(state, "good.so"), 0, (gid_t) -1), 0);
        } else {
                put(state, "good", "good.so", SIZE_MAX, 0);
                expect_refusal(state, "cannot be read");
                chmod(in_folder(state, "good.so"), 0600);
        }

        /* As a full disk or a copy under way leaves it behind. */
        for (size_t n = 0; n < 8192; n += n < 64 ? 1 : 61) {
                put(state, "good", "good.so", n, 0644);
                expect_refusal(state, n < 64 ? "not a shared object" : "cut short");
        }
        write_file(in_folder(state, "good.so"), "not a plugin\n", 13, 0644);
        expect_refusal(state, "not a shared object");
        unlink(in_folder(state, "good.so"));

        assert_int_equal(mkfifo(in_folder(state, "fifo.so"), 0600), 0);
        expect_refusal(state, "not a regular file");
        unlink(in_folder(state, "fifo.so"));
        assert_int_equal(mkdir(in_folder(state, "folder.so"), 0700), 0);
        expect_refusal(state, "not a regular file");
        rmdir(in_folder(state, "folder.so"));
        assert_int_equal(symlink(VARIANTS "/good.so", in_folder(state, "good.so")), 0);
        expect_refusal(state, "symbolic link");
}

static void the_others_load_all_the_same(void **state) {
        _cleanup_(providers_freep) Providers *p = NULL;

        put(state, "good", "good.so", SIZE_MAX, 0644);
        put(state, "good", "a-copy.so", SIZE_MAX, 0644);
        put(state, "other-abi", "other-abi.so", SIZE_MAX, 0644);
        put(state, "nonsense", "nonsense.so", SIZE_MAX, 0644);
        put(state, "nonsense", "broken.so", 100, 0644);
        assert_int_equal(providers_load(*state, &p), 0);
        assert_int_equal(providers_n(p), 5);

        static const struct { const char *name; bool loaded; } sorted[] = {
                { "a-copy", false }, { "broken", false }, { "good", true }, { "nonsense", true },
                { "other-abi", false },
        };
        for (size_t i = 0; i < ELEMENTSOF(sorted); i++) {
                assert_string_equal(providers_get(p, i)->name, sorted[i].name);
                assert_int_equal(!!providers_get(p, i)->provider, sorted[i].loaded);
                assert_int_equal(!providers_get(p, i)->error, sorted[i].loaded);
        }
        assert_ptr_not_equal(providers_find(p, "good"), providers_find(p, "nonsense"));
}

static void the_example_of_the_guide(void **state) {
        _cleanup_(providers_freep) Providers *p = NULL;
        struct pm_response r = { .http_status = 200 };
        struct pm_classification c;

        put(state, "acme", "acme.so", SIZE_MAX, 0644);
        assert_int_equal(providers_load(*state, &p), 0);
        assert_null(providers_get(p, 0)->error);
        const struct pm_provider *acme = providers_find(p, "acme");
        assert_int_equal(provider_operation(acme, "geocode")->price, 400);
        providers_classify(acme, &r, _CALL_ERROR_INVALID, &c);
        assert_int_equal(c.verdict, PM_OK);
        r.http_status = 401;
        providers_classify(acme, &r, _CALL_ERROR_INVALID, &c);
        assert_int_equal(c.verdict, PM_AUTHENTICATION_FAILURE);
        assert_true(c.reachable && c.scope == PM_SCOPE_ACCOUNT);
}

/* The dynamic loader remembers what it loaded by name and by inode; neither must bring back another plugin. */
static void loading_again(void **state) {
        _cleanup_(providers_freep) Providers *first = NULL, *second = NULL;

        put(state, "good", "good.so", SIZE_MAX, 0644);
        assert_int_equal(providers_load(*state, &first), 0);
        assert_int_equal(providers_load(*state, &second), 0); /* unchanged */
        assert_non_null(providers_find(second, "good"));
        second = providers_free(second);

        unlink(in_folder(state, "good.so")); /* replaced */
        put(state, "nonsense", "nonsense.so", SIZE_MAX, 0644);
        assert_int_equal(providers_load(*state, &second), 0);
        assert_non_null(providers_find(second, "nonsense"));
        assert_string_equal(providers_find(first, "good")->name, "good");

        first = providers_free(first);
        second = providers_free(second);
        for (int i = 0; i < 10; i++) {
                assert_int_equal(providers_load(*state, &first), 0);
                assert_non_null(providers_find(first, "nonsense"));
                first = providers_free(first);
        }
}

/* ---- tables ---- */

static void any_classify(const struct pm_provider *p, const struct pm_response *r, struct pm_classification *ret) {
}

static void any_destroy(const struct pm_provider *p) {
}

static void check_table(const struct pm_provider *p, const char *words) {
        _cleanup_free_ char *e = provider_check(p, "x");

        if (!words)
                assert_null(e);
        else if (!e || !strstr(e, words))
                fail_msg("'%s' does not say '%s'", e ? e : "no error", words);
}

static void tables_are_checked(void **state) {
        static const char *const many_keys[] = {
                "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a",
                "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", NULL,
        };
        struct pm_header headers[] = { { "A", "b" }, {} };
        struct pm_probe probe = { .method = "GET", .path = "/p", .headers = headers };
        struct pm_probe authenticated = { .method = "GET", .path = "/p?k={credential}" };
        struct pm_region regions[] = { { "us", "https://x", 1, 2 }, { "any", "https://x", NAN, NAN }, {} };
        struct pm_operation operations[] = { { "a", "GET", "/", "request", true, NULL, 0, 0 },
                                             { "b_2", "POST", "/b", "request", false, many_keys + 1, -1, 9 }, {} };
        struct pm_provider p = {
                .abi = PM_PROVIDER_ABI, .size = sizeof(p), .name = "x", .title = "X", .version = "1",
                .documentation = "https://d", .url = "https://x", .regions = regions, .operations = operations,
                .probe = &probe, .authenticated_probe = &authenticated, .classify = any_classify,
        };

        check_table(&p, NULL);
#define WRONG(field, value, words) \
        do { \
                __typeof__(field) saved = field; \
                field = value; \
                check_table(&p, words); \
                field = saved; \
        } while (0)
        WRONG(p.name, NULL, "its name must be");
        WRONG(p.name, "", "its name must be");
        WRONG(p.name, "X", "its name must be");
        WRONG(p.name, "a/../b", "its name must be");
        WRONG(p.name, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "its name must be");
        WRONG(p.name, "y", "rename the file to y.so");
        WRONG(p.title, NULL, "title");
        WRONG(p.version, "", "version");
        WRONG(p.documentation, NULL, "documentation");
        WRONG(p.url, NULL, NULL);
        WRONG(p.url, "file:///", "url must begin");
        WRONG(p.classify, NULL, "classify");
        WRONG(p.destroy, any_destroy, "create and destroy");
        WRONG(p.probe, NULL, "probe must not be NULL");
        WRONG(p.authenticated_probe, NULL, NULL);
        WRONG(p.operations, NULL, "operations");
        WRONG(p.regions, NULL, NULL);
        WRONG(probe.method, "get", "probe: method");
        WRONG(probe.path, "p", "probe: path");
        WRONG(probe.path, "/{credential}", "must not hold {credential}");
        WRONG(probe.body, "{credential}", "must not hold {credential}");
        WRONG(headers[0].value, "Bearer {credential}", "must not hold {credential}");
        WRONG(headers[0].value, NULL, "headers");
        WRONG(authenticated.path, "/", "authenticated_probe: must hold {credential}");
        WRONG(operations[0].name, "A", "operations A: name must be");
        WRONG(operations[0].name, "b_2", "operations b_2: name is there twice");
        WRONG(operations[0].method, NULL, "operations a: method");
        WRONG(operations[0].path, "", "operations a: path");
        WRONG(operations[0].unit, NULL, "operations a: unit");
        WRONG(operations[0].price, -2, "operations a: price");
        WRONG(operations[0].price, MONEY_MAX + 1, "operations a: price");
        WRONG(operations[0].free_units, -1, "operations a: free_units");
        WRONG(operations[0].required_keys, many_keys, "operations a: required_keys");
        WRONG(regions[0].name, "US", "regions US: name");
        WRONG(regions[0].url, NULL, "regions us: url");
        WRONG(regions[0].latitude, 91, "regions us: latitude");
        WRONG(regions[0].longitude, -181, "regions us: latitude");
        WRONG(regions[0].longitude, NAN, "regions us: latitude");
        check_table(&p, NULL);
}

/* ---- classify ---- */

static struct pm_classification classify(const struct pm_provider *p, int status, CallError error) {
        struct pm_response r = { .http_status = status };
        struct pm_classification c;

        memset(&c, 0xEE, sizeof(c));
        providers_classify(p, &r, error, &c);
        assert_true(memchr(c.reason, 0, sizeof(c.reason)) && memchr(c.request_id, 0, sizeof(c.request_id)));
        return c;
}

static void nonsense_from_a_plugin(void **state) {
        _cleanup_(providers_freep) Providers *p = NULL;
        struct pm_classification c;

        put(state, "nonsense", "nonsense.so", SIZE_MAX, 0644);
        assert_int_equal(providers_load(*state, &p), 0);
        const struct pm_provider *nonsense = providers_find(p, "nonsense");
        assert_non_null(nonsense);
        for (int status = 200; status <= 205; status++) {
                c = classify(nonsense, status, _CALL_ERROR_INVALID);
                assert_int_equal(c.verdict, PM_UNKNOWN);
                assert_string_equal(c.reason, "the plugin nonsense returned what is no verdict");
                assert_int_equal(c.retry_after_ns, 0);
        }
        c = classify(nonsense, 206, _CALL_ERROR_INVALID);
        assert_int_equal(c.verdict, PM_RATE_LIMIT_EXCEEDED);
        assert_int_equal(c.retry_after_ns, RETRY_AFTER_MAX_NS);
        assert_int_equal(c.cooldown_ns, RETRY_AFTER_MAX_NS);
        assert_int_equal(c.retryable, true);
        assert_string_equal(c.reason, "see https://x/?key=***&a=b??, request id");
}

static void calls_without_a_response(void **state) {
        static const struct { CallError error; Verdict verdict; } cases[] = {
                { CALL_ERROR_TIMEOUT, PM_NETWORK_ISSUE }, { CALL_ERROR_CONNECT, PM_NETWORK_ISSUE },
                { CALL_ERROR_DNS, PM_NETWORK_ISSUE }, { CALL_ERROR_TLS, PM_NETWORK_ISSUE },
                { CALL_ERROR_RESET, PM_NETWORK_ISSUE }, { CALL_ERROR_CANCELED, PM_UNKNOWN },
                { CALL_ERROR_NOT_SENT, PM_NOT_SENT }, { _CALL_ERROR_INVALID, PM_NETWORK_ISSUE },
                { (CallError) 99, PM_NETWORK_ISSUE },
        };
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct pm_classification c = classify(NULL, 0, cases[i].error);
                assert_int_equal(c.verdict, cases[i].verdict);
                assert_true(c.retryable && !c.reachable && c.reason[0]);
                /* A success that broke off is no success; a failure is one. */
                if (cases[i].error != _CALL_ERROR_INVALID)
                        assert_int_equal(classify(NULL, 200, cases[i].error).verdict, cases[i].verdict);
                assert_int_equal(classify(NULL, 503, cases[i].error).verdict, PM_SERVICE_UNAVAILABLE);
        }
}

static void without_a_plugin_the_status_decides(void **state) {
        static const struct { int status; Verdict verdict; bool retryable; } cases[] = {
                { 200, PM_OK, false }, { 204, PM_OK, false }, { 301, PM_CLIENT_ERROR, false }, { 304, PM_OK, false },
                { 400, PM_CLIENT_ERROR, false }, { 401, PM_AUTHENTICATION_FAILURE, true },
                { 403, PM_AUTHENTICATION_FAILURE, true }, { 404, PM_CLIENT_ERROR, false },
                { 407, PM_NETWORK_ISSUE, true }, { 408, PM_CLIENT_ERROR, true }, { 429, PM_RATE_LIMIT_EXCEEDED, true },
                { 499, PM_CLIENT_ERROR, false }, { 500, PM_SERVICE_UNAVAILABLE, true },
                { 599, PM_SERVICE_UNAVAILABLE, true }, { 100, PM_UNKNOWN, true }, { 199, PM_UNKNOWN, true },
                { 600, PM_UNKNOWN, true }, { -1, PM_UNKNOWN, true }, { INT32_MAX, PM_UNKNOWN, true },
        };
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct pm_classification c = classify(NULL, cases[i].status, _CALL_ERROR_INVALID);
                assert_int_equal(c.verdict, cases[i].verdict);
                assert_int_equal(c.retryable, cases[i].retryable);
        }

        struct pm_header headers[] = { { "retry-after", "2.5" }, { "X-Request-ID", "abc" } };
        struct pm_response r = {
                .http_status = 429, .headers = headers, .n_headers = 2, .body = "<html>", .body_size = 6,
        };
        struct pm_classification c;
        providers_classify(NULL, &r, _CALL_ERROR_INVALID, &c);
        assert_int_equal(c.retry_after_ns, 2500 * NSEC_PER_MSEC);
        assert_string_equal(c.reason, "HTTP 429: too many requests, request abc");
        r.http_status = 200; /* nobody knows that this vendor speaks JSON */
        providers_classify(NULL, &r, _CALL_ERROR_INVALID, &c);
        assert_int_equal(c.verdict, PM_OK);
}

/* ---- secrets ---- */

static void secrets_are_scrubbed(void **state) {
        static const struct { const char *text, *scrubbed; } cases[] = {
                { "", "" },
                { "nothing to see", "nothing to see" },
                { "GET /x?key=AIzaSyA-b_c&y=1", "GET /x?key=***&y=1" },
                { "?access_token=pk.eyJ1Ijoi.abc-d", "?access_token=***" },
                { "?apiKey=abc def", "?apiKey=*** def" },
                { "?APIKEY=\"abc\"", "?APIKEY=\"abc\"" },
                { "key=", "key=" },
                { "key=a&key=bb", "key=*&key=**" },
                { "Authorization: Bearer abc.def, x", "Authorization: Bearer ***, x" },
                { "Invalid API Key provided: sk_test_4eC39HqLyjWDarjtT1zdp7dc.", "Invalid API Key provided: ***" },
                { "(rk_live_1)", "(***)" },
                { "samsara_api_abc: no", "*** no" },
                { "AIzaSyD and sk.eyJ1.x and tk.eyJ", "*** and *** and ***" },
                { "task_1 disk_2 ask.eyes", "task_1 disk_2 ask.eyes" },
        };
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char text[128];
                snprintf(text, sizeof(text), "%s", cases[i].text);
                scrub_secrets(text);
                assert_string_equal(text, cases[i].scrubbed);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(folders, make_folder, remove_folder),
                cmocka_unit_test_setup_teardown(an_empty_folder_is_fine, make_folder, remove_folder),
                cmocka_unit_test_setup_teardown(a_good_one, make_folder, remove_folder),
                cmocka_unit_test_setup_teardown(variants_are_refused, make_folder, remove_folder),
                cmocka_unit_test_setup_teardown(files_are_refused, make_folder, remove_folder),
                cmocka_unit_test_setup_teardown(the_others_load_all_the_same, make_folder, remove_folder),
                cmocka_unit_test_setup_teardown(the_example_of_the_guide, make_folder, remove_folder),
                cmocka_unit_test_setup_teardown(loading_again, make_folder, remove_folder),
                cmocka_unit_test_setup_teardown(nonsense_from_a_plugin, make_folder, remove_folder),
                cmocka_unit_test(tables_are_checked),
                cmocka_unit_test(calls_without_a_response),
                cmocka_unit_test(without_a_plugin_the_status_decides),
                cmocka_unit_test(secrets_are_scrubbed),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
