/* SPDX-License-Identifier: Apache-2.0 */
/* GetCostReport: sums over what the brain remembers, and not a guess about the rest. */
#include <stdarg.h>

#include "daemon/api/analytics.h"
#include "daemon/api/private.h"

#define ROWS_MAX 100000

enum { BY_SERVICE, BY_NODE, BY_PROVIDER, BY_HOUR, BY_DAY, _BY_MAX };
static const char *const group_table[_BY_MAX] = { "service", "node", "provider", "hour", "day" };
static const EnumNames group_names = { "CostGroup", group_table, _BY_MAX };

typedef struct ReportIn {
        uint64_t from_utc_ns, to_utc_ns; /* 0: not said */
        uint32_t group_by;
} ReportIn;

#define F(member, name, type, ...) FIELD(ReportIn, member, name, type, ##__VA_ARGS__)
STRUCTURE(cost_report_in, NULL, ReportIn,
        F(from_utc_ns, "from", FIELD_INSTANT),
        F(to_utc_ns, "to", FIELD_INSTANT),
        F(group_by, "groupBy", FIELD_ENUMS, .names = &group_names));
#undef F

typedef struct Row {
        const char *service_name, *node, *provider; /* NULL: not grouped by it */
        uint64_t start_utc_ns;                      /* 0: not grouped by time */
        uint64_t decisions, calls, failures;
        Money cost, savings;
} Row;

#define SUMS(s, m) \
        FIELD(s, m decisions, "decisions", FIELD_UINT64), \
        FIELD(s, m calls, "calls", FIELD_UINT64), \
        FIELD(s, m failures, "failures", FIELD_UINT64), \
        FIELD(s, m cost, "cost", FIELD_MONEY), \
        FIELD(s, m savings, "savings", FIELD_MONEY)

#define F(member, name, type, ...) FIELD(Row, member, name, type, ##__VA_ARGS__)
static STRUCTURE(row_structure, "CostReportRow", Row,
        F(start_utc_ns, "start", FIELD_INSTANT, OPTIONAL),
        F(service_name, "serviceName", FIELD_STRING, OPTIONAL),
        F(node, "node", FIELD_STRING, OPTIONAL),
        F(provider, "provider", FIELD_STRING, OPTIONAL),
        SUMS(Row, ));
#undef F

typedef struct ReportOut {
        uint64_t from_utc_ns, to_utc_ns, remembered_utc_ns;
        Row total;
        Row *rows;
        size_t n_rows;
} ReportOut;

#define F(member, name, type, ...) FIELD(ReportOut, member, name, type, ##__VA_ARGS__)
static STRUCTURE(report_structure, "CostReport", ReportOut,
        F(from_utc_ns, "from", FIELD_INSTANT),
        F(to_utc_ns, "to", FIELD_INSTANT),
        F(remembered_utc_ns, "rememberedSince", FIELD_INSTANT),
        SUMS(ReportOut, total.),
        F(rows, "rows", FIELD_ARRAY, COUNT(ReportOut, n_rows), .structure = &row_structure));
#undef F
STRUCTURE(cost_report_out, NULL, ReportOut, VIEW("report", report_structure));

/* ---- adding up ---- */

typedef struct Reporting {
        Api *api;
        Arena *arena;
        uint64_t now_ns, utc_ns;
        uint32_t group_by;
        ReportOut *out;
        size_t allocated;
        AnalyticsPoint hours[ANALYTICS_HOURS], minutes[ANALYTICS_MINUTES]; /* of the node at hand */
        size_t n_hours, n_minutes;
} Reporting;

static int compare_texts(const char *a, const char *b) {
        return strcmp(a ?: "", b ?: "");
}

static int compare_rows(const void *a, const void *b) {
        const Row *x = a, *y = b;
        int r = (x->start_utc_ns > y->start_utc_ns) - (x->start_utc_ns < y->start_utc_ns);

        r = r ?: compare_texts(x->service_name, y->service_name);
        r = r ?: compare_texts(x->node, y->node);
        return r ?: compare_texts(x->provider, y->provider);
}

