/* SPDX-License-Identifier: Apache-2.0 */
/* A disk that hangs, fails, is full, is read-only or is held by another: nobody waits, nothing is lost, and it heals. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>

#include "basic/macro.h"
#include "tests/unit/store.h"

static const StoreLimits impatient = { 300 * NSEC_PER_MSEC, UINT64_MAX, UINT64_MAX };

static uint64_t clock_ns(void) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * NSEC_PER_SEC + (uint64_t) ts.tv_nsec;
}

static bool has_error(Fixture *f, void *error) {
        return store_status(f, NULL) == *(int *) error;
}

static bool is_released(Fixture *f, void *generation) {
        return f->store->functions->released(f->store) >= *(uint64_t *) generation;
}

static bool is_committed(Fixture *f, void *generation) {
        return f->store->functions->committed(f->store) >= *(uint64_t *) generation;
}

static uint64_t put_calls(Fixture *f, unsigned n) {
        StoreCall call = call_at(NOW);
        uint64_t generation = 0;

        for (unsigned i = 0; i < n; i++)
                generation = f->store->functions->put_call(f->store, &call);
        f->store->functions->hurry(f->store, generation);
        return generation;
}

static int set_up_impatient(void **state) {
        store_set_up(state);
        Fixture *f = *state;
        f->store->functions->set_limits(f->store, &impatient);
        return 0;
}

/* ---- a disk that does not answer ---- */

static void a_hanging_disk_stops_nobody(void **state) {
        Fixture *f = *state;
        const StoreFunctions *s = f->store->functions;
        int timed_out = -ETIMEDOUT, well = 0;
        char *text;
        StoreStatus status;
        size_t n;

        store_disk(f, "hang");
        uint64_t first = put_calls(f, 1);
        /* The thread is in it now. */
        wait_until(f, has_error, &timed_out);
        assert_true(is_released(f, &first));
        assert_false(is_committed(f, &first));
        assert_int_equal(store_wait(f->store, first), -ETIMEDOUT);

        uint64_t start = clock_ns(), longest = 0, last = 0;
        for (unsigned i = 0; i < 20000; i++) {
                uint64_t before = clock_ns();
                last = put_calls(f, 1);
                assert_true(s->released(f->store) >= last);
                store_status(f, &status);
                longest = MAX(longest, clock_ns() - before);
        }
        /* Not for the disk, that is: another program may have the processor for a while. */
        assert_true(clock_ns() - start < 2 * NSEC_PER_SEC);
        assert_true(longest < NSEC_PER_SEC);
        assert_string_equal(status.trouble, "The disk does not answer");
        assert_int_equal(s->read(f->store, "any", &text, &n), -ETIMEDOUT);

        store_disk(f, NULL);
        wait_until(f, is_committed, &last);
        wait_until(f, has_error, &well);
        s->set_limits(f->store, &store_limits);
        assert_int_equal(sum_between(f, NOW, NOW + 1).calls, 20001);
        store_status(f, &status);
        assert_int_equal(status.lost, 0);
        assert_string_equal(status.trouble, "");
}

/* Patience is told by the descriptor, not by somebody who asks again and again. */
static void trouble_makes_the_descriptor_readable(void **state) {
        Fixture *f = *state;
        int well = 0;

        store_disk(f, "hang");
        uint64_t generation = put_calls(f, 1), start = clock_ns();
        while (!is_released(f, &generation)) {
                struct pollfd p = { .fd = f->store->functions->fd(f->store), .events = POLLIN };
                assert_int_equal(poll(&p, 1, 5000), 1);
                f->store->functions->dispatch(f->store);
        }
        assert_true(clock_ns() - start >= impatient.patience_ns / 2);
        store_disk(f, NULL);
        wait_until(f, is_committed, &generation);
        wait_until(f, has_error, &well);
}

static void a_disk_that_hangs_for_ever_does_not_hold_up_the_end(void **state) {
        Fixture *f = *state;

        store_disk(f, "hang");
        put_calls(f, 6);
        uint64_t start = clock_ns();
        f->store = store_free(f->store);
        assert_true(clock_ns() - start < 3 * NSEC_PER_SEC);
        /* If it does come back, what waited is written all the same. The folder stays locked until then. */
        store_open(f);
        int busy = -EBUSY, well = 0;
        wait_until(f, has_error, &busy);
        store_disk(f, NULL);
        wait_until(f, has_error, &well);
        assert_int_equal(sum_between(f, NOW, NOW + 1).calls, 6);
}

