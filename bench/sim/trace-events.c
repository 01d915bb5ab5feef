/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of a trace that say what happens: at TIME …, from TIME to TIME …. */
#include <errno.h>
#include <math.h>

#include "bench/sim/trace-parse.h"
#include "bench/sim/trace-value.h"

#define FAULTS_KNOWN "down, up, errors, slow, rate-limit, quota, corrupt, auth, flap, price"

typedef struct When {
        uint64_t from_ns, to_ns; /* to_ns NSEC_INFINITY: to the end */
} When;

/* ---- rates and prices ---- */

static int add_change(Parser *p, const Change *c) {
        Trace *t = p->trace;
        void *grown;

        if (t->n_changes == TRACE_CHANGES_MAX)
                return parser_fail(p, "a trace has at most %d changes of rates and prices", TRACE_CHANGES_MAX);
        if (!(grown = parser_grow(t->changes, t->n_changes, sizeof(Change))))
                return -ENOMEM;
        t->changes = grown;
        t->changes[t->n_changes++] = *c;
        return 0;
}

/* The change, and if it has an end the way back. */
static int add_changes(Parser *p, const When *w, Change c, double rate_before, Money price_before) {
        int r;

        c.at_ns = w->from_ns;
        r = add_change(p, &c);
        if (r < 0 || w->to_ns == NSEC_INFINITY)
                return r;
        c.at_ns = w->to_ns;
        c.rate = rate_before;
        c.price = price_before;
        return add_change(p, &c);
}

static int parse_rate_change(Parser *p, const When *w) {
        const char *name = parser_next(p), *text = parser_next(p);
        uint32_t service = name ? parser_find_service(p, name, strlen(name)) : TRACE_SERVICES_MAX;
        Change c = { .is_rate = true, .index = service };

        if (service == TRACE_SERVICES_MAX)
                return parser_fail(p, "rate: a service that is declared above is wanted");
        if (!text || !parse_rate(text, &c.rate))
                return parser_fail(p, "rate: a rate is wanted, like 50/s, 3000/min or 100/h, at most 1000000/s");
        return add_changes(p, w, c, p->trace->services[service].rate, 0);
}

typedef struct PriceArguments {
        const When *when;
        Money price;
} PriceArguments;

static int add_price_change(Parser *p, uint32_t node, void *data) {
        const PriceArguments *a = data;
        Money before = trace_node(p->trace, node)->cost_per_request;

        return add_changes(p, a->when, (Change){ .index = node, .price = a->price }, 0, before);
}

/* ---- faults ---- */

static int add_fault(Parser *p, uint32_t node, void *data) {
        Trace *t = p->trace;
        void *grown;

        if (t->n_faults == TRACE_FAULTS_MAX)
                return parser_fail(p, "a trace has at most %d faults", TRACE_FAULTS_MAX);
        if (!(grown = parser_grow(t->faults, t->n_faults, sizeof(Fault))))
                return -ENOMEM;
        t->faults = grown;
        t->faults[t->n_faults] = *(const Fault *) data;
        t->faults[t->n_faults++].node = node;
        return 0;
}

static int end_faults(Parser *p, uint32_t node, void *data) {
        const When *w = data;

        for (uint32_t i = 0; i < p->trace->n_faults; i++) {
                Fault *f = &p->trace->faults[i];

                if (f->node == node && f->from_ns < w->from_ns && f->to_ns > w->from_ns)
                        f->to_ns = w->from_ns;
        }
        return 0;
}

/* Words that may follow any fault. */
static int parse_manner(Parser *p, Fault *f, const When *w) {
        while (p->words[p->at]) {
                const char *word = parser_next(p), *text;

                if (streq(word, "timeout") &&
                    (f->kind == FAULT_DOWN || f->kind == FAULT_ERRORS || f->kind == FAULT_FLAP))
                        f->how = FAIL_TIMEOUT;
                else if (streq(word, "connect") &&
                         (f->kind == FAULT_DOWN || f->kind == FAULT_ERRORS || f->kind == FAULT_FLAP))
                        f->how = FAIL_CONNECT;
                else if (streq(word, "retry-after") &&
                         (f->kind == FAULT_RATE_LIMIT || f->kind == FAULT_QUOTA || f->kind == FAULT_DOWN)) {
                        text = parser_next(p);
                        if (!text || !parse_duration(text, &f->retry_after_ns))
                                return parser_fail(p, "retry-after: a time is wanted, like 2s");
                } else if (streq(word, "ramp") &&
                           (f->kind == FAULT_ERRORS || f->kind == FAULT_SLOW || f->kind == FAULT_CORRUPT)) {
                        if (w->to_ns == NSEC_INFINITY)
                                return parser_fail(p, "ramp: a ramp has an end, write from TIME to TIME");
                        f->ramp = true;
                } else
                        return parser_fail(p, "%s: \"%.64s\" does not belong here", fault_names[f->kind], word);
        }
        return 0;
}