static void row_add(Row *to, const Row *x) {
        to->decisions += x->decisions;
        to->calls += x->calls;
        to->failures += x->failures;
        to->cost += x->cost;
        to->savings += x->savings;
}

/* Rows of the same group become one. */
static void merge_rows(ReportOut *out) {
        size_t n = 0;

        qsort(out->rows, out->n_rows, sizeof(Row), compare_rows);
        for (size_t i = 0; i < out->n_rows; i++)
                if (n > 0 && compare_rows(&out->rows[n - 1], &out->rows[i]) == 0)
                        row_add(&out->rows[n - 1], &out->rows[i]);
                else
                        out->rows[n++] = out->rows[i];
        out->n_rows = n;
}

/* -E2BIG: more rows than anybody reads. */
static int add_row(Reporting *g, const Row *row) {
        ReportOut *out = g->out;

        row_add(&out->total, row);
        if (out->n_rows == g->allocated)
                merge_rows(out);
        if (out->n_rows == g->allocated || 2 * out->n_rows > g->allocated) {
                size_t want = MAX(g->allocated * 2, (size_t) 256);
                Row *more = want <= ROWS_MAX * 2 ? arena_alloc(g->arena, want, sizeof(Row)) : NULL;
                if (!more)
                        return want > ROWS_MAX * 2 ? -E2BIG : -ENOMEM;
                if (out->n_rows)
                        memcpy(more, out->rows, out->n_rows * sizeof(Row));
                out->rows = more;
                g->allocated = want;
        }
        out->rows[out->n_rows++] = *row;
        return 0;
}

static int add_point(Reporting *g, Row row, const AnalyticsPoint *p) {
        if (p->decisions == 0 && p->calls == 0 && p->cost == 0)
                return 0;
        if (g->group_by >> BY_HOUR & 1)
                row.start_utc_ns = p->start_utc_ns - p->start_utc_ns % NSEC_PER_HOUR;
        else if (g->group_by >> BY_DAY & 1)
                row.start_utc_ns = p->start_utc_ns - p->start_utc_ns % NSEC_PER_DAY;
        row.decisions = p->decisions;
        row.calls = p->calls;
        row.failures = p->failures;
        row.cost = p->cost;
        row.savings = p->static_cost - p->cost;
        return add_row(g, &row);
}

/* Whole hours as such; of an hour that is wanted in part, its minutes. */
static int add_node(Reporting *g, const char *service, const Node *n) {
        uint64_t from = g->out->from_utc_ns, to = g->out->to_utc_ns;
        bool by_node = g->group_by >> BY_NODE & 1;
        NodeStatus is;
        int r = 0;

        node_status(g->api->router, n, g->now_ns, &is);
        Row row = {
                .service_name = g->group_by >> BY_SERVICE & 1 ? service : NULL, .node = by_node ? is.node : NULL,
                .provider = g->group_by >> BY_PROVIDER & 1 ? is.provider : NULL,
        };
        g->n_hours = node_analytics(g->api->router, n, true, g->now_ns, ANALYTICS_HOURS, g->hours);
        g->n_minutes = node_analytics(g->api->router, n, false, g->now_ns, ANALYTICS_MINUTES, g->minutes);
        for (size_t i = 0; i < g->n_hours && r == 0; i++) {
                const AnalyticsPoint *h = &g->hours[i];
                uint64_t end = h->start_utc_ns + h->length_ns;

                if (end <= from || h->start_utc_ns >= to)
                        continue;
                if (h->start_utc_ns >= from && (end <= to || to >= g->utc_ns)) {
                        r = add_point(g, row, h);
                        continue;
                }
                for (size_t k = 0; k < g->n_minutes && r == 0; k++) {
                        const AnalyticsPoint *m = &g->minutes[k];
                        if (m->start_utc_ns >= MAX(from, h->start_utc_ns) && m->start_utc_ns < MIN(to, end))
                                r = add_point(g, row, m);
                }
        }
        return r;
}

