/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/learned.h"

#include <math.h>

#include "basic/macro.h"
#include "daemon/core/router-private.h"

/* Up to here a double holds every integer. */
#define COUNT_MAX 9007199254740992.0
#define AGE_MAX_MS 1e13
#define LATENCY_MAX_NS 1e13
#define SUM_MAX 1e12

/* ---- what is kept ---- */

#define F(member, type, lo, hi, ...) { #member, LEARNED_##type, .offset = offsetof(Node, member), .min = lo, .max = hi, ##__VA_ARGS__ }
#define SINCE(member, ...) F(member, SINCE, -1, AGE_MAX_MS, ##__VA_ARGS__)
#define UNTIL(member) F(member, UNTIL, 0, WAIT_MAX_NS / 1e6)
#define FLEETING .fleeting = true
#define TIMES(count) .n = (count)

static const LearnedField node_fields[] = {
        F(success.good, DOUBLE, 0, SUM_MAX, FLEETING), F(success.total, DOUBLE, 0, SUM_MAX, FLEETING), SINCE(success.at_ns, FLEETING),
        SINCE(probed_ns), F(last_probe, INT32, -1, _PM_VERDICT_MAX - 1),
        SINCE(certificate_told_ns), F(certificate_severity, UINT8, 0, _SEVERITY_MAX - 1),
        F(latency.peak_ns, DOUBLE, 0, LATENCY_MAX_NS), F(latency.answer_ns, DOUBLE, 0, LATENCY_MAX_NS),
        F(latency.typical_ns, DOUBLE, 0, LATENCY_MAX_NS),
        SINCE(latency.sampled_ns), SINCE(latency.succeeded_ns), SINCE(latency.rotated_ns),
        F(latency.buckets, UINT16, 0, UINT16_MAX, TIMES(2 * LATENCY_BUCKETS), FLEETING), F(latency.current, UINT8, 0, 1, FLEETING),
        F(calls, UINT64, 0, COUNT_MAX), F(failures, UINT64, 0, COUNT_MAX), F(verdicts, UINT64, 0, COUNT_MAX, TIMES(_PM_VERDICT_MAX)),
        F(limited, UINT32, 0, 1e6), F(corrupt, UINT32, 0, 1e6, FLEETING), F(refused, UINT32, 0, 1e6),
        F(unreachable, UINT32, 0, 1e6, FLEETING),
        F(tail_ns, DOUBLE, 0, LATENCY_MAX_NS, FLEETING), F(tail_usual_ns, DOUBLE, 0, LATENCY_MAX_NS), SINCE(tail_checked_ns),
        SINCE(slow_told_ns),
        F(forecast.model.weights, FLOAT, -30, 30, TIMES(_FEATURE_MAX)),
        F(forecast.model.score.n, DOUBLE, 0, SUM_MAX), F(forecast.model.score.positives, DOUBLE, 0, SUM_MAX),
        F(forecast.model.score.brier, DOUBLE, 0, SUM_MAX), F(forecast.model.score.brier_base, DOUBLE, 0, SUM_MAX),
        F(forecast.model.score.predicted, DOUBLE, 0, SUM_MAX),
        F(forecast.fast, DOUBLE, -SUM_MAX, SUM_MAX, TIMES(sizeof(ForecastHorizon) / sizeof(double)), FLEETING),
        F(forecast.slow, DOUBLE, -SUM_MAX, SUM_MAX, TIMES(sizeof(ForecastHorizon) / sizeof(double)), FLEETING),
        SINCE(forecast.at_ns), SINCE(forecast.failed_ns), {},
};
#undef F

#define F(member, type, lo, hi, ...) { #member, LEARNED_##type, .offset = offsetof(NodeHot, member), .min = lo, .max = hi, ##__VA_ARGS__ }
static const LearnedField hot_fields[] = {
        F(breaker.circuit, UINT32, 0, _CIRCUIT_MAX - 1), F(breaker.generation, UINT32, 0, UINT32_MAX),
        F(breaker.run, UINT16, 0, BREAKER_RUN), F(breaker.doublings, UINT8, 0, 40), F(breaker.successes, UINT8, 0, BREAKER_PERMITS - 1),
        F(breaker.locked, BOOL, 0, 1), F(breaker.slow, BOOL, 0, 1), F(breaker.probe_failed, BOOL, 0, 1),
        SINCE(breaker.since_ns), UNTIL(breaker.open_until_ns), SINCE(breaker.ramp_ns),
        UNTIL(cooldown_ns), F(wrr_effective, INT32, 0, 100000, FLEETING),
        F(health, UINT8, 0, _HEALTH_MAX - 1, FLEETING), F(unheard, UINT32, 0, UINT32_MAX, FLEETING), SINCE(unheard_ns, FLEETING), SINCE(asked_ns, FLEETING), {},
};
#undef F

