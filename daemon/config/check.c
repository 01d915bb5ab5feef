/* SPDX-License-Identifier: Apache-2.0 */
/* What settings must fulfil wherever they come from. Ranges and what is required stand in the tables; the rest is here. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>

#include "basic/macro.h"
#include "basic/scrub.h"
#include "daemon/config/config.h"
#include "daemon/core/provider.h"

#define PRICE_TIERS_MAX 16
#define OPTIONS_MAX 64
#define OPTION_VALUE_MAX 512
#define FIELD_MAX 256

typedef struct Checker {
        SettingSpelling spelling;
        SettingsComplaint complain;
        void *userdata;
        char prefix[FIELD_MAX]; /* "nodes.here." or "" */
        int mistakes;
} Checker;

_printf_(3, 4) static void complain(Checker *c, const char *field, const char *format, ...) {
        char path[2 * FIELD_MAX], message[SETTING_TEXT_MAX + 256];
        va_list ap;

        va_start(ap, format);
        vsnprintf(message, sizeof(message), format, ap);
        va_end(ap);
        snprintf(path, sizeof(path), "%s%s", c->prefix, field);
        c->mistakes++;
        c->complain(c->userdata, path, message);
}

static const char *spelled(const Checker *c, const Setting *s) {
        return c->spelling == SPELLING_API ? s->field : s->name;
}

/* The spelling of a field that is checked by hand. */
static const char *field_of(const Checker *c, const SettingTable *t, size_t offset) {
        for (size_t i = 0; i < t->n; i++)
                if (t->rows[i].offset == offset)
                        return spelled(c, t->rows + i);
        return "";
}
#define SERVICE_FIELD(c, member) field_of(c, &service_setting_table, offsetof(ServiceSettings, member))
#define NODE_FIELD(c, member) field_of(c, &node_setting_table, offsetof(NodeSettings, member))

static bool name_is_valid(const char *s, size_t max) {
        if (!s || !isalnum((unsigned char) *s) || strlen(s) > max)
                return false;
        for (; *s; s++)
                if (!isalnum((unsigned char) *s) && !strchr("_.-", *s))
                        return false;
        return true;
}

static bool has_control(const char *s) {
        for (; *s; s++)
                if (iscntrl((unsigned char) *s))
                        return true;
        return false;
}

static void check_row(Checker *c, const Setting *s, const void *base) {
        char allowed[SETTING_TEXT_MAX], value[SETTING_TEXT_MAX];
        const void *p = setting_place(s, base);

        if (setting_is_number(s)) {
                double v = setting_get_number(s, base);

                if (isnan(v) && isnan(s->fallback))
                        return;
                if (setting_check_number(s, v) < 0)
                        complain(c, spelled(c, s), "is %s; must be %s", setting_format_number(v, value),
                                 setting_allowed(s, allowed));
        } else if (s->type == SETTING_ENUM) {
                int v = *(const int *) p;

                if (!enum_to_string(s->names, v) && !(v == -1 && isnan(s->fallback)))
                        complain(c, spelled(c, s), "is not set; must be %s", setting_allowed(s, allowed));
        } else if (s->type == SETTING_STRING) {
                const char *v = *(const char *const *) p;

                if (!v || !*v) {
                        if (s->flags & SETTING_REQUIRED)
                                complain(c, spelled(c, s), "is missing; must be %s: %s", setting_allowed(s, allowed),
                                         s->doc);
                } else if ((double) strlen(v) > s->max)
                        complain(c, spelled(c, s), "is %zu bytes long; must be at most %.0f", strlen(v), s->max);
                else if (has_control(v))
                        complain(c, spelled(c, s), "has control characters; must have none");
        }
}

static void check_rows(Checker *c, const SettingTable *t, const void *base) {
        for (size_t i = 0; i < t->n; i++)
                check_row(c, t->rows + i, base);
}

static const char *url_complaint(const char *url) {
        const char *host = NULL;

        if (strncasecmp(url, "https://", 8) == 0)
                host = url + 8;
        else if (strncasecmp(url, "http://", 7) == 0)
                host = url + 7;
        if (!host)
                return "must begin with https:// or http://";
        if (!isalnum((unsigned char) *host) && *host != '[')
                return "must name a host after the //";
        for (const char *p = host; *p; p++) {
                if (!isgraph((unsigned char) *p) || strchr("\"<>\\^`{|}", *p))
                        return "must have only characters that a URL may have";
                if (*p == '?' || *p == '#')
                        return "must have no ? or #, because paths are appended to it";
                if (*p == '@' && p < host + strcspn(host, "/"))
                        return "must have no user name or password; name a credential instead";
        }
        return NULL;
}

