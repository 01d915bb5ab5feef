/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/store/audit-file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "basic/instant.h"
#include "basic/macro.h"
#include "basic/units.h"

/* A torn line is kept up to that many bytes. */
#define TORN_KEPT 4096

int audit_file_init(AuditFile *f, const char *folder) {
        *f = (AuditFile) { .path = strdup(folder), .folder_fd = -1, .fd = -1, .mark.hash = chain_origin };
        return f->path ? 0 : -ENOMEM;
}

static void close_file(AuditFile *f) {
        closep(&f->fd);
        f->fd = -1;
}

void audit_file_done(AuditFile *f) {
        close_file(f);
        closep(&f->folder_fd);
        json_writer_done(&f->buffer);
        free(f->torn_text);
        free(f->path);
        *f = (AuditFile) { .folder_fd = -1, .fd = -1 };
}

/* ---- lines ---- */

int audit_file_append(AuditFile *f, const char *text, size_t n) {
        JsonWriter *w = &f->buffer;
        size_t start = w->size;

        json_write_literal(w, "{\"serial\":");
        json_write_uint(w, f->mark.serial + 1);
        json_write_literal(w, ",");
        json_write(w, text, n);
        char *tail = json_reserve(w, CHAIN_TAIL_SIZE);
        if (!tail) {
                json_writer_done(w);
                f->mark = f->written;
                return -ENOMEM;
        }
        chain_hash(&f->mark.hash, w->data + start, w->size - start, &f->mark.hash);
        chain_write_tail(&f->mark.hash, tail);
        w->size += CHAIN_TAIL_SIZE;
        f->mark.serial++;
        return 0;
}

static int append_own(AuditFile *f, JsonWriter *w) {
        int r = w->failed ? -ENOMEM : audit_file_append(f, w->data, w->size);

        json_writer_done(w);
        return r;
}

static void begin_own(JsonWriter *w, const char *kind, uint64_t utc_ns) {
        char time[INSTANT_MAX];

        instant_to_string(utc_ns, time);
        json_write_literal(w, "\"time\":");
        json_write_string(w, time);
        json_write_literal(w, ",\"kind\":");
        json_write_string(w, kind);
}

static int append_header(AuditFile *f, uint64_t utc_ns) {
        JsonWriter w = {};

        begin_own(&w, "file", utc_ns);
        json_write_literal(&w, ",\"version\":1,\"previous\":");
        json_write_string(&w, f->mark.hash.digits);
        return append_own(f, &w);
}

static int append_recovered(AuditFile *f, uint64_t utc_ns) {
        JsonWriter w = {};

        begin_own(&w, "recovered", utc_ns);
        json_write_literal(&w, ",\"bytes\":");
        json_write_uint(&w, f->n_torn);
        json_write_literal(&w, ",\"text\":");
        json_write_string(&w, f->torn_text ?: "");
        return append_own(f, &w);
}

/* ---- writing ---- */

static int write_all(int fd, const char *data, size_t n) {
        while (n > 0) {
                ssize_t k = write(fd, data, n);
                if (k < 0 && errno != EINTR)
                        return -errno;
                if (k > 0) {
                        data += k;
                        n -= (size_t) k;
                }
        }
        return 0;
}

int audit_file_flush(AuditFile *f, bool sync) {
        int r = write_all(f->fd, f->buffer.data, f->buffer.size);

        if (r == 0 && sync && fdatasync(f->fd) < 0)
                r = -errno;
        if (r == 0) {
                f->size += f->buffer.size;
                f->written = f->mark;
        } else {
                /* What has come through is taken back now if that is possible, else when the file is opened again. */
                (void) !ftruncate(f->fd, (off_t) f->size);
                close_file(f);
                f->mark = f->written;
        }
        f->buffer.size = 0;
        if (f->buffer.allocated > 2 * AUDIT_LINE_MAX)
                json_writer_done(&f->buffer);
        return r;
}

/* ---- the end of the chain ---- */

/* What a file says of itself. */
typedef struct End {
        bool found;
        AuditMark mark;  /* of the last whole line */
        uint64_t size;   /* up to its end */
        char *torn;      /* what follows; NUL-terminated, its own NULs replaced */
        size_t n_torn;
} End;

static uint64_t read_serial(const char *line, size_t n) {
        static const char start[] = "{\"serial\":";
        uint64_t serial = 0;

        if (n < sizeof(start) || memcmp(line, start, sizeof(start) - 1) != 0)
                return 0;
        for (const char *p = line + sizeof(start) - 1; p < line + n && *p >= '0' && *p <= '9'; p++)
                serial = serial * 10 + (uint64_t) (*p - '0');
        return serial;
}

