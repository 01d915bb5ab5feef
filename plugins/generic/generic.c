/* SPDX-License-Identifier: Apache-2.0 */
/* Any HTTP API whose rules are written in the configuration; docs/generic-provider.md says how. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

#include "plugins/generic/generic.h"

#define CREDENTIAL "{credential}"
#define RULE "rule_"
#define OPERATION "operation_"
#define HEADER "header_"

/* What is not set. */
static const Vendor usual_vendor = { .limit_scope = PM_SCOPE_ACCOUNT };
static const struct pm_probe usual_probe = { .method = "GET", .path = "/" };

static void classify(const struct pm_provider *p, const struct pm_response *r, struct pm_classification *ret);
static const struct pm_provider *create(const struct pm_option *options, size_t n, pm_complain complain_to, void *userdata);
static void destroy(const struct pm_provider *p);

PM_PROVIDER_EXPORT const struct pm_provider pointsman_provider = {
        .abi = PM_PROVIDER_ABI,
        .size = sizeof(struct pm_provider),
        .name = "generic",
        .title = "Any HTTP API, as the configuration describes it",
        .version = "1",
        .documentation = "https://www.rfc-editor.org/rfc/rfc9110",
        .operations = &(const struct pm_operation) {},
        .probe = &usual_probe,
        .classify = classify,
        .create = create,
        .destroy = destroy,
};

/* ---- memory ---- */

struct Block {
        Block *next;
        max_align_t data[];
};

void *take(Making *m, size_t n, size_t size) {
        Block *b = calloc(1, sizeof(*b) + n * size);

        if (!b) {
                m->no_memory = true;
                return NULL;
        }
        b->next = m->generic->blocks;
        m->generic->blocks = b;
        return b->data;
}

char *take_text(Making *m, const char *text) {
        char *copy = take(m, strlen(text) + 1, 1);

        return copy ? strcpy(copy, text) : NULL;
}

static void destroy(const struct pm_provider *p) {
        Generic *g = (Generic *) p;

        for (Block *b = g->blocks, *next; b; b = next) {
                next = b->next;
                free(b);
        }
        free(g);
}

bool complain(Making *m, const char *format, ...) {
        char message[256];
        va_list ap;

        va_start(ap, format);
        vsnprintf(message, sizeof(message), format, ap);
        va_end(ap);
        m->wrong = true;
        m->complain(m->userdata, m->option, message);
        return false;
}

/* ---- probes ---- */

