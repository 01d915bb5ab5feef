/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>

#include "basic/macro.h"
#include "daemon/api/schema.h"
#include "tests/unit/test.h"

typedef struct Inner {
        const char *id;
        uint32_t weight;
} Inner;

typedef struct Outer {
        const char *name;
        int64_t count;
        Money cost;
        Units units;
        double ratio;
        double percent, either;
        uint64_t wait_ns, at_ns, lease_ns, unbounded_ns;
        uint32_t small;
        int mode, flag;
        uint32_t modes;
        const char *const *words;
        size_t n_words;
        const struct pm_header *map;
        size_t n_map;
        const Inner *list;
        size_t n_list;
        const Inner *pointer;
        Inner inner;
} Outer;

static const char *const mode_table[] = { "slow", "fast" };
static const EnumNames mode_names = { "Mode", mode_table, 2 };

#define F(member, name, type, ...) FIELD(Inner, member, name, type, ##__VA_ARGS__)
static STRUCTURE(inner, "Inner", Inner, F(id, "id", FIELD_STRING, REQUIRED), F(weight, "weight", FIELD_UINT32, RANGE(0, 1000)));
#undef F
#define F(member, name, type, ...) FIELD(Outer, member, name, type, ##__VA_ARGS__)
static STRUCTURE(outer, "Outer", Outer,
        F(name, "name", FIELD_STRING, .flags = FIELD_REQUIRED, LENGTH(8)),
        F(count, "count", FIELD_INT, RANGE(-5, 5), OPTIONAL),
        F(cost, "cost", FIELD_MONEY, RANGE(0, 1e9), OPTIONAL),
        F(units, "units", FIELD_UNITS, OPTIONAL),
        F(ratio, "ratio", FIELD_FLOAT, OPTIONAL),
        F(wait_ns, "waitMs", FIELD_MS, RANGE(0, 1000), OPTIONAL),
        F(at_ns, "at", FIELD_INSTANT, OPTIONAL),
        F(mode, "mode", FIELD_ENUM, .names = &mode_names, OPTIONAL),
        F(flag, "flag", FIELD_TRISTATE, OPTIONAL),
        F(modes, "modes", FIELD_ENUMS, .names = &mode_names, OPTIONAL),
        F(words, "words", FIELD_STRINGS, COUNT(Outer, n_words), LENGTH(3), OPTIONAL),
        F(map, "map", FIELD_MAP, COUNT(Outer, n_map), OPTIONAL),
        F(list, "list", FIELD_ARRAY, COUNT(Outer, n_list), OPTIONAL, .structure = &inner),
        F(percent, "percent", FIELD_PERCENT, OPTIONAL),
        F(either, "either", FIELD_RATIO, OPTIONAL),
        F(lease_ns, "leaseSeconds", FIELD_SECONDS_INT, OPTIONAL),
        F(unbounded_ns, "unboundedMs", FIELD_MS_INT, OPTIONAL),
        F(small, "small", FIELD_UINT32),
        F(pointer, "pointer", FIELD_STRUCT_POINTER, OPTIONAL, .structure = &inner));
#undef F

typedef struct Fixture {
        char text[4096];
        Arena arena;
        SchemaError error;
        unsigned unknown;
        Outer value;
} Fixture;

static int read_text(Fixture *f, const char *text) {
        JsonReader r;

        arena_reset(&f->arena);
        snprintf(f->text, sizeof(f->text), "%s", text);
        schema_init(&outer, &f->value);
        json_open(&r, f->text, strlen(f->text));
        return schema_read_json(&outer, &r, &f->arena, &f->value, &f->error, &f->unknown);
}

static void everything_comes_back_as_it_went_in(void **state) {
        static const char text[] =
                "{\"name\":\"caf\xc3\xa9\",\"count\":-5,\"cost\":0.029,\"units\":2.5,\"ratio\":0.25,\"waitMs\":41.5,"
                "\"at\":\"2026-03-01T12:00:00.250Z\",\"mode\":\"fast\",\"flag\":false,\"words\":[\"a\",\"b\\\"c\"],\"map\":{\"X-Y\":\"z\"},"
                "\"list\":[{\"id\":\"p\",\"weight\":70},{\"id\":\"q\",\"weight\":0}],\"percent\":12.3456,\"either\":0.005,\"leaseSeconds\":30,"
                "\"unboundedMs\":1000,\"small\":7,\"pointer\":{\"id\":\"r\",\"weight\":1}}";
        Fixture f = {};
        JsonWriter w = {};

        assert_int_equal(read_text(&f, text), 0);
        assert_int_equal(f.value.cost, 29000);
        assert_int_equal(f.value.units, 2500000);
        assert_int_equal(f.value.wait_ns, 41500000);
        assert_true(fabs(f.value.percent - 0.123456) < 1e-12);
        assert_true(f.value.either == 0.005);
        assert_int_equal(f.value.lease_ns, 30 * NSEC_PER_SEC);
        schema_write_json(&outer, &f.value, &w);
        json_write(&w, "", 1);
        assert_string_equal(w.data, text);
        json_writer_done(&w);
        arena_done(&f.arena);
}

