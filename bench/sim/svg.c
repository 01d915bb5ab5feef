/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run as a picture, top to bottom: what happens to each node; who gets the calls, the brain's choice and the
 * baseline's; how many calls succeed; what a success costs. Time goes to the right, and what happens throws its shade
 * on all that is below.
 */
#include <errno.h>
#include <math.h>

#include "basic/macro.h"
#include "bench/sim/report.h"

#define WIDTH 1200
#define LEFT 210
#define RIGHT 1150
#define BINS 300
#define NODES_DRAWN 12
#define LANE 22

static const char *const colours[] = {
        "#4477aa", "#ee9a44", "#55a868", "#aa5599", "#8c8c3c", "#66bbdd",
        "#cc6677", "#777788", "#b08d57", "#88aa33", "#5566cc", "#999999",
};

typedef struct Picture {
        FILE *f;
        const Trace *trace;
        uint32_t service, n; /* n: nodes drawn */
        double y;            /* where the next panel begins */
} Picture;

/* What one policy did, by bin. */
typedef struct Bins {
        double share[NODES_DRAWN][BINS];  /* of the bin's attempts; NAN: there were none */
        double success[BINS], cost[BINS]; /* percent; dollars for 1000 successes */
} Bins;

static void text(FILE *f, const char *s) {
        for (; *s; s++)
                switch (*s) {
                case '<':
                        fputs("&lt;", f);
                        break;
                case '&':
                        fputs("&amp;", f);
                        break;
                case '"':
                        fputs("&quot;", f);
                        break;
                default:
                        if ((unsigned char) *s >= 0x20)
                                fputc(*s, f);
                }
}

static double x_of(const Picture *p, uint64_t at_ns) {
        return LEFT + (RIGHT - LEFT) * (double) MIN(at_ns, p->trace->duration_ns) / (double) p->trace->duration_ns;
}

static double x_of_bin(int bin) {
        return LEFT + (RIGHT - LEFT) * (bin + 0.5) / BINS;
}

static void fill(const Picture *p, const Measure *m, Bins *ret) {
        const ServiceMeasure *s = &m->services[p->service];
        double sent[NODES_DRAWN], all, ok, lost, cost;

        for (int bin = 0; bin < BINS; bin++) {
                uint32_t from = (uint32_t) ((uint64_t) m->n_buckets * (unsigned) bin / BINS);
                uint32_t to = (uint32_t) ((uint64_t) m->n_buckets * ((unsigned) bin + 1) / BINS);

                all = ok = lost = cost = 0;
                memset(sent, 0, sizeof(sent));
                for (uint32_t b = from; b < MAX(to, from + 1); b++) {
                        for (uint32_t i = 0; i < trace_service(p->trace, p->service)->n_nodes; i++) {
                                double v = m->sent[p->trace->services[p->service].nodes[i]][b];

                                sent[MIN(i, p->n - 1)] += v;
                                all += v;
                        }
                        ok += s->ok_series[b];
                        lost += s->lost_series[b];
                        cost += (double) s->cost_series[b];
                }
                for (uint32_t i = 0; i < p->n; i++)
                        ret->share[i][bin] = all > 0 ? sent[i] / all : NAN;
                ret->success[bin] = ok + lost > 0 ? 100 * ok / (ok + lost) : NAN;
                ret->cost[bin] = ok > 0 ? cost / ok / 1000 : NAN;
        }
}

/* ---- parts ---- */

static void label(const Picture *p, double x, double y, const char *anchor, const char *class, const char *what) {
        fprintf(p->f, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" class=\"%s\">", x, y, anchor, class);
        text(p->f, what);
        fprintf(p->f, "</text>\n");
}

static const char *node_label(const Picture *p, uint32_t i) {
        return i == p->n - 1 && trace_service(p->trace, p->service)->n_nodes > p->n
                     ? "others"
                     : trace_service(p->trace, p->service)->nodes[i].id;
}

#define LETTER 6.6 /* about as wide as one is */

/* Where the next bar of the same lane begins, to the right of from. */
static double next_bar(const Picture *p, const Fault *f, double from) {
        double x = RIGHT + LETTER * 8;

        for (uint32_t i = 0; i < p->trace->n_faults; i++)
                if (p->trace->faults[i].node == f->node && p->trace->faults[i].from_ns > f->from_ns)
                        x = MIN(x, MAX(x_of(p, p->trace->faults[i].from_ns), from));
        return x;
}

