/* SPDX-License-Identifier: Apache-2.0 */
#include "snmp/snapshot.h"

#include <errno.h>

#include "basic/macro.h"
#include "basic/units.h"
#include "tests/unit/test.h"

#define NOW (UINT64_C(1772366400) * NSEC_PER_SEC) /* 2026-03-01T12:00:00Z */

static const char reply[] =
        "{\"serial\":7,\"future\":{\"a\":[1,{}]},"
        "\"status\":{\"version\":\"0.1.0\",\"health\":\"degraded\",\"uptimeSeconds\":90.126,\"decisions\":5000000000,"
        "\"startedAt\":\"2026-03-01T11:00:00Z\"},"
        "\"services\":["
        "{\"serviceName\":\"stripe\",\"strategy\":\"HEALTH_BASED\",\"priority\":\"revenue\",\"origin\":\"file\","
        "\"costTier\":\"normal\",\"budgetState\":\"alert\",\"spendHour\":85.000001,\"maxCostPerHour\":100,\"spendPeriod\":900.5,"
        "\"totalBudget\":1000,\"budgetPeriod\":\"daily\",\"decisions\":10,\"failures\":1,\"successRate\":0.998,"
        "\"nodes\":["
        "{\"node\":\"stripe/us-east\",\"provider\":\"stripe\",\"region\":\"us-east\",\"weight\":70,\"costPerRequest\":0.029,"
        "\"administrativeState\":\"draining\",\"health\":\"healthy\",\"healthScore\":97.6,\"circuit\":\"half_open\","
        "\"successRate\":1,\"latencyP50Ms\":12.3456,\"latencyP95Ms\":4294968,\"latencyP99Ms\":0,\"inFlight\":2,\"calls\":9,"
        "\"failures\":1,\"verdicts\":{\"ok\":8,\"network_issue\":1,\"new_one\":3},\"cooldownMs\":1500,\"spendHour\":0.261,"
        "\"spendPeriod\":0.261,\"share\":0.7,\"failureForecast\":0.025,\"lastProbeAt\":\"2026-03-01T11:59:30.5Z\","
        "\"lastProbe\":\"ok\"},"
        "{\"node\":\"stripe/us-west\",\"provider\":\"stripe\",\"region\":\"\",\"lastProbe\":null}]},"
        "{\"serviceName\":\"maps\",\"strategy\":\"SOMETHING_NEW\",\"spendHour\":1,\"nodes\":["
        "{\"node\":\"maps/here\"},{\"node\":\"maps/m\\u00e4p\\\"box\"}]}],"
        "\"scenarios\":[{\"id\":\"s-1\",\"type\":\"RATE_LIMIT_EXCEEDED\",\"serviceName\":\"maps\",\"severity\":\"high\","
        "\"state\":\"active\",\"optimizationStrategy\":\"BALANCED\",\"startedAt\":\"2026-03-01T11:58:20Z\","
        "\"impact\":{\"failedCalls\":3,\"revenueAtRisk\":1.5},\"reason\":\"429\"},"
        "{\"id\":\"s-2\",\"state\":\"resolved\",\"startedAt\":\"2026-03-01T11:00:00Z\",\"resolvedAt\":\"2026-03-01T11:00:10Z\"}]}";

static Indexes *indexes;

static int parse_part(const char *text, size_t n, Snapshot **ret) {
        char *copy = strndup(text, n);

        assert_non_null(copy);
        return snapshot_parse(copy, NOW, indexes, ret);
}

static int parse(const char *text, Snapshot **ret) {
        return parse_part(text, strlen(text), ret);
}

static Snapshot *snapshot(void) {
        Snapshot *s;

        assert_int_equal(parse(reply, &s), 0);
        return s;
}

static const Row *find(const Snapshot *s, TableId id, const char *name) {
        static const size_t offsets[_TABLE_MAX] = {
                [TABLE_SERVICES] = offsetof(ServiceRow, name), [TABLE_NODES] = offsetof(NodeRow, name),
                [TABLE_SCENARIOS] = offsetof(ScenarioRow, id), [TABLE_PROVIDERS] = offsetof(ProviderRow, name),
        };
        const Row *row = rows_find_text(&s->tables[id], offsets[id], name);

        assert_non_null(row);
        return row;
}