static bool is_header_name(const char *s) {
        return *s && !s[strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~")];
}

/* "Name: value" */
static bool read_header(Making *m, char *text, struct pm_header *ret) {
        char *colon = strchr(text, ':');

        if (colon) {
                *colon = 0;
                *ret = (struct pm_header) { text, colon + 1 + strspn(colon + 1, " \t") };
        }
        return (colon && is_header_name(text) && *ret->value) || complain(m, "must be a header, like Accept: application/json");
}

static bool read_probe(Making *m, char *text, struct pm_probe *ret) {
        const char *word;

        if (!read_request(m, &text, &ret->method, &ret->path))
                return false;
        word = next_word(&text);
        ret->billed = word && streq(word, "billed");
        return (!word || ret->billed) && !next_word(&text) ? true : complain(m, "has more behind the path than the word billed");
}

static bool read_keyless_probe(Making *m, char *text) {
        return read_probe(m, text, &m->generic->keyless_probe) &&
                (!strstr(m->generic->keyless_probe.path, CREDENTIAL) ||
                 complain(m, "must not hold " CREDENTIAL "; the authenticated_probe may"));
}

static bool read_authenticated_probe(Making *m, char *text) {
        return read_probe(m, text, &m->generic->authenticated_probe);
}

static bool has_credential(Making *m, const char *text) {
        return strstr(text, CREDENTIAL) ||
                complain(m, "must hold " CREDENTIAL " where the prober puts the secret, and never the secret itself");
}

/* The first of the authenticated probe's headers. */
static bool read_auth_header(Making *m, char *text) {
        struct pm_header *h = &m->generic->headers[0];

        return has_credential(m, text) && read_header(m, text, h);
}

static bool read_auth_query(Making *m, char *text) {
        Generic *g = m->generic;
        const struct pm_probe *p = g->authenticated_probe.path ? &g->authenticated_probe : &g->keyless_probe;
        char *path;

        for (const char *c = text; *c; c++)
                if (!isgraph((unsigned char) *c))
                        return complain(m, "must be like key=" CREDENTIAL " without spaces");
        if (!has_credential(m, text))
                return false;
        path = take(m, strlen(p->path) + 1 + strlen(text) + 1, 1);
        if (!path)
                return false;
        sprintf(path, "%s%c%s", p->path, strchr(p->path, '?') ? '&' : '?', text);
        g->authenticated_probe = (struct pm_probe) { p->method, path, .billed = p->billed };
        return true;
}

/* ---- classification ---- */

static bool read_body(Making *m, char *text) {
        m->generic->vendor.any_body = streq(text, "any");
        return m->generic->vendor.any_body || streq(text, "json") || complain(m, "must be json or any");
}

static bool read_limit_scope(Making *m, char *text) {
        return read_scope(text, &m->generic->vendor.limit_scope) || complain(m, "must be node, operation or account");
}

static bool read_code(Making *m, char *text) {
        Vendor *v = &m->generic->vendor;
        size_t n = 0;

        for (char *pointer; (pointer = next_word(&text));) {
                if (n == ELEMENTSOF(v->codes))
                        return complain(m, "must have at most %zu JSON pointers", ELEMENTSOF(v->codes));
                v->codes[n] = read_pointer(m, pointer);
                if (v->codes[n++] == 0)
                        return false;
        }
        return n > 0 || complain(m, "must have a JSON pointer, like /error/code");
}

static bool read_header_name(Making *m, char *text, const char **ret) {
        *ret = text;
        return is_header_name(text) || complain(m, "must be the name of a header");
}

static bool read_request_id(Making *m, char *text) {
        Vendor *v = &m->generic->vendor;

        if (text[0] != '/')
                return read_header_name(m, text, &v->request_id_header);
        v->request_id = read_pointer(m, text);
        return v->request_id > 0;
}

static bool read_retry_header(Making *m, char *text) {
        return read_header_name(m, text, &m->generic->vendor.retry_header);
}

static bool read_remaining_header(Making *m, char *text) {
        return read_header_name(m, text, &m->generic->vendor.remaining_header);
}

static bool read_reset_header(Making *m, char *text) {
        return read_header_name(m, text, &m->generic->vendor.reset_header);
}

/* ---- options ---- */

/* In the order in which they are understood, whatever the order they come in: later ones build on earlier ones. */
static const struct {
        const char *name;
        bool (*read)(Making *m, char *text);
} settings[] = {
        { "keyless_probe", read_keyless_probe },
        { "authenticated_probe", read_authenticated_probe },
        { "auth_header", read_auth_header },
        { "auth_query", read_auth_query },
        { "body", read_body },
        { "limit_scope", read_limit_scope },
        { "code", read_code },
        { "request_id", read_request_id },
        { "retry_after", read_retry_header },
        { "limit_remaining", read_remaining_header },
        { "limit_reset", read_reset_header },
};

/* What is behind the prefix; NULL: the option is another. */
static const char *behind(const char *name, const char *prefix) {
        size_t n = strlen(prefix);

        return strncmp(name, prefix, n) == 0 ? name + n : NULL;
}

static bool is_setting(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(settings); i++)
                if (streq(name, settings[i].name))
                        return true;
        return false;
}

/* Those of which there may be many; they are tried in the order in which they stand. */
static void read_numerous(Making *m, const struct pm_option *o) {
        Generic *g = m->generic;
        const char *operation = behind(o->name, OPERATION);
        char *text;

        if (is_setting(o->name))
                return;
        m->option = o->name;
        text = take_text(m, o->value);
        if (!text)
                return;
        if (operation) {
                operation = take_text(m, operation);
                if (operation)
                        read_operation(m, operation, text);
        } else if (behind(o->name, RULE)) {
                read_rule(m, text);
        } else if (behind(o->name, HEADER)) {
                if (strstr(text, CREDENTIAL))
                        complain(m, "must not hold " CREDENTIAL "; auth_header may");
                else if (read_header(m, text, &g->headers[1 + g->n_headers]))
                        g->n_headers++;
        } else
                complain(m, "is unknown; allowed here: keyless_probe, authenticated_probe, auth_header, auth_query, header_*, "
                         "operation_*, rule_*, code, body, request_id, limit_scope, limit_remaining, limit_reset, retry_after");
}