/* What else happens to the node at the same time: one bar says it all. */
static bool is_named_before(const Trace *t, uint32_t fault) {
        for (uint32_t i = 0; i < fault; i++)
                if (t->faults[i].node == t->faults[fault].node && t->faults[i].from_ns == t->faults[fault].from_ns &&
                    t->faults[i].to_ns == t->faults[fault].to_ns)
                        return true;
        return false;
}

static void describe_all(const Trace *t, uint32_t fault, char ret[160]) {
        size_t k = 0;

        for (uint32_t i = fault; i < t->n_faults && k < 80; i++)
                if (t->faults[i].node == t->faults[fault].node && t->faults[i].from_ns == t->faults[fault].from_ns &&
                    t->faults[i].to_ns == t->faults[fault].to_ns) {
                        char what[64];

                        k += (size_t) snprintf(ret + k, 160 - k, "%s%s", k > 0 ? ", " : "",
                                               fault_describe(&t->faults[i], what));
                }
}

/* In the bar, beside it, in short, or not at all but for a tooltip: wherever it gets into nobody's way. */
static void label_bar(const Picture *p, const Fault *f, double x, double w, double y, const char *what) {
        double long_w = LETTER * (double) strlen(what), short_w = LETTER * (double) strlen(fault_names[f->kind]);

        if (w > long_w)
                label(p, x + w / 2, y, "middle", "inbar", what);
        else if (next_bar(p, f, x + w) - x - w > long_w + 6)
                label(p, x + w + 3, y, "start", "small", what);
        else if (w > short_w)
                label(p, x + w / 2, y, "middle", "inbar", fault_names[f->kind]);
}

/* A bar in the node's lane, and its shade on all below (drawn first, so that curves lie on it). */
static void draw_faults(const Picture *p, double bottom) {
        for (uint32_t i = 0; i < p->trace->n_faults; i++) {
                const Fault *f = &p->trace->faults[i];
                const TraceNode *n = &p->trace->nodes[f->node];
                double x = x_of(p, f->from_ns), w = MAX(x_of(p, f->to_ns) - x, 2.0), lane;
                char what[160];

                if (n->service != p->service || is_named_before(p->trace, i))
                        continue;
                lane = p->y + LANE * MIN(n->index, p->n - 1);
                describe_all(p->trace, i, what);
                fprintf(p->f, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" class=\"shade\"/>\n", x,
                        p->y + LANE * p->n, w, bottom - p->y - LANE * p->n);
                fprintf(p->f,
                        "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" "
                        "fill=\"%s\"><title>%s</title></rect>\n",
                        x, lane + 2, w, LANE - 4,
                        f->kind == FAULT_DOWN || f->kind == FAULT_AUTH ? "#c0392b" : "#d9962b", what);
                label_bar(p, f, x, w, lane + LANE - 7, what);
        }
}

/* New prices in their node's lane, new rates above all lanes. */
static void draw_changes(const Picture *p) {
        for (uint32_t i = 0; i < p->trace->n_changes; i++) {
                const Change *c = &p->trace->changes[i];
                double x = x_of(p, c->at_ns), lane = p->y - LANE;
                char what[48];

                if ((c->is_rate ? c->index : p->trace->nodes[c->index].service) != p->service)
                        continue;
                if (c->is_rate)
                        snprintf(what, sizeof(what), "%g calls/s", c->rate);
                else {
                        lane = p->y + LANE * MIN(p->trace->nodes[c->index].index, p->n - 1);
                        snprintf(what, sizeof(what), "$%g", (double) c->price / (double) MONEY_PER_DOLLAR);
                }
                fprintf(p->f,
                        "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#555\" stroke-width=\"2\"/>\n",
                        x, x, lane + 3, lane + LANE - 3);
                label(p, x + 4, lane + LANE - 7, "start", "small", what);
        }
}

static void draw_lanes(Picture *p, double bottom) {
        draw_faults(p, bottom);
        draw_changes(p);
        for (uint32_t i = 0; i < p->n; i++) {
                fprintf(p->f, "<rect x=\"12\" y=\"%.1f\" width=\"12\" height=\"12\" fill=\"%s\"/>\n",
                        p->y + LANE * i + 5, colours[i]);
                label(p, 30, p->y + LANE * i + LANE - 7, "start", "node", node_label(p, i));
                fprintf(p->f, "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" class=\"grid\"/>\n", LEFT, RIGHT,
                        p->y + LANE * (i + 1), p->y + LANE * (i + 1));
        }
        p->y += LANE * p->n + 12;
}

