/* SPDX-License-Identifier: Apache-2.0 */
/* Structures into JSON, by their tables. */
#include "basic/macro.h"
#include "basic/scrub.h"
#include "daemon/api/schema.h"

/* For whom it is written. */
typedef enum Reader {
        READER_CLIENT,
        READER_RECORD, /* the audit log: no secrets, and nothing that is absent */
} Reader;

static void write_structure(const Structure *s, const void *structure, JsonWriter *w, Reader reader);

static void comma(JsonWriter *w, bool *first) {
        if (!*first)
                json_write_literal(w, ",");
        *first = false;
}

void record_write_string(JsonWriter *w, const char *s) {
        _cleanup_free_ char *copy = strdup(s);

        if (copy)
                scrub_secrets(copy);
        json_write_string(w, copy ?: "***");
}

static void write_string(JsonWriter *w, const char *s, Reader reader) {
        if (reader == READER_RECORD && s)
                record_write_string(w, s);
        else
                json_write_string(w, s);
}

static void write_strings(JsonWriter *w, const char *const *items, size_t n, Reader reader) {
        bool first = true;

        json_write_literal(w, "[");
        for (size_t i = 0; i < n; i++) {
                comma(w, &first);
                write_string(w, items[i], reader);
        }
        json_write_literal(w, "]");
}

static void write_map(JsonWriter *w, const struct pm_header *items, size_t n, Reader reader) {
        bool first = true;

        json_write_literal(w, "{");
        for (size_t i = 0; i < n; i++) {
                comma(w, &first);
                write_string(w, items[i].name, reader);
                json_write_literal(w, ":");
                if (reader == READER_RECORD && is_secret_name(items[i].name))
                        json_write_literal(w, "\"***\"");
                else
                        write_string(w, items[i].value, reader);
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

static void write_enums(JsonWriter *w, const EnumNames *names, uint32_t mask) {
        bool first = true;

        json_write_literal(w, "[");
        for (int i = 0; i < names->n; i++)
                if (mask >> i & 1) {
                        comma(w, &first);
                        json_write_string(w, names->names[i]);
                }
        json_write_literal(w, "]");
}

static void write_array(JsonWriter *w, const Structure *s, const char *items, size_t n, Reader reader) {
        bool first = true;

        json_write_literal(w, "[");
        for (size_t i = 0; i < n; i++) {
                comma(w, &first);
                write_structure(s, items + i * s->size, w, reader);
        }
        json_write_literal(w, "]");
}

static void write_bool(JsonWriter *w, bool b) {
        json_write(w, b ? "true" : "false", b ? 4 : 5);
}

static void write_text(JsonWriter *w, const Field *f, const void *structure, Reader reader) {
        char text[FIELD_TEXT_MAX];

        f->render(structure, text, sizeof(text));
        write_string(w, text, reader);
}

static void write_instant(JsonWriter *w, uint64_t utc_ns) {
        char text[INSTANT_MAX];

        instant_to_string(utc_ns, text);
        json_write_string(w, text);
}

#define AT(type) (*(const type *) p)

static void write_field(const Field *f, const void *structure, JsonWriter *w, Reader reader) {
        const void *p = field_in(f, structure);

        switch ((FieldType) f->type) {
        case FIELD_BOOL: write_bool(w, AT(bool)); break;
        case FIELD_TRISTATE: write_bool(w, AT(int) > 0); break;
        case FIELD_INT: case FIELD_LIMIT: json_write_int(w, AT(int64_t)); break;
        case FIELD_INT32: json_write_int(w, AT(int)); break;
        case FIELD_UINT32: json_write_uint(w, AT(uint32_t)); break;
        case FIELD_UINT64: json_write_uint(w, AT(uint64_t)); break;
        case FIELD_FLOAT: json_write_double(w, AT(double), 4); break;
        case FIELD_DEGREES: case FIELD_RATIO: json_write_double(w, AT(double), 6); break;
        case FIELD_PERCENT: json_write_double(w, AT(double) * 100, 4); break;
        case FIELD_MONEY: case FIELD_UNITS: json_write_fixed(w, AT(int64_t), 6); break;
        case FIELD_MS: json_write_fixed(w, (int64_t) (AT(uint64_t) / NSEC_PER_USEC), 3); break;
        case FIELD_MS_INT: json_write_uint(w, AT(uint64_t) / NSEC_PER_MSEC + (AT(uint64_t) % NSEC_PER_MSEC > 0)); break;
        case FIELD_SECONDS: json_write_fixed(w, (int64_t) (AT(uint64_t) / NSEC_PER_MSEC), 3); break;
        case FIELD_SECONDS_INT: json_write_uint(w, AT(uint64_t) / NSEC_PER_SEC); break;
        case FIELD_INSTANT: write_instant(w, AT(uint64_t)); break;
        case FIELD_ENUM: json_write_string(w, enum_to_string(f->names, AT(int)) ?: ""); break;
        case FIELD_ENUMS: write_enums(w, f->names, AT(uint32_t)); break;
        case FIELD_STRING: write_string(w, AT(char *) ?: "", reader); break;
        case FIELD_CHARS: write_string(w, p, reader); break;
        case FIELD_TEXT: write_text(w, f, structure, reader); break;
        case FIELD_STRINGS: write_strings(w, AT(char *const *), field_count(f, structure), reader); break;
        case FIELD_INLINE_STRINGS: write_strings(w, p, field_count(f, structure), reader); break;
        case FIELD_MAP: write_map(w, AT(struct pm_header *), field_count(f, structure), reader); break;
        case FIELD_COUNTS: write_counts(w, f->names, p); break;
        case FIELD_STRUCT: write_structure(f->structure, p, w, reader); break;
        case FIELD_STRUCT_POINTER: write_structure(f->structure, AT(void *), w, reader); break;
        case FIELD_ARRAY: write_array(w, f->structure, AT(char *), field_count(f, structure), reader); break;
        case _FIELD_TYPE_MAX: break;
        }
}

/* What an input does not say is absent; an output says everything but what is optional. */
static bool is_left_out(const Field *f, const void *structure, Reader reader) {
        if (reader == READER_RECORD)
                return f->flags & FIELD_UNRECORDED || field_is_absent(f, structure);
        return f->flags & FIELD_OPTIONAL && field_is_absent(f, structure);
}

static void write_key(JsonWriter *w, const Field *f, bool first) {
        char *to = json_room(w, FIELD_KEY_SIZE);

        if (to) {
                memcpy(to, f->key + first, FIELD_KEY_SIZE - 1);
                w->size += f->name_size + 4u - first;
        }
}

static void write_structure(const Structure *s, const void *structure, JsonWriter *w, Reader reader) {
        bool first = true;

        json_write_literal(w, "{");
        for (const Field *f = s->fields; f->name; f++) {
                if (is_left_out(f, structure, reader))
                        continue;
                write_key(w, f, first);
                first = false;
                write_field(f, structure, w, reader);
        }
        json_write_literal(w, "}");
}

void schema_write_json(const Structure *s, const void *structure, JsonWriter *w) {
        write_structure(s, structure, w, READER_CLIENT);
}

void schema_write_record(const Structure *s, const void *structure, JsonWriter *w) {
        write_structure(s, structure, w, READER_RECORD);
}

void field_write_json(const Field *f, const void *structure, JsonWriter *w) {
        write_field(f, structure, w, READER_CLIENT);
}

void field_write_record(const Field *f, const void *structure, JsonWriter *w) {
        write_field(f, structure, w, READER_RECORD);
}
