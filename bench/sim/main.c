/* SPDX-License-Identifier: Apache-2.0 */
/* pointsman-sim: drives the brain, and what it is compared with, through traces on a virtual clock. */
#include <errno.h>
#include <getopt.h>
#include <glob.h>
#include <math.h>

#include "basic/macro.h"
#include "bench/sim/report.h"
#include "bench/sim/sim.h"

#define TRACES_MAX 1024

static const PolicyType *const baselines[] = { &policy_static, &policy_nginx, &policy_nginx_default, &policy_envoy,
                                               &policy_oracle };

typedef struct Arguments {
        const char *traces[TRACES_MAX];
        size_t n_traces;
        int strategy;         /* a Strategy; -1: all; -2: each service's own only */
        const char *baseline; /* a name, "all" or "none" */
        const char *service;  /* that is drawn; NULL: the first */
        const char *svg;
        uint64_t seed;
        bool json;
} Arguments;

enum {
        STRATEGY_ALL = -1,
        STRATEGY_OWN = -2
};

static void help(void) {
        printf("pointsman-sim [--trace FILE]… [--strategy NAME] [--baseline NAME] [--seed N] [--json] [--svg FILE]\n\n"
               "Drives the brain of pointsmand through traces on a virtual clock and compares it with others.\n"
               "Without a trace, all that are shipped (" TRACE_DIR ").\n"
               "See docs/simulator.md and docs/traces.md.\n\n"
               "  --trace FILE     a trace; may be given several times, or as plain arguments\n"
               "  --strategy NAME  one of the nine; \"own\": each service's own; \"all\" (default): all nine\n"
               "  --baseline NAME  \"none\", \"all\" (default), or one of\n");
        for (size_t i = 0; i < ELEMENTSOF(baselines); i++)
                printf("                     %-14s %s\n", baselines[i]->name, baselines[i]->doc);
        printf("  --seed N         of all chance, 0 to 2^64-1 (default 1); same seed, same output\n"
               "  --json           a JSON object a line instead of the table\n"
               "  --svg FILE       draw the first strategy and baseline of the only trace over time\n"
               "  --service NAME   the service to draw (default: the first)\n\n"
               "* marks the strategy that the trace has for its service. \"if works\": success while any node works and no cap\n"
               "forbids. \"lost/out\", \"hits/out\": calls lost for good to a hard outage, and attempts that ran into it. \"divert\",\n"
               "\"readmit\": seconds until a dead node gets next to nothing, and a recovered one is back. \"flaps/h\": nodes taken out\n"
               "for no reason. \"over u$\": micro-dollars over a cap. \"regret\": how far behind the oracle in what the service is\n"
               "after.\n");
}

/* ---- one trace ---- */

typedef struct Run {
        const PolicyType *type;
        Strategy strategy;
        Measure *measure;
} Run;

static bool is_own(const Trace *t, uint32_t service, const Run *run) {
        return run->type == &policy_brain &&
               (run->strategy == _STRATEGY_INVALID || run->strategy == trace_service(t, service)->strategy);
}

static Row row_of(const Trace *t, uint32_t service, const Run *run, const Run *oracle, uint64_t seed) {
        Row r = {
                .trace = t,
                .service = service,
                .type = run->type,
                .strategy = run->strategy == _STRATEGY_INVALID ? trace_service(t, service)->strategy : run->strategy,
                .own = is_own(t, service, run),
                .seed = seed,
                .counts = &run->measure->services[service],
                .measure = run->measure,
                .regret = NAN,
        };
        Figures best;

        measure_figures(run->measure, service, &r.figures);
        if (oracle && oracle->measure) {
                measure_figures(oracle->measure, service, &best);
                r.regret = measure_regret(trace_objective(t, service), &r.figures, &best);
        }
        return r;
}

#define RUNS_MAX (_STRATEGY_MAX + ELEMENTSOF(baselines) + 1)

static size_t choose_runs(const Arguments *a, const Trace *t, Run runs[RUNS_MAX]) {
        bool mixed = false, all = streq(a->baseline, "all");
        size_t n = 0;

        for (size_t i = 1; i < t->settings.n_services; i++)
                mixed = mixed || trace_service(t, (uint32_t) i)->strategy != trace_service(t, 0)->strategy;
        if (a->strategy == STRATEGY_OWN || (mixed && a->strategy == STRATEGY_ALL))
                runs[n++] = (Run){ &policy_brain, _STRATEGY_INVALID, NULL };
        for (int i = 0; i < _STRATEGY_MAX; i++)
                if (a->strategy == STRATEGY_ALL || a->strategy == i)
                        runs[n++] = (Run){ &policy_brain, (Strategy) i, NULL };
        for (size_t i = 0; i < ELEMENTSOF(baselines); i++)
                if (all || streq(a->baseline, baselines[i]->name))
                        runs[n++] = (Run){ baselines[i], _STRATEGY_INVALID, NULL };
        return n;
}

