/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/api/learned-text.h"

#include <math.h>

#include "basic/macro.h"

#define DIGITS 6

/* ---- out ---- */

static double absent(const LearnedField *f) {
        return f->type == LEARNED_SINCE ? -1 : f->type == LEARNED_INT32 ? NAN : 0; /* of an int32_t 0 says something */
}

static void write_number(JsonWriter *w, const LearnedField *f, double v) {
        if (f->type == LEARNED_FLOAT || f->type == LEARNED_DOUBLE)
                json_write_double(w, v, DIGITS);
        else
                json_write_int(w, (int64_t) v);
}

static void write_list(JsonWriter *w, const LearnedField *f, const void *part, unsigned n, uint64_t now_ns) {
        unsigned zeros = 0;

        json_write_literal(w, "[");
        for (unsigned i = 0; i < n; i++) {
                double v = learned_get(f, part, i, now_ns);

                if (f->min >= 0 && v <= 0) {
                        zeros++;
                        continue;
                }
                if (zeros > 0) {
                        json_write_int(w, -(int64_t) zeros);
                        json_write_literal(w, ",");
                        zeros = 0;
                }
                write_number(w, f, v);
                if (i + 1 < n)
                        json_write_literal(w, ",");
        }
        json_write_literal(w, "]");
}

void learned_begin_member(JsonWriter *w, const char *key) {
        if (w->size > 0 && w->data[w->size - 1] != '{')
                json_write_literal(w, ",");
        json_write_string(w, key);
        json_write_literal(w, ":");
}

void learned_write_fields(JsonWriter *w, const LearnedField *fields, const void *part, uint64_t now_ns) {
        for (const LearnedField *f = fields; f->key; f++) {
                unsigned n = learned_count(f);

                while (n > 0 && learned_get(f, part, n - 1, now_ns) == absent(f))
                        n--;
                if (n == 0)
                        continue;
                learned_begin_member(w, f->key);
                if (f->n)
                        write_list(w, f, part, n, now_ns);
                else
                        write_number(w, f, learned_get(f, part, 0, now_ns));
        }
}

void learned_write_parts(JsonWriter *w, const LearnedPart *parts, const void *whole, uint64_t now_ns) {
        for (; parts->fields; parts++)
                learned_write_fields(w, parts->fields, (const char *) whole + parts->offset, now_ns);
}

/* ---- in ---- */

static bool set(LearnedReading *x, const LearnedField *f, void *part, unsigned i, const JsonValue *v) {
        double number;

        if (v->type != JSON_NUMBER || json_double(v, &number) < 0)
                return false;
        if (f->fleeting && x->elapsed_ns > LEARNED_FLEETING_NS)
                return true;
        return learned_set(f, part, i, number, x->elapsed_ns, x->now_ns);
}

/* How many zeros that number stands for; 0: none. */
static unsigned zeros(const LearnedField *f, const JsonValue *v) {
        int64_t n;

        return f->min >= 0 && json_int64(v, &n) == 0 && n < 0 && n >= -(int64_t) learned_count(f) ? (unsigned) -n : 0;
}

static int read_list(LearnedReading *x, JsonReader *r, const LearnedField *f, void *part) {
        unsigned i = 0, skip;
        JsonValue v;
        int k;

        for (bool first = true; (k = json_element(r, &first)) > 0;) {
                k = json_read(r, &v);
                if (k < 0)
                        return k;
                skip = v.type == JSON_NUMBER ? zeros(f, &v) : 0;
                if (skip > 0) {
                        i += skip;
                        continue;
                }
                if (i >= learned_count(f) || !set(x, f, part, i++, &v))
                        x->refused++;
                k = json_skip(r, &v);
                if (k < 0)
                        return k;
        }
        return k;
}

int learned_read_field(LearnedReading *x, JsonReader *r, const LearnedField *fields, void *part, const JsonValue *key) {
        const LearnedField *f = fields;
        JsonValue v;

        while (f->key && !json_equals(key, f->key))
                f++;
        int k = json_read(r, &v);
        if (k < 0)
                return k;
        if (f->key && f->n && v.type == JSON_ARRAY)
                return read_list(x, r, f, part);
        if (!f->key || f->n || !set(x, f, part, 0, &v))
                x->refused++;
        return json_skip(r, &v);
}

int learned_read_parts(LearnedReading *x, JsonReader *r, const LearnedPart *parts, void *whole, const JsonValue *key) {
        for (; parts[1].fields; parts++)
                for (const LearnedField *f = parts->fields; f->key; f++)
                        if (json_equals(key, f->key))
                                return learned_read_field(x, r, parts->fields, (char *) whole + parts->offset, key);
        return learned_read_field(x, r, parts->fields, (char *) whole + parts->offset, key);
}
