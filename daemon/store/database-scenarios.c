/* SPDX-License-Identifier: Apache-2.0 */
/* Scenarios as rows, their nodes and timelines as rows of their own. Words as in the API, times in milliseconds. */
#include <errno.h>

#include "basic/macro.h"
#include "daemon/store/database.h"

/* ---- writing ---- */

static void bind_word(sqlite3_stmt *s, int place, const EnumNames *names, int value) {
        sqlite3_bind_text(s, place, enum_to_string(names, value) ?: "", -1, SQLITE_STATIC);
}

static void bind_ms(sqlite3_stmt *s, int place, uint64_t utc_ns) {
        if (utc_ns > 0)
                sqlite3_bind_int64(s, place, (int64_t) (utc_ns / NSEC_PER_MSEC));
        else
                sqlite3_bind_null(s, place);
}

static void bind_scenario(sqlite3_stmt *s, const ScenarioView *v) {
        int i = 1;

        sqlite3_bind_text(s, i++, v->id, -1, SQLITE_STATIC);
        bind_word(s, i++, &scenario_type_names, (int) v->type);
        sqlite3_bind_text(s, i++, v->service_name, -1, SQLITE_STATIC);
        bind_word(s, i++, &severity_names, (int) v->severity);
        bind_word(s, i++, &scenario_state_names, (int) v->state);
        bind_word(s, i++, &optimization_strategy_names, (int) v->optimization_strategy);
        sqlite3_bind_int(s, i++, v->declared);
        bind_ms(s, i++, v->started_utc_ns);
        bind_ms(s, i++, v->updated_utc_ns);
        bind_ms(s, i++, v->resolved_utc_ns);
        sqlite3_bind_text(s, i++, v->reason, -1, SQLITE_STATIC);
        sqlite3_bind_int64(s, i++, (int64_t) v->impact.failed_calls);
        sqlite3_bind_int64(s, i++, (int64_t) v->impact.diverted_calls);
        sqlite3_bind_int64(s, i++, v->impact.revenue_at_risk);
        sqlite3_bind_int64(s, i++, v->impact.extra_cost);
}

static int remove_parts(Database *d, Statement which, const char *id) {
        sqlite3_bind_text(d->statements[which], 1, id, -1, SQLITE_STATIC);
        return database_run(d, which);
}

static int add_node(Database *d, const char *id, int number, const char *node) {
        sqlite3_stmt *s = d->statements[STATEMENT_ADD_SCENARIO_NODE];

        sqlite3_bind_text(s, 1, id, -1, SQLITE_STATIC);
        sqlite3_bind_int(s, 2, number);
        sqlite3_bind_text(s, 3, node, -1, SQLITE_STATIC);
        return database_run(d, STATEMENT_ADD_SCENARIO_NODE);
}

static int add_step(Database *d, const char *id, int number, const TimelineEntry *t) {
        sqlite3_stmt *s = d->statements[STATEMENT_ADD_TIMELINE];

        sqlite3_bind_text(s, 1, id, -1, SQLITE_STATIC);
        sqlite3_bind_int(s, 2, number);
        sqlite3_bind_int64(s, 3, (int64_t) (t->at_utc_ns / NSEC_PER_MSEC));
        sqlite3_bind_text(s, 4, t->step, -1, SQLITE_STATIC);
        sqlite3_bind_text(s, 5, t->message, -1, SQLITE_STATIC);
        return database_run(d, STATEMENT_ADD_TIMELINE);
}

int database_write_scenario(Database *d, const ScenarioView *v) {
        bind_scenario(d->statements[STATEMENT_WRITE_SCENARIO], v);
        int r = database_run(d, STATEMENT_WRITE_SCENARIO);
        if (r == 0)
                r = remove_parts(d, STATEMENT_REMOVE_SCENARIO_NODES, v->id);
        if (r == 0)
                r = remove_parts(d, STATEMENT_REMOVE_TIMELINE, v->id);
        for (size_t i = 0; i < v->n_nodes && r == 0; i++)
                r = add_node(d, v->id, (int) i, v->nodes[i]);
        for (size_t i = 0; i < v->n_timeline && r == 0; i++)
                r = add_step(d, v->id, (int) i, &v->timeline[i]);
        return r;
}

/* ---- reading ---- */

static void copy_text(char *to, size_t size, sqlite3_stmt *s, int column) {
        const char *text = (const char *) sqlite3_column_text(s, column);

        snprintf(to, size, "%s", text ?: "");
}

/* A word that this version does not know is taken as the first one. */
static int read_word(sqlite3_stmt *s, int column, const EnumNames *names) {
        const char *text = (const char *) sqlite3_column_text(s, column);
        int value = text ? enum_from_string(names, text) : -1;

        return MAX(value, 0);
}

