/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections that outlive the process. The service manager keeps their descriptors until the next one starts, and beside them
 * one of a sealed file in memory with what had been received of each and not handled, and written and not sent. A stream goes on
 * by the request that continues it, which the next process handles as if the client had sent it.
 *
 *     header                                   event serial, number of records
 *     record, the input, the output            of each connection, found by its socket's cookie
 *
 * What is found at the start is checked like any other input: it may come from another version, or from nobody knows whom.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "basic/log.h"
#include "daemon/varlink/private.h"

#define MAGIC UINT64_C(0x6b6e696c6d70) /* "pmlink"; another layout gets another one */
#define STATE_MAX (64u << 20)
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
/* The kernel takes 253 in one message. */
#define DESCRIPTORS_AT_ONCE 200
#define BARRIER_US UINT64_C(5000000)

typedef struct Header {
        uint64_t magic, event_serial, n;
} Header;

typedef struct Record {
        uint64_t cookie, ended, n_input, n_output;
} Record;

static int socket_cookie(int fd, uint64_t *ret) {
        socklen_t size = sizeof(*ret);

        return getsockopt(fd, SOL_SOCKET, SO_COOKIE, ret, &size) < 0 ? -errno : 0;
}

/* ---- out ---- */

/* The connection's part of the state; false: it cannot be handed over, and the client has to connect anew. */
static bool write_connection(Connection *c, JsonWriter *w) {
        Record record = { .ended = c->ended, .n_output = unsent(c) };
        size_t at = w->size;

        if (c->broken || c->closing || c->deferred || c->n_marks > 0 || (c->ended && unsent(c) == 0 && c->input_size == 0) ||
            socket_cookie(c->fd, &record.cookie) < 0)
                return false;
        json_write(w, (char *) &record, sizeof(record));
        size_t input = w->size;
        if (c->stream)
                message_write_continuation(c->stream, w);
        if (c->input_size > 0)
                json_write(w, c->input, c->input_size);
        record.n_input = w->size - input;
        if (record.n_output > 0)
                json_write(w, c->outbox.data + c->sent, record.n_output);
        if (w->failed)
                return false;
        if (w->size > STATE_MAX) {
                w->size = at;
                return false;
        }
        memcpy(w->data + at, &record, sizeof(record));
        return true;
}

static int make_state(const JsonWriter *w, int *ret) {
        _cleanup_close_ int fd = memfd_create("connections", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        if (fd < 0)
                return -errno;
        for (size_t n = 0; n < w->size;) {
                ssize_t k = write(fd, w->data + n, w->size - n);
                if (k < 0 && errno != EINTR)
                        return -errno;
                n += k > 0 ? (size_t) k : 0;
        }
        if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
                return -errno;
        *ret = fd;
        fd = -1;
        return 0;
}

static int store(const int *fds, size_t n, const char *name) {
        char text[64];

        snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s", name);
        for (size_t i = 0; i < n; i += DESCRIPTORS_AT_ONCE) {
                int r = sd_pid_notify_with_fds(0, false, text, fds + i, (unsigned) MIN(n - i, (size_t) DESCRIPTORS_AT_ONCE));
                if (r <= 0)
                        return r < 0 ? r : -ENOTCONN;
        }
        return 0;
}

static int hand_over(VarlinkServer *s, size_t max) {
        _cleanup_(json_writer_done) JsonWriter w = {};
        _cleanup_free_ int *fds = max > 1 && s->connections ? calloc(max, sizeof(int)) : NULL;
        _cleanup_close_ int state = -1;
        Header header = { .magic = MAGIC, .event_serial = api_event_serial(s->api) };

        if (!fds)
                return 0;
        json_write(&w, (char *) &header, sizeof(header));
        for (Connection *c = s->connections; c && header.n < max - 1 && !w.failed; c = c->next)
                if (write_connection(c, &w))
                        fds[header.n++] = c->fd;
        if (w.failed)
                return -ENOMEM;
        if (header.n == 0)
                return 0;
        memcpy(w.data, &header, sizeof(header));
        int r = make_state(&w, &state);
        /* The state first: connections without it would be of no use. */
        if (r == 0)
                r = store(&state, 1, HANDOVER_STATE);
        if (r == 0)
                r = store(fds, header.n, HANDOVER_CONNECTION);
        /* What the service manager reads after we are gone, it may not know as ours. */
        if (r == 0)
                r = sd_notify_barrier(false, BARRIER_US);
        return r < 0 ? r : (int) header.n;
}

int varlink_server_hand_over(VarlinkServer *s, size_t max) {
        int r = hand_over(s, max);

        /* Whatever happens from now on is not for them. */
        while (s->connections)
                connection_close(s->connections);
        return r;
}

/* ---- in ---- */

typedef struct State {
        const char *data;
        size_t size, at;
        Header header;
} State;

/* -EINVAL: it is not what we leave behind. */
static int open_state(int fd, State *ret) {
        State state = {};
        struct stat st;

        int seals = fcntl(fd, F_GET_SEALS);
        if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) < 0 || st.st_size < (off_t) sizeof(Header) ||
            st.st_size > STATE_MAX + (off_t) sizeof(Record))
                return -EINVAL;
        state.size = (size_t) st.st_size;
        state.data = mmap(NULL, state.size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (state.data == MAP_FAILED)
                return -errno;
        memcpy(&state.header, state.data, sizeof(Header));
        state.at = sizeof(Header);
        *ret = state;
        return state.header.magic == MAGIC ? 0 : -EINVAL;
}

