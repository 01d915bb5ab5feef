/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/manager.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "basic/log.h"
#include "daemon/api/api.h"
#include "daemon/api/registration.h"
#include "daemon/core/lease-memory.h"
#include "daemon/dbus/bus.h"
#include "daemon/lease-file.h"
#include "daemon/store/audit.h"
#include "daemon/varlink/server.h"

DEFINE_CLEANUP(Manager *, manager_free);

/* However quiet it is, the brain looks at the clock that often: budgets turn with the hour. */
#define TICK_MAX_NS NSEC_PER_SEC
/* However much falls due, not more often than that. */
#define TICK_MIN_NS NSEC_PER_MSEC
#define STATUS_INTERVAL_NS (5 * NSEC_PER_SEC)
/* Longer than anybody waits for a disk. */
#define STOP_PATIENCE_NS (5 * NSEC_PER_SEC)

struct Manager {
        ManagerOptions options;
        sd_event *event;
        sd_event_source *tick;
        uint64_t keep_ns;            /* when more of what was learned is to be kept */
        uint64_t ticked_ns, tick_ns; /* the last tick, and for when the next one is set */
        Config *config;    /* what the file says */
        Registrations *registrations;
        Store *store;
        bool can_register; /* what was registered earlier could be read */
        Settings in_force; /* the one with the other over it; borrows from both */
        RouterLimits limits; /* of the router, for its life */
        ApiConfigurator configurator;
        Providers *providers;
        LeaseFile *leases; /* or NULL */
        Router *router;
        Audit *audit;
        sd_event_source *audit_source;
        Api *api;
        VarlinkServer *varlink;
        Bus *bus;
        bool stopping;
        uint64_t status_due_ns;
        char status[1024];
        char reload_field[128], reload_reason[640]; /* the first mistake of the last refused reload */
};

static void strv_freep(char ***p) {
        for (char **s = *p; s && *s; s++)
                free(*s);
        free(*p);
}

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
        char status[sizeof(m->status)], sentence[sizeof(m->status) - 16];

        const char *health = api_summary(m->api, now_ns, sentence, sizeof(sentence));
        snprintf(status, sizeof(status), "%s: %s", health, sentence);
        if (!streq(status, m->status)) {
                memcpy(m->status, status, sizeof(status));
                sd_notifyf(false, "STATUS=%s", status);
        }
}

/* Moves the timer forward, if there is reason to: else it costs no system call. */
static int set_tick(Manager *m) {
        uint64_t next_ns = MIN(MIN(router_next_ns(m->router), m->keep_ns), m->ticked_ns + TICK_MAX_NS);

        next_ns = MAX(next_ns, m->ticked_ns + TICK_MIN_NS);
        if (next_ns >= m->tick_ns)
                return 0;
        m->tick_ns = next_ns;
        /* Rounded up, so that what is due has come when the timer fires. */
        int r = sd_event_source_set_time(m->tick, next_ns / NSEC_PER_USEC + 1);
        return r < 0 ? r : sd_event_source_set_enabled(m->tick, SD_EVENT_ONESHOT);
}

static int on_tick(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        Manager *m = userdata;
        uint64_t now_ns = clock_ns(CLOCK_BOOTTIME);

        router_set_clock(m->router, now_ns, clock_ns(CLOCK_REALTIME));
        router_tick(m->router, now_ns);
        api_dispatch_effects(m->api, now_ns);
        api_check_audit(m->api);
        m->keep_ns = api_keep(m->api, now_ns);
        api_release(m->api); /* a disk that hangs says nothing */
        if (now_ns >= m->status_due_ns) {
                send_status(m, now_ns);
                m->status_due_ns = now_ns + STATUS_INTERVAL_NS;
        }
        m->ticked_ns = now_ns;
        m->tick_ns = NSEC_INFINITY;
        return set_tick(m);
}

/* Before each wait: what happened may have brought a deadline forward. */
static int before_wait(sd_event_source *source _unused_, void *userdata) {
        return set_tick(userdata);
}

