/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A caller that another program drives. For each line "SECONDS RATE" on its standard input it decides and reports RATE times a
 * second for so long (RATE 0: as fast as it can), and writes "CALLS P50 P99 MAX", the times of Route in µs.
 *
 *     caller SOCKET
 */
#include <time.h>
#include <unistd.h>

#include "bench/common.h"

#define CALLS_MAX 4000000

static void wait_until(uint64_t at_ns) {
        struct timespec ts = { .tv_sec = (time_t) (at_ns / 1000000000), .tv_nsec = (long) (at_ns % 1000000000) };

        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) != 0)
                ;
}

static size_t call(int fd, double seconds, double rate, double *times) {
        char request[FRAME_MAX], reply[FRAME_MAX], id[ID_MAX];
        uint64_t start_ns = now_ns(), end_ns = start_ns + (uint64_t) (seconds * 1e9);
        size_t n = 0;

        for (; n < CALLS_MAX; n++) {
                if (rate > 0)
                        wait_until(start_ns + (uint64_t) ((double) n / rate * 1e9));
                uint64_t t = now_ns();
                if (t >= end_ns && n > 0)
                        break;
                send_all(fd, ROUTE, sizeof(ROUTE));
                receive_frame(fd, reply, sizeof(reply));
                times[n] = (double) (now_ns() - t) / 1e3;
                find_id(reply, id);
                send_all(fd, request, write_report(request, id));
        }
        return n;
}

int main(int argc, char **argv) {
        double seconds, rate, *times = malloc(CALLS_MAX * sizeof(double));

        if (argc != 2) {
                fprintf(stderr, "Usage: caller SOCKET\n");
                return 2;
        }
        if (!times)
                die("malloc");
        int fd = connect_to(argv[1]);
        if (fd < 0)
                die(argv[1]);
        while (scanf("%lf %lf", &seconds, &rate) == 2) {
                size_t n = call(fd, seconds, rate, times);
                printf("%zu %.2f %.2f %.2f\n", n, percentile(times, n, 0.5), percentile(times, n, 0.99), percentile(times, n, 1));
                fflush(stdout);
        }
        free(times);
        close(fd);
        return 0;
}