/* A column's value as a number. */
static uint64_t number(const Column *c, const void *row, u_char type) {
        Value v;

        assert_non_null(c);
        column_value(c, row, &v);
        assert_int_equal(v.type, type);
        return type == ASN_COUNTER64 ? (uint64_t) v.counter.high << 32 | v.counter.low : (uint64_t) v.number;
}

static void assert_text(const Column *c, const void *row, const char *text) {
        Value v;

        column_value(c, row, &v);
        assert_int_equal(v.type, ASN_OCTET_STR);
        assert_int_equal(v.size, strlen(text));
        assert_memory_equal(v.data, text, v.size);
}

static void columns_have_no_gaps(void **state) {
        for (TableId id = 0; id < _TABLE_MAX; id++)
                for (size_t i = 0; i < mib_tables[id].n_columns; i++) {
                        const Table *t = &mib_tables[id];
                        assert_int_equal(t->columns[i].number, t->columns[0].number + i);
                        assert_ptr_equal(table_column(t, t->columns[i].number), &t->columns[i]);
                }
        assert_null(table_column(&mib_tables[TABLE_NODES], 0));
        assert_null(table_column(&mib_tables[TABLE_NODES], 1)); /* the index is not accessible */
        assert_null(table_column(&mib_tables[TABLE_NODES], 25));
        assert_null(table_column(&mib_tables[TABLE_NODES], UINT32_MAX));
}

static void a_node_in_all_its_columns(void **state) {
        const Table *t = &mib_tables[TABLE_NODES];
        Snapshot *s = snapshot();
        const Row *row = find(s, TABLE_NODES, "stripe/us-east");

        assert_text(table_column(t, 2), row, "stripe/us-east");
        assert_text(table_column(t, 3), row, "stripe");
        assert_text(table_column(t, 4), row, "us-east");
        static const struct { unsigned column; u_char type; uint64_t value; } expected[] = {
                { 5, ASN_INTEGER, 2 }, { 6, ASN_INTEGER, 2 }, { 7, ASN_GAUGE, 98 }, { 8, ASN_INTEGER, 3 }, { 9, ASN_GAUGE, 10000 },
                { 10, ASN_GAUGE, 12346 }, { 11, ASN_GAUGE, UINT32_MAX }, { 12, ASN_GAUGE, 0 }, { 13, ASN_GAUGE, 2 },
                { 14, ASN_COUNTER64, 9 }, { 15, ASN_COUNTER64, 1 }, { 16, ASN_GAUGE, 1500 }, { 17, ASN_COUNTER64, 261000 },
                { 18, ASN_COUNTER64, 261000 }, { 19, ASN_COUNTER64, 29000 }, { 20, ASN_GAUGE, 70 }, { 21, ASN_GAUGE, 7000 },
                { 22, ASN_INTEGER, 250 }, { 23, ASN_INTEGER, 1 }, { 24, ASN_GAUGE, 29 },
        };
        for (size_t i = 0; i < ELEMENTSOF(expected); i++)
                assert_int_equal(number(table_column(t, expected[i].column), row, expected[i].type), expected[i].value);

        const Table *verdicts = &mib_tables[TABLE_VERDICTS];
        assert_int_equal(number(table_column(verdicts, 1), row, ASN_COUNTER64), 8);
        assert_int_equal(number(table_column(verdicts, 7), row, ASN_COUNTER64), 1);
        assert_int_equal(number(table_column(verdicts, 11), row, ASN_COUNTER64), 0);
        snapshot_free(s);
}

static void what_is_not_known_is_no_good_news(void **state) {
        const Table *nodes = &mib_tables[TABLE_NODES], *services = &mib_tables[TABLE_SERVICES];
        Snapshot *s = snapshot();
        const Row *row = find(s, TABLE_NODES, "stripe/us-west");

        assert_text(table_column(nodes, 4), row, "");
        assert_int_equal((int) number(table_column(nodes, 22), row, ASN_INTEGER), -1);
        assert_int_equal(number(table_column(nodes, 23), row, ASN_INTEGER), 0);
        assert_int_equal(number(table_column(nodes, 24), row, ASN_GAUGE), UINT32_MAX);

        row = find(s, TABLE_SERVICES, "maps");
        assert_int_equal(number(table_column(services, 3), row, ASN_INTEGER), 0); /* a word of a newer daemon */
        assert_true(number(table_column(services, 10), row, ASN_COUNTER64) == UINT64_MAX);
        assert_int_equal(number(table_column(services, 13), row, ASN_INTEGER), 0);
        assert_int_equal(number(table_column(services, 14), row, ASN_GAUGE), 0);
        snapshot_free(s);
}

