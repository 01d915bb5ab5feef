/* SPDX-License-Identifier: Apache-2.0 */
/* D-Bus values into structures, by their tables. What a value may be is checked by the schema's own functions, as for any transport. */
#include <math.h>

#include "daemon/dbus/private.h"

/* What the next value is: its type, and of an array whether it is a dictionary by string. */
typedef struct Next {
        char type;
        bool dictionary;
} Next;

static const char *describe(Next next) {
        switch (next.type) {
        case 'b': return "a boolean";
        case 's': return "a string";
        case 'a': return next.dictionary ? "a dictionary" : "an array";
        case 'y': case 'n': case 'q': case 'i': case 'u': case 'x': case 't': case 'd': return "a number";
        default: return "another type";
        }
}

static int wrong_type(Reading *g, const Field *f, Next next, const char *wanted) {
        return schema_fail(g->error, f->name, "%s is wanted here, not %s", wanted, describe(next));
}

static int peek(Reading *g, Next *ret) {
        const char *contents;
        int r = sd_bus_message_peek_type(g->message, &ret->type, &contents);

        ret->dictionary = r > 0 && ret->type == 'a' && contents[0] == '{' && contents[1] == 's';
        return r < 0 ? r : r == 0 ? -EBADMSG : 0;
}

/* Opens variants, one inside the other; the caller closes as many when all went well. */
static int open_variants(Reading *g, Next *next, unsigned *ret_n) {
        int r = peek(g, next);

        for (*ret_n = 0; r == 0 && next->type == 'v'; ++*ret_n) {
                r = sd_bus_message_enter_container(g->message, 'v', NULL);
                if (r >= 0)
                        r = peek(g, next);
        }
        return r;
}

static int close_variants(Reading *g, unsigned n) {
        int r = 0;

        while (n-- > 0 && r >= 0)
                r = sd_bus_message_exit_container(g->message);
        return r;
}

static int read_string(Reading *g, const Field *f, const char **ret) {
        unsigned variants;
        Next next;
        int r = open_variants(g, &next, &variants);

        if (r < 0)
                return r;
        if (next.type != 's')
                return wrong_type(g, f, next, "a string");
        r = sd_bus_message_read_basic(g->message, 's', ret);
        return r < 0 ? r : close_variants(g, variants);
}

/* As it came: an integer, or a double. */
typedef struct Number {
        bool integer;
        int64_t n;
        double d; /* in any case */
} Number;

/* -EDOM: the next value is not a number; -ERANGE: too large for us. */
static int read_any_number(Reading *g, char type, Number *ret) {
        union { uint8_t y; int16_t n; uint16_t q; int32_t i; uint32_t u; int64_t x; uint64_t t; double d; } v;
        int64_t n = 0;

        if (!strchr("ynqiuxtd", type))
                return -EDOM;
        int r = sd_bus_message_read_basic(g->message, type, &v);
        if (r < 0)
                return r;
        switch (type) {
        case 'y': n = v.y; break;
        case 'n': n = v.n; break;
        case 'q': n = v.q; break;
        case 'i': n = v.i; break;
        case 'u': n = v.u; break;
        case 'x': n = v.x; break;
        case 't':
                if (v.t > INT64_MAX)
                        return -ERANGE;
                n = (int64_t) v.t;
                break;
        default:
                *ret = (Number) { .d = v.d };
                return 0;
        }
        *ret = (Number) { true, n, (double) n };
        return 0;
}

/* value × scale as an integer. -EDOM: it is none; -ERANGE: too large. */
static int to_exact(const Number *v, int64_t scale, int64_t *ret) {
        if (v->integer)
                return __builtin_mul_overflow(v->n, scale, ret) ? -ERANGE : 0;
        if (!(fabs(v->d) < 9e18 / (double) scale))
                return -ERANGE;
        if (scale == 1 && v->d != trunc(v->d))
                return -EDOM;
        *ret = llround(v->d * (double) scale);
        return 0;
}

