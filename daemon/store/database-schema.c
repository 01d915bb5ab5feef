/* SPDX-License-Identifier: Apache-2.0 */
/* What the ledger looks like inside. Whoever changes it raises LEDGER_VERSION, and says how to come there from the version before. */
#include <assert.h>
#include <errno.h>

#include "basic/macro.h"
#include "daemon/store/database.h"

/* A column for each verdict; in the order of the enumeration. */
#define VERDICTS(F) \
        F("ok") F("client_error") F("service_unavailable") F("performance_degradation") F("rate_limit_exceeded") \
        F("authentication_failure") F("network_issue") F("data_corruption") F("budget_exhausted") F("not_sent") F("unknown")
static_assert(_PM_VERDICT_MAX == 11, "a new verdict needs a column, and a migration that adds it");

#define COLUMN(v) v " INTEGER NOT NULL, "
#define SUMS_TABLE(name) \
        "CREATE TABLE " name " (start INTEGER NOT NULL, kind INTEGER NOT NULL REFERENCES kind, cost INTEGER NOT NULL, " \
        "usual_cost INTEGER NOT NULL, units INTEGER NOT NULL, " VERDICTS(COLUMN) "PRIMARY KEY (start, kind)) STRICT, WITHOUT ROWID;"

/* For people: names, dollars and times that can be read. */
#define SHOWN(v) "s." v ", "
#define SUMS_VIEW(name, of, format) \
        "CREATE VIEW " name " AS SELECT strftime('" format "', s.start, 'unixepoch') AS start, service.text AS service, " \
        "node.text AS node, provider.text AS provider, operation.text AS operation, " \
        "CASE kind.tier WHEN 0 THEN 'normal' WHEN 1 THEN 'elevated' ELSE 'emergency' END AS tier, " \
        "s.ok + s.client_error + s.service_unavailable + s.performance_degradation + s.rate_limit_exceeded + " \
        "s.authentication_failure + s.network_issue + s.data_corruption + s.budget_exhausted + s.unknown AS calls, " \
        "s.service_unavailable + s.rate_limit_exceeded + s.authentication_failure + s.network_issue + s.data_corruption + " \
        "s.budget_exhausted AS failures, s.cost / 1e6 AS dollars, (s.usual_cost - s.cost) / 1e6 AS saved_dollars, " \
        VERDICTS(SHOWN) "s.units / 1e6 AS units FROM " of " AS s JOIN kind ON kind.id = s.kind JOIN name AS service ON " \
        "service.id = kind.service JOIN name AS node ON node.id = kind.node JOIN name AS provider ON provider.id = " \
        "kind.provider JOIN name AS operation ON operation.id = kind.operation;"

/* Each step leads from the version before to its own; the first one from nothing. A step that was released never changes. */
static const char version_1[] =
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
        "CREATE TABLE name (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;"
        "CREATE TABLE kind (id INTEGER PRIMARY KEY, service INTEGER NOT NULL REFERENCES name, node INTEGER NOT NULL REFERENCES name, "
        "provider INTEGER NOT NULL REFERENCES name, operation INTEGER NOT NULL REFERENCES name, tier INTEGER NOT NULL, "
        "UNIQUE (node, service, provider, operation, tier)) STRICT;"
        SUMS_TABLE("hour") SUMS_TABLE("day") SUMS_TABLE("month")
        "CREATE TABLE document (name TEXT PRIMARY KEY, written INTEGER NOT NULL, text TEXT NOT NULL) STRICT;"
        "CREATE VIEW document_written AS SELECT name, strftime('%Y-%m-%dT%H:%M:%SZ', written, 'unixepoch') AS written, "
        "length(text) AS characters FROM document;"
        SUMS_VIEW("hourly", "hour", "%Y-%m-%dT%H:00Z") SUMS_VIEW("daily", "day", "%Y-%m-%d") SUMS_VIEW("monthly", "month", "%Y-%m")
        "INSERT INTO meta VALUES ('generation', 0), ('call', 0), ('hours_from', 0), ('days_from', 0), ('begun', unixepoch());";