#define F(member, type, lo, hi, ...) { #member, LEARNED_##type, .offset = offsetof(LearnedWindow, member), .min = lo, .max = hi, ##__VA_ARGS__ }
static const LearnedField window_fields[] = {
        SINCE(newest_ns, FLEETING), F(seconds, UINT32, 0, 1e6, TIMES(WINDOW_SECONDS * _WINDOW_FIELD_MAX), FLEETING), {},
};
#undef F

#define F(member, type, lo, hi, ...) { #member, LEARNED_##type, .offset = offsetof(SeriesPoint, member), .min = lo, .max = hi, ##__VA_ARGS__ }
const LearnedField learned_point_fields[] = {
        F(cost, INT64, 0, COUNT_MAX), F(static_cost, INT64, 0, COUNT_MAX), F(openings, UINT32, 0, UINT32_MAX),
        F(verdicts, UINT32, 0, UINT32_MAX, TIMES(_PM_VERDICT_MAX)), F(latency_sum_ms, FLOAT, 0, SUM_MAX),
        F(p50_ms, FLOAT, 0, SUM_MAX), F(p95_ms, FLOAT, 0, SUM_MAX), F(p99_ms, FLOAT, 0, SUM_MAX), {},
};
#undef F

#define F(member, type, lo, hi, ...) { #member, LEARNED_##type, .offset = offsetof(LearnedNode, member), .min = lo, .max = hi, ##__VA_ARGS__ }
static const LearnedField numbers_fields[] = { F(minute_utc, DOUBLE, 0, COUNT_MAX), F(hour_utc, DOUBLE, 0, COUNT_MAX), {} };
#undef F

const LearnedPart learned_node_parts[] = {
        { node_fields, offsetof(LearnedNode, node) }, { hot_fields, offsetof(LearnedNode, hot) },
        { window_fields, offsetof(LearnedNode, window) }, { numbers_fields, 0 }, {},
};

#define F(member, type, lo, hi, ...) { #member, LEARNED_##type, .offset = offsetof(ForecastModel, member), .min = lo, .max = hi, ##__VA_ARGS__ }
const LearnedField learned_model_fields[] = {
        F(weights, FLOAT, -30, 30, TIMES(_FEATURE_MAX)), F(score.n, DOUBLE, 0, SUM_MAX), F(score.positives, DOUBLE, 0, SUM_MAX),
        F(score.brier, DOUBLE, 0, SUM_MAX), F(score.brier_base, DOUBLE, 0, SUM_MAX), F(score.predicted, DOUBLE, 0, SUM_MAX), {},
};
#undef F

/* The starts of the windows are whole hours, which a double holds. */
#define F(member, type, lo, hi, ...) { #member, LEARNED_##type, .offset = offsetof(Service, member), .min = lo, .max = hi, ##__VA_ARGS__ }
static const LearnedField service_fields[] = {
        F(decisions, UINT64, 0, COUNT_MAX), F(failures, UINT64, 0, COUNT_MAX), F(fallbacks, UINT64, 0, COUNT_MAX),
        F(openings, UINT64, 0, COUNT_MAX), F(decisions_by, UINT64, 0, COUNT_MAX, TIMES(_STRATEGY_MAX)),
        F(savings, INT64, -COUNT_MAX, COUNT_MAX), F(month_since_utc_ns, UINT64, 0, 1.8e19), F(tier, UINT32, 0, _COST_TIER_MAX - 1),
        F(budget.hour.meter.start_ns, UINT64, 0, 1.8e19), F(budget.hour.alerts, UINT8, 0, 7), F(budget.hour.refused, BOOL, 0, 1),
        F(budget.period.meter.start_ns, UINT64, 0, 1.8e19), F(budget.period.alerts, UINT8, 0, 7), F(budget.period.refused, BOOL, 0, 1),
        F(budget.emergency, BOOL, 0, 1), F(median_ns, DOUBLE, 0, LATENCY_MAX_NS, FLEETING), {},
};
#undef F

