/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>

#include "basic/json-plain.h"
#include "basic/json.h"
#include "basic/macro.h"
#include "tests/unit/test.h"

static int check(const char *text, size_t n) {
        JsonReader r;
        JsonValue v;

        json_open(&r, text, n);
        int k = json_read(&r, &v);
        if (k == 0)
                k = json_skip(&r, &v);
        return k < 0 ? k : json_close(&r);
}

static void accepts_what_is_json(void **state) {
        static const char *const good[] = {
                "{}", "[]", "null", " true ", "[[],{}]", "{\"a\":{\"b\":[1,2,{\"c\":null}]},\"d\":\"x\"}", "\"\\u00e9\\ud83d\\ude00\"",
                "-0.5e+10", "\"caf\xc3\xa9\"", "[1,\n2 ,\t3]",
        };
        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                assert_int_equal(check(good[i], strlen(good[i])), 0);
}

static void every_beginning_is_too_short_not_wrong(void **state) {
        static const char text[] = "{\"k\\u00e9y\":[1.5e3,\"caf\xc3\xa9\",true,null,{\"a\":\"\\ud83d\\ude00\"}]}";

        for (size_t n = 0; n < strlen(text); n++)
                assert_int_equal(check(text, n), -ENODATA);
        assert_int_equal(check(text, strlen(text)), 0);
}

static void refuses_what_is_not_json(void **state) {
        static const char *const bad[] = {
                "{,}", "[1,]", "{\"a\" 1}", "{\"a\":1,}", "[1 2]", "nul ", "01", "1. ", "--1", "\"\x01\"", "\"\\x\"", "\"\\u0000\"",
                "\"\\ud800x\"", "\"\\udc00\"", "\"\xff\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\"\xf5\x80\x80\x80\"", "{} x", "]", "{1:2}", "+1",
                "[}", "{]",
        };
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(check(bad[i], strlen(bad[i])), -EBADMSG);
}

