/* SPDX-License-Identifier: Apache-2.0 */
/* The interface in varlink's language, from the tables: what runs is what is described. */
#include "daemon/api/private.h"

typedef struct Describing {
        JsonWriter out; /* only a growing buffer here */
        const void *done[128]; /* types already written */
        size_t n_done;
} Describing;

static void put(Describing *d, const char *s) {
        json_write(&d->out, s, strlen(s));
}

static bool first_time(Describing *d, const void *type) {
        for (size_t i = 0; i < d->n_done; i++)
                if (d->done[i] == type)
                        return false;
        if (d->n_done == ELEMENTSOF(d->done))
                return false;
        d->done[d->n_done++] = type;
        return true;
}

static void put_structure(Describing *d, const Structure *s, bool input, const char *separator);

static const char *simple_type(const Field *f) {
        switch ((FieldType) f->type) {
        case FIELD_BOOL: case FIELD_TRISTATE:
                return "bool";
        case FIELD_INT: case FIELD_LIMIT: case FIELD_INT32: case FIELD_UINT32: case FIELD_UINT64: case FIELD_MS_INT:
        case FIELD_SECONDS_INT:
                return "int";
        case FIELD_FLOAT: case FIELD_DEGREES: case FIELD_MONEY: case FIELD_UNITS: case FIELD_MS: case FIELD_SECONDS:
        case FIELD_PERCENT: case FIELD_RATIO:
                return "float";
        case FIELD_STRING: case FIELD_CHARS: case FIELD_TEXT: case FIELD_INSTANT:
                return "string";
        case FIELD_STRINGS: case FIELD_INLINE_STRINGS:
                return "[]string";
        case FIELD_MAP:
                return "[string]string";
        case FIELD_COUNTS:
                return "[string]int";
        default:
                return NULL;
        }
}

static void put_field(Describing *d, const Field *f, bool input) {
        put(d, f->name);
        put(d, ": ");
        if (input ? !(f->flags & FIELD_REQUIRED) : f->flags & FIELD_OPTIONAL)
                put(d, "?");
        if (simple_type(f)) {
                put(d, simple_type(f));
                return;
        }
        if (f->type == FIELD_ARRAY || f->type == FIELD_ENUMS)
                put(d, "[]");
        if (f->type == FIELD_ENUM || f->type == FIELD_ENUMS)
                put(d, f->names->type);
        else if (f->structure->name)
                put(d, f->structure->name);
        else
                put_structure(d, f->structure, input, " ");
}

static void put_structure(Describing *d, const Structure *s, bool input, const char *separator) {
        put(d, "(");
        if (separator[0] == '\n')
                put(d, separator);
        for (const Field *f = s->fields; f->name; f++) {
                put_field(d, f, input);
                if (f[1].name) {
                        put(d, ",");
                        put(d, separator);
                }
        }
        if (separator[0] == '\n')
                put(d, "\n");
        put(d, ")");
}

/* Types before those that use them. */
static void put_types(Describing *d, const Structure *s, bool input) {
        for (const Field *f = s->fields; f->name; f++) {
                if (f->type == FIELD_ENUM || f->type == FIELD_ENUMS) {
                        if (!first_time(d, f->names))
                                continue;
                        put(d, "\ntype ");
                        put(d, f->names->type);
                        put(d, " (");
                        for (int i = 0; i < f->names->n; i++) {
                                put(d, i ? ", " : "");
                                put(d, f->names->names[i]);
                        }
                        put(d, ")\n");
                } else if (f->type == FIELD_STRUCT || f->type == FIELD_STRUCT_POINTER || f->type == FIELD_ARRAY) {
                        put_types(d, f->structure, input);
                        if (!f->structure->name || !first_time(d, f->structure))
                                continue;
                        put(d, "\ntype ");
                        put(d, f->structure->name);
                        put(d, " ");
                        put_structure(d, f->structure, input, "\n  ");
                        put(d, "\n");
                }
        }
}

char *api_interface_description(void) {
        Describing d = {};

        put(&d, "# Which provider node to call next, what came of it, and how the whole is doing.\n"
                "# Money is in decimal dollars; a field that holds a time names its unit; instants are RFC 3339 in UTC.\n"
                "interface " API_INTERFACE "\n");
        for (const ApiMethod *m = api_methods; m->name; m++) {
                put_types(&d, m->in, true);
                put_types(&d, m->out, false);
        }
        for (const ApiMethod *m = api_methods; m->name; m++) {
                put(&d, "\n# ");
                put(&d, m->doc);
                put(&d, " Role: ");
                put(&d, enum_to_string(&role_names, (int) m->role));
                put(&d, ".\nmethod ");
                put(&d, m->name);
                put_structure(&d, m->in, true, " ");
                put(&d, " -> ");
                put_structure(&d, m->out, false, " ");
                put(&d, "\n");
        }
        put(&d, "\n");
        for (size_t e = 0; e < _API_ERROR_MAX; e++)
                if (streq(api_errors[e].interface, API_INTERFACE)) {
                        put(&d, "error ");
                        put(&d, api_errors[e].name);
                        put(&d, " ");
                        put_structure(&d, api_errors[e].parameters, false, " ");
                        put(&d, "\n");
                }
        json_write(&d.out, "", 1);
        return d.out.failed ? NULL : d.out.data;
}