static bool take_tables(Making *m, const struct pm_option *options, size_t n) {
        Generic *g = m->generic;
        size_t n_rules = 0, n_operations = 0, n_headers = 0;

        for (size_t i = 0; i < n; i++) {
                n_rules += !!behind(options[i].name, RULE);
                n_operations += !!behind(options[i].name, OPERATION);
                n_headers += !!behind(options[i].name, HEADER);
        }
        m->option = NULL;
        if (n_rules > RULES_MAX)
                return complain(m, "has %zu rules; must have at most %d", n_rules, RULES_MAX);
        g->rules = take(m, n_rules, sizeof(*g->rules));
        g->fields = take(m, FIELD_IDS_MAX - 1, sizeof(*g->fields));
        g->operations = take(m, n_operations + 1, sizeof(*g->operations));
        g->headers = take(m, n_headers + 2, sizeof(*g->headers));
        return !m->no_memory;
}

/* A configuration has no option twice; whoever else asks may. */
static void find_repeated(Making *m, const struct pm_option *options, size_t n) {
        for (size_t i = 1; i < n; i++)
                for (size_t k = 0; k < i; k++)
                        if (streq(options[i].name, options[k].name)) {
                                m->option = options[i].name;
                                complain(m, "is there twice");
                                break;
                        }
}

static void read_all(Making *m, const struct pm_option *options, size_t n) {
        for (size_t k = 0; k < ELEMENTSOF(settings); k++)
                for (size_t i = 0; i < n; i++)
                        if (streq(options[i].name, settings[k].name)) {
                                char *text = take_text(m, options[i].value);

                                m->option = options[i].name;
                                if (text)
                                        settings[k].read(m, text);
                        }
        for (size_t i = 0; i < n; i++)
                read_numerous(m, &options[i]);
}

/* Puts together what was read. */
static void finish(Making *m) {
        Generic *g = m->generic;
        struct pm_probe *a = &g->authenticated_probe;
        const char *in_path;

        g->keyless_probe.headers = g->headers + 1;
        g->provider.probe = &g->keyless_probe;
        g->provider.operations = g->operations;
        if (!a->path && g->headers[0].name)
                *a = g->keyless_probe;
        if (a->path) {
                in_path = strstr(a->path, CREDENTIAL);
                m->option = "authenticated_probe";
                if (!in_path && !g->headers[0].name && !m->wrong)
                        complain(m, "shows no credential; auth_header or auth_query says where it goes");
                a->headers = g->headers[0].name ? g->headers : g->headers + 1;
                g->provider.authenticated_probe = a;
        }

        g->vendor.rules = g->rules;
        g->vendor.n_rules = g->n_rules;
        g->vendor.fields = g->fields;
        g->vendor.n_fields = g->n_fields;
        g->vendor.may_be_empty = true; /* what an operation must return, its keys say */
        g->probe_vendor = g->vendor;
        g->probe_vendor.any_body = true; /* a health check may well say "OK" */
}

static const struct pm_provider *create(const struct pm_option *options, size_t n, pm_complain complain_to, void *userdata) {
        Generic *g = calloc(1, sizeof(*g));
        Making m = { .generic = g, .complain = complain_to, .userdata = userdata };

        if (!g)
                return NULL;
        g->provider = pointsman_provider;
        g->vendor = usual_vendor;
        g->keyless_probe = usual_probe;
        if (take_tables(&m, options, n)) {
                find_repeated(&m, options, n);
                read_all(&m, options, n);
                finish(&m);
        }
        if (m.wrong || m.no_memory) {
                destroy(&g->provider);
                return NULL;
        }
        return &g->provider;
}

static void classify(const struct pm_provider *p, const struct pm_response *r, struct pm_classification *ret) {
        const Generic *g = (const Generic *) p;

        if (p == &pointsman_provider) /* no node's */
                vendor_classify(&usual_vendor, r, ret);
        else
                vendor_classify(r->probe ? &g->probe_vendor : &g->vendor, r, ret);
}