static int on_store(sd_event_source *source _unused_, int fd _unused_, uint32_t events _unused_, void *userdata) {
        Manager *m = userdata;

        api_dispatch_store(m->api, clock_ns(CLOCK_BOOTTIME));
        return 0;
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

/* The registrations over a file's settings. Telling nobody (NULL: no change) is for the start. */
static int put_in_force(Manager *m, const Registrations *registrations, const Settings *file, Counting *counting,
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

static StoreLimits store_limits(const DaemonSettings *s) {
        return (StoreLimits) { s->ledger_patience_ns, s->ledger_keep_hours * NSEC_PER_DAY, s->ledger_keep_days * NSEC_PER_DAY };
}

static void put_daemon_settings_in_force(Manager *m, Config *config) {
        StoreLimits limits = store_limits(&config->daemon);

        set_log_level(m, config);
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
                r = load_providers(&m->options, &x->providers);
        if (r == 0 && plugins)
                r = registrations_copy(&x->registrations, m->registrations, find_provider, x->providers);
        if (r < 0) {
                keep_fault(m, r, &(RegistrationFault) {});
                return r;
        }
        r = config_load(m->options.config, find_provider, x->providers ?: m->providers, &x->config, &errors);
        log_errors(&errors);
        if (r < 0)
                keep_first_error(m, &errors);
        config_errors_done(&errors);
        return r;
}

static int put_anew_in_force(Manager *m, Reloading *x, Counting *counting) {
        RegistrationFault fault = {};

        /* What waits outside was made of the plugins before. */
        api_dispatch_effects(m->api, clock_ns(CLOCK_BOOTTIME));
        int r = put_in_force(m, x->registrations ?: m->registrations, &x->config->settings, counting, &fault);
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

static int reload(void *userdata, bool plugins, ConfigChange change, void *change_userdata, const char **ret_field,
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

static int check_registrations(void *userdata, RegistrationFault *ret_fault) {
        Manager *m = userdata;
        Settings settings;

        int r = registrations_merge(m->registrations, &m->config->settings, &m->limits, &settings, ret_fault);
        if (r == 0)
                free(settings.services);
        return r;
}

static int apply_registrations(void *userdata, const char *what, ConfigChange change, void *change_userdata) {
        Manager *m = userdata;
        Counting counting = { change, change_userdata, 0 };
        RegistrationFault fault;
        char message[256];

        int r = put_in_force(m, m->registrations, &m->config->settings, &counting, &fault);
        if (r < 0)
                return r;
        snprintf(message, sizeof(message), "%s: %zu settings changed", what, counting.n);
        log_info("%s", message);
        api_registrations_changed(m->api, message);
        bus_objects_changed(m->bus);
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

/* ---- start and stop without a seam ---- */

/* How many descriptors the service manager keeps for us until the next start; 0: none. */
static size_t descriptors_kept(void) {
        const char *text = getenv("FDSTORE");
        char *end;

        if (!text || !getenv("NOTIFY_SOCKET"))
                return 0;
        unsigned long n = strtoul(text, &end, 10);
        return *text && !*end ? MIN(n, 65536UL) : 0;
}

static void take_over(Manager *m, const int *fds, size_t n, int state_fd) {
        if (n == 0 && state_fd < 0)
                return;
        int r = varlink_server_take_over(m->varlink, fds, n, state_fd, clock_ns(CLOCK_BOOTTIME));
        if (r < 0)
                log_warning_errno(r, "Cannot take over the connections of the process before; their clients have to connect anew");
        else
                log_info("Took over %d connections of the process before", r);
        /* We have them now: what is kept there would not be closed when we close it. */
        sd_notify(false, "FDSTOREREMOVE=1\nFDNAME=" HANDOVER_CONNECTION);
        sd_notify(false, "FDSTOREREMOVE=1\nFDNAME=" HANDOVER_STATE);
}

static void hand_over(Manager *m) {
        int r = varlink_server_hand_over(m->varlink, descriptors_kept());

        if (r < 0)
                log_warning_errno(r, "Cannot hand over the connections; their clients have to connect anew");
        else if (r > 0)
                log_info("Handed over %d connections", r);
}

static int on_stop_timeout(sd_event_source *source, uint64_t usec _unused_, void *userdata _unused_) {
        log_warning("Some calls are not answered before the end");
        return sd_event_exit(sd_event_source_get_event(source), 0);
}

static int exit_when_settled(Manager *m) {
        return api_is_settled(m->api) && varlink_server_is_settled(m->varlink) && bus_is_settled(m->bus) ? sd_event_exit(m->event, 0) : 0;
}

/* After every turn of the event loop. */
static int on_turn(sd_event_source *source _unused_, void *userdata) {
        return exit_when_settled(userdata);
}

/* What was asked is answered first; a second signal does not wait for that. */
static int on_terminate(sd_event_source *source _unused_, const struct signalfd_siginfo *si _unused_, void *userdata) {
        Manager *m = userdata;

        if (m->stopping)
                return sd_event_exit(m->event, 0);
        m->stopping = true;
        sd_notify(false, "STOPPING=1\nSTATUS=stopping");
        varlink_server_pause(m->varlink);
        bus_leave(m->bus);
        int r = sd_event_add_time_relative(m->event, NULL, CLOCK_MONOTONIC, STOP_PATIENCE_NS / NSEC_PER_USEC, 0, on_stop_timeout, NULL);
        if (r >= 0)
                r = sd_event_add_post(m->event, NULL, on_turn, m);
        return r < 0 ? sd_event_exit(m->event, 0) : exit_when_settled(m);
}

/* ---- life ---- */

static int listen_sockets(Manager *m) {
        _cleanup_(strv_freep) char **names = NULL;
        int n = sd_listen_fds_with_names(true, &names), taken = 0, state_fd = -1;
        _cleanup_free_ int *connections = calloc((size_t) MAX(n, 0) + 1, sizeof(int));
        size_t n_connections = 0;

        if (!connections)
                return log_oom();
        for (int i = 0; i < n; i++) {
                int fd = SD_LISTEN_FDS_START + i;
                if (streq(names[i], HANDOVER_CONNECTION)) {
                        connections[n_connections++] = fd;
                        continue;
                }
                if (streq(names[i], HANDOVER_STATE)) {
                        closep(&state_fd);
                        state_fd = fd;
                        continue;
                }
                if (sd_is_socket_unix(fd, SOCK_STREAM, 1, NULL, 0) <= 0) {
                        log_warning("Descriptor %d that systemd passed is not a listening Unix socket; not used", fd);
                        continue;
                }
                int r = varlink_server_listen_fd(m->varlink, fd);
                if (r < 0)
                        return log_error_errno(r, "Cannot serve the socket that systemd passed");
                taken++;
        }
        take_over(m, connections, n_connections, state_fd);
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
        if (r < 0) {
                log_error_errno(r, "Cannot start with the configuration %s", m->options.config);
                return r == -ENOMEM ? r : -EBADMSG;
        }
        set_log_level(m, m->config);
        return 0;
}

static int load_registrations(Manager *m) {
        StoreLimits limits = store_limits(&m->config->daemon);
        _cleanup_free_ char *trouble = NULL;

        int r = registrations_new(&m->registrations, find_provider, m->providers);
        if (r == 0)
                r = store_sqlite_new(&m->store, m->options.state_dir, &limits);
        if (r < 0)
                return log_error_errno(r, "Cannot set up the store");
        r = registrations_load(m->registrations, m->store, &trouble);
        if (trouble)
                log_error("%s; the configuration file is in force alone", trouble);
        m->can_register = r == 0;
        if (r < 0)
                log_error_errno(r, "Cannot read the stored registrations in %s; the configuration file is in force alone, and nothing "
                                "can be registered", m->options.state_dir);
        return 0;
}

/* Open decisions are to outlive the daemon; where that cannot be, it does its work all the same. */
static void map_leases(Manager *m) {
        _cleanup_free_ char *folder = m->options.runtime_dir ? strdup(m->options.runtime_dir) : strdup(m->options.socket);

        if (!folder)
                return;
        int r = lease_file_open(&m->leases, m->options.runtime_dir ? folder : dirname(folder), lease_memory_size(&m->limits));
        if (r == -EWOULDBLOCK)
                log_warning("Another daemon keeps its open decisions in %s; ours do not survive a restart", folder);
        else if (r < 0)
                log_warning_errno(r, "Cannot keep open decisions in %s; they do not survive a restart", folder);
        if (r < 0)
                return;
        m->limits.lease_memory = lease_file_memory(m->leases);
        m->limits.prepare_lease_memory = lease_file_prepare;
        m->limits.lease_memory_userdata = m->leases;
}

static int make_router(Manager *m) {
        uint64_t seed, now_ns = clock_ns(CLOCK_BOOTTIME);
        RegistrationFault fault = {};

        /* Decision ids come from this generator, and must not be guessed. */
        if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
                return log_error_errno(-errno, "Cannot get a random seed");
        m->limits = m->config->daemon.router;
        map_leases(m);
        int r = router_new(&m->router, &m->limits, seed, now_ns, clock_ns(CLOCK_REALTIME));
        /* The file may have changed since something was registered: then the file counts. */
        if (r == 0)
                r = put_in_force(m, m->registrations, &m->config->settings, NULL, &fault);
        while (r == -EINVAL && fault.service[0]) {
                log_error("What is registered for %s does not fit the configuration file, which is in force alone: %s %s", fault.service,
                          fault.field, fault.reason);
                registrations_suspend(m->registrations, fault.service);
                r = put_in_force(m, m->registrations, &m->config->settings, NULL, &fault);
        }
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
                r = sd_event_add_signal(m->event, NULL, SIGTERM, on_terminate, m);
        if (r >= 0)
                r = sd_event_add_signal(m->event, NULL, SIGINT, on_terminate, m);
        if (r >= 0)
                r = sd_event_add_signal(m->event, NULL, SIGHUP, on_hangup, m);
        if (r >= 0)
                r = sd_event_add_time(m->event, &m->tick, CLOCK_BOOTTIME, 0, 1000, on_tick, m);
        if (r >= 0)
                r = sd_event_source_set_prepare(m->tick, before_wait);
        if (r >= 0)
                r = sd_event_set_watchdog(m->event, true);
        return r < 0 ? log_error_errno(r, "Cannot set up the event loop") : 0;
}

static int on_audit(sd_event_source *source _unused_, int fd _unused_, uint32_t events _unused_, void *userdata) {
        Manager *m = userdata;

        audit_dispatch(m->audit);
        api_release(m->api);
        return 0;
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
        r = sd_event_add_io(m->event, &m->audit_source, audit_fd(m->audit), EPOLLIN, on_audit, m);
        if (r < 0)
                return log_error_errno(r, "Cannot follow the audit log");
        api_set_audit(m->api, m->audit);
        return 0;
}

static void stop_audit(Manager *m) {
        AuditStatus status;

        sd_event_source_disable_unref(m->audit_source);
        m->audit = audit_free(m->audit, STOP_PATIENCE_NS, &status);
        if (status.waiting > 0 || status.error == -ETIMEDOUT)
                log_warning_errno(status.error, "%llu records of the audit log were not written", (unsigned long long) status.waiting);
}

static int start_store(Manager *m) {
        int r = api_set_store(m->api, m->store, clock_ns(CLOCK_BOOTTIME));

        if (r >= 0)
                r = sd_event_add_io(m->event, NULL, m->store->functions->fd(m->store), EPOLLIN, on_store, m);
        return r < 0 ? log_error_errno(r, "Cannot take over what was kept") : 0;
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
                r = load_registrations(m);
        if (r == 0)
                r = make_router(m);
        if (r == 0)
                r = make_event_loop(m);
        if (r < 0)
                return r;
        r = api_new(&m->api, m->router, m->providers, &m->config->daemon, clock_ns(CLOCK_BOOTTIME));
        if (r < 0)
                return log_error_errno(r, "Cannot set up the API");
        m->configurator = (ApiConfigurator) {
                m, m->registrations, m->can_register ? m->store : NULL, reload, check_registrations, apply_registrations,
        };
        api_set_configurator(m->api, &m->configurator);
        r = start_store(m);
        if (r < 0)
                return r;
        r = start_audit(m);
        if (r < 0)
                return r;
        r = varlink_server_new(&m->varlink, m->api, sd_event_get_fd(m->event));
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
        lease_file_close(m->leases);
        free(m->in_force.services);
        registrations_free(m->registrations);
        store_free(m->store);
        config_free(m->config);
        providers_free(m->providers);
        sd_event_source_disable_unref(m->tick);
        sd_event_unref(m->event);
        free(m);
        return NULL;
}

/* Whether what clients have brought about needs the event loop. */
static bool wants_turn(void *userdata) {
        Manager *m = userdata;
        uint64_t before_ns = m->tick_ns;

        return set_tick(m) < 0 || m->tick_ns != before_ns || bus_wants_turn(m->bus);
}

/* sd_event_loop(), with the clients' sockets around it. */
static int run(Manager *m) {
        int code;

        while (sd_event_get_state(m->event) != SD_EVENT_FINISHED) {
                int pending = sd_event_prepare(m->event);
                if (pending < 0)
                        return pending;
                int r = varlink_server_serve(m->varlink, pending == 0, wants_turn, m);
                if (r == 0 && pending == 0)
                        pending = sd_event_wait(m->event, 0);
                if (r == 0 && pending > 0)
                        r = sd_event_dispatch(m->event);
                if (r < 0 || pending < 0)
                        return r < 0 ? r : pending;
        }
        int r = sd_event_get_exit_code(m->event, &code);
        return r < 0 ? r : code;
}

int manager_run(Manager *m) {
        log_info("Ready: %zu services, %zu plugins", router_n_services(m->router), providers_n(m->providers));
        sd_notify(false, "READY=1");
        int r = run(m);
        hand_over(m);
        api_finish(m->api, clock_ns(CLOCK_BOOTTIME));
        return r < 0 ? log_error_errno(r, "The event loop failed") : 0;
}
