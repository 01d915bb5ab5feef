/* SPDX-License-Identifier: Apache-2.0 */
/* GetCostReport: sums of the ledger. The disk is asked, so the answer comes later. */
#include <stdarg.h>

#include "daemon/api/private.h"

#define ROWS_MAX 100000

enum { BY_SERVICE, BY_NODE, BY_PROVIDER, BY_HOUR, BY_DAY, BY_OPERATION, BY_TIER, BY_MONTH, _BY_MAX };
static const char *const group_table[_BY_MAX] = { "service", "node", "provider", "hour", "day", "operation", "tier", "month" };
static const EnumNames group_names = { "CostGroup", group_table, _BY_MAX };
static const unsigned store_groups[_BY_MAX] = {
        STORE_BY_SERVICE, STORE_BY_NODE, STORE_BY_PROVIDER, STORE_BY_HOUR, STORE_BY_DAY, STORE_BY_OPERATION, STORE_BY_TIER, STORE_BY_MONTH,
};
#define BY_TIME (STORE_BY_HOUR | STORE_BY_DAY | STORE_BY_MONTH)

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
        const char *service_name, *node, *operation, *provider; /* NULL: not grouped by it */
        int tier;                                               /* or -1 */
        uint64_t start_utc_ns;                                  /* 0: not grouped by time */
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
        F(operation, "operation", FIELD_STRING, OPTIONAL),
        F(provider, "provider", FIELD_STRING, OPTIONAL),
        F(tier, "costTier", FIELD_ENUM, OPTIONAL, .names = &cost_tier_names),
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

/* ---- the answer ---- */

typedef struct Reporting {
        ApiCall *call;
        ReportOut out;
} Reporting;

static int compare_texts(const char *a, const char *b) {
        return strcmp(a ?: "", b ?: "");
}

static int compare_rows(const void *a, const void *b) {
        const Row *x = a, *y = b;
        int r = (x->start_utc_ns > y->start_utc_ns) - (x->start_utc_ns < y->start_utc_ns);

        r = r ?: compare_texts(x->service_name, y->service_name);
        r = r ?: compare_texts(x->node, y->node);
        r = r ?: compare_texts(x->operation, y->operation);
        r = r ?: compare_texts(x->provider, y->provider);
        return r ?: x->tier - y->tier;
}

static void read_sum(const StoreSum *sum, Row *ret) {
        *ret = (Row) {
                .service_name = sum->service, .node = sum->node, .operation = sum->operation, .provider = sum->provider,
                .tier = sum->tier, .start_utc_ns = sum->start_utc_ns, .calls = sum->calls, .failures = sum->failures,
                .cost = sum->cost, .savings = sum->usual_cost - sum->cost,
        };
        for (int v = 0; v < _PM_VERDICT_MAX; v++)
                ret->decisions += sum->verdicts[v];
}

static void add_row(Row *to, const Row *x) {
        to->decisions += x->decisions;
        to->calls += x->calls;
        to->failures += x->failures;
        to->cost += x->cost;
        to->savings += x->savings;
}

static void answer(void *userdata, int r, const StoreSum *sums, size_t n) {
        Reporting *g = userdata;
        ReportOut *out = &g->out;

        if (r == -E2BIG) {
                api_fail(g->call, ERROR_INVALID_PARAMETER, .parameter = "groupBy",
                         .reason = "there would be too many rows: group by less, or ask for less time");
                return;
        }
        out->rows = r < 0 ? NULL : arena_alloc(g->call->arena, n + 1, sizeof(Row));
        if (!out->rows) {
                api_fail(g->call, ERROR_BUSY, .reason = r < 0 ? "the ledger cannot be read now" : "no memory");
                return;
        }
        for (out->n_rows = 0; out->n_rows < n; out->n_rows++) {
                read_sum(&sums[out->n_rows], &out->rows[out->n_rows]);
                add_row(&out->total, &out->rows[out->n_rows]);
        }
        qsort(out->rows, n, sizeof(Row), compare_rows);
        api_reply(g->call, out);
}

/* ---- the question ---- */

_printf_(3, 4) static int refuse(ApiCall *call, const char *parameter, const char *format, ...) {
        char reason[256];
        va_list ap;

        va_start(ap, format);
        vsnprintf(reason, sizeof(reason), format, ap);
        va_end(ap);
        api_fail(call, ERROR_INVALID_PARAMETER, .parameter = parameter, .reason = reason);
        return -ECANCELED;
}

/* What is older than hours are kept is there by the day, then by the month. -ECANCELED: the call has been failed. */
static int check_edge(ApiCall *call, const char *parameter, uint64_t t, const StoreStatus *s) {
        uint64_t start_ns, end_ns;
        char text[INSTANT_MAX];

        if (t % NSEC_PER_HOUR != 0)
                return refuse(call, parameter, "a full hour is wanted");
        period_window(PERIOD_MONTHLY, t, &start_ns, &end_ns);
        instant_to_string(t < s->days_from_utc_ns ? s->days_from_utc_ns : s->hours_from_utc_ns, text);
        if (t < s->days_from_utc_ns && t != start_ns)
                return refuse(call, parameter, "before %s whole months are kept", text);
        if (t < s->hours_from_utc_ns && t % NSEC_PER_DAY != 0)
                return refuse(call, parameter, "before %s whole days are kept", text);
        return 0;
}

static int choose_span(ApiCall *call, const ReportIn *q, const StoreStatus *s, uint64_t utc_ns, ReportOut *out) {
        uint64_t first = s->begun_utc_ns - s->begun_utc_ns % NSEC_PER_HOUR;
        char text[INSTANT_MAX];

        out->remembered_utc_ns = s->begun_utc_ns;
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
        int r = q->from_utc_ns ? check_edge(call, "from", out->from_utc_ns, s) : 0;
        return r < 0 || !q->to_utc_ns ? r : check_edge(call, "to", out->to_utc_ns, s);
}

int api_get_cost_report(ApiCall *call, const void *in) {
        uint64_t utc_ns = api_utc_ns(call->api);
        Store *store = call->api->persistence.store;
        const ReportIn *q = in;
        StoreQuestion question = { .max = ROWS_MAX };
        StoreStatus status;
        Reporting *g = arena_alloc(call->arena, 1, sizeof(Reporting));

        if (!g)
                return -ENOMEM;
        g->call = call;
        if (store)
                store->functions->status(store, &status);
        if (!store || !status.opened || status.error == -ETIMEDOUT)
                return api_fail(call, ERROR_BUSY, .reason = store ? status.trouble : "no ledger is kept");
        if (choose_span(call, q, &status, utc_ns, &g->out) < 0)
                return 0;
        for (int i = 0; i < _BY_MAX; i++)
                if ((q->group_by ?: 1U << BY_SERVICE) >> i & 1)
                        question.by |= store_groups[i];
        if (__builtin_popcount(question.by & BY_TIME) > 1)
                return api_fail(call, ERROR_INVALID_PARAMETER, .parameter = "groupBy",
                                .reason = "at most one of hour, day and month can be chosen");
        question.from_utc_ns = g->out.from_utc_ns;
        question.to_utc_ns = g->out.to_utc_ns;
        int r = store->functions->ask(store, &question, answer, g);
        return r < 0 ? r : api_defer(call);
}
