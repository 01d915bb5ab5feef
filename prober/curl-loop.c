/* SPDX-License-Identifier: Apache-2.0 */
#include "prober/curl-loop.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/epoll.h>

#include "basic/units.h"
#include "prober/secret.h"

struct CurlLoop {
        sd_event *event;
        CURLM *multi;
        sd_event_source *timer;
};

/* libcurl copies URLs and headers about its heap. So its heap is wiped as it is given back. */
static char *curl_strdup(const char *s) {
        return strdup(s);
}

static int init_curl(void) {
        static bool done;

        if (!done && curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, secret_release, secret_realloc, curl_strdup, calloc))
                return -EIO;
        done = true;
        return 0;
}

static void take_what_is_done(CurlLoop *l) {
        CURLMsg *m;
        int left;

        while ((m = curl_multi_info_read(l->multi, &left))) {
                CURLcode code = m->data.result;
                CURL *easy = m->easy_handle;
                CurlTransfer *t = NULL;

                if (m->msg != CURLMSG_DONE)
                        continue;
                curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **) &t);
                curl_multi_remove_handle(l->multi, easy);
                t->done(t->userdata, code);
        }
}

static int on_io(sd_event_source *s _unused_, int fd, uint32_t revents, void *userdata) {
        CurlLoop *l = userdata;
        int action = 0, running;

        if (revents & (EPOLLIN | EPOLLHUP))
                action |= CURL_CSELECT_IN;
        if (revents & EPOLLOUT)
                action |= CURL_CSELECT_OUT;
        if (revents & EPOLLERR)
                action |= CURL_CSELECT_ERR;
        curl_multi_socket_action(l->multi, fd, action, &running);
        take_what_is_done(l);
        return 0;
}

static int on_timer(sd_event_source *s _unused_, uint64_t now_us _unused_, void *userdata) {
        CurlLoop *l = userdata;
        int running;

        curl_multi_socket_action(l->multi, CURL_SOCKET_TIMEOUT, 0, &running);
        take_what_is_done(l);
        return 0;
}

/* libcurl wants to be told when this file descriptor is ready; source is what we kept for it the last time. */
static int watch_socket(CURL *easy _unused_, curl_socket_t fd, int what, void *userdata, void *source) {
        uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
        CurlLoop *l = userdata;
        sd_event_source *s = source;

        if (what == CURL_POLL_REMOVE) {
                sd_event_source_disable_unref(s);
                curl_multi_assign(l->multi, fd, NULL);
                return 0;
        }
        if (s)
                return sd_event_source_set_io_events(s, events) < 0 ? -1 : 0;
        if (sd_event_add_io(l->event, &s, fd, events, on_io, l) < 0)
                return -1;
        sd_event_source_set_description(s, "curl-socket");
        curl_multi_assign(l->multi, fd, s);
        return 0;
}

/* libcurl wants to be called in so many milliseconds; -1: no more. */
static int set_timer(CURLM *multi _unused_, long ms, void *userdata) {
        CurlLoop *l = userdata;

        if (ms < 0)
                return sd_event_source_set_enabled(l->timer, SD_EVENT_OFF) < 0 ? -1 : 0;
        if (sd_event_source_set_time_relative(l->timer, (uint64_t) ms * (NSEC_PER_MSEC / NSEC_PER_USEC)) < 0)
                return -1;
        return sd_event_source_set_enabled(l->timer, SD_EVENT_ONESHOT) < 0 ? -1 : 0;
}

int curl_loop_new(sd_event *event, unsigned connections_max, CurlLoop **ret) {
        _cleanup_(curl_loop_freep) CurlLoop *l = NULL;
        int k;

        k = init_curl();
        if (k < 0)
                return k;
        l = calloc(1, sizeof(*l));
        if (!l)
                return -ENOMEM;
        l->event = sd_event_ref(event);
        l->multi = curl_multi_init();
        if (!l->multi)
                return -ENOMEM;
        k = sd_event_add_time_relative(event, &l->timer, CLOCK_MONOTONIC, 0, 0, on_timer, l);
        if (k < 0)
                return k;
        sd_event_source_set_enabled(l->timer, SD_EVENT_OFF);
        sd_event_source_set_description(l->timer, "curl-timer");

        if (curl_multi_setopt(l->multi, CURLMOPT_SOCKETFUNCTION, watch_socket) ||
            curl_multi_setopt(l->multi, CURLMOPT_SOCKETDATA, l) ||
            curl_multi_setopt(l->multi, CURLMOPT_TIMERFUNCTION, set_timer) ||
            curl_multi_setopt(l->multi, CURLMOPT_TIMERDATA, l) ||
            curl_multi_setopt(l->multi, CURLMOPT_MAXCONNECTS, (long) connections_max))
                return -EIO;
        *ret = TAKE(l);
        return 0;
}

CurlLoop *curl_loop_free(CurlLoop *l) {
        if (!l)
                return NULL;
        if (l->multi)
                curl_multi_cleanup(l->multi); /* calls watch_socket() and set_timer() a last time */
        sd_event_source_disable_unref(l->timer);
        sd_event_unref(l->event);
        free(l);
        return NULL;
}

int curl_loop_add(CurlLoop *l, CurlTransfer *t) {
        if (curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t) || curl_multi_add_handle(l->multi, t->easy))
                return -ENOMEM;
        return 0;
}

void curl_loop_remove(CurlLoop *l, CurlTransfer *t) {
        curl_multi_remove_handle(l->multi, t->easy);
}
