/* SPDX-License-Identifier: Apache-2.0 */
/* What was spent: whole months, whole days and hours that cover the time in question between them, added up by what is asked for. */
#include <errno.h>

#include "basic/macro.h"
#include "daemon/store/database.h"

#define PIECES_MAX 5 /* hours, days, months, days, hours */
#define SQL_MAX 4096
#define TIME_MAX INT64_C(253402300800) /* the year 10000 */

typedef enum Level { LEVEL_HOUR, LEVEL_DAY, LEVEL_MONTH } Level;
static const char *const tables[] = { "hour", "day", "month" };

typedef struct Piece {
        Level level;
        int64_t from, to;
} Piece;

typedef struct Query {
        Piece pieces[PIECES_MAX];
        size_t n_pieces;
        char sql[SQL_MAX];
        size_t n_sql;
} Query;

/* ---- which rows ---- */

static void add_piece(Query *q, Level level, int64_t from, int64_t to) {
        if (q->n_pieces > 0 && q->pieces[q->n_pieces - 1].level == level)
                q->pieces[q->n_pieces - 1].to = to;
        else
                q->pieces[q->n_pieces++] = (Piece) { level, from, to };
}

/* The coarsest rows that fit, where they may be used. */
static void cover(Query *q, int64_t from, int64_t to, Level coarsest) {
        for (int64_t t = from, next; t < to; t = next) {
                Level level = LEVEL_HOUR;

                if (coarsest == LEVEL_MONTH && t == start_of_month(t, 0) && start_of_month(t, 1) <= to) {
                        level = LEVEL_MONTH;
                        next = start_of_month(t, 1);
                } else if (coarsest >= LEVEL_DAY && t % DAY_S == 0 && t + DAY_S <= to) {
                        level = LEVEL_DAY;
                        next = t + DAY_S;
                } else
                        next = coarsest == LEVEL_HOUR ? to : MIN(to, start_of(t, DAY_S) + DAY_S);
                add_piece(q, level, t, next);
        }
}

/* Beyond what is kept of hours and days a time is taken to where the coarser rows begin. */
static int64_t widen(int64_t t, bool up, int64_t hours_from, int64_t days_from) {
        int64_t start;

        if (t >= hours_from)
                return t;
        start = t < days_from ? start_of_month(t, 0) : start_of(t, DAY_S);
        if (!up || start == t)
                return start;
        return t < days_from ? start_of_month(t, 1) : start + DAY_S;
}

static int64_t seconds_of(uint64_t utc_ns) {
        return MIN((int64_t) (utc_ns / NSEC_PER_SEC), TIME_MAX);
}

/* ---- the statement ---- */

_printf_(2, 3) static void say(Query *q, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        q->n_sql += (size_t) vsnprintf(q->sql + q->n_sql, SQL_MAX - q->n_sql, format, ap);
        va_end(ap);
}

static const struct {
        unsigned by;
        const char *column;
} groups[] = {
        { STORE_BY_SERVICE, "service" }, { STORE_BY_NODE, "node" }, { STORE_BY_OPERATION, "operation" },
        { STORE_BY_PROVIDER, "provider" }, { STORE_BY_TIER, "tier" },
};

static void say_sums(Query *q, const char *before, const char *after) {
        static const char *const columns[] = { "cost", "usual_cost", "units" };

        for (size_t i = 0; i < ELEMENTSOF(columns); i++)
                say(q, ", %s%s%s", before, columns[i], after);
        for (int v = 0; v < _PM_VERDICT_MAX; v++)
                say(q, ", %s%s%s", before, enum_to_string(&verdict_names, v), after);
}

/* Columns: time, the five of groups[], the sums. */
static void build(Query *q, unsigned by) {
        say(q, "SELECT %s AS at", by & STORE_BY_MONTH ? "unixepoch(start, 'unixepoch', 'start of month')" :
            by & STORE_BY_DAY ? "start - start % 86400" : by & STORE_BY_HOUR ? "start" : "0");
        for (size_t i = 0; i < ELEMENTSOF(groups); i++)
                if (!(by & groups[i].by))
                        say(q, ", NULL");
                else if (groups[i].by == STORE_BY_TIER)
                        say(q, ", tier");
                else
                        say(q, ", (SELECT text FROM name WHERE id = kind.%s)", groups[i].column);
        say_sums(q, "sum_up(", ")");
        say(q, " FROM (");
        for (size_t i = 0; i < q->n_pieces; i++) {
                say(q, "%sSELECT start, kind", i ? " UNION ALL " : "");
                say_sums(q, "", "");
                say(q, " FROM %s WHERE start >= ? AND start < ?", tables[q->pieces[i].level]);
        }
        say(q, ") AS part JOIN kind ON kind.id = part.kind GROUP BY at");
        for (size_t i = 0; i < ELEMENTSOF(groups); i++)
                if (by & groups[i].by)
                        say(q, ", kind.%s", groups[i].column);
        say(q, " ORDER BY at LIMIT ?");
}

