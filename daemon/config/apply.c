/* SPDX-License-Identifier: Apache-2.0 */
/* Puts what one file says into the settings, by the tables, and complains about what does not fit them. */
#include <ctype.h>
#include <errno.h>
#include <math.h>

#include "daemon/config/document.h"
#include "daemon/config/suggest.h"

#define NAMES_MAX 64

/* Where in a file the walk is. */
typedef struct Walk {
        Loader *loader;
        Document *document;
        char path[SETTING_PATH_MAX];
} Walk;

static int apply_members(Walk *w, const SettingTable *t, const char *group, const config_setting_t *from, void *base);

/* Lengthens the path; leave() with what it returned makes it short again. */
static size_t enter(Walk *w, const char *name) {
        size_t n = strlen(w->path);

        snprintf(w->path + n, sizeof(w->path) - n, "%s%s", n > 0 && *name != '[' ? "." : "", name);
        return n;
}

static void leave(Walk *w, size_t n) {
        w->path[n] = '\0';
}

#define complain(w, at, ...) \
        loader_complain((w)->loader, (w)->document->path, config_setting_source_line(at), (w)->path, __VA_ARGS__)

/* libconfig converts whole numbers only if told so, and then without a word about what does not fit. */
static double number(const config_setting_t *v) {
        switch (config_setting_type(v)) {
        case CONFIG_TYPE_INT:
        case CONFIG_TYPE_INT64:
                return (double) config_setting_get_int64(v);
        case CONFIG_TYPE_FLOAT:
                return config_setting_get_float(v);
        default:
                return NAN;
        }
}

/* A value as a complaint shows it. */
static const char *describe(const config_setting_t *v, char buffer[SETTING_TEXT_MAX]) {
        switch (config_setting_type(v)) {
        case CONFIG_TYPE_STRING:
                snprintf(buffer, SETTING_TEXT_MAX, "\"%.64s\"", config_setting_get_string(v) ?: "");
                return buffer;
        case CONFIG_TYPE_BOOL:
                return config_setting_get_bool(v) ? "true" : "false";
        case CONFIG_TYPE_INT:
        case CONFIG_TYPE_INT64:
                snprintf(buffer, SETTING_TEXT_MAX, "%lld", config_setting_get_int64(v));
                return buffer;
        case CONFIG_TYPE_FLOAT:
                /* Numbers that are not are shown like that, far ones in short. */
                if (fabs(number(v)) < 1e15)
                        return setting_format_number(number(v), buffer);
                snprintf(buffer, SETTING_TEXT_MAX, "%g", number(v));
                return buffer;
        case CONFIG_TYPE_GROUP:
                return "a group";
        default:
                return "a list";
        }
}

static void complain_about_value(Walk *w, const Setting *s, const config_setting_t *v) {
        char is[SETTING_TEXT_MAX], allowed[SETTING_TEXT_MAX];

        complain(w, v, "is %s; must be %s", describe(v, is), setting_allowed(s, allowed));
}

static int apply_scalar(Walk *w, const Setting *s, const config_setting_t *v, void *base) {
        int r = -EINVAL;

        if (setting_is_number(s)) {
                r = setting_set_number(s, base, number(v));
        } else if (s->type == SETTING_BOOL) {
                if (config_setting_type(v) == CONFIG_TYPE_BOOL) {
                        *(bool *) setting_place(s, base) = config_setting_get_bool(v);
                        r = 0;
                }
        } else if (config_setting_type(v) == CONFIG_TYPE_STRING && config_setting_get_string(v))
                r = setting_set_string(s, base, config_setting_get_string(v));

        if (r == -ENOMEM)
                return r;
        if (r < 0)
                complain_about_value(w, s, v);
        return 0;
}

static bool group_name_is_valid(const char *name) {
        if (streq(name, "*"))
                return true;
        if (!isalpha((unsigned char) *name) && *name != '_')
                return false;
        for (const char *p = name; *p; p++)
                if (!isalnum((unsigned char) *p) && !strchr("_.-", *p))
                        return false;
        return strlen(name) <= 32;
}

static int apply_names(Walk *w, const Setting *s, const config_setting_t *v, void *base) {
        const char *names[NAMES_MAX];
        size_t n = 0;

        if (!config_setting_is_array(v) && !config_setting_is_list(v)) {
                complain_about_value(w, s, v);
                return 0;
        }
        if (config_setting_length(v) > NAMES_MAX) {
                complain(w, v, "has %d names; must have at most %d", config_setting_length(v), NAMES_MAX);
                return 0;
        }
        for (int i = 0; i < config_setting_length(v); i++) {
                const config_setting_t *e = config_setting_get_elem(v, (unsigned) i);
                const char *name = config_setting_type(e) == CONFIG_TYPE_STRING ? config_setting_get_string(e) ?: "" : NULL;
                char is[SETTING_TEXT_MAX];

                if (name && group_name_is_valid(name))
                        names[n++] = name;
                else
                        complain(w, e, "has %s; must have names of groups, or \"*\" for everybody", describe(e, is));
        }
        return setting_set_names(s, base, names, n);
}

