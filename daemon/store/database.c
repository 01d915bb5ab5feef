/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/store/database.h"

#include <errno.h>
#include <limits.h>

#include "basic/macro.h"

/* Somebody who looks with sqlite3 may hold a lock for a moment. */
#define BUSY_MS 250
/* The write-ahead log is cut back to that when it has been carried over. */
#define WAL_KEPT (4 << 20)
#define URI_MAX (3 * PATH_MAX + 32)
#define OPEN_FLAGS (SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE)

int database_init(Database *d, const char *folder) {
        *d = (Database) { .folder = strdup(folder), .folder_fd = -1 };
        return d->folder ? 0 : -ENOMEM;
}

void database_finalize(Database *d) {
        for (Statement s = 0; s < _STATEMENT_MAX; s++) {
                sqlite3_finalize(d->statements[s]);
                d->statements[s] = NULL;
        }
}

static void close_database(Database *d) {
        database_finalize(d);
        sqlite3_close_v2(d->db);
        d->db = NULL;
        d->only_reading = false;
        d->log = 0;
}

void database_done(Database *d) {
        close_database(d);
        database_drop_lost(d);
        closep(&d->folder_fd);
        free(d->folder);
        *d = (Database) { .folder_fd = -1 };
}

/* ---- errors ---- */

/* SQLite does not tell it in all cases, but the call that has failed was the last one that did. */
static int errno_of_disk(int error) {
        static const int errors[] = { EROFS, ENOSPC, EDQUOT, EACCES, EPERM, ENXIO, ENODEV, ESTALE };

        for (size_t i = 0; i < ELEMENTSOF(errors); i++)
                if (error == errors[i])
                        return -error;
        return -EIO;
}

static int errno_of(int rc, int error) {
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
                return rc == SQLITE_IOERR_NOMEM ? -ENOMEM : errno_of_disk(error);
        default: /* corrupt, not a database, or not with the tables that it must have */
                return -EUCLEAN;
        }
}