static int read_number(Reading *g, const Field *f, Next next, void *structure) {
        bool whole = field_is_whole(f);
        int64_t exact = 0;
        Number v = {};

        int r = read_any_number(g, next.type, &v);
        if (r == -EDOM)
                return wrong_type(g, f, next, whole ? "a whole number" : "a number");
        if (r == 0 && isnan(v.d))
                return schema_fail(g->error, f->name, "a number is wanted here, not NaN");
        if (r == 0 && whole)
                r = to_exact(&v, 1, &exact);
        else if (r == 0 && (f->type == FIELD_MONEY || f->type == FIELD_UNITS))
                r = to_exact(&v, 1000000, &exact);
        else if (r == 0 && isinf(v.d))
                r = -ERANGE;
        if (r == -EDOM)
                return schema_fail(g->error, f->name, "a whole number is wanted here");
        if (r == -ERANGE)
                return schema_fail(g->error, f->name, "the number is too large");
        if (r == 0)
                r = field_check_number(f, v.d, g->error);
        if (r == 0)
                field_set_number(f, v.d, exact, structure);
        return r;
}

static int read_bool(Reading *g, const Field *f, Next next, void *to) {
        int v;

        if (next.type != 'b')
                return wrong_type(g, f, next, "true or false");
        int r = sd_bus_message_read_basic(g->message, 'b', &v);
        if (r < 0)
                return r;
        if (f->type == FIELD_BOOL)
                *(bool *) to = v;
        else
                *(int *) to = v;
        return 0;
}

static int read_word(Reading *g, const Field *f, void *structure) {
        const char *s;
        int r = read_string(g, f, &s);

        if (r == 0)
                r = field_check_string(f, strlen(s), g->error);
        if (r < 0)
                return r;
        if (f->type == FIELD_ENUM || f->type == FIELD_ENUMS)
                return field_set_enum(f, s, structure, g->error);
        if (f->type == FIELD_STRING)
                *(const char **) field_of(f, structure) = s;
        else if (instant_from_string(s, field_of(f, structure)) < 0)
                return schema_fail(g->error, f->name, "a time by RFC 3339 is wanted, e.g. 2026-03-01T12:00:00Z");
        return 0;
}

/* Counts the entries of the container just entered and goes back to its beginning. */
static int count_entries(Reading *g, const Field *f, size_t *ret) {
        size_t n = 0;
        int r;

        while ((r = sd_bus_message_at_end(g->message, false)) == 0) {
                r = field_check_count(f, ++n, g->error);
                if (r == 0)
                        r = sd_bus_message_skip(g->message, NULL);
                if (r < 0)
                        return r;
        }
        if (r >= 0)
                r = sd_bus_message_rewind(g->message, false);
        *ret = n;
        return r < 0 ? r : 0;
}

static int read_entry(Reading *g, const Field *f, size_t i, void *to) {
        unsigned variants = 0;
        Next next = {};
        int r;

        switch (f->type) {
        case FIELD_ARRAY:
                schema_init(f->structure, to);
                r = open_variants(g, &next, &variants);
                if (r == 0 && !next.dictionary)
                        return wrong_type(g, f, next, "an array of dictionaries");
                if (r == 0)
                        r = codec_read_structure(g, f->structure, 0, to);
                if (r < 0)
                        return schema_fail_within(g->error, r, f, (ssize_t) i);
                return close_variants(g, variants);
        case FIELD_MAP:
                r = sd_bus_message_enter_container(g->message, 'e', NULL);
                if (r >= 0)
                        r = sd_bus_message_read_basic(g->message, 's', &((struct pm_header *) to)->name);
                if (r >= 0)
                        r = read_string(g, f, &((struct pm_header *) to)->value);
                return r < 0 ? r : sd_bus_message_exit_container(g->message);
        default:
                r = read_string(g, f, to);
                return r < 0 ? r : field_check_string(f, strlen(*(const char **) to), g->error);
        }
}

static int read_list(Reading *g, const Field *f, Next next, void *structure) {
        size_t size = f->type == FIELD_STRINGS ? sizeof(char *) :
                      f->type == FIELD_MAP ? sizeof(struct pm_header) : f->structure->size;
        bool map = f->type == FIELD_MAP;
        size_t n;

        if (next.type != 'a' || next.dictionary != map)
                return wrong_type(g, f, next, map ? "a dictionary" : "an array");
        int r = sd_bus_message_enter_container(g->message, 'a', NULL);
        if (r >= 0)
                r = count_entries(g, f, &n);
        if (r < 0)
                return r;
        char *entries = arena_alloc(g->arena, MAX(n, (size_t) 1), size);
        if (!entries)
                return -ENOMEM;
        for (size_t i = 0; i < n && r >= 0; i++)
                r = read_entry(g, f, i, entries + i * size);
        if (r < 0)
                return r;
        *(void **) field_of(f, structure) = entries;
        *(size_t *) ((char *) structure + f->count_offset) = n;
        return sd_bus_message_exit_container(g->message);
}

