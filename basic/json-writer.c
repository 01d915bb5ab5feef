/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "basic/json-plain.h"
#include "basic/json.h"
#include "basic/macro.h"

void json_writer_done(JsonWriter *w) {
        free(w->data);
        *w = (JsonWriter) {};
}

char *json_reserve(JsonWriter *w, size_t n) {
        if (w->failed)
                return NULL;
        if (w->size + n > w->allocated) {
                size_t want = MAX(MAX(w->allocated * 2, w->size + n), (size_t) 512);
                char *d = realloc(w->data, want);
                if (!d) {
                        json_writer_done(w);
                        w->failed = true;
                        return NULL;
                }
                w->data = d;
                w->allocated = want;
        }
        return w->data + w->size;
}

void json_write(JsonWriter *w, const char *text, size_t n) {
        json_write_short(w, text, n);
}

size_t utf8_multibyte(const char *s) {
        const unsigned char *p = (const unsigned char *) s;
        size_t n = p[0] >= 0xC2 && p[0] <= 0xDF ? 2 : (p[0] & 0xF0) == 0xE0 ? 3 : p[0] >= 0xF0 && p[0] <= 0xF4 ? 4 : 0;

        for (size_t i = 1; i < n; i++)
                if ((p[i] & 0xC0) != 0x80)
                        return 0;
        if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) || (p[0] == 0xF0 && p[1] < 0x90) ||
            (p[0] == 0xF4 && p[1] > 0x8F))
                return 0;
        return n;
}

/* One character that cannot stand as it is, or a sequence of UTF-8; returns its length in s. */
static size_t write_special(JsonWriter *w, const char *s) {
        size_t n = utf8_multibyte(s);
        char escape[8];

        if (n > 0) {
                json_write(w, s, n);
                return n;
        }
        if (*s == '"' || *s == '\\')
                snprintf(escape, sizeof(escape), "\\%c", *s);
        else if (*s == '\n')
                memcpy(escape, "\\n", 3);
        else
                snprintf(escape, sizeof(escape), "\\u%04x", (unsigned char) *s >= 0x80 ? 0xFFFD : *s);
        json_write(w, escape, strlen(escape));
        return 1;
}

/* One that has characters that cannot stand as they are. */
static void write_escaped(JsonWriter *w, const char *s, size_t left) {
        json_write_literal(w, "\"");
        while (left > 0) {
                size_t n = json_plain_prefix(s, left);
                json_write(w, s, n);
                if (n < left)
                        n += write_special(w, s + n);
                s += n;
                left -= n;
        }
        json_write_literal(w, "\"");
}

void json_write_string(JsonWriter *w, const char *s) {
        if (!s) {
                json_write_literal(w, "null");
                return;
        }
        size_t n = strlen(s);
        if (json_plain_prefix(s, n) < n) {
                write_escaped(w, s, n);
                return;
        }
        char *to = json_room(w, n + 2);
        if (to) {
                *to = '"';
                *(char *) mempcpy(to + 1, s, n) = '"';
                w->size += n + 2;
        }
}

void json_write_uint(JsonWriter *w, uint64_t v) {
        char buffer[20], *p = buffer + sizeof(buffer);

        do
                *--p = (char) ('0' + v % 10);
        while (v /= 10);
        json_write(w, p, (size_t) (buffer + sizeof(buffer) - p));
}

void json_write_int(JsonWriter *w, int64_t v) {
        if (v < 0)
                json_write_literal(w, "-");
        json_write_uint(w, v < 0 ? -(uint64_t) v : (uint64_t) v);
}

void json_write_fixed(JsonWriter *w, int64_t v, unsigned digits) {
        static const uint32_t powers[] = { 1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000 };
        uint64_t u = v < 0 ? -(uint64_t) v : (uint64_t) v, fraction = u % powers[digits];
        char buffer[10] = ".";

        if (v < 0)
                json_write_literal(w, "-");
        json_write_uint(w, u / powers[digits]);
        if (fraction == 0)
                return;
        for (; fraction % 10 == 0; fraction /= 10)
                digits--;
        for (unsigned i = digits; i > 0; i--, fraction /= 10)
                buffer[i] = (char) ('0' + fraction % 10);
        json_write(w, buffer, digits + 1);
}

void json_write_double(JsonWriter *w, double v, unsigned digits) {
        static const double powers[] = { 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9 };

        if (!isfinite(v))
                json_write_literal(w, "null");
        else if (fabs(v) < 1e9)
                json_write_fixed(w, (int64_t) round(v * powers[digits]), digits);
        else {
                char buffer[32];
                int n = snprintf(buffer, sizeof(buffer), "%.17g", v);
                json_write(w, buffer, (size_t) n);
        }
}
