/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <sys/stat.h>

#include "basic/macro.h"
#include "daemon/config/config.h"
#include "daemon/core/provider.h"
#include "tests/unit/test.h"

#define SOURCE TEST_DATA "/../../"

#define STRATEGIES \
        "one of ROUND_ROBIN, WEIGHTED_ROUND_ROBIN, LEAST_CONNECTIONS, LEAST_RESPONSE_TIME, GEOGRAPHIC_PROXIMITY, " \
        "COST_OPTIMIZED, HEALTH_BASED, PREDICTIVE_ANALYTICS, HYBRID_OPTIMIZATION"

static char folder[64];

/* ---- providers as the loader sees them ---- */

static const struct pm_region regions[] = { { "eu", "https://api.eu.samsara.com", 50, 8 }, {} };
static const struct pm_probe probe = { .method = "GET", .path = "/" };
static const struct pm_operation operations[] = { {} };
static unsigned made; /* by create() and not destroyed yet */

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

/* Takes any options but "bad" ones. */
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

static const struct pm_provider *find(void *userdata, const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(providers); i++)
                if (streq(providers[i].name, name))
                        return providers + i;
        return NULL;
}

/* ---- files ---- */

static const char *in_folder(const char *name) {
        static char path[128];

        snprintf(path, sizeof(path), "%s/%s", folder, name);
        return path;
}

static void write_bytes(const char *name, const char *text, size_t n) {
        _cleanup_fclose_ FILE *f = fopen(in_folder(name), "w");

        assert_non_null(f);
        assert_int_equal(fwrite(text, 1, n, f), n);
}

static void write_file(const char *name, const char *text) {
        write_bytes(name, text, strlen(text));
}

static int make_folder(void **state) {
        strcpy(folder, "/tmp/test-config.XXXXXX");
        return mkdtemp(folder) && mkdir(in_folder("conf.d"), 0700) == 0 ? 0 : -1;
}

static int remove_folder(void **state) {
        char command[128];

        snprintf(command, sizeof(command), "rm -rf -- '%s'", folder);
        return system(command);
}

static int load(Config **ret, ConfigErrors *errors) {
        return config_load(in_folder("main.conf"), find, NULL, ret, errors);
}

static Config *load_good(void) {
        ConfigErrors errors;
        Config *c = NULL;
        char line[2048];

        int r = load(&c, &errors);
        for (size_t i = 0; i < errors.n; i++) {
                config_error_format(errors.errors + i, line, sizeof(line));
                print_error("%s\n", line);
        }
        assert_int_equal(r, 0);
        assert_int_equal(errors.n, 0);
        config_errors_done(&errors);
        return c;
}

/* Loads main.conf, which has mistakes, and compares them with "FILE:LINE: SETTING MESSAGE" lines, FILE without the folder. */
static void expect_complaints(const char *const *expected, size_t n) {
        ConfigErrors errors;
        Config *c = NULL;
        char line[2048];

        assert_int_equal(load(&c, &errors), -EINVAL);
        assert_null(c);
        for (size_t i = 0; i < MAX(n, errors.n); i++) {
                if (i < errors.n)
                        config_error_format(errors.errors + i, line, sizeof(line));
                assert_string_equal(i < errors.n ? line + strlen(folder) + 1 : "(no more)",
                                    i < n ? expected[i] : "(no more)");
        }
        config_errors_done(&errors);
}
#define EXPECT(...) \
        expect_complaints((const char *const[]) { __VA_ARGS__ }, ELEMENTSOF(((const char *const[]) { __VA_ARGS__ })))

/* What stands in braces is put into a node of an otherwise good service, in line 1. */
static void write_node(const char *text) {
        char all[1024];

        snprintf(all, sizeof(all), "services = { s = { nodes = { n = { provider = \"generic\"; %s }; }; }; };\n", text);
        write_file("main.conf", all);
}

static void write_service(const char *text) {
        char all[1024];

        snprintf(all, sizeof(all), "services = { s = { nodes = { n = { provider = \"here\"; }; };\n%s }; };\n", text);
        write_file("main.conf", all);
}

/* ---- tests ---- */

