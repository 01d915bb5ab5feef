/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "snmp/agent.h"

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
#include <net-snmp/agent/net-snmp-agent-includes.h>
#include <net-snmp/agent/agent_callbacks.h>
#include <net-snmp/library/large_fd_set.h>
#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>

#include "basic/log.h"
#include "basic/macro.h"
#include "basic/service.h"
#include "basic/units.h"
#include "snmp/notifier.h"
#include "snmp/responder.h"
#include "snmp/tables.h"

#define USEC_PER_SEC UINT64_C(1000000)
#define PROGRAM "pointsman-snmp"
/* How often snmpd is asked whether it still knows us, and looked for when it is away. */
#define PING_INTERVAL_S 2

struct Agent {
        char *agentx;
        Feed *feed;
        Indexes *indexes;
        uint64_t save_ns; /* indexes cannot be saved, and are tried again then; 0: they can */
        Tables *tables;
        Notifier *notifier;
        int signals;
        bool connected, told; /* told: the log knows whether we are connected */
        char last_complaint[256];
};

/* ---- what net-snmp says ---- */

/* Its own words about connections repeat with every try; connection_changed() says it once. */
static int on_log(int major, int minor, void *message, void *userdata) {
        const struct snmp_log_message *m = message;
        Agent *a = userdata;
        int n = (int) strcspn(m->msg, "\n");

        (void) major;
        (void) minor;
        if (m->priority > LOG_ERR) {
                log_debug("net-snmp: %.*s", n, m->msg);
                return 0;
        }
        if (strncmp(a->last_complaint, m->msg, sizeof(a->last_complaint) - 1) == 0)
                return 0;
        snprintf(a->last_complaint, sizeof(a->last_complaint), "%s", m->msg);
        log_warning("net-snmp: %.*s", n, m->msg);
        return 0;
}

static void connection_changed(Agent *a, bool connected) {
        if (a->told && a->connected == connected)
                return;
        if (connected)
                log_info("Connected to snmpd at %s", a->agentx);
        else if (a->told)
                log_warning("Lost snmpd at %s; trying again every %d s", a->agentx, PING_INTERVAL_S);
        else
                log_warning("No snmpd at %s yet; trying again every %d s", a->agentx, PING_INTERVAL_S);
        a->connected = connected;
        a->told = true;
        a->last_complaint[0] = 0;
        (void) service_notifyf("STATUS=%s snmpd at %s", connected ? "Connected to" : "Waiting for", a->agentx);
}

static int on_connection(int major, int minor, void *session, void *userdata) {
        Agent *a = userdata;
        bool connected = minor == SNMPD_CALLBACK_INDEX_START;

        (void) major;
        connection_changed(a, connected);
        if (connected) {
                responder_attach(session, a->tables);
                /* What is about to be registered was not, if snmpd went away while it last was; net-snmp may think so. */
                register_mib_detach();
        }
        return 0;
}

/* ---- life ---- */

/* No file is read, none is written: everything that counts comes from the command line. */
static void configure_library(const char *agentx) {
        static const int library_flags[] = {
                NETSNMP_DS_LIB_DONT_READ_CONFIGS,        NETSNMP_DS_LIB_DONT_PERSIST_STATE,
                NETSNMP_DS_LIB_DISABLE_PERSISTENT_LOAD,  NETSNMP_DS_LIB_DISABLE_PERSISTENT_SAVE,
                NETSNMP_DS_LIB_DONT_LOAD_HOST_FILES,     NETSNMP_DS_LIB_ALARM_DONT_USE_SIG,
        };

        for (size_t i = 0; i < ELEMENTSOF(library_flags); i++)
                netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, library_flags[i], 1);
        netsnmp_ds_set_boolean(NETSNMP_DS_APPLICATION_ID, NETSNMP_DS_AGENT_ROLE, 1);
        netsnmp_ds_set_boolean(NETSNMP_DS_APPLICATION_ID, NETSNMP_DS_AGENT_NO_ROOT_ACCESS, 1);
        netsnmp_ds_set_boolean(NETSNMP_DS_APPLICATION_ID, NETSNMP_DS_AGENT_NO_CONNECTION_WARNINGS, 1);
        netsnmp_ds_set_string(NETSNMP_DS_APPLICATION_ID, NETSNMP_DS_AGENT_X_SOCKET, agentx);
        setenv("MIBS", "", 1);
}

static int start(Agent *a, const char *socket) {
        sigset_t mask;

        sigemptyset(&mask);
        sigaddset(&mask, SIGTERM);
        sigaddset(&mask, SIGINT);
        a->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
        if (a->signals < 0)
                return log_error_errno(-errno, "Cannot wait for signals");

        snmp_disable_log();
        snmp_enable_calllog();
        snmp_register_callback(SNMP_CALLBACK_LIBRARY, SNMP_CALLBACK_LOGGING, on_log, a);
        snmp_register_callback(SNMP_CALLBACK_APPLICATION, SNMPD_CALLBACK_INDEX_START, on_connection, a);
        snmp_register_callback(SNMP_CALLBACK_APPLICATION, SNMPD_CALLBACK_INDEX_STOP, on_connection, a);
        configure_library(a->agentx);
        if (init_agent(PROGRAM) != 0)
                return log_error_errno(-EIO, "Cannot set up net-snmp");
        /* init_agent() has put its default there. */
        netsnmp_ds_set_int(NETSNMP_DS_APPLICATION_ID, NETSNMP_DS_AGENT_AGENTX_PING_INTERVAL, PING_INTERVAL_S);
        int k = tables_new(&a->tables, a->feed);
        if (k >= 0)
                k = notifier_new(&a->notifier, socket, a->feed, a->tables);
        if (k < 0)
                return log_error_errno(k, "Cannot register the MIB with net-snmp");
        init_snmp(PROGRAM);
        if (!a->connected)
                connection_changed(a, false);
        return 0;
}

