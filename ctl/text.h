/* SPDX-License-Identifier: Apache-2.0 */
/* Text for people: colours, widths, and nothing from the daemon that could steer a terminal. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

typedef enum Style { STYLE_PLAIN, STYLE_GOOD, STYLE_WARNING, STYLE_BAD, STYLE_DIM, STYLE_STRONG, _STYLE_MAX } Style;

typedef struct Terminal {
        FILE *file;
        bool color;
        unsigned width; /* columns; 0: as many as it takes */
        bool cut;       /* one line a row: what is too wide is cut, not wrapped */
} Terminal;

/* Colours and width of standard output: colours only for a terminal that has them, and not if $NO_COLOR is set. */
void terminal_open(Terminal *t, bool color);
void terminal_size(unsigned *ret_columns, unsigned *ret_lines); /* 0: not a terminal */

/* Repairs UTF-8, and with control characters made visible as "?" unless it keeps them. To be freed; NULL: out of memory. */
char *text_clean(const char *s, size_t n, bool keep_controls);
char *text_copy(const char *s); /* the same of a C string, without controls */
size_t text_width(const char *clean); /* columns on a terminal */
/* Cuts to so many columns in place, the last one being "…"; only of what the above returned, which has room for that. */
void text_cut(char *clean, size_t width);

void print_styled(Terminal *t, Style style, const char *text);
/* Word-wrapped at the terminal's width, each line after the first indented; where there is no terminal, a line stays a line, for grep.
 * at: the column where the cursor is. */
void print_wrapped(Terminal *t, const char *text, unsigned at, unsigned indent);
