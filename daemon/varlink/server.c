/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/varlink/server.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "basic/log.h"
#include "daemon/varlink/private.h"

#define EVENTS_AT_ONCE 64
#define ACCEPTS_AT_ONCE 64
#define GROUPS_MAX 256

/* A refused client learns why before it is disconnected; if its buffer does not take that, it does not matter. */
static void refuse(int fd, const char *reason) {
        _cleanup_(json_writer_done) JsonWriter w = {};

        json_write_literal(&w, "{\"error\":\"" API_INTERFACE ".Busy\",\"parameters\":{\"reason\":");
        json_write_string(&w, reason);
        json_write_literal(&w, "}}\0");
        if (!w.failed)
                (void) !send(fd, w.data, w.size, MSG_NOSIGNAL | MSG_DONTWAIT);
        close(fd);
}

int server_welcome(VarlinkServer *s, int fd, uint64_t now_ns, Connection **ret) {
        gid_t groups[GROUPS_MAX];
        socklen_t n = sizeof(groups);
        struct ucred ucred;
        socklen_t size = sizeof(ucred);
        const char *reason;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &ucred, &size) < 0)
                return -errno;
        /* A user in more groups than that has only its own group here: it may be too little, never too much. */
        if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &n) < 0)
                n = 0;
        size_t n_groups = n / sizeof(gid_t);
        if (n_groups < GROUPS_MAX)
                groups[n_groups++] = ucred.gid;

        ApiPeer *peer = api_peer_new(s->api, ucred.uid, ucred.pid, groups, n_groups, now_ns, &reason);
        if (!peer) {
                log_debug("Refused a connection of user %u, process %d: %s", (unsigned) ucred.uid, (int) ucred.pid, reason);
                refuse(fd, reason);
                return 0;
        }
        int r = connection_new(s, fd, peer, ret);
        if (r < 0)
                api_peer_unref(s->api, peer);
        return r < 0 ? r : 1;
}

/* Without this, a client that cannot be accepted would keep the listener ready for ever. */
static void refuse_for_want_of_descriptors(VarlinkServer *s, int listener) {
        closep(&s->reserve_fd);
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
                refuse(fd, "the daemon has no file descriptor left");
        s->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void accept_all(VarlinkServer *s, int listener, uint64_t now_ns) {
        for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
                int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
                if (fd < 0) {
                        if (errno == EMFILE || errno == ENFILE)
                                refuse_for_want_of_descriptors(s, listener);
                        else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
                                log_warning_errno(-errno, "Cannot accept a connection");
                        return;
                }
                Connection *c;
                int r = server_welcome(s, fd, now_ns, &c);
                if (r < 0) {
                        log_debug("Dropped a new connection: %s", strerror(-r));
                        close(fd);
                }
        }
}

static bool is_listener(const VarlinkServer *s, const void *p) {
        return (const int *) p >= s->listeners && (const int *) p < s->listeners + s->n_listeners;
}

int varlink_server_serve(VarlinkServer *s, bool wait, bool (*wants_turn)(void *userdata), void *userdata) {
        struct epoll_event events[EVENTS_AT_ONCE];
        bool turn = false;

        while (!turn) {
                bool newcomers = false;
                int n = epoll_wait(s->epoll_fd, events, EVENTS_AT_ONCE, wait ? -1 : 0);
                if (n < 0 && errno != EINTR)
                        return -errno;
                for (int i = 0; i < n; i++)
                        if (events[i].data.ptr == s)
                                turn = true;
                        else if (is_listener(s, events[i].data.ptr))
                                newcomers = true;
                        else
                                connection_dispatch(events[i].data.ptr, events[i].events);
                /* Newcomers last: they may take the places of those who have just left. */
                for (int i = 0; i < n && newcomers; i++)
                        if (is_listener(s, events[i].data.ptr))
                                accept_all(s, *(int *) events[i].data.ptr, api_now_ns());
                turn = turn || !wait || wants_turn(userdata);
        }
        return 0;
}

