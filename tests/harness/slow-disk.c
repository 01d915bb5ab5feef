/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk that hangs or fails, for files whose path contains $SLOW_DISK_FILES (by default the ledger's). Linked into a test, or
 * loaded into a program with LD_PRELOAD. What the file named by $SLOW_DISK says happens to whoever writes by pwrite() or syncs,
 * until it says something else or is gone: "hang" (for as long as it says so), or the number of an error.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))

static int is_meant(int fd) {
        const char *files = getenv("SLOW_DISK_FILES");
        char link[64] = "/proc/self/fd/", path[4096];
        size_t i = sizeof("/proc/self/fd/") - 1, n = 0;
        char digits[16];

        do
                digits[n++] = (char) ('0' + fd % 10);
        while ((fd /= 10) > 0);
        while (n > 0)
                link[i++] = digits[--n];
        ssize_t length = readlink(link, path, sizeof(path) - 1);
        if (length < 0)
                return 0;
        path[length] = 0;
        return strstr(path, files ? files : "/ledger.db") != NULL;
}

/* 0: go on; else the error. */
static int wait_for_disk(int fd) {
        const char *control = getenv("SLOW_DISK");
        char text[16];

        while (control && is_meant(fd)) {
                int file = open(control, O_RDONLY | O_CLOEXEC);
                if (file < 0)
                        return 0;
                ssize_t n = read(file, text, sizeof(text) - 1);
                close(file);
                text[n > 0 ? n : 0] = 0;
                if (strncmp(text, "hang", 4) != 0)
                        return atoi(text);
                /* Seldom, so as not to be what is measured. */
                nanosleep(&(struct timespec) { .tv_nsec = 20000000 }, NULL);
        }
        return 0;
}

#define ON_THE_DISK(fd, call) \
        int error = wait_for_disk(fd); \
        if (error > 0) { \
                errno = error; \
                return -1; \
        } \
        return call

EXPORTED int fsync(int fd) {
        ON_THE_DISK(fd, (int) syscall(SYS_fsync, fd));
}

EXPORTED int fdatasync(int fd) {
        ON_THE_DISK(fd, (int) syscall(SYS_fdatasync, fd));
}

EXPORTED ssize_t pwrite64(int fd, const void *data, size_t n, off64_t offset) {
        ON_THE_DISK(fd, syscall(SYS_pwrite64, fd, data, n, offset));
}

EXPORTED ssize_t pwrite(int fd, const void *data, size_t n, off_t offset) {
        ON_THE_DISK(fd, syscall(SYS_pwrite64, fd, data, n, offset));
}
