/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>

#include "basic/macro.h"
#include "daemon/core/provider.h"

/* Far above what any vendor needs; a table without its end is found by this or crashes, which nothing can prevent. */
#define TABLE_MAX 256
#define NAME_MAX_LENGTH 64
#define KEYS_MAX 32
#define CREDENTIAL "{credential}"

/* Where in the plugin something is wrong, and what. */
typedef struct Complaint {
        const char *table, *entry; /* "operations", "geocode"; or NULL */
        const char *what;
} Complaint;

static bool complain(Complaint *c, const char *table, const char *entry, const char *what) {
        *c = (Complaint) { table, entry, what };
        return false;
}

static bool is_text(const char *s) {
        return s && s[0];
}

/* Lower case and digits, and one more character; begins with a letter. */
static bool is_name(const char *s, char extra) {
        size_t n = 0;

        if (!s || s[0] < 'a' || s[0] > 'z')
                return false;
        for (; s[n]; n++)
                if (n >= NAME_MAX_LENGTH ||
                    !((s[n] >= 'a' && s[n] <= 'z') || (s[n] >= '0' && s[n] <= '9') || s[n] == extra))
                        return false;
        return true;
}

static bool is_url(const char *s) {
        return s && (strncmp(s, "https://", 8) == 0 || strncmp(s, "http://", 7) == 0);
}

static bool is_method(const char *s) {
        if (!is_text(s))
                return false;
        for (; *s; s++)
                if (*s < 'A' || *s > 'Z')
                        return false;
        return true;
}

static bool check_operation(const struct pm_provider *p, const struct pm_operation *o, Complaint *c) {
        size_t n_keys = 0;

        if (!is_name(o->name, '_'))
                return complain(c, "operations", o->name, "name must be [a-z][a-z0-9_]*, up to 64 characters");
        for (const struct pm_operation *other = p->operations; other < o; other++)
                if (streq(other->name, o->name))
                        return complain(c, "operations", o->name, "name is there twice; use it once");
        if (!is_method(o->method))
                return complain(c, "operations", o->name, "method must be an HTTP method in capitals");
        if (!o->path || o->path[0] != '/')
                return complain(c, "operations", o->name, "path must begin with /");
        if (!is_text(o->unit))
                return complain(c, "operations", o->name, "unit must say what is counted, e.g. \"request\"");
        if (o->price < -1 || o->price > MONEY_MAX)
                return complain(c, "operations", o->name, "price must be 0 to a billion dollars, or -1 for none");
        if (o->free_units < 0)
                return complain(c, "operations", o->name, "free_units must not be negative");
        for (; o->required_keys && o->required_keys[n_keys]; n_keys++)
                if (n_keys >= KEYS_MAX || !o->required_keys[n_keys][0])
                        return complain(c, "operations", o->name, "required_keys must be up to 32 names and a NULL");
        return true;
}

static bool check_operations(const struct pm_provider *p, Complaint *c) {
        if (!p->operations)
                return complain(c, "operations", NULL, "must be a table, if only with its end");
        for (size_t i = 0; p->operations[i].name; i++) {
                if (i >= TABLE_MAX)
                        return complain(c, "operations", NULL, "must end, after 256, by an entry without a name");
                if (!check_operation(p, &p->operations[i], c))
                        return false;
        }
        return true;
}

static bool check_regions(const struct pm_provider *p, Complaint *c) {
        for (size_t i = 0; p->regions && p->regions[i].name; i++) {
                const struct pm_region *r = &p->regions[i];

                if (i >= TABLE_MAX)
                        return complain(c, "regions", NULL, "must end, after 256, by an entry without a name");
                if (!is_name(r->name, '-'))
                        return complain(c, "regions", r->name, "name must be [a-z][a-z0-9-]*, at most 64 characters");
                if (!is_url(r->url))
                        return complain(c, "regions", r->name, "url must begin with https://");
                if (isnan(r->latitude) != isnan(r->longitude) || fabs(r->latitude) > 90 || fabs(r->longitude) > 180)
                        return complain(c, "regions", r->name,
                                        "latitude must be -90 to 90 and longitude -180 to 180, or both NaN");
        }
        return true;
}

