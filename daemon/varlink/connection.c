/* SPDX-License-Identifier: Apache-2.0 */
/* One client: bytes in, whole messages to the handler, bytes out. */
#include <sys/epoll.h>
#include <sys/socket.h>

#include "daemon/varlink/private.h"

/* Whether the next request may be handled: a stream has to end before it, a call to be answered. */
static bool is_free(const Connection *c) {
        return !c->closing && !c->stream && !c->deferred && !c->server->paused;
}

/* A client that leaves too many replies lying is not read from. */
static bool wants_input(const Connection *c) {
        return !c->ended && is_free(c) && unsent(c) <= c->server->send_buffer_max;
}

/* Up to where the outbox may be sent. */
static size_t sendable(const Connection *c) {
        return c->n_marks > 0 ? c->marks[0].at : c->outbox.size;
}

void connection_update_interest(Connection *c) {
        uint32_t interest = (wants_input(c) ? EPOLLIN : 0) | (c->resume || sendable(c) > c->sent ? EPOLLOUT : 0);
        struct epoll_event e = { .events = interest, .data.ptr = c };

        if (interest != c->interest && epoll_ctl(c->server->epoll_fd, EPOLL_CTL_MOD, c->fd, &e) == 0)
                c->interest = interest;
}

int connection_new(VarlinkServer *s, int fd, ApiPeer *peer, Connection **ret) {
        Connection *c = calloc(1, sizeof(Connection));
        struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };

        if (!c)
                return -ENOMEM;
        if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0) {
                free(c);
                return -errno;
        }
        *c = (Connection) { .server = s, .next = s->connections, .peer = peer, .fd = fd, .interest = EPOLLIN };
        if (c->next)
                c->next->previous = c;
        s->connections = c;
        *ret = c;
        return 0;
}

/* ---- held back ---- */

static void add_mark(Connection *c, size_t at, ApiBarrier barrier) {
        VarlinkServer *s = c->server;

        if (c->n_marks == ELEMENTSOF(c->marks)) {
                Mark *last = &c->marks[c->n_marks - 1];
                last->barrier = api_barrier_later(last->barrier, barrier);
                return;
        }
        if (c->n_marks == 0) {
                c->holding_previous = NULL;
                c->holding_next = s->holding;
                if (c->holding_next)
                        c->holding_next->holding_previous = c;
                s->holding = c;
        }
        c->marks[c->n_marks++] = (Mark) { at, barrier };
}

/* The first n. */
static void drop_marks(Connection *c, size_t n) {
        if (n == 0)
                return;
        c->n_marks -= n;
        if (c->n_marks > 0) {
                memmove(c->marks, c->marks + n, c->n_marks * sizeof(Mark));
                return;
        }
        if (c->holding_previous)
                c->holding_previous->holding_next = c->holding_next;
        else
                c->server->holding = c->holding_next;
        if (c->holding_next)
                c->holding_next->holding_previous = c->holding_previous;
}

void connections_release(VarlinkServer *s, ApiBarrier released) {
        Connection *next;

        for (Connection *c = s->holding; c; c = next) {
                size_t n = 0;

                next = c->holding_next;
                while (n < c->n_marks && api_barrier_is_within(c->marks[n].barrier, released))
                        n++;
                if (n == 0)
                        continue;
                drop_marks(c, n);
                connection_dispatch(c, EPOLLOUT);
        }
}

void connection_hold(Connection *c, unsigned waits) {
        VarlinkServer *s = c->server;

        if (waits == 0)
                return;
        if (s->current == c) {
                if (s->waits == 0)
                        s->hold_from = s->out.size;
                s->waits |= waits;
                return;
        }
        ApiBarrier barrier = api_barrier(s->api, waits);
        if (!api_barrier_is_within(barrier, api_released(s->api)))
                add_mark(c, c->outbox.size, barrier);
}

