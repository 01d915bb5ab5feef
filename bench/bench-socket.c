/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A decision over the Unix socket against a bare echo of the same bytes over the same kind of socket, in the same run, in
 * alternating rounds. The caller does what a real one does: with each Route it sends the oneway Report of the call before.
 *
 *     bench-socket [--rounds N] [--calls N] [--json] [POINTSMAND PLUGIN-DIR]
 */
#include <getopt.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/common.h"

/* ---- the floor ---- */

/* Answers each batch that ends in a NUL with reply_size bytes, as fast as a single thread can. */
static _Noreturn void echo(int listener, size_t request_size, size_t reply_size) {
        char in[FRAME_MAX], out[FRAME_MAX];

        memset(out, 'x', sizeof(out));
        int fd = accept(listener, NULL, NULL);
        for (size_t n = 0;;) {
                ssize_t k = recv(fd, in, request_size - n, 0);
                if (k <= 0)
                        _exit(0);
                n += (size_t) k;
                if (n == request_size) {
                        send_all(fd, out, reply_size);
                        n = 0;
                }
        }
}

static pid_t start_echo(const char *path, size_t request_size, size_t reply_size) {
        int fd = listen_at(path);

        pid_t pid = fork();
        if (pid == 0)
                echo(fd, request_size, reply_size);
        close(fd);
        return pid;
}

/* ---- rounds ---- */

typedef struct Round {
        double p50, p99; /* µs */
} Round;

static Round run_decisions(int fd, size_t calls, double *times, size_t *ret_request, size_t *ret_reply) {
        char request[FRAME_MAX], reply[FRAME_MAX], id[ID_MAX] = "";

        for (size_t i = 0; i < calls; i++) {
                size_t n = write_calls(request, id[0] ? id : NULL);
                uint64_t t = now_ns();
                send_all(fd, request, n);
                size_t k = receive_frame(fd, reply, sizeof(reply));
                times[i] = (double) (now_ns() - t) / 1e3;
                find_id(reply, id);
                *ret_request = n;
                *ret_reply = k;
        }
        /* Report the last one too, so that nothing stays open from round to round. */
        send_all(fd, request, write_report(request, id));
        return (Round) { percentile(times, calls, 0.5), percentile(times, calls, 0.99) };
}

static Round run_echo(int fd, size_t calls, double *times, size_t request_size, size_t reply_size) {
        char request[FRAME_MAX] = {}, reply[FRAME_MAX];

        for (size_t i = 0; i < calls; i++) {
                uint64_t t = now_ns();
                send_all(fd, request, request_size);
                for (size_t n = 0; n < reply_size;) {
                        ssize_t k = recv(fd, reply + n, reply_size - n, 0);
                        if (k <= 0)
                                die("recv");
                        n += (size_t) k;
                }
                times[i] = (double) (now_ns() - t) / 1e3;
        }
        return (Round) { percentile(times, calls, 0.5), percentile(times, calls, 0.99) };
}

int main(int argc, char **argv) {
        static const struct option options[] = {
                { "rounds", required_argument, NULL, 'r' }, { "calls", required_argument, NULL, 'c' }, { "json", no_argument, NULL, 'j' }, {},
        };
        size_t rounds = 9, calls = 20000, request_size = 0, reply_size = 0;
        int c, json = 0;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (c) {
                case 'r': rounds = MAX(strtoul(optarg, NULL, 10), 1UL); break;
                case 'c': calls = MAX(strtoul(optarg, NULL, 10), 100UL); break;
                case 'j': json = 1; break;
                default: return 2;
                }
        if (argc != optind && argc != optind + 2) {
                fprintf(stderr, "Usage: bench-socket [--rounds N] [--calls N] [--json] [POINTSMAND PLUGIN-DIR]\n");
                return 2;
        }
        const char *program = argc > optind ? argv[optind] : POINTSMAND, *plugins = argc > optind ? argv[optind + 1] : PLUGINS;

        BenchDaemon daemon = {};
        char echo_path[64];
        double *times = calloc(calls, sizeof(double)), *ratios = calloc(rounds, sizeof(double)), *ours = calloc(rounds, sizeof(double)),
               *theirs = calloc(rounds, sizeof(double)), *tails = calloc(rounds, sizeof(double));
        if (!times || !ratios || !ours || !theirs || !tails)
                die("calloc");

        daemon_start(&daemon, program, plugins, "none");
        snprintf(echo_path, sizeof(echo_path), "%s/e", daemon.directory);
        int daemon_fd = connect_to(daemon.socket);
        run_decisions(daemon_fd, calls, times, &request_size, &reply_size);
        pid_t echoer = start_echo(echo_path, request_size, reply_size);
        int echo_fd = connect_to(echo_path);
        run_echo(echo_fd, calls, times, request_size, reply_size);

        /* The echo keeps the sizes it was started with; a decision's differ by a byte or two from call to call. */
        for (size_t i = 0; i < rounds; i++) {
                size_t n, k;
                Round d = run_decisions(daemon_fd, calls, times, &n, &k);
                Round e = run_echo(echo_fd, calls, times, request_size, reply_size);
                ours[i] = d.p50;
                theirs[i] = e.p50;
                ratios[i] = d.p50 / e.p50;
                tails[i] = d.p99 / e.p99;
        }
        close(echo_fd);
        waitpid(echoer, NULL, 0);
        daemon_stop(&daemon);

        double p50 = percentile(ours, rounds, 0.5), floor50 = percentile(theirs, rounds, 0.5), ratio = percentile(ratios, rounds, 0.5),
               tail = percentile(tails, rounds, 0.5);
        if (json)
                printf("{\"bench\":\"socket\",\"rounds\":%zu,\"calls\":%zu,\"requestBytes\":%zu,\"replyBytes\":%zu,\"decisionP50Us\":%.2f,"
                       "\"echoP50Us\":%.2f,\"ratioP50\":%.3f,\"ratioP99\":%.3f}\n", rounds, calls, request_size, reply_size, p50, floor50,
                       ratio, tail);
        else {
                printf("A decision over the socket (Route, and the Report of the call before), medians of %zu rounds of %zu calls\n\n", rounds, calls);
                printf("  %-34s %8.2f µs p50\n", "pointsmand", p50);
                printf("  %-34s %8.2f µs p50   (%zu bytes there, %zu back)\n", "bare echo of the same bytes", floor50, request_size, reply_size);
                printf("  %-34s %8.3f p50   %.3f p99\n", "ratio (aim: at most 1.15)", ratio, tail);
        }
        return 0;
}
