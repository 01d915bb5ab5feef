/* SPDX-License-Identifier: Apache-2.0 */
/* What a configuration says: defaults, values, files over files, differences between two. */
#include <ctype.h>
#include <errno.h>
#include <math.h>

#include "basic/macro.h"
#include "daemon/core/provider.h"
#include "tests/unit/configuration.h"

static void the_shipped_file_says_what_is_promised(void **state) {
        ConfigErrors errors;
        Config *c = NULL;

        assert_int_equal(config_load(SOURCE "etc/pointsman.conf", find_provider, NULL, &c, &errors), 0);
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
                assert_ptr_equal(n->provider, find_provider(NULL, n->provider_name));
                assert_string_equal(n->url, n->provider->url);
        }
        assert_int_equal(s[2].n_nodes, 3);
        config_free(c);
        config_errors_done(&errors);
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
        assert_int_equal(load_config(&c, &errors), -EINVAL);
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
        assert_ptr_equal(n[3].provider, find_provider(NULL, "here"));
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

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(the_shipped_file_says_what_is_promised), TEST(the_shipped_file_shows_every_setting),
                TEST(the_manual_page_describes_every_setting), TEST(defaults),
                TEST(numbers_may_be_written_in_every_way), TEST(price_tiers_options_and_lists),
                TEST(regions_bring_place_and_url), TEST(later_files_replace_setting_by_setting),
                TEST(differences_are_named), TEST(options_are_the_providers_own),
                TEST(what_is_made_of_options_lives_as_long_as_the_settings), TEST(copies_are_deep),
                TEST(settings_from_elsewhere_are_checked_too),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