static void absent_fields_stay_absent(void **state) {
        Fixture f = {};
        JsonWriter w = {};

        assert_int_equal(read_text(&f, "{\"name\":\"x\",\"count\":null,\"other\":{\"deep\":[1,2]},\"another\":1}"), 0);
        assert_int_equal(f.unknown, 2);
        assert_true(isnan(f.value.ratio));
        assert_int_equal(f.value.cost, MONEY_UNSET);
        schema_write_json(&outer, &f.value, &w);
        json_write(&w, "", 1);
        assert_string_equal(w.data, "{\"name\":\"x\",\"small\":0}");
        json_writer_done(&w);
        arena_done(&f.arena);
}

static void each_mistake_names_its_field(void **state) {
        static const struct { const char *text, *field, *reason; } cases[] = {
                { "{}", "name", "required" },
                { "[]", "", "an object is wanted" },
                { "{\"name\":1}", "name", "a string is wanted here, not a number" },
                { "{\"name\":\"123456789\"}", "name", "up to 8 are allowed" },
                { "{\"name\":\"x\",\"count\":6}", "count", "-5 to 5 are allowed" },
                { "{\"name\":\"x\",\"count\":1.5}", "count", "a whole number" },
                { "{\"name\":\"x\",\"count\":1e30}", "count", "too large" },
                { "{\"name\":\"x\",\"count\":\"1\"}", "count", "a whole number is wanted here, not a string" },
                { "{\"name\":\"x\",\"cost\":-1}", "cost", "0 to 1000000000 are allowed" },
                { "{\"name\":\"x\",\"ratio\":true}", "ratio", "a number is wanted here, not a boolean" },
                { "{\"name\":\"x\",\"mode\":\"medium\"}", "mode", "allowed are slow, fast" },
                { "{\"name\":\"x\",\"modes\":[\"fast\",\"warp\"]}", "modes", "allowed are slow, fast" },
                { "{\"name\":\"x\",\"flag\":0}", "flag", "true or false" },
                { "{\"name\":\"x\",\"at\":\"yesterday\"}", "at", "RFC 3339" },
                { "{\"name\":\"x\",\"words\":\"a\"}", "words", "an array" },
                { "{\"name\":\"x\",\"words\":[1]}", "words", "an array of strings" },
                { "{\"name\":\"x\",\"words\":[\"a\",\"b\",\"c\",\"d\"]}", "words", "up to 3 are allowed" },
                { "{\"name\":\"x\",\"map\":{\"a\":[]}}", "map", "an object of strings" },
                { "{\"name\":\"x\",\"list\":[{\"id\":\"a\"},{\"weight\":1}]}", "list[1].id", "required" },
                { "{\"name\":\"x\",\"list\":[{\"id\":\"a\",\"weight\":1001}]}", "list[0].weight", "0 to 1000 are allowed" },
                { "{\"name\":\"x\",\"small\":-1}", "small", "0 to 4294967295 are allowed" },
                { "{\"name\":\"x\",\"small\":4294967296}", "small", "0 to 4294967295 are allowed" },
                { "{\"name\":\"x\",\"unboundedMs\":-1}", "unboundedMs", "0 to 1000000000000 are allowed" },
                { "{\"name\":\"x\",\"leaseSeconds\":0.5}", "leaseSeconds", "a whole number" },
                { "{\"name\":\"x\",\"leaseSeconds\":-1}", "leaseSeconds", "0 to 1000000000 are allowed" },
                { "{\"name\":\"x\",\"percent\":1e300}", "percent", "out of range" },
                { "{\"name\":\"x\",\"pointer\":{}}", "pointer.id", "required" },
                { "{\"name\":\"x\",\"name\":\"y\"}", "name", "twice" },
                { "{\"name\":\"x\",\"list\":[{\"id\":\"a\"", "", "ends too early" },
                { "{\"name\":\"x\",\"words\":[\"\xff\"]}", "", "malformed" },
        };
        Fixture f = {};

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                assert_int_equal(read_text(&f, cases[i].text), -EINVAL);
                assert_string_equal(f.error.field, cases[i].field);
                if (!strstr(f.error.reason, cases[i].reason))
                        fail_msg("%s: \"%s\" does not say \"%s\"", cases[i].text, f.error.reason, cases[i].reason);
        }
        arena_done(&f.arena);
}

