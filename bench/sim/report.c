/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/sim/report.h"

#include <math.h>

#include "basic/macro.h"

static const char *policy_label(const Row *r) {
        return r->type == &policy_brain ? enum_to_string(&strategy_names, (int) r->strategy) : r->type->name;
}

/* A number, or a dash where there is none, or "never". */
static const char *number(char buffer[24], double v, int digits) {
        if (isnan(v))
                return "-";
        if (isinf(v))
                return "never";
        snprintf(buffer, 24, "%.*f", digits, v);
        return buffer;
}

/* ---- table ---- */

void table_head(const Trace *t, uint32_t service) {
        const ServiceSettings *s = trace_service(t, service);

        printf("\n%s%s%s\nservice %s: %s, %zu nodes, after %s, %g minutes\n", t->path, t->title ? ": " : "",
               t->title ? t->title : "", s->name, enum_to_string(&strategy_names, (int) s->strategy), s->n_nodes,
               objective_names[trace_objective(t, service)], (double) t->duration_ns / (double) NSEC_PER_MINUTE);
        printf("  %-22s %9s %9s %10s %8s %8s %8s %8s %7s %8s %7s %8s %8s\n", "", "success %", "if works", "$/1000 ok",
               "mean ms", "p99 ms", "lost/out", "hits/out", "divert", "readmit", "flaps/h", "over u$", "regret %");
}

void table_row(const Row *r) {
        const Figures *f = &r->figures;
        char b[11][24];

        printf("%c %-22s %9s %9s %10s %8s %8s %8s %8s %7s %8s %7s %8lld %8s\n", r->own ? '*' : ' ', policy_label(r),
               number(b[0], f->availability * 100, 3), number(b[1], f->available_if_works * 100, 3),
               number(b[2], f->cost_per_success * 1000, 3), number(b[3], f->latency_ms, 1), number(b[4], f->p99_ms, 0),
               number(b[5], f->lost_per_outage, 1), number(b[10], f->hits_per_outage, 1),
               f->not_diverted > 0 ? "never" : number(b[6], f->divert_s, 1),
               f->not_readmitted > 0 ? "never" : number(b[7], f->readmit_s, 1), number(b[8], f->flaps_per_hour, 1),
               (long long) f->overshoot, number(b[9], r->regret * 100, 2));
}

/* ---- JSON ---- */

static void json_text(const char *name, const char *text) {
        printf(",\"%s\":\"", name);
        for (const unsigned char *p = (const unsigned char *) text; *p; p++)
                if (*p == '"' || *p == '\\')
                        printf("\\%c", *p);
                else if (*p < 0x20)
                        printf("\\u%04x", *p);
                else
                        putchar(*p);
        putchar('"');
}

static void json_number(const char *name, double v) {
        if (isfinite(v))
                printf(",\"%s\":%.9g", name, v);
        else
                printf(",\"%s\":null", name);
}

static void json_ramps(const Row *r) {
        const char *comma = "";

        printf(",\"ramps\":[");
        for (uint32_t i = 0; i < r->measure->n_ramps; i++) {
                const Ramp *x = &r->measure->ramps[i];

                if (r->trace->nodes[x->node].service != r->service || isnan(x->leave_s))
                        continue;
                printf("%s{\"node\":\"%s\",\"seconds\":%.9g", comma, trace_node(r->trace, x->node)->id,
                       (double) (x->to_ns - x->from_ns) / 1e9);
                json_number("leaveSeconds", x->leave_s);
                json_number("outSeconds", x->out_s);
                putchar('}');
                comma = ",";
        }
        putchar(']');
}

