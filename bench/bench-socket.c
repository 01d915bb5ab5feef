/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A decision over the Unix socket against a bare echo of the same bytes over the same kind of socket, in the same run, in
 * alternating rounds. The caller does what a real one does: with each Route it sends the oneway Report of the call before.
 *
 *     bench-socket [--rounds N] [--calls N] [--json] [POINTSMAND PLUGIN-DIR]
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "basic/macro.h"

#define FRAME_MAX 8192

static const char configuration[] =
        "services = { bench = { strategy = \"HEALTH_BASED\";\n"
        "  load_balancing = { health_check_interval = 0; };\n"
        "  nodes = {\n"
        "    a = { provider = \"mapbox\"; url = \"http://127.0.0.1:1\"; weight = 60; cost_per_request = 0.005; };\n"
        "    b = { provider = \"google\"; url = \"http://127.0.0.1:2\"; weight = 30; cost_per_request = 0.008; };\n"
        "    c = { provider = \"here\"; url = \"http://127.0.0.1:3\"; weight = 10; cost_per_request = 0.006; };\n"
        "  }; }; };\n";

static void die(const char *what) {
        fprintf(stderr, "bench-socket: %s: %s\n", what, strerror(errno));
        exit(EXIT_FAILURE);
}

static uint64_t now_ns(void) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * 1000000000 + (uint64_t) ts.tv_nsec;
}

static int connect_to(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
        if (fd < 0)
                die("socket");
        if (connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0) {
                close(fd);
                return -1;
        }
        return fd;
}

static void send_all(int fd, const char *data, size_t n) {
        while (n > 0) {
                ssize_t k = send(fd, data, n, MSG_NOSIGNAL);
                if (k < 0)
                        die("send");
                data += k;
                n -= (size_t) k;
        }
}

/* One frame with its NUL. */
static size_t receive_frame(int fd, char *buffer, size_t size) {
        size_t n = 0;

        while (n == 0 || buffer[n - 1] != 0) {
                ssize_t k = recv(fd, buffer + n, size - n, 0);
                if (k <= 0)
                        die("recv");
                n += (size_t) k;
        }
        return n;
}

/* ---- the two servers ---- */

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
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
        if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 || listen(fd, 8) < 0)
                die(path);
        pid_t pid = fork();
        if (pid == 0)
                echo(fd, request_size, reply_size);
        close(fd);
        return pid;
}

static pid_t start_daemon(const char *program, const char *plugins, const char *directory, const char *socket_path) {
        char config[256], state[256];

        snprintf(config, sizeof(config), "%s/pointsman.conf", directory);
        snprintf(state, sizeof(state), "%s/state", directory);
        FILE *f = fopen(config, "we");
        if (!f || fputs(configuration, f) < 0 || fclose(f) < 0)
                die(config);
        pid_t pid = fork();
        if (pid == 0) {
                execl(program, program, "--config", config, "--socket", socket_path, "--state-dir", state, "--provider-dir", plugins,
                      "--bus", "none", "--log-level", "warning", NULL);
                die(program);
        }
        return pid;
}

static int wait_for_daemon(pid_t pid, const char *path) {
        for (;;) {
                int fd = connect_to(path);
                if (fd >= 0)
                        return fd;
                if (waitpid(pid, NULL, WNOHANG) != 0) {
                        fprintf(stderr, "bench-socket: the daemon did not start\n");
                        exit(EXIT_FAILURE);
                }
                nanosleep(&(const struct timespec) { .tv_nsec = 1000000 }, NULL);
        }
}

/* ---- the caller ---- */

static const char route[] = "{\"method\":\"org.pointsman.routing.Route\",\"parameters\":{\"serviceName\":\"bench\",\"operation\":\"geocode\"}}";

static size_t make_request(char *buffer, const char *decision) {
        size_t n = 0;

        if (decision)
                n = (size_t) sprintf(buffer, "{\"method\":\"org.pointsman.routing.Report\",\"oneway\":true,\"parameters\":"
                                     "{\"decision\":\"%s\",\"httpStatus\":200,\"latencyMs\":41.5}}", decision) + 1;
        memcpy(buffer + n, route, sizeof(route));
        return n + sizeof(route);
}

static void find_id(const char *reply, char id[64]) {
        const char *p = strstr(reply, "\"id\":\"");

        if (!p || sscanf(p + 6, "%60[0-9a-f]", id) != 1) {
                fprintf(stderr, "bench-socket: not a decision: %s\n", reply);
                exit(EXIT_FAILURE);
        }
}

static int compare(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;
        return x < y ? -1 : x > y;
}

static double percentile(double *v, size_t n, double p) {
        qsort(v, n, sizeof(double), compare);
        return v[(size_t) ((double) (n - 1) * p)];
}

typedef struct Round {
        double p50, p99; /* µs */
} Round;

static Round run_decisions(int fd, size_t calls, double *times, size_t *ret_request, size_t *ret_reply) {
        char request[FRAME_MAX], reply[FRAME_MAX], id[64] = "";

        for (size_t i = 0; i < calls; i++) {
                size_t n = make_request(request, id[0] ? id : NULL);
                uint64_t t = now_ns();
                send_all(fd, request, n);
                size_t k = receive_frame(fd, reply, sizeof(reply));
                times[i] = (double) (now_ns() - t) / 1e3;
                find_id(reply, id);
                *ret_request = n;
                *ret_reply = k;
        }
        /* Report the last one too, so that nothing stays open from round to round. */
        size_t n = make_request(request, id) - sizeof(route);
        send_all(fd, request, n);
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

        char directory[] = "/tmp/pm-bench-XXXXXX", daemon_path[64], echo_path[64], command[80];
        if (!mkdtemp(directory))
                die("mkdtemp");
        snprintf(daemon_path, sizeof(daemon_path), "%s/d", directory);
        snprintf(echo_path, sizeof(echo_path), "%s/e", directory);
        double *times = calloc(calls, sizeof(double)), *ratios = calloc(rounds, sizeof(double)), *ours = calloc(rounds, sizeof(double)),
               *theirs = calloc(rounds, sizeof(double)), *tails = calloc(rounds, sizeof(double));
        if (!times || !ratios || !ours || !theirs || !tails)
                die("calloc");

        pid_t daemon = start_daemon(program, plugins, directory, daemon_path);
        int daemon_fd = wait_for_daemon(daemon, daemon_path);
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
        kill(daemon, SIGTERM);
        close(echo_fd);
        waitpid(daemon, NULL, 0);
        waitpid(echoer, NULL, 0);
        snprintf(command, sizeof(command), "rm -r %s", directory);
        if (system(command) != 0)
                fprintf(stderr, "bench-socket: cannot remove %s\n", directory);

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