static void check_price_tiers(Checker *c, const NodeSettings *n) {
        const char *field = NODE_FIELD(c, price_tiers), *up_to = c->spelling == SPELLING_API ? "upTo" : "up_to";
        char path[FIELD_MAX];

        if (n->n_price_tiers > PRICE_TIERS_MAX)
                complain(c, field, "has %zu steps; must have at most %d", n->n_price_tiers, PRICE_TIERS_MAX);
        for (size_t i = 0; i < n->n_price_tiers && i < PRICE_TIERS_MAX; i++) {
                const PriceTier *t = n->price_tiers + i;

                snprintf(path, sizeof(path), "%s[%zu].%s", field, i, up_to);
                if (t->up_to <= 0)
                        complain(c, path, "is %lld; must be more than 0", (long long) t->up_to);
                else if (i > 0 && t[-1].up_to == INT64_MAX)
                        complain(c, path, "comes after a step without end; only the last step may leave %s out", up_to);
                else if (i > 0 && t->up_to <= t[-1].up_to)
                        complain(c, path, "is %lld; must be more than the %lld of the step before",
                                 (long long) t->up_to, (long long) t[-1].up_to);
                snprintf(path, sizeof(path), "%s[%zu].price", field, i);
                if (t->price == MONEY_UNSET)
                        complain(c, path, "is missing; must be a number from 0 to 1000000000 (dollars a unit)");
                else if (t->price < 0 || t->price > MONEY_MAX)
                        complain(c, path, "is %g; must be a number from 0 to 1000000000 (dollars a unit)",
                                 (double) t->price / MONEY_PER_DOLLAR);
        }
}

static void check_options(Checker *c, const NodeSettings *n) {
        char path[FIELD_MAX];

        if (n->n_options > OPTIONS_MAX)
                complain(c, "options", "has %zu options; must have at most %d", n->n_options, OPTIONS_MAX);
        for (size_t i = 0; i < n->n_options && i < OPTIONS_MAX; i++) {
                const Option *o = n->options + i;

                snprintf(path, sizeof(path), "options.%s", o->name);
                if (!name_is_valid(o->name, NODE_ID_MAX))
                        complain(c, path,
                                 "has a name that is not 1 to %d of A-Z a-z 0-9 _ . -, the first a letter or digit", NODE_ID_MAX);
                for (size_t k = 0; k < i; k++)
                        if (streq(n->options[k].name, o->name))
                                complain(c, path, "is there twice");
                if (strlen(o->value) > OPTION_VALUE_MAX || has_control(o->value))
                        complain(c, path, "must be at most %d bytes without control characters", OPTION_VALUE_MAX);
        }
}

/* Names of credentials are shown to everybody. */
static bool looks_like_a_secret(const char *name) {
        char text[128];

        snprintf(text, sizeof(text), "%s", name);
        scrub_secrets(text);
        return !streq(text, name);
}

static void check_node(Checker *c, const NodeSettings *n) {
        if (!name_is_valid(n->id, NODE_ID_MAX))
                complain(c, c->spelling == SPELLING_API ? "id" : "",
                         "must have a name of 1 to %d of A-Z a-z 0-9 _ . -, the first a letter or digit",
                         NODE_ID_MAX);
        check_rows(c, &node_setting_table, n);
        if (n->provider_name && *n->provider_name && !name_is_valid(n->provider_name, 64))
                complain(c, NODE_FIELD(c, provider_name), "is \"%.64s\"; must be a plugin's name, like \"stripe\"",
                         n->provider_name);
        if (n->credential && *n->credential && !name_is_valid(n->credential, 64))
                complain(c, NODE_FIELD(c, credential),
                         "must be a credential's name of 1 to 64 of A-Z a-z 0-9 _ . -; never the credential itself");
        else if (n->credential && looks_like_a_secret(n->credential))
                complain(c, NODE_FIELD(c, credential),
                         "looks like the credential itself; must be its name, under which pointsman-prober holds it");
        const char *wrong = n->url && *n->url ? url_complaint(n->url) : NULL;
        if (wrong)
                complain(c, NODE_FIELD(c, url), "%s", wrong);
        if (isnan(n->latitude) != isnan(n->longitude))
                complain(c, isnan(n->latitude) ? NODE_FIELD(c, latitude) : NODE_FIELD(c, longitude),
                         "is missing; latitude and longitude go together");
        check_price_tiers(c, n);
        check_options(c, n);
}