static bool has_credential(const struct pm_probe *probe) {
        if (strstr(probe->path, CREDENTIAL) || (probe->body && strstr(probe->body, CREDENTIAL)))
                return true;
        for (const struct pm_header *h = probe->headers; h && h->name; h++)
                if (strstr(h->value, CREDENTIAL))
                        return true;
        return false;
}

static bool check_probe(const struct pm_probe *probe, const char *which, bool credential, Complaint *c) {
        if (!is_method(probe->method))
                return complain(c, which, NULL, "method must be an HTTP method in capitals");
        if (!probe->path || probe->path[0] != '/')
                return complain(c, which, NULL, "path must begin with /");
        for (size_t i = 0; probe->headers && probe->headers[i].name; i++)
                if (i >= TABLE_MAX || !probe->headers[i].name[0] || !probe->headers[i].value)
                        return complain(c, which, NULL, "headers must have names and values and end by one without");
        if (has_credential(probe) != credential)
                return complain(c, which, NULL, credential ? "must hold " CREDENTIAL : "must not hold " CREDENTIAL);
        return true;
}

static bool check_all(const struct pm_provider *p, Complaint *c) {
        if (!is_text(p->title))
                return complain(c, NULL, NULL, "title must not be empty");
        if (!is_text(p->version))
                return complain(c, NULL, NULL, "version must not be empty");
        if (!is_text(p->documentation))
                return complain(c, NULL, NULL, "documentation must say where the rules come from");
        if (p->url && !is_url(p->url))
                return complain(c, NULL, NULL, "url must begin with https://, or be NULL");
        if (!p->classify)
                return complain(c, NULL, NULL, "classify must be a function");
        if (!p->create != !p->destroy)
                return complain(c, NULL, NULL, "create and destroy must both be functions or both be NULL");
        if (!p->probe)
                return complain(c, NULL, NULL, "probe must not be NULL");
        return check_probe(p->probe, "probe", false, c) &&
                (!p->authenticated_probe || check_probe(p->authenticated_probe, "authenticated_probe", true, c)) &&
                check_operations(p, c) && check_regions(p, c);
}

char *provider_check(const struct pm_provider *p, const char *file) {
        Complaint c;
        char *text;
        int k;

        if (!is_name(p->name, '-'))
                k = asprintf(&text, "its name must be [a-z][a-z0-9-]*, at most 64 characters; correct the plugin");
        else if (!streq(p->name, file))
                k = asprintf(&text, "it calls itself '%s'; rename the file to %s.so, or remove it if that exists",
                             p->name, p->name);
        else if (!check_all(p, &c))
                k = asprintf(&text, "its tables are wrong: %s%s%s%s%s; correct the plugin", c.table ? c.table : "",
                             c.entry ? " " : "", c.entry ? c.entry : "", c.table ? ": " : "", c.what);
        else
                return NULL;
        return k < 0 ? strdup("there is not enough memory to say what is wrong with it") : text;
}

/* ---- instances ---- */

/* Notes whether the plugin said anything. */
typedef struct Listener {
        pm_complain complain;
        void *userdata;
        bool heard;
} Listener;

static void hear(void *userdata, const char *option, const char *message) {
        Listener *l = userdata;

        l->heard = true;
        l->complain(l->userdata, option, message);
}

int provider_instance_new(const struct pm_provider *plugin, const struct pm_option *options, size_t n,
                          pm_complain complain_to, void *userdata, ProviderInstance **ret) {
        Listener l = { complain_to, userdata, false };
        ProviderInstance *i = calloc(1, sizeof(*i));
        _cleanup_free_ char *wrong = NULL;

        if (!i)
                return -ENOMEM;
        *i = (ProviderInstance) { .plugin = plugin, .n_refs = 1 };
        i->provider = plugin->create(options, n, hear, &l);
        if (i->provider)
                wrong = provider_check(i->provider, plugin->name);
        if (wrong)
                hear(&l, NULL, wrong);
        if (!i->provider || l.heard) {
                provider_instance_unref(i);
                return l.heard ? -EINVAL : -ENOMEM;
        }
        *ret = i;
        return 0;
}

ProviderInstance *provider_instance_ref(ProviderInstance *i) {
        if (i)
                i->n_refs++;
        return i;
}

ProviderInstance *provider_instance_unref(ProviderInstance *i) {
        if (!i || --i->n_refs > 0)
                return NULL;
        if (i->provider)
                i->plugin->destroy(i->provider);
        free(i);
        return NULL;
}
