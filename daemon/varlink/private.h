/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of daemon/varlink share. */
#pragma once

#include <errno.h>

#include "basic/json.h"
#include "basic/macro.h"
#include "daemon/varlink/server.h"

/* How much is read at once; longer messages move to memory of their connection. */
#define INPUT_SIZE ((size_t) 64 * 1024)

#define SERVICE_INTERFACE "org.varlink.service"

typedef struct Connection Connection;
typedef struct VarlinkCall VarlinkCall;

/* From there on the outbox waits for a disk. */
typedef struct Mark {
        size_t at;
        ApiBarrier barrier;
} Mark;

struct Connection {
        VarlinkServer *server;
        Connection *previous, *next;
        ApiPeer *peer;
        ApiStream *stream; /* a `more` call being answered */
        VarlinkCall *deferred; /* one that is answered later */
        int fd;
        uint32_t interest; /* what epoll is told to wait for */
        bool ended;        /* the peer sends no more */
        bool closing;      /* we close as soon as all is sent */
        bool broken;       /* nothing can be sent any more */
        bool resume;       /* what was received meanwhile is to be handled */

        /* What was received and not yet handled; empty for most connections at most times. */
        char *input;
        size_t input_size, input_allocated;

        /* What the socket did not take yet. */
        JsonWriter outbox;
        size_t sent;
        /* Replies that must not go yet. Two generations are open at a time, the one being written and the one gathering: a third
         * mark would be later than both, and what is behind the second one waits for it instead. */
        Mark marks[2];
        size_t n_marks;
        Connection *holding_previous, *holding_next; /* of those with marks */
};

struct VarlinkServer {
        Api *api;
        int epoll_fd; /* all sockets, and the event loop */
        int *listeners;
        size_t n_listeners;
        int reserve_fd; /* given up to accept and refuse when no descriptor is left */
        char *unlink_path;
        Connection *connections;
        Connection *holding;
        ApiHolder holder;
        size_t message_max, send_buffer_max;
        bool paused;

        Arena arena;
        JsonWriter out;      /* replies to the connection being served, sent together */
        Connection *current; /* which that is */
        unsigned waits;      /* for what replies in out have to wait, from hold_from on; 0: for nothing */
        size_t hold_from;
        char input[INPUT_SIZE];
};

/* connection.c */
int connection_new(VarlinkServer *s, int fd, ApiPeer *peer, Connection **ret);
void connection_close(Connection *c);
void connection_dispatch(Connection *c, uint32_t events);
/* What the client has not taken yet. */
static inline size_t unsent(const Connection *c) {
        return c->outbox.size - c->sent;
}
/* Keeps what cannot be handled now. */
int connection_keep_input(Connection *c, const char *data, size_t n);
/* What it is told to wait for has changed from outside. */
void connection_update_interest(Connection *c);
/* Where the next message to c is written, and what is to be done when it is complete. */
JsonWriter *connection_begin(Connection *c);
void connection_end(Connection *c);
/* What is written from now on waits for a disk (api_waits()). */
void connection_hold(Connection *c, unsigned waits);
/* There is something to do: what was received may be handled, or sent. */
void connection_resume(Connection *c);
/* Sends what has waited for no more than that. */
void connections_release(VarlinkServer *s, ApiBarrier released);

/* message.c */
/* Handles one request, changing its text. Text that is not JSON gets an error and no more. */
void message_handle(Connection *c, char *text, size_t n, uint64_t now_ns);
void message_fail(Connection *c, ApiError error, const ApiErrorParameters *p);
/* The connection is gone before the answer. */
void message_abandon(VarlinkCall *v);
/* The request by which a stream goes on in another process. */
void message_write_continuation(const ApiStream *stream, JsonWriter *w);

/* server.c */
/* Makes a connection of it, if its user may have one. 0: it was refused and closed. */
int server_welcome(VarlinkServer *s, int fd, uint64_t now_ns, Connection **ret);

/* service.c */
extern const ApiMethod varlink_service_methods[];