#define F(member, type, lo, hi, ...) { #member, LEARNED_##type, .offset = offsetof(LearnedService, member), .min = lo, .max = hi, ##__VA_ARGS__ }
static const LearnedField spending_fields[] = {
        SINCE(spending_newest_ns, FLEETING), F(costs, INT64, 0, 1e15, TIMES(SPENDING_SECONDS), FLEETING),
        F(units, INT64, 0, 1e15, TIMES(SPENDING_SECONDS), FLEETING), {},
};
#undef F

const LearnedPart learned_service_parts[] = {
        { service_fields, offsetof(LearnedService, service) }, { window_fields, offsetof(LearnedService, window) },
        { spending_fields, 0 }, {},
};

/* ---- one number ---- */

static size_t size_of(const LearnedField *f) {
        static const uint8_t sizes[] = {
                [LEARNED_BOOL] = 1, [LEARNED_UINT8] = 1, [LEARNED_UINT16] = 2, [LEARNED_UINT32] = 4, [LEARNED_UINT64] = 8,
                [LEARNED_INT32] = 4, [LEARNED_INT64] = 8, [LEARNED_FLOAT] = 4, [LEARNED_DOUBLE] = 8, [LEARNED_SINCE] = 8,
                [LEARNED_UNTIL] = 8,
        };

        return sizes[f->type];
}

double learned_get(const LearnedField *f, const void *part, unsigned i, uint64_t now_ns) {
        const void *p = (const char *) part + f->offset + i * size_of(f);
        uint64_t t;

        switch ((LearnedType) f->type) {
        case LEARNED_BOOL: return *(const bool *) p;
        case LEARNED_UINT8: return *(const uint8_t *) p;
        case LEARNED_UINT16: return *(const uint16_t *) p;
        case LEARNED_UINT32: return *(const uint32_t *) p;
        case LEARNED_UINT64: return (double) *(const uint64_t *) p;
        case LEARNED_INT32: return *(const int32_t *) p;
        case LEARNED_INT64: return (double) *(const int64_t *) p;
        case LEARNED_FLOAT: return (double) *(const float *) p;
        case LEARNED_DOUBLE: return *(const double *) p;
        case LEARNED_SINCE:
                t = *(const uint64_t *) p;
                return t == 0 ? -1 : now_ns > t ? (double) ((now_ns - t) / NSEC_PER_MSEC) : 0;
        case LEARNED_UNTIL:
                t = *(const uint64_t *) p;
                return t > now_ns ? (double) ((t - now_ns) / NSEC_PER_MSEC) : 0;
        }
        return 0;
}

static uint64_t time_of(const LearnedField *f, double ms, uint64_t elapsed_ns, uint64_t now_ns) {
        uint64_t ns = ms > 0 ? (uint64_t) (ms * 1e6) : 0;

        if (f->type == LEARNED_UNTIL)
                return ns > elapsed_ns ? now_ns + (ns - elapsed_ns) : 0;
        if (ms < 0)
                return 0;
        /* What is older than the machine is up counts as just as old. */
        return now_ns > ns && now_ns - ns > elapsed_ns ? now_ns - ns - elapsed_ns : 1;
}

bool learned_set(const LearnedField *f, void *part, unsigned i, double v, uint64_t elapsed_ns, uint64_t now_ns) {
        void *p = (char *) part + f->offset + i * size_of(f);

        if (!(v >= f->min && v <= f->max)) /* NaN neither */
                return false;
        switch ((LearnedType) f->type) {
        case LEARNED_BOOL: *(bool *) p = v != 0; break;
        case LEARNED_UINT8: *(uint8_t *) p = (uint8_t) v; break;
        case LEARNED_UINT16: *(uint16_t *) p = (uint16_t) v; break;
        case LEARNED_UINT32: *(uint32_t *) p = (uint32_t) v; break;
        case LEARNED_UINT64: *(uint64_t *) p = (uint64_t) v; break;
        case LEARNED_INT32: *(int32_t *) p = (int32_t) v; break;
        case LEARNED_INT64: *(int64_t *) p = (int64_t) v; break;
        case LEARNED_FLOAT: *(float *) p = (float) v; break;
        case LEARNED_DOUBLE: *(double *) p = v; break;
        case LEARNED_SINCE:
        case LEARNED_UNTIL: *(uint64_t *) p = time_of(f, v, elapsed_ns, now_ns); break;
        }
        return true;
}

