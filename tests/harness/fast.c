/* SPDX-License-Identifier: Apache-2.0 */
/* A clock that runs FAST times as fast, for LD_PRELOAD: what waits for seconds waits for milliseconds. For programs that wait with
 * select() or poll(). */
#include <dlfcn.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/time.h>
#include <time.h>

static long factor(void) {
        static long f;

        if (f == 0)
                f = atol(getenv("FAST") ?: "1");
        return f;
}

int clock_gettime(clockid_t clock, struct timespec *t) {
        static struct timespec start[16];
        static int (*real)(clockid_t, struct timespec *);

        if (!real)
                real = (int (*)(clockid_t, struct timespec *)) dlsym(RTLD_NEXT, "clock_gettime");
        int k = real(clock, t);
        if (k < 0 || (unsigned) clock >= 16)
                return k;
        if (start[clock].tv_sec == 0)
                start[clock] = *t;
        long long past = ((t->tv_sec - start[clock].tv_sec) * 1000000000LL + t->tv_nsec - start[clock].tv_nsec) * factor();
        long long ns = start[clock].tv_nsec + past;
        t->tv_sec = start[clock].tv_sec + ns / 1000000000;
        t->tv_nsec = ns % 1000000000;
        return k;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone) {
        struct timespec now;

        (void) zone;
        if (clock_gettime(CLOCK_REALTIME, &now) < 0)
                return -1;
        *t = (struct timeval) { now.tv_sec, now.tv_nsec / 1000 };
        return 0;
}

int select(int n, fd_set *restrict in, fd_set *restrict out, fd_set *restrict except, struct timeval *restrict timeout) {
        static int (*real)(int, fd_set *, fd_set *, fd_set *, struct timeval *);
        struct timeval t;

        if (!real)
                real = (int (*)(int, fd_set *, fd_set *, fd_set *, struct timeval *)) dlsym(RTLD_NEXT, "select");
        if (!timeout)
                return real(n, in, out, except, NULL);
        long long us = (timeout->tv_sec * 1000000LL + timeout->tv_usec) / factor();
        t = (struct timeval) { us / 1000000, us % 1000000 };
        return real(n, in, out, except, &t);
}