static void close_state(State *state) {
        if (state->data)
                munmap((void *) state->data, state->size);
}

/* The next record and what belongs to it. -ENODATA: there is none, or what is there makes no sense. */
static int next_record(State *state, Record *ret, const char **ret_input, const char **ret_output) {
        Record record;

        if (state->size - state->at < sizeof(Record))
                return -ENODATA;
        memcpy(&record, state->data + state->at, sizeof(Record));
        size_t left = state->size - state->at - sizeof(Record);
        if (record.n_input > left || record.n_output > left - record.n_input)
                return -ENODATA;
        *ret_input = state->data + state->at + sizeof(Record);
        *ret_output = *ret_input + record.n_input;
        state->at += sizeof(Record) + record.n_input + record.n_output;
        *ret = record;
        return 0;
}

typedef struct Adopted {
        uint64_t cookie;
        int fd;
} Adopted;

static int compare_cookies(const void *a, const void *b) {
        const Adopted *x = a, *y = b;

        return (x->cookie > y->cookie) - (x->cookie < y->cookie);
}

static void take_over_connection(VarlinkServer *s, int fd, const Record *record, const char *input, const char *output, uint64_t now_ns) {
        Connection *c;

        (void) fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        int r = server_welcome(s, fd, now_ns, &c);
        if (r <= 0) {
                if (r < 0)
                        close(fd);
                return;
        }
        json_write(&c->outbox, output, record->n_output);
        if (c->outbox.failed || (record->n_input > 0 && connection_keep_input(c, input, record->n_input) < 0))
                c->broken = true;
        c->ended = record->ended;
        connection_resume(c);
}

static size_t take_over(VarlinkServer *s, Adopted *adopted, size_t n, State *state, uint64_t now_ns) {
        const char *input, *output;
        size_t taken = 0;
        Record record;

        qsort(adopted, n, sizeof(Adopted), compare_cookies);
        while (next_record(state, &record, &input, &output) == 0) {
                Adopted *a = bsearch(&(Adopted) { .cookie = record.cookie }, adopted, n, sizeof(Adopted), compare_cookies);
                if (!a || a->fd < 0) /* its client has left meanwhile */
                        continue;
                take_over_connection(s, a->fd, &record, input, output, now_ns);
                a->fd = -1;
                taken++;
        }
        return taken;
}

static bool is_connection(int fd) {
        return sd_is_socket_unix(fd, SOCK_STREAM, 0, NULL, 0) > 0;
}

int varlink_server_take_over(VarlinkServer *s, const int *fds, size_t n, int state_fd, uint64_t now_ns) {
        _cleanup_free_ Adopted *adopted = calloc(n + 1, sizeof(Adopted));
        size_t known = 0, taken = 0;
        State state = {};

        int r = adopted ? open_state(state_fd, &state) : -ENOMEM;
        for (size_t i = 0; i < n; i++)
                if (r == 0 && is_connection(fds[i]) && socket_cookie(fds[i], &adopted[known].cookie) == 0)
                        adopted[known++].fd = fds[i];
                else
                        close(fds[i]);
        if (r == 0) {
                api_carry_on_events(s->api, state.header.event_serial);
                taken = take_over(s, adopted, known, &state, now_ns);
        }
        for (size_t i = 0; i < known; i++)
                closep(&adopted[i].fd);
        close_state(&state);
        closep(&state_fd);
        return r < 0 ? r : (int) taken;
}