static int add_services(Reporting *g) {
        size_t n = router_n_services(g->api->router);
        int r = 0;

        for (size_t i = 0; i < n && r == 0; i++) {
                const Service *s = router_service(g->api->router, i);
                ServiceStatus status;

                service_status(g->api->router, s, g->now_ns, &status);
                for (size_t k = 0; k < status.n_nodes && r == 0; k++)
                        r = add_node(g, status.service_name, service_node(s, k));
        }
        if (r == 0)
                merge_rows(g->out);
        return r < 0 ? r : g->out->n_rows > ROWS_MAX ? -E2BIG : 0;
}

/* ---- which stretch of time ---- */

/* Sums exist for whole hours, and for whole minutes of the last hour. */
static bool is_remembered_edge(uint64_t t, uint64_t utc_ns) {
        uint64_t minute = utc_ns - utc_ns % NSEC_PER_MINUTE;

        return t % NSEC_PER_HOUR == 0 || (t % NSEC_PER_MINUTE == 0 && t + (ANALYTICS_MINUTES - 1) * NSEC_PER_MINUTE >= minute);
}

_printf_(3, 4) static int refuse(ApiCall *call, const char *parameter, const char *format, ...) {
        char reason[256];
        va_list ap;

        va_start(ap, format);
        vsnprintf(reason, sizeof(reason), format, ap);
        va_end(ap);
        api_fail(call, ERROR_INVALID_PARAMETER, .parameter = parameter, .reason = reason);
        return -ECANCELED;
}

/* -ECANCELED: the call has been failed. */
static int choose_span(ApiCall *call, const ReportIn *q, uint64_t utc_ns, ReportOut *out) {
        uint64_t hour = utc_ns - utc_ns % NSEC_PER_HOUR, oldest = hour - (ANALYTICS_HOURS - 1) * NSEC_PER_HOUR;
        uint64_t started = call->api->started_utc_ns, first = MAX(oldest, started - started % NSEC_PER_HOUR);
        char text[INSTANT_MAX];

        out->remembered_utc_ns = MAX(oldest, started);
        out->from_utc_ns = q->from_utc_ns ?: first;
        out->to_utc_ns = q->to_utc_ns ?: utc_ns;
        instant_to_string(out->remembered_utc_ns, text);
        if (out->from_utc_ns < first)
                return refuse(call, "from", "what was spent is remembered since %s, and not before", text);
        if (out->from_utc_ns >= utc_ns)
                return refuse(call, "from", "it is in the future");
        if (out->to_utc_ns > utc_ns)
                return refuse(call, "to", "it is in the future");
        if (out->to_utc_ns <= out->from_utc_ns)
                return refuse(call, "to", "it must be later than from");
        if (!is_remembered_edge(out->from_utc_ns, utc_ns))
                return refuse(call, "from", "a full hour is wanted, or a full minute of the last hour");
        if (q->to_utc_ns && !is_remembered_edge(out->to_utc_ns, utc_ns))
                return refuse(call, "to", "a full hour is wanted, or a full minute of the last hour");
        return 0;
}

int api_get_cost_report(ApiCall *call, const void *in) {
        const ReportIn *q = in;
        ReportOut out = {};
        Reporting *g = arena_alloc(call->arena, 1, sizeof(Reporting));

        if (!g)
                return -ENOMEM;
        g->api = call->api;
        g->arena = call->arena;
        g->now_ns = call->now_ns;
        g->utc_ns = api_utc_ns(call->api);
        g->group_by = q->group_by ?: UINT32_C(1) << BY_SERVICE;
        g->out = &out;
        out.rows = arena_alloc(call->arena, 1, sizeof(Row));
        if (!out.rows)
                return -ENOMEM;
        int r = choose_span(call, q, g->utc_ns, &out);
        if (r == -ECANCELED)
                return 0;
        r = add_services(g);
        if (r == -E2BIG)
                return api_fail(call, ERROR_INVALID_PARAMETER, .parameter = "groupBy",
                                .reason = "there would be too many rows: group by less, or ask for less time");
        return r < 0 ? r : api_reply(call, &out);
}
