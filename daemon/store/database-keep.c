/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be done now and then, a little at a time, so that what is new does not wait for it. */
#include <errno.h>
#include <time.h>

#include "basic/macro.h"
#include "daemon/store/database.h"

/* Pages that are free are used again. So many of them, and so large a part of the file, are too many. */
#define FREE_PAGES_KEPT 256
#define FREE_SHARE_KEPT 4
#define PAGES_AT_ONCE "256"
#define ROWS_AT_ONCE 2000
/* The write-ahead log is carried over when it has so many. */
#define LOG_PAGES 1000

int64_t start_of_month(int64_t t, int months) {
        time_t time = (time_t) t;
        struct tm tm;

        gmtime_r(&time, &tm);
        tm = (struct tm) { .tm_year = tm.tm_year, .tm_mon = tm.tm_mon + months, .tm_mday = 1 };
        return timegm(&tm);
}

/* Whole hours or days, the oldest first. */
static int drop_some(Database *d, Statement which, int64_t before) {
        int r = 0, n = 0, dropped = 1;

        for (; r == 0 && dropped > 0 && n < ROWS_AT_ONCE; n += dropped) {
                sqlite3_bind_int64(d->statements[which], 1, before);
                r = database_run(d, which);
                dropped = sqlite3_changes(d->db);
        }
        if (n >= ROWS_AT_ONCE)
                d->dropping = true;
        return r;
}

/* From now on what is older is not looked at, whether it is gone yet or not. */
static int move_edges(Database *d, int64_t hours_from, int64_t days_from) {
        int r = database_write_meta(d, "hours_from", (uint64_t) hours_from);

        if (r == 0)
                r = database_write_meta(d, "days_from", (uint64_t) days_from);
        sqlite3_bind_int64(d->statements[STATEMENT_DROP_SCENARIOS], 1, days_from * 1000);
        if (r == 0)
                r = database_run(d, STATEMENT_DROP_SCENARIOS);
        if (r == 0)
                r = database_run(d, STATEMENT_DROP_SCENARIO_NODES);
        return r ?: database_run(d, STATEMENT_DROP_TIMELINE);
}

static int give_back(Database *d) {
        int64_t pages = 0, unused = 0;

        int r = database_read_number(d, "PRAGMA freelist_count", &unused);
        if (r == 0)
                r = database_read_number(d, "PRAGMA page_count", &pages);
        if (r < 0 || unused <= FREE_PAGES_KEPT || unused * FREE_SHARE_KEPT <= pages)
                return r;
        d->dropping = true;
        return database_execute(d, "PRAGMA incremental_vacuum(" PAGES_AT_ONCE ")");
}

static int64_t seconds_before(uint64_t utc_ns, uint64_t ns) {
        return (int64_t) ((utc_ns - MIN(utc_ns, ns)) / NSEC_PER_SEC);
}

static int drop_old(Database *d, uint64_t utc_ns, const StoreLimits *limits) {
        int64_t hours_from = start_of(seconds_before(utc_ns, limits->keep_hours_ns), DAY_S);
        int64_t days_from = start_of_month(seconds_before(utc_ns, limits->keep_days_ns), 0);

        hours_from = MAX(hours_from, d->hours_from);
        days_from = MAX(MIN(days_from, start_of_month(hours_from, 0)), d->days_from);
        bool moved = hours_from > d->hours_from || days_from > d->days_from;
        if (!moved && !d->dropping)
                return 0;

        d->dropping = false;
        int r = database_begin(d);
        if (r == 0 && moved)
                r = move_edges(d, hours_from, days_from);
        if (r == 0)
                r = drop_some(d, STATEMENT_DROP_HOURS, hours_from);
        if (r == 0)
                r = drop_some(d, STATEMENT_DROP_DAYS, days_from);
        r = database_end(d, r);
        if (r == 0) {
                d->hours_from = hours_from;
                d->days_from = days_from;
                if (!d->dropping)
                        r = give_back(d);
        } else
                d->dropping = true;
        return r < 0 ? r : d->dropping;
}

/* As far as nobody is reading what it would write over. */
static int carry_log_over(Database *d) {
        if (d->log_pages < LOG_PAGES)
                return 0;
        d->log_pages = 0;
        int rc = sqlite3_wal_checkpoint_v2(d->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
        return rc == SQLITE_OK || rc == SQLITE_BUSY ? 0 : database_error(d, rc, "Cannot carry the log over");
}

int database_tidy(Database *d, uint64_t utc_ns, const StoreLimits *limits) {
        return carry_log_over(d) ?: drop_old(d, utc_ns, limits);
}
