/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the manual page org.pointsman.routing(7) from the tables that the daemon reads, so that it cannot say what the daemon
 * does not do. Only the words are a person's: they come from a file with a line "KEY<TAB>words" for each field and each value of
 * an enumeration. A field without words is a mistake, and so are words without a field.
 *
 * Keys: METHOD.FIELD of a parameter, METHOD>FIELD of a reply, TYPE.FIELD and TYPE.VALUE of a type, Error.FIELD of an error, and
 * .FIELD for whatever has no key of its own. "METHOD!" names the errors of a method, beside those that any call may meet.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/api/private.h"
#include "daemon/dbus/private.h"

#define LINE_MAX_ 78 /* of running text, as manual pages want it */

typedef struct Words {
        struct Entry {
                char *key, *text;
                bool used;
        } *entries;
        size_t n;
} Words;

typedef struct Page {
        Words words;
        const void *done[128]; /* types already written */
        size_t n_done;
        bool failed;
} Page;

/* ---- words ---- */

static int words_read(Words *w, const char *path) {
        _cleanup_(fclosep) FILE *f = fopen(path, "re");
        _cleanup_free_ char *line = NULL;
        size_t size = 0;

        if (!f)
                return -errno;
        while (getline(&line, &size, f) >= 0) {
                line[strcspn(line, "\n")] = 0;
                char *tab = strchr(line, '\t');
                if (!tab || line[0] == '#')
                        continue;
                *tab = 0;
                struct Entry *entries = realloc(w->entries, (w->n + 1) * sizeof(*entries));
                if (!entries)
                        return -ENOMEM;
                w->entries = entries;
                w->entries[w->n++] = (struct Entry) { strdup(line), strdup(tab + 1 + strspn(tab + 1, "\t")), false };
        }
        return 0;
}

static const char *words_find(Words *w, const char *owner, char separator, const char *name) {
        char keys[2][256];

        snprintf(keys[0], sizeof(keys[0]), "%s%c%s", owner, separator, name);
        snprintf(keys[1], sizeof(keys[1]), ".%s", name);
        for (size_t k = 0; k < ELEMENTSOF(keys); k++)
                for (size_t i = 0; i < w->n; i++)
                        if (streq(w->entries[i].key, keys[k])) {
                                w->entries[i].used = true;
                                return w->entries[i].text;
                        }
        return NULL;
}

/* ---- running text ---- */

/* Breaks the line after each sentence, and where it grows too long. */
static void put_text(const char *text) {
        size_t column = 0;

        while (*text) {
                size_t n = strcspn(text, " ");
                if (column > 0 && column + 1 + n > LINE_MAX_) {
                        putchar('\n');
                        column = 0;
                }
                if (column > 0)
                        putchar(' ');
                printf("%s%.*s", column == 0 && (*text == '.' || *text == '\'') ? "\\&" : "", (int) n, text);
                column += n + (column > 0);
                if (n > 1 && text[n - 1] == '.' && text[n] && strncmp(text + n - 4, "e.g.", 4) != 0) {
                        putchar('\n');
                        column = 0;
                }
                text += n + (text[n] == ' ');
        }
        if (column > 0)
                putchar('\n');
}

static void put_words(Page *p, const char *owner, char separator, const char *name) {
        const char *text = words_find(&p->words, owner, separator, name);

        if (text) {
                put_text(text);
                return;
        }
        fprintf(stderr, "no words for %s%c%s\n", owner, separator, name);
        p->failed = true;
}

/* ---- fields ---- */

static bool is_object(const Field *f) {
        return f->type == FIELD_STRUCT || f->type == FIELD_STRUCT_POINTER || f->type == FIELD_ARRAY;
}

static bool is_list(const Field *f) {
        return f->type == FIELD_ARRAY || f->type == FIELD_ENUMS || f->type == FIELD_STRINGS || f->type == FIELD_INLINE_STRINGS;
}

