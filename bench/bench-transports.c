/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transports under load, each against a peer on the same machine, in the same run, in alternating rounds:
 *
 * - Route and Report over many connections, against as many commands of redis-benchmark GET over a Unix socket;
 * - Route over D-Bus, against org.freedesktop.DBus.Peer.Ping to the same process, which libsystemd answers by itself;
 * - what idle connections cost in memory and in the time of the others; memory at rest; the start.
 *
 *     bench-transports [--rounds N] [--calls N] [--idle N] [--json] [POINTSMAND PLUGIN-DIR]
 */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <time.h>
#include <unistd.h>

#include "bench/common.h"

#define CONNECTIONS 50
#define PIPELINE 16 /* commands on their way on a connection */
#define ROUNDS_MAX 99
#define BUS_NAME "org.pointsman.Pointsman1"

static void check(int r, const char *what) {
        if (r >= 0)
                return;
        errno = -r;
        die(what);
}

/* ---- many connections ---- */

typedef struct Caller {
        int fd;
        size_t waiting; /* for so many replies */
        size_t n_ids;
        char ids[PIPELINE / 2][ID_MAX];
        size_t filled;
        char input[PIPELINE / 2 * 2048];
} Caller;

static void send_batch(Caller *c, size_t pairs) {
        char request[PIPELINE * 512];
        size_t n = 0;

        for (size_t i = 0; i < pairs; i++)
                n += write_calls(request + n, i < c->n_ids ? c->ids[i] : NULL);
        c->n_ids = 0;
        c->waiting = pairs;
        send_all(c->fd, request, n);
}

/* Reports the last ones, so that nothing stays open from round to round. */
static void end_caller(Caller *c) {
        char request[512];

        for (size_t i = 0; i < c->n_ids; i++)
                send_all(c->fd, request, write_report(request, c->ids[i]));
        close(c->fd);
}

static void take_replies(Caller *c) {
        ssize_t n = recv(c->fd, c->input + c->filled, sizeof(c->input) - c->filled, 0);
        char *reply = c->input, *end;

        if (n <= 0)
                die("recv");
        c->filled += (size_t) n;
        while ((end = memchr(reply, 0, c->filled - (size_t) (reply - c->input)))) {
                find_id(reply, c->ids[c->n_ids++]);
                c->waiting--;
                reply = end + 1;
        }
        c->filled -= (size_t) (reply - c->input);
        memmove(c->input, reply, c->filled);
}

/* Commands a second, where a Route and its Report are two. */
static double run_load(const char *path, size_t pairs, size_t commands) {
        Caller *callers = calloc(CONNECTIONS, sizeof(Caller));
        struct epoll_event events[CONNECTIONS];
        int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        size_t left = commands / 2, waiting = CONNECTIONS;

        if (!callers || epoll_fd < 0)
                die("epoll_create1");
        for (size_t i = 0; i < CONNECTIONS; i++) {
                struct epoll_event e = { .events = EPOLLIN, .data.ptr = &callers[i] };
                callers[i].fd = connect_to(path);
                if (callers[i].fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, callers[i].fd, &e) < 0)
                        die("connect");
        }
        uint64_t begin_ns = now_ns();
        for (size_t i = 0; i < CONNECTIONS; i++)
                send_batch(&callers[i], pairs);
        while (waiting > 0) {
                int n = epoll_wait(epoll_fd, events, CONNECTIONS, -1);
                for (int i = 0; i < n; i++) {
                        Caller *c = events[i].data.ptr;
                        take_replies(c);
                        if (c->waiting > 0)
                                continue;
                        if (left > pairs) {
                                left -= pairs;
                                send_batch(c, pairs);
                        } else
                                waiting--;
                }
        }
        double seconds = (double) (now_ns() - begin_ns) / 1e9;
        double done = (double) (commands / 2 - left + CONNECTIONS * pairs) * 2;
        for (size_t i = 0; i < CONNECTIONS; i++)
                end_caller(&callers[i]);
        close(epoll_fd);
        free(callers);
        return done / seconds;
}

/* Commands a second; NAN: there is no redis-benchmark. */
static double run_redis(const char *path, size_t pipeline, size_t commands) {
        char command[256], line[256];
        double rate = NAN;

        snprintf(command, sizeof(command), "redis-benchmark -s %s -t get -n %zu -c %d -P %zu --csv 2>/dev/null", path, commands, CONNECTIONS,
                 pipeline);
        FILE *f = popen(command, "re");
        if (!f)
                die("popen");
        while (fgets(line, sizeof(line), f))
                (void) sscanf(line, "\"GET\",\"%lf\"", &rate);
        pclose(f);
        return rate;
}