static int read_enums(Reading *g, const Field *f, Next next, void *structure) {
        size_t n = 0;

        if (next.type != 'a' || next.dictionary)
                return wrong_type(g, f, next, "an array");
        int r = sd_bus_message_enter_container(g->message, 'a', NULL);
        while (r >= 0 && (r = sd_bus_message_at_end(g->message, false)) == 0) {
                r = field_check_count(f, ++n, g->error);
                if (r == 0)
                        r = read_word(g, f, structure);
        }
        return r < 0 ? r : sd_bus_message_exit_container(g->message);
}

static int read_inner_structure(Reading *g, const Field *f, Next next, void *to) {
        void *inner = to;

        if (!next.dictionary)
                return wrong_type(g, f, next, "a dictionary");
        if (f->type == FIELD_STRUCT_POINTER) {
                inner = arena_alloc(g->arena, 1, f->structure->size);
                if (!inner)
                        return -ENOMEM;
                schema_init(f->structure, inner);
                *(void **) to = inner;
        }
        return schema_fail_within(g->error, codec_read_structure(g, f->structure, 0, inner), f, -1);
}

static int read_value(Reading *g, const Field *f, Next next, void *structure) {
        void *to = field_of(f, structure);

        switch (f->type) {
        case FIELD_BOOL: case FIELD_TRISTATE:
                return read_bool(g, f, next, to);
        case FIELD_ENUM: case FIELD_STRING: case FIELD_INSTANT:
                return read_word(g, f, structure);
        case FIELD_ENUMS:
                return read_enums(g, f, next, structure);
        case FIELD_STRINGS: case FIELD_MAP: case FIELD_ARRAY:
                return read_list(g, f, next, structure);
        case FIELD_STRUCT: case FIELD_STRUCT_POINTER:
                return read_inner_structure(g, f, next, to);
        default:
                return read_number(g, f, next, structure);
        }
}

int codec_read(Reading *g, const Field *f, void *structure) {
        unsigned variants;
        Next next;
        int r = open_variants(g, &next, &variants);

        if (r == 0)
                r = read_value(g, f, next, structure);
        return r < 0 ? r : close_variants(g, variants);
}

static const Field *find_field(const Structure *s, const char *name) {
        for (const Field *f = s->fields; f->name; f++)
                if (streq(f->name, name))
                        return f;
        return NULL;
}

static int read_member(Reading *g, const Structure *s, uint64_t *seen, void *structure) {
        const char *name;
        int r = sd_bus_message_enter_container(g->message, 'e', NULL);

        if (r >= 0)
                r = sd_bus_message_read_basic(g->message, 's', &name);
        if (r < 0)
                return r;
        const Field *f = find_field(s, name);
        if (!f) {
                g->unknown++;
                r = sd_bus_message_skip(g->message, NULL);
        } else {
                uint64_t bit = UINT64_C(1) << (f - s->fields);
                if (*seen & bit)
                        return schema_fail(g->error, f->name, "the field is there twice");
                *seen |= bit;
                r = codec_read(g, f, structure);
        }
        return r < 0 ? r : sd_bus_message_exit_container(g->message);
}

int codec_read_structure(Reading *g, const Structure *s, uint64_t seen, void *structure) {
        int r = sd_bus_message_enter_container(g->message, 'a', NULL);

        while (r >= 0 && (r = sd_bus_message_at_end(g->message, false)) == 0)
                r = read_member(g, s, &seen, structure);
        if (r >= 0)
                r = sd_bus_message_exit_container(g->message);
        if (r < 0)
                return r;
        const Field *missing = schema_find_missing(s, structure);
        return missing ? schema_fail(g->error, missing->name, "the field is required") : 0;
}
