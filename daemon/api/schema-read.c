/* SPDX-License-Identifier: Apache-2.0 */
/* JSON into structures, by their tables. */
#include <errno.h>

#include "basic/macro.h"
#include "daemon/api/schema.h"

/* What every step of one reading shares. */
typedef struct Reading {
        JsonReader *reader;
        Arena *arena;
        SchemaError *error;
        unsigned unknown;
} Reading;

static int read_object(Reading *g, const Structure *s, void *ret);

static const char *const type_names[] = {
        [JSON_NULL] = "null", [JSON_FALSE] = "a boolean", [JSON_TRUE] = "a boolean", [JSON_NUMBER] = "a number",
        [JSON_STRING] = "a string", [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array",
};

static int wrong_type(Reading *g, const Field *f, const JsonValue *v, const char *wanted) {
        return schema_fail(g->error, f->name, "%s is wanted here, not %s", wanted, type_names[v->type]);
}

/* An error of the reader concerns the message as a whole: its text is not JSON. */
static int not_json(Reading *g, int r) {
        return schema_fail(g->error, "", "not JSON: %s at byte %zu",
                           r == -ENODATA ? "it ends too early" : r == -ELOOP ? "nested too deep" : "malformed",
                           (size_t) (g->reader->p - g->reader->start));
}

static int read_value(Reading *g, JsonValue *ret) {
        int r = json_read(g->reader, ret);
        return r < 0 ? not_json(g, r) : 0;
}

/*
 * A string stays where it is, with a NUL in place of its closing quote, so that whoever has the text can put that back. One with
 * escapes moves; NULL: there is no memory for it.
 */
static char *take_string(Reading *g, const JsonValue *v) {
        if (!v->escaped)
                return json_terminate_string(v);
        char *s = arena_alloc(g->arena, v->size + 1, 1);
        if (s)
                json_copy_string(v, s, v->size + 1);
        return s;
}

static int read_string(Reading *g, const Field *f, const JsonValue *v, const char **ret) {
        if (v->type != JSON_STRING)
                return wrong_type(g, f, v, "a string");
        int r = field_check_string(f, v->size, g->error);
        if (r < 0)
                return r;
        *ret = take_string(g, v);
        return *ret ? 0 : -ENOMEM;
}

static int read_number(Reading *g, const Field *f, const JsonValue *v, void *structure) {
        bool whole = field_is_whole(f);
        int64_t exact = 0;
        double d = 0;

        if (v->type != JSON_NUMBER)
                return wrong_type(g, f, v, whole ? "a whole number" : "a number");
        int r = whole ? json_int64(v, &exact) : json_double(v, &d);
        if (r == 0 && whole)
                d = (double) exact;
        else if (r == 0 && (f->type == FIELD_MONEY || f->type == FIELD_UNITS))
                r = json_fixed(v, 6, &exact);
        if (r == -EDOM)
                return schema_fail(g->error, f->name, "a whole number is wanted here");
        if (r < 0)
                return schema_fail(g->error, f->name, "the number is too large");
        r = field_check_number(f, d, g->error);
        if (r < 0)
                return r;
        field_set_number(f, d, exact, structure);
        return 0;
}

/* Counts the entries of a list whose opening bracket was just read, so that they can be read into memory of the right size. */
static int count_entries(Reading *g, const Field *f, const JsonValue *v, size_t *ret) {
        JsonReader at = *g->reader;
        JsonValue x;
        size_t n = 0;
        int r;

        for (bool first = true;
             (r = v->type == JSON_OBJECT ? json_member(g->reader, &first, &x) : json_element(g->reader, &first)) > 0; n++) {
                r = field_check_count(f, n + 1, g->error);
                if (r < 0)
                        return r;
                r = read_value(g, &x);
                if (r < 0)
                        return r;
                r = json_skip(g->reader, &x);
                if (r < 0)
                        return not_json(g, r);
        }
        if (r < 0)
                return not_json(g, r);
        *g->reader = at;
        *ret = n;
        return 0;
}

static int read_entry(Reading *g, const Field *f, size_t i, const JsonValue *key, void *to) {
        JsonValue v;
        int r = read_value(g, &v);

        if (r < 0)
                return r;
        if (f->type == FIELD_ARRAY) {
                if (v.type != JSON_OBJECT)
                        return wrong_type(g, f, &v, "an array of objects");
                schema_init(f->structure, to);
                return schema_fail_within(g->error, read_object(g, f->structure, to), f, (ssize_t) i);
        }
        if (v.type != JSON_STRING)
                return wrong_type(g, f, &v, f->type == FIELD_MAP ? "an object of strings" : "an array of strings");
        if (f->type == FIELD_STRINGS && field_check_string(f, v.size, g->error) < 0)
                return -EINVAL;
        const char *s = take_string(g, &v), *name = f->type == FIELD_MAP ? take_string(g, key) : "";
        if (!s || !name)
                return -ENOMEM;
        if (f->type == FIELD_MAP)
                *(struct pm_header *) to = (struct pm_header) { name, s };
        else
                *(const char **) to = s;
        return 0;
}

static int read_list(Reading *g, const Field *f, const JsonValue *v, void *structure) {
        size_t size = f->type == FIELD_STRINGS ? sizeof(char *) :
                      f->type == FIELD_MAP ? sizeof(struct pm_header) : f->structure->size;
        bool map = f->type == FIELD_MAP, first = true;
        JsonValue key = {};
        size_t n = 0, i = 0;
        int r;

        if (v->type != (map ? JSON_OBJECT : JSON_ARRAY))
                return wrong_type(g, f, v, map ? "an object" : "an array");
        r = count_entries(g, f, v, &n);
        if (r < 0)
                return r;
        char *entries = arena_alloc(g->arena, MAX(n, (size_t) 1), size);
        if (!entries)
                return -ENOMEM;
        while ((r = map ? json_member(g->reader, &first, &key) : json_element(g->reader, &first)) > 0) {
                r = read_entry(g, f, i, &key, entries + i * size);
                if (r < 0)
                        return r;
                i++;
        }
        *(void **) field_of(f, structure) = entries;
        *(size_t *) ((char *) structure + f->count_offset) = n;
        return 0;
}

static int read_enums(Reading *g, const Field *f, const JsonValue *v, void *structure) {
        size_t n = 0;
        int r;

        if (v->type != JSON_ARRAY)
                return wrong_type(g, f, v, "an array");
        for (bool first = true; (r = json_element(g->reader, &first)) > 0;) {
                JsonValue x;
                const char *name = NULL;

                r = field_check_count(f, ++n, g->error);
                if (r == 0)
                        r = read_value(g, &x);
                if (r == 0)
                        r = read_string(g, f, &x, &name);
                if (r == 0)
                        r = field_set_enum(f, name, structure, g->error);
                if (r < 0)
                        return r;
        }
        return r < 0 ? not_json(g, r) : 0;
}

static int read_structure(Reading *g, const Field *f, const JsonValue *v, void *to) {
        void *inner = to;

        if (v->type != JSON_OBJECT)
                return wrong_type(g, f, v, "an object");
        if (f->type == FIELD_STRUCT_POINTER) {
                inner = arena_alloc(g->arena, 1, f->structure->size);
                if (!inner)
                        return -ENOMEM;
                schema_init(f->structure, inner);
                *(void **) to = inner;
        }
        return schema_fail_within(g->error, read_object(g, f->structure, inner), f, -1);
}

static int read_field(Reading *g, const Field *f, const JsonValue *v, void *structure) {
        void *to = field_of(f, structure);
        const char *s = NULL;
        int r;

        switch (f->type) {
        case FIELD_BOOL: case FIELD_TRISTATE:
                if (v->type != JSON_TRUE && v->type != JSON_FALSE)
                        return wrong_type(g, f, v, "true or false");
                if (f->type == FIELD_BOOL)
                        *(bool *) to = v->type == JSON_TRUE;
                else
                        *(int *) to = v->type == JSON_TRUE;
                return 0;
        case FIELD_ENUM:
                r = read_string(g, f, v, &s);
                return r < 0 ? r : field_set_enum(f, s, structure, g->error);
        case FIELD_STRING:
                return read_string(g, f, v, to);
        case FIELD_INSTANT:
                r = read_string(g, f, v, &s);
                if (r < 0)
                        return r;
                if (instant_from_string(s, to) < 0)
                        return schema_fail(g->error, f->name, "a time by RFC 3339 is wanted, e.g. 2026-03-01T12:00:00Z");
                return 0;
        case FIELD_ENUMS:
                return read_enums(g, f, v, structure);
        case FIELD_STRINGS: case FIELD_MAP: case FIELD_ARRAY:
                return read_list(g, f, v, structure);
        case FIELD_STRUCT: case FIELD_STRUCT_POINTER:
                return read_structure(g, f, v, to);
        default:
                return read_number(g, f, v, structure);
        }
}

/* Looks from `hint` on first: clients mostly send the fields in the table's order. */
static const Field *find_field(const Structure *s, const JsonValue *key, const Field *hint) {
        for (const Field *f = hint; f->name; f++)
                if (f->name_size == key->size && memcmp(f->name, key->start, key->size) == 0)
                        return f;
        for (const Field *f = s->fields; f < hint; f++)
                if (f->name_size == key->size && memcmp(f->name, key->start, key->size) == 0)
                        return f;
        return NULL;
}

static int read_object(Reading *g, const Structure *s, void *ret) {
        const Field *hint = s->fields, *f;
        uint64_t seen = 0;
        JsonValue key, v;
        int r;

        for (bool first = true; (r = json_member(g->reader, &first, &key)) > 0;) {
                r = read_value(g, &v);
                if (r < 0)
                        return r;
                f = find_field(s, &key, hint);
                /* null is the same as absent: varlink's way to leave out an optional field. */
                if (!f || v.type == JSON_NULL) {
                        g->unknown += !f;
                        r = json_skip(g->reader, &v);
                        if (r < 0)
                                return not_json(g, r);
                        continue;
                }
                uint64_t bit = UINT64_C(1) << (f - s->fields);
                if (seen & bit)
                        return schema_fail(g->error, f->name, "the field is there twice");
                seen |= bit;
                hint = f + 1;
                r = read_field(g, f, &v, ret);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return not_json(g, r);
        f = schema_find_missing(s, ret);
        return f ? schema_fail(g->error, f->name, "the field is required") : 0;
}

int schema_read_json(const Structure *s, JsonReader *r, Arena *arena, void *ret, SchemaError *error, unsigned *ret_unknown) {
        Reading g = { .reader = r, .arena = arena, .error = error };
        JsonValue v;

        error->field[0] = error->reason[0] = 0;
        int k = read_value(&g, &v);
        if (k < 0)
                return k;
        if (v.type != JSON_OBJECT)
                return schema_fail(error, "", "an object is wanted, not %s", type_names[v.type]);
        k = read_object(&g, s, ret);
        if (k == 0 && ret_unknown)
                *ret_unknown = g.unknown;
        return k;
}
