/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of a trace and its words; what is declared is in trace-nodes.c, what happens in trace-events.c. */
#include "bench/sim/trace-parse.h"

#include <errno.h>
#include <stdarg.h>

#include "bench/sim/trace-value.h"

int parser_fail(Parser *p, const char *format, ...) {
        va_list arguments;
        int k = snprintf(p->error, TRACE_ERROR_MAX, "%s:%u: ", p->path, p->line);

        if (k < 0 || k >= TRACE_ERROR_MAX)
                return -EINVAL;
        va_start(arguments, format);
        vsnprintf(p->error + k, TRACE_ERROR_MAX - (size_t) k, format, arguments);
        va_end(arguments);
        return -EINVAL;
}

int parser_end(Parser *p) {
        return p->words[p->at] ? parser_fail(p, "\"%.64s\" is one word too many", p->words[p->at]) : 0;
}

void *parser_grow(void *array, size_t n, size_t size) {
        /* Doubles at powers of two, so that no capacity has to be kept. */
        if (n == 0 || (n & (n - 1)) == 0)
                array = reallocarray(array, n == 0 ? 1 : 2 * n, size);
        if (array)
                memset((char *) array + n * size, 0, size);
        return array;
}

/* ---- names ---- */

uint32_t parser_find_service(const Parser *p, const char *name, size_t length) {
        for (uint32_t i = 0; i < p->trace->settings.n_services; i++) {
                const char *x = trace_service(p->trace, i)->name;

                if (strlen(x) == length && memcmp(x, name, length) == 0)
                        return i;
        }
        return TRACE_SERVICES_MAX;
}

uint32_t parser_find_node(const Parser *p, uint32_t service, const char *id) {
        const ServiceSettings *s = trace_service(p->trace, service);

        for (uint32_t i = 0; i < s->n_nodes; i++)
                if (streq(s->nodes[i].id, id))
                        return p->trace->services[service].nodes[i];
        return TRACE_NODES_MAX;
}

int parser_each_node(Parser *p, const char *target, int (*f)(Parser *p, uint32_t node, void *data), void *data) {
        const char *slash = strchr(target, '/');
        bool any_service = slash && slash == target + 1 && *target == '*', any_node = slash && streq(slash + 1, "*");
        uint32_t found = 0,
                 service = slash && !any_service ? parser_find_service(p, target, (size_t) (slash - target)) : 0;
        int r = 0;

        if (!slash || service == TRACE_SERVICES_MAX)
                return parser_fail(p, "\"%.64s\" is no node: service/node, each declared above or \"*\"", target);
        for (uint32_t i = 0; i < p->trace->n_nodes && r >= 0; i++)
                if ((any_service || p->trace->nodes[i].service == service) &&
                    (any_node || streq(trace_node(p->trace, i)->id, slash + 1))) {
                        r = f(p, i, data);
                        found++;
                }
        if (found == 0)
                return parser_fail(p, "\"%.64s\" is no node: none of that name is declared above", target);
        return r;
}

/* ---- the rest ---- */

static int parse_title(Parser *p) {
        char text[TRACE_LINE_MAX + 1] = "";

        for (const char *word; (word = parser_next(p));) {
                if (*text)
                        strcat(text, " "); /* the words of one line fit in a line */
                strcat(text, word);
        }
        free(p->trace->title);
        p->trace->title = strdup(text);
        return p->trace->title ? 0 : -ENOMEM;
}

static int parse_duration_line(Parser *p) {
        const char *text = parser_next(p);
        uint64_t ns;

        if (!text || !parse_duration(text, &ns) || ns < NSEC_PER_SEC || ns > TRACE_DURATION_MAX)
                return parser_fail(p, "duration: a time from 1s to 24h is wanted, like 30m");
        p->trace->duration_ns = ns;
        return 0;
}

static int parse_clock_line(Parser *p) {
        const char *text = parser_next(p);

        if (!text || !parse_clock(text, &p->trace->utc_ns))
                return parser_fail(p, "clock: an instant is wanted, like 2026-01-05T08:00Z");
        return 0;
}

static int parse_rate_line(Parser *p) {
        const char *name = parser_next(p), *text = parser_next(p);
        uint32_t service = name ? parser_find_service(p, name, strlen(name)) : TRACE_SERVICES_MAX;

        if (service == TRACE_SERVICES_MAX)
                return parser_fail(p, "rate: a service that is declared above is wanted");
        if (!text || !parse_rate(text, &p->trace->services[service].rate))
                return parser_fail(p, "rate: a rate is wanted, like 50/s, 3000/min or 100/h, at most 1000000/s");
        return 0;
}

