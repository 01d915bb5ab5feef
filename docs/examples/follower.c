/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follower: prints every event as a line of JSON, until it is stopped, with libpointsman in an event loop of libsystemd.
 *
 *     cc -o follower follower.c $(pkg-config --cflags --libs pointsman libsystemd)
 */
#include <pointsman/pointsman.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>

static int on_events(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        pointsman *p = userdata;
        char *event;
        int r;

        (void) fd;
        (void) revents;
        while ((r = pointsman_next(p, 0, &event)) == 0) {
                puts(event);
                fflush(stdout);
                free(event);
        }
        if (r == -EAGAIN)
                return 0;
        /* The daemon has stopped, say. A program that has to go on connects again, with the last serial it saw as "since". */
        fprintf(stderr, "follower: %s\n", r == -EREMOTEIO ? pointsman_error_message(p) : strerror(-r));
        return sd_event_exit(sd_event_source_get_event(source), EXIT_FAILURE);
}

static int set_up(sd_event *loop, pointsman *p) {
        sigset_t signals;
        int r;

        sigemptyset(&signals);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGTERM);
        sigprocmask(SIG_BLOCK, &signals, NULL);
        r = sd_event_add_signal(loop, NULL, SIGINT, NULL, NULL);
        if (r >= 0)
                r = sd_event_add_signal(loop, NULL, SIGTERM, NULL, NULL);
        if (r >= 0)
                r = pointsman_follow(p, "Subscribe", NULL);
        if (r >= 0)
                r = sd_event_add_io(loop, NULL, pointsman_fd(p), EPOLLIN, on_events, p);
        return r;
}

int main(void) {
        sd_event *loop = NULL;
        pointsman *p = NULL;

        int r = sd_event_default(&loop);
        if (r >= 0)
                r = pointsman_connect(NULL, &p);
        if (r >= 0)
                r = set_up(loop, p);
        if (r >= 0)
                r = sd_event_loop(loop);
        else
                fprintf(stderr, "follower: %s\n", r == -EREMOTEIO ? pointsman_error_message(p) : strerror(-r));
        pointsman_close(p);
        sd_event_unref(loop);
        return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
