/* SPDX-License-Identifier: Apache-2.0 */
/* What is in force: the file and the registrations over it, read and read again. */
#include "basic/log.h"
#include "basic/service.h"
#include "daemon/manager-private.h"

const struct pm_provider *manager_find_provider(void *userdata, const char *name) {
        return providers_find(userdata, name);
}

int manager_load_providers(const ManagerOptions *options, Providers **ret) {
        int r = providers_load(options->provider_dir, ret);

        if (r < 0)
                return log_error_errno(r, "Cannot read the provider plugins in %s", options->provider_dir);
        for (size_t i = 0; i < providers_n(*ret); i++) {
                const ProviderInfo *p = providers_get(*ret, i);
                if (!p->provider)
                        log_warning("Plugin %s is not loaded: %s", p->path, p->error);
        }
        return 0;
}

void manager_log_errors(const ConfigErrors *errors) {
        char line[1024];

        for (size_t i = 0; i < errors->n; i++) {
                config_error_format(&errors->errors[i], line, sizeof(line));
                log_full(errors->errors[i].warning ? LOG_WARNING : LOG_ERR, 0, "%s", line);
        }
}

void manager_set_log_level(const Manager *m, const Config *config) {
        log_max_level = m->options.log_level >= 0 ? m->options.log_level : config->daemon.log_level;
}

/* ---- reload ---- */

static void keep_first_error(Manager *m, const ConfigErrors *errors) {
        for (size_t i = 0; i < errors->n; i++)
                if (!errors->errors[i].warning) {
                        const ConfigError *e = &errors->errors[i];
                        snprintf(m->reload_field, sizeof(m->reload_field), "%s", e->setting ?: "");
                        config_error_format(e, m->reload_reason, sizeof(m->reload_reason));
                        return;
                }
}

static void keep_fault(Manager *m, int error, const RegistrationFault *fault) {
        if (!fault->service[0]) {
                snprintf(m->reload_field, sizeof(m->reload_field), "%s", "");
                snprintf(m->reload_reason, sizeof(m->reload_reason), "%s", strerror(-error));
                return;
        }
        snprintf(m->reload_field, sizeof(m->reload_field), "services.%s", fault->service);
        snprintf(m->reload_reason, sizeof(m->reload_reason), "what is registered for %s does not fit the file: %.80s %.300s",
                 fault->service, fault->field, fault->reason);
        log_error("%s", m->reload_reason);
}

struct Counting {
        ConfigChange change;
        void *userdata;
        size_t n;
};

static void count_change(void *userdata, const char *path, const char *before, const char *after) {
        Counting *c = userdata;

        log_info("Changed %s: %s → %s", path, before ?: "(none)", after ?: "(none)");
        c->n++;
        if (c->change)
                c->change(c->userdata, path, before, after);
}

/* The registrations over a file's settings. Telling nobody (NULL: no change) is for the start. */
int manager_put_in_force(Manager *m, const Registrations *registrations, const Settings *file, Counting *counting,
                        RegistrationFault *fault) {
        Settings settings;

        int r = registrations_merge(registrations, file, &m->limits, &settings, fault);
        if (r < 0)
                return r;
        r = router_apply(m->router, &settings, clock_ns(CLOCK_BOOTTIME));
        if (r < 0) {
                free(settings.services);
                return r;
        }
        if (counting)
                settings_diff(&m->in_force, &settings, count_change, counting);
        free(m->in_force.services);
        m->in_force = settings;
        return 0;
}

StoreLimits manager_store_limits(const DaemonSettings *s) {
        return (StoreLimits) { s->ledger_patience_ns, s->ledger_keep_hours * NSEC_PER_DAY, s->ledger_keep_days * NSEC_PER_DAY };
}

static void put_daemon_settings_in_force(Manager *m, Config *config) {
        StoreLimits limits = manager_store_limits(&config->daemon);

        manager_set_log_level(m, config);
        varlink_server_set_limits(m->varlink, config->daemon.message_max, config->daemon.send_buffer_max);
        m->store->functions->set_limits(m->store, &limits);
        config_free(m->config);
        m->config = config;
}

/* What a reload reads, and what stands in its way. */
typedef struct Reloading {
        Providers *providers; /* NULL: as they are */
        Registrations *registrations;
        Config *config;
} Reloading;