void connection_close(Connection *c) {
        VarlinkServer *s = c->server;

        if (c->stream)
                c->stream->closed(c->stream);
        if (c->deferred)
                message_abandon(c->deferred);
        if (c->previous)
                c->previous->next = c->next;
        else
                s->connections = c->next;
        if (c->next)
                c->next->previous = c->previous;
        drop_marks(c, c->n_marks);
        /* Closing does not end it where the service manager has a descriptor of it too. */
        (void) epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
        close(c->fd);
        api_peer_unref(s->api, c->peer);
        json_writer_done(&c->outbox);
        free(c->input);
        free(c);
}

/* ---- out ---- */

/* Sends what it can of data; returns how much. */
static size_t send_some(Connection *c, const char *data, size_t n) {
        size_t sent = 0;

        while (sent < n && !c->broken) {
                ssize_t k = send(c->fd, data + sent, n - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
                if (k >= 0)
                        sent += (size_t) k;
                else if (errno == EAGAIN)
                        break;
                else if (errno != EINTR)
                        c->broken = true;
        }
        return c->broken ? n : sent;
}

static void flush_outbox(Connection *c) {
        c->sent += send_some(c, c->outbox.data + c->sent, sendable(c) - c->sent);
        if (c->sent == c->outbox.size) {
                json_writer_done(&c->outbox);
                c->sent = 0;
        } else if (c->sent > c->outbox.size / 2) {
                c->outbox.size -= c->sent;
                memmove(c->outbox.data, c->outbox.data + c->sent, c->outbox.size);
                for (size_t i = 0; i < c->n_marks; i++)
                        c->marks[i].at -= c->sent;
                c->sent = 0;
        }
}

static void keep_in_outbox(Connection *c, const char *data, size_t n) {
        json_write(&c->outbox, data, n);
        if (c->outbox.failed)
                c->broken = true;
}

JsonWriter *connection_begin(Connection *c) {
        return c->server->current == c ? &c->server->out : &c->outbox;
}

void connection_end(Connection *c) {
        if (c->server->current == c)
                return;
        if (c->outbox.failed)
                c->broken = true;
        /* What was waiting before waits for the socket; only a message on its own is tried at once. */
        if (c->sent == 0 && !(c->interest & EPOLLOUT))
                flush_outbox(c);
        connection_update_interest(c);
        /* Not closed here: the caller may be walking over connections. The hang-up that this causes will do it. */
        if (c->broken)
                shutdown(c->fd, SHUT_RDWR);
}

void connection_resume(Connection *c) {
        /* Not at once: this is the middle of something else. */
        c->resume = true;
        connection_update_interest(c);
}

static void flush_replies(Connection *c) {
        VarlinkServer *s = c->server;
        JsonWriter *out = &s->out;

        if (out->failed)
                c->broken = true;
        else if (out->size > 0) {
                ApiBarrier barrier = api_barrier(s->api, s->waits);
                bool held = s->waits && !api_barrier_is_within(barrier, api_released(s->api));
                size_t free = held ? s->hold_from : out->size;
                /* Behind what is waiting already, if anything is. */
                size_t sent = c->outbox.size > 0 ? 0 : send_some(c, out->data, free);
                size_t kept = c->outbox.size;
                if (sent < out->size)
                        keep_in_outbox(c, out->data + sent, out->size - sent);
                if (held)
                        add_mark(c, kept + free - sent, barrier);
        }
        s->waits = 0;
        out->size = 0;
        out->failed = false;
        /* One huge reply must not hold its memory for ever. */
        if (out->allocated > 16 * INPUT_SIZE)
                json_writer_done(out);
}

/* ---- in ---- */

/* Handles messages at the front of data until one is not answered at once or too much waits to be sent; returns how many bytes they took. */
static size_t handle_some(Connection *c, char *data, size_t n, uint64_t now_ns) {
        VarlinkServer *s = c->server;
        size_t done = 0;

        s->current = c;
        while (done < n && is_free(c) && unsent(c) + s->out.size <= s->send_buffer_max) {
                char *end = memchr(data + done, 0, n - done);
                if (!end)
                        break;
                size_t size = (size_t) (end - data) - done;
                if (size > s->message_max)
                        break;
                message_handle(c, data + done, size, now_ns);
                arena_reset(&s->arena);
                done += size + 1;
        }
        /* What waits for nothing goes before anything else is done. What waits must know for what: that comes of the effects. */
        if (s->waits == 0)
                flush_replies(c);
        api_dispatch_effects(s->api, now_ns);
        s->current = NULL;
        flush_replies(c);
        return done;
}

/* The same, as long as the client takes the replies. */
static size_t handle_messages(Connection *c, char *data, size_t n, uint64_t now_ns) {
        size_t done = 0, more;

        do {
                more = handle_some(c, data + done, n - done, now_ns);
                done += more;
        } while (more > 0 && unsent(c) <= c->server->send_buffer_max && !c->broken);
        return done;
}

int connection_keep_input(Connection *c, const char *data, size_t n) {
        size_t want = MAX(c->input_allocated, (size_t) 1024);

        while (want < n)
                want *= 2;
        if (want > c->input_allocated) {
                char *more = realloc(c->input, want);
                if (!more)
                        return -ENOMEM;
                c->input = more;
                c->input_allocated = want;
        }
        memcpy(c->input, data, n);
        c->input_size = n;
        return 0;
}

static void drop_input(Connection *c, size_t n) {
        c->input_size -= n;
        if (c->input_size > 0)
                memmove(c->input, c->input + n, c->input_size);
        else {
                free(c->input);
                c->input = NULL;
                c->input_allocated = 0;
        }
}

static void check_length(Connection *c) {
        VarlinkServer *s = c->server;
        char reason[96];

        if (c->closing || !c->input || c->input_size <= s->message_max || memchr(c->input, 0, s->message_max + 1))
                return;
        snprintf(reason, sizeof(reason), "the message is longer than %zu bytes (limits.message_max)", s->message_max);
        message_fail(c, ERROR_INVALID_PARAMETER, &(ApiErrorParameters) { .parameter = "message", .reason = reason });
        c->closing = true;
        drop_input(c, c->input_size);
}

/* 1: more may follow; 0: nothing there; negative: the connection is of no use. */
static int receive(Connection *c, uint64_t now_ns) {
        VarlinkServer *s = c->server;
        size_t room = INPUT_SIZE;
        char *to = s->input;

        if (c->input_size > 0) {
                if (c->input_allocated - c->input_size < INPUT_SIZE / 2) {
                        size_t want = MAX(c->input_allocated * 2, INPUT_SIZE);
                        char *more = realloc(c->input, want);
                        if (!more)
                                return -ENOMEM;
                        c->input = more;
                        c->input_allocated = want;
                }
                to = c->input + c->input_size;
                room = c->input_allocated - c->input_size;
        }
        ssize_t n = recv(c->fd, to, room, MSG_DONTWAIT);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        if (n == 0) {
                c->ended = true;
                return 0;
        }

        if (to == s->input) {
                size_t done = handle_messages(c, to, (size_t) n, now_ns);
                if (done < (size_t) n && connection_keep_input(c, to + done, (size_t) n - done) < 0)
                        return -ENOMEM;
        } else {
                bool whole = memchr(to, 0, (size_t) n);
                c->input_size += (size_t) n;
                if (whole)
                        drop_input(c, handle_messages(c, c->input, c->input_size, now_ns));
        }
        check_length(c);
        return (size_t) n == room;
}

void connection_dispatch(Connection *c, uint32_t events) {
        VarlinkServer *s = c->server;
        uint64_t now_ns = api_now_ns();

        if (events & EPOLLOUT) {
                c->resume = false;
                flush_outbox(c);
                /* What came in while the client did not read, or waited for an answer. */
                if (c->input_size > 0 && !c->broken) {
                        drop_input(c, handle_messages(c, c->input, c->input_size, now_ns));
                        check_length(c);
                }
        }
        if (events & EPOLLIN && wants_input(c) && receive(c, now_ns) < 0)
                c->broken = true;

        bool finished = c->outbox.size == 0 && !c->stream && !c->deferred && ((c->ended && !s->paused) || c->closing);
        if (c->broken || finished || events & (EPOLLHUP | EPOLLERR))
                connection_close(c);
        else
                connection_update_interest(c);
}
