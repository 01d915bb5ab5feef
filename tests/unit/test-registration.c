/* SPDX-License-Identifier: Apache-2.0 */
/* A setting has its range in one table and its name and type for registrations in another: they must not drift apart. And what is
 * stored comes back as it was. */
#include <errno.h>
#include <math.h>

#include "basic/macro.h"
#include "daemon/api/registration.h"
#include "daemon/core/setting.h"
#include "tests/unit/test.h"

/* The field at a path like "loadBalancing.maxRetries"; NULL: there is none. */
static const Field *find(const Structure *s, const char *path) {
        size_t n = strcspn(path, ".");

        for (const Field *f = s->fields; f->name; f++)
                if (f->name_size == n && memcmp(f->name, path, n) == 0)
                        return path[n] ? find(f->structure, path + n + 1) : f;
        return NULL;
}

static const Structure *node_structure_of(void) {
        return find(&distribution_structure, "nodes")->structure;
}

static void check_row(const Setting *s, const Field *f) {
        static const struct { SettingType setting; FieldType fields[2]; } same[] = {
                { SETTING_STRING, { FIELD_STRING, FIELD_STRING } }, { SETTING_ENUM, { FIELD_ENUM, FIELD_ENUM } },
                { SETTING_BOOL, { FIELD_BOOL, FIELD_BOOL } }, { SETTING_UINT32, { FIELD_UINT32, FIELD_UINT32 } },
                { SETTING_MONEY, { FIELD_MONEY, FIELD_MONEY } }, { SETTING_PERCENT, { FIELD_PERCENT, FIELD_RATIO } },
                { SETTING_DOUBLE, { FIELD_FLOAT, FIELD_DEGREES } }, { SETTING_SECONDS, { FIELD_SECONDS_INT, FIELD_SECONDS } },
                { SETTING_MILLISECONDS, { FIELD_MS_INT, FIELD_MS } }, { SETTING_PRICE_TIERS, { FIELD_ARRAY, FIELD_ARRAY } },
                { SETTING_OPTIONS, { FIELD_MAP, FIELD_MAP } }, { SETTING_NODES, { FIELD_ARRAY, FIELD_ARRAY } },
        };
        bool fits = false;

        for (size_t i = 0; i < ELEMENTSOF(same); i++)
                fits |= same[i].setting == s->type && (same[i].fields[0] == f->type || same[i].fields[1] == f->type);
        if (!fits)
                fail_msg("%s is of another type in the API", s->field);
        if (f->offset != s->offset)
                fail_msg("%s is another member in the API", s->field);
        if (s->type == SETTING_ENUM)
                assert_ptr_equal(f->names, s->names);
        if (s->type == SETTING_STRING)
                assert_true(f->max == s->max);
        if (s->flags & SETTING_RATIO_TOO)
                assert_int_equal(f->type, FIELD_RATIO);
        assert_int_equal(!(f->flags & FIELD_REQUIRED), !(s->flags & SETTING_REQUIRED));
}

static void every_setting_can_be_registered(void **state) {
        for (size_t i = 0; i < service_setting_table.n; i++) {
                const Setting *s = &service_setting_table.rows[i];
                const Field *f = find(&distribution_structure, s->field), *a = find(&allocation_structure, s->field);

                if (!f == !a)
                        fail_msg("%s is in %s", s->field, f ? "distribution and allocation" : "neither distribution nor allocation");
                if (f)
                        check_row(s, f);
        }
        for (size_t i = 0; i < node_setting_table.n; i++) {
                const Setting *s = &node_setting_table.rows[i];
                const Field *f = find(node_structure_of(), s->field);

                if (f)
                        check_row(s, f);
                else
                        fail_msg("nodes[].%s cannot be registered", s->field);
        }
}

/* Each leaf of the API's tables, too, is a setting; but for those with a reason. */
static void every_field_is_a_setting(const Structure *s, const char *prefix, const SettingTable *t) {
        static const char *const others[] = { "loadBalancing.algorithm", "id" };

        for (const Field *f = s->fields; f->name; f++) {
                char path[128];
                bool known = false;

                snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix ? "." : "", f->name);
                if (f->type == FIELD_STRUCT) {
                        every_field_is_a_setting(f->structure, path, t);
                        continue;
                }
                for (size_t i = 0; i < t->n; i++)
                        known |= streq(t->rows[i].field, path);
                for (size_t i = 0; i < ELEMENTSOF(others); i++)
                        known |= streq(others[i], path);
                if (!known)
                        fail_msg("%s is no setting", path);
        }
}

static void no_field_is_without_a_setting(void **state) {
        every_field_is_a_setting(&distribution_structure, "", &service_setting_table);
        every_field_is_a_setting(&allocation_structure, "", &service_setting_table);
        every_field_is_a_setting(node_structure_of(), "", &node_setting_table);
}

/* ---- a store in memory ---- */

typedef struct Memory {
        Store store;
        char *text;
        int error;
        int asides;
} Memory;

static int memory_read(Store *s, const char *name, char **ret, size_t *ret_size) {
        Memory *m = (Memory *) s;

        if (m->error < 0 || !m->text)
                return m->error < 0 ? m->error : -ENOENT;
        *ret = strdup(m->text);
        *ret_size = strlen(m->text);
        return 0;
}

static uint64_t memory_put(Store *s, const char *name, const char *text, size_t size) {
        Memory *m = (Memory *) s;

        free(m->text);
        m->text = strndup(text, size);
        return 1;
}


