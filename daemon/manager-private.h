/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the manager share: manager.c its life, manager-config.c what is in force, manager-run.c the event loop. */
#pragma once

#include <errno.h>
#include <systemd/sd-event.h>

#include "basic/clock.h"
#include "daemon/api/api.h"
#include "daemon/dbus/bus.h"
#include "daemon/lease-file.h"
#include "daemon/manager.h"
#include "daemon/store/audit.h"
#include "daemon/varlink/server.h"

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

/* ---- manager-config.c ---- */

typedef struct Counting Counting;

const struct pm_provider *manager_find_provider(void *userdata, const char *name);
int manager_load_providers(const ManagerOptions *options, Providers **ret);
void manager_log_errors(const ConfigErrors *errors);
void manager_set_log_level(const Manager *m, const Config *config);
/* The registrations over a file's settings. counting: NULL: nobody is told what changes, as at the start. */
int manager_put_in_force(Manager *m, const Registrations *registrations, const Settings *file, Counting *counting,
                        RegistrationFault *fault);
StoreLimits manager_store_limits(const DaemonSettings *s);
/* For ApiConfigurator; userdata is the manager. */
int manager_reload(void *userdata, bool plugins, ConfigChange change, void *change_userdata, const char **ret_field,
                  const char **ret_reason);
int manager_check_registrations(void *userdata, RegistrationFault *ret_fault);
int manager_apply_registrations(void *userdata, const char *what, ConfigChange change, void *change_userdata);
int manager_on_hangup(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata);

/* ---- manager-run.c ---- */

int manager_on_tick(sd_event_source *source, uint64_t usec, void *userdata);
int manager_before_wait(sd_event_source *source, void *userdata);
int manager_on_terminate(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata);
/* Takes over what the service manager has kept, and listens. */
int manager_listen(Manager *m);
