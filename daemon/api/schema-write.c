/* SPDX-License-Identifier: Apache-2.0 */
/* Structures into JSON, by their tables. */
#include "basic/macro.h"
#include "daemon/api/schema.h"

static void comma(JsonWriter *w, bool *first) {
        if (!*first)
                json_write_literal(w, ",");
        *first = false;
}

static void write_strings(JsonWriter *w, const char *const *items, size_t n) {
        bool first = true;

        json_write_literal(w, "[");
        for (size_t i = 0; i < n; i++) {
                comma(w, &first);
                json_write_string(w, items[i]);
        }
        json_write_literal(w, "]");
}

static void write_map(JsonWriter *w, const struct pm_header *items, size_t n) {
        bool first = true;

        json_write_literal(w, "{");
        for (size_t i = 0; i < n; i++) {
                comma(w, &first);
                json_write_string(w, items[i].name);
                json_write_literal(w, ":");
                json_write_string(w, items[i].value);
        }
        json_write_literal(w, "}");
}

static void write_counts(JsonWriter *w, const EnumNames *names, const uint64_t *counts) {
        bool first = true;

        json_write_literal(w, "{");
        for (int i = 0; i < names->n; i++) {
                if (counts[i] == 0)
                        continue;
                comma(w, &first);
                json_write_string(w, names->names[i]);
                json_write_literal(w, ":");
                json_write_uint(w, counts[i]);
        }
        json_write_literal(w, "}");
}

static void write_array(JsonWriter *w, const Structure *s, const char *items, size_t n) {
        bool first = true;

        json_write_literal(w, "[");
        for (size_t i = 0; i < n; i++) {
                comma(w, &first);
                schema_write_json(s, items + i * s->size, w);
        }
        json_write_literal(w, "]");
}

static void write_bool(JsonWriter *w, bool b) {
        json_write(w, b ? "true" : "false", b ? 4 : 5);
}

static void write_text(JsonWriter *w, const Field *f, const void *structure) {
        char text[FIELD_TEXT_MAX];

        f->render(structure, text, sizeof(text));
        json_write_string(w, text);
}

static void write_instant(JsonWriter *w, uint64_t utc_ns) {
        char text[INSTANT_MAX];

        instant_to_string(utc_ns, text);
        json_write_string(w, text);
}

#define AT(type) (*(const type *) p)

void field_write_json(const Field *f, const void *structure, JsonWriter *w) {
        const void *p = field_in(f, structure);

        switch ((FieldType) f->type) {
        case FIELD_BOOL: write_bool(w, AT(bool)); break;
        case FIELD_TRISTATE: write_bool(w, AT(int) > 0); break;
        case FIELD_INT: json_write_int(w, AT(int64_t)); break;
        case FIELD_INT32: json_write_int(w, AT(int)); break;
        case FIELD_UINT32: json_write_uint(w, AT(uint32_t)); break;
        case FIELD_UINT64: json_write_uint(w, AT(uint64_t)); break;
        case FIELD_FLOAT: json_write_double(w, AT(double), 4); break;
        case FIELD_DEGREES: json_write_double(w, AT(double), 6); break;
        case FIELD_MONEY: case FIELD_UNITS: json_write_fixed(w, AT(int64_t), 6); break;
        case FIELD_MS: json_write_fixed(w, (int64_t) (AT(uint64_t) / NSEC_PER_USEC), 3); break;
        case FIELD_MS_INT: json_write_uint(w, AT(uint64_t) / NSEC_PER_MSEC + (AT(uint64_t) % NSEC_PER_MSEC > 0)); break;
        case FIELD_SECONDS: json_write_fixed(w, (int64_t) (AT(uint64_t) / NSEC_PER_MSEC), 3); break;
        case FIELD_INSTANT: write_instant(w, AT(uint64_t)); break;
        case FIELD_ENUM: json_write_string(w, enum_to_string(f->names, AT(int)) ?: ""); break;
        case FIELD_ENUMS: break; /* only ever read */
        case FIELD_STRING: json_write_string(w, AT(char *) ?: ""); break;
        case FIELD_CHARS: json_write_string(w, p); break;
        case FIELD_TEXT: write_text(w, f, structure); break;
        case FIELD_STRINGS: write_strings(w, AT(char *const *), field_count(f, structure)); break;
        case FIELD_INLINE_STRINGS: write_strings(w, p, field_count(f, structure)); break;
        case FIELD_MAP: write_map(w, AT(struct pm_header *), field_count(f, structure)); break;
        case FIELD_COUNTS: write_counts(w, f->names, p); break;
        case FIELD_STRUCT: schema_write_json(f->structure, p, w); break;
        case FIELD_STRUCT_POINTER: schema_write_json(f->structure, AT(void *), w); break;
        case FIELD_ARRAY: write_array(w, f->structure, AT(char *), field_count(f, structure)); break;
        case _FIELD_TYPE_MAX: break;
        }
}

void schema_write_json(const Structure *s, const void *structure, JsonWriter *w) {
        bool first = true;

        json_write_literal(w, "{");
        for (const Field *f = s->fields; f->name; f++) {
                if (f->flags & FIELD_OPTIONAL && field_is_absent(f, structure))
                        continue;
                comma(w, &first);
                json_write(w, f->key, f->name_size + 3u);
                field_write_json(f, structure, w);
        }
        json_write_literal(w, "}");
}
