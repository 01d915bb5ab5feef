/* SPDX-License-Identifier: Apache-2.0 */
/* The audit log on disk: its chain, its files, and what crashes leave of it. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/macro.h"
#include "basic/units.h"
#include "daemon/store/audit.h"
#include "tests/unit/test.h"

#define PATIENCE_NS (60 * NSEC_PER_SEC)
#define NOW (UINT64_C(1700000000) * NSEC_PER_SEC)
#define TEXT "\"kind\":\"test\",\"text\":\"something that is long enough to fill a file\""

typedef struct Fixture {
        char base[32];
        char folder[64];
        AuditFile file;
} Fixture;

static const AuditLimits limits = { .max_size = 1 << 20, .keep = 1000 };

static int set_up(void **state) {
        Fixture *f = calloc(1, sizeof(Fixture));

        strcpy(f->base, "/tmp/test-audit-XXXXXX");
        assert_non_null(mkdtemp(f->base));
        snprintf(f->folder, sizeof(f->folder), "%s/audit", f->base);
        assert_int_equal(chain_init(), 0);
        assert_int_equal(audit_file_init(&f->file, f->folder), 0);
        f->file.limits = limits;
        *state = f;
        return 0;
}

static int remove_one(const char *path, const struct stat *st _unused_, int type _unused_, struct FTW *ftw _unused_) {
        return remove(path);
}

static int tear_down(void **state) {
        Fixture *f = *state;

        audit_file_done(&f->file);
        nftw(f->base, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        free(f);
        return 0;
}

/* As after a restart. */
static void reopen(Fixture *f) {
        AuditLimits same = f->file.limits;

        audit_file_done(&f->file);
        assert_int_equal(audit_file_init(&f->file, f->folder), 0);
        f->file.limits = same;
        assert_int_equal(audit_file_open(&f->file, NOW), 0);
}

static void add(Fixture *f, size_t n) {
        for (size_t i = 0; i < n; i++) {
                if (audit_file_is_full(&f->file, sizeof(TEXT) + 128, NOW)) {
                        assert_int_equal(audit_file_flush(&f->file, false), 0);
                        assert_int_equal(audit_file_rotate(&f->file, NOW), 0);
                }
                assert_int_equal(audit_file_append(&f->file, TEXT, strlen(TEXT)), 0);
        }
        assert_int_equal(audit_file_flush(&f->file, true), 0);
}

static void path_of(const Fixture *f, char buffer[128]) {
        snprintf(buffer, 128, "%s/" AUDIT_FILE, f->folder);
}

static void append_text(const Fixture *f, const char *text, size_t n) {
        char path[128];

        path_of(f, path);
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, n), n);
}

/* Checks the chain over all files; returns how many lines, and leaves the last. */
static uint64_t check(const Fixture *f, char **ret_last) {
        struct dirent **names;
        uint64_t lines = 0;
        AuditMark mark = { .hash = chain_origin };
        int n = chain_list_old(AT_FDCWD, f->folder, &names);
        _cleanup_free_ char *line = NULL;
        size_t allocated = 0;

        assert_true(n >= 0);
        for (int i = 0; i <= n; i++) {
                char path[400];
                snprintf(path, sizeof(path), "%s/%s", f->folder, i < n ? names[i]->d_name : AUDIT_FILE);
                _cleanup_fclose_ FILE *file = fopen(path, "re");
                assert_non_null(file);
                for (ssize_t k; (k = getline(&line, &allocated, file)) > 0; lines++) {
                        ChainHash stated, hash;
                        char serial[64];
                        size_t text;
                        assert_int_equal(line[k - 1], '\n');
                        assert_int_equal(chain_split(line, (size_t) k - 1, &text, &stated), 0);
                        chain_hash(&mark.hash, line, text, &hash);
                        assert_string_equal(hash.digits, stated.digits);
                        snprintf(serial, sizeof(serial), "{\"serial\":%llu,", (unsigned long long) ++mark.serial);
                        assert_memory_equal(line, serial, strlen(serial));
                        mark.hash = hash;
                }
        }
        chain_free_list(names, n);
        if (ret_last)
                *ret_last = TAKE(line);
        return lines;
}

static void the_hash_is_that_of_sha256(void **state) {
        ChainHash hash;

        /* Computed with sha256sum. */
        chain_hash(&chain_origin, "", 0, &hash);
        assert_string_equal(hash.digits, "60e05bd1b195af2f94112fa7197a5c88289058840ce7c6df9693756bc6250f55");
        chain_hash(&chain_origin, "{\"serial\":1", 11, &hash);
        assert_string_equal(hash.digits, "892db2c194b4f773ac9cc62ff606a1bf758c80024bb6feedab773a95eeb58932");
}