static void the_shipped_file_says_what_is_promised(void **state) {
        ConfigErrors errors;
        Config *c = NULL;

        assert_int_equal(config_load(SOURCE "etc/pointsman.conf", find, NULL, &c, &errors), 0);
        assert_int_equal(errors.n, 0);
        assert_int_equal(c->settings.n_services, 3);

        const ServiceSettings *s = c->settings.services;
        assert_string_equal(s->name, "stripe");
        assert_int_equal(s->strategy, HEALTH_BASED);
        assert_int_equal(s->priority, PRIORITY_REVENUE);
        assert_int_equal(s->max_cost_per_hour, 100000000);
        assert_true(s->budget_alert_threshold == 0.8);
        assert_true(s->failover_threshold == 0.05);
        assert_int_equal(s->retry_backoff_ns, 1000 * NSEC_PER_MSEC);
        assert_int_equal(s->max_retries, 3);
        assert_int_equal(s->health_check_interval_ns, 30 * NSEC_PER_SEC);
        assert_int_equal(s->total_budget, 1000000000);
        assert_int_equal(s->budget_period, PERIOD_DAILY);
        assert_int_equal(s->tier_price[TIER_NORMAL], 29000);
        assert_int_equal(s->tier_price[TIER_ELEVATED], 50000);
        assert_int_equal(s->tier_price[TIER_EMERGENCY], 100000);
        assert_true(s->emergency_multiplier == 3);
        assert_int_equal(s[1].strategy, HYBRID_OPTIMIZATION);
        assert_int_equal(s[1].priority, PRIORITY_AVAILABILITY);
        assert_int_equal(s[1].max_cost_per_hour, 50000000);
        assert_true(s[1].failover_threshold == 0.03);
        assert_true(s[1].budget_alert_threshold == 0.75);
        assert_int_equal(s[1].retry_backoff_ns, 2000 * NSEC_PER_MSEC);
        assert_int_equal(s[1].health_check_interval_ns, 30 * NSEC_PER_SEC);
        assert_int_equal(s[1].total_budget, MONEY_UNSET);
        assert_int_equal(s[2].strategy, COST_OPTIMIZED);
        assert_int_equal(s[2].priority, PRIORITY_COST);
        assert_int_equal(s[2].max_cost_per_hour, 20000000);
        assert_true(s[2].failover_threshold == 0.05);
        assert_true(s[2].budget_alert_threshold == 0.85);
        assert_int_equal(s[2].retry_backoff_ns, 500 * NSEC_PER_MSEC);

        static const struct {
                size_t service;
                const char *id, *provider;
                uint32_t weight;
                Money cost;
                double expected;
        } nodes[] = {
                { 0, "us-east", "stripe", 70, 29000, 0.998 },  { 0, "us-west", "stripe", 30, 32000, 0.995 },
                { 1, "us-central", "samsara", 80, 50000, 0.992 }, { 1, "us-west", "samsara", 20, 55000, 0.988 },
                { 2, "mapbox", "mapbox", 60, 5000, 0.995 },    { 2, "google", "google", 30, 8000, 0.997 },
                { 2, "here", "here", 10, 6000, 0.988 },
        };
        size_t k = 0;
        for (size_t i = 0; i < ELEMENTSOF(nodes); i++, k++) {
                if (i > 0 && nodes[i].service != nodes[i - 1].service)
                        k = 0;
                const NodeSettings *n = s[nodes[i].service].nodes + k;
                assert_string_equal(n->id, nodes[i].id);
                assert_string_equal(n->provider_name, nodes[i].provider);
                assert_int_equal(n->weight, nodes[i].weight);
                assert_int_equal(n->cost_per_request, nodes[i].cost);
                assert_true(n->expected_success_rate == nodes[i].expected);
                assert_ptr_equal(n->provider, find(NULL, n->provider_name));
                assert_string_equal(n->url, n->provider->url);
        }
        assert_int_equal(s[2].n_nodes, 3);
        config_free(c);
        config_errors_done(&errors);
}

static char *read_source(const char *path) {
        _cleanup_fclose_ FILE *f = fopen(path, "r");
        char *text = calloc(1, 1 << 20);

        assert_non_null(f);
        assert_non_null(text);
        assert_true(fread(text, 1, (1 << 20) - 1, f) > 0);
        return text;
}

/* Every "# name = value;" as if it were set. */
static void uncomment(char *text) {
        for (char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
                char *hash = line + strspn(line, " ");
                size_t n = *hash == '#' ? strspn(hash + 2, "abcdefghijklmnopqrstuvwxyz_") : 0;

                if (n > 0 && strncmp(hash + 2 + n, " = ", 3) == 0 && hash[strcspn(hash, "\n") - 1] == ';')
                        *hash = ' ';
        }
}

static const SettingTable *const tables[] = { &service_setting_table, &node_setting_table, &config_setting_table };

static void the_shipped_file_shows_every_setting(void **state) {
        _cleanup_free_ char *text = read_source(SOURCE "etc/pointsman.conf");

        uncomment(text);
        for (size_t t = 0; t < ELEMENTSOF(tables); t++)
                for (size_t i = 0; i < tables[t]->n; i++) {
                        const char *name = tables[t]->rows[i].name, *dot = strrchr(name, '.');
                        char wanted[64];

                        snprintf(wanted, sizeof(wanted), " %s = ", dot ? dot + 1 : name);
                        if (!strstr(text, wanted) && strncmp(text, wanted + 1,
                                                             strlen(wanted + 1)) != 0 && !streq(name, "services"))
                                fail_msg("etc/pointsman.conf does not show %s", name);
                }

        /* What it shows of the daemon's settings are the defaults. */
        write_file("main.conf", text);
        Config *c = load_good(), *d = NULL;
        assert_int_equal(config_new(&d), 0);
        for (size_t i = 0; i < config_setting_table.n; i++) {
                char a[SETTING_TEXT_MAX], b[SETTING_TEXT_MAX];
                assert_string_equal(setting_format(config_setting_table.rows + i, c, a),
                                    setting_format(config_setting_table.rows + i, d, b));
        }
        config_free(c);
        config_free(d);
}

/* Runs of white space become one space. */
static void squeeze(char *text) {
        char *to = text;

        for (char *p = text; *p; p++)
                if (!isspace((unsigned char) *p))
                        *to++ = *p;
                else if (to > text && to[-1] != ' ')
                        *to++ = ' ';
        *to = '\0';
}

/* Range and default, as the manual page words them. */
static void describe(const Setting *s, char *buffer, size_t size) {
        char allowed[SETTING_TEXT_MAX], value[SETTING_TEXT_MAX], base[4096] = "";

        setting_init(s, base);
        setting_allowed(s, allowed);
        allowed[0] = (char) toupper((unsigned char) allowed[0]);
        setting_format(s, base, value);
        if (s->flags & SETTING_REQUIRED)
                snprintf(buffer, size, " %s; required. ", allowed);
        else
                snprintf(buffer, size, " %s; default %s. ", allowed, *value ? value : s->fallback_name ?: "none");
}