static void services_and_scenarios(void **state) {
        const Table *services = &mib_tables[TABLE_SERVICES], *scenarios = &mib_tables[TABLE_SCENARIOS];
        static const u_char start[] = { 0x07, 0xEA, 3, 1, 11, 58, 20, 0, '+', 0, 0 };
        Snapshot *s = snapshot();
        const Row *row = find(s, TABLE_SERVICES, "stripe");
        Value v;

        assert_int_equal(number(table_column(services, 3), row, ASN_INTEGER), 7);
        assert_int_equal(number(table_column(services, 6), row, ASN_INTEGER), 0);
        assert_int_equal(number(table_column(services, 9), row, ASN_COUNTER64), 85000001);
        assert_int_equal(number(table_column(services, 12), row, ASN_COUNTER64), 1000000000);
        assert_int_equal(number(table_column(services, 14), row, ASN_GAUGE), 90); /* of the day's, which is used more */
        assert_int_equal(number(table_column(services, 17), row, ASN_GAUGE), 9980);
        assert_int_equal(number(table_column(services, 18), row, ASN_GAUGE), 2);

        row = find(s, TABLE_SCENARIOS, "s-1");
        column_value(table_column(scenarios, 8), row, &v);
        assert_int_equal(v.size, sizeof(start));
        assert_memory_equal(v.data, start, sizeof(start));
        assert_int_equal(number(table_column(scenarios, 9), row, ASN_GAUGE), 100);
        assert_int_equal(number(table_column(scenarios, 10), row, ASN_COUNTER64), 3);
        assert_int_equal(number(table_column(scenarios, 11), row, ASN_COUNTER64), 1500000);
        assert_int_equal(number(table_column(scenarios, 9), find(s, TABLE_SCENARIOS, "s-2"), ASN_GAUGE), 10);
        snapshot_free(s);
}

static void scalars(void **state) {
        const Column *c = mib_tables[TABLE_SYSTEM].columns;
        static const u_char started[] = { 0x07, 0xEA, 3, 1, 11, 0, 0, 0, '+', 0, 0 };
        Snapshot *s = snapshot();
        Value v;

        assert_text(&c[0], &s->system, "0.1.0");
        assert_int_equal(number(&c[1], &s->system, ASN_TIMETICKS), 9013);
        assert_int_equal(number(&c[2], &s->system, ASN_INTEGER), 2);
        assert_true(number(&c[3], &s->system, ASN_COUNTER64) == UINT64_C(5000000000));
        assert_int_equal(number(&c[8], &s->system, ASN_GAUGE), 1); /* s-2 is over */
        column_value(&c[10], &s->system, &v);
        assert_memory_equal(v.data, started, sizeof(started)); /* never reloaded */
        assert_int_equal(number(&c[11], &s->system, ASN_GAUGE), 2);
        assert_int_equal(number(&c[12], &s->system, ASN_GAUGE), 4);
        snapshot_free(s);
}

static void providers(void **state) {
        const Table *t = &mib_tables[TABLE_PROVIDERS];
        Snapshot *s;

        assert_int_equal(parse("{\"providers\":[{\"operations\":[\"geocode\",\"\",\"directions\\/v5\"],\"name\":\"mapbox\",\"abi\":1},"
                               "{\"name\":\"bad.so\",\"operations\":[],\"error\":\"no symbol\"}]}", &s), 0);
        const Row *row = find(s, TABLE_PROVIDERS, "mapbox");
        assert_text(table_column(t, 6), row, "geocode,,directions/v5");
        assert_text(table_column(t, 7), row, "");
        assert_int_equal(number(table_column(t, 5), row, ASN_GAUGE), 1);
        assert_text(table_column(t, 7), find(s, TABLE_PROVIDERS, "bad.so"), "no symbol");
        snapshot_free(s);
}

