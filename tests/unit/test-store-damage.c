/* SPDX-License-Identifier: Apache-2.0 */
/* A ledger that is damaged, newer, older, somebody else's or taken away. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "basic/macro.h"
#include "tests/unit/store.h"

#define FILE_MAX (1 << 20)
#define PAGE 4096

typedef struct Bytes {
        char data[FILE_MAX];
        size_t n;
} Bytes;

static Bytes before, after;

static bool has_error(Fixture *f, void *error) {
        return store_status(f, NULL) == *(int *) error;
}

static bool is_committed(Fixture *f, void *generation) {
        return f->store->functions->committed(f->store) >= *(uint64_t *) generation;
}

static void load(const char *path, Bytes *ret) {
        int fd = open(path, O_RDONLY);

        assert_true(fd >= 0);
        ssize_t n = read(fd, ret->data, sizeof(ret->data));
        assert_true(n >= 0 && n < FILE_MAX);
        ret->n = (size_t) n;
        close(fd);
}

static void save(const char *path, const Bytes *b) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0640);

        assert_int_equal(write(fd, b->data, b->n), b->n);
        close(fd);
}

static void execute(const char *path, const char *sql) {
        sqlite3 *db;

        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* The only one that was set aside; false: there is none. */
static bool find_aside(Fixture *f, char path[512]) {
        DIR *d = opendir(f->folder);
        unsigned n = 0;

        for (struct dirent *e; (e = readdir(d));)
                if (strncmp(e->d_name, "ledger-", 7) == 0 && streq(e->d_name + strlen(e->d_name) - 3, ".db")) {
                        snprintf(path, 512, "%s/%s", f->folder, e->d_name);
                        n++;
                }
        closedir(d);
        assert_true(n <= 1);
        return n == 1;
}

/* 400 days of calls by two nodes, an hour of each, and documents; closed. Returns the calls. */
static unsigned fill(Fixture *f) {
        StoreCall call = call_at(NOW);
        char text[8192];
        unsigned n = 0;

        for (unsigned day = 0; day < 400; day++, n += 2) {
                call.utc_ns = NOW + day * NSEC_PER_DAY;
                call.node = "maps/a";
                call.serial = n + 1;
                f->store->functions->put_call(f->store, &call);
                call.node = "maps/b";
                call.serial = n + 2;
                f->store->functions->put_call(f->store, &call);
        }
        memset(text, 'x', sizeof(text));
        f->store->functions->put_document(f->store, "large", text, sizeof(text));
        f->store->functions->put_document(f->store, "small", "text", 4);
        f->store = store_free(f->store);
        return n;
}

static StoreSum all_sums(Fixture *f) {
        return sum_between(f, 0, UINT64_MAX);
}

/* ---- damage ---- */

/* Each page in turn: whatever it holds, what is put now is kept, and nothing of what is damaged is destroyed. */
static void any_page_may_be_damaged(void **state) {
        Fixture *f = *state;
        unsigned calls = fill(f), set_aside = 0, carried_over = 0;
        char aside[512];

        load(f->ledger, &before);
        size_t pages = before.n / PAGE;
        assert_true(pages > 20);
        for (size_t page = 0; page < pages; page++) {
                static Bytes damaged;
                damaged = before;
                memset(damaged.data + page * PAGE, 0xa5, PAGE);
                save(f->ledger, &damaged);
                store_open(f);
                StoreCall call = call_at(NOW + 401 * NSEC_PER_DAY);
                call.node = "maps/c";
                put_and_wait(f, &call);
                assert_int_equal(sum_between(f, NOW + 401 * NSEC_PER_DAY, UINT64_MAX).calls, 1);
                f->store = store_free(f->store);
                if (find_aside(f, aside)) {
                        /* The log that was written beside it before the damage was met may have been carried over. */
                        load(aside, &after);
                        assert_true(after.n >= before.n);
                        assert_int_equal(unlink(aside), 0);
                        set_aside++;
                        /* The new one is sound, and has most of it. */
                        store_open(f);
                        StoreStatus status;
                        store_status(f, &status);
                        StoreSum sum = all_sums(f);
                        carried_over += sum.calls > 1;
                        assert_true(sum.calls <= calls + 1);
                        f->store = store_free(f->store);
                        execute(f->ledger, "PRAGMA integrity_check");
                }
                (void) unlink(f->ledger);
        }
        /* All but where the damage is in what says which tables there are. */
        assert_true(set_aside > 6 && carried_over + 6 >= set_aside);
        store_open(f);
}