static void wait_for_socket(pid_t pid, const char *path) {
        int fd;

        while ((fd = connect_to(path)) < 0) {
                if (waitpid(pid, NULL, WNOHANG) != 0)
                        die(path);
                nanosleep(&(const struct timespec) { .tv_nsec = 1000000 }, NULL);
        }
        close(fd);
}

static pid_t start_redis(const char *path) {
        if (system("command -v redis-server redis-benchmark >/dev/null") != 0)
                return 0;
        pid_t pid = start((const char *const[]) { "redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no",
                                                  NULL });
        wait_for_socket(pid, path);
        return pid;
}

/* ---- D-Bus ---- */

static pid_t start_bus(const char *directory, char address[128]) {
        char config[64], option[96], path[64];

        snprintf(config, sizeof(config), "%s/bus.conf", directory);
        snprintf(path, sizeof(path), "%s/b", directory);
        snprintf(address, 128, "unix:path=%s", path);
        FILE *f = fopen(config, "we");
        if (!f || fprintf(f, "<busconfig><type>session</type><listen>%s</listen><auth>EXTERNAL</auth><policy context='default'>"
                             "<allow user='*'/><allow own='*'/><allow send_type='method_call'/><allow send_destination='*'/>"
                             "<allow receive_sender='*'/></policy></busconfig>\n", address) < 0 || fclose(f) < 0)
                die(config);
        snprintf(option, sizeof(option), "--config-file=%s", config);
        pid_t pid = start((const char *const[]) { "dbus-daemon", "--nofork", "--nopidfile", "--nosyslog", option, NULL });
        wait_for_socket(pid, path);
        return pid;
}

static sd_bus *connect_bus(const char *address) {
        sd_bus *bus;

        check(sd_bus_new(&bus), "sd_bus_new");
        check(sd_bus_set_address(bus, address), "sd_bus_set_address");
        check(sd_bus_set_bus_client(bus, true), "sd_bus_set_bus_client");
        check(sd_bus_start(bus), "sd_bus_start");
        while (sd_bus_get_name_creds(bus, BUS_NAME, 0, NULL) < 0)
                nanosleep(&(const struct timespec) { .tv_nsec = 1000000 }, NULL);
        return bus;
}

