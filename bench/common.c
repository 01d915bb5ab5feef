/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/common.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char configuration[] =
        "limits = { connections = 20000; connections_per_user = 20000; };\n"
        "services = { bench = { strategy = \"HEALTH_BASED\";\n"
        "  load_balancing = { health_check_interval = 0; };\n"
        "  nodes = {\n"
        "    a = { provider = \"mapbox\"; url = \"http://127.0.0.1:1\"; weight = 60; cost_per_request = 0.005; };\n"
        "    b = { provider = \"google\"; url = \"http://127.0.0.1:2\"; weight = 30; cost_per_request = 0.008; };\n"
        "    c = { provider = \"here\"; url = \"http://127.0.0.1:3\"; weight = 10; cost_per_request = 0.006; };\n"
        "  }; }; };\n";

void die(const char *what) {
        fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
        exit(EXIT_FAILURE);
}

uint64_t now_ns(void) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * 1000000000 + (uint64_t) ts.tv_nsec;
}

/* ---- sockets ---- */

static int open_socket(const char *path, int type, struct sockaddr_un *ret) {
        int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

        if (fd < 0)
                die("socket");
        *ret = (struct sockaddr_un) { .sun_family = AF_UNIX };
        strncpy(ret->sun_path, path, sizeof(ret->sun_path) - 1);
        return fd;
}

int connect_to(const char *path) {
        struct sockaddr_un address;
        int fd = open_socket(path, SOCK_STREAM, &address);

        if (connect(fd, (struct sockaddr *) &address, sizeof(address)) == 0)
                return fd;
        close(fd);
        return -1;
}

int listen_at(const char *path) {
        struct sockaddr_un address;
        int fd = open_socket(path, SOCK_STREAM, &address);

        if (bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 || listen(fd, 8) < 0)
                die(path);
        return fd;
}

void send_all(int fd, const char *data, size_t n) {
        while (n > 0) {
                ssize_t k = send(fd, data, n, MSG_NOSIGNAL);
                if (k < 0)
                        die("send");
                data += k;
                n -= (size_t) k;
        }
}

size_t receive_frame(int fd, char *buffer, size_t size) {
        size_t n = 0;

        while (n == 0 || buffer[n - 1] != 0) {
                ssize_t k = recv(fd, buffer + n, size - n, 0);
                if (k <= 0)
                        die("recv");
                n += (size_t) k;
        }
        return n;
}

/* ---- programs ---- */

pid_t start(const char *const argv[]) {
        pid_t pid = fork();

        if (pid < 0)
                die("fork");
        if (pid > 0)
                return pid;
        int null = open("/dev/null", O_RDWR);
        if (null < 0 || dup2(null, STDOUT_FILENO) < 0)
                die("/dev/null");
        execvp(argv[0], (char *const *) argv);
        die(argv[0]);
}

void stop(pid_t pid) {
        kill(pid, SIGTERM);
        waitpid(pid, NULL, 0);
}

static void wait_ready(int notify, pid_t pid) {
        char text[1024];

        for (;;) {
                ssize_t n = recv(notify, text, sizeof(text) - 1, 0);
                if (n < 0) {
                        if (errno == EAGAIN && waitpid(pid, NULL, WNOHANG) == 0)
                                continue;
                        fprintf(stderr, "%s: the daemon did not start\n", program_invocation_short_name);
                        exit(EXIT_FAILURE);
                }
                text[n] = 0;
                if (strstr(text, "READY=1"))
                        return;
        }
}

void daemon_start(BenchDaemon *d, const char *program, const char *plugins, const char *bus) {
        char config[64], state[64], notify[64];
        struct sockaddr_un address;

        if (!d->directory[0]) {
                strcpy(d->directory, "/tmp/pm-bench-XXXXXX");
                if (!mkdtemp(d->directory))
                        die("mkdtemp");
        }
        snprintf(d->socket, sizeof(d->socket), "%s/d", d->directory);
        snprintf(config, sizeof(config), "%s/pointsman.conf", d->directory);
        snprintf(state, sizeof(state), "%s/state", d->directory);
        snprintf(notify, sizeof(notify), "%s/n", d->directory);
        FILE *f = fopen(config, "we");
        if (!f || fputs(configuration, f) < 0 || fclose(f) < 0)
                die(config);
        int fd = open_socket(notify, SOCK_DGRAM, &address);
        unlink(notify);
        if (bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 ||
            setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval) { .tv_usec = 100000 }, sizeof(struct timeval)) < 0)
                die(notify);

        setenv("NOTIFY_SOCKET", notify, 1);
        uint64_t begin_ns = now_ns();
        d->pid = start((const char *const[]) { program, "--config", config, "--socket", d->socket, "--state-dir", state, "--provider-dir",
                                               plugins, "--bus", bus, "--log-level", "warning", NULL });
        wait_ready(fd, d->pid);
        d->ready_ms = (double) (now_ns() - begin_ns) / 1e6;
        unsetenv("NOTIFY_SOCKET");
        close(fd);
}

void daemon_stop(BenchDaemon *d) {
        char command[64];

        stop(d->pid);
        snprintf(command, sizeof(command), "rm -r %s", d->directory);
        if (system(command) != 0)
                fprintf(stderr, "%s: cannot remove %s\n", program_invocation_short_name, d->directory);
        d->directory[0] = 0;
}

/* ---- the caller ---- */

size_t write_report(char *buffer, const char *decision) {
        return (size_t) sprintf(buffer, "{\"method\":\"org.pointsman.routing.Report\",\"oneway\":true,\"parameters\":"
                                "{\"decision\":\"%s\",\"httpStatus\":200,\"latencyMs\":41.5}}", decision) + 1;
}

size_t write_calls(char *buffer, const char *decision) {
        size_t n = decision ? write_report(buffer, decision) : 0;

        memcpy(buffer + n, ROUTE, sizeof(ROUTE));
        return n + sizeof(ROUTE);
}

void find_id(const char *reply, char id[ID_MAX]) {
        const char *p = strstr(reply, "\"id\":\"");

        if (!p || sscanf(p + 6, "%60[0-9a-f]", id) != 1) {
                fprintf(stderr, "%s: not a decision: %s\n", program_invocation_short_name, reply);
                exit(EXIT_FAILURE);
        }
}

/* ---- figures ---- */

static int compare(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;
        return x < y ? -1 : x > y;
}

double percentile(double *v, size_t n, double p) {
        qsort(v, n, sizeof(double), compare);
        return v[(size_t) ((double) (n - 1) * p)];
}