static void the_manual_page_describes_every_setting(void **state) {
        _cleanup_free_ char *text = read_source(SOURCE "man/pointsman.conf.5");

        squeeze(text);
        for (size_t t = 0; t < ELEMENTSOF(tables); t++)
                for (size_t i = 0; i < tables[t]->n; i++) {
                        const Setting *s = tables[t]->rows + i;
                        char item[128], wanted[2 * SETTING_TEXT_MAX + 64];

                        if (s->type == SETTING_SERVICES)
                                continue;
                        snprintf(item, sizeof(item), ".It Ic %s ", s->name);
                        describe(s, wanted, sizeof(wanted));
                        const char *at = strstr(text, item), *there = at ? strstr(at, wanted) : NULL;
                        const char *next = at ? strstr(at + 1, ".It ") : NULL;
                        if (!there || (next && there > next))
                                fail_msg("man/pointsman.conf.5 does not say \"%s%s\"", item, wanted);
                }
}

static void defaults(void **state) {
        write_node("");
        Config *c = load_good();
        const ServiceSettings *s = c->settings.services;
        const NodeSettings *n = s->nodes;

        assert_int_equal(s->strategy, HEALTH_BASED);
        assert_int_equal(s->health_check_interval_ns, 30 * NSEC_PER_SEC);
        assert_int_equal(s->lease_ns, 30 * NSEC_PER_SEC);
        assert_int_equal(s->max_cost_per_hour, MONEY_UNSET);
        assert_int_equal(s->budget_period, _BUDGET_PERIOD_INVALID);
        assert_true(s->emergency_multiplier == 3);
        assert_int_equal(n->weight, 100);
        assert_true(n->expected_success_rate == 0.99);
        assert_int_equal(n->cost_per_request, MONEY_UNSET);
        assert_true(isnan(n->latitude));
        assert_string_equal(n->region, "");
        assert_int_equal(c->daemon.message_max, 1 << 20);
        assert_int_equal(c->daemon.log_level, 6);
        assert_int_equal(c->daemon.router.leases, 65536);
        assert_string_equal(c->daemon.admin_groups[0], "root");
        assert_null(c->daemon.admin_groups[1]);
        config_free(c);
}

static void numbers_may_be_written_in_every_way(void **state) {
        static const struct { const char *text; double rate; Money cost; } good[] = {
                { "expected_success_rate = 99.8; cost_per_request = 0.029;", 0.998, 29000 },
                { "expected_success_rate = 0.998; cost_per_request = 1;", 0.998, 1000000 },
                { "expected_success_rate = 1; cost_per_request = 0;", 1, 0 },
                { "expected_success_rate = 100; cost_per_request = 1e-6;", 1, 1 },
                { "expected_success_rate = 50L; cost_per_request = 0.0000004;", 0.5, 0 },
                { "expected_success_rate = 0x32; cost_per_request = 0.0000005;", 0.5, 1 },
                { "expected_success_rate: 50 /* c */ cost_per_request: 1000000000 # c", 0.5, MONEY_MAX },
                { "expected_success_rate = 5.0e1; cost_per_request = 123456.789012;", 0.5, 123456789012 },
        };
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                char text[256];
                snprintf(text, sizeof(text), "%s\n", good[i].text);
                write_node(text);
                Config *c = load_good();
                assert_true(c->settings.services[0].nodes[0].expected_success_rate == good[i].rate);
                assert_int_equal(c->settings.services[0].nodes[0].cost_per_request, good[i].cost);
                config_free(c);
        }
}

static void price_tiers_options_and_lists(void **state) {
        write_node("price_tiers = ( { up_to = 5000000000; price = 0; }, { price = 0.002; } ); options = { probe_path = \"/x\"; };");
        write_file("conf.d/1.conf", "access = { operator = ( \"ops\", \"adm\" ); viewer = []; };");
        Config *c = load_good();
        const NodeSettings *n = c->settings.services[0].nodes;

        assert_int_equal(n->n_price_tiers, 2);
        assert_int_equal(n->price_tiers[0].up_to, INT64_C(5000000000));
        assert_int_equal(n->price_tiers[0].price, 0);
        assert_int_equal(n->price_tiers[1].up_to, INT64_MAX);
        assert_int_equal(n->price_tiers[1].price, 2000);
        assert_string_equal(n->options[0].name, "probe_path");
        assert_string_equal(n->options[0].value, "/x");
        assert_string_equal(c->daemon.operator_groups[0], "ops");
        assert_string_equal(c->daemon.operator_groups[1], "adm");
        assert_null(c->daemon.operator_groups[2]);
        assert_null(c->daemon.viewer_groups[0]);
        config_free(c);
}

static void regions_bring_place_and_url(void **state) {
        write_file("main.conf", "services = { s = { nodes = {\n"
                   "a = { provider = \"samsara\"; region = \"eu\"; };\n"
                   "b = { provider = \"samsara\"; region = \"eu\"; url = \"http://127.0.0.1:8080/x//\"; latitude = 1; longitude = 2; };\n"
                   "}; }; };");
        Config *c = load_good();
        const NodeSettings *n = c->settings.services[0].nodes;

        assert_string_equal(n[0].url, "https://api.eu.samsara.com");
        assert_true(n[0].latitude == 50 && n[0].longitude == 8);
        assert_string_equal(n[1].url, "http://127.0.0.1:8080/x");
        assert_true(n[1].latitude == 1 && n[1].longitude == 2);
        config_free(c);
}

