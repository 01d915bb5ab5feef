/* SPDX-License-Identifier: Apache-2.0 */
/* The files of the ledger: their folder and its lock, and what is done when they are damaged or taken away. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "basic/macro.h"
#include "daemon/store/database.h"

/* How many may be set aside: a disk that damages everything is not to be filled, too. */
#define ASIDE_MAX 8

static int note(Database *d, int r, const char *what) {
        snprintf(d->note, sizeof(d->note), "%s %.128s: %s", what, d->folder, strerrordesc_np(-r));
        return r;
}

/* ---- the folder ---- */

/* Two writers would count from the same numbers. The lock goes with the process, however that ends. */
int database_lock_folder(Database *d) {
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
                snprintf(d->note, sizeof(d->note), "Another process holds the folder %.128s", d->folder);
                return -EBUSY;
        }
        d->folder_fd = fd;
        fd = -1;
        return 0;
}

int database_path(const Database *d, const char *name, char path[PATH_MAX]) {
        return snprintf(path, PATH_MAX, "%s/%s", d->folder, name) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* By ourselves, because SQLite would let everybody read it. 1: it was not there. */
int database_make_file(Database *d, char path[PATH_MAX]) {
        if (database_path(d, LEDGER_FILE, path) < 0)
                return note(d, -ENAMETOOLONG, "Cannot use");
        int fd = openat(d->folder_fd, LEDGER_FILE, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
        if (fd < 0)
                return errno == EEXIST ? 0 : note(d, -errno, "Cannot make " LEDGER_FILE " in");
        close(fd);
        return fsync(d->folder_fd) < 0 ? note(d, -errno, "Cannot sync") : 1;
}

bool database_is_writable(Database *d, int *ret_error) {
        if (faccessat(d->folder_fd, ".", W_OK, AT_EACCESS) == 0)
                return true;
        *ret_error = note(d, -errno, "Cannot write into");
        return false;
}

ino_t database_log(const Database *d) {
        struct stat st;

        return fstatat(d->folder_fd, LEDGER_FILE "-wal", &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_ino : 0;
}

uint64_t database_size(const Database *d) {
        static const char *const files[] = { LEDGER_FILE, LEDGER_FILE "-wal" };
        uint64_t size = 0;
        struct stat st;

        for (size_t i = 0; i < ELEMENTSOF(files); i++)
                if (d->folder_fd >= 0 && fstatat(d->folder_fd, files[i], &st, AT_SYMLINK_NOFOLLOW) == 0)
                        size += (uint64_t) st.st_size;
        return size;
}

/* ---- damaged ---- */

static int rename_aside(Database *d, const char *suffix) {
        char from[64], to[ASIDE_NAME_MAX + 8];

        snprintf(from, sizeof(from), LEDGER_FILE "%s", suffix);
        snprintf(to, sizeof(to), "%s%s", d->aside_name, suffix);
        return renameat2(d->folder_fd, from, d->folder_fd, to, RENAME_NOREPLACE) == 0 ? 0 : -errno;
}

static int is_aside(const struct dirent *entry) {
        size_t n = strlen(entry->d_name);

        return n > 10 && strncmp(entry->d_name, "ledger-", 7) == 0 && streq(entry->d_name + n - 3, ".db");
}

static int count_aside(const Database *d) {
        struct dirent **names;
        int n = scandirat(d->folder_fd, ".", &names, is_aside, NULL);

        for (int i = 0; i < n; i++)
                free(names[i]);
        if (n >= 0)
                free(names);
        return n;
}

/* Under the time, with its write-ahead log, so that sqlite3 opens it there as it was. */
static int rename_all_aside(Database *d) {
        struct timespec now;
        char text[32];
        struct tm tm;

        if (count_aside(d) >= ASIDE_MAX)
                return -EDQUOT;
        clock_gettime(CLOCK_REALTIME, &now);
        strftime(text, sizeof(text), "%Y%m%dT%H%M%S", gmtime_r(&now.tv_sec, &tm));
        snprintf(d->aside_name, sizeof(d->aside_name), "ledger-%s.%03ldZ.db", text, now.tv_nsec / 1000000);
        /* The log first: without it the database is only older, but it without the database would spoil the new one. */
        int r = rename_aside(d, "-wal");
        if (r == 0 || r == -ENOENT)
                r = rename_aside(d, "");
        (void) unlinkat(d->folder_fd, LEDGER_FILE "-shm", 0);
        return r < 0 ? r : fsync(d->folder_fd) < 0 ? -errno : 0;
}

int database_set_aside(Database *d) {
        char why[sizeof(d->note)];
        int r = rename_all_aside(d);

        memcpy(why, d->note, sizeof(why));
        if (r < 0) {
                snprintf(d->note, sizeof(d->note), "The ledger is damaged (%.100s) and cannot be set aside: %s", why,
                         r == -EDQUOT ? "too many are there already" : strerrordesc_np(-r));
                return -EUCLEAN;
        }
        d->damaged = d->doubted = false;
        /* What was carried over may be what is wrong with it. */
        d->to_salvage = !d->fresh;
        d->fresh = true;
        snprintf(d->aside, sizeof(d->aside), "The ledger was damaged (%.100s); it is kept as %s, and a new one was begun", why,
                 d->aside_name);
        return 0;
}

/* ---- taken away ---- */

static bool has_file_moved(const Database *d) {
        int moved = 0;

        return sqlite3_file_control(d->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved;
}

bool database_has_moved(Database *d) {
        ino_t wal = database_log(d);

        if (has_file_moved(d) || wal == 0 || (d->log != 0 && wal != d->log))
                return true;
        d->log = wal;
        return false;
}

/* What is there now under these names must not be touched when it is closed. */
int database_let_go(Database *d) {
        bool moved = has_file_moved(d);

        sqlite3_db_config(d->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        if (!moved) {
                /* Only the log is gone: the database takes in what it held. */
                int rc = sqlite3_wal_checkpoint_v2(d->db, NULL, SQLITE_CHECKPOINT_FULL, NULL, NULL);
                if (rc != SQLITE_OK)
                        return database_error(d, rc, "Cannot take in the log that was taken away");
        }
        database_finalize(d);
        if (moved)
                d->lost = d->db;
        else
                sqlite3_close_v2(d->db);
        d->db = NULL;
        /* Our log beside another database would be taken for its own. */
        if (d->log != 0 && database_log(d) == d->log)
                (void) unlinkat(d->folder_fd, LEDGER_FILE "-wal", 0);
        d->log = 0;
        (void) unlinkat(d->folder_fd, LEDGER_FILE "-shm", 0);
        snprintf(d->aside, sizeof(d->aside), "The files of the ledger were moved or removed while they were in use");
        return 0;
}

void database_drop_lost(Database *d) {
        sqlite3_close_v2(d->lost);
        d->lost = NULL;
}

static int copy_lost(Database *d, const char *path) {
        sqlite3 *to = NULL;
        int rc = sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE, NULL);

        sqlite3_backup *backup = rc == SQLITE_OK ? sqlite3_backup_init(to, "main", d->lost, "main") : NULL;
        if (backup) {
                (void) sqlite3_backup_step(backup, -1);
                rc = sqlite3_backup_finish(backup);
        } else
                rc = sqlite3_errcode(to);
        int r = rc == SQLITE_OK ? 0 : database_error(d, rc, "Cannot put it back");
        sqlite3_close_v2(to);
        return r;
}

/* As long as it is open, what was deleted can be written anew. What somebody has put in its place counts instead. */
int database_put_back(Database *d) {
        char path[PATH_MAX];

        if (!d->lost)
                return 0;
        int r = database_make_file(d, path);
        if (r > 0)
                r = copy_lost(d, path);
        if (r < 0) {
                (void) unlinkat(d->folder_fd, LEDGER_FILE, 0);
                return r;
        }
        database_drop_lost(d);
        return 0;
}
