/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Unix socket: Varlink (https://varlink.org) as libsystemd 257 and later would serve it with sd_varlink_server; the surface
 * is shaped like that one's, so that it can take over.
 *
 * Requests on one connection are answered in order; what comes behind a `more` call waits until that has ended.
 */
#pragma once

#include "daemon/api/api.h"

typedef struct VarlinkServer VarlinkServer;

/* event_fd: of the event loop that does everything else; not owned. */
int varlink_server_new(VarlinkServer **ret, Api *api, int event_fd);
VarlinkServer *varlink_server_free(VarlinkServer *s);

/*
 * Serves whoever is ready, until the event loop has something to do or wants_turn(), asked after each round, says so; without `wait`
 * one round of those who are ready now. The sockets are not in the event loop: a decision that comes on one of them would pay twice
 * for each turn.
 */
int varlink_server_serve(VarlinkServer *s, bool wait, bool (*wants_turn)(void *userdata), void *userdata);

/* Takes a listening socket, e.g. from socket activation; closes it in the end. */
int varlink_server_listen_fd(VarlinkServer *s, int fd);
/* Binds one. -EADDRINUSE: somebody answers there. A socket file that nobody answers at is replaced. */
int varlink_server_listen_address(VarlinkServer *s, const char *path, mode_t mode);
void varlink_server_set_limits(VarlinkServer *s, size_t message_max, size_t send_buffer_max);

/* ---- a stop without a seam ---- */

/* Takes no more requests and no more connections. */
void varlink_server_pause(VarlinkServer *s);
/* Whether nobody waits for an answer: none is made later, and none is held back. */
bool varlink_server_is_settled(const VarlinkServer *s);

/* The names of the descriptors that the service manager keeps. */
#define HANDOVER_CONNECTION "connection"
#define HANDOVER_STATE "connections"

/* Gives a paused server's connections to the service manager, which keeps at most so many descriptors, and closes them here;
 * returns how many it gave. */
int varlink_server_hand_over(VarlinkServer *s, size_t max);
/* Takes up what was given; owns all the descriptors. Returns how many connections live on. -EINVAL: another version left them. */
int varlink_server_take_over(VarlinkServer *s, const int *fds, size_t n, int state_fd, uint64_t now_ns);