static int memory_set_aside(Store *s, const char *name, char **ret_where) {
        ((Memory *) s)->asides++;
        *ret_where = strdup("elsewhere");
        return 0;
}

static const StoreFunctions memory_functions = {
        .read = memory_read, .put_document = memory_put, .set_aside = memory_set_aside,
};

static const char everything[] =
        "{\"registrations\":[{\"serviceName\":\"maps\",\"distribution\":{\"strategy\":\"COST_OPTIMIZED\",\"priority\":\"cost\",\"nodes\":["
        "{\"id\":\"a\",\"provider\":\"here\",\"region\":\"eu\",\"url\":\"https://a.test/\",\"weight\":0,\"costPerRequest\":0.000001,"
        "\"expectedSuccessRate\":0.005,\"latitude\":-33.8688,\"longitude\":151.2093,\"latencyLimitMs\":250,"
        "\"priceTiers\":[{\"upTo\":100000,\"price\":0},{\"price\":0.005}],\"credential\":\"maps\","
        "\"options\":{\"plan\":\"\xc3\xbc\\\"\"}}],"
        "\"loadBalancing\":{\"healthCheckInterval\":0,\"failoverThreshold\":12.3456,\"retryBackoffMs\":1,\"maxRetries\":0,\"leaseSeconds\":3600},"
        "\"costConstraints\":{\"maxCostPerHour\":100,\"budgetAlertThreshold\":80,\"costOptimizationEnabled\":false,"
        "\"onExhausted\":\"emergency\"},\"revenuePerCall\":12.5,\"whenAllDown\":\"refuse\"},"
        "\"allocation\":{\"totalBudget\":1000,\"budgetPeriod\":\"monthly\",\"costTiers\":{\"normal\":0.029,\"elevated\":0.05,\"emergency\":0.1},"
        "\"emergencyMultiplier\":2.5}}]}\n";

static void what_is_stored_comes_back(void **state) {
        Memory m = { .store = { &memory_functions }, .text = strdup(everything) };
        Registrations *r = NULL;
        char *trouble = NULL;
        uint64_t generation;

        assert_int_equal(registrations_new(&r, NULL, NULL), 0);
        assert_int_equal(registrations_load(r, &m.store, &trouble), 0);
        assert_null(trouble);
        const ServiceSettings *s = &registrations_find(r, "maps")->given;
        assert_int_equal(s->strategy, COST_OPTIMIZED);
        assert_int_equal(s->nodes[0].weight, 0);
        assert_int_equal(s->nodes[0].cost_per_request, 1);
        assert_true(s->nodes[0].expected_success_rate == 0.005);
        assert_true(s->nodes[0].price_tiers[1].up_to == INT64_MAX);
        assert_string_equal(s->nodes[0].options[0].value, "\xc3\xbc\"");
        assert_true(fabs(s->failover_threshold - 0.123456) < 1e-12);
        assert_int_equal(s->lease_ns, 3600 * NSEC_PER_SEC);
        assert_false(s->cost_optimization_enabled);
        assert_int_equal(s->tier_price[TIER_ELEVATED], 50000);
        assert_int_equal(registrations_put(r, &m.store, &generation), 0);
        assert_string_equal(m.text, everything);

        registrations_free(r);
        free(m.text);
}

/* What an allocation may leave out is not written as a number that nobody can read. */
static void what_is_not_given_stays_so(void **state) {
        static const char least[] = "{\"registrations\":[{\"serviceName\":\"maps\",\"allocation\":{\"totalBudget\":5,"
                                    "\"budgetPeriod\":\"monthly\",\"emergencyMultiplier\":3}}]}\n";
        Memory m = { .store = { &memory_functions }, .text = strdup(least) };

        for (int i = 0; i < 2; i++) {
                Registrations *r = NULL;
                char *trouble = NULL;

                assert_int_equal(registrations_new(&r, NULL, NULL), 0);
                assert_int_equal(registrations_load(r, &m.store, &trouble), 0);
                assert_null(trouble);
                assert_int_equal(registrations_find(r, "maps")->given.tier_price[TIER_NORMAL], MONEY_UNSET);
                uint64_t generation;
                assert_int_equal(registrations_put(r, &m.store, &generation), 0);
                assert_string_equal(m.text, least);
                registrations_free(r);
        }
        free(m.text);
}

static void trouble_is_told(void **state) {
        static const char *const bad[] = { "", "{", "[]", "{}", "{\"registrations\":[{}]}", "{\"registrations\":[]}x",
                                           "{\"registrations\":[{\"serviceName\":\"a\",\"distribution\":{}}]}" };
        Memory m = { .store = { &memory_functions } };
        Registrations *r = NULL;
        char *trouble = NULL;

        assert_int_equal(registrations_new(&r, NULL, NULL), 0);
        assert_int_equal(registrations_load(r, &m.store, &trouble), 0);
        assert_null(trouble);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                m.text = (char *) bad[i];
                assert_int_equal(registrations_load(r, &m.store, &trouble), 0);
                assert_non_null(strstr(trouble, "elsewhere"));
                free(trouble);
        }
        assert_int_equal(m.asides, ELEMENTSOF(bad));
        m.error = -EIO;
        assert_int_equal(registrations_load(r, &m.store, &trouble), -EIO);
        assert_null(trouble);
        assert_int_equal(registrations_n(r), 0);
        registrations_free(r);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_setting_can_be_registered), cmocka_unit_test(no_field_is_without_a_setting),
                cmocka_unit_test(what_is_stored_comes_back), cmocka_unit_test(what_is_not_given_stays_so), cmocka_unit_test(trouble_is_told),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
