/* SPDX-License-Identifier: Apache-2.0 */
/* The store as it is when nothing is wrong: what is put is there after a restart, and adds up. */
#include "tests/unit/store.h"

#include <errno.h>

#include "basic/macro.h"

#define HOUR NSEC_PER_HOUR
#define DAY NSEC_PER_DAY

static void a_document_survives(void **state) {
        Fixture *f = *state;
        char *text = NULL;
        size_t n;

        const StoreFunctions *s = f->store->functions;
        assert_int_equal(s->read(f->store, "learned", &text, &n), -ENOENT);
        uint64_t generation = s->put_document(f->store, "learned", "first", 5);
        assert_true(generation > 0);
        assert_int_equal(s->put_document(f->store, "learned", "second", 6), generation);
        s->put_document(f->store, "other", "something", 9);
        assert_int_equal(s->wait(f->store, generation), 0);
        assert_int_equal(s->committed(f->store), generation);
        s->put_document(f->store, "other", NULL, 0);
        store_reopen(f);

        assert_int_equal(s->read(f->store, "learned", &text, &n), 0);
        assert_string_equal(text, "second");
        assert_int_equal(n, 6);
        free(text);
        assert_int_equal(s->read(f->store, "other", &text, &n), -ENOENT);
        assert_true(s->committed(f->store) > generation);
        assert_true(s->put_document(f->store, "other", "", 0) > s->committed(f->store));
}

static void calls_add_up(void **state) {
        Fixture *f = *state;

        for (unsigned i = 0; i < 1000; i++) {
                StoreCall c = call_at(NOW + i * NSEC_PER_MINUTE);
                c.verdict = i % 4 == 0 ? PM_SERVICE_UNAVAILABLE : i % 4 == 1 ? PM_NOT_SENT : PM_OK;
                c.serial = i + 1;
                f->store->functions->put_call(f->store, &c);
        }
        store_reopen(f);
        for (int i = 0; i < 2; i++) {
                StoreSum s = sum_between(f, NOW, NOW + DAY);
                assert_int_equal(s.calls, 750);
                assert_int_equal(s.failures, 250);
                assert_int_equal(s.verdicts[PM_NOT_SENT], 250);
                assert_int_equal(s.cost, 1000 * 10000);
                assert_int_equal(s.usual_cost, 1000 * 12000);
                assert_int_equal(s.units, 1000 * UNITS_ONE);
                assert_int_equal(sum_between(f, NOW + HOUR, NOW + 3 * HOUR).cost, 120 * 10000);
                assert_int_equal(f->store->functions->committed_call(f->store), 1000);
                store_reopen(f);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_document_survives, store_set_up, store_tear_down),
                cmocka_unit_test_setup_teardown(calls_add_up, store_set_up, store_tear_down),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