int agent_new(Agent **ret, const char *agentx, const char *socket, Feed *feed, Indexes *indexes) {
        Agent *a = calloc(1, sizeof(Agent));

        if (!a)
                return log_oom();
        *a = (Agent) { .agentx = strdup(agentx), .feed = feed, .indexes = indexes, .signals = -1 };
        int k = a->agentx ? start(a, socket) : log_oom();
        if (k < 0) {
                agent_free(a);
                return k;
        }
        *ret = a;
        return 0;
}

Agent *agent_free(Agent *a) {
        if (!a)
                return NULL;
        /* snmp_shutdown() would free what the callbacks were given. */
        snmp_unregister_callback(SNMP_CALLBACK_APPLICATION, SNMPD_CALLBACK_INDEX_START, on_connection, a, 1);
        snmp_unregister_callback(SNMP_CALLBACK_APPLICATION, SNMPD_CALLBACK_INDEX_STOP, on_connection, a, 1);
        snmp_unregister_callback(SNMP_CALLBACK_LIBRARY, SNMP_CALLBACK_LOGGING, on_log, a, 1);
        if (a->tables) {
                snmp_shutdown(PROGRAM);
                shutdown_agent();
        }
        notifier_free(a->notifier);
        tables_free(a->tables);
        if (a->signals >= 0)
                close(a->signals);
        free(a->agentx);
        free(a);
        return NULL;
}

/* ---- the loop ---- */

/* After the answers have gone out: nobody waits for the disk. */
static void save_indexes(Agent *a) {
        uint64_t now_ns = feed_clock_ns();

        if (now_ns < a->save_ns)
                return;
        int k = indexes_save(a->indexes);
        if (k < 0 && a->save_ns == 0)
                log_warning("Cannot save the indexes of the rows, trying again every minute: %s", strerror(-k));
        if (k > 0 && a->save_ns > 0)
                log_info("The indexes of the rows can be saved again");
        if (k != 0)
                a->save_ns = k < 0 ? now_ns + NSEC_PER_MINUTE : 0;
}

static struct timeval until(uint64_t due_ns, uint64_t now_ns) {
        uint64_t us = due_ns > now_ns ? (due_ns - now_ns) / NSEC_PER_USEC + 1 : 0;

        return (struct timeval) { (time_t) (us / USEC_PER_SEC), (suseconds_t) (us % USEC_PER_SEC) };
}

/* Waits for whatever comes next, but not beyond due_ns, and handles it. 1: we were told to end. */
static int turn(Agent *a, uint64_t due_ns) {
        struct timeval timeout = until(MIN(due_ns, notifier_due_ns(a->notifier)), feed_clock_ns());
        const int own[] = { a->signals, notifier_fd(a->notifier) };
        netsnmp_large_fd_set fds;
        int n = 0, block = 0;

        netsnmp_large_fd_set_init(&fds, FD_SETSIZE);
        NETSNMP_LARGE_FD_ZERO(&fds);
        snmp_select_info2(&n, &fds, &timeout, &block);
        for (size_t i = 0; i < ELEMENTSOF(own); i++)
                if (own[i] >= 0) {
                        NETSNMP_LARGE_FD_SET(own[i], &fds);
                        n = MAX(n, own[i] + 1);
                }
        int k = netsnmp_large_fd_set_select(n, &fds, NULL, NULL, &timeout);
        bool ended = k > 0 && NETSNMP_LARGE_FD_ISSET(own[0], &fds);
        bool readable = k > 0 && own[1] >= 0 && NETSNMP_LARGE_FD_ISSET(own[1], &fds);
        if (k > 0) {
                for (size_t i = 0; i < ELEMENTSOF(own); i++)
                        if (own[i] >= 0)
                                NETSNMP_LARGE_FD_CLR(own[i], &fds);
                snmp_read2(&fds);
        } else if (k == 0)
                snmp_timeout();
        netsnmp_large_fd_set_cleanup(&fds);
        if (k < 0 && errno != EINTR)
                return -errno;
        run_alarms();
        netsnmp_check_outstanding_agent_requests();
        notifier_work(a->notifier, readable, a->connected, feed_clock_ns());
        save_indexes(a);
        return ended;
}

int agent_run(Agent *a) {
        uint64_t watchdog_us = 0, due_ns = NSEC_INFINITY;
        int k = 0;

        sd_notify(false, "READY=1");
        if (sd_watchdog_enabled(false, &watchdog_us) > 0)
                due_ns = 0;
        while (k == 0) {
                if (feed_clock_ns() >= due_ns) {
                        (void) service_notify("WATCHDOG=1");
                        due_ns = feed_clock_ns() + watchdog_us / 3 * NSEC_PER_USEC;
                }
                k = turn(a, MIN(due_ns, feed_clock_ns() + NSEC_PER_MINUTE));
        }
        if (k < 0)
                return log_error_errno(k, "Cannot wait for requests");
        (void) service_notify("STOPPING=1");
        return 0;
}