/* The learned members, and nothing else of the structures that they stand in. */
static void copy_fields(const LearnedField *f, void *to, const void *from) {
        for (; f->key; f++)
                memcpy((char *) to + f->offset, (const char *) from + f->offset, learned_count(f) * size_of(f));
}

/* ---- rings ---- */

/* Its middle, so that it stays the same second when clocks are rounded. */
static uint64_t time_of_second(uint64_t second) {
        return second > 0 ? second * NSEC_PER_SEC + NSEC_PER_SEC / 2 : 0;
}

static void read_window(const Window *w, LearnedWindow *ret) {
        ret->newest_ns = time_of_second(w->second);
        for (uint64_t age = 0; age < WINDOW_SECONDS && age <= w->second; age++)
                memcpy(ret->seconds[age], w->seconds[(w->second - age) % WINDOW_SECONDS], sizeof(ret->seconds[0]));
}

static void write_window(const LearnedWindow *x, Window *w) {
        *w = (Window) { .second = x->newest_ns / NSEC_PER_SEC };
        for (uint64_t age = 0; x->newest_ns > 0 && age < WINDOW_SECONDS && age <= w->second; age++) {
                uint32_t *to = w->seconds[(w->second - age) % WINDOW_SECONDS];

                memcpy(to, x->seconds[age], sizeof(x->seconds[0]));
                /* A part is no more than the whole. */
                to[WINDOW_SLOW] = MIN(to[WINDOW_SLOW], to[WINDOW_CALLS]);
                to[WINDOW_FAILURES] = MIN(to[WINDOW_FAILURES], to[WINDOW_CALLS]);
                for (int i = WINDOW_RATE_LIMITED; i <= WINDOW_CORRUPT; i++)
                        to[i] = MIN(to[i], to[WINDOW_FAILURES]);
                for (int i = 0; i < _WINDOW_FIELD_MAX; i++)
                        w->minute[i] += to[i];
        }
}

static void write_spending(const LearnedService *x, Spending *s) {
        *s = (Spending) { .second = x->spending_newest_ns / NSEC_PER_SEC };
        s->since_second = s->second;
        for (uint64_t age = 0; x->spending_newest_ns > 0 && age < SPENDING_SECONDS && age <= s->second; age++) {
                uint64_t i = (s->second - age) % SPENDING_SECONDS;

                s->seconds[i].cost = x->costs[age];
                s->seconds[i].units = x->units[age];
                s->cost += x->costs[age];
                s->units += x->units[age];
                if (x->units[age] > 0)
                        s->since_second = s->second - age;
        }
}

/* ---- nodes ---- */

uint32_t learned_slots(const Router *r) {
        return r->n_slots;
}

const char *learned_slot_name(const Router *r, uint32_t slot) {
        return slot < r->n_slots && r->nodes[slot] ? r->nodes[slot]->name : NULL;
}

static uint64_t mix(uint64_t mark, uint64_t x) {
        mark = (mark ^ x) * UINT64_C(0x9e3779b97f4a7c15);
        return mark ^ mark >> 32;
}

uint64_t learned_node_mark(const Router *r, uint32_t slot) {
        const Node *n = r->nodes[slot];
        uint64_t mark = mix(slot, (uintptr_t) n);

        if (!n)
                return mark;
        mark = mix(mix(mix(mark, n->calls), n->verdicts[PM_NOT_SENT]), n->probed_ns);
        mark = mix(mix(mix(mark, node_hot(n)->breaker.generation), node_hot(n)->cooldown_ns), node_hot(n)->asked_ns);
        return mix(mark, n->service->n + n->index);
}

static void begin_node(Router *r, Node *n, LearnedNode *ret) {
        series_advance(n->series, &n->latency, r->utc_ns, r->now_ns);
        ret->name = n->name;
        ret->node = *n;
        ret->hot = *node_hot(n);
        ret->minute = *series_minute(n->series);
        ret->hour = *series_hour(n->series);
        ret->minute_utc = (double) n->series->minute;
        ret->hour_utc = (double) n->series->hour;
        memset(&ret->window, 0, sizeof(ret->window));
        read_window(&n->window, &ret->window);
}

