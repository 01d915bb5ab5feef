/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of a trace that say what there is; those that say what happens are in trace-events.c. */
#include "bench/sim/trace-parse.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>

#include "bench/sim/trace-value.h"
#include "daemon/core/setting.h"

/* Every vendor of a trace is this one: what a response means is the simulator's to say. */
static const struct pm_operation no_operations[] = { {} };
static const struct pm_provider simulated = {
        .abi = PM_PROVIDER_ABI, .size = sizeof(simulated), .name = "simulated", .title = "simulated", .version = "1",
        .documentation = "", .url = "http://127.0.0.1", .operations = no_operations,
};

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

static int check_name(Parser *p, const char *name, size_t length) {
        bool good = length > 0 && length <= SERVICE_NAME_MAX && isalnum((unsigned char) name[0]);

        for (size_t i = 0; good && i < length; i++)
                good = isalnum((unsigned char) name[i]) || strchr("_.-", name[i]);
        if (!good)
                return parser_fail(p, "\"%.64s\" is no name: letters, digits, \"_\", \".\", \"-\", at most %d", name, SERVICE_NAME_MAX);
        return 0;
}

uint32_t parser_find_service(const Parser *p, const char *name, size_t length) {
        for (uint32_t i = 0; i < p->trace->settings.n_services; i++) {
                const char *x = trace_service(p->trace, i)->name;

                if (strlen(x) == length && memcmp(x, name, length) == 0)
                        return i;
        }
        return TRACE_SERVICES_MAX;
}

static uint32_t find_node(const Parser *p, uint32_t service, const char *id) {
        const ServiceSettings *s = trace_service(p->trace, service);

        for (uint32_t i = 0; i < s->n_nodes; i++)
                if (streq(s->nodes[i].id, id))
                        return p->trace->services[service].nodes[i];
        return TRACE_NODES_MAX;
}