static void a_disk_that_hangs_at_the_start(void **state) {
        Fixture *f = *state;
        int well = 0;
        char *text;
        StoreStatus status;
        size_t n;

        f->store = store_free(f->store);
        assert_int_equal(unlink(f->ledger), 0);
        store_disk(f, "hang");
        uint64_t start = clock_ns();
        assert_int_equal(store_sqlite_new(&f->store, f->folder, &impatient), 0);
        assert_int_equal(f->store->functions->read(f->store, "any", &text, &n), -ETIMEDOUT);
        assert_int_equal(f->store->functions->read(f->store, "any", &text, &n), -ETIMEDOUT);
        assert_true(clock_ns() - start < 3 * NSEC_PER_SEC);
        uint64_t generation = put_calls(f, 3);
        assert_true(is_released(f, &generation));
        store_status(f, &status);
        assert_false(status.opened);
        store_disk(f, NULL);
        wait_until(f, is_committed, &generation);
        wait_until(f, has_error, &well);
        f->store->functions->set_limits(f->store, &store_limits);
        assert_int_equal(sum_between(f, NOW, NOW + 1).calls, 3);
}

/* ---- a disk that fails ---- */

static void a_failing_disk(void **state) {
        static const int errors[] = { ENOSPC, EIO, EROFS, EDQUOT };
        Fixture *f = *state;
        const StoreFunctions *s = f->store->functions;
        unsigned calls = 0;

        for (size_t i = 0; i < ELEMENTSOF(errors); i++) {
                char number[8];
                int error = -errors[i];
                StoreStatus status;

                put_calls(f, 1);
                assert_int_equal(store_wait(f->store, s->put_document(f->store, "kept", "before", 6)), 0);
                snprintf(number, sizeof(number), "%d", errors[i]);
                store_disk(f, number);
                uint64_t generation = put_calls(f, 10);
                s->put_document(f->store, "kept", "after", 5);
                assert_int_equal(store_wait(f->store, generation), error);
                assert_true(is_released(f, &generation));
                for (int k = 0; k < 100; k++) {
                        generation = put_calls(f, 1);
                        assert_true(is_released(f, &generation));
                }
                store_status(f, &status);
                assert_int_equal(status.error, error);
                assert_true(strlen(status.trouble) > 0);
                store_disk(f, NULL);
                wait_until(f, is_committed, &generation);
                calls += 111;
                assert_int_equal(sum_between(f, NOW, NOW + 1).calls, calls);
                store_reopen(f);
                assert_int_equal(sum_between(f, NOW, NOW + 1).calls, calls);
                char *text = NULL;
                size_t n;
                assert_int_equal(s->read(f->store, "kept", &text, &n), 0);
                assert_string_equal(text, "after");
                free(text);
        }
}

static void mount_small_disk(Fixture *f) {
        f->store = store_free(f->store);
        if (mount("none", f->folder, "tmpfs", 0, "size=1m") < 0)
                skip();
        store_reopen(f);
}

static void unmount(Fixture *f) {
        f->store = store_free(f->store);
        assert_int_equal(umount2(f->folder, MNT_DETACH), 0);
        store_open(f);
}

static void a_full_disk(void **state) {
        Fixture *f = *state;
        char ballast[128], page[4096] = {};
        int no_space = -ENOSPC, well = 0;

        mount_small_disk(f);
        uint64_t generation = put_calls(f, 10);
        assert_int_equal(store_wait(f->store, generation), 0);
        snprintf(ballast, sizeof(ballast), "%s/ballast", f->folder);
        int fd = open(ballast, O_WRONLY | O_CREAT, 0600);
        while (write(fd, page, sizeof(page)) > 0)
                ;
        close(fd);
        char *large = calloc(1, 300001);
        memset(large, 'x', 300000);
        f->store->functions->put_document(f->store, "large", large, 300000);
        generation = put_calls(f, 10);
        wait_until(f, has_error, &no_space);
        assert_true(is_released(f, &generation));
        assert_int_equal(unlink(ballast), 0);
        wait_until(f, has_error, &well);
        wait_until(f, is_committed, &generation);
        store_reopen(f);
        assert_int_equal(sum_between(f, NOW, NOW + 1).calls, 20);
        char *text = NULL;
        size_t n = 0;
        assert_int_equal(f->store->functions->read(f->store, "large", &text, &n), 0);
        assert_int_equal(n, 300000);
        assert_string_equal(text, large);
        free(text);
        free(large);
        unmount(f);
}