bool learned_node_read(Router *r, uint32_t slot, LearnedNode *ret) {
        if (slot >= r->n_slots || !r->nodes[slot])
                return false;
        begin_node(r, r->nodes[slot], ret);
        return true;
}

bool learned_node_find(Router *r, const char *name, LearnedNode *ret) {
        uint32_t slot = names_find(&r->node_names, name);

        return slot != NAMES_NONE && learned_node_read(r, slot, ret);
}

static void settle_latency(Latency *l) {
        l->total[0] = l->total[1] = 0;
        for (int i = 0; i < 2 * LATENCY_BUCKETS; i++)
                l->total[i / LATENCY_BUCKETS] += l->buckets[i / LATENCY_BUCKETS][i % LATENCY_BUCKETS];
}

static void settle_score(ForecastScore *s) {
        s->positives = MIN(s->positives, s->n);
        s->brier = MIN(s->brier, s->n);
        s->brier_base = MIN(s->brier_base, s->n);
        s->predicted = MIN(s->predicted, s->n);
}

/* An open circuit goes on to wait for its time, one that was being tried begins its trial anew. */
static void settle_breaker(Router *r, Node *n, uint64_t now_ns) {
        Breaker *b = &node_hot(n)->breaker;

        b->permits = b->circuit == CIRCUIT_HALF_OPEN ? BREAKER_PERMITS : 0;
        timer_disarm(&r->timers, &n->breaker_timer);
        if (b->circuit == CIRCUIT_OPEN) {
                b->open_until_ns = CLAMP(b->open_until_ns, now_ns, now_ns + BREAKER_OPEN_MAX_NS);
                timer_arm(&r->timers, &n->breaker_timer, b->open_until_ns);
        }
        probe_schedule(r, n, now_ns);
}

void learned_node_write(Router *r, const LearnedNode *x, uint64_t now_ns) {
        uint32_t slot = names_find(&r->node_names, x->name);
        Node *n;
        NodeHot *h;

        if (slot == NAMES_NONE)
                return;
        n = r->nodes[slot];
        h = node_hot(n);
        copy_fields(node_fields, n, &x->node);
        copy_fields(hot_fields, h, &x->hot);
        write_window(&x->window, &n->window);
        settle_latency(&n->latency);
        h->answer_ns = n->latency.answer_ns;
        h->wrr_effective = MIN(h->wrr_effective, (int32_t) h->weight * 100);
        n->success.good = MIN(n->success.good, n->success.total);
        settle_score(&n->forecast.model.score);
        n->forecast.trusted = forecast_is_trusted(&n->forecast, &r->forecast);
        settle_breaker(r, n, now_ns);
        node_stale(n);
        learned_point_write(r, n->name, false, (uint64_t) x->minute_utc, &x->minute);
        learned_point_write(r, n->name, true, (uint64_t) x->hour_utc, &x->hour);
}

/* ---- services ---- */

void learned_service_read(Router *r, size_t i, LearnedService *ret) {
        Service *s = r->services[i];

        spending_advance(&s->spending, r->now_ns);
        *ret = (LearnedService) { .name = s->settings.name, .service = *s };
        read_window(&s->window, &ret->window);
        ret->spending_newest_ns = time_of_second(s->spending.second);
        for (uint64_t age = 0; age < SPENDING_SECONDS && age <= s->spending.second; age++) {
                size_t k = (s->spending.second - age) % SPENDING_SECONDS;

                ret->costs[age] = s->spending.seconds[k].cost;
                ret->units[age] = s->spending.seconds[k].units;
        }
}

bool learned_service_find(Router *r, const char *name, LearnedService *ret) {
        uint32_t i = names_find(&r->service_names, name);

        if (i == NAMES_NONE)
                return false;
        learned_service_read(r, i, ret);
        return true;
}

/* What was told and refused counts for the window that it was in. */
static bool write_allowance(Allowance *a, const Allowance *x) {
        if (a->meter.start_ns != x->meter.start_ns)
                return false;
        a->alerts = x->alerts;
        a->refused = x->refused;
        return true;
}