static void percentages_and_ratios(void **state) {
        static const struct { const char *text; double value; } cases[] = {
                { "0", 0 }, { "0.998", 0.998 }, { "1", 1 }, { "1.5", 0.015 }, { "99.5", 0.995 }, { "100", 1 },
        };
        Fixture f = {};

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char text[128];
                snprintf(text, sizeof(text), "{\"name\":\"x\",\"either\":%s}", cases[i].text);
                assert_int_equal(read_text(&f, text), 0);
                assert_true(f.value.either == cases[i].value);
        }
        arena_done(&f.arena);
}

static void init_weighted(void *ret) {
        *(Inner *) ret = (Inner) { .weight = 100 };
}

static const Structure weighted = { "Weighted", sizeof(Inner), (const Field[]) {
        FIELD(Inner, id, "id", FIELD_STRING, REQUIRED), FIELD(Inner, weight, "weight", FIELD_UINT32), {} }, init_weighted };

static void defaults_stay_where_nothing_is_said(void **state) {
        char text[] = "{\"id\":\"x\"}", empty[] = "{}";
        SchemaError error;
        Arena arena = {};
        JsonReader r;
        Inner value;

        schema_init(&weighted, &value);
        json_open(&r, text, strlen(text));
        assert_int_equal(schema_read_json(&weighted, &r, &arena, &value, &error, NULL), 0);
        assert_int_equal(value.weight, 100);
        schema_init(&weighted, &value);
        json_open(&r, empty, strlen(empty));
        assert_int_equal(schema_read_json(&weighted, &r, &arena, &value, &error, NULL), -EINVAL);
        assert_string_equal(error.field, "id");
        arena_done(&arena);
}

/* Whoever has the text can put back the quotes that became NULs, and has it again as it was. */
static void nothing_but_closing_quotes_is_changed(void **state) {
        static const char text[] = "{\"name\":\"\\u00e9\",\"mode\":\"f\\u0061st\",\"words\":[\"a\",\"b\\\"c\"],"
                                   "\"map\":{\"X\\u002dY\":\"z\"},\"unknown\":\"u\",\"list\":[{\"id\":\"p\",\"weight\":\"much\"}]}";
        Fixture f = {};

        assert_int_equal(read_text(&f, text), -EINVAL);
        assert_string_equal(f.error.field, "list[0].weight");
        assert_string_equal(f.value.name, "\xc3\xa9");
        assert_string_equal(f.value.map[0].name, "X-Y");
        assert_string_not_equal(f.text, text);
        for (size_t i = 0; i < sizeof(text) - 1; i++)
                if (!f.text[i])
                        f.text[i] = '"';
        assert_string_equal(f.text, text);
        arena_done(&f.arena);
}

static void instants(void **state) {
        char text[INSTANT_MAX];
        uint64_t t = 0;

        assert_int_equal(instant_from_string("2026-03-01T13:00:00.5+01:00", &t), 0);
        instant_to_string(t, text);
        assert_string_equal(text, "2026-03-01T12:00:00.500Z");
        static const char *const bad[] = { "", "2026-03-01", "2026-03-01T12:00:00", "2026-03-01T12:00:00Zx", "2026-03-01T12:00:00+1",
                                           "1969-12-31T23:59:59Z" };
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(instant_from_string(bad[i], &t), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(everything_comes_back_as_it_went_in), cmocka_unit_test(absent_fields_stay_absent),
                cmocka_unit_test(each_mistake_names_its_field), cmocka_unit_test(percentages_and_ratios),
                cmocka_unit_test(defaults_stay_where_nothing_is_said), cmocka_unit_test(nothing_but_closing_quotes_is_changed),
                cmocka_unit_test(instants),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