static int draw(const Arguments *a, const Trace *t, const Run *runs, size_t n, const Run *oracle) {
        uint32_t service = 0;
        Row row, baseline;
        const Run *other = NULL;

        while (a->service && service < t->settings.n_services && !streq(trace_service(t, service)->name, a->service))
                service++;
        if (service == t->settings.n_services) {
                fprintf(stderr, "pointsman-sim: %s has no service %s\n", t->path, a->service);
                return -EINVAL;
        }
        for (size_t i = 1; i < n && !other; i++)
                if (runs[i].type != &policy_brain)
                        other = &runs[i];
        row = row_of(t, service, &runs[0], oracle, a->seed);
        if (other)
                baseline = row_of(t, service, other, oracle, a->seed);
        int r = svg_write(a->svg, &row, other ? &baseline : NULL);
        if (r < 0)
                fprintf(stderr, "pointsman-sim: %s: %s\n", a->svg, strerror(-r));
        return r;
}

static void show(const Arguments *a, const Trace *t, const Run *runs, size_t n, const Run *oracle, Summary *summary) {
        for (uint32_t service = 0; service < t->settings.n_services; service++) {
                if (!a->json)
                        table_head(t, service);
                for (size_t i = 0; i < n; i++) {
                        Row row = row_of(t, service, &runs[i], oracle, a->seed);

                        if (a->json)
                                json_row(&row);
                        else
                                table_row(&row);
                        summary_add(summary, &row);
                }
        }
}

static int run_trace(const Arguments *a, const char *path, Summary *summary, uint64_t *events, double *seconds,
                     Trace **ret) {
        char error[TRACE_ERROR_MAX];
        Run runs[RUNS_MAX], own_oracle = { &policy_oracle, _STRATEGY_INVALID, NULL };
        const Run *oracle = &own_oracle;
        Trace *t;
        size_t n;
        int r = trace_load(&t, path, error);

        if (r < 0) {
                fprintf(stderr, "pointsman-sim: %s%s%s\n", r == -EINVAL ? error : path, r == -EINVAL ? "" : ": ",
                        r == -EINVAL ? "" : strerror(-r));
                return r;
        }
        *ret = t;
        n = choose_runs(a, t, runs);
        for (size_t i = 0; i < n && r >= 0; i++) {
                r = sim_run(&runs[i].measure, t, runs[i].type, runs[i].strategy, a->seed);
                if (r < 0)
                        break;
                if (runs[i].type == &policy_oracle)
                        oracle = &runs[i];
                *events += runs[i].measure->events;
                *seconds += runs[i].measure->seconds;
        }
        if (r >= 0 && oracle == &own_oracle)
                r = sim_run(&own_oracle.measure, t, &policy_oracle, _STRATEGY_INVALID, a->seed);
        if (r < 0)
                fprintf(stderr, "pointsman-sim: %s: %s\n", path, strerror(-r));
        else
                show(a, t, runs, n, oracle, summary);
        if (r >= 0 && a->svg)
                r = draw(a, t, runs, n, oracle);
        for (size_t i = 0; i < n; i++)
                measure_free(runs[i].measure);
        measure_free(own_oracle.measure);
        return r;
}

/* ---- arguments ---- */

static int parse_strategy(const char *name, int *ret) {
        *ret = streq(name, "all") ? STRATEGY_ALL
             : streq(name, "own") ? STRATEGY_OWN
                                  : enum_from_string(&strategy_names, name);
        if (*ret != -1 || streq(name, "all"))
                return 0;
        fprintf(stderr, "pointsman-sim: --strategy: \"%s\" is not own, all", name);
        for (int i = 0; i < _STRATEGY_MAX; i++)
                fprintf(stderr, ", %s", enum_to_string(&strategy_names, i));
        fputc('\n', stderr);
        return -EINVAL;
}