#define UTC_MS(column) "strftime('%Y-%m-%dT%H:%M:%fZ', " column " / 1000.0, 'unixepoch')"
static const char version_2[] =
        "DROP VIEW document_written;"
        "CREATE VIEW documents AS SELECT name, strftime('%Y-%m-%dT%H:%M:%SZ', written, 'unixepoch') AS written, "
        "length(CAST(text AS BLOB)) AS bytes FROM document;"
        "CREATE TABLE scenario (id TEXT PRIMARY KEY, type TEXT NOT NULL, service TEXT, severity TEXT NOT NULL, state TEXT NOT NULL, "
        "strategy TEXT NOT NULL, declared INTEGER NOT NULL, started_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL, "
        "resolved_ms INTEGER, reason TEXT NOT NULL, failed_calls INTEGER NOT NULL, diverted_calls INTEGER NOT NULL, "
        "revenue_at_risk INTEGER NOT NULL, extra_cost INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
        "CREATE TABLE scenario_node (scenario TEXT NOT NULL REFERENCES scenario, number INTEGER NOT NULL, node TEXT NOT NULL, "
        "PRIMARY KEY (scenario, number)) STRICT, WITHOUT ROWID;"
        "CREATE TABLE timeline (scenario TEXT NOT NULL REFERENCES scenario, number INTEGER NOT NULL, at_ms INTEGER NOT NULL, "
        "step TEXT NOT NULL, message TEXT NOT NULL, PRIMARY KEY (scenario, number)) STRICT, WITHOUT ROWID;"
        "CREATE VIEW scenarios AS SELECT id, type, service, severity, state, strategy, " UTC_MS("started_ms") " AS started, "
        UTC_MS("resolved_ms") " AS resolved, (coalesce(resolved_ms, updated_ms) - started_ms) / 60000.0 AS minutes, reason, failed_calls, "
        "diverted_calls, revenue_at_risk / 1e6 AS dollars_at_risk, extra_cost / 1e6 AS extra_dollars, "
        "(SELECT group_concat(node, ' ') FROM scenario_node WHERE scenario = id) AS nodes FROM scenario;"
        "CREATE VIEW timelines AS SELECT scenario, " UTC_MS("at_ms") " AS at, step, message FROM timeline ORDER BY scenario, number;";

static const char *const versions[] = { version_1, version_2 };
static_assert(ELEMENTSOF(versions) == LEDGER_VERSION, "each version has its step");

/* ---- statements ---- */

#define PLACE(v) ", ?"
#define ADDED(v) ", " v " = " v " + excluded." v
#define ADD_SUMS(name) \
        "INSERT INTO " name " VALUES (?, ?, ?, ?, ?" VERDICTS(PLACE) ") ON CONFLICT DO UPDATE SET cost = add_up(cost, excluded.cost), " \
        "usual_cost = add_up(usual_cost, excluded.usual_cost), units = add_up(units, excluded.units)" VERDICTS(ADDED)
#define NAME(n) "(SELECT id FROM name WHERE text = ?" n ")"

