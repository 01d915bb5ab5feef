/* SPDX-License-Identifier: Apache-2.0 */
#include "snmp/index.h"

#include <errno.h>
#include <sys/stat.h>

#include "basic/macro.h"
#include "tests/unit/test.h"

/* Two names for which the same number is worked out. */
#define FIRST "maps/n142358"
#define SECOND "maps/n205002"
#define THEIRS 1142147677u

static char directory[] = "/tmp/pm-index-XXXXXX", path[64];

static int in_a_folder(void **state) {
        strcpy(directory + sizeof(directory) - 7, "XXXXXX");
        if (!mkdtemp(directory))
                return -1;
        snprintf(path, sizeof(path), "%s/indexes", directory);
        return 0;
}

static int remove_folder(void **state) {
        chmod(directory, 0700);
        unlink(path);
        return rmdir(directory); /* fails if anything else was left there */
}

static Indexes *begin(int expected) {
        Indexes *x;

        assert_int_equal(indexes_new(&x, path), expected);
        return x;
}

static Indexes *again(Indexes *x) {
        assert_in_range(indexes_save(x), 0, 1);
        indexes_free(x);
        return begin(INDEXES_WHOLE);
}

static uint32_t number(Indexes *x, IndexKind kind, const char *name) {
        uint32_t n;

        assert_int_equal(indexes_assign(x, kind, (const char *const[]) { name }, 1, &n), 0);
        assert_in_range(n, 1, INDEX_MAX);
        return n;
}

static void write_file(const char *text) {
        FILE *f = fopen(path, "we");

        assert_non_null(f);
        fputs(text, f);
        assert_int_equal(fclose(f), 0);
}

static void a_number_comes_from_the_name(void **state) {
        Indexes *x = begin(INDEXES_WHOLE);

        /* What stations have stored must not move with a new version. */
        assert_int_equal(number(x, INDEX_SERVICE, "stripe"), 2034682907);
        assert_int_equal(number(x, INDEX_SERVICE, "maps"), 425329495);
        assert_int_equal(number(x, INDEX_NODE, FIRST), THEIRS);
        indexes_free(x);
        x = begin(INDEXES_WHOLE);
        assert_int_equal(number(x, INDEX_NODE, SECOND), THEIRS);
        assert_int_equal(number(x, INDEX_SERVICE, FIRST), THEIRS); /* kinds do not get into each other's way */
        assert_int_equal(indexes_assign(x, INDEX_NODE, NULL, 0, NULL), 0);
        indexes_free(x);
}

static void who_came_first_is_not_forgotten(void **state) {
        Indexes *x = begin(INDEXES_WHOLE);
        const char *const both[] = { SECOND, FIRST };
        uint32_t n[2];

        assert_int_equal(number(x, INDEX_NODE, FIRST), THEIRS);
        /* While the first one is away, its number is not given to the second. */
        assert_int_equal(number(x, INDEX_NODE, SECOND), THEIRS + 1);
        x = again(x);
        assert_int_equal(number(x, INDEX_NODE, SECOND), THEIRS + 1);
        x = again(x);
        assert_int_equal(indexes_assign(x, INDEX_NODE, both, 2, n), 0);
        assert_int_equal(n[0], THEIRS + 1);
        assert_int_equal(n[1], THEIRS);
        assert_int_equal(number(x, INDEX_NODE, FIRST), THEIRS);
        indexes_free(x);
}

static void nothing_is_written_when_nothing_is_new(void **state) {
        Indexes *x = begin(INDEXES_WHOLE);

        assert_int_equal(indexes_save(x), 0);
        (void) number(x, INDEX_NODE, "a");
        assert_int_equal(indexes_save(x), 1);
        (void) number(x, INDEX_NODE, "a");
        assert_int_equal(indexes_save(x), 0);
        indexes_free(x);
}

static void scenarios_are_forgotten_when_they_are_gone(void **state) {
        Indexes *x = begin(INDEXES_WHOLE);

        (void) number(x, INDEX_SCENARIO, FIRST);
        (void) number(x, INDEX_NODE, FIRST);
        x = again(x);
        assert_int_equal(number(x, INDEX_SCENARIO, SECOND), THEIRS + 1); /* it has just gone */
        x = again(x);
        assert_int_equal(number(x, INDEX_SCENARIO, SECOND), THEIRS + 1);
        assert_int_equal(number(x, INDEX_SCENARIO, FIRST), THEIRS);
        assert_int_equal(number(x, INDEX_NODE, SECOND), THEIRS + 1);
        indexes_free(x);
}

static int compare(const void *a, const void *b) {
        uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

        return x < y ? -1 : x > y;
}

static void no_two_rows_share_a_number(void **state) {
        enum { N = 20000 };
        Indexes *x = begin(INDEXES_WHOLE);
        char (*texts)[24] = calloc(N, sizeof(*texts));
        const char **names = calloc(N, sizeof(char *));
        uint32_t *n = calloc(N, sizeof(uint32_t)), *m = calloc(N, sizeof(uint32_t));

        /* Ten of them are twins of others, which no honest daemon sends. */
        for (size_t i = 0; i < N; i++) {
                snprintf(texts[i], sizeof(texts[i]), "service/node%zu", i % 19990);
                names[i] = texts[i];
        }
        names[0] = FIRST, names[1] = SECOND;
        assert_int_equal(indexes_assign(x, INDEX_NODE, names, N, n), 0);
        assert_int_equal(indexes_assign(x, INDEX_NODE, names, N, m), 0);
        assert_memory_equal(n, m, N * sizeof(*n));
        qsort(m, N, sizeof(*m), compare);
        for (size_t i = 1; i < N; i++)
                assert_true(m[i] > m[i - 1]);
        assert_in_range(m[0], 1, m[1]);
        assert_in_range(m[N - 1], 1, INDEX_MAX);
        free(n), free(m), free(names), free(texts);
        indexes_free(x);
}

