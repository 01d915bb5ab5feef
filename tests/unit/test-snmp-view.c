/* SPDX-License-Identifier: Apache-2.0 */
#include "snmp/view.h"

#include "basic/macro.h"
#include "tests/unit/test.h"

static SystemRow system_row;
static ControlRow control;
static ServiceRow services[] = { { .row = { { 3 } } }, { .row = { { 7 } } } };
static NodeRow nodes[] = { { .row = { { 3, 5 } } }, { .row = { { 3, 9 } } }, { .row = { { 7, 1 } } } };

#define ROWS(a, count) { .rows = (char *) (a), .n = count, .size = sizeof((a)[0]) }
static const Rows system_rows = ROWS(&system_row, 1), control_rows = ROWS(&control, 1);
static const Rows service_rows = ROWS(services, ELEMENTSOF(services)), node_rows = ROWS(nodes, ELEMENTSOF(nodes));
static const Rows no_rows;

static const View view = {
        .rows = { [TABLE_SYSTEM] = &system_rows, [TABLE_SERVICES] = &service_rows, [TABLE_NODES] = &node_rows,
                  [TABLE_SCENARIOS] = &no_rows, [TABLE_CONTROL] = &control_rows },
        .known = true,
};
static const View unknown = { .rows = { [TABLE_SYSTEM] = &system_rows, [TABLE_CONTROL] = &control_rows } };

enum { N_VARIABLES = 15 + 2 * 17 + 3 * 23 + 3 * 11 + 3 };

typedef struct Name {
        oid subids[MIB_OID_MAX + 8];
        size_t n;
} Name;

/* The name below the root, ended by -1. */
#define NAME(...) name_of((const int64_t[]) { __VA_ARGS__, -1 })
static Name name_of(const int64_t *suffix) {
        Name name;

        name.n = mib_oid(name.subids, 0, (oid[]) { 0 });
        for (; *suffix >= 0; suffix++)
                name.subids[name.n++] = (oid) *suffix;
        return name;
}

static bool next(const View *v, const Name *name, bool inclusive, Name *ret) {
        Variable x;

        if (!view_next(v, name->n, name->subids, inclusive, &x))
                return false;
        ret->n = variable_oid(&x, ret->subids);
        return true;
}

static void assert_name(const Name *name, const Name *expected) {
        assert_int_equal(snmp_oid_compare(name->subids, name->n, expected->subids, expected->n), 0);
}

static void a_walk_meets_every_variable_once_in_order(void **state) {
        Name name = NAME(0), following;
        size_t n = 0;
        Variable x;

        for (; next(&view, &name, false, &following); name = following, n++) {
                assert_true(snmp_oid_compare(following.subids, following.n, name.subids, name.n) > 0);
                /* It is there as well for those who know its name; inclusively, it is its own next one. */
                assert_int_equal(view_get(&view, following.n, following.subids, &x), LOOKUP_FOUND);
                Name same = {};
                assert_true(next(&view, &following, true, &same));
                assert_name(&same, &following);
        }
        assert_int_equal(n, N_VARIABLES);
}

/* The reference is a search of all names, one after the other. */
static void the_next_one_from_anywhere(void **state) {
        static const int64_t numbers[] = { 0, 1, 2, 3, 5, 7, 9, 11, 23, 24, 25, UINT32_MAX };
        Name all[N_VARIABLES + 1];
        size_t n = 0;

        for (Name name = NAME(0); next(&view, &name, false, &all[n]); name = all[n++])
                ;
        for (unsigned i = 0; i < 400000; i++) {
                unsigned choice = i;
                Name from = { .n = mib_oid(from.subids, 0, (oid[]) { 0 }) }, found = {};
                for (unsigned k = 0; k < 1 + i % 7; k++, choice /= ELEMENTSOF(numbers))
                        from.subids[from.n++] = (oid) numbers[(choice * 2654435761u >> 7) % ELEMENTSOF(numbers)];
                if (i % 3 == 0)
                        from.subids[mib_oid((oid[MIB_OID_MAX]) {}, 0, (oid[]) { 0 })] = MIB_OBJECTS;
                bool inclusive = i & 1;
                size_t k = 0;
                while (k < n && snmp_oid_compare(all[k].subids, all[k].n, from.subids, from.n) < !inclusive)
                        k++;
                assert_int_equal(next(&view, &from, inclusive, &found), k < n);
                if (k < n)
                        assert_name(&found, &all[k]);
        }
}

