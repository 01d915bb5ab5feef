/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a decision costs in the core alone: no sockets, no clock. Every decision is followed by its report, as callers
 * do, so that leases do not pile up. It is this thread's processor time that counts, so other programs disturb it only
 * through the caches; all cases alternate over many short rounds, and medians are shown.
 */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <time.h>

#include "basic/macro.h"
#include "daemon/core/router.h"

#define ROUNDS_MAX 101
#define CASES_MAX 64
#define REFUSALS 9
#define BATCH 64 /* decisions between two looks at the clock, so that it does not measure itself */

typedef struct Case {
        char name[48];
        Strategy strategy;
        uint32_t services, nodes; /* nodes of each service */
        const char *credential;   /* of all nodes; or NULL */
        Router *router;
        char (*names)[24]; /* of the services */
        uint64_t now, next;
        unsigned turn;
        double route[ROUNDS_MAX], report[ROUNDS_MAX]; /* ns each */
} Case;

static const struct pm_operation operations[] = {
        { .name = "geocode", .method = "GET", .path = "/", .unit = "request", .idempotent = true, .price = 5000 },
        {},
};
static const struct pm_provider provider = {
        .abi = PM_PROVIDER_ABI,
        .size = sizeof(provider),
        .name = "bench",
        .url = "http://127.0.0.1",
        .operations = operations,
};

static uint64_t clock_ns(void) {
        struct timespec t;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return (uint64_t) t.tv_sec * NSEC_PER_SEC + (uint64_t) t.tv_nsec;
}

static int fill_service(ServiceSettings *s, const Case *c, uint32_t number) {
        char text[32];

        service_settings_init(s);
        snprintf(text, sizeof(text), "service-%u", number);
        s->name = strdup(text);
        s->strategy = c->strategy;
        s->max_cost_per_hour = MONEY_MAX;
        s->nodes = calloc(c->nodes, sizeof(NodeSettings));
        if (!s->name || !s->nodes)
                return -ENOMEM;
        for (; s->n_nodes < c->nodes; s->n_nodes++) {
                NodeSettings *n = &s->nodes[s->n_nodes];

                node_settings_init(n);
                snprintf(text, sizeof(text), "node-%zu", s->n_nodes);
                n->id = strdup(text);
                n->provider_name = strdup("bench");
                n->credential = c->credential ? strdup(c->credential) : NULL;
                if (!n->id || !n->provider_name || !n->credential != !c->credential)
                        return -ENOMEM;
                n->provider = &provider;
                n->weight = 10 + (uint32_t) s->n_nodes % 90;
                n->cost_per_request = 5000 + (Money) s->n_nodes % 50 * 10;
                n->latitude = (double) (s->n_nodes * 37 % 180) - 90;
                n->longitude = (double) (s->n_nodes * 61 % 360) - 180;
        }
        return 0;
}

static int case_start(Case *c) {
        const RouterLimits limits = {
                .leases = 65536,
                .leases_per_user = 65536,
                .services = 10000,
                .nodes = 100000,
                .nodes_per_service = 10000,
        };
        Settings settings = { calloc(c->services, sizeof(ServiceSettings)), 0 };
        int r = settings.services ? 0 : -ENOMEM;

        c->names = calloc(c->services, sizeof(*c->names));
        if (!c->names)
                r = -ENOMEM;
        while (r >= 0 && settings.n_services < c->services) {
                uint32_t i = (uint32_t) settings.n_services++;

                snprintf(c->names[i], sizeof(c->names[i]), "service-%u", i);
                r = fill_service(&settings.services[i], c, i);
        }
        c->now = NSEC_PER_HOUR;
        if (r >= 0)
                r = router_new(&c->router, &limits, 1, c->now, UINT64_C(1700000000) * NSEC_PER_SEC);
        if (r >= 0)
                r = router_apply(c->router, &settings, c->now);
        settings_done(&settings);
        return r;
}

