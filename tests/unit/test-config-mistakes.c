/* SPDX-License-Identifier: Apache-2.0 */
/* Each mistake in a configuration has a complaint with file and line, and nothing of it is taken. */
#include <errno.h>
#include <sys/stat.h>

#include "basic/macro.h"
#include "tests/unit/configuration.h"

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
                assert_int_equal(config_load(bad[i].path, find_provider, NULL, &c, &errors), bad[i].error);
                assert_int_equal(errors.n, 1);
                assert_string_equal(errors.errors[0].file, bad[i].path);
                assert_string_equal(errors.errors[0].message, bad[i].message);
                config_errors_done(&errors);
        }

        write_file("main.conf", "");
        assert_int_equal(truncate(in_folder("main.conf"), 100 << 20), 0);
        assert_int_equal(load_config(&c, &errors), -EFBIG);
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
        assert_int_equal(load_config(&c, &errors), 0);
        assert_int_equal(errors.n, 1);
        assert_true(errors.errors[0].warning);
        config_error_format(errors.errors, line, sizeof(line));
        assert_string_equal(line + strlen(in_folder("")) - 1,
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
                int r = load_config(&c, &errors);
                assert_true(r == 0 || (r == -EINVAL && errors.n > 0));
                config_free(c);
                config_errors_done(&errors);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(one_mistake_each), TEST(syntax), TEST(all_mistakes_of_all_files_at_once),
                TEST(files_that_are_none), TEST(a_missing_provider_is_a_warning),
                TEST(numbers_of_services_and_nodes_have_limits), TEST(a_damaged_file_is_an_answer),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