const char *const statement_texts[_STATEMENT_MAX] = {
        [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
        [STATEMENT_COMMIT] = "COMMIT",
        [STATEMENT_ROLLBACK] = "ROLLBACK",
        [STATEMENT_READ_META] = "SELECT value FROM meta WHERE key = ?",
        [STATEMENT_WRITE_META] = "UPDATE meta SET value = ?2 WHERE key = ?1",
        [STATEMENT_ADD_NAME] = "INSERT OR IGNORE INTO name (text) VALUES (?)",
        [STATEMENT_FIND_KIND] = "SELECT id FROM kind WHERE service = " NAME("1") " AND node = " NAME("2") " AND provider = " NAME("3")
                                " AND operation = " NAME("4") " AND tier = ?5",
        [STATEMENT_ADD_KIND] = "INSERT INTO kind (service, node, provider, operation, tier) VALUES (" NAME("1") ", " NAME("2") ", "
                               NAME("3") ", " NAME("4") ", ?5)",
        [STATEMENT_ADD_HOUR] = ADD_SUMS("hour"),
        [STATEMENT_ADD_DAY] = ADD_SUMS("day"),
        [STATEMENT_ADD_MONTH] = ADD_SUMS("month"),
        [STATEMENT_READ_DOCUMENT] = "SELECT text FROM document WHERE name = ?",
        [STATEMENT_WRITE_DOCUMENT] = "INSERT INTO document VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET written = ?2, text = ?3",
        [STATEMENT_REMOVE_DOCUMENT] = "DELETE FROM document WHERE name = ?",
        [STATEMENT_RENAME_DOCUMENT] = "UPDATE document SET name = ?2 WHERE name = ?1",
        [STATEMENT_WRITE_SCENARIO] = "INSERT OR REPLACE INTO scenario VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [STATEMENT_REMOVE_SCENARIO_NODES] = "DELETE FROM scenario_node WHERE scenario = ?",
        [STATEMENT_ADD_SCENARIO_NODE] = "INSERT INTO scenario_node VALUES (?, ?, ?)",
        [STATEMENT_REMOVE_TIMELINE] = "DELETE FROM timeline WHERE scenario = ?",
        [STATEMENT_ADD_TIMELINE] = "INSERT INTO timeline VALUES (?, ?, ?, ?, ?)",
        [STATEMENT_READ_SCENARIOS] = ("SELECT * FROM (SELECT * FROM scenario WHERE resolved_ms IS NULL OR resolved_ms >= ? "
                                      "ORDER BY resolved_ms IS NULL DESC, started_ms DESC LIMIT ?) ORDER BY started_ms"),
        [STATEMENT_READ_SCENARIO_NODES] = "SELECT node FROM scenario_node WHERE scenario = ? ORDER BY number",
        [STATEMENT_READ_TIMELINE] = "SELECT at_ms, step, message FROM timeline WHERE scenario = ? ORDER BY number",
        [STATEMENT_DROP_HOURS] = "DELETE FROM hour WHERE start = (SELECT min(start) FROM hour WHERE start < ?)",
        [STATEMENT_DROP_DAYS] = "DELETE FROM day WHERE start = (SELECT min(start) FROM day WHERE start < ?)",
        [STATEMENT_DROP_SCENARIOS] = "DELETE FROM scenario WHERE resolved_ms < ?",
        [STATEMENT_DROP_SCENARIO_NODES] = "DELETE FROM scenario_node WHERE scenario NOT IN (SELECT id FROM scenario)",
        [STATEMENT_DROP_TIMELINE] = "DELETE FROM timeline WHERE scenario NOT IN (SELECT id FROM scenario)",
};

/* ---- versions ---- */

int database_read_number(Database *d, const char *sql, int64_t *ret) {
        sqlite3_stmt *statement = NULL;
        int r = database_prepare(d, sql, &statement);

        if (r < 0)
                return r;
        int rc = sqlite3_step(statement);
        if (rc == SQLITE_ROW)
                *ret = sqlite3_column_int64(statement, 0);
        else
                r = database_error(d, rc, "Cannot read it");
        sqlite3_finalize(statement);
        return r;
}

/* All of it in one transaction: a kill in between leaves the version before. */
static int step_up(Database *d, int version) {
        char sql[128];

        snprintf(sql, sizeof(sql), "PRAGMA application_id = %d; PRAGMA user_version = %d;", LEDGER_APPLICATION, LEDGER_VERSION);
        int r = database_execute(d, "BEGIN IMMEDIATE");
        for (; version < LEDGER_VERSION && r == 0; version++)
                r = database_execute(d, versions[version]);
        if (r == 0)
                r = database_execute(d, sql);
        return r ?: database_execute(d, "COMMIT");
}

int database_migrate(Database *d) {
        int64_t application = 0, version = 0, tables = 0;

        int r = database_read_number(d, "PRAGMA application_id", &application);
        if (r == 0)
                r = database_read_number(d, "PRAGMA user_version", &version);
        if (r == 0)
                r = database_read_number(d, "SELECT count(*) FROM sqlite_schema", &tables);
        if (r < 0)
                return r;
        bool empty = tables == 0 && application == 0 && version == 0;
        if (!empty && (application != LEDGER_APPLICATION || version < 1)) {
                snprintf(d->note, sizeof(d->note), "It is a database of something else");
                d->damaged = true;
                return -EUCLEAN;
        }
        if (version > LEDGER_VERSION) {
                snprintf(d->note, sizeof(d->note), "Version %lld of the ledger is newer than this program, which knows up to %d; it is left as it is",
                         (long long) version, LEDGER_VERSION);
                return -EPROTO;
        }
        /* Possible before there are tables, and a write in any case. */
        if (empty)
                r = database_execute(d, "PRAGMA auto_vacuum = INCREMENTAL");
        return r == 0 && version < LEDGER_VERSION ? step_up(d, (int) version) : r;
}