static void release(ApiHolder *holder, ApiBarrier released) {
        connections_release(container_of(holder, VarlinkServer, holder), released);
}

int varlink_server_new(VarlinkServer **ret, Api *api, int event_fd) {
        VarlinkServer *s = calloc(1, sizeof(VarlinkServer));

        if (!s)
                return -ENOMEM;
        s->api = api;
        s->holder.release = release;
        api_add_holder(api, &s->holder);
        s->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        struct epoll_event e = { .events = EPOLLIN, .data.ptr = s };
        if (s->epoll_fd < 0 || epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, event_fd, &e) < 0) {
                int r = -errno;
                varlink_server_free(s);
                return r;
        }
        *ret = s;
        return 0;
}

VarlinkServer *varlink_server_free(VarlinkServer *s) {
        if (!s)
                return NULL;
        api_remove_holder(s->api, &s->holder);
        while (s->connections)
                connection_close(s->connections);
        for (size_t i = 0; i < s->n_listeners; i++)
                close(s->listeners[i]);
        if (s->unlink_path)
                unlink(s->unlink_path);
        free(s->unlink_path);
        free(s->listeners);
        closep(&s->epoll_fd);
        closep(&s->reserve_fd);
        arena_done(&s->arena);
        json_writer_done(&s->out);
        free(s);
        return NULL;
}

void varlink_server_set_limits(VarlinkServer *s, size_t message_max, size_t send_buffer_max) {
        s->message_max = message_max;
        s->send_buffer_max = send_buffer_max;
}

void varlink_server_pause(VarlinkServer *s) {
        s->paused = true;
        for (size_t i = 0; i < s->n_listeners; i++)
                (void) epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, s->listeners[i], NULL);
        for (Connection *c = s->connections; c; c = c->next)
                connection_update_interest(c);
}

bool varlink_server_is_settled(const VarlinkServer *s) {
        if (s->holding)
                return false;
        for (const Connection *c = s->connections; c; c = c->next)
                if (c->deferred)
                        return false;
        return true;
}

int varlink_server_listen_fd(VarlinkServer *s, int fd) {
        int *more = reallocarray(NULL, s->n_listeners + 1, sizeof(int));

        if (!more)
                return -ENOMEM;
        /* epoll holds pointers into the array, so each is registered anew. */
        if (s->n_listeners)
                memcpy(more, s->listeners, s->n_listeners * sizeof(int));
        more[s->n_listeners] = fd;
        (void) fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        for (size_t i = 0; i <= s->n_listeners; i++) {
                struct epoll_event e = { .events = EPOLLIN, .data.ptr = &more[i] };
                if (epoll_ctl(s->epoll_fd, i < s->n_listeners ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, more[i], &e) < 0) {
                        int r = -errno;
                        free(more);
                        return r;
                }
        }
        free(s->listeners);
        s->listeners = more;
        s->n_listeners++;
        return 0;
}

int varlink_server_listen_address(VarlinkServer *s, const char *path, mode_t mode) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = -1;

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        strcpy(address.sun_path, path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;

        if (bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0) {
                struct stat st;
                if (errno != EADDRINUSE)
                        return -errno;
                _cleanup_close_ int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
                if (probe < 0)
                        return -errno;
                if (connect(probe, (struct sockaddr *) &address, sizeof(address)) == 0 || errno != ECONNREFUSED)
                        return -EADDRINUSE;
                /* Left behind by a daemon that was killed. Never remove what is not a socket. */
                if (lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode) || unlink(path) < 0 ||
                    bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                        return -EADDRINUSE;
        }
        if (chmod(path, mode) < 0 || listen(fd, SOMAXCONN) < 0)
                return -errno;

        free(s->unlink_path);
        s->unlink_path = strdup(path);
        int r = s->unlink_path ? varlink_server_listen_fd(s, fd) : -ENOMEM;
        if (r == 0)
                fd = -1;
        return r;
}
