/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/store/database.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "basic/macro.h"

/* Somebody who looks with sqlite3 may hold a lock for a moment. */
#define BUSY_MS 250
/* The write-ahead log is cut back to that when it has been carried over. */
#define WAL_KEPT (4 << 20)

int database_init(Database *d, const char *folder) {
        *d = (Database) { .folder = strdup(folder), .folder_fd = -1 };
        return d->folder ? 0 : -ENOMEM;
}

static void close_database(Database *d) {
        for (Statement s = 0; s < _STATEMENT_MAX; s++) {
                sqlite3_finalize(d->statements[s]);
                d->statements[s] = NULL;
        }
        sqlite3_close_v2(d->db);
        d->db = NULL;
}

void database_done(Database *d) {
        close_database(d);
        closep(&d->folder_fd);
        free(d->folder);
        *d = (Database) { .folder_fd = -1 };
}

/* ---- errors ---- */

static int errno_of(sqlite3 *db, int rc) {
        int system = db ? sqlite3_system_errno(db) : 0;

        switch (rc & 0xff) {
        case SQLITE_OK:
        case SQLITE_ROW:
        case SQLITE_DONE:
                return 0;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
        case SQLITE_PROTOCOL:
                return -EBUSY;
        case SQLITE_FULL:
                return -ENOSPC;
        case SQLITE_READONLY:
                return -EROFS;
        case SQLITE_NOMEM:
                return -ENOMEM;
        case SQLITE_PERM:
        case SQLITE_AUTH:
                return -EACCES;
        case SQLITE_TOOBIG:
                return -EFBIG;
        case SQLITE_IOERR:
        case SQLITE_CANTOPEN:
                return system > 0 ? -system : -EIO;
        default: /* corrupt, not a database, or not with the tables that it must have */
                return -EUCLEAN;
        }
}

int database_error(Database *d, int rc, const char *what) {
        int r = errno_of(d->db, rc);

        if (r == -EUCLEAN)
                d->damaged = true;
        snprintf(d->note, sizeof(d->note), "%s: %s", what, d->db ? sqlite3_errmsg(d->db) : sqlite3_errstr(rc));
        return r;
}

int database_prepare(Database *d, const char *sql, sqlite3_stmt **ret) {
        int rc = sqlite3_prepare_v3(d->db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL);

        return rc == SQLITE_OK ? 0 : database_error(d, rc, "Cannot read it");
}

int database_run(Database *d, Statement s) {
        int rc = sqlite3_step(d->statements[s]);
        int r = rc == SQLITE_DONE ? 0 : database_error(d, rc, "Cannot write it");

        sqlite3_reset(d->statements[s]);
        return r;
}

int database_execute(Database *d, const char *sql) {
        int rc = sqlite3_exec(d->db, sql, NULL, NULL, NULL);

        return rc == SQLITE_OK ? 0 : database_error(d, rc, "Cannot set it up");
}

/* ---- opening ---- */

static int note(Database *d, int r, const char *what) {
        snprintf(d->note, sizeof(d->note), "%s %s: %s", what, d->folder, strerror(-r));
        return r;
}

/* Two writers would count from the same numbers. The lock goes with the process, however that ends. */
static int lock_folder(Database *d) {
        struct stat here, ours;

        if (d->folder_fd >= 0 && fstat(d->folder_fd, &ours) == 0 && stat(d->folder, &here) == 0 && ours.st_ino == here.st_ino &&
            ours.st_dev == here.st_dev)
                return 0;
        closep(&d->folder_fd);
        d->folder_fd = -1;
        if (mkdir(d->folder, 0750) < 0 && errno != EEXIST)
                return note(d, -errno, "Cannot make the folder");
        _cleanup_close_ int fd = open(d->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return note(d, -errno, "Cannot open the folder");
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
                if (errno != EWOULDBLOCK)
                        return note(d, -errno, "Cannot lock the folder");
                snprintf(d->note, sizeof(d->note), "Another process holds the folder %s", d->folder);
                return -EBUSY;
        }
        d->folder_fd = fd;
        fd = -1;
        return 0;
}

/* In the sums a limit is better than an error, or than a number with a fraction. */
static int64_t sum_of(int64_t a, int64_t b) {
        int64_t sum;

        return __builtin_add_overflow(a, b, &sum) ? (b > 0 ? INT64_MAX : INT64_MIN) : sum;
}

static void add_up(sqlite3_context *context, int n _unused_, sqlite3_value **values) {
        sqlite3_result_int64(context, sum_of(sqlite3_value_int64(values[0]), sqlite3_value_int64(values[1])));
}

static void sum_up_step(sqlite3_context *context, int n _unused_, sqlite3_value **values) {
        int64_t *sum = sqlite3_aggregate_context(context, sizeof(int64_t));

        if (sum)
                *sum = sum_of(*sum, sqlite3_value_int64(values[0]));
        else
                sqlite3_result_error_nomem(context);
}

static void sum_up_final(sqlite3_context *context) {
        const int64_t *sum = sqlite3_aggregate_context(context, 0);

        sqlite3_result_int64(context, sum ? *sum : 0);
}