static void reloading_done(Reloading *x) {
        config_free(x->config);
        registrations_free(x->registrations);
        providers_free(x->providers);
}

static int read_anew(Manager *m, bool plugins, Reloading *x) {
        ConfigErrors errors = {};
        int r = 0;

        if (plugins)
                r = manager_load_providers(&m->options, &x->providers);
        if (r == 0 && plugins)
                r = registrations_copy(&x->registrations, m->registrations, manager_find_provider, x->providers);
        if (r < 0) {
                keep_fault(m, r, &(RegistrationFault) {});
                return r;
        }
        r = config_load(m->options.config, manager_find_provider, x->providers ?: m->providers, &x->config, &errors);
        manager_log_errors(&errors);
        if (r < 0)
                keep_first_error(m, &errors);
        config_errors_done(&errors);
        return r;
}

static int put_anew_in_force(Manager *m, Reloading *x, Counting *counting) {
        RegistrationFault fault = {};

        /* What waits outside was made of the plugins before. */
        api_dispatch_effects(m->api, clock_ns(CLOCK_BOOTTIME));
        int r = manager_put_in_force(m, x->registrations ?: m->registrations, &x->config->settings, counting, &fault);
        if (r < 0)
                keep_fault(m, r, &fault);
        return r;
}

/* Nothing that is in force comes from before any more. */
static void keep_providers(Manager *m, Reloading *x) {
        if (!x->providers)
                return;
        registrations_free(m->registrations);
        providers_free(m->providers);
        m->configurator.registrations = m->registrations = TAKE(x->registrations);
        m->providers = TAKE(x->providers);
        api_set_providers(m->api, m->providers);
}

int manager_reload(void *userdata, bool plugins, ConfigChange change, void *change_userdata, const char **ret_field,
                  const char **ret_reason) {
        Manager *m = userdata;
        Counting counting = { change, change_userdata, 0 };
        Reloading x = {};
        char message[160];

        int r = read_anew(m, plugins, &x);
        if (r == 0)
                r = put_anew_in_force(m, &x, &counting);
        m->status_due_ns = 0;
        if (r < 0) {
                reloading_done(&x);
                log_error("The configuration is refused; the one before it stays in force");
                api_configuration_changed(m->api, NULL, "A reload was refused; the configuration before it stays in force");
                *ret_field = m->reload_field;
                *ret_reason = m->reload_reason;
                return r == -ENOMEM ? r : -EINVAL;
        }
        snprintf(message, sizeof(message), "The configuration was reloaded%s: %zu settings changed", plugins ? " with the plugins" : "",
                 counting.n);
        log_info("%s", message);
        api_configuration_changed(m->api, &x.config->daemon, message);
        put_daemon_settings_in_force(m, x.config);
        keep_providers(m, &x);
        bus_objects_changed(m->bus);
        api_dispatch_effects(m->api, clock_ns(CLOCK_BOOTTIME));
        return 0;
}

int manager_check_registrations(void *userdata, RegistrationFault *ret_fault) {
        Manager *m = userdata;
        Settings settings;

        int r = registrations_merge(m->registrations, &m->config->settings, &m->limits, &settings, ret_fault);
        if (r == 0)
                free(settings.services);
        return r;
}

int manager_apply_registrations(void *userdata, const char *what, ConfigChange change, void *change_userdata) {
        Manager *m = userdata;
        Counting counting = { change, change_userdata, 0 };
        RegistrationFault fault;
        char message[256];

        int r = manager_put_in_force(m, m->registrations, &m->config->settings, &counting, &fault);
        if (r < 0)
                return r;
        snprintf(message, sizeof(message), "%s: %zu settings changed", what, counting.n);
        log_info("%s", message);
        api_registrations_changed(m->api, message);
        bus_objects_changed(m->bus);
        return 0;
}

int manager_on_hangup(sd_event_source *source _unused_, const struct signalfd_siginfo *si, void *userdata) {
        Manager *m = userdata;
        uint64_t now_us = clock_ns(CLOCK_MONOTONIC) / NSEC_PER_USEC;

        (void) service_notifyf("RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long) now_us);
        api_reload_by_signal(m->api, si->ssi_uid, (pid_t) si->ssi_pid, clock_ns(CLOCK_BOOTTIME));
        service_ready();
        return 0;
}