static void write_text(const char *path, const void *data, size_t n) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

        assert_int_equal(write(fd, data, n), n);
        close(fd);
}

/* As a crash leaves it: with a log that was never carried over. */
static void crash(Fixture *f) {
        char wal[128], log[128];
        static char data[1 << 20], logged[1 << 20];
        ssize_t n, m;

        snprintf(wal, sizeof(wal), "%s-wal", f->ledger);
        snprintf(log, sizeof(log), "%s-shm", f->ledger);
        int fd = open(f->ledger, O_RDONLY);
        n = read(fd, data, sizeof(data));
        close(fd);
        fd = open(wal, O_RDONLY);
        m = read(fd, logged, sizeof(logged));
        close(fd);
        assert_true(m > 0);
        f->store = store_free(f->store);
        write_text(f->ledger, data, (size_t) n);
        write_text(wal, logged, (size_t) m);
}

static void a_read_only_disk_at_the_start(void **state) {
        Fixture *f = *state;
        int read_only = -EROFS, well = 0;
        char *text = NULL;
        size_t n;

        mount_small_disk(f);
        f->store->functions->put_document(f->store, "kept", "text", 4);
        assert_int_equal(store_wait(f->store, put_calls(f, 7)), 0);
        for (int i = 0; i < 2; i++) {
                if (i == 0)
                        crash(f);
                else
                        f->store = store_free(f->store);
                assert_int_equal(mount(NULL, f->folder, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
                store_open(f);
                wait_until(f, has_error, &read_only);
                /* What was kept is known all the same. */
                assert_int_equal(f->store->functions->read(f->store, "kept", &text, &n), 0);
                assert_string_equal(text, "text");
                free(text);
                assert_int_equal(sum_between(f, NOW, NOW + 1).calls, 7 + i);
                uint64_t generation = put_calls(f, 1);
                assert_true(is_released(f, &generation));
                assert_int_equal(mount(NULL, f->folder, NULL, MS_REMOUNT, NULL), 0);
                wait_until(f, has_error, &well);
                wait_until(f, is_committed, &generation);
                assert_int_equal(sum_between(f, NOW, NOW + 1).calls, 8 + i);
        }
        unmount(f);
}

/* ---- others ---- */

static void two_cannot_share_a_folder(void **state) {
        Fixture *f = *state, g = *f;
        int busy = -EBUSY, well = 0;
        StoreStatus status;

        assert_int_equal(store_wait(f->store, put_calls(f, 1)), 0);
        store_open(&g);
        wait_until(&g, has_error, &busy);
        store_status(&g, &status);
        assert_non_null(strstr(status.trouble, "Another process"));
        uint64_t generation = put_calls(&g, 2);
        assert_true(is_released(&g, &generation));
        assert_int_equal(store_wait(f->store, put_calls(f, 4)), 0);
        store_free(f->store);
        wait_until(&g, has_error, &well);
        wait_until(&g, is_committed, &generation);
        f->store = g.store;
        assert_int_equal(sum_between(f, NOW, NOW + 1).calls, 7);
}

static void somebody_with_sqlite3_holds_a_lock(void **state) {
        static const char *const locks[] = { "BEGIN IMMEDIATE", "BEGIN EXCLUSIVE" };
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(locks); i++) {
                sqlite3 *db;
                assert_int_equal(store_wait(f->store, put_calls(f, 1)), 0);
                assert_int_equal(sqlite3_open(f->ledger, &db), SQLITE_OK);
                sqlite3_busy_timeout(db, 5000);
                assert_int_equal(sqlite3_exec(db, locks[i], NULL, NULL, NULL), SQLITE_OK);
                uint64_t generation = put_calls(f, 1);
                wait_until(f, has_error, &(int) { -EBUSY });
                assert_true(is_released(f, &generation));
                assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
                sqlite3_close(db);
                wait_until(f, is_committed, &generation);
        }
        assert_int_equal(sum_between(f, NOW, NOW + 1).calls, 4);
}

/* Whoever only looks is not noticed. */
static void somebody_reads_with_sqlite3(void **state) {
        Fixture *f = *state;
        sqlite3_stmt *s;
        sqlite3 *db;

        assert_int_equal(store_wait(f->store, put_calls(f, 3)), 0);
        assert_int_equal(sqlite3_open_v2(f->ledger, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(db, "SELECT node, calls, dollars, start FROM hourly", -1, &s, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(s), SQLITE_ROW);
        assert_string_equal((const char *) sqlite3_column_text(s, 0), "maps/a");
        assert_int_equal(sqlite3_column_int(s, 1), 3);
        assert_true(sqlite3_column_double(s, 2) == 0.03);
        assert_string_equal((const char *) sqlite3_column_text(s, 3), "2026-01-01T00:00Z");
        for (int i = 0; i < 50; i++)
                assert_int_equal(store_wait(f->store, put_calls(f, 1)), 0);
        sqlite3_finalize(s);
        sqlite3_close(db);
}

/* ---- killed ---- */

/* Puts calls whose serial is their cost, and tells which were committed. */
_Noreturn static void child(Fixture *f, int fd) {
        Store *store = NULL;
        uint64_t serial, generation = 0, told = 0;

        if (store_sqlite_new(&store, f->folder, &store_limits) < 0)
                _exit(1);
        StoreCall call = call_at(NOW);
        char *text;
        size_t n;
        if (store->functions->read(store, "none", &text, &n) != -ENOENT || write(fd, &told, sizeof(told)) != sizeof(told))
                _exit(2);
        for (serial = store->functions->committed_call(store) + 1;; serial++) {
                call.cost = (Money) serial;
                call.serial = serial;
                call.utc_ns = NOW + serial % 50 * NSEC_PER_HOUR;
                generation = store->functions->put_call(store, &call);
                if (serial % 7 == 0)
                        store->functions->hurry(store, generation);
                uint64_t committed = store->functions->committed_call(store);
                if (committed > told) {
                        told = committed;
                        if (write(fd, &told, sizeof(told)) != sizeof(told))
                                _exit(3);
                }
        }
}

static uint64_t kill_one(Fixture *f, bool once_open, unsigned after_us) {
        uint64_t told = 0, x = 0;
        int pipes[2];

        assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
        pid_t pid = fork();
        if (pid == 0) {
                close(pipes[0]);
                child(f, pipes[1]);
        }
        close(pipes[1]);
        if (once_open)
                assert_int_equal(read(pipes[0], &x, sizeof(x)), sizeof(x));
        usleep(after_us);
        kill(pid, SIGKILL);
        while (read(pipes[0], &x, sizeof(x)) == sizeof(x))
                told = x;
        close(pipes[0]);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        return told;
}

static void killed_at_any_moment(void **state) {
        Fixture *f = *state;
        unsigned seed = 42;
        uint64_t before = 0;

        for (int i = 0; i < 100; i++) {
                f->store = store_free(f->store);
                uint64_t told = kill_one(f, i % 4 > 0, (unsigned) rand_r(&seed) % 20000);
                uint64_t start = clock_ns();
                store_reopen(f);
                StoreSum sum = sum_between(f, NOW, NOW + 60 * NSEC_PER_HOUR);
                assert_true(clock_ns() - start < NSEC_PER_SEC);
                uint64_t serial = f->store->functions->committed_call(f->store);
                /* None that was told is missing, and each up to the last one is there once. */
                assert_true(serial >= told && serial >= before);
                assert_int_equal(sum.calls, serial);
                assert_int_equal(sum.cost, serial * (serial + 1) / 2);
                before = serial;
        }
        assert_true(before > 1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, store_set_up, store_tear_down)
#define IMPATIENT(name) cmocka_unit_test_setup_teardown(name, set_up_impatient, store_tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                IMPATIENT(a_hanging_disk_stops_nobody), IMPATIENT(trouble_makes_the_descriptor_readable),
                IMPATIENT(a_disk_that_hangs_for_ever_does_not_hold_up_the_end), TEST(a_disk_that_hangs_at_the_start),
                TEST(a_failing_disk), TEST(a_full_disk), TEST(a_read_only_disk_at_the_start), TEST(two_cannot_share_a_folder),
                TEST(somebody_with_sqlite3_holds_a_lock), TEST(somebody_reads_with_sqlite3), TEST(killed_at_any_moment),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
