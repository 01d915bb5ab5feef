/* SPDX-License-Identifier: Apache-2.0 */
/* All that can be asked for at one moment, in lexicographic order: which variable has a name, and which comes next.
 * Either takes time that grows with the logarithm of the number of rows. */
#pragma once

#include "snmp/snapshot.h"

typedef struct View {
        const Rows *rows[_TABLE_MAX]; /* by Table.rows; NULL: none */
        bool known;                   /* the daemon has spoken; before, only columns that are our own have values */
} View;

typedef struct Variable {
        const Table *table;
        const Column *column;
        const Row *row;
} Variable;

typedef enum Lookup {
        LOOKUP_FOUND,
        LOOKUP_NO_OBJECT,   /* no column has such a name */
        LOOKUP_NO_INSTANCE, /* the column has no such row; ret's table and column are set, its row is NULL */
} Lookup;

Lookup view_get(const View *v, size_t n, const oid *name, Variable *ret);
/* The first variable behind the name, or at it if inclusive. false: there is none. */
bool view_next(const View *v, size_t n, const oid *name, bool inclusive, Variable *ret);

size_t variable_oid(const Variable *v, oid ret[MIB_OID_MAX]); /* returns its length */
