/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop: time, the sockets around it, and a start and a stop that clients do not notice. */
#include <signal.h>
#include <systemd/sd-daemon.h>

#include "basic/log.h"
#include "basic/service.h"
#include "daemon/manager-private.h"

/* However quiet it is, the brain looks at the clock that often: budgets turn with the hour. */
#define TICK_MAX_NS NSEC_PER_SEC
/* However much falls due, not more often than that. */
#define TICK_MIN_NS NSEC_PER_MSEC
#define STATUS_INTERVAL_NS (5 * NSEC_PER_SEC)

/* ---- time ---- */

static void send_status(Manager *m, uint64_t now_ns) {
        char status[sizeof(m->status)], sentence[sizeof(m->status) - 16];

        const char *health = api_summary(m->api, now_ns, sentence, sizeof(sentence));
        snprintf(status, sizeof(status), "%s: %s", health, sentence);
        if (!streq(status, m->status) && service_notifyf("STATUS=%s", status) == 0)
                memcpy(m->status, status, sizeof(status));
}

/* Moves the timer forward, if there is reason to: else it costs no system call. */
static int set_tick(Manager *m) {
        uint64_t next_ns = MIN(MIN(router_next_ns(m->router), m->keep_ns), m->ticked_ns + TICK_MAX_NS);

        next_ns = MAX(next_ns, m->ticked_ns + TICK_MIN_NS);
        if (next_ns >= m->tick_ns)
                return 0;
        m->tick_ns = next_ns;
        /* Rounded up, so that what is due has come when the timer fires. */
        int r = sd_event_source_set_time(m->tick, next_ns / NSEC_PER_USEC + 1);
        return r < 0 ? r : sd_event_source_set_enabled(m->tick, SD_EVENT_ONESHOT);
}

int manager_on_tick(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        Manager *m = userdata;
        uint64_t now_ns = clock_ns(CLOCK_BOOTTIME);

        router_set_clock(m->router, now_ns, clock_ns(CLOCK_REALTIME));
        router_tick(m->router, now_ns);
        api_dispatch_effects(m->api, now_ns);
        api_check_audit(m->api);
        m->keep_ns = api_keep(m->api, now_ns);
        api_release(m->api); /* a disk that hangs says nothing */
        if (now_ns >= m->status_due_ns) {
                send_status(m, now_ns);
                m->status_due_ns = now_ns + STATUS_INTERVAL_NS;
        }
        m->ticked_ns = now_ns;
        m->tick_ns = NSEC_INFINITY;
        return set_tick(m);
}

/* Before each wait: what happened may have brought a deadline forward. */
int manager_before_wait(sd_event_source *source _unused_, void *userdata) {
        return set_tick(userdata);
}

/* ---- start and stop without a seam ---- */

/* How many descriptors the service manager keeps for us until the next start; 0: none. */
static size_t descriptors_kept(void) {
        const char *text = getenv("FDSTORE");
        char *end;

        if (!text || !getenv("NOTIFY_SOCKET"))
                return 0;
        unsigned long n = strtoul(text, &end, 10);
        return *text && !*end ? MIN(n, 65536UL) : 0;
}

static void take_over(Manager *m, const int *fds, size_t n, int state_fd) {
        if (n == 0 && state_fd < 0)
                return;
        int r = varlink_server_take_over(m->varlink, fds, n, state_fd, clock_ns(CLOCK_BOOTTIME));
        if (r < 0)
                log_warning_errno(r, "Cannot take over the connections of the process before; their clients have to connect anew");
        else
                log_info("Took over %d connections of the process before", r);
        /* We have them now: what is kept there would not be closed when we close it. */
        sd_notify(false, "FDSTOREREMOVE=1\nFDNAME=" HANDOVER_CONNECTION);
        sd_notify(false, "FDSTOREREMOVE=1\nFDNAME=" HANDOVER_STATE);
}

static void hand_over(Manager *m) {
        int r = varlink_server_hand_over(m->varlink, descriptors_kept());

        if (r < 0)
                log_warning_errno(r, "Cannot hand over the connections; their clients have to connect anew");
        else if (r > 0)
                log_info("Handed over %d connections", r);
}

static int on_stop_timeout(sd_event_source *source, uint64_t usec _unused_, void *userdata _unused_) {
        log_warning("Some calls are not answered before the end");
        return sd_event_exit(sd_event_source_get_event(source), 0);
}

