/* SPDX-License-Identifier: Apache-2.0 */
#include "prober/link.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/queue.h>

#include "basic/log.h"
#include "basic/service.h"
#include "basic/units.h"
#include "pointsman/pointsman.h"

#define RETRY_MIN_US UINT64_C(100000)
#define RETRY_MAX_US UINT64_C(5000000)
/* A daemon that refuses us does so at once. Without a refusal for this long we are following. */
#define SETTLE_US UINT64_C(100000)
#define BACKLOG_MAX ((size_t) 16 * 1024 * 1024) /* bytes of reports that wait for the daemon to read */

typedef struct Waiting {
        STAILQ_ENTRY(Waiting) next;
        size_t size;
        char parameters[];
} Waiting;

struct Link {
        sd_event *event;
        char *socket; /* or NULL */
        LinkHandler handler;

        pointsman *probes, *reports; /* two connections, as a stream fills one */
        sd_event_source *readable, *writable, *timer;
        bool following;
        uint64_t retry_us;
        char why[160]; /* it is down, as last logged; "" while it is up */

        STAILQ_HEAD(, Waiting) backlog;
        size_t backlog_size;
        bool dropping; /* and it has been logged */
};

static void drop_first(Link *l) {
        Waiting *w = STAILQ_FIRST(&l->backlog);

        STAILQ_REMOVE_HEAD(&l->backlog, next);
        l->backlog_size -= w->size;
        free(w);
}

static void hang_up(Link *l) {
        l->readable = sd_event_source_disable_unref(l->readable);
        l->writable = sd_event_source_disable_unref(l->writable);
        l->probes = pointsman_close(l->probes);
        l->reports = pointsman_close(l->reports);
        while (!STAILQ_EMPTY(&l->backlog))
                drop_first(l);
}

static void set_timer(Link *l, uint64_t us) {
        sd_event_source_set_time_relative(l->timer, us);
        sd_event_source_set_enabled(l->timer, SD_EVENT_ONESHOT);
}

static const char *socket_name(const Link *l) {
        return l->socket ?: getenv("POINTSMAN_SOCKET") ?: POINTSMAN_DEFAULT_SOCKET;
}

static void now_following(Link *l) {
        if (l->following)
                return;
        l->following = true;
        l->retry_us = RETRY_MIN_US;
        *l->why = 0;
        sd_event_source_set_enabled(l->timer, SD_EVENT_OFF);
        log_info("Following the probes of pointsmand at %s", socket_name(l));
        (void) service_notify("STATUS=Following probes");
}

/* error: a negative errno; p: the connection on which it happened, or NULL. */
static void lost(Link *l, pointsman *p, int error) {
        bool was_following = l->following;
        char why[sizeof(l->why)];

        if (error == -EREMOTEIO && p)
                snprintf(why, sizeof(why), "it refuses: %s", pointsman_error_message(p));
        else if (error == -ECONNRESET || error == -EPIPE || error == -ENODATA)
                snprintf(why, sizeof(why), "it has hung up");
        else
                snprintf(why, sizeof(why), "%s", strerror(-error));
        /* One line a change: not one for each attempt. */
        if (!streq(why, l->why)) {
                strcpy(l->why, why);
                log_warning("No probes from pointsmand at %s: %s; trying again", socket_name(l), why);
                (void) service_notifyf("STATUS=No pointsmand at %s: %s", socket_name(l), why);
        }

        hang_up(l);
        l->following = false;
        set_timer(l, l->retry_us);
        l->retry_us = MIN(l->retry_us * 2, RETRY_MAX_US);
        if (was_following)
                l->handler.lost(l->handler.userdata);
}

static int on_readable(sd_event_source *s _unused_, int fd _unused_, uint32_t revents _unused_, void *userdata) {
        Link *l = userdata;

        for (;;) {
                _cleanup_free_ char *reply = NULL;
                int k = pointsman_next(l->probes, 0, &reply);
                if (k == -EAGAIN)
                        return 0;
                if (k < 0)
                        return lost(l, l->probes, k), 0;
                now_following(l);
                l->handler.probe(l->handler.userdata, reply);
                if (!l->probes) /* an answer to it could not be sent */
                        return 0;
        }
}

