/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many calls a second the ledger commits, and how long who waits for one waits. Callers that wait for their call to be
 * released before they put the next one, as connections with a Report do; all in one thread, as the event loop does it.
 * On the disk of --dir: the figures are about that disk as well.
 */
#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <poll.h>
#include <sys/resource.h>

#include "basic/clock.h"
#include "basic/macro.h"
#include "daemon/store/store.h"

#define CALLERS_MAX 4096
#define SAMPLES_MAX 2000000

typedef struct Options {
        const char *folder;
        unsigned nodes, operations;
        double seconds;
} Options;

typedef struct Caller {
        uint64_t generation, since_ns;
} Caller;

typedef struct Bench {
        const Options *options;
        Store *store;
        Caller callers[CALLERS_MAX];
        uint64_t serial, utc_ns;
        double *waits;
        size_t n_waits;
        char (*names)[32];
} Bench;

static void die(const char *what) {
        perror(what);
        exit(1);
}

static int compare(const void *a, const void *b) {
        const double *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

static uint64_t put(Bench *b) {
        static const char *const operations[] = { "", "geocode", "route", "matrix", "tile", "search" };
        uint64_t i = b->serial++;
        StoreCall call = {
                .service = "maps", .node = b->names[i * 7 % b->options->nodes], .operation = operations[i * 11 % b->options->operations],
                .provider = "mapbox", .tier = i % 50 == 0 ? TIER_ELEVATED : TIER_NORMAL,
                .verdict = i % 20 == 0 ? PM_SERVICE_UNAVAILABLE : PM_OK, .cost = 5000 + (Money) (i % 3), .usual_cost = 6000,
                .units = UNITS_ONE, .utc_ns = b->utc_ns ?: clock_ns(CLOCK_REALTIME), .serial = i + 1,
        };

        return b->store->functions->put_call(b->store, &call);
}

static void begin(Bench *b) {
        StoreLimits limits = { 60 * NSEC_PER_SEC, 35 * NSEC_PER_DAY, 400 * NSEC_PER_DAY };
        char *text;
        size_t n;

        if (store_sqlite_new(&b->store, b->options->folder, &limits) < 0)
                die("store");
        if (b->store->functions->read(b->store, "none", &text, &n) != -ENOENT)
                die("reading");
}

/* ---- what a call costs the event loop ---- */

static void measure_put(Bench *b) {
        enum { N = 500000 };
        uint64_t start = clock_ns(CLOCK_THREAD_CPUTIME_ID);

        b->utc_ns = clock_ns(CLOCK_REALTIME);
        for (int i = 0; i < N; i++)
                put(b);
        printf("put_call()                     %6.0f ns of the event loop's time\n",
               (double) (clock_ns(CLOCK_THREAD_CPUTIME_ID) - start) / N);
        b->utc_ns = 0;
}

/* ---- who waits ---- */

static void wait_for_release(Bench *b) {
        struct pollfd p = { .fd = b->store->functions->fd(b->store), .events = POLLIN };

        if (poll(&p, 1, 10000) <= 0)
                die("the store is silent");
        b->store->functions->dispatch(b->store);
}

static size_t serve(Bench *b, unsigned n_callers) {
        uint64_t released = b->store->functions->released(b->store), now_ns = clock_ns(CLOCK_MONOTONIC), newest = 0;
        size_t done = 0;

        for (unsigned i = 0; i < n_callers; i++) {
                Caller *c = &b->callers[i];
                if (c->generation > released)
                        continue;
                if (c->generation > 0 && b->n_waits < SAMPLES_MAX)
                        b->waits[b->n_waits++] = (double) (now_ns - c->since_ns) / 1e6;
                done += c->generation > 0;
                newest = c->generation = put(b);
                c->since_ns = now_ns;
        }
        if (newest > 0)
                b->store->functions->hurry(b->store, newest);
        return done;
}

static void measure_callers(Bench *b, unsigned n_callers) {
        uint64_t start = clock_ns(CLOCK_MONOTONIC), end = start + (uint64_t) (b->options->seconds * 1e9), done = 0;
        StoreStatus before, after;
        struct rusage u, v;

        memset(b->callers, 0, sizeof(b->callers));
        b->n_waits = 0;
        b->store->functions->status(b->store, &before);
        getrusage(RUSAGE_SELF, &u);
        while (clock_ns(CLOCK_MONOTONIC) < end) {
                done += serve(b, n_callers);
                wait_for_release(b);
        }
        double seconds = (double) (clock_ns(CLOCK_MONOTONIC) - start) / 1e9;
        getrusage(RUSAGE_SELF, &v);
        b->store->functions->status(b->store, &after);
        qsort(b->waits, b->n_waits, sizeof(double), compare);
        double cpu = (double) (v.ru_utime.tv_sec - u.ru_utime.tv_sec + v.ru_stime.tv_sec - u.ru_stime.tv_sec) +
                     (double) (v.ru_utime.tv_usec - u.ru_utime.tv_usec + v.ru_stime.tv_usec - u.ru_stime.tv_usec) / 1e6;
        printf("%4u callers that wait         %8.0f calls/s in %5.0f commits/s, wait p50 %.2f ms, p99 %.2f ms, processor %.0f %%\n", n_callers,
               (double) done / seconds, (double) (after.commits - before.commits) / seconds,
               b->n_waits ? b->waits[b->n_waits / 2] : 0, b->n_waits ? b->waits[b->n_waits * 99 / 100] : 0, 100 * cpu / seconds);
}

static int remove_one(const char *path, const struct stat *st _unused_, int type _unused_, struct FTW *ftw _unused_) {
        return remove(path);
}

static void measure_all(Bench *b) {
        static const unsigned callers[] = { 1, 10, 50, 200, 1000 };

        measure_put(b);
        for (size_t i = 0; i < ELEMENTSOF(callers); i++)
                measure_callers(b, callers[i]);
}

int main(int argc, char *argv[]) {
        static const struct option options[] = {
                { "dir", required_argument, NULL, 'd' }, { "nodes", required_argument, NULL, 'n' },
                { "operations", required_argument, NULL, 'o' }, { "seconds", required_argument, NULL, 's' }, {},
        };
        Options o = { .folder = "/var/tmp", .nodes = 20, .operations = 3, .seconds = 3 };
        static Bench b;
        char folder[256];

        for (int c; (c = getopt_long(argc, argv, "", options, NULL)) >= 0;)
                switch (c) {
                case 'd': o.folder = optarg; break;
                case 'n': o.nodes = (unsigned) atoi(optarg); break;
                case 'o': o.operations = (unsigned) CLAMP(atoi(optarg), 1, 6); break;
                case 's': o.seconds = atof(optarg); break;
                default: fprintf(stderr, "bench-store [--dir DIR] [--nodes N] [--operations 1…6] [--seconds S]\n"); return 2;
                }
        b.options = &o;
        b.waits = calloc(SAMPLES_MAX, sizeof(double));
        b.names = calloc(o.nodes, sizeof(*b.names));
        if (!b.waits || !b.names)
                die("memory");
        for (unsigned i = 0; i < o.nodes; i++)
                snprintf(b.names[i], sizeof(b.names[i]), "maps/node-%u", i);
        snprintf(folder, sizeof(folder), "%s/bench-store-XXXXXX", o.folder);
        if (!mkdtemp(folder))
                die(folder);
        o.folder = folder;
        begin(&b);
        measure_all(&b);
        store_free(b.store);
        nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        free(b.waits);
        free(b.names);
        return 0;
}
