/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A decision over the Unix socket against a bare echo of the same bytes over the same kind of socket, in the same run, in
 * alternating rounds: as a real caller asks for it, with the oneway Report of the call before in the same message, and Route by
 * itself. How long a process takes to wake another depends on whether they share a processor, which a scheduler may decide
 * otherwise for the daemon than for the echo; so both are put on the caller's processor in one round, and on another in the next.
 *
 *     bench-socket [--rounds N] [--calls N] [--json] [POINTSMAND PLUGIN-DIR]
 */
#include <getopt.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/socket.h>
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

/* ---- where they run ---- */

#define PROCESSORS_MAX 2

/* The first processors that we may use. */
static size_t find_processors(int ret[PROCESSORS_MAX]) {
        cpu_set_t allowed;
        size_t n = 0;

        if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
                die("sched_getaffinity");
        for (int i = 0; i < CPU_SETSIZE && n < PROCESSORS_MAX; i++)
                if (CPU_ISSET(i, &allowed))
                        ret[n++] = i;
        return n;
}

/* Of the daemon it is the thread that answers: what writes to the disk may run elsewhere, as it does otherwise. */
static void put_on(pid_t pid, int processor) {
        cpu_set_t set;

        CPU_ZERO(&set);
        CPU_SET(processor, &set);
        if (sched_setaffinity(pid, sizeof(set), &set) < 0)
                die("sched_setaffinity");
}

/* ---- rounds ---- */

typedef struct Peer {
        pid_t pid;
        int fd;
} Peer;

/* What is measured. */
typedef struct Kind {
        const char *name, *key;
        bool with_report;
        size_t request_size, reply_size; /* of the echo; a decision's differ by a byte or two from call to call */
        Peer echo;
} Kind;

typedef struct Round {
        double p50, p99; /* µs */
} Round;

static Round figures(double *times, size_t n) {
        return (Round) { percentile(times, n, 0.5), percentile(times, n, 0.99) };
}

/* Returns how long it took, in µs. */
static double exchange(int fd, const char *request, size_t n, char *reply, size_t *ret_reply) {
        uint64_t t = now_ns();

        send_all(fd, request, n);
        *ret_reply = receive_frame(fd, reply, FRAME_MAX);
        return (double) (now_ns() - t) / 1e3;
}

/* Outside of what is measured: when the call that follows it is answered, it has been dealt with. */
static void report(int fd, const char *id) {
        static const char barrier[] = "{\"method\":\"org.varlink.service.GetInfo\"}";
        char request[FRAME_MAX], reply[FRAME_MAX];
        size_t n = write_report(request, id), k;

        memcpy(request + n, barrier, sizeof(barrier));
        exchange(fd, request, n + sizeof(barrier), reply, &k);
}

static Round run_decisions(int fd, bool with_report, size_t calls, double *times, size_t *ret_request, size_t *ret_reply) {
        char request[FRAME_MAX], reply[FRAME_MAX], id[ID_MAX] = "";

        for (size_t i = 0; i < calls; i++) {
                if (id[0] && !with_report)
                        report(fd, id);
                *ret_request = write_calls(request, id[0] && with_report ? id : NULL);
                times[i] = exchange(fd, request, *ret_request, reply, ret_reply);
                find_id(reply, id);
        }
        /* The last one too, so that nothing stays open from round to round. */
        report(fd, id);
        return figures(times, calls);
}

static Round run_echo(const Kind *kind, size_t calls, double *times) {
        char request[FRAME_MAX] = {}, reply[FRAME_MAX];

        for (size_t i = 0; i < calls; i++) {
                uint64_t t = now_ns();
                send_all(kind->echo.fd, request, kind->request_size);
                for (size_t n = 0; n < kind->reply_size;) {
                        ssize_t k = recv(kind->echo.fd, reply + n, kind->reply_size - n, 0);
                        if (k <= 0)
                                die("recv");
                        n += (size_t) k;
                }
                times[i] = (double) (now_ns() - t) / 1e3;
        }
        return figures(times, calls);
}

/* ---- the whole ---- */

/* Of one kind in one place, round by round. */
typedef struct Series {
        double *ours, *theirs, *ratios, *tails;
} Series;

static double *new_array(size_t n) {
        double *v = calloc(n, sizeof(double));

        if (!v)
                die("calloc");
        return v;
}

static void measure(const Peer *daemon, const Kind *kind, size_t calls, Series *s, size_t round) {
        double *times = new_array(calls);
        size_t n, k;
        Round d = run_decisions(daemon->fd, kind->with_report, calls, times, &n, &k), e = run_echo(kind, calls, times);

        s->ours[round] = d.p50;
        s->theirs[round] = e.p50;
        s->ratios[round] = d.p50 / e.p50;
        s->tails[round] = d.p99 / e.p99;
        free(times);
}