static void rows_are_in_lexicographic_order(void **state) {
        Snapshot *s = snapshot();

        for (TableId id = 0; id < _TABLE_MAX; id++)
                for (size_t i = 0; i < s->tables[id].n; i++) {
                        size_t n = mib_tables[id].n_index;
                        const Row *row = rows_at(&s->tables[id], i);
                        for (size_t k = 0; k < n; k++)
                                assert_in_range(row->index[k], 1, INDEX_MAX);
                        if (i > 0)
                                assert_true(snmp_oid_compare(rows_at(&s->tables[id], i - 1)->index, n, row->index, n) < 0);
                }
        /* A node stands under its service. */
        const ServiceRow *maps = (const ServiceRow *) find(s, TABLE_SERVICES, "maps");
        assert_int_equal(find(s, TABLE_NODES, "maps/here")->index[0], maps->row.index[0]);
        assert_int_equal(find(s, TABLE_NODES, "maps/m\xc3\xa4p\"box")->index[0], maps->row.index[0]);
        snapshot_free(s);
}

static void long_texts_are_cut_between_characters(void **state) {
        char text[600] = "";
        ServiceRow row = { .name = text };
        Value v;

        strcpy(text, "x");
        for (int i = 0; i < 200; i++)
                strcat(text, "\xc3\xa9");
        column_value(table_column(&mib_tables[TABLE_SERVICES], 2), &row, &v);
        assert_int_equal(v.size, 255);
        text[0] = '\xc3', text[1] = '\xa9'; /* shifts the others by one byte */
        memmove(text + 2, text + 3, strlen(text + 3) + 1);
        column_value(table_column(&mib_tables[TABLE_SERVICES], 2), &row, &v);
        assert_int_equal(v.size, 254);
}

static void instants(void **state) {
        uint64_t t;

        assert_int_equal(instant_parse("1970-01-01T00:00:01Z", &t), 0);
        assert_true(t == NSEC_PER_SEC);
        assert_int_equal(instant_parse("2026-03-01T12:00:00.123456789Z", &t), 0);
        assert_true(t == NOW + 123456789);
        static const char *const bad[] = { "", "2026-03-01", "2026-03-01T12:00:00", "2026-03-01T12:00:00+01:00", "2026-13-01T12:00:00Z",
                                           "1960-03-01T12:00:00Z", "2026-03-01T12:00:00.Zx" };
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(instant_parse(bad[i], &t), -EBADMSG);
}

static void what_is_no_reply_is_refused(void **state) {
        static const char *const bad[] = {
                "", "[]", "{", "x", "{\"services\":1}", "{\"services\":[1]}", "{\"services\":[{\"serviceName\":5}]}",
                "{\"services\":[{\"strategy\":5}]}", "{\"services\":[{\"decisions\":\"5\"}]}",
                "{\"services\":[{\"nodes\":[{\"calls\":1e30}]}]}", "{\"services\":[{\"nodes\":[{\"verdicts\":{\"ok\":-1}}]}]}",
                "{\"scenarios\":[{\"startedAt\":\"yesterday\"}]}", "{\"providers\":[{\"operations\":[1]}]}", "{} {}",
        };
        Snapshot *s;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_true(parse(bad[i], &s) < 0);
        /* Every beginning of a good one. */
        for (size_t n = 0; n < strlen(reply); n++)
                assert_true(parse_part(reply, n, &s) < 0);
        assert_int_equal(parse("{}", &s), 0);
        snapshot_free(s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(columns_have_no_gaps),
                cmocka_unit_test(a_node_in_all_its_columns),
                cmocka_unit_test(what_is_not_known_is_no_good_news),
                cmocka_unit_test(services_and_scenarios),
                cmocka_unit_test(scalars),
                cmocka_unit_test(providers),
                cmocka_unit_test(rows_are_in_lexicographic_order),
                cmocka_unit_test(long_texts_are_cut_between_characters),
                cmocka_unit_test(instants),
                cmocka_unit_test(what_is_no_reply_is_refused),
        };
        if (indexes_new(&indexes, NULL) < 0)
                return 1;
        int failed = cmocka_run_group_tests(tests, NULL, NULL);
        indexes_free(indexes);
        return failed;
}
