/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/manager.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "basic/log.h"
#include "daemon/api/api.h"
#include "daemon/dbus/bus.h"
#include "daemon/store/audit.h"
#include "daemon/varlink/server.h"

DEFINE_CLEANUP(Manager *, manager_free);

/* However quiet it is, the brain looks at the clock that often: budgets turn with the hour. */
#define TICK_MAX_NS NSEC_PER_SEC
#define STATUS_INTERVAL_NS (5 * NSEC_PER_SEC)

struct Manager {
        ManagerOptions options;
        sd_event *event;
        sd_event_source *tick;
        Config *config;
        Providers *providers;
        Router *router;
        Audit *audit;
        Api *api;
        VarlinkServer *varlink;
        Bus *bus;
        uint64_t status_due_ns;
        char status[256];
        char reload_field[128], reload_reason[256]; /* the first mistake of the last refused reload */
};

static uint64_t clock_ns(clockid_t clock) {
        struct timespec ts;

        clock_gettime(clock, &ts);
        return (uint64_t) ts.tv_sec * NSEC_PER_SEC + (uint64_t) ts.tv_nsec;
}

static const struct pm_provider *find_provider(void *userdata, const char *name) {
        return providers_find(userdata, name);
}

static int load_providers(const ManagerOptions *options, Providers **ret) {
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

static void log_errors(const ConfigErrors *errors) {
        char line[1024];

        for (size_t i = 0; i < errors->n; i++) {
                config_error_format(&errors->errors[i], line, sizeof(line));
                log_full(errors->errors[i].warning ? LOG_WARNING : LOG_ERR, 0, "%s", line);
        }
}

int manager_check(const ManagerOptions *options) {
        ConfigErrors errors = {};
        Providers *providers = NULL;
        Config *config = NULL;

        int r = load_providers(options, &providers);
        if (r == 0)
                r = config_load(options->config, find_provider, providers, &config, &errors);
        log_errors(&errors);
        if (r == 0)
                printf("%s: good: %zu services\n", options->config, config->settings.n_services);
        config_errors_done(&errors);
        config_free(config);
        providers_free(providers);
        return r;
}

static void set_log_level(const Manager *m, const Config *config) {
        log_max_level = m->options.log_level >= 0 ? m->options.log_level : config->daemon.log_level;
}

/* ---- time ---- */

static void send_status(Manager *m, uint64_t now_ns) {
        char status[sizeof(m->status)], sentence[200];

        const char *health = api_summary(m->api, now_ns, sentence, sizeof(sentence));
        snprintf(status, sizeof(status), "%s: %s", health, sentence);
        if (!streq(status, m->status)) {
                memcpy(m->status, status, sizeof(status));
                sd_notifyf(false, "STATUS=%s", status);
        }
}

static int on_tick(sd_event_source *source, uint64_t usec _unused_, void *userdata) {
        Manager *m = userdata;
        uint64_t now_ns = clock_ns(CLOCK_BOOTTIME);

        router_set_clock(m->router, now_ns, clock_ns(CLOCK_REALTIME));
        uint64_t next_ns = MIN(router_tick(m->router, now_ns), now_ns + TICK_MAX_NS);
        api_dispatch_effects(m->api, now_ns);
        api_check_audit(m->api);
        if (now_ns >= m->status_due_ns) {
                send_status(m, now_ns);
                m->status_due_ns = now_ns + STATUS_INTERVAL_NS;
        }

        /* Rounded up, so that what is due has come when the timer fires; at most a thousand times a second. */
        uint64_t next_us = MAX(next_ns, now_ns + NSEC_PER_MSEC) / NSEC_PER_USEC + 1;
        int r = sd_event_source_set_time(source, next_us);
        return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
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

typedef struct Counting {
        ConfigChange change;
        void *userdata;
        size_t n;
} Counting;

static void count_change(void *userdata, const char *path, const char *before, const char *after) {
        Counting *c = userdata;

        log_info("Changed %s: %s → %s", path, before ?: "(none)", after ?: "(none)");
        c->n++;
        if (c->change)
                c->change(c->userdata, path, before, after);
}

static void put_in_force(Manager *m, Config *config) {
        set_log_level(m, config);
        varlink_server_set_limits(m->varlink, config->daemon.message_max, config->daemon.send_buffer_max);
        config_free(m->config);
        m->config = config;
}

static int reload(void *userdata, ConfigChange change, void *change_userdata, const char **ret_field, const char **ret_reason) {
        Manager *m = userdata;
        uint64_t now_ns = clock_ns(CLOCK_BOOTTIME);
        Counting counting = { change, change_userdata, 0 };
        ConfigErrors errors = {};
        Config *config = NULL;
        char message[160];

        int r = config_load(m->options.config, find_provider, m->providers, &config, &errors);
        log_errors(&errors);
        if (r == 0) {
                r = router_apply(m->router, &config->settings, now_ns);
                if (r < 0)
                        snprintf(m->reload_reason, sizeof(m->reload_reason), "%s", strerror(-r));
        } else
                keep_first_error(m, &errors);
        config_errors_done(&errors);

        if (r < 0) {
                config_free(config);
                log_error("The configuration is refused; the one before it stays in force");
                api_configuration_changed(m->api, NULL, "A reload was refused; the configuration before it stays in force");
                *ret_field = m->reload_field;
                *ret_reason = m->reload_reason;
                return r == -ENOMEM ? r : -EINVAL;
        }
        settings_diff(&m->config->settings, &config->settings, count_change, &counting);
        snprintf(message, sizeof(message), "The configuration was reloaded: %zu settings changed", counting.n);
        log_info("%s", message);
        api_configuration_changed(m->api, &config->daemon, message);
        put_in_force(m, config);
        bus_objects_changed(m->bus);
        api_dispatch_effects(m->api, now_ns);
        return 0;
}

static int on_hangup(sd_event_source *source _unused_, const struct signalfd_siginfo *si, void *userdata) {
        Manager *m = userdata;
        uint64_t now_us = clock_ns(CLOCK_MONOTONIC) / NSEC_PER_USEC;

        sd_notifyf(false, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long) now_us);
        api_reload_by_signal(m->api, si->ssi_uid, (pid_t) si->ssi_pid, clock_ns(CLOCK_BOOTTIME));
        sd_notify(false, "READY=1");
        return 0;
}

/* ---- life ---- */

static int listen_sockets(Manager *m) {
        int n = sd_listen_fds(true), taken = 0;

        for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + n; fd++) {
                if (sd_is_socket_unix(fd, SOCK_STREAM, 1, NULL, 0) <= 0) {
                        log_warning("Descriptor %d that systemd passed is not a listening Unix socket; not used", fd);
                        continue;
                }
                int r = varlink_server_listen_fd(m->varlink, fd);
                if (r < 0)
                        return log_error_errno(r, "Cannot serve the socket that systemd passed");
                taken++;
        }
        if (taken > 0)
                return 0;
        /* Everybody may connect: who may do what is decided for each call. */
        int r = varlink_server_listen_address(m->varlink, m->options.socket, 0666);
        if (r == -EADDRINUSE)
                return log_error_errno(r, "Another process listens on %s, or it is not a socket", m->options.socket);
        return r < 0 ? log_error_errno(r, "Cannot listen on %s", m->options.socket) : 0;
}

