/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Money: what a service may spend, has spent and has promised. A decision reserves, a report settles, "not sent"
 * refunds: what is spent and promised together never passes a limit, however many calls are in flight. All of it in
 * integers.
 */
#pragma once

#include "daemon/core/settings.h"

/* Sums that stop at the ends instead of wrapping. */
static inline Money money_add(Money a, Money b) {
        Money sum;

        if (__builtin_add_overflow(a, b, &sum))
                return a < 0 ? INT64_MIN + 1 : INT64_MAX;
        return sum;
}

/* Spend in the calendar window that is running. */
typedef struct Meter {
        uint64_t start_ns, end_ns; /* UTC */
        Money spent;
        Money asked; /* what was spent when the ledger was asked, whose answer will hold it too; see router_ask_spend() */
} Meter;

/* Starts a new window once utc_ns has left the old one; true: it did. A wall clock that is set back by less than a
 * window changes nothing, so that nobody is given a budget twice. */
bool meter_advance(Meter *m, BudgetPeriod period, uint64_t utc_ns);
/* The window of the period around an instant. */
void period_window(BudgetPeriod period, uint64_t utc_ns, uint64_t *ret_start_ns, uint64_t *ret_end_ns);

typedef enum BudgetLimit { LIMIT_NONE, LIMIT_HOUR, LIMIT_PERIOD, LIMIT_EMERGENCY } BudgetLimit;

/* Which alerts a window has seen. */
enum { ALERT_THRESHOLD = 1 << 0, ALERT_NEARLY = 1 << 1, ALERT_EXHAUSTED = 1 << 2 };
#define ALERT_NEARLY_SHARE 0.95

typedef struct Allowance {
        Meter meter;
        BudgetPeriod period;
        Money limit, emergency_limit; /* MONEY_UNSET: none */
        uint8_t alerts;
        bool refused;                 /* a call did not fit */
} Allowance;

typedef struct Budget {
        Allowance hour, period;
        Money reserved;
        bool emergency; /* the emergency limits are in force until the window ends */
        bool by_scenario; /* … or while a scenario says so */
        OnExhausted on_exhausted;
        double alert_threshold;
} Budget;

/* New limits; what is spent stays. */
void budget_apply(Budget *b, const ServiceSettings *s);
void budget_advance(Budget *b, uint64_t utc_ns);

/* The most that one more call may cost; INT64_MAX: no limit. */
Money budget_room(const Budget *b);
/* LIMIT_NONE: so much more fits. Otherwise the limit that it breaks. */
BudgetLimit budget_check(const Budget *b, Money cost);
/* A call did not fit: notes it, and turns to the emergency limits if that is the policy. True: it did, check again. */
bool budget_exhausted(Budget *b, BudgetLimit limit);
const char *budget_limit_name(BudgetLimit limit);
/* When the limit is counted anew, UTC. */
uint64_t budget_reset_ns(const Budget *b, BudgetLimit limit);

void budget_reserve(Budget *b, Money cost);
void budget_settle(Budget *b, Money reserved, Money cost);
void budget_refund(Budget *b, Money reserved);

/* What is left this hour; MONEY_UNSET: no cap. */
Money budget_remaining_hour(const Budget *b);
BudgetState budget_state(const Budget *b);
/* The next alert level that is reached and was not told before; 0: none. */
unsigned allowance_alert(Allowance *a, double threshold);
/* The limit in force; MONEY_UNSET: none. */
Money allowance_limit(const Budget *b, const Allowance *a);
