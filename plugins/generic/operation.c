/* SPDX-License-Identifier: Apache-2.0 */
/* Requests as the operator writes them: those of probes, and operations with their prices. */
#include <ctype.h>

#include "basic/json.h"
#include "basic/units.h"
#include "plugins/generic/generic.h"

#define KEYS_MAX 16

char *next_word(char **text) {
        char *word = *text + strspn(*text, " \t"), *end = word + strcspn(word, " \t");

        *text = *end ? end + 1 : end;
        *end = 0;
        return *word ? word : NULL;
}

bool read_request(Making *m, char **text, const char **ret_method, const char **ret_path) {
        const char *method = next_word(text), *path = next_word(text);

        for (const char *p = method; p && *p; p++)
                if (*p < 'A' || *p > 'Z')
                        method = NULL;
        for (const char *p = path; p && *p; p++)
                if (!isgraph((unsigned char) *p))
                        path = NULL;
        if (!method || !path || path[0] != '/')
                return complain(m, "must begin with an HTTP method and a path, like GET /v1/status");
        *ret_method = method;
        *ret_path = path;
        return true;
}

/* A number without sign, as JSON writes it. */
static bool read_number(const char *text, JsonValue *ret) {
        JsonReader r;

        json_open(&r, text, strlen(text));
        return json_read(&r, ret) >= 0 && ret->type == JSON_NUMBER && json_close(&r) >= 0 && text[0] != '-';
}

/* Dollars; rounded to the micro-dollar. */
static bool read_price(const char *text, int64_t *ret) {
        JsonValue v;

        return read_number(text, &v) && json_fixed(&v, 6, ret) >= 0 && *ret <= MONEY_MAX;
}

static bool read_units(const char *text, int64_t *ret) {
        JsonValue v;

        return read_number(text, &v) && json_int64(&v, ret) >= 0;
}

static bool read_keys(Making *m, char *text, struct pm_operation *o) {
        const char **keys = take(m, KEYS_MAX + 1, sizeof(*keys));
        size_t n = 0;

        if (!keys)
                return false;
        for (char *key; (key = strsep(&text, ","));) {
                if (n == KEYS_MAX || !*key)
                        return complain(m, "must have 1 to %d names with commas between them behind keys=", KEYS_MAX);
                keys[n++] = key;
        }
        o->required_keys = keys;
        return true;
}

/* One word behind the path. */
static bool read_property(Making *m, char *word, struct pm_operation *o) {
        char *value = strchr(word, '=');

        if (streq(word, "idempotent")) {
                o->idempotent = true;
                return true;
        }
        if (value && value[1]) {
                *value++ = 0;
                if (streq(word, "unit")) {
                        o->unit = value;
                        return true;
                }
                if (streq(word, "price"))
                        return read_price(value, &o->price) ||
                                complain(m, "has price=%.32s; must be 0 to 1000000000 (dollars a unit)", value);
                if (streq(word, "free"))
                        return read_units(value, &o->free_units) ||
                                complain(m, "has free=%.32s; must be a whole number (units a calendar month)", value);
                if (streq(word, "keys"))
                        return read_keys(m, value, o);
        }
        return complain(m, "has %.64s; must be unit=NAME, price=DOLLARS, free=UNITS, keys=NAME,NAME or idempotent", word);
}

static bool name_is_valid(const char *name) {
        return name[0] >= 'a' && name[0] <= 'z' && !name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")] &&
                strlen(name) <= 64;
}

bool read_operation(Making *m, const char *name, char *text) {
        Generic *g = m->generic;
        struct pm_operation o = { .name = name, .unit = "request", .price = -1 };

        if (!name_is_valid(name))
                return complain(m, "must have a name of up to 64 of a-z 0-9 _ behind operation_");
        if (!read_request(m, &text, &o.method, &o.path))
                return false;
        o.idempotent = streq(o.method, "GET") || streq(o.method, "HEAD");
        for (char *word; (word = next_word(&text));)
                if (!read_property(m, word, &o))
                        return false;
        g->operations[g->n_operations++] = o;
        return true;
}
