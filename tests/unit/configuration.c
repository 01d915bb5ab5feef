/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/configuration.h"

#include <errno.h>
#include <sys/stat.h>

#include "basic/macro.h"
#include "daemon/core/provider.h"

static char folder[64];

/* ---- providers as the loader sees them ---- */

static const struct pm_region regions[] = { { "eu", "https://api.eu.samsara.com", 50, 8 }, {} };
static const struct pm_probe probe = { .method = "GET", .path = "/" };
static const struct pm_operation operations[] = { {} };
unsigned made;

static void classify(const struct pm_provider *p, const struct pm_response *r, struct pm_classification *ret) {}

static const struct pm_provider *create(const struct pm_option *options, size_t n, pm_complain complain, void *userdata);

static void destroy(const struct pm_provider *p) {
        made--;
        free((void *) p);
}

static const struct pm_provider providers[] = {
        { .name = "generic", .title = "Generic", .version = "1", .documentation = "x", .url = "https://g.example",
          .operations = operations, .probe = &probe, .classify = classify, .create = create, .destroy = destroy },
        { .name = "homeless" },
        { .name = "stripe", .url = "https://api.stripe.com" },
        { .name = "samsara", .url = "https://api.samsara.com", .regions = regions },
        { .name = "mapbox", .url = "https://api.mapbox.com" },
        { .name = "google", .url = "https://maps.googleapis.com" },
        { .name = "here", .url = "https://router.hereapi.com" },
};

static const struct pm_provider *create(const struct pm_option *options, size_t n, pm_complain complain, void *userdata) {
        struct pm_provider *p;
        bool wrong = false;

        for (size_t i = 0; i < n; i++) {
                assert_string_not_equal(options[i].name, "probe");
                if (strncmp(options[i].name, "bad", 3) == 0) {
                        complain(userdata, options[i].name, "is bad; must be good");
                        wrong = true;
                }
        }
        if (wrong)
                return NULL;
        p = malloc(sizeof(*p));
        assert_non_null(p);
        *p = providers[0];
        made++;
        return p;
}

const struct pm_provider *find_provider(void *userdata, const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(providers); i++)
                if (streq(providers[i].name, name))
                        return providers + i;
        return NULL;
}

/* ---- files ---- */

char *read_source(const char *path) {
        _cleanup_fclose_ FILE *f = fopen(path, "r");
        char *text = calloc(1, 1 << 20);

        assert_non_null(f);
        assert_non_null(text);
        assert_true(fread(text, 1, (1 << 20) - 1, f) > 0);
        return text;
}

const char *in_folder(const char *name) {
        static char path[128];

        snprintf(path, sizeof(path), "%s/%s", folder, name);
        return path;
}

void write_bytes(const char *name, const char *text, size_t n) {
        _cleanup_fclose_ FILE *f = fopen(in_folder(name), "w");

        assert_non_null(f);
        assert_int_equal(fwrite(text, 1, n, f), n);
}

void write_file(const char *name, const char *text) {
        write_bytes(name, text, strlen(text));
}

int make_folder(void **state) {
        strcpy(folder, "/tmp/test-config.XXXXXX");
        return mkdtemp(folder) && mkdir(in_folder("conf.d"), 0700) == 0 ? 0 : -1;
}

int remove_folder(void **state) {
        char command[128];

        snprintf(command, sizeof(command), "rm -rf -- '%s'", folder);
        return system(command);
}

int load_config(Config **ret, ConfigErrors *errors) {
        return config_load(in_folder("main.conf"), find_provider, NULL, ret, errors);
}

Config *load_good(void) {
        ConfigErrors errors;
        Config *c = NULL;
        char line[2048];

        int r = load_config(&c, &errors);
        for (size_t i = 0; i < errors.n; i++) {
                config_error_format(errors.errors + i, line, sizeof(line));
                print_error("%s\n", line);
        }
        assert_int_equal(r, 0);
        assert_int_equal(errors.n, 0);
        config_errors_done(&errors);
        return c;
}

void expect_complaints(const char *const *expected, size_t n) {
        ConfigErrors errors;
        Config *c = NULL;
        char line[2048];

        assert_int_equal(load_config(&c, &errors), -EINVAL);
        assert_null(c);
        for (size_t i = 0; i < MAX(n, errors.n); i++) {
                if (i < errors.n)
                        config_error_format(errors.errors + i, line, sizeof(line));
                assert_string_equal(i < errors.n ? line + strlen(folder) + 1 : "(no more)",
                                    i < n ? expected[i] : "(no more)");
        }
        config_errors_done(&errors);
}

void write_node(const char *text) {
        char all[1024];

        snprintf(all, sizeof(all), "services = { s = { nodes = { n = { provider = \"generic\"; %s }; }; }; };\n", text);
        write_file("main.conf", all);
}

void write_service(const char *text) {
        char all[1024];

        snprintf(all, sizeof(all), "services = { s = { nodes = { n = { provider = \"here\"; }; };\n%s }; };\n", text);
        write_file("main.conf", all);
}
