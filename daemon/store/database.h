/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger's file: an SQLite database that is opened, found damaged, set aside and begun anew. All of it waits for the
 * disk; one thread uses it. What it looks like inside is said in docs/ledger.md.
 */
#pragma once

#include <limits.h>
#include <sqlite3.h>
#include <sys/types.h>

#include "basic/arena.h"
#include "daemon/store/gather.h"

#define LEDGER_FILE "ledger.db"
#define ASIDE_NAME_MAX 64

typedef enum Statement {
        STATEMENT_BEGIN,
        STATEMENT_COMMIT,
        STATEMENT_ROLLBACK,
        STATEMENT_READ_META,
        STATEMENT_WRITE_META,
        STATEMENT_ADD_NAME,
        STATEMENT_FIND_KIND,
        STATEMENT_ADD_KIND,
        STATEMENT_ADD_HOUR,
        STATEMENT_ADD_DAY,
        STATEMENT_ADD_MONTH,
        STATEMENT_READ_DOCUMENT,
        STATEMENT_WRITE_DOCUMENT,
        STATEMENT_REMOVE_DOCUMENT,
        STATEMENT_RENAME_DOCUMENT,
        STATEMENT_WRITE_SCENARIO,
        STATEMENT_REMOVE_SCENARIO_NODES,
        STATEMENT_ADD_SCENARIO_NODE,
        STATEMENT_REMOVE_TIMELINE,
        STATEMENT_ADD_TIMELINE,
        STATEMENT_READ_SCENARIOS,
        STATEMENT_READ_SCENARIO_NODES,
        STATEMENT_READ_TIMELINE,
        STATEMENT_DROP_HOURS,
        STATEMENT_DROP_DAYS,
        STATEMENT_DROP_SCENARIOS,
        STATEMENT_DROP_SCENARIO_NODES,
        STATEMENT_DROP_TIMELINE,
        _STATEMENT_MAX
} Statement;

typedef struct Database {
        char *folder;
        int folder_fd; /* locked, so that no other process writes */
        sqlite3 *db;   /* NULL: not open */
        sqlite3_stmt *statements[_STATEMENT_MAX];
        bool damaged;      /* to be set aside before it is opened again */
        bool doubted;      /* to be looked at whole when it is opened again */
        bool fresh;        /* begun in place of another, and nothing was written yet */
        bool to_salvage;   /* what can be read of aside_name belongs into the new one */
        bool only_reading; /* open, but the disk can only be read */
        sqlite3 *lost;     /* open, but its file was taken away */
        ino_t log;         /* of the write-ahead log that we use */
        char aside_name[ASIDE_NAME_MAX];
        char note[256];  /* a sentence about the last trouble */
        char aside[256]; /* about what was set aside; "": nothing was */

        /* Of the last one committed, once it is open. */
        uint64_t generation, serial;
        int64_t begun, hours_from, days_from; /* what is older is kept not at all, as days, as months */
        bool dropping;  /* there may be more to drop */
        int log_pages;  /* in the write-ahead log */
} Database;

int database_init(Database *d, const char *folder);
void database_done(Database *d);

/* Opens it if it is not open; one that is damaged is set aside, and a new one is begun. Errors as in StoreStatus. */
int database_open(Database *d);
/* A generation, all or nothing. */
int database_write(Database *d, const Gather *g);
/* Also when opening has failed because the disk can only be read. */
bool database_can_be_read(const Database *d);
uint64_t database_size(const Database *d);

/* See StoreFunctions. The document may still be a file, NAME.json: that is then taken over, and kept as NAME.json.old. */
int database_read_document(Database *d, const char *name, char **ret, size_t *ret_size);
int database_set_aside_document(Database *d, const char *name, char **ret_where);
/* *ret and what it points to belong to the arena. */
int database_sums(Database *d, const StoreQuestion *q, Arena *arena, StoreSum **ret, size_t *ret_n);
int database_scenarios(Database *d, uint64_t since_utc_ns, size_t max, Arena *arena, ScenarioCopy **ret, size_t *ret_n);

/* What nobody waits for: carries the write-ahead log over when it is long, and drops a part of what is older than the limits,
 * with its pages. 1: there is more to drop. */
int database_tidy(Database *d, uint64_t utc_ns, const StoreLimits *limits);

/* ---- for the parts of it ---- */

#define HOUR_S INT64_C(3600)
#define DAY_S (24 * HOUR_S)

/* When the hour or day began, or the month so many months later; in seconds since 1970, UTC. */
static inline int64_t start_of(int64_t t, int64_t step) {
        return t - t % step;
}
int64_t start_of_month(int64_t t, int months);

/* What an SQLite result means; keeps the message, and closes the database if that is of use. */
int database_error(Database *d, int rc, const char *what);
int database_prepare(Database *d, const char *sql, sqlite3_stmt **ret);
/* Runs a statement that returns no rows, and resets it. */
int database_run(Database *d, Statement s);
int database_execute(Database *d, const char *sql);
/* What a statement returns first, e.g. a PRAGMA. */
int database_read_number(Database *d, const char *sql, int64_t *ret);

/* A transaction: committed if r is 0, else undone, and r is returned. */
int database_begin(Database *d);
int database_end(Database *d, int r);
/* In it. */
int database_write_meta(Database *d, const char *key, uint64_t value);
int database_write_scenario(Database *d, const ScenarioView *v);

void database_finalize(Database *d);
/* The numbers that it keeps of itself. */
int database_read_state(Database *d);
/* Into a new one, what can be read of the one that was set aside. */
int database_salvage(Database *d);

/* ---- database-file.c ---- */

int database_lock_folder(Database *d);
int database_path(const Database *d, const char *name, char path[PATH_MAX]);
/* 1: it was not there. */
int database_make_file(Database *d, char path[PATH_MAX]);
/* False: why not goes to ret_error, and into the note. */
bool database_is_writable(Database *d, int *ret_error);
/* The inode of the write-ahead log beside it; 0: there is none. */
ino_t database_log(const Database *d);
/* Puts what is damaged out of the way. */
int database_set_aside(Database *d);
/* Whether the files are still those that are open. */
bool database_has_moved(Database *d);
int database_let_go(Database *d);
int database_put_back(Database *d);
void database_drop_lost(Database *d);

/* ---- database-schema.c ---- */

#define LEDGER_APPLICATION 0x70746d6e /* "ptmn", see PRAGMA application_id */
#define LEDGER_VERSION 2

extern const char *const statement_texts[_STATEMENT_MAX];
/* Makes what is missing, or brings it to this version. -EPROTO: it is newer; nothing was touched. */
int database_migrate(Database *d);
