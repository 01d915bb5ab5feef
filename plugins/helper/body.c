/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "basic/json.h"
#include "basic/macro.h"
#include "plugins/helper/helper.h"

/* Of an array without end only so many values are compared. */
#define VALUES_MAX 64

/* An object or array that fields may lie in. Its fields are a mask of their indices. */
typedef struct Level {
        uint32_t fields;
        uint32_t index; /* of the next element of an array */
        bool object, first;
} Level;

static bool rule_matches(const Rule *rule, const JsonValue *v, const char *text) {
        switch (rule->match) {
        case MATCH_EQUAL:
                return streq(text, rule->value);
        case MATCH_PREFIX:
                return strncmp(text, rule->value, strlen(rule->value)) == 0;
        case MATCH_TEXT:
                return strcasestr(text, rule->value);
        case MATCH_PRESENT:
                return v->type != JSON_NULL;
        }
        return false;
}

/* Remembers which rules a value fulfils, and the value itself if it is short. */
static void take_value(const Vendor *v, int status, unsigned id, const JsonValue *value, Body *b) {
        char text[512];
        size_t n = 0;

        /* Cut off if it is longer than anything that is compared with it. */
        if (value->type == JSON_STRING && value->escaped) {
                json_copy_string(value, text, sizeof(text));
                n = strlen(text);
        } else if (value->type == JSON_STRING || value->type == JSON_NUMBER || value->type == JSON_FALSE ||
                   value->type == JSON_TRUE) {
                n = MIN(value->size, sizeof(text) - 1);
                memcpy(text, value->start, n);
        }
        text[n] = 0;

        for (size_t i = 0; i < v->n_rules; i++)
                if (v->rules[i].field == id && status >= v->rules[i].from && status <= v->rules[i].to &&
                    rule_matches(&v->rules[i], value, text))
                        b->rules |= UINT64_C(1) << i;

        if (!b->text[id][0] && n < FIELD_TEXT_MAX)
                memcpy(b->text[id], text, n + 1);
}

/* As RFC 6901 section 4 writes the index of an element. */
static bool is_index(const char *segment, uint32_t index) {
        uint64_t v = 0;

        if (!segment[0] || (segment[0] == '0' && segment[1]))
                return false;
        for (; *segment; segment++) {
                if (*segment < '0' || *segment > '9' || v > UINT32_MAX)
                        return false;
                v = v * 10 + (uint64_t) (*segment - '0');
        }
        return v == index;
}

/* Of the fields that lie in a level, those that lie under this member (or the next element: key NULL). */
static uint32_t fields_under(const Vendor *v, Level *l, unsigned depth, const JsonValue *key) {
        uint32_t found = 0;

        for (uint32_t m = l->fields; m; m &= m - 1) {
                unsigned i = (unsigned) __builtin_ctz(m);
                const char *segment = v->fields[i].path[depth];
                bool each = segment[0] == EACH[0];

                if (key ? !each && json_equals(key, segment) : each || is_index(segment, l->index))
                        found |= UINT32_C(1) << i;
        }
        if (!key)
                l->index++;
        return found;
}

static void take_required(const char *const *keys, const JsonValue *key, const JsonValue *value, Body *b) {
        for (size_t i = 0; keys && keys[i] && i < 32; i++)
                if (value->type != JSON_NULL && json_equals(key, keys[i]))
                        b->keys |= UINT32_C(1) << i;
}

static int read_all(const Vendor *v, int status, JsonReader *r, const char *const *required_keys, Body *b) {
        Level levels[FIELD_DEPTH_MAX + 1];
        unsigned depth = 0, n_values = 0;
        JsonValue value, key;
        int k;

        k = json_read(r, &value);
        if (k < 0)
                return k;
        b->container = value.type == JSON_OBJECT || value.type == JSON_ARRAY;
        if (!b->container)
                return json_close(r);
        levels[0] = (Level) {
                (uint32_t) ((UINT64_C(1) << v->n_fields) - 1), .object = value.type == JSON_OBJECT, .first = true,
        };

        for (;;) {
                Level *l = &levels[depth];
                bool object = l->object;
                uint32_t under, inner = 0;

                k = object ? json_member(r, &l->first, &key) : json_element(r, &l->first);
                if (k < 0)
                        return k;
                if (k == 0) {
                        if (depth == 0) {
                                b->hollow = object && l->first;
                                return json_close(r);
                        }
                        depth--;
                        continue;
                }
                under = fields_under(v, l, depth, object ? &key : NULL);
                k = json_read(r, &value);
                if (k < 0)
                        return k;
                if (depth == 0 && object)
                        take_required(required_keys, &key, &value, b);

                for (uint32_t m = under; m; m &= m - 1) {
                        unsigned i = (unsigned) __builtin_ctz(m);

                        if (v->fields[i].path[depth + 1])
                                inner |= UINT32_C(1) << i;
                        else if (n_values++ < VALUES_MAX)
                                take_value(v, status, v->fields[i].id, &value, b);
                }
                if (inner && (value.type == JSON_OBJECT || value.type == JSON_ARRAY)) {
                        levels[++depth] = (Level) { inner, .object = value.type == JSON_OBJECT, .first = true };
                        continue;
                }
                k = json_skip(r, &value);
                if (k < 0)
                        return k;
        }
}

void body_read(const Vendor *v, const struct pm_response *r, const char *const *required_keys, Body *ret) {
        const char *text = r->body;
        size_t n = MIN(r->body_size, (size_t) BODY_MAX);
        JsonReader reader;

        *ret = (Body) {};
        /* RFC 8259 section 8.1 lets a reader pass over a byte order mark. */
        if (n >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
                text += 3;
                n -= 3;
        }
        for (; n > 0 && (*text == ' ' || *text == '\t' || *text == '\r' || *text == '\n'); n--)
                text++;
        ret->empty = n == 0;

        json_open(&reader, text, n);
        ret->error = read_all(v, r->http_status, &reader, required_keys, ret);
}
