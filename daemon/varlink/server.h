/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Unix socket: Varlink (https://varlink.org) as libsystemd 257 and later would serve it with sd_varlink_server; the surface
 * is shaped like that one's, so that it can take over.
 *
 * Requests on one connection are answered in order; what comes behind a `more` call waits until that has ended.
 */
#pragma once

#include <systemd/sd-event.h>

#include "daemon/api/api.h"

typedef struct VarlinkServer VarlinkServer;

int varlink_server_new(VarlinkServer **ret, Api *api, sd_event *event);
VarlinkServer *varlink_server_free(VarlinkServer *s);

/* Takes a listening socket, e.g. from socket activation; closes it in the end. */
int varlink_server_listen_fd(VarlinkServer *s, int fd);
/* Binds one. -EADDRINUSE: somebody answers there. A socket file that nobody answers at is replaced. */
int varlink_server_listen_address(VarlinkServer *s, const char *path, mode_t mode);
void varlink_server_set_limits(VarlinkServer *s, size_t message_max, size_t send_buffer_max);