static uint64_t read_ms(sqlite3_stmt *s, int column) {
        return (uint64_t) sqlite3_column_int64(s, column) * NSEC_PER_MSEC;
}

static void read_scenario(sqlite3_stmt *s, ScenarioCopy *ret) {
        ScenarioView *v = &ret->view;
        int i = 0;

        copy_text(ret->id, sizeof(ret->id), s, i++);
        v->type = (ScenarioType) read_word(s, i++, &scenario_type_names);
        copy_text(ret->service_name, sizeof(ret->service_name), s, i++);
        v->severity = (Severity) read_word(s, i++, &severity_names);
        v->state = (ScenarioState) read_word(s, i++, &scenario_state_names);
        v->optimization_strategy = (OptimizationStrategy) read_word(s, i++, &optimization_strategy_names);
        v->declared = sqlite3_column_int(s, i++);
        v->started_utc_ns = read_ms(s, i++);
        v->updated_utc_ns = read_ms(s, i++);
        v->resolved_utc_ns = read_ms(s, i++);
        copy_text(ret->reason, sizeof(ret->reason), s, i++);
        v->impact.failed_calls = (uint64_t) sqlite3_column_int64(s, i++);
        v->impact.diverted_calls = (uint64_t) sqlite3_column_int64(s, i++);
        v->impact.revenue_at_risk = sqlite3_column_int64(s, i++);
        v->impact.extra_cost = sqlite3_column_int64(s, i++);
        uint64_t end_ns = v->resolved_utc_ns ?: v->updated_utc_ns;
        v->impact.lasted_ns = end_ns > v->started_utc_ns ? end_ns - v->started_utc_ns : 0;
}

static void read_node(sqlite3_stmt *s, ScenarioCopy *c) {
        copy_text(c->nodes[c->view.n_nodes++], sizeof(c->nodes[0]), s, 0);
}

static void read_step(sqlite3_stmt *s, ScenarioCopy *c) {
        size_t i = c->view.n_timeline++;

        c->timeline[i].at_utc_ns = read_ms(s, 0);
        copy_text(c->steps[i], sizeof(c->steps[i]), s, 1);
        copy_text(c->timeline[i].message, sizeof(c->timeline[i].message), s, 2);
}

static int read_parts(Database *d, Statement which, ScenarioCopy *c, const size_t *n, size_t max,
                      void (*read_part)(sqlite3_stmt *s, ScenarioCopy *c)) {
        sqlite3_stmt *s = d->statements[which];
        int rc;

        sqlite3_bind_text(s, 1, c->id, -1, SQLITE_STATIC);
        while ((rc = sqlite3_step(s)) == SQLITE_ROW && *n < max)
                read_part(s, c);
        int r = rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : database_error(d, rc, "Cannot read it");
        sqlite3_reset(s);
        return r;
}

static int read_all(Database *d, Arena *arena, size_t max, ScenarioCopy **ret, size_t *ret_n) {
        sqlite3_stmt *s = d->statements[STATEMENT_READ_SCENARIOS];
        ScenarioCopy *copies = arena_alloc(arena, max, sizeof(ScenarioCopy));
        size_t n = 0;
        int r = 0, rc;

        if (!copies)
                return -ENOMEM;
        while (r == 0 && n < max && (rc = sqlite3_step(s)) != SQLITE_DONE) {
                ScenarioCopy *c = &copies[n];
                if (rc != SQLITE_ROW)
                        return database_error(d, rc, "Cannot read it");
                read_scenario(s, c);
                r = read_parts(d, STATEMENT_READ_SCENARIO_NODES, c, &c->view.n_nodes, SCENARIO_NODES_MAX, read_node);
                if (r == 0)
                        r = read_parts(d, STATEMENT_READ_TIMELINE, c, &c->view.n_timeline, TIMELINE_MAX, read_step);
                scenario_copy_link(c);
                n++;
        }
        *ret = copies;
        *ret_n = n;
        return r;
}

int database_scenarios(Database *d, uint64_t since_utc_ns, size_t max, Arena *arena, ScenarioCopy **ret, size_t *ret_n) {
        sqlite3_stmt *s = d->statements[STATEMENT_READ_SCENARIOS];

        sqlite3_bind_int64(s, 1, (int64_t) (since_utc_ns / NSEC_PER_MSEC));
        sqlite3_bind_int64(s, 2, (int64_t) max);
        int r = read_all(d, arena, max, ret, ret_n);
        sqlite3_reset(s);
        return r;
}
