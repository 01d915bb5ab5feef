/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration file (libconfig syntax) → settings. Every mistake is collected with its file and line, so that
 * a person mends them all at once. Reads files, logs nothing.
 */
#pragma once

#include <sys/types.h>

#include "daemon/core/settings.h"

/* What the daemon itself is told, beside the brain. Strings are owned. */
typedef struct DaemonSettings {
        size_t message_max;          /* bytes of one frame; default 1 MiB */
        uint32_t connections_max;    /* default 4096 */
        uint32_t connections_per_user; /* default 1024 */
        uint32_t subscriptions_max;  /* default 256 */
        uint32_t subscriptions_per_user; /* default 64 */
        size_t send_buffer_max;      /* bytes queued for one client before it is dropped or waits; default 4 MiB */
        uint32_t event_history;      /* events kept for `since`; default 1024 */
        uint32_t requests_per_second, requests_burst; /* a user; 20000, 40000 */
        RouterLimits router;
        char **admin_groups, **operator_groups, **client_groups, **viewer_groups; /* names, NULL-terminated; "*": everybody */
        int log_level;               /* syslog level */
} DaemonSettings;

typedef struct Config {
        Settings settings;
        DaemonSettings daemon;
} Config;

typedef struct ConfigError {
        char *file;
        unsigned line; /* 0: unknown */
        char *setting; /* dotted path, e.g. "services.maps.nodes.here.weight"; may be "" */
        char *message; /* what is wrong and what is allowed */
} ConfigError;

typedef struct ConfigErrors {
        ConfigError *errors;
        size_t n;
} ConfigErrors;

/* Finds a provider by name while a file is read; NULL: not loaded. */
typedef const struct pm_provider *(*ConfigFindProvider)(void *userdata, const char *name);

/* Reads path and what it includes. -EINVAL: see errors (all of them); other errnos: the file could not be read (also in errors).
 * A provider that is not loaded is a warning (errors may be non-empty although 0 is returned), not a failure. */
int config_load(const char *path, ConfigFindProvider find, void *userdata, Config **ret, ConfigErrors *errors);
Config *config_free(Config *c);
void config_errors_done(ConfigErrors *errors);

/* Calls back for each setting of a service that differs; before or after is NULL where it did not exist. */
typedef void (*ConfigChange)(void *userdata, const char *path, const char *before, const char *after);
int settings_diff(const Settings *before, const Settings *after, ConfigChange change, void *userdata);