/* The last whole line of n bytes that begin anywhere in a file. */
static bool find_last_line(const char *data, size_t n, const char **ret, size_t *ret_n, AuditMark *ret_mark) {
        const char *end = n > 0 ? memrchr(data, '\n', n) : NULL;

        while (end) {
                const char *before = end > data ? memrchr(data, '\n', (size_t) (end - data)) : NULL;
                const char *line = before ? before + 1 : data;
                size_t text, size = (size_t) (end - line);

                if (chain_split(line, size, &text, &ret_mark->hash) == 0) {
                        ret_mark->serial = read_serial(line, size);
                        if (ret_mark->serial > 0) {
                                *ret = line;
                                *ret_n = size;
                                return true;
                        }
                }
                end = before;
        }
        return false;
}

static char *keep_torn(const char *data, size_t n) {
        size_t kept = MIN(n, (size_t) TORN_KEPT);
        char *copy = malloc(kept + 1);

        if (!copy)
                return NULL;
        for (size_t i = 0; i < kept; i++)
                copy[i] = data[i] ?: ' ';
        copy[kept] = 0;
        return copy;
}

static int read_end(int fd, uint64_t size, End *ret) {
        size_t n = (size_t) MIN(size, 2 * (uint64_t) AUDIT_LINE_MAX);
        _cleanup_free_ char *data = malloc(n + 1);
        size_t have = 0, length;
        const char *line;

        if (!data)
                return -ENOMEM;
        while (have < n) {
                ssize_t k = pread(fd, data + have, n - have, (off_t) (size - n + have));
                if (k < 0 && errno != EINTR)
                        return -errno;
                if (k == 0)
                        return -EIO;
                have += k > 0 ? (size_t) k : 0;
        }
        *ret = (End) { .found = find_last_line(data, n, &line, &length, &ret->mark), .mark = ret->mark };
        /* A file that is one torn line has nothing before it; one with other lines in it is not ours. */
        if (!ret->found && (n == 0 || n < size || memchr(data, '\n', n))) {
                ret->size = size;
                return 0;
        }
        const char *end = ret->found ? line + length + 1 : data;
        ret->n_torn = n - (size_t) (end - data);
        ret->size = size - ret->n_torn;
        if (ret->n_torn > 0) {
                ret->torn = keep_torn(end, ret->n_torn);
                if (!ret->torn)
                        return -ENOMEM;
        }
        return 0;
}

/* ---- files before the current one ---- */

/* Room comes before completeness: what cannot be removed now is tried again with the next file. */
static void remove_old(AuditFile *f) {
        struct dirent **names;
        int n = chain_list_old(f->folder_fd, ".", &names);

        for (int i = 0; i + (int64_t) f->limits.keep < n; i++)
                (void) unlinkat(f->folder_fd, names[i]->d_name, 0);
        if (n >= 0)
                chain_free_list(names, n);
}

/* Takes up the chain where the latest of them ends, if there is one. */
static int follow_old(AuditFile *f) {
        struct dirent **names;
        int n = chain_list_old(f->folder_fd, ".", &names), r = 0;
        struct stat st;
        End end = {};

        if (n < 0)
                return n;
        if (n > 0) {
                _cleanup_close_ int fd = openat(f->folder_fd, names[n - 1]->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
                r = fd < 0 || fstat(fd, &st) < 0 ? -errno : read_end(fd, (uint64_t) st.st_size, &end);
                free(end.torn);
        }
        chain_free_list(names, n);
        if (r == 0 && end.found)
                f->mark = f->written = end.mark;
        return r;
}

/* ---- opening ---- */

static int open_folder(AuditFile *f) {
        if (f->folder_fd >= 0)
                return 0;
        if (mkdir(f->path, 0750) == 0)
                (void) chmod(f->path, 0750); /* whatever the umask */
        else if (errno != EEXIST)
                return -errno;
        int fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        /* Two writers would break the chain. */
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
                int r = -errno;
                close(fd);
                return r;
        }
        f->folder_fd = fd;
        return 0;
}

static void remember(AuditFile *f, int fd, const struct stat *st) {
        f->fd = fd;
        f->device = st->st_dev;
        f->inode = st->st_ino;
}

static int create(AuditFile *f, uint64_t utc_ns) {
        struct stat st;
        int fd = openat(f->folder_fd, AUDIT_FILE, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0640);

        if (fd < 0)
                return -errno;
        (void) fchmod(fd, 0640);
        if (fstat(fd, &st) < 0 || fsync(f->folder_fd) < 0) {
                int r = -errno;
                close(fd);
                (void) unlinkat(f->folder_fd, AUDIT_FILE, 0);
                return r;
        }
        remember(f, fd, &st);
        f->size = 0;
        f->known = true;
        f->first_serial = f->mark.serial + 1;
        f->started_utc_ns = utc_ns;
        int r = append_header(f, utc_ns);
        if (r == 0)
                r = audit_file_flush(f, true);
        /* So that no file is without its first line. */
        if (r < 0) {
                close_file(f);
                (void) unlinkat(f->folder_fd, AUDIT_FILE, 0);
        }
        return r;
}