/* Sends what waits; afterwards the loop watches for room if anything still does. */
static void send_backlog(Link *l) {
        int k = pointsman_flush(l->reports);

        while (k >= 0 && !STAILQ_EMPTY(&l->backlog)) {
                k = pointsman_send(l->reports, "ReportProbe", STAILQ_FIRST(&l->backlog)->parameters);
                if (k < 0)
                        break;
                drop_first(l);
                k = pointsman_flush(l->reports);
        }
        if (k < 0 && k != -EAGAIN)
                return lost(l, NULL, k);
        if (STAILQ_EMPTY(&l->backlog))
                l->dropping = false;
        sd_event_source_set_enabled(l->writable, k == -EAGAIN ? SD_EVENT_ON : SD_EVENT_OFF);
}

static int on_writable(sd_event_source *s _unused_, int fd _unused_, uint32_t revents _unused_, void *userdata) {
        send_backlog(userdata);
        return 0;
}

void link_report(Link *l, const char *parameters) {
        size_t size = strlen(parameters) + 1;

        if (!l->reports)
                return;
        Waiting *w = malloc(sizeof(*w) + size);
        if (!w)
                return;
        w->size = size;
        memcpy(w->parameters, parameters, size);
        while (l->backlog_size + size > BACKLOG_MAX && !STAILQ_EMPTY(&l->backlog)) {
                if (!l->dropping)
                        log_warning("pointsmand at %s does not read; the oldest reports are dropped", socket_name(l));
                l->dropping = true;
                drop_first(l);
        }
        STAILQ_INSERT_TAIL(&l->backlog, w, next);
        l->backlog_size += size;
        send_backlog(l);
}

static int connect_both(Link *l) {
        int k = pointsman_connect(l->socket, &l->probes);
        if (k >= 0)
                k = pointsman_connect(l->socket, &l->reports);
        if (k >= 0)
                k = pointsman_follow(l->probes, "FollowProbes", NULL);
        if (k >= 0)
                k = sd_event_add_io(l->event, &l->readable, pointsman_fd(l->probes), EPOLLIN, on_readable, l);
        if (k >= 0)
                k = sd_event_add_io(l->event, &l->writable, pointsman_fd(l->reports), EPOLLOUT, on_writable, l);
        if (k >= 0)
                k = sd_event_source_set_enabled(l->writable, SD_EVENT_OFF);
        return k;
}

/* Time to connect, or to believe that it lasts. */
static int on_timer(sd_event_source *s _unused_, uint64_t now_us _unused_, void *userdata) {
        Link *l = userdata;

        if (l->probes)
                return now_following(l), 0;
        int k = connect_both(l);
        if (k < 0)
                lost(l, l->probes, k);
        else
                set_timer(l, SETTLE_US);
        return 0;
}

int link_new(sd_event *event, const char *socket, const LinkHandler *handler, Link **ret) {
        _cleanup_(link_freep) Link *l = calloc(1, sizeof(*l));
        if (!l)
                return -ENOMEM;

        STAILQ_INIT(&l->backlog);
        l->event = sd_event_ref(event);
        l->handler = *handler;
        l->retry_us = RETRY_MIN_US;
        if (socket && !(l->socket = strdup(socket)))
                return -ENOMEM;
        int k = sd_event_add_time_relative(event, &l->timer, CLOCK_MONOTONIC, 0, 0, on_timer, l);
        if (k < 0)
                return k;
        *ret = TAKE(l);
        return 0;
}

Link *link_free(Link *l) {
        if (!l)
                return NULL;
        hang_up(l);
        sd_event_source_disable_unref(l->timer);
        sd_event_unref(l->event);
        free(l->socket);
        free(l);
        return NULL;
}
