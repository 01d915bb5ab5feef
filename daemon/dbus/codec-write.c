/* SPDX-License-Identifier: Apache-2.0 */
/* Structures into D-Bus values, by their tables. */
#include <math.h>

#include "basic/json.h"
#include "daemon/dbus/private.h"

static const char *const signatures[_FIELD_TYPE_MAX] = {
        [FIELD_BOOL] = "b", [FIELD_TRISTATE] = "b", [FIELD_INT] = "x", [FIELD_LIMIT] = "x", [FIELD_INT32] = "i", [FIELD_UINT32] = "u",
        [FIELD_UINT64] = "t", [FIELD_FLOAT] = "d", [FIELD_DEGREES] = "d", [FIELD_PERCENT] = "d", [FIELD_RATIO] = "d", [FIELD_MONEY] = "d", [FIELD_UNITS] = "d",
        [FIELD_MS] = "d", [FIELD_MS_INT] = "t", [FIELD_SECONDS] = "d", [FIELD_SECONDS_INT] = "t",
        [FIELD_INSTANT] = "s", [FIELD_ENUM] = "s",
        [FIELD_ENUMS] = "as", [FIELD_STRING] = "s", [FIELD_CHARS] = "s", [FIELD_TEXT] = "s", [FIELD_STRINGS] = "as",
        [FIELD_INLINE_STRINGS] = "as", [FIELD_MAP] = "a{ss}", [FIELD_COUNTS] = "a{st}", [FIELD_STRUCT] = "a{sv}",
        [FIELD_STRUCT_POINTER] = "a{sv}", [FIELD_ARRAY] = "aa{sv}",
};

const char *codec_signature(const Field *f) {
        return signatures[f->type];
}

#define AT(type) (*(const type *) p)

static bool is_utf8(const char *s) {
        while (*s) {
                size_t n = (unsigned char) *s < 0x80 ? 1 : utf8_multibyte(s);
                if (n == 0)
                        return false;
                s += n;
        }
        return true;
}

int codec_append_string(Writer *w, const char *s) {
        _cleanup_free_ char *clean = NULL;

        if (!s || is_utf8(s))
                return writer_basic(w, 's', s ?: "");
        char *to = clean = malloc(strlen(s) * 3 + 1);
        if (!clean)
                return -ENOMEM;
        while (*s) {
                size_t n = (unsigned char) *s < 0x80 ? 1 : utf8_multibyte(s);
                memcpy(to, n ? s : "\xEF\xBF\xBD", n ?: 3);
                to += n ?: 3;
                s += n ?: 1;
        }
        *to = 0;
        return writer_basic(w, 's', clean);
}

static double rounded(double v, double digits) {
        return fabs(v) < 1e9 ? round(v * digits) / digits : v;
}

/* The same number that the JSON of the other transport shows. */
static int append_number(Writer *w, const Field *f, const void *structure) {
        const void *p = field_in(f, structure);
        double d = NAN;

        if (!field_is_absent(f, structure))
                switch (f->type) {
                case FIELD_FLOAT: d = rounded(AT(double), 1e4); break;
                case FIELD_DEGREES: case FIELD_RATIO: d = rounded(AT(double), 1e6); break;
                case FIELD_PERCENT: d = rounded(AT(double) * 100, 1e4); break;
                case FIELD_MONEY: case FIELD_UNITS: d = (double) AT(int64_t) / 1e6; break;
                case FIELD_MS: d = (double) (AT(uint64_t) / NSEC_PER_USEC) / 1e3; break;
                default: d = (double) (AT(uint64_t) / NSEC_PER_MSEC) / 1e3; break; /* FIELD_SECONDS */
                }
        return writer_basic(w, 'd', &d);
}

static int append_whole_time(Writer *w, uint64_t ns, uint64_t unit) {
        uint64_t n = ns == NSEC_INFINITY ? UINT64_MAX : ns / unit + (ns % unit > 0);

        return writer_basic(w, 't', &n);
}

static int append_text(Writer *w, const Field *f, const void *structure) {
        char text[FIELD_TEXT_MAX];

        f->render(structure, text, sizeof(text));
        return codec_append_string(w, text);
}

static int append_instant(Writer *w, uint64_t utc_ns) {
        char text[INSTANT_MAX] = "";

        if (utc_ns > 0)
                instant_to_string(utc_ns, text);
        return writer_basic(w, 's', text);
}

static int append_strings(Writer *w, const char *const *strings, size_t n) {
        int r = writer_open(w, 'a', "s");

        for (size_t i = 0; i < n && r >= 0; i++)
                r = codec_append_string(w, strings[i]);
        return r < 0 ? r : writer_close(w);
}

