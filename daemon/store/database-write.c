/* SPDX-License-Identifier: Apache-2.0 */
/* A generation in one transaction: its calls in the sums of their hour, day and month; its documents; its number. */
#include <errno.h>

#include "basic/macro.h"
#include "daemon/store/database.h"

/* ---- kinds of calls ---- */

static void bind_kind(sqlite3_stmt *s, const char *names, CostTier tier) {
        for (int i = 1; i <= 4; i++) {
                int n = (int) strlen(names);
                sqlite3_bind_text(s, i, names, n, SQLITE_STATIC);
                names += n + 1;
        }
        sqlite3_bind_int(s, 5, (int) tier);
}

static int find_kind(Database *d, const char *names, CostTier tier, int64_t *ret) {
        sqlite3_stmt *s = d->statements[STATEMENT_FIND_KIND];

        bind_kind(s, names, tier);
        int rc = sqlite3_step(s), r = 0;
        if (rc == SQLITE_ROW)
                *ret = sqlite3_column_int64(s, 0);
        else
                r = rc == SQLITE_DONE ? -ENOENT : database_error(d, rc, "Cannot read it");
        sqlite3_reset(s);
        return r;
}

static int add_kind(Database *d, const char *names, CostTier tier, int64_t *ret) {
        sqlite3_stmt *s = d->statements[STATEMENT_ADD_NAME];
        const char *name = names;
        int r = 0;

        for (int i = 0; i < 4 && r == 0; i++) {
                int n = (int) strlen(name);
                sqlite3_bind_text(s, 1, name, n, SQLITE_STATIC);
                r = database_run(d, STATEMENT_ADD_NAME);
                name += n + 1;
        }
        if (r < 0)
                return r;
        bind_kind(d->statements[STATEMENT_ADD_KIND], names, tier);
        r = database_run(d, STATEMENT_ADD_KIND);
        if (r == 0)
                *ret = sqlite3_last_insert_rowid(d->db);
        return r;
}

/* ---- what a generation holds ---- */

static int add_sums(Database *d, Statement into, int64_t start_s, int64_t kind, const LedgerSums *x) {
        sqlite3_stmt *s = d->statements[into];
        int i = 1;

        sqlite3_bind_int64(s, i++, start_s);
        sqlite3_bind_int64(s, i++, kind);
        sqlite3_bind_int64(s, i++, x->cost);
        sqlite3_bind_int64(s, i++, x->usual_cost);
        sqlite3_bind_int64(s, i++, x->units);
        for (int v = 0; v < _PM_VERDICT_MAX; v++)
                sqlite3_bind_int64(s, i++, x->verdicts[v]);
        return database_run(d, into);
}

static int write_group(Database *d, const Gather *g, const GatherGroup *x) {
        const char *names = gather_names(g, x);
        int64_t kind = 0;
        int r = find_kind(d, names, x->tier, &kind);

        if (r == -ENOENT)
                r = add_kind(d, names, x->tier, &kind);
        if (r == 0)
                r = add_sums(d, STATEMENT_ADD_HOUR, x->hour_s, kind, &x->sums);
        if (r == 0)
                r = add_sums(d, STATEMENT_ADD_DAY, start_of(x->hour_s, DAY_S), kind, &x->sums);
        return r ?: add_sums(d, STATEMENT_ADD_MONTH, start_of_month(x->hour_s, 0), kind, &x->sums);
}

static int write_document(Database *d, const GatherDocument *x) {
        Statement which = x->text ? STATEMENT_WRITE_DOCUMENT : STATEMENT_REMOVE_DOCUMENT;
        sqlite3_stmt *s = d->statements[which];

        sqlite3_bind_text(s, 1, x->name, -1, SQLITE_STATIC);
        if (x->text) {
                sqlite3_bind_int64(s, 2, (int64_t) (x->utc_ns / NSEC_PER_SEC));
                sqlite3_bind_text64(s, 3, x->text, x->n, SQLITE_STATIC, SQLITE_UTF8);
        }
        int r = database_run(d, which);
        sqlite3_clear_bindings(s);
        return r;
}

int database_write_meta(Database *d, const char *key, uint64_t value) {
        sqlite3_stmt *s = d->statements[STATEMENT_WRITE_META];

        sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
        sqlite3_bind_int64(s, 2, (int64_t) value);
        return database_run(d, STATEMENT_WRITE_META);
}

static int write_all(Database *d, const Gather *g) {
        int r = 0;

        for (size_t i = 0; i < g->n_groups && r == 0; i++)
                r = write_group(d, g, &g->groups[i]);
        for (size_t i = 0; i < g->n_documents && r == 0; i++)
                r = write_document(d, &g->documents[i]);
        for (size_t i = 0; i < g->n_scenarios && r == 0; i++)
                r = database_write_scenario(d, &g->scenarios[i]->view);
        if (r == 0)
                r = database_write_meta(d, "generation", MAX(d->generation, g->generation));
        return r ?: database_write_meta(d, "call", MAX(d->serial, g->serial));
}

int database_begin(Database *d) {
        return database_run(d, STATEMENT_BEGIN);
}

/* What has failed half-way is as if it had not been tried; SQLite may have undone it already. */
int database_end(Database *d, int r) {
        char note[sizeof(d->note)];

        if (r == 0)
                r = database_run(d, STATEMENT_COMMIT);
        if (r < 0 && !sqlite3_get_autocommit(d->db)) {
                memcpy(note, d->note, sizeof(note));
                (void) database_run(d, STATEMENT_ROLLBACK);
                memcpy(d->note, note, sizeof(note));
        }
        return r;
}

static int write_once(Database *d, const Gather *g) {
        int r = database_open(d);

        if (r == 0)
                r = database_begin(d);
        if (r < 0)
                return r;
        r = database_end(d, write_all(d, g));
        if (r == 0) {
                d->fresh = false;
                d->generation = MAX(d->generation, g->generation);
                d->serial = MAX(d->serial, g->serial);
        }
        return r;
}

int database_write(Database *d, const Gather *g) {
        int r = write_once(d, g);

        /* Into the new one that takes its place. */
        return r == -EUCLEAN && d->damaged ? write_once(d, g) : r;
}
