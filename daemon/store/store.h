/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must survive a restart: the ledger (what every call cost), scenarios with their timelines, and documents by name
 * (registrations, learned state). A table of functions, so that another engine can hold it all without touching the rest.
 *
 * Writing never waits. What is put is copied into the generation that is gathering; a thread of the store's writes one
 * generation at a time, all or nothing, and then says so on a descriptor. Who must not answer before something is on the
 * disk keeps the generation that putting it returned, says that somebody waits for it (hurry), and answers once it is
 * released.
 *
 * A disk that is full, gone, locked or hanging stops nobody: what is put waits in memory (bounded: calls are added up, a
 * document replaces the one before it), the status tells the trouble, and it is written as soon as that is possible.
 * While there is trouble, generations are released though they are not committed, so that nobody waits for what may
 * never come.
 *
 * Generations are numbered through all restarts: the number of the last one is committed with it, and the next run
 * begins behind it (and not before the clock's microseconds, so that no number comes again if the ledger is lost).
 *
 * One thread calls these functions, the event loop's.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "daemon/core/router.h"

#define STORE_DOCUMENT_MAX (64u << 20) /* bytes */
#define STORE_NAME_MAX 255             /* bytes, of any name in it */

typedef struct Store Store;

/* What one call adds to the books. */
typedef struct StoreCall {
        const char *service, *node, *operation; /* node: "service/id"; operation: "" where none was named */
        const char *provider;
        CostTier tier;
        Verdict verdict;
        Money cost;       /* what was charged */
        Money usual_cost; /* what the configured weights alone would have led to */
        Units units;
        uint64_t utc_ns;  /* when it was settled */
        uint64_t serial;  /* rising by one with each call put, through all restarts; 0: not numbered */
} StoreCall;

/* The sums of a group of calls; which of the names are set follows from the question. */
typedef struct StoreSum {
        const char *service, *node, *operation, *provider; /* NULL: not grouped by it */
        int tier;              /* a CostTier, or -1 */
        uint64_t start_utc_ns; /* of the hour, day or month (UTC); 0: not by time */
        uint64_t calls;        /* all but those that were never sent */
        uint64_t failures;     /* see verdict_is_failure() */
        uint64_t verdicts[_PM_VERDICT_MAX];
        Money cost, usual_cost;
        Units units;
} StoreSum;

enum {
        STORE_BY_SERVICE = 1 << 0,
        STORE_BY_NODE = 1 << 1,
        STORE_BY_OPERATION = 1 << 2,
        STORE_BY_PROVIDER = 1 << 3,
        STORE_BY_TIER = 1 << 4,
        STORE_BY_HOUR = 1 << 5, /* at most one of the three */
        STORE_BY_DAY = 1 << 6,
        STORE_BY_MONTH = 1 << 7,
};

/*
 * The ledger knows whole hours: both times are taken down to the full hour, but that `to` reaches to the end of the hour
 * that it is in. Where hours are not kept any more, days answer, and then months, each as a whole.
 */
typedef struct StoreQuestion {
        uint64_t from_utc_ns, to_utc_ns; /* to: excluded */
        unsigned by;                     /* STORE_BY_… */
        size_t max;                      /* groups; more of them: -E2BIG */
} StoreQuestion;

/* r < 0: there is no answer. sums (with everything they point to) are the callee's only during the call. In order of time. */
typedef void (*StoreAnswer)(void *userdata, int r, const StoreSum *sums, size_t n);

typedef void (*StoreScenarioVisit)(void *userdata, const ScenarioView *scenario);

typedef struct StoreStatus {
        int error;               /* negative errno; 0: all is well. -EBUSY: another process holds the lock,
                                    -ETIMEDOUT: the disk does not answer, -EUCLEAN: it was damaged and could not be set
                                    aside, -EPROTO: a newer version of the program wrote it */
        char trouble[256];       /* a sentence about it, or about what was set aside; "": nothing to say */
        bool opened;             /* what earlier runs committed is known, and so are: */
        uint64_t begun_utc_ns;   /* nothing older is in it */
        uint64_t hours_from_utc_ns, days_from_utc_ns; /* what is older is kept as days, and as months */
        uint64_t committed;      /* generation */
        uint64_t commits, calls; /* since the start */
        uint64_t lost;           /* calls that could be neither written nor kept */
        uint64_t size;           /* bytes on the disk */
} StoreStatus;

typedef struct StoreLimits {
        uint64_t patience_ns;   /* a disk that has not answered for so long is trouble */
        uint64_t keep_hours_ns; /* spend by the hour is kept for so long … */
        uint64_t keep_days_ns;  /* … by the day, and scenarios that are over, for so long (but not less); by the month for ever */
} StoreLimits;

typedef struct StoreFunctions {
        /* ---- at the start, waiting for the disk (-ETIMEDOUT: not for ever); afterwards only the others ---- */

        /* The whole text, with a NUL behind it, to be freed. -ENOENT: there is none. -EFBIG: over the limit. */
        int (*read)(Store *s, const char *name, char **ret, size_t *ret_size);
        /* Keeps what cannot be understood under another name, which goes to ret_where (to be freed); then there is none. */
        int (*set_aside)(Store *s, const char *name, char **ret_where);
        /* Answers before it returns. */
        int (*sums)(Store *s, const StoreQuestion *q, StoreAnswer answer, void *userdata);
        /* The scenarios that are live or were resolved since then, at most so many of the latest, in the order in which they
         * began. impact.lasted_ns is up to the last update. */
        int (*scenarios)(Store *s, uint64_t since_utc_ns, size_t max, StoreScenarioVisit visit, void *userdata);

        /* ---- at any time, never waiting; each returns the generation (> 0) in which it will be committed ---- */

        uint64_t (*put_call)(Store *s, const StoreCall *call);
        /* Replaces the whole document. text NULL: removes it. 0: no memory, and nothing was put. */
        uint64_t (*put_document)(Store *s, const char *name, const char *text, size_t n);
        /* Replaces what there is of the scenario with that id, timeline and all. 0: no memory, and nothing was put. */
        uint64_t (*put_scenario)(Store *s, const ScenarioView *scenario);
        /* Somebody waits for that generation: it is written as soon as may be, and not only with what else gathers. */
        void (*hurry)(Store *s, uint64_t generation);
        /* The newest generation that is committed: whatever was put up to there will be found after a crash. */
        uint64_t (*committed)(Store *s);
        /* The highest serial among the calls that are committed, in this run or an earlier one: all up to there are in
         * the books (or were lost, and counted so). 0: none, or not known yet (see StoreStatus.opened). */
        uint64_t (*committed_call)(Store *s);
        /* The newest generation that nobody has to wait for any more: committed, or given up waiting for in trouble. */
        uint64_t (*released)(Store *s);
        /* Readable when a generation was released, the status changed or a question was answered; dispatch then. */
        int (*fd)(Store *s);
        void (*dispatch)(Store *s);
        /* The answer comes from dispatch, with all that was put before the question; -ECANCELED if the store ends first. */
        int (*ask)(Store *s, const StoreQuestion *q, StoreAnswer answer, void *userdata);
        void (*status)(Store *s, StoreStatus *ret);
        void (*set_limits)(Store *s, const StoreLimits *limits);

        /* Writes what waits, in bounded time. */
        void (*free)(Store *s);
} StoreFunctions;

struct Store {
        const StoreFunctions *functions;
};

/*
 * In an SQLite database, ledger.db in that folder (made when it is needed); see docs/ledger.md. Fails only for want of
 * memory or threads: whether the folder can be used is found out by the thread.
 */
int store_sqlite_new(Store **ret, const char *folder, const StoreLimits *limits);

static inline Store *store_free(Store *s) {
        if (s)
                s->functions->free(s);
        return NULL;
}