static int exit_when_settled(Manager *m) {
        return api_is_settled(m->api) && varlink_server_is_settled(m->varlink) && bus_is_settled(m->bus) ? sd_event_exit(m->event, 0) : 0;
}

/* After every turn of the event loop. */
static int on_turn(sd_event_source *source _unused_, void *userdata) {
        return exit_when_settled(userdata);
}

/* What was asked is answered first; a second signal does not wait for that. */
int manager_on_terminate(sd_event_source *source _unused_, const struct signalfd_siginfo *si _unused_, void *userdata) {
        Manager *m = userdata;

        if (m->stopping)
                return sd_event_exit(m->event, 0);
        m->stopping = true;
        (void) service_notify("STOPPING=1\nSTATUS=stopping");
        varlink_server_pause(m->varlink);
        bus_leave(m->bus);
        int r = sd_event_add_time_relative(m->event, NULL, CLOCK_MONOTONIC, STOP_PATIENCE_NS / NSEC_PER_USEC, 0, on_stop_timeout, NULL);
        if (r >= 0)
                r = sd_event_add_post(m->event, NULL, on_turn, m);
        return r < 0 ? sd_event_exit(m->event, 0) : exit_when_settled(m);
}

static void strv_freep(char ***p) {
        for (char **s = *p; s && *s; s++)
                free(*s);
        free(*p);
}

int manager_listen(Manager *m) {
        _cleanup_(strv_freep) char **names = NULL;
        int n = sd_listen_fds_with_names(true, &names), taken = 0, state_fd = -1;
        _cleanup_free_ int *connections = calloc((size_t) MAX(n, 0) + 1, sizeof(int));
        size_t n_connections = 0;

        if (!connections)
                return log_oom();
        for (int i = 0; i < n; i++) {
                int fd = SD_LISTEN_FDS_START + i;
                if (streq(names[i], HANDOVER_CONNECTION)) {
                        connections[n_connections++] = fd;
                        continue;
                }
                if (streq(names[i], HANDOVER_STATE)) {
                        closep(&state_fd);
                        state_fd = fd;
                        continue;
                }
                if (sd_is_socket_unix(fd, SOCK_STREAM, 1, NULL, 0) <= 0) {
                        log_warning("Descriptor %d that systemd passed is not a listening Unix socket; not used", fd);
                        continue;
                }
                int r = varlink_server_listen_fd(m->varlink, fd);
                if (r < 0)
                        return log_error_errno(r, "Cannot serve the socket that systemd passed");
                taken++;
        }
        take_over(m, connections, n_connections, state_fd);
        if (taken > 0)
                return 0;
        /* Everybody may connect: who may do what is decided for each call. */
        int r = varlink_server_listen_address(m->varlink, m->options.socket, 0666);
        if (r == -EADDRINUSE)
                return log_error_errno(r, "Another process listens on %s, or it is not a socket", m->options.socket);
        return r < 0 ? log_error_errno(r, "Cannot listen on %s", m->options.socket) : 0;
}

/* ---- the loop ---- */

/* Whether what clients have brought about needs the event loop. */
static bool wants_turn(void *userdata) {
        Manager *m = userdata;
        uint64_t before_ns = m->tick_ns;

        return set_tick(m) < 0 || m->tick_ns != before_ns || bus_wants_turn(m->bus);
}

/* sd_event_loop(), with the clients' sockets around it. */
static int run(Manager *m) {
        int code;

        while (sd_event_get_state(m->event) != SD_EVENT_FINISHED) {
                int pending = sd_event_prepare(m->event);
                if (pending < 0)
                        return pending;
                int r = varlink_server_serve(m->varlink, pending == 0, wants_turn, m);
                if (r == 0 && pending == 0)
                        pending = sd_event_wait(m->event, 0);
                if (r == 0 && pending > 0)
                        r = sd_event_dispatch(m->event);
                if (r < 0 || pending < 0)
                        return r < 0 ? r : pending;
        }
        int r = sd_event_get_exit_code(m->event, &code);
        return r < 0 ? r : code;
}

int manager_run(Manager *m) {
        log_info("Ready: %zu services, %zu plugins", router_n_services(m->router), providers_n(m->providers));
        service_ready();
        log_may_wait = false;
        int r = run(m);
        hand_over(m);
        api_finish(m->api, clock_ns(CLOCK_BOOTTIME));
        return r < 0 ? log_error_errno(r, "The event loop failed") : 0;
}
