/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/store.h"

#include <ftw.h>
#include <poll.h>
#include <time.h>

#include "basic/macro.h"

const StoreLimits store_limits = { 10 * NSEC_PER_SEC, UINT64_MAX, UINT64_MAX };

void store_open(Fixture *f) {
        assert_int_equal(store_sqlite_new(&f->store, f->folder, &store_limits), 0);
}

int store_set_up(void **state) {
        Fixture *f = calloc(1, sizeof(Fixture));

        strcpy(f->base, "/tmp/test-store-XXXXXX");
        assert_non_null(mkdtemp(f->base));
        snprintf(f->folder, sizeof(f->folder), "%s/state", f->base);
        snprintf(f->ledger, sizeof(f->ledger), "%s/ledger.db", f->folder);
        snprintf(f->slow, sizeof(f->slow), "%s/slow", f->base);
        setenv("SLOW_DISK", f->slow, 1);
        store_open(f);
        *state = f;
        return 0;
}

static int remove_one(const char *path, const struct stat *st _unused_, int type _unused_, struct FTW *ftw _unused_) {
        return remove(path);
}

int store_tear_down(void **state) {
        Fixture *f = *state;

        store_disk(f, NULL);
        store_free(f->store);
        nftw(f->base, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        free(f);
        return 0;
}

void store_reopen(Fixture *f) {
        f->store = store_free(f->store);
        store_open(f);
}

void store_disk(Fixture *f, const char *what) {
        if (!what) {
                unlink(f->slow);
                return;
        }
        _cleanup_fclose_ FILE *file = fopen(f->slow, "we");
        assert_non_null(file);
        fputs(what, file);
}

int store_status(Fixture *f, StoreStatus *ret) {
        StoreStatus status = {};

        f->store->functions->status(f->store, ret ?: &status);
        return ret ? ret->error : status.error;
}

StoreCall call_at(uint64_t utc_ns) {
        return (StoreCall) {
                .service = "maps", .node = "maps/a", .operation = "geocode", .provider = "here", .tier = TIER_NORMAL, .verdict = PM_OK,
                .cost = 10000, .usual_cost = 12000, .units = UNITS_ONE, .utc_ns = utc_ns,
        };
}

int store_wait(Store *s, uint64_t generation) {
        s->functions->hurry(s, generation);
        while (s->functions->committed(s) < generation) {
                struct pollfd fd = { .fd = s->functions->fd(s), .events = POLLIN };
                StoreStatus status;

                s->functions->status(s, &status);
                if (status.error < 0)
                        return status.error;
                assert_int_equal(poll(&fd, 1, 10000), 1);
                s->functions->dispatch(s);
        }
        return 0;
}

void put_and_wait(Fixture *f, const StoreCall *call) {
        assert_int_equal(store_wait(f->store, f->store->functions->put_call(f->store, call)), 0);
}

static void keep_sum(void *userdata, int r, const StoreSum *sums, size_t n) {
        assert_int_equal(r, 0);
        assert_true(n <= 1);
        if (n == 1)
                *(StoreSum *) userdata = sums[0];
}

StoreSum sum_between(Fixture *f, uint64_t from_utc_ns, uint64_t to_utc_ns) {
        StoreQuestion q = { .from_utc_ns = from_utc_ns, .to_utc_ns = to_utc_ns, .max = 1 };
        StoreSum sum = {};

        int r = f->store->functions->sums(f->store, &q, keep_sum, &sum);
        if (r < 0) {
                StoreStatus status = {};
                store_status(f, &status);
                fail_msg("%s (%s)", strerror(-r), status.trouble);
        }
        return sum;
}

void wait_until(Fixture *f, bool (*condition)(Fixture *f, void *userdata), void *userdata) {
        time_t end = time(NULL) + 10;

        while (!condition(f, userdata)) {
                struct pollfd p = { .fd = f->store->functions->fd(f->store), .events = POLLIN };
                assert_true(time(NULL) < end);
                (void) poll(&p, 1, 20);
                f->store->functions->dispatch(f->store);
        }
}
