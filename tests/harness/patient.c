/* SPDX-License-Identifier: Apache-2.0 */
/* Patience, for LD_PRELOAD: a recv() that was to give up after some time does so after a minute. A slow peer is a fast one then. */
#include <dlfcn.h>
#include <sys/socket.h>
#include <sys/time.h>

int setsockopt(int fd, int level, int name, const void *value, socklen_t size) {
        static int (*real)(int, int, int, const void *, socklen_t);
        static const struct timeval minute = { .tv_sec = 60 };

        if (!real)
                real = (int (*)(int, int, int, const void *, socklen_t)) dlsym(RTLD_NEXT, "setsockopt");
        if (level == SOL_SOCKET && name == SO_RCVTIMEO)
                return real(fd, level, name, &minute, sizeof(minute));
        return real(fd, level, name, value, size);
}
