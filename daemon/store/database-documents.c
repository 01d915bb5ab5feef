/* SPDX-License-Identifier: Apache-2.0 */
/* Documents at the start: from the database, or from the file that held one before there was a ledger. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "basic/clock.h"
#include "basic/instant.h"
#include "basic/macro.h"
#include "daemon/store/database.h"

static int read_row(Database *d, const char *name, char **ret, size_t *ret_size) {
        sqlite3_stmt *s = d->statements[STATEMENT_READ_DOCUMENT];

        sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
        int rc = sqlite3_step(s), r = 0;
        if (rc == SQLITE_ROW) {
                size_t n = (size_t) sqlite3_column_bytes(s, 0);
                const void *text = sqlite3_column_blob(s, 0);
                char *copy = n > STORE_DOCUMENT_MAX ? NULL : malloc(n + 1);
                if (copy) {
                        if (n > 0)
                                memcpy(copy, text, n);
                        copy[n] = 0;
                        *ret = copy;
                        *ret_size = n;
                } else
                        r = n > STORE_DOCUMENT_MAX ? -EFBIG : -ENOMEM;
        } else
                r = rc == SQLITE_DONE ? -ENOENT : database_error(d, rc, "Cannot read it");
        sqlite3_reset(s);
        return r;
}

/* ---- files ---- */

static int read_all(int fd, char *text, size_t size) {
        for (size_t n = 0; n < size;) {
                ssize_t k = read(fd, text + n, size - n);
                if (k < 0 && errno == EINTR)
                        continue;
                if (k <= 0)
                        return k < 0 ? -errno : -EIO;
                n += (size_t) k;
        }
        return 0;
}

static int read_file(Database *d, const char *file, char **ret, size_t *ret_size) {
        _cleanup_close_ int fd = openat(d->folder_fd, file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EMEDIUMTYPE;
        if (st.st_size > STORE_DOCUMENT_MAX)
                return -EFBIG;
        _cleanup_free_ char *text = malloc((size_t) st.st_size + 1);
        if (!text)
                return -ENOMEM;
        int r = read_all(fd, text, (size_t) st.st_size);
        if (r < 0)
                return r;
        text[st.st_size] = 0;
        *ret = TAKE(text);
        *ret_size = (size_t) st.st_size;
        return 0;
}

static int write_row(Database *d, const char *name, const char *text, size_t n) {
        GatherDocument document = { (char *) name, (char *) text, n, (uint64_t) time(NULL) * NSEC_PER_SEC };

        return database_write(d, &(Gather) { .documents = &document, .n_documents = 1 });
}

/* Once it is in the database the file has had its day; it is kept for who goes back to the version before. */
static int take_over_file(Database *d, const char *name, char **ret, size_t *ret_size) {
        _cleanup_free_ char *text = NULL;
        char file[NAME_MAX + 1], old[NAME_MAX + 1];
        size_t n = 0;

        if (snprintf(file, sizeof(file), "%s.json", name) >= (int) sizeof(file) ||
            snprintf(old, sizeof(old), "%s.json.old", name) >= (int) sizeof(old))
                return -ENAMETOOLONG;
        int r = read_file(d, file, &text, &n);
        if (r == 0)
                r = write_row(d, name, text, n);
        if (r == 0 && (renameat(d->folder_fd, file, d->folder_fd, old) < 0 || fsync(d->folder_fd) < 0))
                r = -errno;
        if (r < 0)
                return r;
        *ret = TAKE(text);
        *ret_size = n;
        return 0;
}

/* ---- as StoreFunctions says ---- */

int database_read_document(Database *d, const char *name, char **ret, size_t *ret_size) {
        int r = read_row(d, name, ret, ret_size);

        return r == -ENOENT ? take_over_file(d, name, ret, ret_size) : r;
}

int database_set_aside_document(Database *d, const char *name, char **ret_where) {
        sqlite3_stmt *s = d->statements[STATEMENT_RENAME_DOCUMENT];
        char aside[STORE_NAME_MAX + 64], time_text[INSTANT_MAX];

        instant_to_string(clock_ns(CLOCK_REALTIME), time_text);
        snprintf(aside, sizeof(aside), "%.*s %s", STORE_NAME_MAX, name, time_text);
        sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
        sqlite3_bind_text(s, 2, aside, -1, SQLITE_STATIC);
        int r = database_run(d, STATEMENT_RENAME_DOCUMENT);
        if (r < 0)
                return r;
        return asprintf(ret_where, "document %s of " LEDGER_FILE, aside) < 0 ? -ENOMEM : 0;
}