/* One step of a volume price. */
static const Setting price_tier_rows[] = {
        { "up_to", "upTo", SETTING_DOUBLE, 0, "units a calendar month", 1, 1e15, NAN, .doc = "where the step ends" },
        { "price", "price", SETTING_MONEY, 0, "dollars a unit", 0, (double) (MONEY_MAX / MONEY_PER_DOLLAR), NAN, .doc = "what a unit costs" },
};

static void apply_price_tier(Walk *w, const config_setting_t *v, PriceTier *ret) {
        *ret = (PriceTier) { .up_to = INT64_MAX, .price = MONEY_UNSET };
        if (!config_setting_is_group(v)) {
                complain(w, v, "must be a group { up_to, price }");
                return;
        }
        for (int i = 0; i < config_setting_length(v); i++) {
                const config_setting_t *e = config_setting_get_elem(v, (unsigned) i);
                size_t up = enter(w, e->name);
                double x = number(e);

                if (streq(e->name, "price")) {
                        if (setting_set_number(price_tier_rows + 1, &ret->price, x) < 0) {
                                complain_about_value(w, price_tier_rows + 1, e);
                                ret->price = 0; /* said already */
                        }
                } else if (streq(e->name, "up_to")) {
                        if (setting_check_number(price_tier_rows, x) < 0 || x != trunc(x))
                                complain_about_value(w, price_tier_rows, e);
                        else
                                ret->up_to = (int64_t) x;
                } else
                        complain(w, e, "is unknown; allowed here: up_to, price");
                leave(w, up);
        }
}

static int apply_price_tiers(Walk *w, const Setting *s, const config_setting_t *v, NodeSettings *node) {
        int n = config_setting_is_aggregate(v) ? config_setting_length(v) : 0;

        /* [ ] and ( ) are both lists when they are empty. */
        if (!config_setting_is_list(v) && !(config_setting_is_array(v) && n == 0)) {
                complain_about_value(w, s, v);
                return 0;
        }
        PriceTier *tiers = calloc((size_t) n + 1, sizeof(*tiers));
        if (!tiers)
                return -ENOMEM;
        for (int i = 0; i < n; i++) {
                char index[16];
                snprintf(index, sizeof(index), "[%d]", i);
                size_t up = enter(w, index);
                apply_price_tier(w, config_setting_get_elem(v, (unsigned) i), tiers + i);
                leave(w, up);
        }
        free(node->price_tiers);
        node->price_tiers = tiers;
        node->n_price_tiers = (size_t) n;
        return 0;
}

/* Room for one more in an array that has only ever grown by this: a new one at each power of two. */
static int grow(void **items, size_t n, size_t size) {
        if ((n & (n - 1)) != 0)
                return 0;
        void *more = realloc(*items, MAX(2 * n, (size_t) 1) * size);
        if (!more)
                return -ENOMEM;
        *items = more;
        return 0;
}

static int set_option(NodeSettings *node, const char *name, const char *value) {
        size_t i = 0;

        while (i < node->n_options && !streq(node->options[i].name, name))
                i++;
        _cleanup_free_ char *v = strdup(value);
        if (!v || (i == node->n_options && grow((void **) &node->options, i, sizeof(Option)) < 0))
                return -ENOMEM;
        if (i == node->n_options) {
                node->options[i] = (Option) { .name = strdup(name) };
                if (!node->options[i].name)
                        return -ENOMEM;
                node->n_options++;
        }
        free(node->options[i].value);
        node->options[i].value = TAKE(v);
        return 0;
}

static int apply_options(Walk *w, const Setting *s, const config_setting_t *v, NodeSettings *node) {
        int r = 0;

        if (!config_setting_is_group(v)) {
                complain_about_value(w, s, v);
                return 0;
        }
        for (int i = 0; i < config_setting_length(v) && r >= 0; i++) {
                const config_setting_t *e = config_setting_get_elem(v, (unsigned) i);
                char is[SETTING_TEXT_MAX];
                size_t up = enter(w, e->name);

                if (config_setting_type(e) == CONFIG_TYPE_STRING)
                        r = set_option(node, e->name, config_setting_get_string(e) ?: "");
                else
                        complain(w, e, "is %s; must be a string", describe(e, is));
                leave(w, up);
        }
        return r;
}