static void lines_are_taken_apart(void **state) {
        static const char *const bad[] = {
                "", "{}", "{\"hash\":\"\"}", "not a line",
                "{\"a\":1,\"hash\":\"0000000000000000000000000000000000000000000000000000000000000000\" }",
                "{\"a\":1,\"hash\":\"000000000000000000000000000000000000000000000000000000000000000G\"}",
                "{\"a\":1,\"hash\":\"000000000000000000000000000000000000000000000000000000000000000\"}",
                "[\"a\":1,\"hash\":\"0000000000000000000000000000000000000000000000000000000000000000\"}",
        };
        const char *good = "{\"a\":1,\"hash\":\"0000000000000000000000000000000000000000000000000000000000000000\"}";
        ChainHash hash;
        size_t text;

        assert_int_equal(chain_split(good, strlen(good), &text, &hash), 0);
        assert_int_equal(text, 6);
        assert_string_equal(hash.digits, chain_origin.digits);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(chain_split(bad[i], strlen(bad[i]), &text, &hash), -EBADMSG);
}

static void the_chain_goes_on_after_a_restart(void **state) {
        Fixture *f = *state;

        assert_int_equal(audit_file_open(&f->file, NOW), 0);
        add(f, 3);
        for (int i = 0; i < 3; i++) {
                reopen(f);
                add(f, 1);
        }
        assert_int_equal(check(f, NULL), 1 + 3 + 3);
}

static void two_do_not_write_to_one_log(void **state) {
        Fixture *f = *state;
        AuditFile other;

        assert_int_equal(audit_file_open(&f->file, NOW), 0);
        assert_int_equal(audit_file_init(&other, f->folder), 0);
        assert_int_equal(audit_file_open(&other, NOW), -EWOULDBLOCK);
        audit_file_done(&other);
}

static size_t n_old(const Fixture *f) {
        struct dirent **names;
        int n = chain_list_old(AT_FDCWD, f->folder, &names);

        assert_true(n >= 0);
        chain_free_list(names, n);
        return (size_t) n;
}

static void files_follow_one_another(void **state) {
        Fixture *f = *state;

        f->file.limits.max_size = 4096;
        assert_int_equal(audit_file_open(&f->file, NOW), 0);
        add(f, 200);
        size_t files = n_old(f) + 1;
        assert_true(files > 5);
        assert_int_equal(check(f, NULL), 200 + files);
        /* A crash between the end of one and the beginning of the next. */
        assert_int_equal(audit_file_flush(&f->file, true), 0);
        char path[128], old[160];
        path_of(f, path);
        snprintf(old, sizeof(old), "%s/audit-%020llu.jsonl", f->folder, (unsigned long long) f->file.first_serial);
        assert_int_equal(rename(path, old), 0);
        reopen(f);
        add(f, 1);
        assert_int_equal(check(f, NULL), 201 + files + 1);
}

static void age_ends_a_file(void **state) {
        Fixture *f = *state;

        f->file.limits.max_age_ns = NSEC_PER_HOUR;
        assert_int_equal(audit_file_open(&f->file, NOW), 0);
        assert_false(audit_file_is_full(&f->file, 1, NOW + 2 * NSEC_PER_HOUR)); /* nothing in it yet */
        add(f, 1);
        reopen(f);
        assert_false(audit_file_is_full(&f->file, 1, NOW + NSEC_PER_HOUR));
        assert_true(audit_file_is_full(&f->file, 1, NOW + NSEC_PER_HOUR + NSEC_PER_SEC));
}

static void old_files_are_removed(void **state) {
        Fixture *f = *state;

        f->file.limits = (AuditLimits) { .max_size = 4096, .keep = 2 };
        assert_int_equal(audit_file_open(&f->file, NOW), 0);
        add(f, 200);
        assert_int_equal(n_old(f), 2);
}

static void a_torn_line_is_kept_in_another(void **state) {
        static const struct { const char *text; size_t n; const char *kept;
        } torn[] = {
                { "{\"ser", 5, "\"bytes\":5,\"text\":\"{\\\"ser\"" },
                { "\0\0x\n\0", 5, "\"bytes\":5,\"text\":\"  x\\n \"" },
                { "{\"serial\":9,\"hash\":\"zz\"}\n", 25,
                  "\"bytes\":25,\"text\":\"{\\\"serial\\\":9,\\\"hash\\\":\\\"zz\\\"}\\n\"" },
        };
        Fixture *f = *state;
        uint64_t lines = 3;

        assert_int_equal(audit_file_open(&f->file, NOW), 0);
        add(f, 2);
        for (size_t i = 0; i < ELEMENTSOF(torn); i++) {
                _cleanup_free_ char *last = NULL;
                append_text(f, torn[i].text, torn[i].n);
                reopen(f);
                lines++;
                assert_int_equal(check(f, &last), lines);
                assert_non_null(strstr(last, "\"kind\":\"recovered\""));
                assert_non_null(strstr(last, torn[i].kept));
                add(f, 1);
                lines++;
        }
}

static void a_file_torn_in_its_first_line(void **state) {
        Fixture *f = *state;

        assert_int_equal(mkdir(f->folder, 0700), 0);
        append_text(f, "{\"serial\":1,\"ti", 15);
        reopen(f);
        assert_int_equal(check(f, NULL), 2);
        assert_int_equal(n_old(f), 0);
}

