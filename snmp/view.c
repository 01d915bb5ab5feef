/* SPDX-License-Identifier: Apache-2.0 */
#include "snmp/view.h"

#include "basic/macro.h"

#define ENTRY 1 /* the number of a table's entry */

static const Rows *rows_of(const View *v, const Table *t) {
        static const Rows none;

        return v->rows[t->rows] ?: &none;
}

/* -1: the row comes before the index that ends a name, 0: it is that row, 1: it comes behind. */
static int compare_index(const Row *row, size_t n_index, size_t n, const oid *index) {
        for (size_t i = 0; i < n_index && i < n; i++)
                if (row->index[i] != index[i])
                        return row->index[i] < index[i] ? -1 : 1;
        return n_index < n ? -1 : n_index > n;
}

/* The place of the first row behind the index, or at it if inclusive. */
static size_t row_after(const Rows *rows, size_t n_index, size_t n, const oid *index, bool inclusive) {
        size_t low = 0, high = rows->n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int order = compare_index(rows_at(rows, middle), n_index, n, index);
                if (order > 0 || (order == 0 && inclusive))
                        high = middle;
                else
                        low = middle + 1;
        }
        return low;
}

/* ---- one table ---- */

static Lookup table_get(const View *v, const Table *t, size_t n, const oid *name, Variable *ret) {
        if (!t->scalars) {
                if (n == 0 || name[0] != ENTRY)
                        return LOOKUP_NO_OBJECT;
                n--, name++;
        }
        const Column *c = n > 0 ? table_column(t, name[0]) : NULL;
        if (!c)
                return LOOKUP_NO_OBJECT;

        const Rows *rows = rows_of(v, t);
        size_t i = row_after(rows, t->n_index, n - 1, name + 1, true);
        bool found = (v->known || c->own) && i < rows->n &&
                     compare_index(rows_at(rows, i), t->n_index, n - 1, name + 1) == 0;
        *ret = (Variable) { t, c, found ? rows_at(rows, i) : NULL };
        return found ? LOOKUP_FOUND : LOOKUP_NO_INSTANCE;
}

/* An empty name stands before all. */
static bool table_next(const View *v, const Table *t, size_t n, const oid *name, bool inclusive, Variable *ret) {
        const Rows *rows = rows_of(v, t);
        size_t column = 0, row = 0;

        if (!t->scalars && n > 0) {
                if (name[0] > ENTRY)
                        return false;
                n = name[0] < ENTRY ? 0 : n - 1;
                name++;
        }
        if (n > 0 && name[0] >= t->columns[0].number) {
                column = name[0] - t->columns[0].number;
                row = row_after(rows, t->n_index, n - 1, name + 1, inclusive);
        }
        for (; column < t->n_columns; column++, row = 0)
                if (row < rows->n && (v->known || t->columns[column].own)) {
                        *ret = (Variable) { t, &t->columns[column], rows_at(rows, row) };
                        return true;
                }
        return false;
}

/* ---- all ---- */

Lookup view_get(const View *v, size_t n, const oid *name, Variable *ret) {
        if (mib_below(MIB_OBJECTS, n, name, &n, &name) != 0 || n == 0)
                return LOOKUP_NO_OBJECT;
        for (TableId id = 0; id < _TABLE_MAX; id++)
                if (mib_tables[id].number == name[0])
                        return table_get(v, &mib_tables[id], n - 1, name + 1, ret);
        return LOOKUP_NO_OBJECT;
}

bool view_next(const View *v, size_t n, const oid *name, bool inclusive, Variable *ret) {
        int where = mib_below(MIB_OBJECTS, n, name, &n, &name);

        if (where > 0)
                return false;
        if (where < 0)
                n = 0;
        for (TableId id = 0; id < _TABLE_MAX; id++) {
                const Table *t = &mib_tables[id];
                if (n > 0 && t->number < name[0])
                        continue;
                bool within = n > 0 && t->number == name[0];
                if (table_next(v, t, within ? n - 1 : 0, within ? name + 1 : NULL, inclusive, ret))
                        return true;
        }
        return false;
}

size_t variable_oid(const Variable *v, oid ret[MIB_OID_MAX]) {
        const Table *t = v->table;
        oid suffix[4 + ELEMENTSOF(v->row->index)] = { MIB_OBJECTS, t->number };
        size_t n = 2;

        if (!t->scalars)
                suffix[n++] = ENTRY;
        suffix[n++] = v->column->number;
        memcpy(suffix + n, v->row->index, t->n_index * sizeof(oid));
        return mib_oid(ret, n + t->n_index, suffix);
}