static int check_baseline(const char *name) {
        if (streq(name, "all") || streq(name, "none"))
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(baselines); i++)
                if (streq(name, baselines[i]->name))
                        return 0;
        fprintf(stderr, "pointsman-sim: --baseline: \"%s\" is not all, none", name);
        for (size_t i = 0; i < ELEMENTSOF(baselines); i++)
                fprintf(stderr, ", %s", baselines[i]->name);
        fputc('\n', stderr);
        return -EINVAL;
}

static int parse_seed(const char *text, uint64_t *ret) {
        char *end;

        errno = 0;
        *ret = strtoull(text, &end, 10);
        if (errno == 0 && *end == '\0' && *text >= '0' && *text <= '9')
                return 0;
        fprintf(stderr, "pointsman-sim: --seed: \"%s\" is not a whole number from 0 to 2^64-1\n", text);
        return -EINVAL;
}

static int add_trace(Arguments *a, const char *path) {
        if (a->n_traces == TRACES_MAX) {
                fprintf(stderr, "pointsman-sim: at most %d traces\n", TRACES_MAX);
                return -E2BIG;
        }
        a->traces[a->n_traces++] = path;
        return 0;
}

static int add_shipped(Arguments *a, glob_t *found) {
        int r = 0;

        if (glob(TRACE_DIR "/*/*.trace", 0, NULL, found) != 0) {
                fprintf(stderr, "pointsman-sim: there are no traces in " TRACE_DIR "; name one\n");
                return -ENOENT;
        }
        for (size_t i = 0; i < found->gl_pathc && r >= 0; i++)
                r = add_trace(a, found->gl_pathv[i]);
        return r;
}

static int parse_arguments(Arguments *a, int argc, char *argv[]) {
        static const struct option options[] = {
                { "trace", required_argument, NULL, 't' },
                { "strategy", required_argument, NULL, 's' },
                { "baseline", required_argument, NULL, 'b' },
                { "seed", required_argument, NULL, 'e' },
                { "json", no_argument, NULL, 'j' },
                { "svg", required_argument, NULL, 'v' },
                { "service", required_argument, NULL, 'c' },
                { "help", no_argument, NULL, 'h' },
                {},
        };
        int r = 0;

        for (int o; r >= 0 && (o = getopt_long(argc, argv, "h", options, NULL)) >= 0;)
                switch (o) {
                case 't':
                        r = add_trace(a, optarg);
                        break;
                case 's':
                        r = parse_strategy(optarg, &a->strategy);
                        break;
                case 'b':
                        a->baseline = optarg;
                        r = check_baseline(optarg);
                        break;
                case 'e':
                        r = parse_seed(optarg, &a->seed);
                        break;
                case 'j':
                        a->json = true;
                        break;
                case 'v':
                        a->svg = optarg;
                        break;
                case 'c':
                        a->service = optarg;
                        break;
                case 'h':
                        help();
                        exit(EXIT_SUCCESS);
                default:
                        r = -EINVAL;
                }
        for (; r >= 0 && optind < argc; optind++)
                r = add_trace(a, argv[optind]);
        return r;
}

int main(int argc, char *argv[]) {
        static Arguments a = { .strategy = STRATEGY_ALL, .baseline = "all", .seed = 1 };
        static Trace *traces[TRACES_MAX]; /* the summary names them at the end */
        glob_t found = {};
        uint64_t events = 0;
        double seconds = 0;
        Summary summary;
        int r = parse_arguments(&a, argc, argv);

        if (r >= 0 && a.n_traces == 0)
                r = add_shipped(&a, &found);
        if (r >= 0 && a.svg && a.n_traces != 1) {
                fprintf(stderr, "pointsman-sim: --svg draws one trace; name it\n");
                r = -EINVAL;
        }
        if (r >= 0 && a.svg && a.strategy == STRATEGY_ALL)
                a.strategy = STRATEGY_OWN;
        summary_init(&summary);
        for (size_t i = 0; i < a.n_traces && r >= 0; i++)
                r = run_trace(&a, a.traces[i], &summary, &events, &seconds, &traces[i]);
        if (r >= 0 && !a.json)
                summary_show(&summary);
        if (r >= 0 && !a.json && seconds > 0) /* not with the rest, which is the same every time */
                fprintf(stderr, "%.1f million events in %.2f s of processor time: %.2f million a second\n",
                        (double) events / 1e6, seconds, (double) events / seconds / 1e6);
        for (size_t i = 0; i < a.n_traces; i++)
                trace_free(traces[i]);
        globfree(&found);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
