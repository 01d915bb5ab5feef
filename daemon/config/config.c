/* SPDX-License-Identifier: Apache-2.0 */
/* The settings outside a service, and the life of what config_load() returns. */
#include "daemon/config/config.h"

#include <errno.h>
#include <math.h>

#include "basic/log.h"
#include "basic/macro.h"

static const EnumNames log_levels = { "LogLevel", log_level_names, ELEMENTSOF(log_level_names) };

static const char *const audit_decisions_table[] = { "off", "failures", "sampled", "all" };
static const EnumNames audit_decisions_names = { "AuditDecisions", audit_decisions_table, _AUDIT_DECISIONS_MAX };

#define AT(member) .offset = offsetof(Config, member)
static const Setting config_rows[] = {
        { "services", NULL, SETTING_SERVICES, AT(settings), .doc = "what callers may ask for, by name" },

        { "daemon.log_level", NULL, SETTING_ENUM, AT(daemon.log_level), .names = &log_levels, .fallback = LOG_INFO,
          .doc = "least important messages that are logged" },
        { "daemon.state_interval", NULL, SETTING_SECONDS, AT(daemon.state_interval_ns), "seconds", 1, 3600, 5,
          .doc = "how often what was learned is kept, for the next start" },

        { "audit.decisions", NULL, SETTING_ENUM, AT(daemon.audit_decisions), .names = &audit_decisions_names, .fallback = AUDIT_OFF,
          .doc = "which decisions and reports the audit log records, beside management actions" },
        { "audit.sample_rate", NULL, SETTING_PERCENT, AT(daemon.audit_sample_rate), "percent", 0, 100, 1, .flags = SETTING_POSITIVE,
          .doc = "share of decisions, each with its report, that is recorded when they are sampled" },
        { "audit.max_size", NULL, SETTING_SIZE, AT(daemon.audit_max_size), "bytes", 4096, 1 << 30, 16 << 20,
          .doc = "size at which the audit log begins a new file" },
        { "audit.max_age", NULL, SETTING_SECONDS, AT(daemon.audit_max_age_ns), "seconds", 0, 366 * 86400, 7 * 86400,
          .doc = "age at which the audit log begins a new file, 0 for any" },
        { "audit.keep", NULL, SETTING_UINT32, AT(daemon.audit_keep), "files", 0, 100000, 16,
          .doc = "files of the audit log that are kept beside the current one" },

        { "ledger.patience", NULL, SETTING_SECONDS, AT(daemon.ledger_patience_ns), "seconds", 0.1, 60, 2,
          .doc = "how long a report waits for the disk before it is acknowledged without" },
        { "ledger.keep_hours", NULL, SETTING_UINT32, AT(daemon.ledger_keep_hours), "days", 2, 36500, 35,
          .doc = "for how long spend by the hour is kept" },
        { "ledger.keep_days", NULL, SETTING_UINT32, AT(daemon.ledger_keep_days), "days", 31, 36500, 400,
          .doc = "for how long spend by the day, and scenarios that are over, are kept" },

        { "limits.message_max", NULL, SETTING_SIZE, AT(daemon.message_max), "bytes", 4096, 64 << 20, 1 << 20,
          .doc = "size of one message from a client" },
        { "limits.send_buffer_max", NULL, SETTING_SIZE, AT(daemon.send_buffer_max), "bytes", 65536, 1 << 30, 4 << 20,
          .doc = "what may be queued for a client that does not read" },
        { "limits.connections", NULL, SETTING_UINT32, AT(daemon.connections_max), NULL, 1, 100000, 4096,
          .doc = "open connections, all users together" },
        { "limits.connections_per_user", NULL, SETTING_UINT32, AT(daemon.connections_per_user), NULL, 1, 100000, 1024,
          .doc = "open connections of one user" },
        { "limits.subscriptions", NULL, SETTING_UINT32, AT(daemon.subscriptions_max), NULL, 0, 100000, 256,
          .doc = "subscribers to events, all users together" },
        { "limits.subscriptions_per_user", NULL, SETTING_UINT32, AT(daemon.subscriptions_per_user), NULL, 0, 100000, 64,
          .doc = "subscribers to events of one user" },
        { "limits.event_history", NULL, SETTING_UINT32, AT(daemon.event_history), "events", 0, 1000000, 1024,
          .doc = "events kept for subscribers who resume" },
        { "limits.requests_per_second", NULL, SETTING_UINT32, AT(daemon.requests_per_second), "requests a second", 1, 100000000,
          20000, .doc = "sustained rate of one user; root and the daemon's own user have none" },
        { "limits.requests_burst", NULL, SETTING_UINT32, AT(daemon.requests_burst), "requests", 1, 100000000, 40000,
          .doc = "requests that one user may make at once" },
        { "limits.leases", NULL, SETTING_UINT32, AT(daemon.router.leases), NULL, 16, 16777216, 65536,
          .doc = "decisions not yet reported, all users together" },
        { "limits.leases_per_user", NULL, SETTING_UINT32, AT(daemon.router.leases_per_user), NULL, 1, 16777216, 32768,
          .doc = "decisions not yet reported of one user; root and the daemon's own user have no limit of their own" },
        { "limits.services", NULL, SETTING_UINT32, AT(daemon.router.services), NULL, 1, 100000, 10000, .doc = "services" },
        { "limits.nodes", NULL, SETTING_UINT32, AT(daemon.router.nodes), NULL, 1, 1000000, 20000,
          .doc = "nodes of all services together" },
        { "limits.nodes_per_service", NULL, SETTING_UINT32, AT(daemon.router.nodes_per_service), NULL, 1, 1000000, 10000,
          .doc = "nodes of one service" },

        { "access.viewer", NULL, SETTING_NAMES, AT(daemon.viewer_groups), .fallback_name = "*",
          .doc = "groups that may read status and analytics and follow events" },
        { "access.client", NULL, SETTING_NAMES, AT(daemon.client_groups), .fallback_name = "*",
          .doc = "groups that may also route and report" },
        { "access.operator", NULL, SETTING_NAMES, AT(daemon.operator_groups), .fallback_name = "pointsman",
          .doc = "groups that may also handle scenarios and drain nodes" },
        { "access.admin", NULL, SETTING_NAMES, AT(daemon.admin_groups), .fallback_name = "root",
          .doc = "groups that may also register services and reload" },
        { "access.prober", NULL, SETTING_NAMES, AT(daemon.prober_groups), .fallback_name = "pointsman-prober",
          .doc = "groups that may carry out probes" },
};
#undef AT