/* As in the interface's own language. */
static const char *type_of(const Field *f) {
        static const char *const names[_FIELD_TYPE_MAX] = {
                [FIELD_BOOL] = "bool", [FIELD_TRISTATE] = "bool", [FIELD_INT] = "int", [FIELD_LIMIT] = "int", [FIELD_INT32] = "int",
                [FIELD_UINT32] = "int", [FIELD_UINT64] = "int", [FIELD_MS_INT] = "int", [FIELD_SECONDS_INT] = "int",
                [FIELD_FLOAT] = "float", [FIELD_DEGREES] = "float", [FIELD_PERCENT] = "float", [FIELD_RATIO] = "float",
                [FIELD_MONEY] = "float", [FIELD_UNITS] = "float", [FIELD_MS] = "float", [FIELD_SECONDS] = "float",
                [FIELD_INSTANT] = "string", [FIELD_STRING] = "string", [FIELD_CHARS] = "string", [FIELD_TEXT] = "string",
                [FIELD_STRINGS] = "string", [FIELD_INLINE_STRINGS] = "string", [FIELD_MAP] = "[string]string",
                [FIELD_COUNTS] = "[string]int",
        };

        if (f->type == FIELD_ENUM || f->type == FIELD_ENUMS)
                return f->names->type;
        if (is_object(f))
                return f->structure->name ?: "object";
        return names[f->type];
}

static const char *unit_of(const Field *f) {
        switch ((FieldType) f->type) {
        case FIELD_MONEY:
                return "dollars";
        case FIELD_MS: case FIELD_MS_INT:
                return "milliseconds";
        case FIELD_SECONDS: case FIELD_SECONDS_INT:
                return "seconds";
        case FIELD_PERCENT: case FIELD_RATIO:
                return "percent";
        case FIELD_DEGREES:
                return "degrees";
        case FIELD_UNITS:
                return "units of the operation";
        case FIELD_INSTANT:
                return "RFC 3339 in UTC";
        default:
                return NULL;
        }
}

static void put_bounds(const Field *f) {
        if (is_object(f) && !is_list(f))
                return;
        if (f->min < f->max && (f->min != 0 || field_is_whole(f) || unit_of(f)))
                printf("; %.16g to %.16g", f->min, f->max);
        else if (is_list(f))
                printf("; up to %.16g", f->max > 0 ? f->max : FIELD_LIST_MAX);
        else if (streq(type_of(f), "string") && f->type != FIELD_INSTANT)
                printf("; up to %.16g bytes", f->max > 0 ? f->max : FIELD_STRING_MAX);
}

static void put_fields(Page *p, const Structure *s, bool input, const char *owner, char separator);

static void put_field(Page *p, const Field *f, bool input, const char *owner, char separator) {
        char inner[256];

        printf(".It Ic %s No (%s%s, %s", f->name, is_list(f) ? "[]" : "", type_of(f), codec_signature(f));
        if (unit_of(f))
                printf("; %s", unit_of(f));
        if (input)
                put_bounds(f);
        if (input ? f->flags & FIELD_REQUIRED : f->flags & FIELD_OPTIONAL)
                printf("; %s", input ? "required" : "may be absent");
        printf(")\n");
        put_words(p, owner, separator, f->name);
        if (is_object(f) && !f->structure->name) {
                snprintf(inner, sizeof(inner), "%s%c%s", owner, separator, f->name);
                put_fields(p, f->structure, input, inner, '.');
        }
}

static void put_fields(Page *p, const Structure *s, bool input, const char *owner, char separator) {
        printf(".Bl -tag -width Ds -compact\n");
        for (const Field *f = s->fields; f->name; f++)
                put_field(p, f, input, owner, separator);
        printf(".El\n");
}

/* ---- methods ---- */

typedef struct Signature {
        const char *method;
        bool here, output;
        unsigned n;
        FILE *to;
} Signature;

static void on_method(void *userdata, const char *method, bool end) {
        Signature *s = userdata;

        if (s->here && end)
                fprintf(s->to, "%s)", s->output ? "" : ") -> (");
        s->here = !end && streq(method, s->method);
}

static void on_argument(void *userdata, const char *name, const char *signature, bool input) {
        Signature *s = userdata;

        if (!s->here)
                return;
        if (!input && !s->output) {
                fputs(") -> (", s->to);
                s->output = true;
                s->n = 0;
        }
        fprintf(s->to, "%s%s %s", s->n++ > 0 ? ", " : "", signature, name);
}

/* "Route(s serviceName, …) -> (…)"; nothing, if the bus does not offer it. */
static void put_signature(const Methods *methods, const char *method) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        Signature s = { .method = method, .to = open_memstream(&text, &size) };

        if (!s.to)
                return;
        methods_describe(methods, on_method, on_argument, &s);
        fclose(s.to);
        if (size == 0) {
                printf("Not on D-Bus.\n");
                return;
        }
        printf("On D-Bus:\n.Bd -ragged -offset indent -compact\n");
        _cleanup_free_ char *line = NULL;
        if (asprintf(&line, "%s(%s", method, text) >= 0)
                put_text(line);
        printf(".Ed\n");
}

