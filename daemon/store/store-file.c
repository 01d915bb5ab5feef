/* SPDX-License-Identifier: Apache-2.0 */
/* Documents as files: written beside, brought to the disk, and only then put in place. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "basic/macro.h"
#include "daemon/store/store.h"

#define ASIDE_MAX 99 /* documents set aside under one name */

typedef struct StoreFile {
        Store store;
        char *folder;
} StoreFile;

static int make_path(const StoreFile *s, const char *name, const char *suffix, char path[PATH_MAX]) {
        int n = snprintf(path, PATH_MAX, "%s/%s.json%s", s->folder, name, suffix);

        return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

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

static int write_all(int fd, const char *text, size_t size) {
        for (size_t n = 0; n < size;) {
                ssize_t k = write(fd, text + n, size - n);
                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return -errno;
                n += (size_t) k;
        }
        return 0;
}

static int file_read(Store *store, const char *name, char **ret, size_t *ret_size) {
        _cleanup_close_ int fd = -1;
        char path[PATH_MAX];
        struct stat st;

        int r = make_path((StoreFile *) store, name, "", path);
        if (r < 0)
                return r;
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EMEDIUMTYPE;
        if (st.st_size > STORE_DOCUMENT_MAX)
                return -EFBIG;
        _cleanup_free_ char *text = malloc((size_t) st.st_size + 1);
        if (!text)
                return -ENOMEM;
        r = read_all(fd, text, (size_t) st.st_size);
        if (r < 0)
                return r;
        text[st.st_size] = 0;
        *ret = TAKE(text);
        *ret_size = (size_t) st.st_size;
        return 0;
}

/* A rename is on the disk once its folder is. */
static int sync_folder(const StoreFile *s) {
        _cleanup_close_ int fd = open(s->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int write_beside(const char *path, const char *text, size_t size) {
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);

        if (fd < 0)
                return -errno;
        int r = write_all(fd, text, size);
        return r < 0 ? r : fsync(fd) < 0 ? -errno : 0;
}

static int file_write(Store *store, const char *name, const char *text, size_t size) {
        StoreFile *s = (StoreFile *) store;
        char path[PATH_MAX], beside[PATH_MAX];

        if (size > STORE_DOCUMENT_MAX)
                return -EFBIG;
        if (make_path(s, name, "", path) < 0 || make_path(s, name, ".new", beside) < 0)
                return -ENAMETOOLONG;
        int r = write_beside(beside, text, size);
        if (r == 0 && rename(beside, path) < 0)
                r = -errno;
        if (r < 0) {
                unlink(beside);
                return r;
        }
        return sync_folder(s);
}

static int file_set_aside(Store *store, const char *name, char **ret_where) {
        StoreFile *s = (StoreFile *) store;
        char path[PATH_MAX], aside[PATH_MAX], suffix[16];

        if (make_path(s, name, "", path) < 0)
                return -ENAMETOOLONG;
        for (int i = 1; i <= ASIDE_MAX; i++) {
                snprintf(suffix, sizeof(suffix), ".bad%d", i);
                if (make_path(s, name, suffix, aside) < 0)
                        return -ENAMETOOLONG;
                /* Never over one that was set aside earlier. */
                if (renameat2(AT_FDCWD, path, AT_FDCWD, aside, RENAME_NOREPLACE) == 0) {
                        *ret_where = strdup(aside);
                        return *ret_where ? sync_folder(s) : -ENOMEM;
                }
                if (errno != EEXIST)
                        return -errno;
        }
        return -EEXIST;
}

static void file_free(Store *store) {
        free(((StoreFile *) store)->folder);
        free(store);
}

int store_file_new(Store **ret, const char *folder) {
        static const StoreFunctions functions = { file_read, file_write, file_set_aside, file_free };
        StoreFile *s = calloc(1, sizeof(StoreFile));

        if (!s)
                return -ENOMEM;
        s->store.functions = &functions;
        s->folder = strdup(folder);
        if (!s->folder) {
                free(s);
                return -ENOMEM;
        }
        *ret = &s->store;
        return 0;
}
