/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon behind its socket, without files and clocks of its own: whatever a client sends, what comes back is frames of
 * JSON objects, each with an error or with parameters, and the next client is served.
 */
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "basic/json.h"
#include "basic/macro.h"
#include "daemon/varlink/server.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char text[] =
        "services: { maps: { nodes: { mapbox: { provider = \"mapbox\"; url = \"http://127.0.0.1:1\"; };"
        " here: { provider = \"here\"; url = \"http://127.0.0.1:2\"; weight = 3; }; };"
        " cost_constraints: { max_cost_per_hour = 100.0; }; };"
        " pay: { strategy = \"HYBRID_OPTIMIZATION\"; nodes: { stripe: { provider = \"stripe\"; url = \"http://127.0.0.1:3\"; }; }; }; };";

static Providers *providers;
static Router *router;
static Api *api;
static VarlinkServer *server;
static struct sockaddr_un address = { .sun_family = AF_UNIX };

static void check(bool holds) {
        if (!holds)
                abort();
}

static const struct pm_provider *find(void *userdata, const char *name) {
        return providers_find(userdata, name);
}

/* What a rate or a limit refuses would hide what is behind it. */
static void open_limits(DaemonSettings *s) {
        s->requests_burst = s->requests_per_second = 100000000;
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
        char path[64], folder[] = "/tmp/fuzz-varlink-XXXXXX";
        ConfigErrors errors = {};
        uint64_t now_ns = api_now_ns();
        static Config *config;
        int quiet = eventfd(0, EFD_CLOEXEC), fd = memfd_create("config", MFD_CLOEXEC);

        (void) argc;
        (void) argv;
        check(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t) strlen(text) && mkdtemp(folder));
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", folder);
        check(providers_load(PLUGINS, &providers) >= 0 && config_load(path, find, providers, &config, &errors) == 0);
        open_limits(&config->daemon);
        check(router_new(&router, &config->daemon.router, 1, now_ns, UINT64_C(1700000000) * NSEC_PER_SEC) >= 0 &&
              router_apply(router, &config->settings, now_ns) >= 0 &&
              api_new(&api, router, providers, &config->daemon, now_ns) >= 0 && quiet >= 0 &&
              varlink_server_new(&server, api, quiet) >= 0 &&
              varlink_server_listen_address(server, address.sun_path, 0600) >= 0);
        varlink_server_set_limits(server, config->daemon.message_max, config->daemon.send_buffer_max);
        config_errors_done(&errors);
        return 0;
}

static int dial(void) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        check(fd >= 0 && connect(fd, (struct sockaddr *) &address, sizeof(address)) == 0);
        return fd;
}

static void serve(void) {
        for (int i = 0; i < 4; i++) /* a newcomer, what it sent, what is left of it */
                check(varlink_server_serve(server, false, NULL, NULL) == 0);
}

/* A frame: an object with an error or with parameters. */
static void check_frame(const char *frame, size_t n) {
        JsonReader r;
        JsonValue v;

        json_open(&r, frame, n);
        check(json_read(&r, &v) >= 0 && v.type == JSON_OBJECT);
        check(json_skip(&r, &v) >= 0 && json_close(&r) >= 0);
        check(memmem(frame, n, "\"parameters\"", 12) || memmem(frame, n, "\"error\"", 7));
}

/* All that has come by now; true: the end. What is no whole frame yet stays. */
static bool read_frames(int fd, char *buffer, size_t *n, size_t max) {
        for (;;) {
                ssize_t k = recv(fd, buffer + *n, max - *n, 0);
                char *end;

                if (k <= 0)
                        return k == 0;
                for (*n += (size_t) k; (end = memchr(buffer, 0, *n)); memmove(buffer, end + 1, *n)) {
                        check_frame(buffer, (size_t) (end - buffer));
                        *n -= (size_t) (end - buffer) + 1;
                }
                check(*n < max);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static char buffer[4 << 20];
        size_t n = 0;

        if (size > 100000)
                return 0;
        _cleanup_close_ int fd = dial();
        check(send(fd, data, size, MSG_NOSIGNAL) == (ssize_t) size);
        shutdown(fd, SHUT_WR);
        for (int i = 0; i < 64; i++) {
                serve();
                if (read_frames(fd, buffer, &n, sizeof(buffer)))
                        break;
        }
        router_tick(router, api_now_ns());
        api_dispatch_effects(api, api_now_ns());

        static const char question[] = "{\"method\":\"org.pointsman.routing.GetHealth\"}";
        _cleanup_close_ int next = dial();
        check(send(next, question, sizeof(question), MSG_NOSIGNAL) == (ssize_t) sizeof(question));
        serve();
        n = 0;
        check(!read_frames(next, buffer, &n, sizeof(buffer)) && n == 0);
        return 0;
}
