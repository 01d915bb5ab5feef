/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames, each ended by a NUL byte, over a non-blocking stream socket.
 *
 * Deadlines are instants of CLOCK_MONOTONIC in nanoseconds; FRAMES_AT_ONCE does not wait, NSEC_INFINITY waits for ever. Signals do
 * not interrupt. A deadline that passes is -EAGAIN and loses nothing; after any other error the connection is useless.
 */
#pragma once

#include "basic/json.h"

/* A longer frame is -EMSGSIZE: a peer may not fill our memory. */
#define FRAME_SIZE_MAX (16 * 1024 * 1024)
#define FRAMES_AT_ONCE UINT64_C(0)

typedef struct Frames {
        int fd;
        /* What was received: [start, end) is not yet consumed, [start, scanned) is known to hold no NUL. */
        char *in;
        size_t start, scanned, end, allocated;
        /* What is to be sent, of which so much is gone. */
        JsonWriter out;
        size_t sent;
} Frames;

uint64_t frames_deadline(unsigned ms); /* in so many milliseconds; 0: for ever */

/* Takes the file descriptor over. */
void frames_open(Frames *f, int fd);
void frames_close(Frames *f);

/* The frame is written into f->out (only when frames_pending() is 0), with its NUL; then flushed. */
size_t frames_pending(const Frames *f);
int frames_flush(Frames *f, uint64_t deadline);
/* Forgets a frame of which nothing has been sent. */
void frames_discard(Frames *f);

/* The next frame, without its NUL but followed by it. It may be changed in place and is valid until the next call. */
int frames_next(Frames *f, uint64_t deadline, char **ret, size_t *ret_size);
/* Whether bytes are there that frames_next() has not handed out. */
bool frames_buffered(const Frames *f);
