/* SPDX-License-Identifier: Apache-2.0 */
/* Values of the API as people read them, and tables of objects. */
#pragma once

#include <jansson.h>

#include "ctl/text.h"

typedef enum Format {
        FORMAT_TEXT,     /* strings as they are, the rest as JSON */
        FORMAT_PROSE,    /* text that yields first where the terminal is narrow */
        FORMAT_WORD,     /* an enumeration's value, coloured by whether it is good */
        FORMAT_LIST,     /* "a, b" */
        FORMAT_COUNT,
        FORMAT_MONEY,    /* $0.029 */
        FORMAT_PERCENT,  /* of a ratio: 99.8 % */
        FORMAT_RATIO,    /* 0.97 */
        FORMAT_RATE,     /* a second: 12.3 */
        FORMAT_SCORE,    /* 0..100 */
        FORMAT_LATENCY,  /* of milliseconds: 12.3 ms */
        FORMAT_DURATION, /* of milliseconds: 1.2 s, 5 min */
        FORMAT_TIME,     /* of RFC 3339: 14:03:22, with its date if that is not today; local time */
        FORMAT_USABLE,   /* of an array of nodes, how many may get calls: 2/3 */
} Format;

typedef struct Column {
        const char *heading;
        const char *field; /* "impact.minutes": of an object within */
        Format format;
        unsigned rank;     /* 0: always shown; where the terminal is narrow the highest goes first */
} Column;

/* What stands at a path of member names; NULL: nothing. */
const json_t *json_at(const json_t *object, const char *path);
const char *json_text_at(const json_t *object, const char *path); /* "" if it is no string */

/* To be freed; NULL: out of memory. *ret_style: how it should look. */
char *format_value(const json_t *value, Format format, Style *ret_style);
/* What a field's name says about its value. */
Format format_of_field(const char *name);

/* One row an element. Returns how many. */
size_t print_table(Terminal *t, const json_t *rows, const Column *columns, size_t n_columns);
/* One line a field that is there: its label, its value. Those with a rank only if they say something: not for no, 0, "" and []. */
void print_fields(Terminal *t, const json_t *object, const Column *fields, size_t n_fields);
