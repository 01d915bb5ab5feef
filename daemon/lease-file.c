/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/lease-file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <systemd/sd-id128.h>

#include "basic/macro.h"

/* In front of the memory: whose times are in it. */
#define HEAD_SIZE 64

struct LeaseFile {
        int fd;
        char *data;
        size_t size;
};

/* Nobody else may have prepared it, or be able to look into it: decision ids in it are worth something. */
static int open_own(const char *folder) {
        _cleanup_close_ int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        _cleanup_close_ int fd = -1;
        struct stat st;

        if (dir < 0)
                return -errno;
        fd = openat(dir, "leases", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_nlink != 1 || (st.st_mode & 077))
                return -EPERM;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return -errno;
        int own = fd;
        fd = -1;
        return own;
}

/* What is in memory does not outlive a boot; a service that is shut in may not even see which one it is. */
static int get_boot(int fd, sd_id128_t *ret) {
        struct statfs fs;

        if (fstatfs(fd, &fs) == 0 && fs.f_type == TMPFS_MAGIC) {
                *ret = SD_ID128_MAKE(70,6f,69,6e,74,73,6d,61,6e,2d,6c,65,61,73,65,73);
                return 0;
        }
        return sd_id128_get_boot(ret);
}

static int map(LeaseFile *f) {
        sd_id128_t boot;

        int r = get_boot(f->fd, &boot);
        if (r < 0)
                return r;
        /* Never shorter than it is mapped. */
        if (ftruncate(f->fd, (off_t) f->size) < 0)
                return -errno;
        r = posix_fallocate(f->fd, 0, HEAD_SIZE);
        if (r > 0)
                return -r;
        f->data = mmap(NULL, f->size, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
        if (f->data == MAP_FAILED) {
                f->data = NULL;
                return -errno;
        }
        if (memcmp(f->data, &boot, sizeof(boot)) == 0)
                return 0;
        if (ftruncate(f->fd, 0) < 0 || ftruncate(f->fd, (off_t) f->size) < 0)
                return -errno;
        r = posix_fallocate(f->fd, 0, HEAD_SIZE);
        if (r > 0)
                return -r;
        memcpy(f->data, &boot, sizeof(boot));
        return 0;
}

int lease_file_open(LeaseFile **ret, const char *folder, size_t size) {
        LeaseFile *f = calloc(1, sizeof(LeaseFile));
        struct stat st;

        if (!f)
                return -ENOMEM;
        f->fd = open_own(folder);
        int r = f->fd < 0 ? f->fd : fstat(f->fd, &st) < 0 ? -errno : 0;
        if (r == 0) {
                f->size = MAX(HEAD_SIZE + size, (size_t) st.st_size);
                r = map(f);
        }
        if (r < 0) {
                lease_file_close(f);
                return r;
        }
        *ret = f;
        return 0;
}

LeaseFile *lease_file_close(LeaseFile *f) {
        if (!f)
                return NULL;
        if (f->data)
                munmap(f->data, f->size);
        if (f->fd >= 0)
                close(f->fd);
        free(f);
        return NULL;
}

void *lease_file_memory(LeaseFile *f) {
        return f->data + HEAD_SIZE;
}

size_t lease_file_size(const LeaseFile *f) {
        return f->size - HEAD_SIZE;
}

void lease_file_trim(LeaseFile *f, size_t size) {
        if (HEAD_SIZE + size < f->size)
                (void) !ftruncate(f->fd, (off_t) (HEAD_SIZE + size));
}

int lease_file_prepare(void *userdata, size_t offset, size_t size) {
        LeaseFile *f = userdata;

        return -posix_fallocate(f->fd, (off_t) (HEAD_SIZE + offset), (off_t) size);
}