static double ping(sd_bus *bus) {
        uint64_t begin_ns = now_ns();

        check(sd_bus_call_method(bus, BUS_NAME, "/org/pointsman/Pointsman1", "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, NULL), "Ping");
        return (double) (now_ns() - begin_ns) / 1e3;
}

static double route(sd_bus *bus, sd_bus_message **ret) {
        uint64_t begin_ns = now_ns();

        check(sd_bus_call_method(bus, BUS_NAME, "/org/pointsman/Pointsman1", BUS_NAME ".Manager", "Route", NULL, ret, "sa{sv}", "bench", 0),
              "Route");
        return (double) (now_ns() - begin_ns) / 1e3;
}

/* Answered before the next call begins, so that it takes no time of that. */
static void report(sd_bus *bus, sd_bus_message *decision) {
        const char *id;

        check(sd_bus_message_read_basic(decision, 's', &id), "Route");
        check(sd_bus_call_method(bus, BUS_NAME, "/org/pointsman/Pointsman1", BUS_NAME ".Manager", "Report", NULL, NULL, "sa{sv}", id, 1,
                                 "httpStatus", "u", 200), "Report");
}

/* ---- memory, start ---- */

static double memory_kb(pid_t pid, const char *field) {
        char path[64], line[256];
        double kb = NAN;

        snprintf(path, sizeof(path), "/proc/%d/status", (int) pid);
        FILE *f = fopen(path, "re");
        if (!f)
                die(path);
        while (fgets(line, sizeof(line), f))
                if (strncmp(line, field, strlen(field)) == 0)
                        kb = strtod(line + strlen(field) + 1, NULL);
        fclose(f);
        return kb;
}

/* p50 of a decision in µs, over one connection. */
static double run_decisions(int fd, size_t calls) {
        char request[FRAME_MAX], reply[FRAME_MAX], id[ID_MAX] = "";
        double *times = calloc(calls, sizeof(double));

        if (!times)
                die("calloc");
        for (size_t i = 0; i < calls; i++) {
                size_t n = write_calls(request, id[0] ? id : NULL);
                uint64_t begin_ns = now_ns();
                send_all(fd, request, n);
                receive_frame(fd, reply, sizeof(reply));
                times[i] = (double) (now_ns() - begin_ns) / 1e3;
                find_id(reply, id);
        }
        send_all(fd, request, write_report(request, id));
        double p50 = percentile(times, calls, 0.5);
        free(times);
        return p50;
}

/* Connections that have made a call each and then say nothing. */
static int *open_idle(const char *path, size_t n) {
        char request[FRAME_MAX], reply[FRAME_MAX], id[ID_MAX];
        int *fds = calloc(n, sizeof(int));

        if (!fds)
                die("calloc");
        for (size_t i = 0; i < n; i++) {
                fds[i] = connect_to(path);
                if (fds[i] < 0)
                        die("connect");
                send_all(fds[i], ROUTE, sizeof(ROUTE));
                receive_frame(fds[i], reply, sizeof(reply));
                find_id(reply, id);
                send_all(fds[i], request, write_report(request, id));
        }
        return fds;
}

/* ---- the whole ---- */

typedef struct Figures {
        double load[2], redis[2], load_ratio[2]; /* commands a second; one at a time, and pipelined */
        double route_us, ping_us, bus_ratio;
        double ready_ms, rest_kb, idle_kb, alone_us, among_idle_us, among_idle_ratio;
} Figures;

typedef struct Options {
        const char *program, *plugins;
        size_t rounds, calls, idle;
} Options;

static void measure_load(const BenchDaemon *d, const Options *o, Figures *f) {
        static const size_t pipelines[] = { 1, PIPELINE };
        double ours[ROUNDS_MAX], theirs[ROUNDS_MAX], ratios[ROUNDS_MAX];
        char path[64];

        snprintf(path, sizeof(path), "%s/r", d->directory);
        pid_t redis = start_redis(path);
        for (size_t k = 0; k < 2; k++) {
                size_t commands = o->calls * (k == 0 ? 1 : 5);
                for (size_t i = 0; i < o->rounds; i++) {
                        ours[i] = run_load(d->socket, MAX(pipelines[k] / 2, (size_t) 1), commands);
                        theirs[i] = redis ? run_redis(path, pipelines[k], commands) : NAN;
                        ratios[i] = ours[i] / theirs[i];
                }
                f->load[k] = percentile(ours, o->rounds, 0.5);
                f->redis[k] = percentile(theirs, o->rounds, 0.5);
                f->load_ratio[k] = percentile(ratios, o->rounds, 0.5);
        }
        if (redis)
                stop(redis);
}

static void measure_bus(const Options *o, Figures *f) {
        BenchDaemon d = { .directory = "/tmp/pm-bench-XXXXXX" };
        double *routes = calloc(o->calls, sizeof(double)), *pings = calloc(o->calls, sizeof(double));
        char address[128];
        size_t n = MIN(o->calls, (size_t) 5000);

        if (!routes || !pings || !mkdtemp(d.directory))
                die("mkdtemp");
        pid_t bus_pid = start_bus(d.directory, address);
        daemon_start(&d, o->program, o->plugins, address);
        sd_bus *bus = connect_bus(address);
        for (size_t i = 0; i < n; i++) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *decision = NULL;
                /* After a report the ledger is at work on the other processor for a while: each comes first in turn. */
                if (i % 2)
                        pings[i] = ping(bus);
                routes[i] = route(bus, &decision);
                if (i % 2 == 0)
                        pings[i] = ping(bus);
                report(bus, decision);
        }
        f->route_us = percentile(routes, n, 0.5);
        f->ping_us = percentile(pings, n, 0.5);
        f->bus_ratio = f->route_us / f->ping_us;
        sd_bus_flush_close_unref(bus);
        daemon_stop(&d);
        stop(bus_pid);
        free(routes);
        free(pings);
}

static void measure_idle(const BenchDaemon *d, const Options *o, Figures *f) {
        double alone[ROUNDS_MAX], among[ROUNDS_MAX], ratios[ROUNDS_MAX];
        int fd = connect_to(d->socket);

        for (size_t i = 0; i < o->rounds; i++) {
                alone[i] = run_decisions(fd, o->calls / 10);
                double before = memory_kb(d->pid, "VmRSS");
                int *fds = open_idle(d->socket, o->idle);
                if (i == 0)
                        f->idle_kb = memory_kb(d->pid, "VmRSS") - before;
                among[i] = run_decisions(fd, o->calls / 10);
                ratios[i] = among[i] / alone[i];
                for (size_t k = 0; k < o->idle; k++)
                        close(fds[k]);
                free(fds);
                /* Answered when all of them are gone. */
                (void) run_decisions(fd, 100);
        }
        close(fd);
        f->alone_us = percentile(alone, o->rounds, 0.5);
        f->among_idle_us = percentile(among, o->rounds, 0.5);
        f->among_idle_ratio = percentile(ratios, o->rounds, 0.5);
}

static void measure_start(const Options *o, Figures *f) {
        double ready[ROUNDS_MAX], rest[ROUNDS_MAX];

        for (size_t i = 0; i < o->rounds; i++) {
                BenchDaemon d = {};
                daemon_start(&d, o->program, o->plugins, "none");
                ready[i] = d.ready_ms;
                rest[i] = memory_kb(d.pid, "RssAnon");
                daemon_stop(&d);
        }
        f->ready_ms = percentile(ready, o->rounds, 0.5);
        f->rest_kb = percentile(rest, o->rounds, 0.5);
}

static void print_table(const Options *o, const Figures *f) {
        printf("The transports, medians of %zu rounds\n\n", o->rounds);
        for (size_t k = 0; k < 2; k++) {
                printf("  %d connections%s  %9.0f commands/s (a Route and its Report are two)", CONNECTIONS, k ? ", pipelined" : "           ",
                       f->load[k]);
                if (isnan(f->redis[k]))
                        printf("; redis-server is not installed\n");
                else
                        printf("; redis GET %9.0f; ratio %.3f%s\n", f->redis[k], f->load_ratio[k], k ? "" : " (aim: at least 0.8)");
        }
        printf("  D-Bus          Route %.1f µs p50; Ping %.1f µs; ratio %.3f (aim: at most 1.15)\n", f->route_us, f->ping_us, f->bus_ratio);
        printf("  %zu idle    %.1f MB (aim: under 100 at 10000); a decision beside them %.2f µs p50, without %.2f µs; ratio %.3f\n", o->idle,
               f->idle_kb / 1024, f->among_idle_us, f->alone_us, f->among_idle_ratio);
        printf("  at rest        %.2f MB RssAnon (aim: at most 4); ready after %.1f ms (aim: at most 50)\n", f->rest_kb / 1024, f->ready_ms);
}

static void print_number(const char *name, double v) {
        if (isnan(v))
                printf(",\"%s\":null", name);
        else
                printf(",\"%s\":%.3f", name, v);
}

static void print_json(const Options *o, const Figures *f) {
        printf("{\"bench\":\"transports\",\"rounds\":%zu,\"connections\":%d,\"pipeline\":%d,\"idleConnections\":%zu", o->rounds, CONNECTIONS,
               PIPELINE, o->idle);
        print_number("commandsPerSecond", f->load[0]);
        print_number("redisPerSecond", f->redis[0]);
        print_number("redisRatio", f->load_ratio[0]);
        print_number("pipelinedPerSecond", f->load[1]);
        print_number("redisPipelinedPerSecond", f->redis[1]);
        print_number("redisPipelinedRatio", f->load_ratio[1]);
        print_number("busRouteP50Us", f->route_us);
        print_number("busPingP50Us", f->ping_us);
        print_number("busRatioP50", f->bus_ratio);
        print_number("idleKb", f->idle_kb);
        print_number("idleRatioP50", f->among_idle_ratio);
        print_number("restAnonKb", f->rest_kb);
        print_number("readyMs", f->ready_ms);
        printf("}\n");
}

static void raise_descriptor_limit(size_t n) {
        struct rlimit limit;

        getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur < n + 100) {
                fprintf(stderr, "bench-transports: only %zu files may be open: take a smaller --idle\n", (size_t) limit.rlim_cur);
                exit(EXIT_FAILURE);
        }
}