static void print(const Kind *kind, size_t processors, const Series *s, size_t rounds, bool json) {
        double ours = percentile(s->ours, rounds, 0.5), theirs = percentile(s->theirs, rounds, 0.5),
               ratio = percentile(s->ratios, rounds, 0.5), tail = percentile(s->tails, rounds, 0.5);

        if (json)
                printf("{\"call\":\"%s\",\"processors\":%zu,\"requestBytes\":%zu,\"replyBytes\":%zu,\"decisionP50Us\":%.2f,\"echoP50Us\":%.2f,"
                       "\"ratioP50\":%.3f,\"ratioP99\":%.3f}", kind->key, processors, kind->request_size, kind->reply_size, ours, theirs,
                       ratio, tail);
        else
                printf("  %-40s %10zu %12.2f %12.2f %12.3f %9.3f\n", kind->name, processors, ours, theirs, ratio, tail);
}

static void print_all(const Kind *kinds, size_t n_kinds, Series series[][PROCESSORS_MAX], size_t places, size_t rounds, size_t calls, bool json) {
        if (json)
                printf("{\"bench\":\"socket\",\"rounds\":%zu,\"calls\":%zu,\"results\":[", rounds, calls);
        else
                printf("A decision over the socket and a bare echo of the same bytes, medians of %zu rounds of %zu calls\n\n"
                       "  %-40s %10s %13s %12s %12s %9s\n", rounds, calls, "", "processors", "µs p50", "echo, µs", "ratio p50", "p99");
        for (size_t i = 0; i < n_kinds; i++)
                for (size_t place = 0; place < places; place++) {
                        print(&kinds[i], place + 1, &series[i][place], rounds, json);
                        if (json && (i + 1 < n_kinds || place + 1 < places))
                                printf(",");
                }
        printf(json ? "]}\n" : "\n  aim on one processor: a ratio of at most 1.15 at p50. On two it is the idle processor that takes its time to wake (docs/decisions.md 30)\n");
}

static void run(const char *program, const char *plugins, size_t rounds, size_t calls, bool json) {
        Kind kinds[] = {
                { .name = "Route, and the Report of the call before", .key = "routeAndReport", .with_report = true },
                { .name = "Route", .key = "route" },
        };
        Series series[ELEMENTSOF(kinds)][PROCESSORS_MAX];
        double *times = new_array(calls);
        int processors[PROCESSORS_MAX];
        size_t places = find_processors(processors);
        BenchDaemon daemon = {};
        char path[64];

        daemon_start(&daemon, program, plugins, "none");
        put_on(0, processors[0]);
        Peer us = { daemon.pid, connect_to(daemon.socket) };
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                Kind *k = &kinds[i];
                run_decisions(us.fd, k->with_report, calls, times, &k->request_size, &k->reply_size);
                snprintf(path, sizeof(path), "%s/%zu", daemon.directory, i);
                k->echo.pid = start_echo(path, k->request_size, k->reply_size);
                k->echo.fd = connect_to(path);
                run_echo(k, calls, times);
                for (size_t place = 0; place < places; place++)
                        series[i][place] = (Series) { new_array(rounds), new_array(rounds), new_array(rounds), new_array(rounds) };
        }
        for (size_t round = 0; round < rounds; round++)
                for (size_t place = 0; place < places; place++)
                        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                                put_on(us.pid, processors[place]);
                                put_on(kinds[i].echo.pid, processors[place]);
                                measure(&us, &kinds[i], calls, &series[i][place], round);
                        }
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                close(kinds[i].echo.fd);
                stop(kinds[i].echo.pid);
        }
        daemon_stop(&daemon);
        print_all(kinds, ELEMENTSOF(kinds), series, places, rounds, calls, json);
}

int main(int argc, char **argv) {
        static const struct option options[] = {
                { "rounds", required_argument, NULL, 'r' }, { "calls", required_argument, NULL, 'c' }, { "json", no_argument, NULL, 'j' }, {},
        };
        size_t rounds = 9, calls = 20000;
        bool json = false;
        int c;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (c) {
                case 'r': rounds = MAX(strtoul(optarg, NULL, 10), 1UL); break;
                case 'c': calls = MAX(strtoul(optarg, NULL, 10), 100UL); break;
                case 'j': json = true; break;
                default: return 2;
                }
        if (argc != optind && argc != optind + 2) {
                fprintf(stderr, "Usage: bench-socket [--rounds N] [--calls N] [--json] [POINTSMAND PLUGIN-DIR]\n");
                return 2;
        }
        run(argc > optind ? argv[optind] : POINTSMAND, argc > optind ? argv[optind + 1] : PLUGINS, rounds, calls, json);
        return 0;
}