/* Nothing has to be stored in order to route, so trouble here is announced and no more. */
static void check_state_dir(const char *path) {
        if (mkdir(path, 0750) < 0 && errno != EEXIST)
                log_warning_errno(-errno, "Cannot make the state folder %s; nothing will be stored", path);
        else if (faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) < 0)
                log_warning_errno(-errno, "Cannot write to the state folder %s; nothing will be stored", path);
}

static int load_config(Manager *m) {
        ConfigErrors errors = {};

        int r = config_load(m->options.config, find_provider, m->providers, &m->config, &errors);
        log_errors(&errors);
        config_errors_done(&errors);
        if (r < 0)
                return log_error_errno(r, "Cannot start with the configuration %s", m->options.config);
        set_log_level(m, m->config);
        return 0;
}

static int make_router(Manager *m) {
        uint64_t seed, now_ns = clock_ns(CLOCK_BOOTTIME);

        /* Decision ids come from this generator, and must not be guessed. */
        if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
                return log_error_errno(-errno, "Cannot get a random seed");
        int r = router_new(&m->router, &m->config->daemon.router, seed, now_ns, clock_ns(CLOCK_REALTIME));
        if (r == 0)
                r = router_apply(m->router, &m->config->settings, now_ns);
        return r < 0 ? log_error_errno(r, "Cannot put the configuration in force") : 0;
}