void learned_service_write(Router *r, const LearnedService *x, uint64_t now_ns _unused_) {
        uint32_t i = names_find(&r->service_names, x->name);
        Budget budget;
        Service *s;

        if (i == NAMES_NONE)
                return;
        s = r->services[i];
        budget_advance(&s->budget, r->utc_ns);
        budget = s->budget;
        copy_fields(service_fields, s, &x->service);
        s->budget = budget;
        bool hour = write_allowance(&s->budget.hour, &x->service.budget.hour);
        bool period = write_allowance(&s->budget.period, &x->service.budget.period);
        if (hour && period)
                s->budget.emergency = x->service.budget.emergency && s->settings.on_exhausted == EXHAUSTED_EMERGENCY;
        meter_advance(&s->month, PERIOD_MONTHLY, r->utc_ns);
        s->month_since_utc_ns = CLAMP(s->month_since_utc_ns, s->month.start_ns, r->utc_ns);
        write_window(&x->window, &s->window);
        write_spending(x, &s->spending);
}

uint64_t learned_service_mark(const Router *r, size_t i) {
        const Service *s = r->services[i];
        uint64_t mark = mix(mix(mix(i, (uintptr_t) s), s->decisions), s->failures);

        mark = mix(mix(mark, (uint64_t) s->savings), (uint64_t) s->budget.hour.meter.spent);
        return mix(mark, (uint64_t) s->budget.hour.alerts << 16 | (uint64_t) s->budget.period.alerts << 8 | s->budget.emergency);
}

double learned_cooldown(const Router *r, uint32_t slot, uint32_t i, uint64_t now_ns, const char **ret_operation) {
        const struct pm_operation *operation = node_operation(r->nodes[slot], i + 1);
        uint64_t until_ns = operation ? r->nodes[slot]->operations[i + 1].cooldown_ns : 0;

        *ret_operation = operation ? operation->name : NULL;
        return until_ns > now_ns ? (double) ((until_ns - now_ns) / NSEC_PER_MSEC) : 0;
}

void learned_cooldown_write(Router *r, const char *node, const char *operation, double ms, uint64_t elapsed_ns, uint64_t now_ns) {
        static const LearnedField field = { .type = LEARNED_UNTIL, .offset = offsetof(OperationState, cooldown_ns),
                                            .max = WAIT_MAX_NS / 1e6 };
        uint32_t slot = names_find(&r->node_names, node), i = slot == NAMES_NONE ? 0 : node_find_operation(r->nodes[slot], operation);

        if (i > 0)
                learned_set(&field, &r->nodes[slot]->operations[i], 0, ms, elapsed_ns, now_ns);
}

int learned_administrative_state(const Router *r, uint32_t slot) {
        return node_hot(r->nodes[slot])->admin;
}

ForecastModel *learned_model(Router *r) {
        return &r->forecast;
}

/* ---- points ---- */

static bool point_is_empty(const SeriesPoint *p) {
        uint64_t calls = 0;

        for (size_t i = 0; i < _PM_VERDICT_MAX; i++)
                calls += p->verdicts[i];
        return calls + p->openings == 0 && p->p50_ms <= 0;
}

const SeriesPoint *learned_point(Router *r, uint32_t slot, bool hours, uint64_t number) {
        const Node *n = slot < r->n_slots ? r->nodes[slot] : NULL;
        uint64_t newest, length = hours ? SERIES_HOURS : SERIES_MINUTES;
        const SeriesPoint *p;

        if (!n)
                return NULL;
        series_advance(n->series, &r->nodes[slot]->latency, r->utc_ns, r->now_ns);
        newest = hours ? n->series->hour : n->series->minute;
        if (number > newest || newest - number >= length)
                return NULL;
        p = hours ? &n->series->hours[number % length] : &n->series->minutes[number % length];
        return point_is_empty(p) ? NULL : p;
}

bool learned_point_write(Router *r, const char *node, bool hours, uint64_t number, const SeriesPoint *p) {
        uint32_t slot = names_find(&r->node_names, node);
        uint64_t newest, length = hours ? SERIES_HOURS : SERIES_MINUTES;
        Series *s;

        if (slot == NAMES_NONE)
                return false;
        s = r->nodes[slot]->series;
        series_advance(s, &r->nodes[slot]->latency, r->utc_ns, r->now_ns);
        newest = hours ? s->hour : s->minute;
        if (number > newest || newest - number >= length)
                return false;
        if (hours)
                s->hours[number % length] = *p;
        else
                s->minutes[number % length] = *p;
        return true;
}
