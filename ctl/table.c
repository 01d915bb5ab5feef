/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/table.h"

#include "basic/macro.h"

#define GAP 2
#define PROSE_LEAST 16
#define PROSE_WANTED 20

typedef struct Cell {
        char *text;
        size_t width;
        Style style;
} Cell;

static bool is_right_aligned(Format format) {
        return format >= FORMAT_COUNT && format <= FORMAT_DURATION;
}

/* What a column takes at least, when it is decided whether it has room. */
static size_t least(const Column *column, size_t width) {
        return column->format == FORMAT_PROSE ? MIN(width, (size_t) PROSE_WANTED) : width;
}

/* Sets the widths of those columns to 0 that have no room: the lowest ranks come first. Prose takes what is left over. */
static void fit(const Terminal *t, const Column *columns, size_t *widths, size_t n) {
        size_t total = 0, prose = n;
        unsigned highest = 0;

        if (t->width == 0)
                return;
        for (size_t i = 0; i < n; i++)
                highest = MAX(highest, columns[i].rank);
        for (unsigned rank = 0; rank <= highest; rank++)
                for (size_t i = 0; i < n; i++) {
                        size_t more = least(&columns[i], widths[i]) + (total > 0 ? GAP : 0);
                        if (columns[i].rank != rank || widths[i] == 0)
                                continue;
                        if (rank > 0 && total + more > t->width)
                                widths[i] = 0;
                        else {
                                total += more;
                                prose = columns[i].format == FORMAT_PROSE ? i : prose;
                        }
                }
        if (prose < n) {
                size_t others = total - least(&columns[prose], widths[prose]);
                size_t room = t->width > others ? t->width - others : 0;
                widths[prose] = MIN(widths[prose], MAX(room, (size_t) PROSE_LEAST));
        }
}

static void print_row(Terminal *t, const Column *columns, Cell *cells, const size_t *widths, size_t n) {
        size_t blanks = 0, at = 0, last = n;

        while (last > 0 && widths[last - 1] == 0)
                last--;
        for (size_t i = 0; i < n; i++) {
                if (widths[i] == 0)
                        continue;
                if (cells[i].width > widths[i] && i + 1 == last && !t->cut) {
                        at += blanks;
                        fprintf(t->file, "%*s", (int) blanks, "");
                        print_wrapped(t, cells[i].text, (unsigned) at, (unsigned) at);
                        return;
                }
                if (cells[i].width > widths[i]) {
                        text_cut(cells[i].text, widths[i]);
                        cells[i].width = text_width(cells[i].text);
                }
                size_t padding = widths[i] - cells[i].width;
                if (is_right_aligned(columns[i].format)) {
                        blanks += padding;
                        padding = 0;
                }
                fprintf(t->file, "%*s", (int) blanks, "");
                print_styled(t, cells[i].style, cells[i].text);
                at += blanks + cells[i].width;
                blanks = padding + GAP;
        }
        fputc('\n', t->file);
}

size_t print_table(Terminal *t, const json_t *rows, const Column *columns, size_t n_columns) {
        size_t n_rows = json_array_size(rows) + 1;
        _cleanup_free_ Cell *cells = calloc(n_rows * n_columns, sizeof(Cell));
        _cleanup_free_ size_t *widths = calloc(n_columns, sizeof(size_t));

        for (size_t i = 0; cells && widths && i < n_rows * n_columns; i++) {
                const Column *column = &columns[i % n_columns];
                if (i < n_columns)
                        cells[i] = (Cell) { .text = text_copy(column->heading), .style = STYLE_STRONG };
                else
                        cells[i].text = format_value(json_at(json_array_get(rows, i / n_columns - 1), column->field), column->format,
                                                     &cells[i].style);
                if (!cells[i].text)
                        cells[i].text = text_copy("");
                cells[i].width = cells[i].text ? text_width(cells[i].text) : 0;
                widths[i % n_columns] = MAX(widths[i % n_columns], cells[i].width);
        }
        if (cells && widths) {
                fit(t, columns, widths, n_columns);
                for (size_t i = 0; i < n_rows; i++)
                        print_row(t, columns, cells + i * n_columns, widths, n_columns);
                for (size_t i = 0; i < n_rows * n_columns; i++)
                        free(cells[i].text);
        }
        return n_rows - 1;
}

static bool says_something(const json_t *value, unsigned rank) {
        if (!value || json_is_null(value))
                return false;
        return rank == 0 || !(json_is_false(value) || (json_is_number(value) && json_number_value(value) == 0) ||
                              (json_is_string(value) && json_string_length(value) == 0) ||
                              (json_is_array(value) && json_array_size(value) == 0));
}

void print_fields(Terminal *t, const json_t *object, const Column *fields, size_t n_fields) {
        size_t width = 0;

        for (size_t i = 0; i < n_fields; i++)
                if (says_something(json_at(object, fields[i].field), fields[i].rank))
                        width = MAX(width, text_width(fields[i].heading));
        for (size_t i = 0; i < n_fields; i++) {
                const json_t *value = json_at(object, fields[i].field);
                Style style;
                if (!says_something(value, fields[i].rank))
                        continue;
                _cleanup_free_ char *text = format_value(value, fields[i].format, &style);
                print_styled(t, STYLE_STRONG, fields[i].heading);
                fprintf(t->file, "%*s", (int) (width - text_width(fields[i].heading) + GAP), "");
                if (fields[i].format == FORMAT_PROSE)
                        print_wrapped(t, text ?: "", (unsigned) width + GAP, (unsigned) width + GAP);
                else {
                        print_styled(t, style, text ?: "");
                        fputc('\n', t->file);
                }
        }
}