static int make_path(const Database *d, const char *name, char path[PATH_MAX]) {
        return snprintf(path, PATH_MAX, "%s/%s", d->folder, name) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* SQLite would let everybody read it. */
static int make_file(Database *d) {
        int fd = openat(d->folder_fd, LEDGER_FILE, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);

        if (fd < 0)
                return errno == EEXIST ? 0 : note(d, -errno, "Cannot make " LEDGER_FILE " in");
        close(fd);
        return fsync(d->folder_fd) < 0 ? note(d, -errno, "Cannot sync") : 0;
}

static int read_meta(Database *d, const char *key, uint64_t *ret) {
        sqlite3_stmt *s = d->statements[STATEMENT_READ_META];

        sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
        int rc = sqlite3_step(s), r = 0;
        if (rc == SQLITE_ROW)
                *ret = (uint64_t) sqlite3_column_int64(s, 0);
        else
                r = database_error(d, rc == SQLITE_DONE ? SQLITE_CORRUPT : rc, "Cannot read it");
        sqlite3_reset(s);
        return r;
}

static int prepare_all(Database *d) {
        uint64_t generation = 0, serial = 0, begun = 0, hours_from = 0, days_from = 0;
        int r = 0;

        sqlite3_create_function(d->db, "add_up", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, add_up, NULL, NULL);
        sqlite3_create_function(d->db, "sum_up", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, NULL, sum_up_step, sum_up_final);
        for (Statement s = 0; s < _STATEMENT_MAX && r == 0; s++)
                r = database_prepare(d, statement_texts[s], &d->statements[s]);
        if (r == 0)
                r = read_meta(d, "generation", &generation);
        if (r == 0)
                r = read_meta(d, "call", &serial);
        if (r == 0)
                r = read_meta(d, "begun", &begun);
        if (r == 0)
                r = read_meta(d, "hours_from", &hours_from);
        if (r == 0)
                r = read_meta(d, "days_from", &days_from);
        if (r < 0)
                return r;
        /* One that somebody has put in place of another does not take back what was said to be committed. */
        d->generation = MAX(d->generation, generation);
        d->serial = MAX(d->serial, serial);
        d->begun = (int64_t) begun;
        d->hours_from = (int64_t) hours_from;
        d->days_from = (int64_t) days_from;
        d->dropping = true;
        return 0;
}

static int try_open(Database *d) {
        char path[PATH_MAX];
        int r = make_path(d, LEDGER_FILE, path);

        if (r == 0)
                r = make_file(d);
        if (r < 0)
                return r;
        int rc = sqlite3_open_v2(path, &d->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE, NULL);
        if (rc != SQLITE_OK)
                return database_error(d, rc, "Cannot open it");
        sqlite3_busy_timeout(d->db, BUSY_MS);
        /* What is not ours is left as it is. */
        sqlite3_db_config(d->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        sqlite3_db_config(d->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        sqlite3_db_config(d->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
        /* Before there are tables; of a database that has some it changes nothing. */
        r = database_execute(d, "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA cell_size_check = ON;");
        if (r == 0)
                r = database_migrate(d);
        if (r < 0)
                return r;
        sqlite3_db_config(d->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
        /* FULL: a commit is on the disk when it is told, not only after the next checkpoint. */
        char sql[128];
        snprintf(sql, sizeof(sql), "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = %d;", WAL_KEPT);
        return database_execute(d, sql) ?: prepare_all(d);
}

/* ---- setting aside ---- */

static int rename_aside(Database *d, const char *suffix, const char *aside) {
        char from[64], to[96];

        snprintf(from, sizeof(from), LEDGER_FILE "%s", suffix);
        snprintf(to, sizeof(to), "%s%s", aside, suffix);
        return renameat2(d->folder_fd, from, d->folder_fd, to, RENAME_NOREPLACE) == 0 ? 0 : -errno;
}

/* Under the time, with its write-ahead log, so that sqlite3 opens it there as it was. */
static int set_aside(Database *d) {
        char aside[64], time_text[32], why[sizeof(d->note)];
        time_t now = time(NULL);
        struct tm tm;
        int r = -EEXIST;

        strftime(time_text, sizeof(time_text), "%Y%m%dT%H%M%SZ", gmtime_r(&now, &tm));
        for (int i = 0; i < LEDGER_ASIDE_MAX && r == -EEXIST; i++) {
                snprintf(aside, sizeof(aside), "ledger-%s%s%.0d.db", time_text, i ? "-" : "", i);
                /* The log first: without it the database is only older, but it without the database would spoil the new one. */
                r = rename_aside(d, "-wal", aside);
                if (r == 0 || r == -ENOENT)
                        r = rename_aside(d, "", aside);
        }
        (void) unlinkat(d->folder_fd, LEDGER_FILE "-shm", 0);
        if (r == 0 && fsync(d->folder_fd) < 0)
                r = -errno;
        memcpy(why, d->note, sizeof(why));
        if (r < 0) {
                snprintf(d->note, sizeof(d->note), "The ledger is damaged (%.100s) and cannot be set aside: %s", why, strerror(-r));
                return -EUCLEAN;
        }
        d->damaged = false;
        snprintf(d->aside, sizeof(d->aside), "The ledger was damaged (%.100s); it is kept as %s, and a new one was begun", why, aside);
        return 0;
}

int database_open(Database *d) {
        int r = lock_folder(d);

        if (r < 0 || (d->db && !d->damaged))
                return r;
        for (int i = 0; i < 2; i++) {
                if (d->damaged) {
                        close_database(d);
                        r = set_aside(d);
                        if (r < 0)
                                return r;
                }
                r = try_open(d);
                if (r == 0)
                        return 0;
                close_database(d);
                if (r != -EUCLEAN)
                        break;
                d->damaged = true;
        }
        return r;
}

uint64_t database_size(const Database *d) {
        static const char *const files[] = { LEDGER_FILE, LEDGER_FILE "-wal" };
        uint64_t size = 0;
        struct stat st;

        for (size_t i = 0; i < ELEMENTSOF(files); i++)
                if (fstatat(d->folder_fd, files[i], &st, AT_SYMLINK_NOFOLLOW) == 0)
                        size += (uint64_t) st.st_size;
        return size;
}
