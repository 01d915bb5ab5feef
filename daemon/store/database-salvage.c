/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a damaged ledger into the one that takes its place: every row that can still be read, from the front up to the
 * damage and from the end back to it. A page that is lost then costs its own rows, and not all that was spent this month.
 */
#include <errno.h>

#include "basic/macro.h"
#include "daemon/store/database.h"

static const struct {
        const char *table, *forward, *backward;
} tables[] = {
        { "name", "id", "id DESC" },
        { "kind", "id", "id DESC" },
        { "month", "start, kind", "start DESC, kind DESC" },
        { "day", "start, kind", "start DESC, kind DESC" },
        { "hour", "start, kind", "start DESC, kind DESC" },
        { "document", "rowid", "rowid DESC" },
        { "scenario", "id", "id DESC" },
        { "scenario_node", "scenario, number", "scenario DESC, number DESC" },
        { "timeline", "scenario, number", "scenario DESC, number DESC" },
};

static int insert_row(Database *d, sqlite3_stmt *from, sqlite3_stmt *to, size_t *n) {
        for (int i = 0; i < sqlite3_column_count(from); i++)
                sqlite3_bind_value(to, i + 1, sqlite3_column_value(from, i));
        int rc = sqlite3_step(to);
        sqlite3_reset(to);
        if (rc == SQLITE_DONE)
                *n += (size_t) sqlite3_changes(d->db);
        /* A damaged row may not be what the table wants: then it is left out. */
        return rc == SQLITE_DONE || (rc & 0xff) == SQLITE_CONSTRAINT ? 0 : database_error(d, rc, "Cannot write it");
}

/* 1: there is damage in the way. */
static int copy_rows(Database *d, sqlite3 *aside, const char *table, const char *order, size_t *n) {
        sqlite3_stmt *from = NULL, *to = NULL;
        char sql[256], places[64] = "?";
        int r = 0, rc;

        snprintf(sql, sizeof(sql), "SELECT * FROM %s ORDER BY %s", table, order);
        if (sqlite3_prepare_v2(aside, sql, -1, &from, NULL) != SQLITE_OK)
                return 1;
        for (int i = 1; i < sqlite3_column_count(from); i++)
                strcat(places, ",?");
        snprintf(sql, sizeof(sql), "INSERT OR IGNORE INTO %s VALUES (%s)", table, places);
        r = database_prepare(d, sql, &to);
        while (r == 0 && (rc = sqlite3_step(from)) != SQLITE_DONE)
                r = rc == SQLITE_ROW ? insert_row(d, from, to, n) : 1;
        sqlite3_finalize(from);
        sqlite3_finalize(to);
        return r;
}

static int copy_meta(Database *d, sqlite3 *aside) {
        sqlite3_stmt *from = NULL, *to = NULL;
        size_t n = 0;

        int r = database_prepare(d, "UPDATE meta SET value = CASE key WHEN 'begun' THEN min(value, ?2) ELSE max(value, ?2) END "
                                 "WHERE key = ?1", &to);
        if (r == 0 && sqlite3_prepare_v2(aside, "SELECT key, value FROM meta", -1, &from, NULL) == SQLITE_OK)
                while (r == 0 && sqlite3_step(from) == SQLITE_ROW)
                        r = insert_row(d, from, to, &n);
        sqlite3_finalize(from);
        sqlite3_finalize(to);
        return r;
}

/* Spend whose names are lost still counts; and no lost number must come to mean something else. */
static int mend(Database *d) {
        static const char sql[] =
                "INSERT OR IGNORE INTO name (text) VALUES ('(lost)');"
                "INSERT OR IGNORE INTO kind SELECT DISTINCT kind, l.id, l.id, l.id, l.id, -kind FROM (SELECT kind FROM hour UNION "
                "SELECT kind FROM day UNION SELECT kind FROM month), name AS l WHERE l.text = '(lost)' AND kind NOT IN (SELECT id FROM "
                "kind);"
                "INSERT OR IGNORE INTO name SELECT n, '(lost ' || n || ')' FROM (SELECT service AS n FROM kind UNION SELECT node FROM "
                "kind UNION SELECT provider FROM kind UNION SELECT operation FROM kind) WHERE n NOT IN (SELECT id FROM name);";

        return database_execute(d, sql);
}

static int copy_all(Database *d, sqlite3 *aside, size_t *n) {
        int r = copy_meta(d, aside);

        for (size_t i = 0; i < ELEMENTSOF(tables) && r >= 0; i++) {
                r = copy_rows(d, aside, tables[i].table, tables[i].forward, n);
                if (r > 0)
                        r = copy_rows(d, aside, tables[i].table, tables[i].backward, n);
        }
        return r < 0 ? r : mend(d);
}

static bool is_of_this_version(sqlite3 *aside) {
        sqlite3_stmt *s = NULL;
        bool same = sqlite3_prepare_v2(aside, "PRAGMA user_version", -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW &&
                    sqlite3_column_int(s, 0) == LEDGER_VERSION;

        sqlite3_finalize(s);
        return same;
}

int database_salvage(Database *d) {
        char path[PATH_MAX];
        sqlite3 *aside = NULL;
        size_t n = 0;
        int r = 0;

        d->to_salvage = false;
        if (database_path(d, d->aside_name, path) == 0 &&
            sqlite3_open_v2(path, &aside, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK && is_of_this_version(aside)) {
                r = database_begin(d);
                if (r == 0)
                        r = database_end(d, copy_all(d, aside, &n));
                size_t length = strlen(d->aside);
                snprintf(d->aside + length, sizeof(d->aside) - length, " with %zu rows of it", n);
        }
        sqlite3_close_v2(aside);
        return r ?: database_read_state(d);
}
