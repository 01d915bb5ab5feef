/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/manager.h"

#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "basic/log.h"
#include "basic/service.h"
#include "daemon/api/registration.h"
#include "daemon/core/lease-memory.h"
#include "daemon/manager-private.h"

DEFINE_CLEANUP(Manager *, manager_free);

int manager_check(const ManagerOptions *options) {
        ConfigErrors errors = {};
        Providers *providers = NULL;
        Config *config = NULL;

        int r = manager_load_providers(options, &providers);
        if (r == 0)
                r = config_load(options->config, manager_find_provider, providers, &config, &errors);
        manager_log_errors(&errors);
        if (r == 0)
                printf("%s: good: %zu services\n", options->config, config->settings.n_services);
        config_errors_done(&errors);
        config_free(config);
        providers_free(providers);
        return r;
}

/* ---- life ---- */

static int on_store(sd_event_source *source _unused_, int fd _unused_, uint32_t events _unused_, void *userdata) {
        Manager *m = userdata;

        api_dispatch_store(m->api, clock_ns(CLOCK_BOOTTIME));
        return 0;
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

        int r = config_load(m->options.config, manager_find_provider, m->providers, &m->config, &errors);
        manager_log_errors(&errors);
        config_errors_done(&errors);
        if (r < 0) {
                log_error_errno(r, "Cannot start with the configuration %s", m->options.config);
                return r == -ENOMEM ? r : -EBADMSG;
        }
        manager_set_log_level(m, m->config);
        return 0;
}

static int load_registrations(Manager *m) {
        StoreLimits limits = manager_store_limits(&m->config->daemon);
        _cleanup_free_ char *trouble = NULL;

        int r = registrations_new(&m->registrations, manager_find_provider, m->providers);
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
        m->limits.lease_memory_size = lease_file_size(m->leases);
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
        if (r == 0 && m->leases)
                lease_file_trim(m->leases, lease_memory_size(&m->limits));
        /* The file may have changed since something was registered: then the file counts. */
        if (r == 0)
                r = manager_put_in_force(m, m->registrations, &m->config->settings, NULL, &fault);
        while (r == -EINVAL && fault.service[0]) {
                log_error("What is registered for %s does not fit the configuration file, which is in force alone: %s %s", fault.service,
                          fault.field, fault.reason);
                registrations_suspend(m->registrations, fault.service);
                r = manager_put_in_force(m, m->registrations, &m->config->settings, NULL, &fault);
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
                r = sd_event_add_signal(m->event, NULL, SIGTERM, manager_on_terminate, m);
        if (r >= 0)
                r = sd_event_add_signal(m->event, NULL, SIGINT, manager_on_terminate, m);
        if (r >= 0)
                r = sd_event_add_signal(m->event, NULL, SIGHUP, manager_on_hangup, m);
        if (r >= 0)
                r = sd_event_add_time(m->event, &m->tick, CLOCK_BOOTTIME, 0, 1000, manager_on_tick, m);
        if (r >= 0)
                r = sd_event_source_set_prepare(m->tick, manager_before_wait);
        if (r >= 0)
                r = service_attach(m->event);
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
        int r = manager_load_providers(options, &m->providers);
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
                m, m->registrations, m->can_register ? m->store : NULL, manager_reload, manager_check_registrations,
                manager_apply_registrations,
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
        r = manager_listen(m);
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