static int apply_node(Walk *w, const config_setting_t *v, ServiceSettings *s, size_t n_old) {
        NodeSettings *n = NULL;

        for (size_t i = 0; i < n_old && !n; i++)
                if (streq(s->nodes[i].id, v->name))
                        n = s->nodes + i;
        if (!n) {
                char *id = strdup(v->name);

                if (!id || grow((void **) &s->nodes, s->n_nodes, sizeof(*n)) < 0) {
                        free(id);
                        return -ENOMEM;
                }
                n = s->nodes + s->n_nodes++;
                node_settings_init(n);
                n->id = id;
        }
        return apply_members(w, &node_setting_table, "", v, n);
}

static int apply_service(Walk *w, const config_setting_t *v, Settings *settings, size_t n_old) {
        ServiceSettings *s = NULL;

        for (size_t i = 0; i < n_old && !s; i++)
                if (streq(settings->services[i].name, v->name))
                        s = settings->services + i;
        if (!s) {
                char *name = strdup(v->name);

                if (!name || grow((void **) &settings->services, settings->n_services, sizeof(*s)) < 0) {
                        free(name);
                        return -ENOMEM;
                }
                s = settings->services + settings->n_services++;
                service_settings_init(s);
                s->name = name;
        }
        return apply_members(w, &service_setting_table, "", v, s);
}

/* Services or nodes: a group of groups that have names of their own. Names are unique in one file, so only what earlier files
 * brought can be met again. */
static int apply_named(Walk *w, const Setting *s, const config_setting_t *v, void *base) {
        ServiceSettings *service = base; /* one of the two */
        Settings *settings = setting_place(s, base);
        bool nodes = s->type == SETTING_NODES;
        size_t n_old = nodes ? service->n_nodes : settings->n_services;
        int r = 0;

        if (!config_setting_is_group(v)) {
                complain_about_value(w, s, v);
                return 0;
        }
        for (int i = 0; i < config_setting_length(v) && r >= 0; i++) {
                const config_setting_t *e = config_setting_get_elem(v, (unsigned) i);
                char is[SETTING_TEXT_MAX];
                size_t up = enter(w, e->name);

                if (!config_setting_is_group(e))
                        complain(w, e, "is %s; must be a group { … }", describe(e, is));
                else
                        r = nodes ? apply_node(w, e, service, n_old) : apply_service(w, e, settings, n_old);
                leave(w, up);
        }
        return r;
}

static int apply_row(Walk *w, const Setting *s, const config_setting_t *v, void *base) {
        switch (s->type) {
        case SETTING_NAMES:
                return apply_names(w, s, v, base);
        case SETTING_PRICE_TIERS:
                return apply_price_tiers(w, s, v, base);
        case SETTING_OPTIONS:
                return apply_options(w, s, v, base);
        case SETTING_NODES:
        case SETTING_SERVICES:
                return apply_named(w, s, v, base);
        default:
                return apply_scalar(w, s, v, base);
        }
}

/* The row of that name, or *ret_group: rows below that name. */
static const Setting *find_row(const SettingTable *t, const char *name, bool *ret_group) {
        size_t n = strlen(name);

        *ret_group = false;
        for (size_t i = 0; i < t->n; i++) {
                if (strncmp(t->rows[i].name, name, n) != 0)
                        continue;
                if (t->rows[i].name[n] == '\0')
                        return t->rows + i;
                *ret_group |= t->rows[i].name[n] == '.';
        }
        return NULL;
}

/* group: which part of the table the members belong to, "" or e.g. "budget.tiers". */
static int apply_members(Walk *w, const SettingTable *t, const char *group, const config_setting_t *from, void *base) {
        char name[SETTING_PATH_MAX], text[SETTING_TEXT_MAX];
        int r = 0;

        for (int i = 0; i < config_setting_length(from) && r >= 0; i++) {
                const config_setting_t *e = config_setting_get_elem(from, (unsigned) i);
                bool is_group;

                if (config_setting_type(e) == CONFIG_TYPE_NONE)
                        continue; /* the parser stopped before its value, and that has been said */
                size_t up = enter(w, e->name);
                snprintf(name, sizeof(name), "%s%s%s", group, *group ? "." : "", e->name);
                const Setting *s = find_row(t, name, &is_group);
                if (s)
                        r = apply_row(w, s, e, base);
                else if (!is_group)
                        complain(w, e, "is unknown; %s", suggest(t, group, e->name, text));
                else if (!config_setting_is_group(e))
                        complain(w, e, "is %s; must be a group { … }", describe(e, text));
                else
                        r = apply_members(w, t, name, e, base);
                leave(w, up);
        }
        return r;
}

int document_apply(Loader *l, Document *d) {
        Walk w = { .loader = l, .document = d };

        return apply_members(&w, &config_setting_table, "", config_root_setting(&d->tree), l->config);
}