int main(int argc, char **argv) {
        static const struct option options[] = {
                { "rounds", required_argument, NULL, 'r' }, { "calls", required_argument, NULL, 'c' }, { "idle", required_argument, NULL, 'i' },
                { "json", no_argument, NULL, 'j' }, {},
        };
        Options o = { .program = POINTSMAND, .plugins = PLUGINS, .rounds = 5, .calls = 200000, .idle = 10000 };
        Figures f = {};
        BenchDaemon d = {};
        int c, json = 0;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (c) {
                case 'r': o.rounds = MIN(MAX(strtoul(optarg, NULL, 10), 1UL), (unsigned long) ROUNDS_MAX); break;
                case 'c': o.calls = MAX(strtoul(optarg, NULL, 10), 1000UL); break;
                case 'i': o.idle = strtoul(optarg, NULL, 10); break;
                case 'j': json = 1; break;
                default: return 2;
                }
        if (argc != optind && argc != optind + 2) {
                fprintf(stderr, "Usage: bench-transports [--rounds N] [--calls N] [--idle N] [--json] [POINTSMAND PLUGIN-DIR]\n");
                return 2;
        }
        if (argc > optind) {
                o.program = argv[optind];
                o.plugins = argv[optind + 1];
        }
        raise_descriptor_limit(o.idle);
        measure_start(&o, &f);
        daemon_start(&d, o.program, o.plugins, "none");
        measure_load(&d, &o, &f);
        measure_idle(&d, &o, &f);
        daemon_stop(&d);
        measure_bus(&o, &f);
        (json ? print_json : print_table)(&o, &f);
        return 0;
}
