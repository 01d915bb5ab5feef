/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and parsing one file, saying what is wrong, and finding where a setting was said. */
#include "daemon/config/document.h"

#include <errno.h>
#include <stdarg.h>

#include "daemon/config/text.h"

#define MESSAGE_MAX 1024

static void add_error(Loader *l, const char *file, unsigned line, const char *setting, const char *message,
                      bool warning) {
        ConfigErrors *e = l->errors;

        l->mistakes += !warning;
        if (e->n == CONFIG_ERRORS_MAX)
                return;
        ConfigError *more = realloc(e->errors, (e->n + 1) * sizeof(*more));
        if (!more) {
                l->failed = true;
                return;
        }
        e->errors = more;
        more[e->n] = (ConfigError) { strdup(file), line, strdup(setting), strdup(message), warning };
        if (more[e->n].file && more[e->n].setting && more[e->n].message) {
                e->n++;
                return;
        }
        free(more[e->n].file);
        free(more[e->n].setting);
        free(more[e->n].message);
        l->failed = true;
}

void loader_complain(Loader *l, const char *file, unsigned line, const char *setting, const char *format, ...) {
        char message[MESSAGE_MAX];
        va_list ap;

        va_start(ap, format);
        vsnprintf(message, sizeof(message), format, ap);
        va_end(ap);
        add_error(l, file, line, setting, message, false);
}

/* Follows "a.b[2].c" as far as it goes. *ret_whole: all of it was there. */
static const config_setting_t *follow(const config_setting_t *s, const char *path, bool *ret_whole) {
        char name[SETTING_PATH_MAX];

        *ret_whole = false;
        while (*path) {
                const config_setting_t *next = NULL;
                size_t n = strcspn(path, ".[");

                if (*path == '[') {
                        if (config_setting_is_list(s))
                                next = config_setting_get_elem(s, (unsigned) strtoul(path + 1, NULL, 10));
                        n = strcspn(path, "]") + 1;
                } else if (config_setting_is_group(s) && n < sizeof(name)) {
                        memcpy(name, path, n);
                        name[n] = '\0';
                        next = config_setting_get_member(s, name);
                }
                if (!next)
                        return s;
                s = next;
                path += n;
                path += *path == '.';
        }
        *ret_whole = true;
        return s;
}

static unsigned depth(const config_setting_t *s) {
        unsigned n = 0;

        for (; s->parent; s = s->parent)
                n++;
        return n;
}

void loader_complain_about(Loader *l, const char *path, const char *message, bool warning) {
        const config_setting_t *best = NULL;
        const Document *in = NULL;
        bool found = false;

        for (size_t i = 0; i < l->errors->n; i++)
                if (streq(l->errors->errors[i].setting, path))
                        return; /* one mistake, one complaint */

        /* The last file that says it, else the last that comes nearest. */
        for (size_t i = l->n_documents; i-- > 0 && !found;) {
                const config_setting_t *s = follow(config_root_setting(&l->documents[i].tree), path, &found);

                if (!best || depth(s) > depth(best)) {
                        best = s;
                        in = l->documents + i;
                }
        }
        if (!best || (l->incomplete && !found))
                return;
        add_error(l, in->path, config_setting_source_line(best), path, message, warning);
}

static void write_path(const config_setting_t *s, char path[SETTING_PATH_MAX]) {
        path[0] = '\0';
        if (!s->parent)
                return;
        write_path(s->parent, path);

        size_t n = strlen(path);
        if (s->name)
                snprintf(path + n, SETTING_PATH_MAX - n, "%s%s", n > 0 ? "." : "", s->name);
        else
                snprintf(path + n, SETTING_PATH_MAX - n, "[%d]", config_setting_index(s));
}

/* Whether the group holds a setting that is named again in the line where the parser stopped. */
static const config_setting_t *named_again(const config_setting_t *group, const char *line, unsigned number) {
        char name[SETTING_PATH_MAX];

        for (const char *p = line; *p && *p != '\n';) {
                size_t n = strspn(p, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_*-");
                const char *after = p + n + strspn(p + n, " \t");

                if (n > 0 && n < sizeof(name) && (*after == '=' || *after == ':')) {
                        memcpy(name, p, n);
                        name[n] = '\0';
                        const config_setting_t *s = config_setting_get_member(group, name);
                        /* In the same line it takes a second one. */
                        if (s && (config_setting_source_line(s) < number || strstr(line, name) < p))
                                return s;
                }
                p += n > 0 ? n : 1;
        }
        return NULL;
}

/* libconfig says that a name is there twice, but not which. It was adding to one of the groups that end what it has read. */
static const config_setting_t *find_duplicate(const config_t *tree, const char *text, unsigned number) {
        const config_setting_t *s = config_root_setting(tree), *found;

        for (unsigned i = 1; i < number && text; i++)
                text = (text = strchr(text, '\n')) ? text + 1 : NULL;
        if (!text)
                return NULL;
        while (config_setting_is_aggregate(s) && config_setting_length(s) > 0)
                s = config_setting_get_elem(s, (unsigned) config_setting_length(s) - 1);
        for (; s; s = s->parent)
                if (config_setting_is_group(s) && (found = named_again(s, text, number)))
                        return found;
        return NULL;
}

static void complain_about_syntax(Loader *l, const Document *d, const char *text) {
        const char *says = config_error_text(&d->tree) ?: "syntax error";
        unsigned line = (unsigned) config_error_line(&d->tree);
        char path[SETTING_PATH_MAX] = "";

        if (streq(says, "duplicate setting name")) {
                const config_setting_t *s = find_duplicate(&d->tree, text, line);
                if (s) {
                        write_path(s, path);
                        loader_complain(l, d->path, line, path, "is set twice; line %u has it already",
                                        config_setting_source_line(s));
                } else
                        loader_complain(l, d->path, line, "", "a name is used twice in one group");
        } else if (streq(says, "mismatched element type in array"))
                loader_complain(l, d->path, line, "", "a list in [ ] must hold values of one type");
        else if (streq(says, "syntax error"))
                loader_complain(l, d->path, line, "",
                                "syntax error here or just before; settings are written as name = value;");
        else
                loader_complain(l, d->path, line, "", "%s", says);
}

static void parse(Loader *l, Document *d, const char *text) {
        if (config_read_string(&d->tree, text) == CONFIG_TRUE)
                return;
        complain_about_syntax(l, d, text);
        l->incomplete = true;
}

int document_open(Loader *l, const char *path, Document *ret) {
        _cleanup_free_ char *text = NULL, *prepared = NULL, *name = strdup(path);
        char message[CONFIG_TEXT_MESSAGE_MAX];
        unsigned line;
        size_t size;

        if (!name)
                return -ENOMEM;
        int r = config_text_read(path, &text, &size);
        if (r < 0)
                return r;
        r = config_text_prepare(text, size, &prepared, &line, message);
        if (r == -ENOMEM)
                return r;

        *ret = (Document) { .path = TAKE(name) };
        config_init(&ret->tree);
        if (r < 0) {
                loader_complain(l, path, line, "", "%s", message);
                l->incomplete = true;
        } else
                parse(l, ret, prepared);
        return 0;
}

void document_done(Document *d) {
        config_destroy(&d->tree);
        free(d->path);
}
