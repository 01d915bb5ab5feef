/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>

#include "basic/macro.h"
#include "daemon/config/config.h"

#define PATH_LENGTH_MAX 512

typedef struct Differ {
        ConfigChange change;
        void *userdata;
        char path[PATH_LENGTH_MAX];
        int n;
        bool failed;
} Differ;

/* Goes one step down; leave() with what it returned goes up again. */
static size_t enter(Differ *d, const char *name) {
        size_t n = strlen(d->path);

        snprintf(d->path + n, sizeof(d->path) - n, "%s%s", n > 0 ? "." : "", name);
        return n;
}

static void leave(Differ *d, size_t n) {
        d->path[n] = '\0';
}

static void changed(Differ *d, const char *before, const char *after) {
        d->n++;
        d->change(d->userdata, d->path, before, after);
}

static void compare(Differ *d, const char *before, const char *after) {
        if (!streq(before, after))
                changed(d, *before ? before : NULL, *after ? after : NULL);
}

/* "100000: 0, then 0.002" */
static void format_price_tiers(const NodeSettings *n, char *buffer, size_t size) {
        char price[SETTING_TEXT_MAX];
        size_t used = 0;

        buffer[0] = '\0';
        for (size_t i = 0; i < n->n_price_tiers && used < size; i++) {
                const PriceTier *t = n->price_tiers + i;

                setting_format_number((double) t->price / MONEY_PER_DOLLAR, price);
                used += (size_t) (t->up_to == INT64_MAX
                        ? snprintf(buffer + used, size - used, "%s%s", i > 0 ? ", then " : "", price)
                        : snprintf(buffer + used, size - used, "%sto %lld %s", i > 0 ? ", " : "",
                                   (long long) t->up_to, price));
        }
}

static const char *option_value(const NodeSettings *n, const char *name) {
        for (size_t i = 0; i < n->n_options; i++)
                if (streq(n->options[i].name, name))
                        return n->options[i].value;
        return NULL;
}

static void diff_options(Differ *d, const NodeSettings *a, const NodeSettings *b) {
        size_t up = enter(d, "options");

        for (int pass = 0; pass < 2; pass++) {
                const NodeSettings *one = pass == 0 ? a : b, *other = pass == 0 ? b : a;

                for (size_t i = 0; i < one->n_options; i++) {
                        const char *here = one->options[i].value, *there = option_value(other, one->options[i].name);

                        /* The second pass looks for what the first could not see. */
                        if (there && (pass == 1 || streq(here, there)))
                                continue;
                        size_t n = enter(d, one->options[i].name);
                        changed(d, pass == 0 ? here : there, pass == 0 ? there : here);
                        leave(d, n);
                }
        }
        leave(d, up);
}

static void diff_rows(Differ *d, const SettingTable *t, const void *a, const void *b) {
        char before[4 * SETTING_TEXT_MAX], after[4 * SETTING_TEXT_MAX];

        for (size_t i = 0; i < t->n; i++) {
                const Setting *s = t->rows + i;

                if (s->type == SETTING_OPTIONS) {
                        diff_options(d, a, b);
                        continue;
                }
                if (s->type == SETTING_PRICE_TIERS) {
                        format_price_tiers(a, before, sizeof(before));
                        format_price_tiers(b, after, sizeof(after));
                } else {
                        setting_format(s, a, before);
                        setting_format(s, b, after);
                }
                size_t n = enter(d, s->name);
                compare(d, before, after);
                leave(d, n);
        }
}

/* What is compared by name: a service or a node, the name is where the table says. */
typedef struct Collection {
        const void *items;
        size_t n, size, name_offset;
} Collection;

static const char *item_name(const void *item, size_t name_offset) {
        return *(const char *const *) ((const char *) item + name_offset) ?: "";
}

typedef struct Entry {
        const char *name;
        const void *item;
} Entry;

static int compare_entries(const void *a, const void *b) {
        return strcmp(((const Entry *) a)->name, ((const Entry *) b)->name);
}

/* Sorted by name, so that ten thousand nodes are compared with ten thousand in no time. */
static Entry *sort(const Collection *c) {
        Entry *e = malloc(c->n * sizeof(*e) + 1);

        for (size_t i = 0; e && i < c->n; i++) {
                const void *item = (const char *) c->items + i * c->size;

                e[i] = (Entry) { item_name(item, c->name_offset), item };
        }
        if (e)
                qsort(e, c->n, sizeof(*e), compare_entries);
        return e;
}

static void diff_collection(Differ *d, const Collection *a, const Collection *b,
                            void (*diff)(Differ *d, const void *a, const void *b)) {
        _cleanup_free_ Entry *x = sort(a), *y = sort(b);

        if (!x || !y) {
                d->failed = true;
                return;
        }
        for (size_t i = 0, j = 0; i < a->n || j < b->n;) {
                int order = i == a->n ? 1 : j == b->n ? -1 : strcmp(x[i].name, y[j].name);
                size_t up = enter(d, order <= 0 ? x[i].name : y[j].name);

                diff(d, order <= 0 ? x[i].item : NULL, order >= 0 ? y[j].item : NULL);
                leave(d, up);
                i += order <= 0;
                j += order >= 0;
        }
}

static void diff_node(Differ *d, const void *a, const void *b) {
        const NodeSettings *x = a, *y = b;

        if (x && y)
                diff_rows(d, &node_setting_table, x, y);
        else
                changed(d, x ? x->provider_name ?: "" : NULL, y ? y->provider_name ?: "" : NULL);
}

static const char *count_nodes(const ServiceSettings *s, char buffer[SETTING_TEXT_MAX]) {
        if (!s)
                return NULL;
        snprintf(buffer, SETTING_TEXT_MAX, "%zu node%s", s->n_nodes, s->n_nodes == 1 ? "" : "s");
        return buffer;
}

static Collection nodes_of(const ServiceSettings *s) {
        return (Collection) { s->nodes, s->n_nodes, sizeof(NodeSettings), offsetof(NodeSettings, id) };
}

static void diff_service(Differ *d, const void *a, const void *b) {
        const ServiceSettings *x = a, *y = b;
        char before[SETTING_TEXT_MAX], after[SETTING_TEXT_MAX];

        if (!x || !y) {
                changed(d, count_nodes(x, before), count_nodes(y, after));
                return;
        }
        diff_rows(d, &service_setting_table, x, y);

        size_t up = enter(d, "nodes");
        Collection m = nodes_of(x), n = nodes_of(y);
        diff_collection(d, &m, &n, diff_node);
        leave(d, up);
}

static Collection services_of(const Settings *s) {
        return (Collection) { s->services, s->n_services, sizeof(ServiceSettings), offsetof(ServiceSettings, name) };
}

int settings_diff(const Settings *before, const Settings *after, ConfigChange change, void *userdata) {
        Differ d = { .change = change, .userdata = userdata, .path = "services" };
        Collection a = services_of(before), b = services_of(after);

        diff_collection(&d, &a, &b, diff_service);
        return d.failed ? -ENOMEM : d.n;
}