int database_error(Database *d, int rc, const char *what) {
        int r = errno_of(rc, errno);

        if (r == -EUCLEAN)
                d->damaged = true;
        /* What the disk refused once is looked at whole before it is trusted again. */
        if ((rc & 0xff) == SQLITE_IOERR && r != -ENOSPC && r != -ENOMEM)
                d->doubted = true;
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

int database_read_state(Database *d) {
        uint64_t generation = 0, serial = 0, begun = 0, hours_from = 0, days_from = 0;

        int r = read_meta(d, "generation", &generation);
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

static int prepare_all(Database *d) {
        int r = 0;

        for (Statement s = 0; s < _STATEMENT_MAX && r == 0; s++)
                r = database_prepare(d, statement_texts[s], &d->statements[s]);
        return r ?: database_read_state(d);
}

static int count_log(void *userdata, sqlite3 *db _unused_, const char *name _unused_, int pages) {
        ((Database *) userdata)->log_pages = pages;
        return SQLITE_OK;
}

/* What this connection is like, whatever it is connected to. */
static int set_up(Database *d) {
        sqlite3_busy_timeout(d->db, BUSY_MS);
        /* What is not ours is left as it is. */
        sqlite3_db_config(d->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        sqlite3_db_config(d->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        sqlite3_db_config(d->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
        /* Instead of carrying the log over by itself, in a commit that somebody waits for. */
        sqlite3_wal_hook(d->db, count_log, d);
        sqlite3_create_function(d->db, "add_up", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, add_up, NULL, NULL);
        sqlite3_create_function(d->db, "sum_up", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, NULL, sum_up_step, sum_up_final);
        return database_execute(d, "PRAGMA cell_size_check = ON");
}

/* All pages; only after an error of the disk, since it takes its time. */
static int check_pages(Database *d) {
        sqlite3_stmt *s = NULL;
        int r = database_prepare(d, "PRAGMA quick_check(1)", &s);

        if (r < 0)
                return r;
        int rc = sqlite3_step(s);
        const char *text = rc == SQLITE_ROW ? (const char *) sqlite3_column_text(s, 0) : NULL;
        if (!text)
                r = database_error(d, rc, "Cannot check it");
        else if (!streq(text, "ok")) {
                snprintf(d->note, sizeof(d->note), "%s", text);
                d->damaged = true;
                r = -EUCLEAN;
        } else
                d->doubted = false;
        sqlite3_finalize(s);
        return r;
}

static int try_open(Database *d) {
        char path[PATH_MAX], sql[128];

        int r = database_make_file(d, path);
        if (r < 0)
                return r;
        int rc = sqlite3_open_v2(path, &d->db, OPEN_FLAGS | SQLITE_OPEN_READWRITE, NULL);
        if (rc != SQLITE_OK)
                return database_error(d, rc, "Cannot open it");
        r = set_up(d);
        if (r == 0)
                r = database_migrate(d);
        if (r == 0 && d->doubted)
                r = check_pages(d);
        if (r < 0)
                return r;
        sqlite3_db_config(d->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
        /* FULL: a commit is on the disk when it is told, not only after the next checkpoint. */
        snprintf(sql, sizeof(sql), "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = %d;", WAL_KEPT);
        r = database_execute(d, sql) ?: prepare_all(d);
        d->log = database_log(d);
        return r == 0 && d->to_salvage ? database_salvage(d) : r;
}

/* What stands in a path must not be taken for a parameter. */
static void write_uri(const char *path, char uri[URI_MAX]) {
        char *p = stpcpy(uri, "file:");

        for (; *path; path++)
                if (strchr("%?#", *path))
                        p += sprintf(p, "%%%02X", (unsigned) (unsigned char) *path);
                else
                        *p++ = *path;
        strcpy(p, "?immutable=1");
}

/* Without locks, since nobody can write, and without the shared memory of the log, for which one would have to write. */
static int open_read_only(Database *d) {
        char path[PATH_MAX], uri[URI_MAX];
        int flags = OPEN_FLAGS | SQLITE_OPEN_READONLY;

        int r = database_path(d, LEDGER_FILE, path);
        if (r < 0)
                return r;
        write_uri(path, uri);
        int rc = database_log(d) ? sqlite3_open_v2(path, &d->db, flags, "unix-none")
                                     : sqlite3_open_v2(uri, &d->db, flags | SQLITE_OPEN_URI, NULL);
        return rc == SQLITE_OK ? set_up(d) ?: database_execute(d, "PRAGMA locking_mode = EXCLUSIVE") : -EIO;
}

/* A disk that can only be read: at least the start shall know what was registered and spent. */
static void open_for_reading(Database *d) {
        char note[sizeof(d->note)];
        int64_t version = 0;

        memcpy(note, d->note, sizeof(note));
        int r = open_read_only(d);
        if (r == 0)
                r = database_read_number(d, "PRAGMA user_version", &version);
        if (r == 0 && version == LEDGER_VERSION)
                d->only_reading = prepare_all(d) == 0;
        if (!d->only_reading)
                close_database(d);
        d->damaged = d->doubted = false;
        memcpy(d->note, note, sizeof(note));
}

static int open_now(Database *d) {
        int r;

        for (int i = 0; i < 2; i++) {
                if (d->damaged) {
                        r = database_set_aside(d);
                        if (r < 0)
                                return r;
                }
                r = try_open(d);
                if (r == 0)
                        return 0;
                close_database(d);
                if (r != -EUCLEAN) {
                        if (!database_is_writable(d, &r))
                                open_for_reading(d);
                        return r;
                }
                d->damaged = true;
        }
        return r;
}

int database_open(Database *d) {
        int r = database_lock_folder(d);

        if (r < 0)
                return r;
        if (d->db && (d->damaged || d->doubted || d->only_reading))
                close_database(d);
        if (d->db && !database_has_moved(d))
                return 0;
        if (d->db)
                r = database_let_go(d);
        if (r == 0)
                r = database_put_back(d);
        return r ?: open_now(d);
}

bool database_can_be_read(const Database *d) {
        return d->db;
}
