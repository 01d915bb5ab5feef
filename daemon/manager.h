/* SPDX-License-Identifier: Apache-2.0 */
/* Owns one of each part of the daemon, wires them to the event loop, reloads and shuts down. */
#pragma once

#include "daemon/config/config.h"

typedef struct Manager Manager;

/* Where everything is; not owned, must outlive the manager. */
typedef struct ManagerOptions {
        const char *config;
        const char *socket;       /* unless systemd passes one */
        const char *state_dir;
        const char *runtime_dir;  /* NULL: the folder of the socket */
        const char *provider_dir;
        const char *bus;          /* an address, "system", "session" or "none" */
        int log_level;            /* a syslog level that wins over the configuration's; -1: none */
} ManagerOptions;

/* Logs what is wrong. -EBADMSG: the configuration is; another try is of no use before somebody has mended it. */
int manager_new(Manager **ret, const ManagerOptions *options);
Manager *manager_free(Manager *m);
/* Until SIGTERM or SIGINT. Returns 0 then. */
int manager_run(Manager *m);

/* Reads the configuration with the plugins at hand and prints every mistake. 0: it can be used. */
int manager_check(const ManagerOptions *options);