static void before_and_behind_the_root(void **state) {
        const Name first = NAME(1, 1, 1, 0), last = NAME(1, 7, 3, 0);
        Name found = {};

        assert_true(next(&view, &(Name) { .n = 0 }, false, &found));
        assert_name(&found, &first);
        assert_true(next(&view, &(Name) { { 1, 3 }, 2 }, false, &found));
        assert_name(&found, &first);
        assert_false(next(&view, &(Name) { { 2 }, 1 }, false, &found));
        assert_false(next(&view, &last, false, &found));
        assert_true(next(&view, &last, true, &found));
        Name behind = NAME(2);
        assert_false(next(&view, &behind, false, &found));
}

static void what_has_no_such_name(void **state) {
        const struct { Name name; Lookup expected; } cases[] = {
                { NAME(1), LOOKUP_NO_OBJECT }, { NAME(1, 9, 1, 0), LOOKUP_NO_OBJECT }, { NAME(0, 1), LOOKUP_NO_OBJECT },
                { NAME(1, 1), LOOKUP_NO_OBJECT }, { NAME(1, 1, 16, 0), LOOKUP_NO_OBJECT }, { NAME(1, 1, 0, 0), LOOKUP_NO_OBJECT },
                { NAME(1, 1, 1), LOOKUP_NO_INSTANCE }, { NAME(1, 1, 1, 1), LOOKUP_NO_INSTANCE },
                { NAME(1, 1, 1, 0, 0), LOOKUP_NO_INSTANCE }, { NAME(1, 1, 1, 0), LOOKUP_FOUND },
                { NAME(1, 3), LOOKUP_NO_OBJECT }, { NAME(1, 3, 2, 2, 3, 5), LOOKUP_NO_OBJECT },
                { NAME(1, 3, 1, 1, 3, 5), LOOKUP_NO_OBJECT }, { NAME(1, 3, 1, 25, 3, 5), LOOKUP_NO_OBJECT },
                { NAME(1, 3, 1, 2), LOOKUP_NO_INSTANCE }, { NAME(1, 3, 1, 2, 3), LOOKUP_NO_INSTANCE },
                { NAME(1, 3, 1, 2, 3, 5, 1), LOOKUP_NO_INSTANCE }, { NAME(1, 3, 1, 2, 3, 6), LOOKUP_NO_INSTANCE },
                { NAME(1, 3, 1, 2, 3, 5), LOOKUP_FOUND }, { NAME(1, 4, 1, 1, 7, 1), LOOKUP_FOUND },
                { NAME(1, 5, 1, 2, 1), LOOKUP_NO_INSTANCE }, { NAME(1, 6, 1, 2, 1), LOOKUP_NO_INSTANCE },
                { NAME(1, 8, 1, 0), LOOKUP_NO_OBJECT }, /* accessible for notify only */
        };
        Variable x;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_int_equal(view_get(&view, cases[i].name.n, cases[i].name.subids, &x), cases[i].expected);
}

static void before_the_daemon_has_spoken(void **state) {
        const Name expected[] = { NAME(1, 1, 14, 0), NAME(1, 1, 15, 0), NAME(1, 7, 1, 0), NAME(1, 7, 2, 0), NAME(1, 7, 3, 0) };
        Name name = NAME(0), version = NAME(1, 1, 1, 0);
        Variable x;

        for (size_t i = 0; i < ELEMENTSOF(expected); i++) {
                assert_true(next(&unknown, &name, false, &name));
                assert_name(&name, &expected[i]);
                assert_int_equal(view_get(&unknown, name.n, name.subids, &x), LOOKUP_FOUND);
        }
        assert_false(next(&unknown, &name, false, &name));
        assert_int_equal(view_get(&unknown, version.n, version.subids, &x), LOOKUP_NO_INSTANCE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_walk_meets_every_variable_once_in_order),
                cmocka_unit_test(the_next_one_from_anywhere),
                cmocka_unit_test(before_and_behind_the_root),
                cmocka_unit_test(what_has_no_such_name),
                cmocka_unit_test(before_the_daemon_has_spoken),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
