/* SPDX-License-Identifier: Apache-2.0 */
#include "basic/service.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#define STATE_MAX 2048
#define RETRY_US UINT64_C(100000)

static struct {
        sd_event_source *retry; /* the event loop's; NULL: not attached */
        uint64_t interval_us;   /* of the watchdog */
} service;

/* ---- telling ---- */

/* -EINVAL: it makes no sense; -ENOENT: there is none. */
static int get_address(struct sockaddr_un *ret, socklen_t *ret_size) {
        const char *path = getenv("NOTIFY_SOCKET");
        size_t n = path ? strlen(path) : 0;

        if (n == 0)
                return -ENOENT;
        if ((path[0] != '/' && path[0] != '@') || n >= sizeof(ret->sun_path))
                return -EINVAL;
        *ret = (struct sockaddr_un) { .sun_family = AF_UNIX };
        memcpy(ret->sun_path, path, n);
        if (path[0] == '@')
                ret->sun_path[0] = 0;
        *ret_size = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + n + (path[0] == '/'));
        return 0;
}

int service_notify(const char *state) {
        struct sockaddr_un address;
        socklen_t size;

        int r = get_address(&address, &size);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || sendto(fd, state, strlen(state), MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *) &address, size) < 0)
                return -errno;
        return 0;
}

int service_notifyf(const char *format, ...) {
        char state[STATE_MAX];
        va_list ap;

        va_start(ap, format);
        vsnprintf(state, sizeof(state), format, ap);
        va_end(ap);
        return service_notify(state);
}

void service_ready(void) {
        if (service_notify("READY=1") != -EAGAIN || !service.retry)
                return;
        (void) sd_event_source_set_time_relative(service.retry, RETRY_US);
        (void) sd_event_source_set_enabled(service.retry, SD_EVENT_ONESHOT);
}

/* ---- in the event loop ---- */

static int on_retry(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata _unused_) {
        service_ready();
        return 0;
}

static int on_watchdog(sd_event_source *source, uint64_t usec _unused_, void *userdata _unused_) {
        (void) service_notify("WATCHDOG=1");
        int r = sd_event_source_set_time_relative(source, service.interval_us);
        return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* A timer that belongs to the event loop. */
static int add_timer(sd_event *event, sd_event_source **ret, uint64_t accuracy_us, sd_event_time_handler_t handler) {
        sd_event_source *s;

        int r = sd_event_add_time_relative(event, &s, CLOCK_MONOTONIC, 0, accuracy_us, handler, NULL);
        if (r < 0)
                return r;
        r = sd_event_source_set_floating(s, true);
        sd_event_source_unref(s);
        if (r < 0)
                return r;
        *ret = s;
        return 0;
}

int service_attach(sd_event *event) {
        sd_event_source *watchdog;
        uint64_t us;

        int r = add_timer(event, &service.retry, RETRY_US, on_retry);
        if (r >= 0)
                r = sd_event_source_set_enabled(service.retry, SD_EVENT_OFF);
        if (r < 0 || sd_watchdog_enabled(false, &us) <= 0)
                return r;
        service.interval_us = us / 3;
        return add_timer(event, &watchdog, us / 12, on_watchdog);
}