static void check_budget(Checker *c, const ServiceSettings *s) {
        if (s->total_budget != MONEY_UNSET && s->budget_period == _BUDGET_PERIOD_INVALID)
                complain(c, SERVICE_FIELD(c, budget_period),
                         "is missing; a total needs a period: hourly, daily, weekly or monthly");
        if (s->total_budget == MONEY_UNSET && s->budget_period != _BUDGET_PERIOD_INVALID)
                complain(c, SERVICE_FIELD(c, total_budget), "is missing; a period needs a total (dollars a period)");

        const Money *below = NULL;
        for (CostTier t = 0; t < _COST_TIER_MAX; t++) {
                const Money *p = s->tier_price + t;

                if (*p == MONEY_UNSET)
                        continue;
                if (below && *p < *below)
                        complain(c,
                                 field_of(c, &service_setting_table,
                                          offsetof(ServiceSettings, tier_price[0]) + t * sizeof(Money)),
                                 "is %g; must not be less than the %g of the %s tier", (double) *p / MONEY_PER_DOLLAR,
                                 (double) *below / MONEY_PER_DOLLAR, cost_tier_names.names[below - s->tier_price]);
                below = p;
        }

        /* No single call may cost more than the emergency tier: below every price it would leave the service dark. */
        Money cheapest = MONEY_MAX;
        for (size_t i = 0; i < s->n_nodes; i++)
                cheapest = s->nodes[i].n_price_tiers > 0 || s->nodes[i].cost_per_request == MONEY_UNSET
                        ? 0 : MIN(cheapest, s->nodes[i].cost_per_request);
        if (s->n_nodes > 0 && s->tier_price[TIER_EMERGENCY] != MONEY_UNSET && cheapest > s->tier_price[TIER_EMERGENCY])
                complain(c, SERVICE_FIELD(c, tier_price[TIER_EMERGENCY]),
                         "is %g; must not be less than the cheapest node's cost of %g",
                         (double) s->tier_price[TIER_EMERGENCY] / MONEY_PER_DOLLAR, (double) cheapest / MONEY_PER_DOLLAR);
}

static int compare_ids(const void *a, const void *b) {
        const NodeSettings *x = *(const NodeSettings *const *) a, *y = *(const NodeSettings *const *) b;
        int r = strcmp(x->id, y->id);

        return r != 0 ? r : (x > y) - (x < y);
}

static void enter_node(Checker *c, const ServiceSettings *s, const NodeSettings *n) {
        if (c->spelling == SPELLING_API)
                snprintf(c->prefix, sizeof(c->prefix), "nodes[%zu].", (size_t) (n - s->nodes));
        else
                snprintf(c->prefix, sizeof(c->prefix), "nodes.%s.", n->id ?: "");
}

/* A file cannot have two nodes of one name; a list in a message can. */
static int check_ids_differ(Checker *c, const ServiceSettings *s) {
        _cleanup_free_ const NodeSettings **sorted = malloc(s->n_nodes * sizeof(*sorted) + 1);
        size_t n = 0;

        if (!sorted)
                return -ENOMEM;
        for (size_t i = 0; i < s->n_nodes; i++)
                if (s->nodes[i].id)
                        sorted[n++] = s->nodes + i;
        qsort(sorted, n, sizeof(*sorted), compare_ids);
        for (size_t i = 1; i < n; i++) {
                if (!streq(sorted[i - 1]->id, sorted[i]->id))
                        continue;
                enter_node(c, s, sorted[i]);
                complain(c, "id", "is \"%.64s\" again; each node of a service must have an id of its own",
                         sorted[i]->id);
        }
        c->prefix[0] = '\0';
        return 0;
}

int service_settings_check(const ServiceSettings *s, SettingSpelling spelling, SettingsComplaint complain_to,
                           void *userdata) {
        Checker c = { .spelling = spelling, .complain = complain_to, .userdata = userdata };

        if (!name_is_valid(s->name, SERVICE_NAME_MAX))
                complain(&c, spelling == SPELLING_API ? "serviceName" : "",
                         "must have a name of 1 to %d of A-Z a-z 0-9 _ . -, the first a letter or digit",
                         SERVICE_NAME_MAX);
        check_rows(&c, &service_setting_table, s);
        check_budget(&c, s);
        if (s->n_nodes == 0)
                complain(&c, "nodes", "is missing or empty; a service must have at least one node");

        for (size_t i = 0; i < s->n_nodes; i++) {
                enter_node(&c, s, s->nodes + i);
                check_node(&c, s->nodes + i);
        }
        c.prefix[0] = '\0';
        int r = check_ids_differ(&c, s);
        return r < 0 ? r : c.mistakes;
}