static int make_event_loop(Manager *m) {
        sigset_t signals;

        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGHUP);
        sigprocmask(SIG_BLOCK, &signals, NULL);

        int r = sd_event_new(&m->event);
        if (r >= 0)
                r = sd_event_add_signal(m->event, NULL, SIGTERM, NULL, NULL);
        if (r >= 0)
                r = sd_event_add_signal(m->event, NULL, SIGINT, NULL, NULL);
        if (r >= 0)
                r = sd_event_add_signal(m->event, NULL, SIGHUP, on_hangup, m);
        if (r >= 0)
                r = sd_event_add_time(m->event, &m->tick, CLOCK_BOOTTIME, 0, 1000, on_tick, m);
        if (r >= 0)
                r = sd_event_set_watchdog(m->event, true);
        return r < 0 ? log_error_errno(r, "Cannot set up the event loop") : 0;
}

/* It is written by a thread of its own: whether it can be, is announced later and stops nothing. */
static int start_audit(Manager *m) {
        const DaemonSettings *s = &m->config->daemon;
        _cleanup_free_ char *folder = NULL;

        if (asprintf(&folder, "%s/audit", m->options.state_dir) < 0) {
                folder = NULL;
                return log_oom();
        }
        int r = audit_new(&m->audit, folder, &(AuditLimits) { s->audit_max_size, s->audit_max_age_ns, s->audit_keep });
        if (r < 0)
                return log_error_errno(r, "Cannot set up the audit log");
        api_set_audit(m->api, m->audit);
        return 0;
}

static void stop_audit(Manager *m) {
        AuditStatus status;

        m->audit = audit_free(m->audit, &status);
        if (status.waiting > 0)
                log_warning("%llu records of the audit log were not written", (unsigned long long) status.waiting);
}

int manager_new(Manager **ret, const ManagerOptions *options) {
        _cleanup_(manager_freep) Manager *m = calloc(1, sizeof(Manager));

        if (!m)
                return log_oom();
        m->options = *options;
        check_state_dir(options->state_dir);
        int r = load_providers(options, &m->providers);
        if (r == 0)
                r = load_config(m);
        if (r == 0)
                r = make_router(m);
        if (r == 0)
                r = make_event_loop(m);
        if (r < 0)
                return r;
        r = api_new(&m->api, m->router, m->providers, &m->config->daemon, clock_ns(CLOCK_BOOTTIME));
        if (r < 0)
                return log_error_errno(r, "Cannot set up the API");
        api_set_reload(m->api, reload, m);
        r = start_audit(m);
        if (r < 0)
                return r;
        r = varlink_server_new(&m->varlink, m->api, m->event);
        if (r < 0)
                return log_error_errno(r, "Cannot set up the socket");
        varlink_server_set_limits(m->varlink, m->config->daemon.message_max, m->config->daemon.send_buffer_max);
        r = listen_sockets(m);
        if (r < 0)
                return r;
        /* Without a bus there is still the socket. */
        r = bus_new(&m->bus, m->api, m->event, options->bus);
        if (r < 0)
                log_warning_errno(r, "Cannot use the bus %s; the Unix socket is served all the same", options->bus);
        *ret = TAKE(m);
        return 0;
}

Manager *manager_free(Manager *m) {
        if (!m)
                return NULL;
        bus_free(m->bus);
        varlink_server_free(m->varlink);
        api_free(m->api);
        stop_audit(m);
        router_free(m->router);
        config_free(m->config);
        providers_free(m->providers);
        sd_event_source_disable_unref(m->tick);
        sd_event_unref(m->event);
        free(m);
        return NULL;
}

int manager_run(Manager *m) {
        log_info("Ready: %zu services, %zu plugins", router_n_services(m->router), providers_n(m->providers));
        sd_notify(false, "READY=1");
        int r = sd_event_loop(m->event);
        sd_notify(false, "STOPPING=1\nSTATUS=stopping");
        return r < 0 ? log_error_errno(r, "The event loop failed") : 0;
}