static void later_files_replace_setting_by_setting(void **state) {
        write_file("main.conf",
                   "services = { a = { strategy = \"ROUND_ROBIN\"; priority = \"cost\"; nodes = { x = { provider = \"here\"; weight = 1; }; }; }; };");
        write_file("conf.d/20.conf",
                   "services = { a = { nodes = { x = { weight = 3; }; y = { provider = \"mapbox\"; }; }; }; };");
        write_file("conf.d/10.conf",
                   "services = { a = { priority = \"revenue\"; nodes = { x = { weight = 2; }; }; }; b = { nodes = { z = { provider = \"here\"; }; }; }; };");
        write_file("conf.d/.hidden.conf", "wrong");
        write_file("conf.d/README", "wrong");
        Config *c = load_good();
        const ServiceSettings *a = c->settings.services, *b = a + 1;

        assert_int_equal(c->settings.n_services, 2);
        assert_int_equal(a->strategy, ROUND_ROBIN);
        assert_int_equal(a->priority, PRIORITY_REVENUE);
        assert_int_equal(a->n_nodes, 2);
        assert_int_equal(a->nodes[0].weight, 3);
        assert_string_equal(a->nodes[0].provider_name, "here");
        assert_string_equal(a->nodes[1].id, "y");
        assert_string_equal(b->name, "b");
        assert_int_equal(b->n_nodes, 1);
        config_free(c);
}

static void one_mistake_each(void **state) {
        static const struct { const char *text, *complaint; } node[] = {
                { "weight = 1001;", "weight is 1001; must be a whole number from 0 to 1000" },
                { "weight = -1;", "weight is -1; must be a whole number from 0 to 1000" },
                { "weight = 1.5;", "weight is 1.5; must be a whole number from 0 to 1000" },
                { "weight = \"5\";", "weight is \"5\"; must be a whole number from 0 to 1000" },
                { "weight = 4294967297;", "weight is 4294967297; must be a whole number from 0 to 1000" },
                { "weight = 99999999999999999999999;", "weight is 1e+23; must be a whole number from 0 to 1000" },
                { "weight = 1e999;", "weight is inf; must be a whole number from 0 to 1000" },
                { "weigth = 5;", "weigth is unknown; did you mean weight?" },
                { "costPerRequest = 5;", "costPerRequest is unknown; did you mean cost_per_request?" },
                { "colour = 5;", "colour is unknown; allowed here: provider, region, url, weight, cost_per_request, "
                  "expected_success_rate, latitude, longitude, latency_limit_ms, price_tiers, credential, options" },
                { "cost_per_request = -0.01;",
                  "cost_per_request is -0.01; must be a number from 0 to 1000000000 (dollars a unit)" },
                { "expected_success_rate = 0;",
                  "expected_success_rate is 0; must be a number above 0 up to 100 (percent)" },
                { "expected_success_rate = 101;",
                  "expected_success_rate is 101; must be a number above 0 up to 100 (percent)" },
                { "latitude = 91; longitude = 0;", "latitude is 91; must be a number from -90 to 90 (degrees north)" },
                { "latitude = 9;", "longitude is missing; latitude and longitude go together" },
                { "url = \"ftp://x\";", "url must begin with https:// or http://" },
                { "url = \"https://\";", "url must name a host after the //" },
                { "url = \"https://u:p@x\";", "url must have no user name or password; name a credential instead" },
                { "url = \"https://x/?a=1\";", "url must have no ? or #, because paths are appended to it" },
                { "url = \"https://x y\";", "url must have only characters that a URL may have" },
                { "url = true;", "url is true; must be a string" },
                { "region = \"a\\nb\";", "region has control characters; must have none" },
                { "credential = \"sk live\";",
                  "credential must be a credential's name of 1 to 64 of A-Z a-z 0-9 _ . -; never the credential "
                  "itself" },
                { "credential = \"sk_live_0123\";",
                  "credential looks like the credential itself; must be its name, under which pointsman-prober holds it" },
                { "price_tiers = 5;", "price_tiers is 5; must be a list of groups { up_to, price }" },
                { "price_tiers = ( { price = 1; }, { up_to = 5; price = 1; } );",
                  "price_tiers[1].up_to comes after a step without end; only the last step may leave up_to out" },
                { "price_tiers = ( { up_to = 5; price = 1; }, { up_to = 5; price = 1; } );",
                  "price_tiers[1].up_to is 5; must be more than the 5 of the step before" },
                { "price_tiers = ( { up_to = 5; } );",
                  "price_tiers[0].price is missing; must be a number from 0 to 1000000000 (dollars a unit)" },
                { "price_tiers = ( { up_to = 5; cost = 5; price = 5; } );",
                  "price_tiers[0].cost is unknown; allowed here: up_to, price" },
                { "options = { a = 5; };", "options.a is 5; must be a string" },
                { "options = 5;", "options is 5; must be a group of strings" },
        };
        static const struct { const char *text, *complaint; } service[] = {
                { "strategy = \"CHEAPEST\";", "services.s.strategy is \"CHEAPEST\"; must be " STRATEGIES },
                { "strategy = 5;", "services.s.strategy is 5; must be " STRATEGIES },
                { "max_cost_per_hour = 5;",
                  "services.s.max_cost_per_hour is unknown; did you mean cost_constraints.max_cost_per_hour?" },
                { "load_balancing = { failover_threshold = 100.5; };",
                  "services.s.load_balancing.failover_threshold is 100.5; must be a number above 0 up to 100 "
                  "(percent)" },
                { "load_balancing = 5;", "services.s.load_balancing is 5; must be a group { … }" },
                { "cost_constraints = { budget_alert_threshold = 101; };",
                  "services.s.cost_constraints.budget_alert_threshold is 101; must be a number above 0 up to 100 "
                  "(percent)" },
                { "cost_constraints = { cost_optimization_enabled = 1; };",
                  "services.s.cost_constraints.cost_optimization_enabled is 1; must be true or false" },
                { "budget = { total = 5; };",
                  "services.s.budget.period is missing; a total needs a period: hourly, daily, weekly or monthly" },
                { "budget = { period = \"daily\"; };",
                  "services.s.budget.total is missing; a period needs a total (dollars a period)" },
                { "budget = { tiers = { normal = 0.3; elevated = 0.2; }; };",
                  "services.s.budget.tiers.elevated is 0.2; must not be less than the 0.3 of the normal tier" },
                { "budget = { tiers = { normal = 0.3; emergency = 0.2; }; };",
                  "services.s.budget.tiers.emergency is 0.2; must not be less than the 0.3 of the normal tier" },
                { "}; t = { nodes = {}; ",
                  "services.t.nodes is missing or empty; a service must have at least one node" },
                { "}; t = 5; u = { nodes = { n = { provider = \"here\"; }; }; ",
                  "services.t is 5; must be a group { … }" },
                { "}; t = { nodes = { n = {}; }; ",
                  "services.t.nodes.n.provider is missing; must be a string: name of the provider plugin that knows "
                  "the vendor" },
                { "}; t = { nodes = { * = { provider = \"here\"; }; }; ",
                  "services.t.nodes.* must have a name of 1 to 64 of A-Z a-z 0-9 _ . -, the first a letter or digit" },
                { "}; t = { nodes = { n = { provider = \"here\"; cost_per_request = 0.5; }; }; budget = { tiers = { emergency = 0.4; }; }; ",
                  "services.t.budget.tiers.emergency is 0.4; must not be less than the cheapest node's cost of 0.5" },
        };
        static const struct { const char *text, *complaint; } root[] = {
                { "limits = { message_max = 5; };",
                  "limits.message_max is 5; must be a whole number from 4096 to 67108864 (bytes)" },
                { "limits = { connection = 5; };", "limits.connection is unknown; did you mean connections?" },
                { "access = { admin = \"root\"; };", "access.admin is \"root\"; must be a list of strings" },
                { "access = { admin = [ \"no group\" ]; };",
                  "access.admin has \"no group\"; must have names of groups, or \"*\" for everybody" },
                { "daemon = { log_level = \"all\"; };",
                  "daemon.log_level is \"all\"; must be one of emerg, alert, crit, err, warning, notice, info, debug" },
                { "service = { x = { }; };", "service is unknown; did you mean services?" },
        };
        char expected[1024];

        for (size_t i = 0; i < ELEMENTSOF(node); i++) {
                write_node(node[i].text);
                snprintf(expected, sizeof(expected), "main.conf:1: services.s.nodes.n.%s", node[i].complaint);
                EXPECT(expected);
        }
        for (size_t i = 0; i < ELEMENTSOF(service); i++) {
                write_service(service[i].text);
                snprintf(expected, sizeof(expected), "main.conf:2: %s", service[i].complaint);
                EXPECT(expected);
        }
        for (size_t i = 0; i < ELEMENTSOF(root); i++) {
                write_file("main.conf", root[i].text);
                snprintf(expected, sizeof(expected), "main.conf:1: %s", root[i].complaint);
                EXPECT(expected);
        }
}