static void what_is_gone_makes_room(void **state) {
        char (*texts)[24] = calloc(INDEX_NAMES_MAX, sizeof(*texts));
        const char **names = calloc(INDEX_NAMES_MAX, sizeof(char *));
        uint32_t *n = calloc(INDEX_NAMES_MAX, sizeof(uint32_t)), stays;
        Indexes *x = begin(INDEXES_WHOLE);

        for (size_t i = 0; i < INDEX_NAMES_MAX; i++) {
                snprintf(texts[i], sizeof(texts[i]), "comes/and-goes%zu", i);
                names[i] = texts[i];
        }
        names[INDEX_NAMES_MAX / 2] = FIRST;
        assert_int_equal(indexes_assign(x, INDEX_NODE, names, INDEX_NAMES_MAX, n), 0);
        stays = n[INDEX_NAMES_MAX / 2];
        /* Room is made for the second name, and not at the expense of the first, although that is only found later. */
        assert_int_equal(indexes_assign(x, INDEX_NODE, (const char *const[]) { SECOND, FIRST }, 2, n), 0);
        assert_int_equal(n[1], stays);
        assert_int_not_equal(n[0], stays);
        x = again(x);
        assert_int_equal(indexes_assign(x, INDEX_NODE, names, INDEX_NAMES_MAX, n), 0);
        assert_int_equal(n[INDEX_NAMES_MAX / 2], stays);
        free(n), free(names), free(texts);
        indexes_free(x);
}

static void too_many_names(void **state) {
        const char **names = calloc(INDEX_NAMES_MAX + 1, sizeof(char *));
        uint32_t *n = calloc(INDEX_NAMES_MAX + 1, sizeof(uint32_t));
        Indexes *x = begin(INDEXES_WHOLE);

        for (size_t i = 0; i <= INDEX_NAMES_MAX; i++)
                names[i] = "x";
        assert_int_equal(indexes_assign(x, INDEX_NODE, names, INDEX_NAMES_MAX + 1, n), -E2BIG);
        indexes_free(x);
        free(names), free(n);
}

static void a_damaged_file_is_read_as_far_as_it_can_be(void **state) {
        static const char *const bad[] = {
                "node", "node 5", "node 5 ", "nodes 5 a", "node 0 a", "node -1 a", "node 05 a", "node 2147483648 a", "node 5x a",
                "node 99999999999999999999999 a", " node 5 a", "node 7 good", "node 6 other\nnode 6 another", "\x01\xff\xfe", "",
        };
        char text[4096];

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                snprintf(text, sizeof(text), "node 6 good\n%s\nservice 8 a b c\n", bad[i]);
                write_file(text);
                Indexes *x = begin(INDEXES_DAMAGED);
                assert_int_equal(number(x, INDEX_NODE, "good"), 6);
                assert_int_equal(number(x, INDEX_SERVICE, "a b c"), 8);
                indexes_free(x);
        }
        /* A line that is too long, and one that was cut off. */
        memset(text, 'x', sizeof(text));
        memcpy(text, "node 5 ", 7);
        strcpy(text + 3000, "\nnode 6 good\nservice 8 cut");
        write_file(text);
        Indexes *x = begin(INDEXES_DAMAGED);
        assert_int_equal(number(x, INDEX_NODE, "good"), 6);
        assert_int_not_equal(number(x, INDEX_SERVICE, "cut"), 8);
        indexes_free(x);
}

static void names_that_are_no_lines_are_not_kept(void **state) {
        Indexes *x = begin(INDEXES_WHOLE);
        char long_name[2000];

        memset(long_name, 'n', sizeof(long_name) - 1);
        long_name[sizeof(long_name) - 1] = 0;
        (void) number(x, INDEX_NODE, "a\nservice 5 b");
        (void) number(x, INDEX_NODE, "");
        (void) number(x, INDEX_NODE, long_name);
        (void) number(x, INDEX_NODE, "good");
        x = again(x);
        assert_int_not_equal(number(x, INDEX_SERVICE, "b"), 5);
        indexes_free(x);
}

static void what_cannot_be_written_is_tried_again(void **state) {
        Indexes *x = begin(INDEXES_WHOLE);
        char folder[80];

        (void) number(x, INDEX_NODE, "a");
        /* A folder in the way stops root as well. */
        snprintf(folder, sizeof(folder), "%s.new", path);
        assert_int_equal(mkdir(folder, 0700), 0);
        assert_int_equal(indexes_save(x), -EISDIR);
        assert_int_equal(rmdir(folder), 0);
        assert_int_equal(indexes_save(x), 1);
        indexes_free(x);

        assert_int_equal(unlink(path), 0);
        assert_int_equal(mkdir(path, 0700), 0);
        assert_true(indexes_new(&x, path) < 0);
        assert_int_equal(rmdir(path), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, in_a_folder, remove_folder)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(a_number_comes_from_the_name),
                TEST(who_came_first_is_not_forgotten),
                TEST(nothing_is_written_when_nothing_is_new),
                TEST(scenarios_are_forgotten_when_they_are_gone),
                TEST(no_two_rows_share_a_number),
                TEST(what_is_gone_makes_room),
                TEST(too_many_names),
                TEST(a_damaged_file_is_read_as_far_as_it_can_be),
                TEST(names_that_are_no_lines_are_not_kept),
                TEST(what_cannot_be_written_is_tried_again),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
