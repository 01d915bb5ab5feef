/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <sys/prctl.h>
#include <systemd/sd-event.h>

#include "basic/clock.h"
#include "basic/log.h"
#include "basic/privileges.h"
#include "basic/service.h"
#include "prober/prober.h"

#define USER_AGENT "pointsman-prober/" PACKAGE_VERSION

static void help(void) {
        printf("pointsman-prober [OPTION…]\n"
               "\n"
               "Carries out the health probes that pointsmand asks for, and reports what came of them.\n"
               "\n"
               "  --socket PATH           where pointsmand listens (default: $POINTSMAN_SOCKET, else\n"
               "                          /run/pointsman/pointsman.sock)\n"
               "  --credentials-dir DIR   a folder with a file for each credential, readable by the prober alone\n"
               "                          (default: the credentials that systemd passes, see systemd.exec(5))\n"
               "  --max-probes N          probes at once, 1 to %d (default: %d)\n"
               "  --proxy URL             send the probes through this proxy (default: none, whatever the environment says)\n"
               "  --ca-file FILE          trust the certificate authorities in this PEM file instead of the system's\n"
               "  --log-level LEVEL       " LOG_LEVELS " (default: info)\n"
               "  --help, --version\n",
               PROBER_PROBES_MAX, PROBER_PROBES_DEFAULT);
}

static int parse_number(const char *s, unsigned max, unsigned *ret) {
        char *end;

        errno = 0;
        unsigned long n = strtoul(s, &end, 10);
        if (errno || *end || !(*s >= '0' && *s <= '9') || n < 1 || n > max)
                return -EINVAL;
        *ret = (unsigned) n;
        return 0;
}

/* 1: go on; 0: that was all; negative: wrong usage, which has been said. */
static int parse_arguments(int argc, char **argv, ProberSettings *s) {
        enum { ARG_SOCKET = 256, ARG_CREDENTIALS_DIR, ARG_MAX_PROBES, ARG_PROXY, ARG_CA_FILE, ARG_LOG_LEVEL, ARG_HELP, ARG_VERSION };
        static const struct option options[] = {
                { "socket", required_argument, NULL, ARG_SOCKET },
                { "credentials-dir", required_argument, NULL, ARG_CREDENTIALS_DIR },
                { "max-probes", required_argument, NULL, ARG_MAX_PROBES },
                { "proxy", required_argument, NULL, ARG_PROXY },
                { "ca-file", required_argument, NULL, ARG_CA_FILE },
                { "log-level", required_argument, NULL, ARG_LOG_LEVEL },
                { "help", no_argument, NULL, ARG_HELP },
                { "version", no_argument, NULL, ARG_VERSION },
                {},
        };

        for (int c; (c = getopt_long(argc, argv, "", options, NULL)) >= 0;)
                switch (c) {
                case ARG_SOCKET:
                        s->socket = optarg;
                        break;
                case ARG_CREDENTIALS_DIR:
                        s->credentials_dir = optarg;
                        break;
                case ARG_MAX_PROBES:
                        if (parse_number(optarg, PROBER_PROBES_MAX, &s->probes_max) < 0)
                                return log_error_errno(-EINVAL, "--max-probes %s: want a number from 1 to %u", optarg, PROBER_PROBES_MAX);
                        break;
                case ARG_PROXY:
                        s->transfer.proxy = optarg;
                        break;
                case ARG_CA_FILE:
                        if (access(optarg, R_OK) < 0)
                                return log_error_errno(-errno, "--ca-file %s", optarg);
                        s->transfer.ca_file = optarg;
                        break;
                case ARG_LOG_LEVEL: {
                        int level = log_level_from_string(optarg);
                        if (level < 0)
                                return log_error_errno(-EINVAL, "--log-level %s: want error, warning, notice, info or debug", optarg);
                        log_max_level = level;
                        break;
                }
                case ARG_HELP:
                        help();
                        return 0;
                case ARG_VERSION:
                        puts(PACKAGE_STRING);
                        return 0;
                default:
                        return -EINVAL; /* getopt has said what is wrong */
                }
        if (optind < argc)
                return log_error_errno(-EINVAL, "%s: there are no arguments, only options", argv[optind]);
        return 1;
}

static int on_hangup(sd_event_source *source _unused_, const struct signalfd_siginfo *si _unused_, void *userdata) {
        Prober **prober = userdata;

        (void) service_notifyf("RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long) (clock_ns(CLOCK_MONOTONIC) / NSEC_PER_USEC));
        (void) prober_reload(*prober);
        service_ready();
        return 0;
}

static int run(const ProberSettings *settings) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(prober_freep) Prober *prober = NULL;
        sigset_t signals;

        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGHUP);
        if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
                return log_error_errno(-errno, "Cannot block signals");
        signal(SIGPIPE, SIG_IGN);

        int k = sd_event_default(&event);
        if (k >= 0)
                k = sd_event_add_signal(event, NULL, SIGTERM, NULL, NULL);
        if (k >= 0)
                k = sd_event_add_signal(event, NULL, SIGINT, NULL, NULL);
        if (k >= 0)
                k = sd_event_add_signal(event, NULL, SIGHUP, on_hangup, &prober);
        if (k >= 0)
                k = service_attach(event);
        if (k < 0)
                return log_error_errno(k, "Cannot set up the event loop");
        k = prober_new(event, settings, &prober);
        if (k < 0)
                return k;

        service_ready();
        log_may_wait = false;
        k = sd_event_loop(event);
        (void) service_notify("STOPPING=1");
        return k < 0 ? log_error_errno(k, "The event loop failed") : 0;
}

int main(int argc, char **argv) {
        ProberSettings settings = {
                .transfer.user_agent = USER_AGENT,
                .probes_max = PROBER_PROBES_DEFAULT,
        };

        /* Credentials pass through our memory: no core dump, and no other process of our user looks into it. */
        if (prctl(PR_SET_DUMPABLE, 0) < 0)
                return log_error_errno(-errno, "Cannot switch core dumps off"), EXIT_FAILURE;

        int k = parse_arguments(argc, argv, &settings);
        if (k < 0)
                return 2; /* as usual for wrong usage; systemd.exec(5) calls it INVALIDARGUMENT */
        if (k == 0)
                return EXIT_SUCCESS;
        k = privileges_drop();
        if (k < 0)
                return log_error_errno(k, "Cannot give up privileges"), EXIT_FAILURE;
        return run(&settings) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