static void syntax(void **state) {
        static const struct { const char *text, *complaint; } bad[] = {
                { "\n\na = ;\n", "main.conf:3: syntax error here or just before; settings are written as name = value;" },
                { "a = \"x\n\ny", "main.conf:1: a \" is not closed" },
                { "\n/* x\n", "main.conf:2: a /* is not closed" },
                { "a = {\n( }", "main.conf:2: a } cannot close the ( of line 2" },
                { "a = {\n", "main.conf:1: a { is not closed" },
                { "a = {\n}; }", "main.conf:2: a } closes nothing" },
                { "\na = \"\xff\";", "main.conf:2: is not UTF-8 text" },
                { "\n  @include \"/etc/passwd\"\n", "main.conf:2: @include is not supported; put the file into conf.d beside pointsman.conf" },
                { "@include \"/\"\n", "main.conf:1: @include is not supported; put the file into conf.d beside pointsman.conf" },
                { "a = ((((((((((((((((((1))))))))))))))))));", "main.conf:1: is nested too deeply; 16 brackets are allowed" },
                { "limits = { nodes = [ 1, \"x\" ]; };", "main.conf:1: a list in [ ] must hold values of one type" },
                { "services = { s = {\nnodes = { n = { provider = \"here\"; };\nm = { provider = \"here\"; };\nn = { weight = 1; }; }; }; };",
                  "main.conf:4: services.s.nodes.n is set twice; line 2 has it already" },
                { "daemon = { log_level = \"info\"; log_level = \"err\"; };", "main.conf:1: daemon.log_level is set twice; line 1 has it already" },
        };
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                write_file("main.conf", bad[i].text);
                if (strncmp(bad[i].text, "limits", 6) == 0)
                        EXPECT(bad[i].complaint,
                               "main.conf:1: limits.nodes is a list; must be a whole number from 1 to 1000000");
                else
                        EXPECT(bad[i].complaint);
        }
        write_bytes("main.conf", "a = 1;\n\0b", 9);
        EXPECT("main.conf:2: is not UTF-8 text");
}

