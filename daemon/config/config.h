/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration file (libconfig syntax) → settings. Every mistake is collected with its file and line, so that
 * a person mends them all at once. Reads files, logs nothing.
 *
 * Beside FILE lies the folder conf.d: each *.conf in it is read after FILE, in order of name, and replaces the settings that it
 * names. All of it is documented in pointsman.conf(5).
 */
#pragma once

#include <sys/types.h>

#include "daemon/core/setting.h"
#include "daemon/core/settings.h"

#define CONFIG_FILE_MAX (1024 * 1024) /* bytes */
#define CONFIG_FILES_MAX 256          /* in conf.d */
#define CONFIG_DEPTH_MAX 16           /* of brackets */
#define CONFIG_MEMBERS_MAX 10000      /* of one group or list */
#define CONFIG_ERRORS_MAX 1000        /* collected */

/* Which decisions and reports are recorded in the audit log. */
typedef enum AuditDecisions { AUDIT_OFF, AUDIT_FAILURES, AUDIT_SAMPLED, AUDIT_ALL, _AUDIT_DECISIONS_MAX } AuditDecisions;

/* What the daemon itself is told, beside the brain. Strings are owned. */
typedef struct DaemonSettings {
        size_t message_max;             /* bytes of one frame; default 1 MiB */
        uint32_t connections_max;       /* default 4096 */
        uint32_t connections_per_user;  /* default 1024 */
        uint32_t subscriptions_max;     /* default 256 */
        uint32_t subscriptions_per_user; /* default 64 */
        size_t send_buffer_max;         /* bytes queued for one client before it is dropped or waits; default 4 MiB */
        uint32_t event_history;         /* events kept for `since`; default 1024 */
        uint32_t requests_per_second, requests_burst; /* a user; 20000, 40000 */
        RouterLimits router;
        /* Names of groups, NULL-terminated; "*": everybody. prober: who may follow and report probes. */
        char **admin_groups, **operator_groups, **client_groups, **viewer_groups, **prober_groups;
        int log_level;                  /* syslog level */
        uint64_t state_interval_ns;     /* how often what was learned is kept */
        int audit_decisions;            /* an AuditDecisions */
        double audit_sample_rate;       /* a ratio */
        size_t audit_max_size;          /* bytes */
        uint64_t audit_max_age_ns;      /* 0: any */
        uint32_t audit_keep;            /* files beside the current one */
        uint64_t ledger_patience_ns;    /* a disk that has not answered for so long is trouble */
        uint32_t ledger_keep_hours, ledger_keep_days; /* days for which spend by the hour, by the day is kept */
} DaemonSettings;

typedef struct Config {
        Settings settings;
        DaemonSettings daemon;
} Config;

/* Every setting outside a service; its rows are places in a Config. */
extern const SettingTable config_setting_table;

typedef struct ConfigError {
        char *file;
        unsigned line; /* 0: unknown */
        char *setting; /* dotted path, e.g. "services.maps.nodes.here.weight"; may be "" */
        char *message; /* what is wrong and what is allowed, to be read after the setting: "is 2000; must be …" */
        bool warning;  /* the settings can be used all the same */
} ConfigError;

typedef struct ConfigErrors {
        ConfigError *errors;
        size_t n;
} ConfigErrors;

/* Finds a provider by name while a file is read; NULL: not loaded. */
typedef const struct pm_provider *(*ConfigFindProvider)(void *userdata, const char *name);

/*
 * Reads path and the files of conf.d beside it. *errors is overwritten in any case and to be done with by the caller.
 * 0: settings to use, and perhaps warnings (a provider that is not loaded). -EINVAL: see errors, all of them. -ENOMEM. Other
 * errnos: path could not be read (also in errors). find may be NULL: then no provider is looked for.
 */
int config_load(const char *path, ConfigFindProvider find, void *userdata, Config **ret, ConfigErrors *errors);
/* The defaults, without any service. */
int config_new(Config **ret);
Config *config_free(Config *c);
void config_errors_done(ConfigErrors *errors);
/* The error as one line, "FILE:LINE: SETTING MESSAGE", as config checkers print it. Returns the length that it would have. */
int config_error_format(const ConfigError *e, char *buffer, size_t size);

/* Calls back for each setting of a service that differs, with its path ("services.maps.nodes.here.weight") and how it
 * was and will be written; before or after is NULL where it did not exist. Returns the number of changes, or -ENOMEM. */
typedef void (*ConfigChange)(void *userdata, const char *path, const char *before, const char *after);
int settings_diff(const Settings *before, const Settings *after, ConfigChange change, void *userdata);

/* ---- for settings of any origin ---- */

typedef enum SettingSpelling {
        SPELLING_FILE, /* "nodes.here.cost_per_request" */
        SPELLING_API,  /* "nodes[2].costPerRequest" */
} SettingSpelling;

/* field: relative to the service; message: to be read after it. Both are valid during the call. */
typedef void (*SettingsComplaint)(void *userdata, const char *field, const char *message);

/*
 * Checks a whole service: names, ranges, what must be there, and what does not fit together. Calls back for each mistake.
 * Returns the number of mistakes, or -ENOMEM.
 */
int service_settings_check(const ServiceSettings *s, SettingSpelling spelling, SettingsComplaint complain,
                           void *userdata);

/*
 * Finds each node's provider, has it made from the node's options if it can be, and fills in what it knows: the URL and place
 * of the region. What nobody knows becomes "". Trailing slashes of URLs go. find may be NULL. Nodes whose provider is not
 * loaded keep a NULL provider. Calls back for each mistake in what the provider has to know; returns their number, or -ENOMEM.
 */
int service_settings_complete(ServiceSettings *s, ConfigFindProvider find, void *find_userdata, SettingSpelling spelling,
                              SettingsComplaint complain, void *userdata);
