/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the store on SQLite share: see store-sqlite.c. */
#pragma once

#include <pthread.h>

#include "basic/clock.h"
#include "daemon/store/database.h"

typedef enum RequestType { REQUEST_READ, REQUEST_SET_ASIDE, REQUEST_SUMS, REQUEST_SCENARIOS } RequestType;

/* Something to be read, and what came of it. */
typedef struct Request {
        struct Request *next;
        RequestType type;
        bool ready;      /* what was put before it has been taken to be written */
        bool done, abandoned;
        bool waited_for; /* by a caller, who takes it out of the list */
        char *name;
        StoreQuestion question; /* of scenarios: from, and max */
        StoreAnswer answer;
        void *userdata;

        int r;
        char *text;
        size_t size;
        Arena arena;
        StoreSum *sums;
        ScenarioCopy *scenarios;
        size_t n;
} Request;

typedef struct SqliteStore {
        Store store;
        pthread_t thread;
        pthread_mutex_t mutex;
        pthread_cond_t wakeup; /* of the thread */
        pthread_cond_t done;   /* something was, for those who wait */
        int event_fd, timer_fd, epoll_fd;

        /* Under the mutex. */
        Gather *gathering;
        Request *requests; /* the oldest first */
        Request *working;  /* one of them: the thread's until it is done */
        bool idle, stopping, ended, abandoned, timer_armed;
        uint64_t busy_since_ns; /* the thread is at work; 0: it is not */
        uint64_t released;
        uint64_t committed_call;
        StoreLimits limits;
        StoreStatus status; /* as the thread last left it */

        /* The thread's. */
        Gather *writing;
        Gather gathers[2];
        Database database;
} SqliteStore;

static inline void deadline_at(uint64_t ns, struct timespec *ret) {
        *ret = (struct timespec) { (time_t) (ns / NSEC_PER_SEC), (long) (ns % NSEC_PER_SEC) };
}

/* The thread has been at work for so long. The mutex is held. */
static inline bool is_silent(const SqliteStore *s, uint64_t patience_ns) {
        return s->busy_since_ns > 0 && clock_ns(CLOCK_MONOTONIC) - s->busy_since_ns >= patience_ns;
}

/* Fires when the disk has been silent for too long. Armed now and then, not for every generation. The mutex is held. */
void sqlite_arm_timer(SqliteStore *s, uint64_t in_ns);

/* When nobody uses it any more, neither the thread nor the event loop. */
void sqlite_destroy(SqliteStore *s);

/* ---- store-sqlite-thread.c ---- */

void *sqlite_run(void *userdata);

/* ---- store-sqlite-requests.c ---- */

int sqlite_read(Store *store, const char *name, char **ret, size_t *ret_size);
int sqlite_set_aside(Store *store, const char *name, char **ret_where);
int sqlite_sums(Store *store, const StoreQuestion *question, StoreAnswer answer, void *userdata);
int sqlite_scenarios(Store *store, uint64_t since_utc_ns, size_t max, StoreScenarioVisit visit, void *userdata);
int sqlite_ask(Store *store, const StoreQuestion *question, StoreAnswer answer, void *userdata);
void sqlite_dispatch_answers(SqliteStore *s);

/* The mutex is held. */
bool sqlite_has_request(const SqliteStore *s);
/* All that was put before them has been taken. */
void sqlite_make_requests_ready(SqliteStore *s);
/* By the thread; the mutex is held, but not while it reads. r < 0: for none there is an answer. */
void sqlite_answer_requests(SqliteStore *s, int r);
void sqlite_cancel_requests(SqliteStore *s);
void sqlite_free_requests(SqliteStore *s);