void json_row(const Row *r) {
        const Figures *f = &r->figures;
        const ServiceMeasure *c = r->counts;
        const char *comma = "";

        printf("{\"seed\":%llu", (unsigned long long) r->seed);
        json_text("trace", r->trace->path);
        json_text("service", trace_service(r->trace, r->service)->name);
        json_text("policy", r->type->name);
        if (r->type == &policy_brain)
                json_text("strategy", policy_label(r));
        printf(",\"own\":%s", r->own ? "true" : "false");
        json_text("objective", objective_names[trace_objective(r->trace, r->service)]);
        printf(",\"calls\":%llu,\"ok\":%llu,\"lost\":%llu,\"refused\":%llu,\"unavoidable\":%llu,\"unaffordable\":%llu,"
               "\"attempts\":%llu,\"failedAttempts\":%llu,"
               "\"degraded\":%llu,\"costMicro\":%lld",
               (unsigned long long) c->calls, (unsigned long long) c->ok, (unsigned long long) c->lost,
               (unsigned long long) c->refused, (unsigned long long) c->unavoidable,
               (unsigned long long) c->unaffordable, (unsigned long long) c->attempts,
               (unsigned long long) c->failed_attempts, (unsigned long long) c->degraded, (long long) c->cost);
        json_number("success", f->availability);
        json_number("successWhileAnyWorks", f->available_if_works);
        json_number("costPerSuccess", f->cost_per_success);
        json_number("meanMs", f->latency_ms);
        json_number("p99Ms", f->p99_ms);
        printf(",\"outages\":%u", f->n_outages);
        json_number("lostPerOutage", f->lost_per_outage);
        json_number("hitsPerOutage", f->hits_per_outage);
        json_number("divertSeconds", f->divert_s);
        json_number("readmitSeconds", f->readmit_s);
        json_number("readmitMaxSeconds", f->readmit_max_s);
        printf(",\"notDiverted\":%u,\"notReadmitted\":%u", f->not_diverted, f->not_readmitted);
        json_number("flapsPerHour", f->flaps_per_hour);
        printf(",\"overshootMicro\":%lld", (long long) f->overshoot);
        json_number("regret", r->regret);
        if (r->type == &policy_brain) {
                json_number("forecastBrier", c->brier);
                json_number("forecastBrierBase", c->brier_base);
        }
        json_ramps(r);
        printf(",\"scenarios\":[");
        for (int i = 0; i < _SCENARIO_TYPE_MAX; i++)
                if (r->measure->scenarios & 1U << i) {
                        printf("%s\"%s\"", comma, enum_to_string(&scenario_type_names, i));
                        comma = ",";
                }
        printf("]}\n");
}

/* ---- summary ---- */

void summary_init(Summary *s) {
        *s = (Summary){ .worst_availability = INFINITY };
}

static void worse(double v, bool is_worse, double *worst, const char **of, const Row *r) {
        if (!is_worse)
                return;
        *worst = v;
        *of = r->trace->path;
}

void summary_add(Summary *s, const Row *r) {
        const Figures *f = &r->figures;

        if (r->type == &policy_nginx && f->n_outages > 0) {
                s->lost_nginx += f->lost_per_outage * f->n_outages;
                s->hits_nginx += f->hits_per_outage * f->n_outages;
        }
        if (!r->own)
                return;
        s->rows++;
        s->outages += f->n_outages;
        s->lost += f->n_outages > 0 ? f->lost_per_outage * f->n_outages : 0;
        s->hits += f->n_outages > 0 ? f->hits_per_outage * f->n_outages : 0;
        s->overshoot = MAX(s->overshoot, f->overshoot);
        worse(f->available_if_works, f->available_if_works < s->worst_availability, &s->worst_availability,
              &s->worst_availability_of, r);
        worse(f->flaps_per_hour, f->flaps_per_hour > s->worst_flaps, &s->worst_flaps, &s->worst_flaps_of, r);
        worse(f->readmit_max_s, f->readmit_max_s > s->worst_readmit_s, &s->worst_readmit_s, &s->worst_readmit_of, r);
        if (f->not_readmitted > 0)
                worse(INFINITY, true, &s->worst_readmit_s, &s->worst_readmit_of, r);
        worse(r->regret, r->regret > s->worst_regret, &s->worst_regret, &s->worst_regret_of, r);
}

static void summary_line(const char *what, double v, int digits, const char *of) {
        printf("  %-48s %10.*f%s%s\n", what, digits, v, of ? "  in " : "", of ? of : "");
}

void summary_show(const Summary *s) {
        if (s->rows < 2)
                return;
        printf("\nThe brain with each service's own strategy (*), over %u services:\n", s->rows);
        summary_line("success while any node works, worst, %", s->worst_availability * 100, 3,
                     s->worst_availability_of);
        if (s->outages > 0) {
                summary_line("calls lost per hard outage, mean", s->lost / s->outages, 1, NULL);
                summary_line("  nginx", s->lost_nginx / s->outages, 1, NULL);
                summary_line("attempts that ran into a hard outage, mean", s->hits / s->outages, 1, NULL);
                summary_line("  nginx", s->hits_nginx / s->outages, 1, NULL);
        }
        summary_line("readmitted after, worst, s", s->worst_readmit_s, 1, s->worst_readmit_of);
        summary_line("flaps an hour without a cause, worst", s->worst_flaps, 1, s->worst_flaps_of);
        summary_line("regret against the oracle, worst, %", s->worst_regret * 100, 2, s->worst_regret_of);
        printf("  %-48s %10lld\n", "over a cap, worst, micro-dollars", (long long) s->overshoot);
}