static void all_mistakes_of_all_files_at_once(void **state) {
        write_file("main.conf", "services = { maps = {\n"
                   "  strategy = \"FAST\";\n"
                   "  nodes = {\n"
                   "    here = { provider = \"here\"; weight = 5000; url = \"gopher://x\"; };\n"
                   "    mapbox = { provider = \"mapbox\"; latitude = 100; longitude = 200; };\n"
                   "  };\n"
                   "  cost_constraints = { budget_alert_threshold = 200; };\n"
                   "}; };\n");
        write_file("conf.d/a.conf",
                   "services = { maps = { budget = {\n  total = 5\n  tiers = { normal = 2; elevated = 1; };\n}; }; };");
        write_file("conf.d/b.conf", "limits = { leases = 1; };\nlimits = { };\n");
        write_file("conf.d/c.conf", "a = = 5;\n");
        assert_int_equal(symlink("nowhere", in_folder("conf.d/d.conf")), 0);
        assert_int_equal(mkdir(in_folder("conf.d/e.conf"), 0700), 0);
        assert_int_equal(mkfifo(in_folder("conf.d/f.conf"), 0600), 0);
        EXPECT(("main.conf:2: services.maps.strategy is \"FAST\"; must be " STRATEGIES),
               "main.conf:4: services.maps.nodes.here.weight is 5000; must be a whole number from 0 to 1000",
               "main.conf:4: services.maps.nodes.here.url must begin with https:// or http://",
               "main.conf:5: services.maps.nodes.mapbox.latitude is 100; must be a number from -90 to 90 (degrees north)",
               "main.conf:5: services.maps.nodes.mapbox.longitude is 200; must be a number from -180 to 180 (degrees east)",
               "main.conf:7: services.maps.cost_constraints.budget_alert_threshold is 200; must be a number above 0 up to 100 (percent)",
               /* budget.period is missing too, but it could stand in what could not be read */
               "conf.d/a.conf:3: services.maps.budget.tiers.elevated is 1; must not be less than the 2 of the normal tier",
               "conf.d/b.conf:1: limits.leases is 1; must be a whole number from 16 to 16777216",
               "conf.d/b.conf:2: limits is set twice; line 1 has it already",
               "conf.d/c.conf:1: syntax error here or just before; settings are written as name = value;",
               "conf.d/d.conf: cannot be read: No such file or directory",
               "conf.d/e.conf: is a folder; must be a file",
               "conf.d/f.conf: is a device, pipe or socket; must be a file");
}

static void files_that_are_none(void **state) {
        static const struct { const char *path; int error; const char *message; } bad[] = {
                { "/nonexistent/x.conf", -ENOENT, "cannot be read: No such file or directory" },
                { "/", -EISDIR, "is a folder; must be a file" },
                { "/dev/zero", -EMEDIUMTYPE, "is a device, pipe or socket; must be a file" },
        };
        ConfigErrors errors;
        Config *c = NULL;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                assert_int_equal(config_load(bad[i].path, find, NULL, &c, &errors), bad[i].error);
                assert_int_equal(errors.n, 1);
                assert_string_equal(errors.errors[0].file, bad[i].path);
                assert_string_equal(errors.errors[0].message, bad[i].message);
                config_errors_done(&errors);
        }

        write_file("main.conf", "");
        assert_int_equal(truncate(in_folder("main.conf"), 100 << 20), 0);
        assert_int_equal(load(&c, &errors), -EFBIG);
        assert_string_equal(errors.errors[0].message, "is too large; must be at most 1 MiB");
        config_errors_done(&errors);
        assert_null(c);

        write_file("main.conf", "");
        c = load_good();
        assert_int_equal(c->settings.n_services, 0);
        config_free(c);
}

static void a_missing_provider_is_a_warning(void **state) {
        ConfigErrors errors;
        Config *c = NULL;
        char line[512];

        write_file("main.conf", "services = { s = { nodes = {\n n = { provider = \"acme\"; }; }; }; };");
        assert_int_equal(load(&c, &errors), 0);
        assert_int_equal(errors.n, 1);
        assert_true(errors.errors[0].warning);
        config_error_format(errors.errors, line, sizeof(line));
        assert_string_equal(line + strlen(folder),
                            "/main.conf:2: warning: services.s.nodes.n.provider is \"acme\", which is not loaded; "
                            "the node is not used until it is");
        assert_null(c->settings.services[0].nodes[0].provider);
        config_errors_done(&errors);
        config_free(c);

        /* Nobody looks, nobody warns. */
        assert_int_equal(config_load(in_folder("main.conf"), NULL, NULL, &c, &errors), 0);
        assert_int_equal(errors.n, 0);
        config_free(c);
}

static void numbers_of_services_and_nodes_have_limits(void **state) {
        write_file("main.conf", "limits = { services = 1; nodes = 3; nodes_per_service = 2; };\nservices = {\n"
                   "a = {\nnodes = { x = { provider = \"here\"; }; y = { provider = \"here\"; }; z = { provider = \"here\"; }; }; };\n"
                   "b = { nodes = { x = { provider = \"here\"; }; }; };\n};\n");
        EXPECT("main.conf:1: limits.services is 1; there are 2 services",
               "main.conf:1: limits.nodes is 3; there are 4 nodes in all",
               "main.conf:4: services.a.nodes has 3 nodes; limits.nodes_per_service allows 2");

        _cleanup_free_ char *text = calloc(1, 1 << 20);
        for (size_t i = 0, n = 0; n < (1 << 20) - 16; i++)
                n += (size_t) sprintf(text + n, "a%zu=1;", i);
        write_file("main.conf", text);
        EXPECT("main.conf:1: too many settings in one group; 10000 are allowed");
}