static void garbage_is_set_aside_as_it_is(void **state) {
        static const char *const garbage[] = { "garbage", "SQLite format 3", "<html>" };
        Fixture *f = *state;
        char aside[512];

        fill(f);
        for (size_t i = 0; i < ELEMENTSOF(garbage); i++) {
                before.n = i == 2 ? 3 * PAGE : strlen(garbage[i]);
                memset(before.data, 'z', before.n);
                memcpy(before.data, garbage[i], strlen(garbage[i]));
                save(f->ledger, &before);
                store_open(f);
                StoreCall call = call_at(NOW);
                put_and_wait(f, &call);
                StoreStatus status;
                assert_int_equal(store_status(f, &status), 0);
                assert_true(find_aside(f, aside));
                assert_non_null(strstr(status.trouble, strrchr(aside, '/') + 1));
                load(aside, &after);
                assert_int_equal(after.n, before.n);
                assert_memory_equal(after.data, before.data, before.n);
                assert_int_equal(unlink(aside), 0);
                assert_int_equal(all_sums(f).calls, 1);
                f->store = store_free(f->store);
        }
        store_open(f);
}

static void count_sums(void *userdata, int r, const StoreSum *sums, size_t n) {
        *(size_t *) userdata = n;
}

/* It costs the rows of its own page, and no others: what was spent this month still counts. */
static void what_can_be_read_is_carried_over(void **state) {
        static const char find[] = "SELECT min(pageno) FROM dbstat WHERE name = 'hour' AND pagetype = 'leaf'";
        Fixture *f = *state;
        unsigned calls = fill(f);
        sqlite3_stmt *s;
        sqlite3 *db;
        int page = 0;

        assert_int_equal(sqlite3_open(f->ledger, &db), SQLITE_OK);
        if (sqlite3_prepare_v2(db, find, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
                page = sqlite3_column_int(s, 0);
        sqlite3_finalize(s);
        sqlite3_close(db);
        if (page == 0)
                skip(); /* SQLite was built without the table that tells it */
        load(f->ledger, &before);
        memset(before.data + (page - 1) * PAGE, 0, PAGE);
        save(f->ledger, &before);

        store_open(f);
        /* Reads what is damaged, and answers from what takes its place. */
        StoreQuestion q = { 0, UINT64_MAX, STORE_BY_HOUR, 10000 };
        size_t hours = 0;
        assert_int_equal(f->store->functions->sums(f->store, &q, count_sums, &hours), 0);
        assert_true(hours > 100 && hours < 400);
        StoreCall call = call_at(NOW + 401 * NSEC_PER_DAY);
        call.serial = calls + 1;
        put_and_wait(f, &call);
        StoreStatus status;
        store_status(f, &status);
        assert_non_null(strstr(status.trouble, "rows of it"));
        assert_int_equal(all_sums(f).calls, calls + 1);
        assert_int_equal(f->store->functions->committed_call(f->store), calls + 1);
        char *text = NULL;
        size_t n;
        assert_int_equal(f->store->functions->read(f->store, "small", &text, &n), 0);
        assert_string_equal(text, "text");
        free(text);
}

/* A disk that damages everything must not be filled with what is set aside. */
static void not_more_than_some_are_set_aside(void **state) {
        Fixture *f = *state;
        int unclean = -EUCLEAN;
        char path[128];

        f->store = store_free(f->store);
        for (int i = 0; i < 8; i++) {
                snprintf(path, sizeof(path), "%s/ledger-%d.db", f->folder, i);
                close(open(path, O_WRONLY | O_CREAT, 0600));
        }
        before.n = 4;
        memcpy(before.data, "what", 4);
        save(f->ledger, &before);
        store_open(f);
        wait_until(f, has_error, &unclean);
        load(f->ledger, &after);
        assert_int_equal(after.n, 4);
        assert_int_equal(unlink(path), 0);
        wait_until(f, has_error, &(int) { 0 });
}

/* ---- versions ---- */

static void a_newer_one_is_left_alone(void **state) {
        Fixture *f = *state;
        int newer = -EPROTO, well = 0;
        char path[512];
        StoreStatus status;
        struct stat st;

        fill(f);
        execute(f->ledger, "PRAGMA user_version = 1000000; CREATE TABLE news (a INTEGER) STRICT");
        load(f->ledger, &before);
        store_open(f);
        wait_until(f, has_error, &newer);
        store_status(f, &status);
        assert_non_null(strstr(status.trouble, "1000000"));
        StoreCall call = call_at(NOW);
        uint64_t generation = f->store->functions->put_call(f->store, &call);
        assert_true(f->store->functions->released(f->store) >= generation);
        store_reopen(f);
        wait_until(f, has_error, &newer);
        load(f->ledger, &after);
        assert_int_equal(before.n, after.n);
        assert_memory_equal(before.data, after.data, before.n);
        snprintf(path, sizeof(path), "%s-wal", f->ledger);
        assert_true(stat(path, &st) < 0 || st.st_size == 0);
        assert_false(find_aside(f, path));
        /* And it heals once the right one is back. */
        generation = f->store->functions->put_call(f->store, &call);
        execute(f->ledger, "DROP TABLE news; PRAGMA user_version = 2");
        wait_until(f, has_error, &well);
        wait_until(f, is_committed, &generation);
        assert_int_equal(all_sums(f).calls, 801);
}

static void an_older_one_is_brought_to_this_version(void **state) {
        Fixture *f = *state;

        f->store = store_free(f->store);
        assert_int_equal(unlink(f->ledger), 0);
        _cleanup_fclose_ FILE *file = fopen(TEST_DATA "/ledger-version-1.sql", "re");
        assert_non_null(file);
        size_t n = fread(before.data, 1, sizeof(before.data) - 1, file);
        before.data[n] = 0;
        execute(f->ledger, before.data);
        store_open(f);
        StoreSum sum = all_sums(f);
        assert_int_equal(sum.calls, 5);
        assert_int_equal(sum.cost, 50000);
        assert_int_equal(f->store->functions->committed_call(f->store), 5);
        char *text = NULL;
        assert_int_equal(f->store->functions->read(f->store, "registrations", &text, &n), 0);
        assert_string_equal(text, "{\"registrations\":[]}\n");
        free(text);
        ScenarioView v = { .id = "s", .reason = "", .started_utc_ns = NOW, .updated_utc_ns = NOW };
        StoreCall call = call_at(NOW);
        f->store->functions->put_scenario(f->store, &v);
        put_and_wait(f, &call);
        assert_int_equal(all_sums(f).calls, 6);
        execute(f->ledger, "SELECT * FROM scenarios; SELECT * FROM timelines; SELECT * FROM documents; SELECT * FROM hourly");
}

static void somebody_elses_database_is_set_aside(void **state) {
        Fixture *f = *state;
        char aside[512];

        f->store = store_free(f->store);
        assert_int_equal(unlink(f->ledger), 0);
        execute(f->ledger, "CREATE TABLE things (a); INSERT INTO things VALUES (1)");
        store_open(f);
        StoreCall call = call_at(NOW);
        put_and_wait(f, &call);
        assert_true(find_aside(f, aside));
        execute(aside, "DELETE FROM things");
}

/* ---- taken away ---- */

static void what_is_taken_away_is_put_back(void **state) {
        static const char *const files[] = { "", "-wal", "-shm" };
        Fixture *f = *state;
        StoreCall call = call_at(NOW);

        for (unsigned which = 1; which < 8; which++) {
                put_and_wait(f, &call);
                for (unsigned i = 0; i < 3; i++)
                        if (which >> i & 1) {
                                char path[128];
                                snprintf(path, sizeof(path), "%s%s", f->ledger, files[i]);
                                assert_int_equal(unlink(path), 0);
                        }
                put_and_wait(f, &call);
                assert_int_equal(all_sums(f).calls, 2 * which);
                store_reopen(f);
                assert_int_equal(all_sums(f).calls, 2 * which);
        }
        /* The folder as a whole. */
        char away[128];
        snprintf(away, sizeof(away), "%s/away", f->base);
        assert_int_equal(rename(f->folder, away), 0);
        put_and_wait(f, &call);
        store_reopen(f);
        assert_int_equal(all_sums(f).calls, 15);
}

static void what_is_put_in_its_place_counts(void **state) {
        Fixture *f = *state;
        StoreCall call = call_at(NOW);
        char path[128];

        put_and_wait(f, &call);
        store_reopen(f);
        f->store = store_free(f->store);
        load(f->ledger, &before);
        store_open(f);
        put_and_wait(f, &call);
        uint64_t committed = f->store->functions->committed(f->store);
        snprintf(path, sizeof(path), "%s/backup", f->base);
        save(path, &before);
        assert_int_equal(rename(path, f->ledger), 0);
        put_and_wait(f, &call);
        assert_int_equal(all_sums(f).calls, 2);
        assert_true(f->store->functions->committed(f->store) > committed);
        store_reopen(f);
        assert_int_equal(all_sums(f).calls, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, store_set_up, store_tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(any_page_may_be_damaged), TEST(garbage_is_set_aside_as_it_is), TEST(what_can_be_read_is_carried_over),
                TEST(not_more_than_some_are_set_aside), TEST(a_newer_one_is_left_alone), TEST(an_older_one_is_brought_to_this_version),
                TEST(somebody_elses_database_is_set_aside), TEST(what_is_taken_away_is_put_back), TEST(what_is_put_in_its_place_counts),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