/* ---- the answer ---- */

static const char *copy_text(sqlite3_stmt *s, int column, Arena *arena) {
        const char *text = (const char *) sqlite3_column_text(s, column);
        size_t n = (size_t) sqlite3_column_bytes(s, column);
        char *copy = text ? arena_alloc(arena, n + 1, 1) : NULL;

        if (copy)
                memcpy(copy, text, n);
        return copy;
}

static void read_sums(sqlite3_stmt *s, int column, StoreSum *ret) {
        ret->cost = sqlite3_column_int64(s, column++);
        ret->usual_cost = sqlite3_column_int64(s, column++);
        ret->units = sqlite3_column_int64(s, column++);
        for (int v = 0; v < _PM_VERDICT_MAX; v++) {
                ret->verdicts[v] = (uint64_t) sqlite3_column_int64(s, column++);
                ret->calls += v == PM_NOT_SENT ? 0 : ret->verdicts[v];
                ret->failures += verdict_is_failure((Verdict) v) ? ret->verdicts[v] : 0;
        }
}

static int read_row(sqlite3_stmt *s, unsigned by, Arena *arena, StoreSum *ret) {
        const char **const texts[] = { &ret->service, &ret->node, &ret->operation, &ret->provider };

        *ret = (StoreSum) { .start_utc_ns = (uint64_t) sqlite3_column_int64(s, 0) * NSEC_PER_SEC, .tier = -1 };
        for (int i = 0; i < (int) ELEMENTSOF(texts); i++)
                if (by & groups[i].by) {
                        *texts[i] = copy_text(s, i + 1, arena);
                        if (!*texts[i])
                                return -ENOMEM;
                }
        if (by & STORE_BY_TIER)
                ret->tier = CLAMP(sqlite3_column_int(s, 5), 0, _COST_TIER_MAX - 1);
        read_sums(s, 6, ret);
        return 0;
}

static int read_rows(Database *d, sqlite3_stmt *s, const StoreQuestion *question, Arena *arena, StoreSum **ret, size_t *ret_n) {
        StoreSum *sums = NULL;
        size_t n = 0, allocated = 0;
        int rc;

        while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
                if (n == question->max)
                        return -E2BIG;
                if (n == allocated) {
                        allocated = MAX(2 * allocated, (size_t) 64);
                        StoreSum *more = arena_alloc(arena, allocated, sizeof(StoreSum));
                        if (!more)
                                return -ENOMEM;
                        if (n > 0)
                                memcpy(more, sums, n * sizeof(StoreSum));
                        sums = more;
                }
                int r = read_row(s, question->by, arena, &sums[n++]);
                if (r < 0)
                        return r;
        }
        if (rc != SQLITE_DONE)
                return database_error(d, rc, "Cannot read it");
        *ret = sums;
        *ret_n = n;
        return 0;
}

int database_sums(Database *d, const StoreQuestion *question, Arena *arena, StoreSum **ret, size_t *ret_n) {
        Level coarsest = question->by & STORE_BY_HOUR ? LEVEL_HOUR : question->by & STORE_BY_DAY ? LEVEL_DAY : LEVEL_MONTH;
        int64_t from = start_of(seconds_of(question->from_utc_ns), HOUR_S);
        int64_t to = start_of(seconds_of(question->to_utc_ns - (question->to_utc_ns > 0)) + HOUR_S, HOUR_S);
        sqlite3_stmt *s = NULL;
        Query q = {};

        cover(&q, widen(from, false, d->hours_from, d->days_from), widen(to, true, d->hours_from, d->days_from), coarsest);
        if (q.n_pieces == 0) {
                *ret = NULL;
                *ret_n = 0;
                return 0;
        }
        build(&q, question->by);
        int r = database_prepare(d, q.sql, &s), place = 1;
        if (r < 0)
                return r;
        for (size_t i = 0; i < q.n_pieces; i++) {
                sqlite3_bind_int64(s, place++, q.pieces[i].from);
                sqlite3_bind_int64(s, place++, q.pieces[i].to);
        }
        sqlite3_bind_int64(s, place, question->max < INT64_MAX ? (int64_t) question->max + 1 : INT64_MAX);
        r = read_rows(d, s, question, arena, ret, ret_n);
        sqlite3_finalize(s);
        return r;
}