/* When the file was begun, and by which line. */
static void read_start(AuditFile *f, int fd, uint64_t utc_ns) {
        static const char middle[] = ",\"time\":\"";
        char line[128] = "", *p;
        ssize_t n = pread(fd, line, sizeof(line) - 1, 0);

        f->first_serial = n > 0 ? read_serial(line, (size_t) n) : 0;
        f->started_utc_ns = utc_ns;
        p = strstr(line, middle);
        if (p) {
                p += sizeof(middle) - 1;
                p[strcspn(p, "\"")] = 0;
                (void) instant_from_string(p, &f->started_utc_ns);
        }
}

/* The name under which a file is kept; its place in the order is by its first line. */
static int set_aside(AuditFile *f, uint64_t utc_ns) {
        char name[80];

        snprintf(name, sizeof(name), "audit-%020llu.jsonl", (unsigned long long) f->first_serial);
        if (renameat2(f->folder_fd, AUDIT_FILE, f->folder_fd, name, RENAME_NOREPLACE) == 0)
                return 0;
        if (errno != EEXIST)
                return -errno;
        snprintf(name, sizeof(name), "audit-%020llu-%llu.jsonl", (unsigned long long) f->first_serial,
                 (unsigned long long) utc_ns);
        return renameat2(f->folder_fd, AUDIT_FILE, f->folder_fd, name, RENAME_NOREPLACE) < 0 ? -errno : 0;
}

/* A file that is there: of an earlier run, or our own after a failure. */
static int continue_file(AuditFile *f, int fd, uint64_t utc_ns) {
        struct stat st;
        End end = {};

        if (fstat(fd, &st) < 0)
                return -errno;
        bool ours = f->known && st.st_dev == f->device && st.st_ino == f->inode && (uint64_t) st.st_size >= f->size;
        if (!ours) {
                int r = read_end(fd, (uint64_t) st.st_size, &end);
                if (r < 0)
                        return r;
                read_start(f, fd, utc_ns);
                /* Lines that are not ours stay as they are, and a file is begun in their place. */
                if (!end.found && end.size > 0)
                        return set_aside(f, utc_ns) ?: -ENOENT;
                f->size = end.size;
        }
        if ((uint64_t) st.st_size > f->size && ftruncate(fd, (off_t) f->size) < 0) {
                int r = -errno;
                free(end.torn);
                return r;
        }
        if (end.n_torn > 0) {
                free(f->torn_text);
                f->torn_text = end.torn;
                f->n_torn = end.n_torn;
                f->torn = true;
        }
        /* Begun, but without a whole line. */
        if (f->size == 0)
                return unlinkat(f->folder_fd, AUDIT_FILE, 0) < 0 ? -errno : -ENOENT;
        if (!f->known)
                f->mark = f->written = end.mark;
        f->known = true;
        remember(f, fd, &st);
        return 0;
}

static int open_file(AuditFile *f, uint64_t utc_ns) {
        int fd = openat(f->folder_fd, AUDIT_FILE, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
        int r = fd < 0 ? -errno : continue_file(f, fd, utc_ns);

        if (r < 0 && fd >= 0)
                close(fd);
        if (r != -ENOENT)
                return r;
        if (!f->known)
                r = follow_old(f);
        else
                r = 0;
        return r < 0 ? r : create(f, utc_ns);
}

/* Somebody may have moved it away. */
static bool is_in_place(const AuditFile *f) {
        struct stat st;

        return fstatat(f->folder_fd, AUDIT_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_dev == f->device &&
               st.st_ino == f->inode;
}

int audit_file_open(AuditFile *f, uint64_t utc_ns) {
        int r = open_folder(f);

        if (r < 0)
                return r;
        if (f->fd >= 0 && !is_in_place(f))
                close_file(f);
        if (f->fd < 0)
                r = open_file(f, utc_ns);
        if (r < 0 || !f->torn)
                return r;
        r = append_recovered(f, utc_ns);
        if (r == 0)
                r = audit_file_flush(f, true);
        if (r == 0) {
                f->torn = false;
                free(f->torn_text);
                f->torn_text = NULL;
        }
        return r;
}

/* ---- rotation ---- */

bool audit_file_is_full(const AuditFile *f, size_t n, uint64_t utc_ns) {
        if (f->mark.serial <= f->first_serial)
                return false;
        return f->size + f->buffer.size + n > f->limits.max_size ||
               (f->limits.max_age_ns > 0 && utc_ns > f->started_utc_ns &&
                utc_ns - f->started_utc_ns > f->limits.max_age_ns);
}

int audit_file_rotate(AuditFile *f, uint64_t utc_ns) {
        if (fdatasync(f->fd) < 0)
                return -errno;
        int r = set_aside(f, utc_ns);
        if (r < 0)
                return r;
        close_file(f);
        remove_old(f);
        return create(f, utc_ns);
}