/* For builds with a leak sanitizer: libconfig leaks the string in which a syntax error lies. */
/* Visible, or the shared runtime of gcc does not find it. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
        return "leak:libconfig";
}

/* The bytes of a good file changed at random, always the same way: whatever comes, it is an answer. */
static void a_damaged_file_is_an_answer(void **state) {
        _cleanup_free_ char *text = read_source(SOURCE "etc/pointsman.conf");
        static const char bytes[] = "{}()[]=;:,\"\\/*#@.-+0123456789abcxL \n\t\xff";
        uint32_t seed = 1;

        size_t n = strlen(text);
        for (int i = 0; i < 500; i++) {
                _cleanup_free_ char *copy = strdup(text);
                ConfigErrors errors;
                Config *c = NULL;

                for (int k = 0; k < 1 + i % 8; k++) {
                        seed = seed * 1664525 + 1013904223;
                        copy[(seed >> 8) % n] = bytes[(seed >> 3) % (sizeof(bytes) - 1)];
                }
                write_file("main.conf", copy);
                int r = load(&c, &errors);
                assert_true(r == 0 || (r == -EINVAL && errors.n > 0));
                config_free(c);
                config_errors_done(&errors);
        }
}

/* ---- differences ---- */

typedef struct Changes {
        char text[2048];
} Changes;

static void note_change(void *userdata, const char *path, const char *before, const char *after) {
        Changes *c = userdata;
        size_t n = strlen(c->text);

        snprintf(c->text + n, sizeof(c->text) - n, "%s: %s -> %s\n", path, before ?: "(none)", after ?: "(none)");
}

static void differences_are_named(void **state) {
        Changes changes = {};

        write_file("main.conf", "services = {\n"
                   "gone = { nodes = { x = { provider = \"here\"; }; }; };\n"
                   "maps = { cost_constraints = { max_cost_per_hour = 20; };\n"
                   "  nodes = { here = { provider = \"generic\"; weight = 10; options = { a = \"1\"; b = \"2\"; }; };\n"
                   "    google = { provider = \"google\"; }; mapbox = { provider = \"mapbox\"; }; }; };\n};");
        Config *before = load_good();
        assert_int_equal(settings_diff(&before->settings, &before->settings, note_change, &changes), 0);
        assert_string_equal(changes.text, "");

        write_file("main.conf", "services = {\n"
                   "added = { nodes = { x = { provider = \"here\"; }; y = { provider = \"here\"; }; }; };\n"
                   "maps = { strategy = \"COST_OPTIMIZED\"; budget = { total = 5; period = \"daily\"; };\n"
                   "  nodes = { mapbox = { provider = \"mapbox\"; price_tiers = ( { up_to = 100; price = 0; }, { price = 0.002; } ); };\n"
                   "    here = { provider = \"generic\"; weight = 20; options = { b = \"3\"; c = \"4\"; }; }; tomtom = { provider = \"stripe\"; }; }; };\n};");
        Config *after = load_good();
        assert_int_equal(settings_diff(&before->settings, &after->settings, note_change, &changes), 13);
        assert_string_equal(changes.text,
                            "services.added: (none) -> 2 nodes\n"
                            "services.gone: 1 node -> (none)\n"
                            "services.maps.strategy: HEALTH_BASED -> COST_OPTIMIZED\n"
                            "services.maps.cost_constraints.max_cost_per_hour: 20 -> (none)\n"
                            "services.maps.budget.total: (none) -> 5\n"
                            "services.maps.budget.period: (none) -> daily\n"
                            "services.maps.nodes.google: google -> (none)\n"
                            "services.maps.nodes.here.weight: 10 -> 20\n"
                            "services.maps.nodes.here.options.a: 1 -> (none)\n"
                            "services.maps.nodes.here.options.b: 2 -> 3\n"
                            "services.maps.nodes.here.options.c: (none) -> 4\n"
                            "services.maps.nodes.mapbox.price_tiers: (none) -> to 100 0, then 0.002\n"
                            "services.maps.nodes.tomtom: (none) -> stripe\n");
        config_free(before);
        config_free(after);
}

/* The provider is the judge of its options; each mistake is said with its line. */
static void options_are_the_providers_own(void **state) {
        static const char text[] =
                "services = { s = { nodes = {\n"
                "a = { provider = \"generic\"; options = {\n"
                "  bad_one = \"1\";\n"
                "  good = \"2\";\n"
                "  bad_two = \"3\"; }; };\n"
                "b = { provider = \"homeless\"; options = { probe = \"authenticated\"; }; };\n"
                "c = { provider = \"here\"; options = { colour = \"red\";\n"
                "  probe = \"always\"; }; };\n"
                "d = { provider = \"nobody\"; options = { whatever = \"x\"; }; };\n"
                "}; }; };";
        static const char *const says[] = {
                ":3: services.s.nodes.a.options.bad_one is bad; must be good",
                ":5: services.s.nodes.a.options.bad_two is bad; must be good",
                ":6: services.s.nodes.b.url is missing; the provider homeless has none of its own",
                ":6: services.s.nodes.b.options.probe is authenticated; the provider has no such probe",
                ":7: services.s.nodes.c.options.colour is unknown; this provider has no option but probe",
                ":8: services.s.nodes.c.options.probe must be keyless or authenticated",
                ":9: warning: services.s.nodes.d.provider is \"nobody\", which is not loaded; the node is not used until it is",
        };
        ConfigErrors errors;
        char line[512];
        Config *c;

        write_file("main.conf", text);
        assert_int_equal(load(&c, &errors), -EINVAL);
        assert_int_equal(errors.n, ELEMENTSOF(says));
        for (size_t i = 0; i < ELEMENTSOF(says); i++) {
                config_error_format(&errors.errors[i], line, sizeof(line));
                assert_string_equal(strchr(line, ':'), says[i]);
        }
        config_errors_done(&errors);
        assert_int_equal(made, 0);
}