const SettingTable config_setting_table = { config_rows, ELEMENTSOF(config_rows) };

int config_new(Config **ret) {
        Config *c = calloc(1, sizeof(*c));

        if (!c)
                return -ENOMEM;
        for (size_t i = 0; i < ELEMENTSOF(config_rows); i++) {
                const Setting *s = config_rows + i;

                setting_init(s, c);
                if (s->type == SETTING_NAMES && setting_set_names(s, c, &s->fallback_name, 1) < 0) {
                        config_free(c);
                        return -ENOMEM;
                }
        }
        *ret = c;
        return 0;
}

Config *config_free(Config *c) {
        if (!c)
                return NULL;
        for (size_t i = 0; i < ELEMENTSOF(config_rows); i++)
                setting_done(config_rows + i, c);
        settings_done(&c->settings);
        free(c);
        return NULL;
}

void config_errors_done(ConfigErrors *errors) {
        for (size_t i = 0; i < errors->n; i++) {
                free(errors->errors[i].file);
                free(errors->errors[i].setting);
                free(errors->errors[i].message);
        }
        free(errors->errors);
        *errors = (ConfigErrors) {};
}

int config_error_format(const ConfigError *e, char *buffer, size_t size) {
        char line[16] = "";

        if (e->line > 0)
                snprintf(line, sizeof(line), ":%u", e->line);
        return snprintf(buffer, size, "%s%s: %s%s%s%s", e->file, line, e->warning ? "warning: " : "", e->setting,
                        *e->setting ? " " : "", e->message);
}