/* The limit on a file's size stands for a full disk: a write stops in the middle of a line. */
static void what_fails_is_as_if_it_had_not_been(void **state) {
        Fixture *f = *state;
        struct rlimit before, tight = {};

        assert_int_equal(audit_file_open(&f->file, NOW), 0);
        add(f, 2);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
        tight = before;
        tight.rlim_cur = f->file.size + 50;
        signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
        for (int i = 0; i < 3; i++) {
                assert_int_equal(audit_file_open(&f->file, NOW), 0);
                assert_int_equal(audit_file_append(&f->file, TEXT, strlen(TEXT)), 0);
                assert_int_equal(audit_file_append(&f->file, TEXT, strlen(TEXT)), 0);
                assert_int_equal(audit_file_flush(&f->file, true), -EFBIG);
                assert_int_equal(f->file.mark.serial, 3);
                assert_int_equal(check(f, NULL), 3);
        }
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_int_equal(audit_file_open(&f->file, NOW), 0);
        add(f, 2);
        assert_int_equal(check(f, NULL), 5);
}

/* ---- the queue ---- */

static void put(Audit *a, AuditClass class, size_t n, bool wanted) {
        _cleanup_free_ char *text = malloc(n + 1);

        memset(text, 'x', n);
        memcpy(text, "\"text\":\"", 8);
        text[n - 1] = '"';
        assert_int_equal(audit_put(a, &(AuditRecord) { .class = class, .text = text, .n = n }) > 0, wanted);
}

static void the_queue_is_bounded(void **state) {
        Fixture *f = *state;
        AuditStatus status;
        Audit *a;
        int taken = 0;

        /* The log cannot be made here, as long as a file stands in its place. */
        int fd = open(f->folder, O_WRONLY | O_CREAT, 0600);
        assert_true(fd >= 0);
        close(fd);
        assert_int_equal(audit_new(&a, f->folder, &limits), 0);
        do
                audit_status(a, &status);
        while (status.error == 0);
        assert_int_equal(status.error, -ENOTDIR);
        put(a, AUDIT_DECISION, 1000, false);
        for (; taken < 7; taken++)
                put(a, AUDIT_MANAGEMENT, AUDIT_RECORD_MAX, true);
        put(a, AUDIT_MANAGEMENT, AUDIT_RECORD_MAX + 1, false);
        put(a, AUDIT_MANAGEMENT, AUDIT_RECORD_MAX, true);
        put(a, AUDIT_MANAGEMENT, AUDIT_RECORD_MAX, false);
        audit_status(a, &status);
        assert_int_equal(status.lost[AUDIT_MANAGEMENT], 2);
        assert_int_equal(status.lost[AUDIT_DECISION], 1);
        assert_int_equal(status.waiting, 8);

        assert_int_equal(unlink(f->folder), 0);
        a = audit_free(a, PATIENCE_NS, &status);
        assert_int_equal(status.waiting, 0);
        _cleanup_free_ char *last = NULL;
        assert_true(check(f, &last) >= 1 + 8 + 1);
        assert_non_null(strstr(last, "\"kind\":\"lost\",\"management\":2,\"decisions\":1,\"refusals\":0,"));
}

/* A disk that hangs as long as somebody holds this. */
static pthread_mutex_t disk = PTHREAD_MUTEX_INITIALIZER;

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd) {
        pthread_mutex_lock(&disk);
        pthread_mutex_unlock(&disk);
        return __real_fdatasync(fd);
}

static uint64_t seconds_since(const struct timespec *start) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) (now.tv_sec - start->tv_sec);
}

static void a_disk_that_hangs_does_not_hold_up_the_end(void **state) {
        Fixture *f = *state;
        struct timespec start;
        AuditStatus status;
        Audit *a;

        pthread_mutex_lock(&disk);
        assert_int_equal(audit_new(&a, f->folder, &limits), 0);
        put(a, AUDIT_MANAGEMENT, 1000, true);
        clock_gettime(CLOCK_MONOTONIC, &start);
        assert_null(audit_free(a, NSEC_PER_SEC / 10, &status));
        assert_true(seconds_since(&start) < 5);
        assert_int_equal(status.error, -ETIMEDOUT);
        assert_int_equal(status.waiting, 1);
        pthread_mutex_unlock(&disk);
        /* When the disk is back, nothing is lost: the thread ends as it would have, and lets go of the folder. */
        int r;
        while ((r = audit_file_open(&f->file, NOW)) == -EWOULDBLOCK)
                usleep(1000);
        assert_int_equal(r, 0);
        assert_int_equal(check(f, NULL), 2);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(the_hash_is_that_of_sha256),
                TEST(lines_are_taken_apart),
                TEST(the_chain_goes_on_after_a_restart),
                TEST(two_do_not_write_to_one_log),
                TEST(files_follow_one_another),
                TEST(age_ends_a_file),
                TEST(old_files_are_removed),
                TEST(a_torn_line_is_kept_in_another),
                TEST(a_file_torn_in_its_first_line),
                TEST(what_fails_is_as_if_it_had_not_been),
                TEST(the_queue_is_bounded),
                TEST(a_disk_that_hangs_does_not_hold_up_the_end),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
