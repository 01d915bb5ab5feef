/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>

#include "basic/log.h"
#include "basic/macro.h"
#include "basic/privileges.h"
#include "pointsman/pointsman.h"
#include "snmp/agent.h"

#define STATE_DIR_DEFAULT "/var/lib/pointsman-snmp"

DEFINE_CLEANUP(Agent *, agent_free);
DEFINE_CLEANUP(Feed *, feed_free);
DEFINE_CLEANUP(Indexes *, indexes_free);

static const char *arg_socket; /* NULL: the library's default */
static const char *arg_agentx = AGENTX_DEFAULT;
static const char *arg_state_dir;

static void help(void) {
        puts("pointsman-snmp [OPTIONS]\n"
             "\n"
             "Shows the state of pointsmand over SNMP, as an AgentX subagent of snmpd (POINTSMAN-MIB).\n"
             "\n"
             "  --socket PATH        pointsmand's socket\n"
             "                       (default: $POINTSMAN_SOCKET, else " POINTSMAN_DEFAULT_SOCKET ")\n"
             "  --agentx ADDRESS     snmpd's AgentX socket, a path or tcp:HOST:PORT (default: " AGENTX_DEFAULT ")\n"
             "  --state-dir DIR      where the indexes of the rows are kept, so that they stay the same\n"
             "                       (default: $STATE_DIRECTORY, else " STATE_DIR_DEFAULT ")\n"
             "  --log-level LEVEL    " LOG_LEVELS " (default: info)\n"
             "  --help               show this and exit\n"
             "  --version            show the version and exit\n"
             "\n"
             "See pointsman-snmp(8).");
}

static int set_log_level(const char *name) {
        int level = log_level_from_string(name);

        if (level < 0) {
                log_error("--log-level: \"%s\" is none of " LOG_LEVELS, name);
                return level;
        }
        log_max_level = level;
        return 0;
}

/* 1: go on; 0: all is done. */
static int parse_arguments(int argc, char **argv) {
        enum { ARG_SOCKET = 256, ARG_AGENTX, ARG_STATE_DIR, ARG_LOG_LEVEL, ARG_HELP, ARG_VERSION };
        static const struct option options[] = {
                { "socket", required_argument, NULL, ARG_SOCKET },
                { "agentx", required_argument, NULL, ARG_AGENTX },
                { "state-dir", required_argument, NULL, ARG_STATE_DIR },
                { "log-level", required_argument, NULL, ARG_LOG_LEVEL },
                { "help", no_argument, NULL, ARG_HELP },
                { "version", no_argument, NULL, ARG_VERSION },
                {},
        };
        int c;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (c) {
                case ARG_SOCKET:
                        arg_socket = optarg;
                        break;
                case ARG_AGENTX:
                        arg_agentx = optarg;
                        break;
                case ARG_STATE_DIR:
                        arg_state_dir = optarg;
                        break;
                case ARG_LOG_LEVEL:
                        if (set_log_level(optarg) < 0)
                                return -EINVAL;
                        break;
                case ARG_HELP:
                        help();
                        return 0;
                case ARG_VERSION:
                        puts("pointsman-snmp " PACKAGE_VERSION);
                        return 0;
                default:
                        return -EINVAL; /* getopt has said why */
                }
        if (optind < argc) {
                log_error("There are no arguments besides options, but \"%s\" was given; see --help", argv[optind]);
                return -EINVAL;
        }
        return 1;
}

static int open_indexes(Indexes **ret) {
        char path[PATH_MAX];

        if ((size_t) snprintf(path, sizeof(path), "%s/indexes", arg_state_dir) >= sizeof(path)) {
                log_error("--state-dir: the path is too long");
                return -ENAMETOOLONG;
        }
        int k = indexes_new(ret, path);
        if (k == INDEXES_DAMAGED)
                log_warning("Some lines of %s are not understood and left out", path);
        if (k >= 0 || k == -ENOMEM)
                return k < 0 ? log_oom() : 0;
        /* What cannot be read must not be written over. */
        log_warning("Cannot read %s, indexes are only worked out from the names: %s", path, strerror(-k));
        k = indexes_new(ret, NULL);
        return k < 0 ? log_oom() : 0;
}

static int run(void) {
        _cleanup_(indexes_freep) Indexes *indexes = NULL;
        _cleanup_(feed_freep) Feed *feed = NULL;
        _cleanup_(agent_freep) Agent *agent = NULL;
        sigset_t mask;

        sigemptyset(&mask);
        sigaddset(&mask, SIGTERM);
        sigaddset(&mask, SIGINT);
        sigprocmask(SIG_BLOCK, &mask, NULL);
        signal(SIGPIPE, SIG_IGN); /* net-snmp writes to a snmpd that may be gone */

        int k = open_indexes(&indexes);
        if (k < 0)
                return k;
        k = feed_new(&feed, arg_socket, indexes);
        if (k < 0)
                return log_oom();
        k = agent_new(&agent, arg_agentx, arg_socket, feed, indexes);
        if (k < 0)
                return k;
        log_may_wait = false;
        return agent_run(agent);
}

int main(int argc, char **argv) {
        arg_state_dir = getenv("STATE_DIRECTORY") ?: STATE_DIR_DEFAULT;
        int k = parse_arguments(argc, argv);

        if (k < 0)
                return 2;
        if (k == 0)
                return EXIT_SUCCESS;
        k = privileges_drop();
        if (k < 0)
                return log_error_errno(k, "Cannot give up privileges"), EXIT_FAILURE;
        return run() >= 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