static void draw_frame(const Picture *p, double height, const char *title, const char *subtitle) {
        label(p, 12, p->y + 16, "start", "title", title);
        label(p, 12, p->y + 34, "start", "small", subtitle);
        fprintf(p->f, "<rect x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%.1f\" class=\"frame\"/>\n", LEFT, p->y,
                RIGHT - LEFT, height);
}

static void draw_shares(Picture *p, const Bins *b, double height, const char *title, const char *subtitle) {
        double below[BINS] = {}, y0 = p->y + height;

        for (uint32_t i = 0; i < p->n; i++) {
                fprintf(p->f, "<path fill=\"%s\" opacity=\"0.85\" d=\"", colours[i]);
                for (int k = 0; k < BINS; k++)
                        fprintf(p->f, "%s%.1f,%.1f", k == 0 ? "M" : " L", x_of_bin(k),
                                y0 - height * (below[k] + (isnan(b->share[i][k]) ? 0 : b->share[i][k])));
                for (int k = BINS - 1; k >= 0; k--)
                        fprintf(p->f, " L%.1f,%.1f", x_of_bin(k), y0 - height * below[k]);
                fprintf(p->f, " Z\"/>\n");
                for (int k = 0; k < BINS; k++)
                        below[k] += isnan(b->share[i][k]) ? 0 : b->share[i][k];
        }
        draw_frame(p, height, title, subtitle);
        label(p, LEFT - 6, p->y + 10, "end", "small", "100 %");
        label(p, LEFT - 6, y0, "end", "small", "0 %");
        p->y += height + 14;
}

static void draw_line(const Picture *p, const double v[BINS], double height, double low, double high,
                      const char *class) {
        bool pen = false;

        fprintf(p->f, "<path class=\"%s\" d=\"", class);
        for (int k = 0; k < BINS; k++) {
                double y = p->y + height * (1 - (CLAMP(v[k], low, high) - low) / (high - low));

                if (isnan(v[k])) {
                        pen = false;
                        continue;
                }
                fprintf(p->f, "%s%.1f,%.1f", pen ? " L" : " M", x_of_bin(k), y);
                pen = true;
        }
        fprintf(p->f, "\"/>\n");
}

static void draw_curves(Picture *p, const double own[BINS], const double *other, double height, double low, double high,
                        const char *title, const char *subtitle, const char *unit) {
        char tick[32];

        draw_frame(p, height, title, subtitle);
        for (int i = 0; i <= 2; i++) {
                double v = low + (high - low) * i / 2, y = p->y + height * (1 - i / 2.0);

                snprintf(tick, sizeof(tick), "%.4g%s", v, unit);
                label(p, LEFT - 6, i == 2 ? y + 10 : y, "end", "small", tick);
                fprintf(p->f, "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" class=\"grid\"/>\n", LEFT, RIGHT, y,
                        y);
        }
        if (other)
                draw_line(p, other, height, low, high, "other");
        draw_line(p, own, height, low, high, "own");
        p->y += height + 14;
}

static void draw_time(const Picture *p) {
        static const double steps[] = { 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600 };
        double seconds = (double) p->trace->duration_ns / 1e9, step = steps[ELEMENTSOF(steps) - 1];
        char when[32];

        for (size_t i = ELEMENTSOF(steps); i-- > 0;)
                if (seconds / steps[i] <= 13)
                        step = steps[i];
        for (int i = 0; i * step <= seconds; i++) {
                double t = i * step, x = LEFT + (RIGHT - LEFT) * t / seconds;

                fprintf(p->f, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" class=\"grid\"/>\n", x, x,
                        p->y - 14, p->y - 8);
                snprintf(when, sizeof(when), step < 60 ? "%g s" : "%g min", step < 60 ? t : t / 60);
                label(p, x, p->y + 6, "middle", "small", when);
        }
}

/* ---- the whole ---- */

static void range(const double v[BINS], double *low, double *high) {
        for (int k = 0; k < BINS; k++)
                if (!isnan(v[k])) {
                        *low = MIN(*low, v[k]);
                        *high = MAX(*high, v[k]);
                }
}