static void nesting_has_a_limit(void **state) {
        char deep[20000];

        memset(deep, '[', sizeof(deep));
        assert_int_equal(check(deep, sizeof(deep)), -ELOOP);
        memset(deep + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
        assert_int_equal(check(deep, 2 * JSON_DEPTH_MAX), 0);
}

static JsonValue scalar(const char *text) {
        JsonReader r;
        JsonValue v;

        json_open(&r, text, strlen(text));
        assert_int_equal(json_read(&r, &v), 0);
        return v;
}

static void numbers(void **state) {
        static const struct { const char *text; int64_t micro; } fixed[] = {
                { "0.029", 29000 }, { "1", 1000000 }, { "-2.5", -2500000 }, { "1e-6", 1 }, { "4e-7", 0 }, { "5e-7", 1 },
                { "0.0000005", 1 }, { "0.00000049999", 0 }, { "12e-1", 1200000 }, { "15e-7", 2 }, { "1e3", 1000000000 },
                { "0.1000000000000000055511151231257827021181583404541015625", 100000 }, { "1e-400000", 0 }, { "0e999999999", 0 },
                { "123456789012e-17", 1 },
        };
        for (size_t i = 0; i < ELEMENTSOF(fixed); i++) {
                JsonValue v = scalar(fixed[i].text);
                int64_t x;
                assert_int_equal(json_fixed(&v, 6, &x), 0);
                assert_int_equal(x, fixed[i].micro);
        }

        int64_t x = 0;
        JsonValue v = scalar("9223372036854775807");
        assert_int_equal(json_int64(&v, &x), 0);
        assert_int_equal(x, INT64_MAX);
        v = scalar("9223372036854775808");
        assert_int_equal(json_int64(&v, &x), -ERANGE);
        v = scalar("-9223372036854775808");
        assert_int_equal(json_int64(&v, &x), 0);
        assert_int_equal(x, INT64_MIN);
        v = scalar("1.5");
        assert_int_equal(json_int64(&v, &x), -EDOM);
        v = scalar("2e3");
        assert_int_equal(json_int64(&v, &x), 0);
        assert_int_equal(x, 2000);
        v = scalar("1e20");
        assert_int_equal(json_fixed(&v, 6, &x), -ERANGE);
        v = scalar("22222222222222222222222222222222222222222222222222.5"); /* more digits than fit anywhere */
        assert_int_equal(json_fixed(&v, 6, &x), -ERANGE);
        double d;
        v = scalar("1e999");
        assert_int_equal(json_double(&v, &d), -ERANGE);
}

/* Whatever way is taken: the double next to what is written, as strtod() finds it. */
static void doubles(void **state) {
        static const char *const some[] = { "0", "-0", "0.1", "-0.3", "20.5", "9007199254740993", "0.00000000000001", "99999999999999.9",
                                            "1234567890123456", "12345678901234567", "0.123456789012345678", "1e-7", "2.5E3", "179.99999" };
        uint64_t seed = 1;
        char text[40];
        double d;

        for (size_t i = 0; i < ELEMENTSOF(some); i++) {
                JsonValue v = scalar(some[i]);
                assert_int_equal(json_double(&v, &d), 0);
                double wanted = strtod(some[i], NULL);
                assert_memory_equal(&d, &wanted, sizeof(d));
        }
        for (size_t i = 0; i < 200000; i++) {
                seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
                snprintf(text, sizeof(text), "%s%llu.%0*llu", seed & 1 ? "-" : "", (unsigned long long) (seed >> 20) % 1000000000,
                         (int) (1 + i % 9), (unsigned long long) (seed >> 40) % 1000);
                JsonValue v = scalar(text);
                assert_int_equal(json_double(&v, &d), 0);
                double wanted = strtod(text, NULL);
                assert_memory_equal(&d, &wanted, sizeof(d));
        }
}

/* At every place of every length up to more than two looks: what is special is found, and nothing behind the end is looked at. */
static void the_plain_beginning_of_a_text(void **state) {
        static const unsigned char special[] = { 0, 1, 0x1f, '"', '\\', 0x80, 0xff };
        char text[40];

        for (size_t n = 0; n < sizeof(text); n++)
                for (size_t at = 0; at <= n; at++)
                        for (size_t i = 0; i < sizeof(special); i++) {
                                memset(text, ' ' + (int) (n + at) % 2 * ('~' - ' '), n); /* the least and the most that is plain */
                                text[at] = (char) special[i];
                                assert_int_equal(json_plain_prefix(text, n), at);
                        }
}

static void strings(void **state) {
        char text[] = "\"a\\n\\u00e9\\ud83d\\ude00\\\"z\"", small[5];
        JsonValue v = scalar(text);

        assert_true(json_equals(&v, "a\n\xc3\xa9\xf0\x9f\x98\x80\"z"));
        assert_int_equal(json_copy_string(&v, small, sizeof(small)), -ENOBUFS);
        assert_string_equal(small, "a\n\xc3\xa9");
        assert_string_equal(json_terminate_string(&v), "a\n\xc3\xa9\xf0\x9f\x98\x80\"z");
}

static void writing(void **state) {
        JsonWriter w = {};

        json_write_string(&w, "a\"\\\n\x01 caf\xc3\xa9 \xff");
        json_write_literal(&w, " ");
        json_write_fixed(&w, -29000, 6);
        json_write_literal(&w, " ");
        json_write_fixed(&w, 5, 6);
        json_write_literal(&w, " ");
        json_write_fixed(&w, 100000000, 6);
        json_write_literal(&w, " ");
        json_write_int(&w, INT64_MIN);
        json_write_literal(&w, " ");
        json_write_double(&w, 0.97, 4);
        json_write_literal(&w, " ");
        json_write_double(&w, NAN, 4);
        json_write(&w, "", 1);
        assert_string_equal(w.data, "\"a\\\"\\\\\\n\\u0001 caf\xc3\xa9 \\ufffd\" -0.029 0.000005 100 -9223372036854775808 0.97 null");
        json_writer_done(&w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(accepts_what_is_json), cmocka_unit_test(every_beginning_is_too_short_not_wrong),
                cmocka_unit_test(refuses_what_is_not_json), cmocka_unit_test(nesting_has_a_limit), cmocka_unit_test(numbers), cmocka_unit_test(doubles),
                cmocka_unit_test(the_plain_beginning_of_a_text), cmocka_unit_test(strings), cmocka_unit_test(writing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
