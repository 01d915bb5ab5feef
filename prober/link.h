/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way to the daemon: follows its stream of probes and sends the reports back. When the daemon goes away the link comes up again
 * by itself. Logs each change of its state, once.
 */
#pragma once

#include <systemd/sd-event.h>

#include "basic/macro.h"

typedef struct Link Link;

typedef struct LinkHandler {
        void (*probe)(void *userdata, const char *reply); /* one reply of FollowProbes */
        void (*lost)(void *userdata); /* the probes that were given belong to a daemon that is gone */
        void *userdata;
} LinkHandler;

/* socket: the daemon's, or NULL for the default. Comes up from the event loop. */
int link_new(sd_event *event, const char *socket, const LinkHandler *handler, Link **ret);
Link *link_free(Link *l);
DEFINE_CLEANUP(Link *, link_free);

/* Sends a ReportProbe, at once or when the daemon has caught up. Reports that find no room are dropped, the oldest first. */
void link_report(Link *l, const char *parameters);