/* A little more than the largest value, round. */
static double round_up(double v) {
        static const double round[] = { 1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9 };
        double power = pow(10, floor(log10(MAX(v, 1e-6))));

        for (size_t i = 0; i < ELEMENTSOF(round); i++)
                if (v <= round[i] * power)
                        return round[i] * power;
        return 10 * power;
}

static const char *name_of(const Row *r) {
        return r->type == &policy_brain ? enum_to_string(&strategy_names, (int) r->strategy) : r->type->name;
}

static void draw_summary(Picture *p, const Row *r, const char *class) {
        const Figures *f = &r->figures;
        char line[256], per_outage[64] = "";

        if (f->n_outages > 0)
                snprintf(per_outage, sizeof(per_outage), "; each hard outage meets %.1f attempts and loses %.1f calls",
                         f->hits_per_outage, f->lost_per_outage);
        snprintf(line, sizeof(line), "%s%s: %.3f %% of the calls succeed, $%.3f for 1000 successes%s",
                 r->type == &policy_brain ? "pointsman, " : "", name_of(r), f->availability * 100,
                 f->cost_per_success * 1000, per_outage);
        fprintf(p->f, "<line x1=\"12\" x2=\"42\" y1=\"%.1f\" y2=\"%.1f\" class=\"%s\"/>\n", p->y - 4, p->y - 4, class);
        label(p, 50, p->y, "start", "legend", line);
        p->y += 20;
}

static void draw(Picture *p, const Row *row, const Row *baseline, Bins *own, Bins *other) {
        double low = 100, high = 100, cost_low = 0, cost_high = 0, height;
        char title[64];

        fill(p, row->measure, own);
        if (baseline)
                fill(p, baseline->measure, other);
        range(own->success, &low, &high);
        range(own->cost, &cost_low, &cost_high);
        if (baseline) {
                range(other->success, &low, &high);
                range(other->cost, &cost_low, &cost_high);
        }
        low = low > 99 ? 99 : low > 90 ? 90 : low > 50 ? 50 : 0;
        height = 122 + LANE * p->n + 172 + (baseline ? 124 : 0) + 124 + 104 + 30;

        fprintf(p->f,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%.0f\" viewBox=\"0 0 %d %.0f\">\n"
                "<style>text{font:12px sans-serif;fill:#222}.head{font:bold 18px sans-serif}.title{font:bold 13px "
                "sans-serif}"
                ".small{font-size:11px;fill:#555}.inbar{font-size:11px;fill:#fff}.legend{font-size:13px}"
                ".frame{fill:none;stroke:#888}.grid{stroke:#ddd}.shade{fill:#c0392b;opacity:.08}"
                ".own{fill:none;stroke:#1a3f66;stroke-width:2.2}.other{fill:none;stroke:#e07b39;stroke-width:1.4;"
                "stroke-dasharray:5 3}</style>\n"
                "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
                WIDTH, height, WIDTH, height);
        label(p, 12, 28, "start", "head", p->trace->title ? p->trace->title : p->trace->path);
        p->y = 52;
        draw_summary(p, row, "own");
        if (baseline)
                draw_summary(p, baseline, "other");
        p->y += 16;
        draw_lanes(p, height - 44);
        draw_shares(p, own, 160, "share of the calls", name_of(row));
        if (baseline) {
                snprintf(title, sizeof(title), "the same, %s", name_of(baseline));
                draw_shares(p, other, 110, title, "");
        }
        draw_curves(p, own->success, baseline ? other->success : NULL, 110, low, 100, "calls that succeed",
                    "all of a caller's tries", " %");
        draw_curves(p, own->cost, baseline ? other->cost : NULL, 90, 0, round_up(MAX(cost_high, 1e-6)), "cost",
                    "of 1000 successes", " $");
        draw_time(p);
        fprintf(p->f, "</svg>\n");
}

int svg_write(const char *path, const Row *row, const Row *baseline) {
        _cleanup_free_ Bins *bins = calloc(2, sizeof(Bins));
        FILE *f = bins ? fopen(path, "we") : NULL;
        Picture p = { .f = f, .trace = row->trace, .service = row->service };

        if (!f)
                return bins ? -errno : -ENOMEM;
        p.n = MIN((uint32_t) trace_service(row->trace, row->service)->n_nodes, (uint32_t) NODES_DRAWN);
        draw(&p, row, baseline, &bins[0], &bins[1]);
        if (ferror(f)) {
                fclose(f);
                return -EIO;
        }
        return fclose(f) == 0 ? 0 : -errno;
}