static int parse_amount(Parser *p, Fault *f) {
        const char *text, *second;

        if (f->kind == FAULT_DOWN || f->kind == FAULT_AUTH)
                return 0;
        text = parser_next(p);
        if (!text)
                return parser_fail(p, "%s: how much is missing", fault_names[f->kind]);
        switch (f->kind) {
        case FAULT_SLOW:
                if (!parse_number(text, "x", 1, 1000, &f->amount))
                        return parser_fail(p, "slow: \"%.64s\" is not a factor from 1x to 1000x", text);
                return 0;
        case FAULT_RATE_LIMIT:
                if (!parse_rate(text, &f->amount) || f->amount <= 0)
                        return parser_fail(p, "rate-limit: \"%.64s\" is not a rate like 10/s or 600/min", text);
                return 0;
        case FAULT_QUOTA:
                if (!parse_number(text, "", 0, 1e12, &f->amount))
                        return parser_fail(p, "quota: \"%.64s\" is not a number of calls", text);
                return 0;
        case FAULT_FLAP:
                second = parser_next(p);
                if (!parse_duration(text, &f->up_ns) || !second || !parse_duration(second, &f->down_ns) ||
                    f->up_ns < NSEC_PER_MSEC || f->down_ns < NSEC_PER_MSEC)
                        return parser_fail(p, "flap: two times are wanted, up and down, like flap 20s 10s");
                return 0;
        default:
                if (!parse_percent(text, 0, 100, &f->amount))
                        return parser_fail(p, "%s: \"%.64s\" is not a share from 0%% to 100%%", fault_names[f->kind],
                                           text);
                return 0;
        }
}

/* Each of the targets, which commas part. */
static int each_target(Parser *p, char *targets, int (*f)(Parser *p, uint32_t node, void *data), void *data) {
        char *save = NULL;
        int r = 0;

        for (char *x = strtok_r(targets, ",", &save); x && r >= 0; x = strtok_r(NULL, ",", &save))
                r = parser_each_node(p, x, f, data);
        return r;
}

static int parse_event(Parser *p, When *w) {
        Fault f = { .from_ns = w->from_ns, .to_ns = w->to_ns };
        char *targets = parser_next(p);
        const char *word;
        int r;

        if (!targets)
                return parser_fail(p, "what happens is missing: NODES FAULT, or rate SERVICE RATE");
        if (streq(targets, "rate"))
                return parse_rate_change(p, w);
        word = parser_next(p);
        if (!word)
                return parser_fail(p, "what happens to %.64s is missing; there are " FAULTS_KNOWN, targets);
        if (streq(word, "up"))
                return each_target(p, targets, end_faults, w);
        if (streq(word, "price")) {
                PriceArguments a = { .when = w };

                word = parser_next(p);
                if (!word || !parse_money(word, &a.price))
                        return parser_fail(p, "price: an amount of dollars is wanted, like 0.005");
                return each_target(p, targets, add_price_change, &a);
        }
        for (f.kind = 0; f.kind < _FAULT_KIND_MAX; f.kind++)
                if (streq(word, fault_names[f.kind]))
                        break;
        if (f.kind == _FAULT_KIND_MAX)
                return parser_fail(p, "\"%.64s\" is nothing that happens to a node; there are " FAULTS_KNOWN, word);
        r = parse_amount(p, &f);
        if (r >= 0)
                r = parse_manner(p, &f, w);
        return r < 0 ? r : each_target(p, targets, add_fault, &f);
}

static int parse_time(Parser *p, uint64_t *ret) {
        const char *text = parser_next(p);

        if (!text || !parse_duration(text, ret))
                return parser_fail(p, "a time since the start is wanted, like 5m or 90s");
        return 0;
}

int parse_at(Parser *p) {
        When w = { .to_ns = NSEC_INFINITY };
        int r = parse_time(p, &w.from_ns);

        return r < 0 ? r : parse_event(p, &w);
}

int parse_from(Parser *p) {
        When w = {};
        const char *word;
        int r = parse_time(p, &w.from_ns);

        if (r < 0)
                return r;
        word = parser_next(p);
        if (!word || !streq(word, "to"))
                return parser_fail(p, "from: \"to TIME\" is missing");
        r = parse_time(p, &w.to_ns);
        if (r < 0)
                return r;
        if (w.to_ns <= w.from_ns)
                return parser_fail(p, "from: the end is not after the start");
        return parse_event(p, &w);
}
