/* SPDX-License-Identifier: Apache-2.0 */
/*
 * caller SERVICE STATUS...: calls an API by pointsman's advice, with libpointsman. Each STATUS is what a provider answers to one
 * attempt; 0: nothing. (Put your own HTTP client in the place of call_provider().)
 *
 *     cc -o caller caller.c $(pkg-config --cflags --libs pointsman)
 */
#include <pointsman/pointsman.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int complain(const pointsman *p, const char *what, int r) {
        /* -EREMOTEIO: the daemon has answered, with an error that has a name and a sentence. */
        fprintf(stderr, "caller: %s: %s\n", what, r == -EREMOTEIO ? pointsman_error_message(p) : strerror(-r));
        return r;
}

/* The HTTP status; 0: no response, *ret_error says why in one of the words of pointsman.h. */
static int call_provider(const char *url, const char *answer, const char **ret_error, double *ret_latency_ms) {
        int status = atoi(answer);

        printf("GET %s: %d\n", url, status);
        *ret_error = status == 0 ? "timeout" : NULL;
        *ret_latency_ms = -1; /* not measured */
        return status;
}

static int call(pointsman *p, const char *service, char **answers, int n) {
        struct pointsman_decision d;

        int r = pointsman_route(p, service, NULL, &d);
        if (r < 0)
                return complain(p, "no node to call", r);
        for (int i = 0; i < n; i++) {
                const char *error;
                double latency_ms;

                printf("attempt %d: %s\n", i + 1, d.node);
                int status = call_provider(d.url, answers[i], &error, &latency_ms);
                if (status >= 200 && status < 300) {
                        r = pointsman_report(p, d.id, status, error, NULL, latency_ms);
                        return r < 0 ? complain(p, "not reported", r) : 0;
                }
                /* Reports the failure, and asks for a node that was not tried yet. */
                r = pointsman_fallback(p, d.id, status, error, NULL, latency_ms, &d);
                if (r < 0)
                        return complain(p, "no other node to call", r);
        }
        /* A decision that is not used says so; else it would count as open until it expires. */
        (void) pointsman_report(p, d.id, 0, "not_sent", NULL, -1);
        return -EIO;
}

int main(int argc, char **argv) {
        pointsman *p;

        if (argc < 3) {
                fprintf(stderr, "usage: caller SERVICE STATUS...\n");
                return 2;
        }
        int r = pointsman_connect(NULL, &p);
        if (r < 0) {
                fprintf(stderr, "caller: cannot reach pointsmand: %s\n", strerror(-r));
                return 1;
        }
        r = call(p, argv[1], argv + 2, argc - 2);
        pointsman_close(p);
        return r < 0 ? 1 : 0;
}
