/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/frames.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>

#include "basic/clock.h"
#include "basic/macro.h"
#include "basic/units.h"

#define CHUNK 8192
/* An empty buffer larger than this is given back. */
#define KEEP_MAX (1024 * 1024)

uint64_t frames_deadline(unsigned ms) {
        return ms == 0 ? NSEC_INFINITY : clock_ns(CLOCK_MONOTONIC) + ms * NSEC_PER_MSEC;
}

void frames_open(Frames *f, int fd) {
        *f = (Frames) { .fd = fd };
}

void frames_close(Frames *f) {
        if (f->fd >= 0)
                close(f->fd);
        free(f->in);
        json_writer_done(&f->out);
        *f = (Frames) { .fd = -1 };
}

static int wait_for(int fd, short events, uint64_t deadline) {
        struct pollfd p = { .fd = fd, .events = events };

        for (;;) {
                int timeout = -1;
                if (deadline == FRAMES_AT_ONCE)
                        timeout = 0;
                else if (deadline != NSEC_INFINITY) {
                        uint64_t now = clock_ns(CLOCK_MONOTONIC);
                        /* Rounded up, so that the last millisecond is slept through and not spun through. */
                        uint64_t ms = deadline > now ? (deadline - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC : 0;
                        timeout = (int) MIN(ms, (uint64_t) INT_MAX);
                }
                int k = poll(&p, 1, timeout);
                if (k > 0)
                        return 0;
                if (k == 0)
                        return -EAGAIN;
                if (errno != EINTR)
                        return -errno;
        }
}

size_t frames_pending(const Frames *f) {
        return f->out.size - f->sent;
}

void frames_discard(Frames *f) {
        f->out.size = f->sent = 0;
}

int frames_flush(Frames *f, uint64_t deadline) {
        while (frames_pending(f) > 0) {
                /* MSG_NOSIGNAL: a daemon that went away is an error code, not the end of the caller's process. */
                ssize_t n = send(f->fd, f->out.data + f->sent, frames_pending(f), MSG_NOSIGNAL);
                if (n >= 0) {
                        f->sent += (size_t) n;
                        continue;
                }
                if (errno == EINTR)
                        continue;
                if (errno != EAGAIN)
                        return -errno;
                int k = wait_for(f->fd, POLLOUT, deadline);
                if (k < 0)
                        return k;
        }
        frames_discard(f);
        return 0;
}

bool frames_buffered(const Frames *f) {
        return f->end > f->start;
}

/* Makes room for more input. */
static int make_room(Frames *f) {
        if (f->start == f->end) {
                f->start = f->scanned = f->end = 0;
                if (f->allocated > KEEP_MAX) {
                        free(TAKE(f->in));
                        f->allocated = 0;
                }
        }
        if (f->allocated - f->end >= CHUNK / 2)
                return 0;
        if (f->start > 0) {
                memmove(f->in, f->in + f->start, f->end - f->start);
                f->end -= f->start;
                f->scanned -= f->start;
                f->start = 0;
                if (f->allocated - f->end >= CHUNK / 2)
                        return 0;
        }

        size_t want = MIN(MAX(f->allocated * 2, (size_t) CHUNK), (size_t) FRAME_SIZE_MAX + CHUNK);
        char *in = realloc(f->in, want);
        if (!in)
                return -ENOMEM;
        f->in = in;
        f->allocated = want;
        return 0;
}

static int receive(Frames *f, uint64_t deadline) {
        int k = make_room(f);
        if (k < 0)
                return k;

        /* A reply is hardly ever there at once: waiting first saves a system call. */
        if (deadline != FRAMES_AT_ONCE) {
                k = wait_for(f->fd, POLLIN, deadline);
                if (k < 0)
                        return k;
        }
        ssize_t n;
        do
                n = recv(f->fd, f->in + f->end, f->allocated - f->end, 0);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        if (n == 0)
                return -ECONNRESET;
        f->end += (size_t) n;
        return 0;
}

int frames_next(Frames *f, uint64_t deadline, char **ret, size_t *ret_size) {
        for (;;) {
                char *nul = frames_buffered(f) ? memchr(f->in + f->scanned, 0, f->end - f->scanned) : NULL;
                if (nul) {
                        size_t n = (size_t) (nul - (f->in + f->start));
                        *ret = f->in + f->start;
                        *ret_size = n;
                        f->start = f->scanned = f->start + n + 1;
                        return 0;
                }
                f->scanned = f->end;
                if (f->end - f->start > FRAME_SIZE_MAX)
                        return -EMSGSIZE;

                int k = receive(f, deadline);
                if (k < 0 && !(k == -EAGAIN && deadline != FRAMES_AT_ONCE && deadline > clock_ns(CLOCK_MONOTONIC)))
                        return k;
        }
}