static void what_is_made_of_options_lives_as_long_as_the_settings(void **state) {
        ServiceSettings copy;

        write_file("main.conf", "services = { s = { nodes = {\n"
                   "a = { provider = \"generic\"; url = \"https://a.example\"; options = { x = \"1\"; }; };\n"
                   "b = { provider = \"generic\"; url = \"https://b.example\"; options = { x = \"1\"; }; };\n"
                   "c = { provider = \"generic\"; url = \"https://c.example\"; options = { x = \"2\"; }; };\n"
                   "d = { provider = \"here\"; };\n}; }; };");
        Config *c = load_good();
        const NodeSettings *n = c->settings.services[0].nodes;

        assert_int_equal(made, 2); /* what two nodes say alike is made once */
        assert_ptr_equal(n[0].provider, n[1].provider);
        assert_ptr_not_equal(n[0].provider, n[2].provider);
        assert_ptr_equal(n[3].provider, find(NULL, "here"));
        assert_int_equal(service_settings_copy(c->settings.services, &copy), 0);
        config_free(c);
        assert_int_equal(made, 2);
        assert_string_equal(copy.nodes[2].provider->name, "generic");
        service_settings_done(&copy);
        assert_int_equal(made, 0);
}

static void copies_are_deep(void **state) {
        ServiceSettings copy;
        Changes changes = {};

        write_node("options = { a = \"1\"; }; price_tiers = ( { price = 1; } ); credential = \"c\"; region = \"r\";");
        Config *c = load_good();
        assert_int_equal(service_settings_copy(c->settings.services, &copy), 0);
        Settings one = { .services = &copy, .n_services = 1 };
        assert_int_equal(settings_diff(&c->settings, &one, note_change, &changes), 0);
        assert_ptr_not_equal(copy.nodes[0].id, c->settings.services[0].nodes[0].id);
        assert_ptr_not_equal(copy.nodes[0].credential, c->settings.services[0].nodes[0].credential);
        config_free(c);
        assert_string_equal(copy.nodes[0].options[0].value, "1");
        assert_string_equal(copy.nodes[0].region, "r");
        service_settings_done(&copy);
}

static void note_complaint(void *userdata, const char *field, const char *message) {
        note_change(userdata, field, "", message);
}

/* What a message may bring and a file cannot. */
static void settings_from_elsewhere_are_checked_too(void **state) {
        char id_a[] = "a", id_b[] = "not/good", provider[] = "here", name[] = "s";
        NodeSettings nodes[3];
        ServiceSettings s;
        Changes changes = {};

        service_settings_init(&s);
        for (size_t i = 0; i < ELEMENTSOF(nodes); i++) {
                node_settings_init(nodes + i);
                nodes[i].provider_name = provider;
                nodes[i].id = i == 2 ? id_b : id_a;
        }
        nodes[0].cost_per_request = -5;
        nodes[1].weight = 5000;
        s.name = name;
        s.nodes = nodes;
        s.n_nodes = ELEMENTSOF(nodes);
        s.failover_threshold = NAN;
        s.strategy = 99;

        assert_int_equal(service_settings_check(&s, SPELLING_API, note_complaint, &changes), 6);
        assert_string_equal(changes.text,
                            "strategy:  -> is not set; must be " STRATEGIES "\n"
                            "loadBalancing.failoverThreshold:  -> is nan; must be a number above 0 up to 100 (percent)\n"
                            "nodes[0].costPerRequest:  -> is -0.000005; must be a number from 0 to 1000000000 (dollars a unit)\n"
                            "nodes[1].weight:  -> is 5000; must be a whole number from 0 to 1000\n"
                            "nodes[2].id:  -> must have a name of 1 to 64 of A-Z a-z 0-9 _ . -, the first a letter or digit\n"
                            "nodes[1].id:  -> is \"a\" again; each node of a service must have an id of its own\n");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(the_shipped_file_says_what_is_promised), TEST(the_shipped_file_shows_every_setting),
                TEST(the_manual_page_describes_every_setting), TEST(defaults), TEST(numbers_may_be_written_in_every_way),
                TEST(price_tiers_options_and_lists), TEST(regions_bring_place_and_url), TEST(later_files_replace_setting_by_setting),
                TEST(one_mistake_each), TEST(syntax), TEST(all_mistakes_of_all_files_at_once), TEST(files_that_are_none),
                TEST(a_missing_provider_is_a_warning), TEST(numbers_of_services_and_nodes_have_limits),
                TEST(a_damaged_file_is_an_answer), TEST(differences_are_named),
                TEST(options_are_the_providers_own), TEST(what_is_made_of_options_lives_as_long_as_the_settings), TEST(copies_are_deep),
                TEST(settings_from_elsewhere_are_checked_too),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