/* So many decisions and their reports, 100 µs apart; the times of both are added up. */
static int run(Case *c, unsigned n, uint64_t *route_ns, uint64_t *report_ns) {
        static Decision decisions[BATCH];
        static Settlement settlement;
        RouteRefusal refusal;

        for (unsigned done = 0; done < n; done += BATCH) {
                uint64_t start = clock_ns(), middle;

                for (unsigned i = 0; i < BATCH; i++) {
                        RouteRequest q = {
                                .service = c->names[c->turn++ % c->services],
                                .units = UNITS_ONE,
                                .latitude = 48.9,
                                .longitude = 2.4,
                                .strategy = _STRATEGY_INVALID,
                                .idempotent = -1,
                                .max_cost = MONEY_UNSET,
                                .uid = 1000,
                        };

                        c->now += 100 * NSEC_PER_USEC;
                        if (router_route(c->router, &q, c->now, &decisions[i], &refusal) != 0)
                                return -EIO;
                }
                middle = clock_ns();
                for (unsigned i = 0; i < BATCH; i++) {
                        Outcome o = {
                                .verdict = c->turn % 1000 == i ? PM_SERVICE_UNAVAILABLE : PM_OK,
                                .latency_ns = (50 + i) * NSEC_PER_MSEC, .units = -1, .cost = MONEY_UNSET,
                        };

                        if (router_report(c->router, decisions[i].id, 1000, false, &o, c->now, &settlement) != 0)
                                return -EIO;
                }
                *route_ns += middle - start;
                *report_ns += clock_ns() - middle;
                if (c->now >= c->next) {
                        Effect e;

                        c->next = router_tick(c->router, c->now);
                        while (router_next_effect(c->router, &e))
                                ;
                }
        }
        return 0;
}

/* The one report that says that the credential of all nodes is refused, and the longest tick after it. */
static int run_refusal(Case *c, double *ret_report_us, double *ret_tick_us) {
        Outcome o = {
                .verdict = PM_AUTHENTICATION_FAILURE, .scope = PM_SCOPE_ACCOUNT, .units = -1, .cost = MONEY_UNSET,
        };
        RouteRequest q = {
                .service = c->names[0], .units = UNITS_ONE, .latitude = NAN, .longitude = NAN,
                .strategy = _STRATEGY_INVALID, .idempotent = -1, .max_cost = MONEY_UNSET, .uid = 1000,
        };
        static Decision decision;
        Settlement settlement;
        RouteRefusal refusal;
        uint64_t start, next;
        Effect e;

        if (router_route(c->router, &q, c->now, &decision, &refusal) != 0)
                return -EIO;
        start = clock_ns();
        if (router_report(c->router, decision.id, 1000, false, &o, c->now, &settlement) != 0)
                return -EIO;
        *ret_report_us = (double) (clock_ns() - start) / (double) NSEC_PER_USEC;
        *ret_tick_us = 0;
        do {
                start = clock_ns();
                next = router_tick(c->router, c->now);
                *ret_tick_us = MAX(*ret_tick_us, (double) (clock_ns() - start) / (double) NSEC_PER_USEC);
                while (router_next_effect(c->router, &e))
                        ;
        } while (next <= c->now);
        return 0;
}

static int compare(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return (x > y) - (x < y);
}

static double median(double *v, unsigned n) {
        qsort(v, n, sizeof(*v), compare);
        return v[n / 2];
}

static void add_case(Case *cases, unsigned *n, Strategy strategy, uint32_t services, uint32_t nodes) {
        Case *c = &cases[(*n)++];

        *c = (Case) { .strategy = strategy, .services = services, .nodes = nodes };
        snprintf(c->name, sizeof(c->name), "%s", enum_to_string(&strategy_names, (int) strategy));
}

static void show(Case *cases, unsigned n, unsigned rounds, bool json) {
        double floor = 0;

        if (!json)
                printf("%-22s %9s %7s %12s %12s %9s\n", "strategy", "services", "nodes", "decision ns", "report ns",
                       "ratio");
        for (unsigned i = 0; i < n; i++) {
                Case *c = &cases[i];
                double route = median(c->route, rounds), report = median(c->report, rounds);

                if (i == 0)
                        floor = route;
                if (json)
                        printf("{\"strategy\":\"%s\",\"services\":%u,\"nodes\":%u,\"decisionNs\":%.1f,\"reportNs\":%.1f,\"ratio\":%.2f}\n",
                               c->name, c->services, c->nodes, route, report, route / floor);
                else
                        printf("%-22s %9u %7u %12.0f %12.0f %9.2f\n", c->name, c->services, c->nodes, route, report,
                               route / floor);
        }
        if (!json)
                printf("ratio: decision against the first line. Medians of %u rounds, all cases in turn.\n", rounds);
}