static void put_method(Page *p, const Methods *methods, const ApiMethod *m) {
        const char *errors;

        printf(".Ss %s\n", m->name);
        put_text(m->doc);
        printf("Role: %s.\n", enum_to_string(&role_names, (int) m->role));
        if (m->durable)
                printf("The reply comes when what was done is on the disk.\n");
        printf(".Pp\n");
        put_signature(methods, m->name);
        if (m->in->fields[0].name) {
                printf(".Pp\nParameters:\n");
                put_fields(p, m->in, true, m->name, '.');
        }
        printf(".Pp\n%s:\n", m->more ? "Each reply" : "Reply");
        put_fields(p, m->out, false, m->name, '>');
        errors = words_find(&p->words, m->name, '!', "");
        if (errors) {
                printf(".Pp\nErrors:\n");
                put_text(errors);
        }
}

/* ---- types ---- */

static bool first_time(Page *p, const void *type) {
        for (size_t i = 0; i < p->n_done; i++)
                if (p->done[i] == type)
                        return false;
        if (p->n_done == ELEMENTSOF(p->done)) {
                fprintf(stderr, "too many types\n");
                p->failed = true;
                return false;
        }
        p->done[p->n_done++] = type;
        return true;
}

static void put_values(Page *p, const EnumNames *names) {
        char signal[SIGNAL_NAME_MAX];

        printf(".Ss %s\n.Bl -tag -width Ds -compact\n", names->type);
        for (int i = 0; i < names->n; i++) {
                printf(".It Cm %s\n", names->names[i]);
                if (names == &event_type_names && signal_name((EventType) i, signal))
                        printf("(signal\n.Li %s )\n", signal);
                put_words(p, names->type, '.', names->names[i]);
        }
        printf(".El\n");
}

static void put_types(Page *p, const Structure *s, bool input) {
        for (const Field *f = s->fields; f->name; f++) {
                if (f->type == FIELD_ENUM || f->type == FIELD_ENUMS) {
                        if (first_time(p, f->names))
                                put_values(p, f->names);
                } else if (is_object(f)) {
                        if (f->structure->name && first_time(p, f->structure)) {
                                printf(".Ss %s\n", f->structure->name);
                                put_fields(p, f->structure, input, f->structure->name, '.');
                        }
                        put_types(p, f->structure, input);
                }
        }
}

static void put_errors(Page *p) {
        printf(".Bl -tag -width Ds\n");
        for (const ApiErrorInfo *e = api_errors; e < api_errors + _API_ERROR_MAX; e++) {
                printf(".It Er %s\n", e->name);
                put_words(p, e->name, '!', "");
                if (e->parameters->fields[0].name)
                        put_fields(p, e->parameters, false, "Error", '.');
        }
        printf(".El\n");
}

/* ---- the page ---- */

static void put_section(Page *p, const Methods *methods, const char *section) {
        if (streq(section, "@methods@"))
                for (const ApiMethod *m = api_methods; m->name; m++)
                        put_method(p, methods, m);
        else if (streq(section, "@types@"))
                for (const ApiMethod *m = api_methods; m->name; m++) {
                        put_types(p, m->in, true);
                        put_types(p, m->out, false);
                }
        else if (streq(section, "@errors@"))
                put_errors(p);
        else
                printf("%s\n", section);
}

int main(int argc, char *argv[]) {
        _cleanup_(fclosep) FILE *template = NULL;
        _cleanup_free_ char *line = NULL;
        Methods *methods = NULL;
        size_t size = 0;
        Page p = {};

        if (argc != 3) {
                fprintf(stderr, "usage: interface-page TEMPLATE WORDS\n");
                return 2;
        }
        int r = words_read(&p.words, argv[2]);
        template = r < 0 ? NULL : fopen(argv[1], "re");
        if (!template || methods_new(&methods) < 0) {
                fprintf(stderr, "cannot read %s and %s\n", argv[1], argv[2]);
                return 1;
        }
        while (getline(&line, &size, template) >= 0) {
                line[strcspn(line, "\n")] = 0;
                put_section(&p, methods, line);
        }
        methods_free(methods);
        for (size_t i = 0; i < p.words.n; i++) {
                if (!p.words.entries[i].used) {
                        fprintf(stderr, "words without a field: %s\n", p.words.entries[i].key);
                        p.failed = true;
                }
                free(p.words.entries[i].key);
                free(p.words.entries[i].text);
        }
        free(p.words.entries);
        return p.failed || fflush(stdout) != 0;
}
