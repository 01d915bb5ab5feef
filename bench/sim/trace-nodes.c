/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of a trace that say what there is: service, node, tier. */
#include <ctype.h>
#include <errno.h>
#include <math.h>

#include "bench/sim/trace-parse.h"
#include "bench/sim/trace-value.h"
#include "daemon/core/setting.h"

/* Every vendor of a trace is this one: what a response means is the simulator's to say. */
static const struct pm_operation no_operations[] = { {} };
static const struct pm_provider simulated = {
        .abi = PM_PROVIDER_ABI,
        .size = sizeof(simulated),
        .name = "simulated",
        .title = "simulated",
        .version = "1",
        .documentation = "",
        .url = "http://127.0.0.1",
        .operations = no_operations,
};

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

static int check_name(Parser *p, const char *name, size_t length) {
        bool good = length > 0 && length <= SERVICE_NAME_MAX && isalnum((unsigned char) name[0]);

        for (size_t i = 0; good && i < length; i++)
                good = isalnum((unsigned char) name[i]) || strchr("_.-", name[i]);
        if (!good)
                return parser_fail(p, "\"%.64s\" is no name: letters, digits, \"_\", \".\", \"-\", at most %d", name,
                                   SERVICE_NAME_MAX);
        return 0;
}

#define SERVICE_KEYS "rate retries timeout idempotent unreported objective place"

static int service_key(Parser *p, TraceService *x, ServiceSettings *s, const char *key, const char *v) {
        double number = 0;

        if (streq(key, "rate")) {
                if (!parse_rate(v, &x->rate))
                        return parser_fail(p, "rate: \"%.64s\" is not like 50/s, 3000/min or 100/h, at most 1000000/s",
                                           v);
        } else if (streq(key, "retries")) {
                if (!parse_number(v, "", 0, 16, &number) || number != trunc(number))
                        return parser_fail(p, "retries: \"%.64s\" is not a whole number from 0 to 16", v);
                x->retries = s->max_retries = (uint32_t) number;
        } else if (streq(key, "timeout")) {
                if (!parse_duration(v, &x->timeout_ns) || x->timeout_ns < NSEC_PER_MSEC ||
                    x->timeout_ns > NSEC_PER_HOUR)
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
                        return parser_fail(p, "latency: \"%.64s\" is not like 80ms or 80ms±20%%, up to 1h and 300%%",
                                           v);
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

int parse_service(Parser *p) {
        Trace *t = p->trace;
        const char *name = parser_next(p), *key, *value;
        TraceService *x;
        ServiceSettings *s;
        void *grown;
        int r;

        if (!name)
                return parser_fail(p, "service: its name is missing");
        r = check_name(p, name, strlen(name));
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
        *x = (TraceService){ .timeout_ns = 10 * NSEC_PER_SEC,
                             .retries = 2,
                             .idempotent = true,
                             .latitude = NAN,
                             .longitude = NAN,
                             .objective = -1 };
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

int parse_node(Parser *p) {
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
        if (parser_find_node(p, service, slash + 1) != TRACE_NODES_MAX)
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
        *x = (TraceNode){ service, (uint32_t) s->n_nodes, 100 * NSEC_PER_MSEC, log1p(0.2), 0.995 };
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

int parse_tier(Parser *p) {
        const char *target = parser_next(p), *word = parser_next(p), *text;
        PriceTier tier = { .up_to = INT64_MAX };
        double up_to = 0;

        if (word && streq(word, "up-to")) {
                text = parser_next(p);
                if (!text || !parse_number(text, "", 1, 1e12, &up_to) || up_to != trunc(up_to))
                        return parser_fail(p, "tier: up-to wants a whole number of calls a month, at least 1");
                tier.up_to = (int64_t) up_to;
        } else if (!word || !streq(word, "above"))
                return parser_fail(p,
                                   "tier: after the node comes \"up-to N price DOLLARS\" or \"above price DOLLARS\"");
        word = parser_next(p);
        text = parser_next(p);
        if (!word || !streq(word, "price") || !text || !parse_money(text, &tier.price))
                return parser_fail(p, "tier: it ends with \"price DOLLARS\", like price 0.005");
        return parser_each_node(p, target, add_tier, &tier);
}