static const struct pm_region *find_region(const struct pm_provider *p, const char *name) {
        for (const struct pm_region *r = p ? p->regions : NULL; r && r->name; r++)
                if (name && streq(r->name, name))
                        return r;
        return NULL;
}

/* ---- what only the provider knows ---- */

/* The daemon's own option, which every provider has. */
#define OPTION_PROBE "probe"

static void complain_about_option(void *userdata, const char *option, const char *message) {
        Checker *c = userdata;
        char field[FIELD_MAX];

        snprintf(field, sizeof(field), "%s%s%.*s", NODE_FIELD(c, options), option ? "." : "", NODE_ID_MAX, option ?: "");
        complain(c, field, "%s", message);
}

static void check_probe_option(Checker *c, const NodeSettings *n, const char *value) {
        if (streq(value, "keyless"))
                return;
        if (!streq(value, "authenticated"))
                complain_about_option(c, OPTION_PROBE, "must be keyless or authenticated");
        else if (!n->provider->authenticated_probe)
                complain_about_option(c, OPTION_PROBE, "is authenticated; the provider has no such probe");
        else if (!n->credential || !*n->credential)
                complain_about_option(c, OPTION_PROBE, "is authenticated; the node names no credential for that");
}

static bool same_options(const NodeSettings *a, const NodeSettings *b) {
        if (a->n_options != b->n_options)
                return false;
        for (size_t i = 0; i < a->n_options; i++)
                if (!streq(a->options[i].name, b->options[i].name) || !streq(a->options[i].value, b->options[i].value))
                        return false;
        return true;
}

/* like: the node before, or NULL. Nodes of one service mostly say the same, and can then share what was made of it. */
static int make_provider(Checker *c, NodeSettings *n, const NodeSettings *like) {
        const struct pm_provider *p = n->provider;
        _cleanup_free_ struct pm_option *options = calloc(n->n_options + 1, sizeof(*options));
        size_t n_options = 0;
        int r;

        if (!options)
                return -ENOMEM;
        for (size_t i = 0; i < n->n_options; i++)
                if (!streq(n->options[i].name, OPTION_PROBE))
                        options[n_options++] = (struct pm_option) { n->options[i].name, n->options[i].value };

        if (!p->create) {
                for (size_t i = 0; i < n_options; i++)
                        complain_about_option(c, options[i].name, "is unknown; this provider has no option but probe");
                return 0;
        }
        if (like && like->instance && like->instance->plugin == p && same_options(like, n)) {
                n->instance = provider_instance_ref(like->instance);
        } else {
                r = provider_instance_new(p, options, n_options, complain_about_option, c, &n->instance);
                if (r < 0)
                        return r == -EINVAL ? 0 : r;
        }
        n->provider = n->instance->provider;
        return 0;
}

static int complete_node(Checker *c, NodeSettings *n, const struct pm_provider *p, const NodeSettings *like) {
        const struct pm_region *region = find_region(p, n->region);
        int r;

        n->provider = p;
        if (region && isnan(n->latitude) && isnan(n->longitude)) {
                n->latitude = region->latitude;
                n->longitude = region->longitude;
        }
        if (!n->region && !(n->region = strdup("")))
                return -ENOMEM;
        if (!n->url && !(n->url = strdup(region && region->url ? region->url : p && p->url ? p->url : "")))
                return -ENOMEM;
        for (size_t i = strlen(n->url); i > 0 && n->url[i - 1] == '/'; i--)
                n->url[i - 1] = '\0';

        if (!p)
                return 0;
        if (!*n->url)
                complain(c, NODE_FIELD(c, url), "is missing; the provider %.64s has none of its own", p->name);
        r = make_provider(c, n, like);
        for (size_t i = 0; r >= 0 && i < n->n_options; i++)
                if (streq(n->options[i].name, OPTION_PROBE))
                        check_probe_option(c, n, n->options[i].value);
        return r;
}

int service_settings_complete(ServiceSettings *s, ConfigFindProvider find, void *find_userdata, SettingSpelling spelling,
                              SettingsComplaint complain_to, void *userdata) {
        Checker c = { .spelling = spelling, .complain = complain_to, .userdata = userdata };

        for (size_t i = 0; i < s->n_nodes; i++) {
                NodeSettings *n = s->nodes + i;

                enter_node(&c, s, n);
                int r = complete_node(&c, n, find && n->provider_name ? find(find_userdata, n->provider_name) : NULL,
                                      i > 0 ? n - 1 : NULL);
                if (r < 0)
                        return r;
        }
        return c.mistakes;
}
