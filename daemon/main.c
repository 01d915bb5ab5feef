/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <getopt.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "basic/log.h"
#include "basic/privileges.h"
#include "config.h"
#include "daemon/manager.h"

static void help(void) {
        printf("Usage: pointsmand [OPTION…]\n\n"
               "Tells every program on this host which external provider to call next.\n\n"
               "  --config FILE        configuration [" SYSCONFDIR "/pointsman/pointsman.conf]\n"
               "  --socket PATH        Unix socket to listen on, unless systemd passes one [/run/pointsman/pointsman.sock]\n"
               "  --state-dir DIR      what is to survive a restart [$STATE_DIRECTORY or /var/lib/pointsman]\n"
               "  --runtime-dir DIR    where open decisions outlive the daemon [$RUNTIME_DIRECTORY or the socket's folder]\n"
               "  --provider-dir DIR   provider plugins [" PROVIDER_DIR "]\n"
               "  --bus ADDRESS        D-Bus: an address, \"system\", \"session\" or \"none\" [system]\n"
               "  --check              check the configuration, print every mistake, and exit\n"
               "  --log-level LEVEL    " LOG_LEVELS " [as configured]\n"
               "  -h, --help           this text\n"
               "  --version            the version\n\n"
               "Exit status: 0 stopped in order or the configuration is good, 1 trouble, 2 wrong usage,\n"
               "78 not started because of the configuration. See pointsmand(8).\n");
}

typedef struct Arguments {
        ManagerOptions options;
        bool check;
        int log_level; /* -1: as configured */
} Arguments;

/* 0: go on; positive: exit with that less one. */
static int parse_arguments(int argc, char **argv, Arguments *a) {
        enum { CONFIG = 0x100, SOCKET, STATE_DIR, RUNTIME_DIR, PROVIDERS, BUS, CHECK, LOG_LEVEL, SHOW_VERSION };
        static const struct option options[] = {
                { "config", required_argument, NULL, CONFIG }, { "socket", required_argument, NULL, SOCKET },
                { "state-dir", required_argument, NULL, STATE_DIR }, { "runtime-dir", required_argument, NULL, RUNTIME_DIR },
                { "provider-dir", required_argument, NULL, PROVIDERS },
                { "bus", required_argument, NULL, BUS }, { "check", no_argument, NULL, CHECK },
                { "log-level", required_argument, NULL, LOG_LEVEL }, { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, SHOW_VERSION }, {},
        };
        int c;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (c) {
                case CONFIG: a->options.config = optarg; break;
                case SOCKET: a->options.socket = optarg; break;
                case STATE_DIR: a->options.state_dir = optarg; break;
                case RUNTIME_DIR: a->options.runtime_dir = optarg; break;
                case PROVIDERS: a->options.provider_dir = optarg; break;
                case BUS: a->options.bus = optarg; break;
                case CHECK: a->check = true; break;
                case LOG_LEVEL:
                        a->log_level = log_level_from_string(optarg);
                        if (a->log_level >= 0)
                                break;
                        fprintf(stderr, "pointsmand: --log-level %s: allowed are " LOG_LEVELS "\n", optarg);
                        return 1 + 2;
                case 'h': help(); return 1;
                case SHOW_VERSION: puts(PACKAGE_STRING); return 1;
                default: return 1 + 2;
                }
        if (optind < argc) {
                fprintf(stderr, "pointsmand: unexpected argument \"%s\"; see pointsmand --help\n", argv[optind]);
                return 1 + 2;
        }
        return 0;
}

int main(int argc, char **argv) {
        Arguments a = {
                .options = {
                        .config = SYSCONFDIR "/pointsman/pointsman.conf",
                        .socket = "/run/pointsman/pointsman.sock",
                        .state_dir = getenv("STATE_DIRECTORY") ?: "/var/lib/pointsman",
                        .runtime_dir = getenv("RUNTIME_DIRECTORY"),
                        .provider_dir = PROVIDER_DIR,
                        .bus = "system",
                },
                .log_level = -1,
        };
        Manager *m = NULL;

        int r = parse_arguments(argc, argv, &a);
        if (r > 0)
                return r - 1;
        if (a.check)
                return manager_check(&a.options) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;

        r = privileges_drop();
        if (r < 0)
                return log_error_errno(r, "Cannot give up privileges"), EXIT_FAILURE;
        umask(0027);
        a.options.log_level = a.log_level;
        r = manager_new(&m, &a.options);
        if (r == -EBADMSG)
                return EX_CONFIG;
        if (r == 0)
                r = manager_run(m);
        manager_free(m);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