/* A credential that ten thousand nodes share; each time with a brain of its own that has seen calls. */
static int show_refusal(bool json) {
        double report[REFUSALS], tick[REFUSALS];

        for (int i = 0; i < REFUSALS; i++) {
                Case c = { .strategy = ROUND_ROBIN, .services = 100, .nodes = 100, .credential = "key" };
                uint64_t route_ns = 0, report_ns = 0;
                int r = case_start(&c);

                if (r >= 0)
                        r = run(&c, 20032, &route_ns, &report_ns);
                router_set_event_mask(c.router, UINT32_MAX);
                if (r >= 0)
                        r = run_refusal(&c, &report[i], &tick[i]);
                router_free(c.router);
                free(c.names);
                if (r < 0)
                        return r;
        }
        printf(json ? "{\"refusedNodes\":10000,\"reportUs\":%.0f,\"longestTickUs\":%.0f}\n"
                    : "A credential of 10000 nodes is refused: the report takes %.0f us, the longest tick after it %.0f us.\n",
               median(report, REFUSALS), median(tick, REFUSALS));
        return 0;
}

int main(int argc, char *argv[]) {
        static const struct option options[] = {
                { "json", no_argument, NULL, 'j' },
                { "rounds", required_argument, NULL, 'r' },
                { "help", no_argument, NULL, 'h' },
                {},
        };
        static const uint32_t nodes[] = { 3, 30, 300, 3000 }, services[] = { 1, 100, 10000 };
        static Case cases[CASES_MAX];
        unsigned n = 0, rounds = 31;
        bool json = false;

        for (int o; (o = getopt_long(argc, argv, "h", options, NULL)) >= 0;)
                switch (o) {
                case 'j':
                        json = true;
                        break;
                case 'r':
                        rounds = (unsigned) CLAMP(atoi(optarg), 1, ROUNDS_MAX);
                        break;
                case 'h':
                        printf("bench-core [--json] [--rounds N]\n\nMeasures decisions and reports in the core alone.\n\n"
                               "      --json      a JSON object a line instead of a table\n"
                               "      --rounds N  medians of so many rounds (1 to %d, default 31)\n",
                               ROUNDS_MAX);
                        return EXIT_SUCCESS;
                default:
                        return EXIT_FAILURE;
                }

        for (size_t k = 0; k < ELEMENTSOF(nodes); k++)
                for (int s = 0; s < _STRATEGY_MAX; s++)
                        add_case(cases, &n, (Strategy) s, 1, nodes[k]);
        for (size_t k = 1; k < ELEMENTSOF(services); k++)
                add_case(cases, &n, ROUND_ROBIN, services[k], 3);

        for (unsigned i = 0; i < n; i++) {
                uint64_t route = 0, report = 0;

                if (case_start(&cases[i]) < 0 || run(&cases[i], 1024, &route, &report) < 0) {
                        fprintf(stderr, "bench-core: %s with %u nodes does not run\n", cases[i].name, cases[i].nodes);
                        return EXIT_FAILURE;
                }
        }
        for (unsigned round = 0; round < rounds; round++)
                for (unsigned i = 0; i < n; i++) {
                        unsigned calls = cases[i].nodes > 100 ? 256 : 2048;
                        uint64_t route = 0, report = 0;

                        if (run(&cases[i], calls, &route, &report) < 0)
                                return EXIT_FAILURE;
                        cases[i].route[round] = (double) route / calls;
                        cases[i].report[round] = (double) report / calls;
                }
        show(cases, n, rounds, json);
        if (show_refusal(json) < 0)
                return EXIT_FAILURE;
        for (unsigned i = 0; i < n; i++) {
                router_free(cases[i].router);
                free(cases[i].names);
        }
        return EXIT_SUCCESS;
}
