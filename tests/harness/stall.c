/* SPDX-License-Identifier: Apache-2.0 */
/* A disk that hangs, for LD_PRELOAD: while the file $STALL exists, fsync() and fdatasync() of files below $STALL_BELOW do not return. */
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void stall(int fd) {
        const char *below = getenv("STALL_BELOW"), *switch_file = getenv("STALL");
        char link[64], path[PATH_MAX];

        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        ssize_t n = readlink(link, path, sizeof(path) - 1);
        if (n < 0 || !below || !switch_file)
                return;
        path[n] = 0;
        while (strncmp(path, below, strlen(below)) == 0 && access(switch_file, F_OK) == 0)
                usleep(1000);
}

int fsync(int fd) {
        stall(fd);
        return ((int (*)(int)) dlsym(RTLD_NEXT, "fsync"))(fd);
}

int fdatasync(int fd) {
        stall(fd);
        return ((int (*)(int)) dlsym(RTLD_NEXT, "fdatasync"))(fd);
}
