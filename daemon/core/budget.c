/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/budget.h"

#include "basic/macro.h"

/* Days since 1970-01-01 of the first of a month, after Howard Hinnant's days_from_civil. */
static int64_t days_of_month(int64_t year, unsigned month) {
        int64_t y = year - (month <= 2), era = y / 400, yoe = y - era * 400;
        int64_t doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5;

        return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void month_window(int64_t day, int64_t *ret_start, int64_t *ret_end) {
        int64_t z = day + 719468, era = z / 146097, doe = z - era * 146097;
        int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
        int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
        unsigned month = (unsigned) (mp < 10 ? mp + 3 : mp - 9);
        int64_t year = yoe + era * 400 + (month <= 2);

        *ret_start = days_of_month(year, month);
        *ret_end = month == 12 ? days_of_month(year + 1, 1) : days_of_month(year, month + 1);
}

void period_window(BudgetPeriod period, uint64_t utc_ns, uint64_t *ret_start_ns, uint64_t *ret_end_ns) {
        int64_t day = (int64_t) (utc_ns / NSEC_PER_DAY), start = day, end = day + 1;

        switch (period) {
        case PERIOD_HOURLY:
                *ret_start_ns = utc_ns - utc_ns % NSEC_PER_HOUR;
                *ret_end_ns = *ret_start_ns + NSEC_PER_HOUR;
                return;
        case PERIOD_WEEKLY: /* from Monday; 1970-01-01 was a Thursday */
                start = day - (day + 3) % 7;
                end = start + 7;
                break;
        case PERIOD_MONTHLY:
                month_window(day, &start, &end);
                break;
        default:
                break;
        }
        *ret_start_ns = start > 0 ? (uint64_t) start * NSEC_PER_DAY : 0;
        *ret_end_ns = (uint64_t) end * NSEC_PER_DAY;
}

bool meter_advance(Meter *m, BudgetPeriod period, uint64_t utc_ns) {
        uint64_t length = m->end_ns - m->start_ns;

        if (utc_ns < m->end_ns && (utc_ns >= m->start_ns || m->start_ns - utc_ns <= length))
                return false;
        period_window(period, utc_ns, &m->start_ns, &m->end_ns);
        m->spent = m->asked = 0;
        return true;
}

static Money multiplied(Money limit, double by) {
        double v = (double) limit * by;

        if (limit == MONEY_UNSET)
                return MONEY_UNSET;
        return v >= (double) INT64_MAX / 2 ? INT64_MAX / 2 : MAX((Money) (v + 0.5), limit);
}

static void allowance_apply(Allowance *a, BudgetPeriod period, Money limit, double multiplier) {
        if (limit != a->limit || period != a->period)
                a->alerts = 0;
        if (period != a->period)
                a->meter = (Meter) {};
        a->period = period;
        a->limit = limit;
        a->emergency_limit = multiplied(limit, multiplier);
        a->refused = false;
}

void budget_apply(Budget *b, const ServiceSettings *s) {
        bool period = s->budget_period != _BUDGET_PERIOD_INVALID;

        allowance_apply(&b->hour, PERIOD_HOURLY, s->max_cost_per_hour, s->emergency_multiplier);
        allowance_apply(&b->period, period ? s->budget_period : PERIOD_DAILY, period ? s->total_budget : MONEY_UNSET,
                        s->emergency_multiplier);
        b->on_exhausted = s->on_exhausted;
        b->alert_threshold = s->budget_alert_threshold;
        b->emergency = b->emergency && s->on_exhausted == EXHAUSTED_EMERGENCY;
}

static bool allowance_advance(Allowance *a, uint64_t utc_ns) {
        if (!meter_advance(&a->meter, a->period, utc_ns))
                return false;
        a->alerts = 0;
        a->refused = false;
        return true;
}

void budget_advance(Budget *b, uint64_t utc_ns) {
        bool hour = allowance_advance(&b->hour, utc_ns), period = allowance_advance(&b->period, utc_ns);

        if (hour || period)
                b->emergency = false; /* where it is still needed, the next call finds out */
}

Money allowance_limit(const Budget *b, const Allowance *a) {
        return b->emergency || b->by_scenario ? a->emergency_limit : a->limit;
}

static Money room(const Budget *b, const Allowance *a) {
        Money limit = allowance_limit(b, a);

        return limit == MONEY_UNSET ? INT64_MAX : MAX(limit - money_add(a->meter.spent, b->reserved), (Money) 0);
}

Money budget_room(const Budget *b) {
        return MIN(room(b, &b->hour), room(b, &b->period));
}

static bool fits(const Budget *b, const Allowance *a, Money cost) {
        return cost <= 0 || cost <= room(b, a);
}

BudgetLimit budget_check(const Budget *b, Money cost) {
        bool emergency = b->emergency || b->by_scenario;

        if (!fits(b, &b->hour, cost))
                return emergency ? LIMIT_EMERGENCY : LIMIT_HOUR;
        if (!fits(b, &b->period, cost))
                return emergency ? LIMIT_EMERGENCY : LIMIT_PERIOD;
        return LIMIT_NONE;
}

bool budget_exhausted(Budget *b, BudgetLimit limit) {
        if (limit == LIMIT_HOUR || limit == LIMIT_EMERGENCY)
                b->hour.refused = true;
        if (limit == LIMIT_PERIOD)
                b->period.refused = true;
        if (b->on_exhausted != EXHAUSTED_EMERGENCY || b->emergency || b->by_scenario)
                return false;
        b->emergency = true;
        return true;
}

const char *budget_limit_name(BudgetLimit limit) {
        static const char *const names[] = { NULL, "maxCostPerHour", "totalBudget", "emergency" };

        return names[limit];
}

uint64_t budget_reset_ns(const Budget *b, BudgetLimit limit) {
        if (limit == LIMIT_PERIOD)
                return b->period.meter.end_ns;
        return b->hour.meter.end_ns;
}

void budget_reserve(Budget *b, Money cost) {
        b->reserved = money_add(b->reserved, cost);
}

void budget_refund(Budget *b, Money reserved) {
        b->reserved = MAX(b->reserved - reserved, (Money) 0);
}

void budget_settle(Budget *b, Money reserved, Money cost) {
        budget_refund(b, reserved);
        b->hour.meter.spent = money_add(b->hour.meter.spent, cost);
        b->period.meter.spent = money_add(b->period.meter.spent, cost);
}

Money budget_remaining_hour(const Budget *b) {
        return allowance_limit(b, &b->hour) == MONEY_UNSET ? MONEY_UNSET : room(b, &b->hour);
}

static double used_share(const Allowance *a) {
        if (a->limit == MONEY_UNSET)
                return 0;
        if (a->refused || a->meter.spent >= a->limit)
                return 1;
        return (double) a->meter.spent / (double) a->limit;
}

BudgetState budget_state(const Budget *b) {
        double share = MAX(used_share(&b->hour), used_share(&b->period));

        if (b->emergency || b->by_scenario)
                return BUDGET_EMERGENCY;
        if (share >= 1)
                return BUDGET_EXHAUSTED;
        return share >= b->alert_threshold ? BUDGET_ALERT : BUDGET_OK;
}

unsigned allowance_alert(Allowance *a, double threshold) {
        double share = used_share(a);
        unsigned reached = 0, news;

        if (a->limit == MONEY_UNSET)
                return 0;
        if (share >= threshold)
                reached |= ALERT_THRESHOLD;
        if (share >= ALERT_NEARLY_SHARE)
                reached |= ALERT_NEARLY;
        if (share >= 1)
                reached |= ALERT_EXHAUSTED;
        news = reached & ~a->alerts;
        a->alerts |= (uint8_t) reached;
        /* Only the highest is worth telling when one call passes several. */
        return news == 0 ? 0 : 1U << (31 - __builtin_clz(news));
}