int parser_each_node(Parser *p, const char *target, int (*f)(Parser *p, uint32_t node, void *data), void *data) {
        const char *slash = strchr(target, '/');
        bool any_service = slash && slash == target + 1 && *target == '*', any_node = slash && streq(slash + 1, "*");
        uint32_t found = 0, service = slash && !any_service ? parser_find_service(p, target, (size_t) (slash - target)) : 0;
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

/* ---- settings, by the tables that the daemon has ---- */

/* "cost_constraints.max_cost_per_hour" is written max-cost-per-hour here, "budget.total" budget-total. */
static bool is_name_of(const Setting *s, const char *word) {
        static const char *const plain[] = { "load_balancing.", "cost_constraints." };
        const char *name = s->name;

        for (size_t i = 0; i < ELEMENTSOF(plain); i++)
                if (strncmp(name, plain[i], strlen(plain[i])) == 0)
                        name += strlen(plain[i]);
        for (; *name && *word; name++, word++)
                if (*word != (*name == '_' || *name == '.' ? '-' : *name))
                        return false;
        return *name == *word;
}

static bool parse_setting_number(const Setting *s, const char *text, double *ret) {
        uint64_t ns;
        Money money;

        switch (s->type) {
        case SETTING_SECONDS:
        case SETTING_MILLISECONDS:
                if (!parse_duration(text, &ns))
                        return false;
                *ret = (double) ns / (double) (s->type == SETTING_SECONDS ? NSEC_PER_SEC : NSEC_PER_MSEC);
                return true;
        case SETTING_PERCENT:
                if (!parse_percent(text, 0, 100, ret))
                        return false;
                *ret *= 100;
                return true;
        case SETTING_MONEY:
                if (!parse_money(text, &money))
                        return false;
                *ret = (double) money / (double) MONEY_PER_DOLLAR;
                return true;
        default:
                return parse_number(text, "", 0, 1e12, ret);
        }
}

static const char *how_written(const Setting *s) {
        switch (s->type) {
        case SETTING_SECONDS:
        case SETTING_MILLISECONDS:
                return ", written like 30s or 80ms";
        case SETTING_PERCENT:
                return ", written like 5%";
        default:
                return "";
        }
}

/* 1: done; 0: the table has no such setting. */
static int set(Parser *p, const SettingTable *table, void *base, const char *key, const char *value) {
        char allowed[SETTING_TEXT_MAX];

        for (size_t i = 0; i < table->n; i++) {
                const Setting *s = table->rows + i;
                bool is_bool = s->type == SETTING_BOOL, yes = streq(value, "yes");
                double v = 0;
                int r;

                if (!is_name_of(s, key))
                        continue;
                if (s->type == SETTING_ENUM || s->type == SETTING_STRING) {
                        if (s->type == SETTING_STRING && s->max > 0 && (double) strlen(value) > s->max)
                                return parser_fail(p, "%s: at most %g bytes", key, s->max);
                        r = setting_set_string(s, base, value);
                        if (r == -ENOMEM)
                                return r;
                } else if (is_bool) {
                        r = yes || streq(value, "no") ? 0 : -EINVAL;
                        if (r == 0)
                                *(bool *) setting_place(s, base) = yes;
                } else if (!setting_is_number(s))
                        return 0;
                else
                        r = parse_setting_number(s, value, &v) ? setting_set_number(s, base, v) : -EINVAL;
                if (r < 0)
                        return parser_fail(p, "%s: \"%.64s\" is not %s%s", key, value,
                                           is_bool ? "yes or no" : setting_allowed(s, allowed), how_written(s));
                return 1;
        }
        return 0;
}

static int unknown_key(Parser *p, const char *key, const SettingTable *table, const char *own) {
        char names[TRACE_ERROR_MAX] = "";
        size_t k = 0;

        for (size_t i = 0; i < table->n && k < sizeof(names) - 80; i++) {
                const Setting *s = table->rows + i;
                const char *dot = strrchr(s->name, '.');

                if (s->type == SETTING_NODES || s->type == SETTING_OPTIONS || s->type == SETTING_PRICE_TIERS)
                        continue;
                dot = dot && strncmp(s->name, "budget.", 7) != 0 ? dot + 1 : s->name;
                names[k++] = ' ';
                for (; *dot && k < sizeof(names) - 1; dot++)
                        names[k++] = *dot == '_' || *dot == '.' ? '-' : *dot;
        }
        names[k] = '\0';
        return parser_fail(p, "\"%.64s\" is not known here; there are %s%s", key, own, names);
}

/* ---- services and nodes ---- */

#define SERVICE_KEYS "rate retries timeout idempotent unreported objective place"

static int service_key(Parser *p, TraceService *x, ServiceSettings *s, const char *key, const char *v) {
        double number = 0;

        if (streq(key, "rate")) {
                if (!parse_rate(v, &x->rate))
                        return parser_fail(p, "rate: \"%.64s\" is not like 50/s, 3000/min or 100/h, at most 1000000/s", v);
        } else if (streq(key, "retries")) {
                if (!parse_number(v, "", 0, 16, &number) || number != trunc(number))
                        return parser_fail(p, "retries: \"%.64s\" is not a whole number from 0 to 16", v);
                x->retries = s->max_retries = (uint32_t) number;
        } else if (streq(key, "timeout")) {
                if (!parse_duration(v, &x->timeout_ns) || x->timeout_ns < NSEC_PER_MSEC || x->timeout_ns > NSEC_PER_HOUR)
                        return parser_fail(p, "timeout: \"%.64s\" is not a time from 1ms to 1h", v);
        } else if (streq(key, "idempotent")) {
                if (!streq(v, "yes") && !streq(v, "no"))
                        return parser_fail(p, "idempotent: \"%.64s\" is not yes or no", v);
                x->idempotent = streq(v, "yes");
        } else if (streq(key, "unreported")) {
                if (!parse_percent(v, 0, 100, &x->unreported))
                        return parser_fail(p, "unreported: \"%.64s\" is not a share from 0%% to 100%%", v);
        } else if (streq(key, "objective")) {
                for (x->objective = _OBJECTIVE_MAX - 1; x->objective >= 0; x->objective--)
                        if (streq(v, objective_names[x->objective]))
                                return 1;
                return parser_fail(p, "objective: \"%.64s\" is not success, cost or latency", v);
        } else if (streq(key, "place")) {
                if (!parse_place(v, &x->latitude, &x->longitude))
                        return parser_fail(p, "place: \"%.64s\" is not like 48.9,2.4 (degrees north, degrees east)", v);
        } else
                return 0;
        return 1;
}

#define NODE_KEYS "latency success price place"

static int node_key(Parser *p, TraceNode *x, NodeSettings *n, const char *key, const char *v) {
        double share = 0;

        if (streq(key, "latency")) {
                if (!parse_latency(v, &x->latency_ns, &share))
                        return parser_fail(p, "latency: \"%.64s\" is not like 80ms or 80ms±20%%, up to 1h and 300%%", v);
                x->spread = log1p(share);
        } else if (streq(key, "success")) {
                if (!parse_percent(v, 0, 100, &x->success))
                        return parser_fail(p, "success: \"%.64s\" is not a share from 0%% to 100%%", v);
        } else if (streq(key, "price")) {
                if (!parse_money(v, &n->cost_per_request))
                        return parser_fail(p, "price: \"%.64s\" is not an amount of dollars, like 0.005", v);
        } else if (streq(key, "place")) {
                if (!parse_place(v, &n->latitude, &n->longitude))
                        return parser_fail(p, "place: \"%.64s\" is not like 48.9,2.4 (degrees north, degrees east)", v);
        } else
                return 0;
        return 1;
}

static int parse_service(Parser *p) {
        Trace *t = p->trace;
        const char *name = parser_next(p), *key, *value;
        TraceService *x;
        ServiceSettings *s;
        void *grown;
        int r = name ? check_name(p, name, strlen(name)) : parser_fail(p, "service: its name is missing");

        if (r < 0)
                return r;
        if (parser_find_service(p, name, strlen(name)) != TRACE_SERVICES_MAX)
                return parser_fail(p, "there is a service %s already", name);
        if (t->settings.n_services == TRACE_SERVICES_MAX)
                return parser_fail(p, "a trace has at most %d services", TRACE_SERVICES_MAX);
        if (!(grown = parser_grow(t->services, t->settings.n_services, sizeof(*x))))
                return -ENOMEM;
        t->services = grown;
        x = &t->services[t->settings.n_services];
        *x = (TraceService) { .timeout_ns = 10 * NSEC_PER_SEC, .retries = 2, .idempotent = true, .latitude = NAN,
                              .longitude = NAN, .objective = -1 };
        if (!(grown = parser_grow(t->settings.services, t->settings.n_services, sizeof(*s))))
                return -ENOMEM;
        t->settings.services = grown;
        s = &t->settings.services[t->settings.n_services++];
        service_settings_init(s);
        if (!(s->name = strdup(name)))
                return -ENOMEM;

        while ((key = parser_next(p))) {
                if (!(value = parser_next(p)))
                        return parser_fail(p, "%.64s: its value is missing", key);
                r = service_key(p, x, s, key, value);
                if (r == 0)
                        r = set(p, &service_setting_table, s, key, value);
                if (r <= 0)
                        return r < 0 ? r : unknown_key(p, key, &service_setting_table, SERVICE_KEYS);
        }
        return 0;
}

static int parse_node(Parser *p) {
        Trace *t = p->trace;
        char *name = parser_next(p), *slash = name ? strchr(name, '/') : NULL;
        const char *key, *value;
        uint32_t service = slash ? parser_find_service(p, name, (size_t) (slash - name)) : TRACE_SERVICES_MAX;
        ServiceSettings *s;
        NodeSettings *n;
        TraceNode *x;
        void *grown;
        int r;

        if (service == TRACE_SERVICES_MAX)
                return parser_fail(p, "node: service/node is missing, or no such service is declared above");
        r = check_name(p, slash + 1, strlen(slash + 1));
        if (r < 0)
                return r;
        if (find_node(p, service, slash + 1) != TRACE_NODES_MAX)
                return parser_fail(p, "there is a node %s already", name);
        if (t->n_nodes == TRACE_NODES_MAX)
                return parser_fail(p, "a trace has at most %d nodes", TRACE_NODES_MAX);

        s = &t->settings.services[service];
        if (!(grown = parser_grow(t->services[service].nodes, s->n_nodes, sizeof(uint32_t))))
                return -ENOMEM;
        t->services[service].nodes = grown;
        t->services[service].nodes[s->n_nodes] = t->n_nodes;
        if (!(grown = parser_grow(t->nodes, t->n_nodes, sizeof(*x))))
                return -ENOMEM;
        t->nodes = grown;
        if (!(grown = parser_grow(s->nodes, s->n_nodes, sizeof(*n))))
                return -ENOMEM;
        s->nodes = grown;
        x = &t->nodes[t->n_nodes++];
        *x = (TraceNode) { service, (uint32_t) s->n_nodes, 100 * NSEC_PER_MSEC, log1p(0.2), 0.995 };
        n = &s->nodes[s->n_nodes++];
        node_settings_init(n);
        n->provider = &simulated;
        if (!(n->id = strdup(slash + 1)))
                return -ENOMEM;

        while ((key = parser_next(p))) {
                if (!(value = parser_next(p)))
                        return parser_fail(p, "%.64s: its value is missing", key);
                r = node_key(p, x, n, key, value);
                if (r == 0)
                        r = set(p, &node_setting_table, n, key, value);
                if (r <= 0)
                        return r < 0 ? r : unknown_key(p, key, &node_setting_table, NODE_KEYS);
        }
        return n->provider_name || (n->provider_name = strdup(n->id)) ? 0 : -ENOMEM;
}

static int add_tier(Parser *p, uint32_t node, void *data) {
        const TraceNode *x = &p->trace->nodes[node];
        NodeSettings *n = &p->trace->settings.services[x->service].nodes[x->index];
        const PriceTier *tier = data;
        void *grown;

        if (n->n_price_tiers == 16)
                return parser_fail(p, "a node has at most 16 price tiers");
        if (n->n_price_tiers > 0 && tier->up_to <= n->price_tiers[n->n_price_tiers - 1].up_to)
                return parser_fail(p, "the price tiers of a node rise: this one ends before the last");
        if (!(grown = parser_grow(n->price_tiers, n->n_price_tiers, sizeof(PriceTier))))
                return -ENOMEM;
        n->price_tiers = grown;
        n->price_tiers[n->n_price_tiers++] = *tier;
        return 0;
}

static int parse_tier(Parser *p) {
        const char *target = parser_next(p), *word = parser_next(p), *text;
        PriceTier tier = { .up_to = INT64_MAX };
        double up_to = 0;

        if (word && streq(word, "up-to")) {
                text = parser_next(p);
                if (!text || !parse_number(text, "", 1, 1e12, &up_to) || up_to != trunc(up_to))
                        return parser_fail(p, "tier: up-to wants a whole number of calls a month, at least 1");
                tier.up_to = (int64_t) up_to;
        } else if (!word || !streq(word, "above"))
                return parser_fail(p, "tier: after the node comes \"up-to N price DOLLARS\" or \"above price DOLLARS\"");
        word = parser_next(p);
        text = parser_next(p);
        if (!word || !streq(word, "price") || !text || !parse_money(text, &tier.price))
                return parser_fail(p, "tier: it ends with \"price DOLLARS\", like price 0.005");
        return parser_each_node(p, target, add_tier, &tier);
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
                { "title", parse_title }, { "duration", parse_duration_line }, { "clock", parse_clock_line },
                { "service", parse_service }, { "node", parse_node }, { "tier", parse_tier }, { "rate", parse_rate_line },
                { "at", parse_at }, { "from", parse_from },
        };
        const char *word = parser_next(p);

        for (size_t i = 0; i < ELEMENTSOF(directives); i++)
                if (streq(word, directives[i].word)) {
                        int r = directives[i].parse(p);

                        return r < 0 ? r : parser_end(p);
                }
        return parser_fail(p, "\"%.64s\" begins no line; title, duration, clock, service, node, tier, rate, at, from do", word);
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
                if (r >= 0 && p->n > 0)
                        r = parse_line(p);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int by_time_of_fault(const void *a, const void *b) {
        const Fault *x = a, *y = b;

        return x->from_ns != y->from_ns ? (x->from_ns > y->from_ns) - (x->from_ns < y->from_ns) : (x->node > y->node) - (x->node < y->node);
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
                return parser_fail(p, "rates and duration make %.0f calls; at most %.0f are simulated", calls, TRACE_CALLS_MAX);
        if ((double) t->n_nodes * (double) (t->duration_ns / NSEC_PER_SEC) > 2e7)
                return parser_fail(p, "%u nodes for so long are too much to watch; nodes times seconds is at most 20000000", t->n_nodes);
        for (uint32_t i = 0; i < t->n_faults; i++)
                if (t->faults[i].from_ns >= t->duration_ns)
                        return parser_fail(p, "something happens at %.1f s, after the end at %.1f s", (double) t->faults[i].from_ns / 1e9,
                                           (double) t->duration_ns / 1e9);
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
