/* SPDX-License-Identifier: Apache-2.0 */
/* Prints what has no view of its own: fields by name, then each array of objects as a table, then each object within. */
#include <ctype.h>

#include "ctl/ctl.h"
#include "ctl/table.h"

#define COLUMNS_MAX 24
#define FIELDS_MAX 64
#define DEPTH_MAX 8

static bool is_table(const json_t *v) {
        return json_is_array(v) && json_is_object(json_array_get(v, 0));
}

/* Whether it is a field's name, and not a value that stands in a field's place: a verdict, a strategy, a node. */
static bool is_field_name(const char *name) {
        if (!islower((unsigned char) *name))
                return false;
        for (; *name; name++)
                if (!isalnum((unsigned char) *name))
                        return false;
        return true;
}

/* "costPerSuccess" → "Cost per success" or, as a heading, "COST PER SUCCESS"; a unit at the end is said by the value. */
static void label(const char *name, bool heading, char *buffer, size_t size) {
        size_t n = strlen(name), k = 0;

        if (!is_field_name(name)) {
                snprintf(buffer, size, "%s", name);
                return;
        }
        if (n > 2 && streq(name + n - 2, "Ms"))
                n -= 2;
        for (size_t i = 0; i < n && k + 3 < size; i++) {
                bool upper = name[i] >= 'A' && name[i] <= 'Z', lower = name[i] >= 'a' && name[i] <= 'z';
                if (upper && i > 0)
                        buffer[k++] = ' ';
                buffer[k++] = (char) (lower && (heading || i == 0) ? name[i] - 0x20 : upper && !heading && i > 0 ? name[i] + 0x20 : name[i]);
        }
        buffer[k] = 0;
}

static void print_rows(Ctl *c, const json_t *rows) {
        char labels[COLUMNS_MAX][48];
        Column columns[COLUMNS_MAX];
        const char *name;
        size_t n = 0;
        json_t *v;

        json_object_foreach(json_array_get(rows, 0), name, v) {
                if (n == COLUMNS_MAX || is_table(v) || json_is_object(v))
                        continue;
                label(name, true, labels[n], sizeof(labels[n]));
                Format f = format_of_field(name);
                columns[n] = (Column) { labels[n], name, json_is_number(v) && f == FORMAT_WORD ? FORMAT_COUNT : f, (unsigned) n };
                n++;
        }
        print_table(&c->out, rows, columns, n);
}

static void print_level(Ctl *c, const json_t *object, unsigned depth) {
        char labels[FIELDS_MAX][48];
        Column fields[FIELDS_MAX];
        const char *name;
        size_t n = 0;
        json_t *v;

        json_object_foreach((json_t *) object, name, v) {
                if (is_table(v) || json_is_object(v) || n == FIELDS_MAX)
                        continue;
                label(name, false, labels[n], sizeof(labels[n]));
                fields[n] = (Column) { labels[n], name, format_of_field(name), 0 };
                n++;
        }
        print_fields(&c->out, object, fields, n);

        json_object_foreach((json_t *) object, name, v) {
                if ((!is_table(v) && !json_is_object(v)) || depth > DEPTH_MAX)
                        continue;
                label(name, false, labels[0], sizeof(labels[0]));
                fputc('\n', c->out.file);
                print_styled(&c->out, STYLE_STRONG, labels[0]);
                fputc('\n', c->out.file);
                if (is_table(v))
                        print_rows(c, v);
                else
                        print_level(c, v, depth + 1);
        }
}

void print_object(Ctl *c, const json_t *reply) {
        /* A reply of one object is that object. */
        const json_t *inner = json_object_size(reply) == 1 ? json_object_iter_value(json_object_iter((json_t *) reply)) : NULL;

        print_level(c, json_is_object(inner) ? inner : reply, 0);
}

void print_analytics(Ctl *c, const json_t *reply) {
        json_t *points = (json_t *) json_at(reply, "analytics.points");

        /* Of a quiet hour nobody reads sixty lines of nothing. */
        for (size_t i = json_array_size(points); i-- > 0;) {
                const json_t *point = json_array_get(points, i);
                if (json_number_value(json_at(point, "decisions")) == 0 && json_number_value(json_at(point, "calls")) == 0)
                        json_array_remove(points, i);
        }
        print_object(c, reply);
}