static int parse_line(Parser *p) {
        static const struct {
                const char *word;
                int (*parse)(Parser *p);
        } directives[] = {
                { "title", parse_title },      { "duration", parse_duration_line },
                { "clock", parse_clock_line }, { "service", parse_service },
                { "node", parse_node },        { "tier", parse_tier },
                { "rate", parse_rate_line },   { "at", parse_at },
                { "from", parse_from },
        };
        const char *word = parser_next(p);

        if (!word) /* nothing, or a comment */
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(directives); i++)
                if (streq(word, directives[i].word)) {
                        int r = directives[i].parse(p);

                        return r < 0 ? r : parser_end(p);
                }
        return parser_fail(
                p, "\"%.64s\" begins no line; title, duration, clock, service, node, tier, rate, at, from do", word);
}

static int split(Parser *p, char *line) {
        char *save = NULL;

        p->n = p->at = 0;
        for (char *w = strtok_r(line, " \t\r", &save); w && *w != '#'; w = strtok_r(NULL, " \t\r", &save)) {
                if (p->n == WORDS_MAX)
                        return parser_fail(p, "a line has at most %d words", WORDS_MAX);
                p->words[p->n++] = w;
        }
        p->words[p->n] = NULL;
        return 0;
}

static int parse_lines(Parser *p, const char *text, size_t size) {
        char line[TRACE_LINE_MAX + 1];
        const char *end = text + size;

        while (text < end) {
                const char *newline = memchr(text, '\n', (size_t) (end - text)), *stop = newline ? newline : end;
                size_t length = (size_t) (stop - text);
                int r;

                p->line++;
                if (length > TRACE_LINE_MAX)
                        return parser_fail(p, "a line has at most %d bytes", TRACE_LINE_MAX);
                if (memchr(text, '\0', length))
                        return parser_fail(p, "a trace is text; here is a byte of value 0");
                memcpy(line, text, length);
                line[length] = '\0';
                text = newline ? newline + 1 : end;
                r = split(p, line);
                if (r >= 0)
                        r = parse_line(p);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int by_time_of_fault(const void *a, const void *b) {
        const Fault *x = a, *y = b;

        return x->from_ns != y->from_ns ? (x->from_ns > y->from_ns) - (x->from_ns < y->from_ns)
                                        : (x->node > y->node) - (x->node < y->node);
}

static int by_time_of_change(const void *a, const void *b) {
        const Change *x = a, *y = b;

        return (x->at_ns > y->at_ns) - (x->at_ns < y->at_ns);
}

/* What can only be said of the whole. */
static int check(Parser *p) {
        Trace *t = p->trace;
        double calls = 0;

        if (t->settings.n_services == 0)
                return parser_fail(p, "no service is declared");
        for (uint32_t i = 0; i < t->settings.n_services; i++) {
                double most = t->services[i].rate;

                if (trace_service(t, i)->n_nodes == 0)
                        return parser_fail(p, "service %s has no node", trace_service(t, i)->name);
                for (uint32_t k = 0; k < t->n_changes; k++)
                        if (t->changes[k].is_rate && t->changes[k].index == i)
                                most = MAX(most, t->changes[k].rate);
                if (most <= 0)
                        return parser_fail(p, "service %s is never called: it needs a rate", trace_service(t, i)->name);
                calls += most * (double) t->duration_ns / (double) NSEC_PER_SEC;
        }
        if (calls > TRACE_CALLS_MAX)
                return parser_fail(p, "rates and duration make %.0f calls; at most %.0f are simulated", calls,
                                   TRACE_CALLS_MAX);
        if ((double) t->n_nodes * (double) (t->duration_ns / NSEC_PER_SEC) > 2e7)
                return parser_fail(
                        p, "%u nodes for so long are too much to watch; nodes times seconds is at most 20000000",
                        t->n_nodes);
        for (uint32_t i = 0; i < t->n_faults; i++)
                if (t->faults[i].from_ns >= t->duration_ns)
                        return parser_fail(p, "something happens at %.1f s, after the end at %.1f s",
                                           (double) t->faults[i].from_ns / 1e9, (double) t->duration_ns / 1e9);
        if (t->n_faults > 0)
                qsort(t->faults, t->n_faults, sizeof(Fault), by_time_of_fault);
        if (t->n_changes > 0)
                qsort(t->changes, t->n_changes, sizeof(Change), by_time_of_change);
        return 0;
}

int trace_parse(Trace **ret, const char *path, const char *text, size_t size, char error[TRACE_ERROR_MAX]) {
        Parser p = { .trace = calloc(1, sizeof(Trace)), .path = path, .error = error };
        int r = -ENOMEM;

        error[0] = '\0';
        if (!p.trace)
                return -ENOMEM;
        p.trace->duration_ns = 10 * NSEC_PER_MINUTE;
        p.trace->utc_ns = UINT64_C(1767600000) * NSEC_PER_SEC; /* Monday 2026-01-05 08:00 UTC */
        p.trace->path = strdup(path);
        if (p.trace->path)
                r = parse_lines(&p, text, size);
        if (r >= 0)
                r = check(&p);
        if (r < 0) {
                trace_free(p.trace);
                return r;
        }
        *ret = p.trace;
        return 0;
}