static int append_map(Writer *w, const struct pm_header *entries, size_t n) {
        int r = writer_open(w, 'a', "{ss}");

        for (size_t i = 0; i < n && r >= 0; i++) {
                r = writer_open(w, 'e', "ss");
                if (r >= 0)
                        r = codec_append_string(w, entries[i].name);
                if (r >= 0)
                        r = codec_append_string(w, entries[i].value);
                if (r >= 0)
                        r = writer_close(w);
        }
        return r < 0 ? r : writer_close(w);
}

static int append_counts(Writer *w, const EnumNames *names, const uint64_t *counts) {
        int r = writer_open(w, 'a', "{st}");

        for (int i = 0; i < names->n && r >= 0; i++) {
                if (counts[i] == 0)
                        continue;
                r = writer_open(w, 'e', "st");
                if (r >= 0)
                        r = writer_basic(w, 's', names->names[i]);
                if (r >= 0)
                        r = writer_basic(w, 't', &counts[i]);
                if (r >= 0)
                        r = writer_close(w);
        }
        return r < 0 ? r : writer_close(w);
}

static int append_array(Writer *w, const Structure *s, const char *entries, size_t n) {
        int r = writer_open(w, 'a', "a{sv}");

        for (size_t i = 0; i < n && r >= 0; i++)
                r = codec_append_structure(w, s, entries + i * s->size);
        return r < 0 ? r : writer_close(w);
}

int codec_append(Writer *w, const Field *f, const void *structure) {
        const void *p = field_in(f, structure);

        switch ((FieldType) f->type) {
        case FIELD_BOOL: return writer_basic(w, 'b', &(int) { AT(bool) });
        case FIELD_TRISTATE: return writer_basic(w, 'b', &(int) { AT(int) > 0 });
        case FIELD_INT: case FIELD_LIMIT: case FIELD_INT32: case FIELD_UINT32: case FIELD_UINT64:
                return writer_basic(w, signatures[f->type][0], p);
        case FIELD_FLOAT: case FIELD_DEGREES: case FIELD_MONEY: case FIELD_UNITS: case FIELD_MS: case FIELD_SECONDS:
        case FIELD_PERCENT: case FIELD_RATIO:
                return append_number(w, f, structure);
        case FIELD_MS_INT: return append_whole_time(w, AT(uint64_t), NSEC_PER_MSEC);
        case FIELD_SECONDS_INT: return append_whole_time(w, AT(uint64_t), NSEC_PER_SEC);
        case FIELD_INSTANT: return append_instant(w, AT(uint64_t));
        case FIELD_ENUM: return writer_basic(w, 's', enum_to_string(f->names, AT(int)) ?: "");
        case FIELD_ENUMS: return append_strings(w, NULL, 0); /* only ever read */
        case FIELD_STRING: return codec_append_string(w, AT(char *));
        case FIELD_CHARS: return codec_append_string(w, p);
        case FIELD_TEXT: return append_text(w, f, structure);
        case FIELD_STRINGS: return append_strings(w, AT(char *const *), field_count(f, structure));
        case FIELD_INLINE_STRINGS: return append_strings(w, p, field_count(f, structure));
        case FIELD_MAP: return append_map(w, AT(struct pm_header *), field_count(f, structure));
        case FIELD_COUNTS: return append_counts(w, f->names, p);
        case FIELD_STRUCT: return codec_append_structure(w, f->structure, p);
        case FIELD_STRUCT_POINTER: return codec_append_structure(w, f->structure, AT(void *));
        case FIELD_ARRAY: return append_array(w, f->structure, AT(char *), field_count(f, structure));
        case _FIELD_TYPE_MAX: break;
        }
        return -EINVAL;
}

int codec_append_entry(Writer *w, const Field *f, const void *structure) {
        if (f->flags & FIELD_OPTIONAL && field_is_absent(f, structure))
                return 0;
        int r = writer_open(w, 'e', "sv");
        if (r >= 0)
                r = writer_basic(w, 's', f->name);
        if (r >= 0)
                r = writer_open(w, 'v', codec_signature(f));
        if (r >= 0)
                r = codec_append(w, f, structure);
        if (r >= 0)
                r = writer_close(w);
        return r < 0 ? r : writer_close(w);
}

int codec_append_structure(Writer *w, const Structure *s, const void *structure) {
        int r = writer_open(w, 'a', "{sv}");

        for (const Field *f = s->fields; f->name && structure && r >= 0; f++)
                r = codec_append_entry(w, f, structure);
        return r < 0 ? r : writer_close(w);
}
