/* SPDX-License-Identifier: Apache-2.0 */
/* What is read: the thread reads it, and whoever wants it waits (at the start) or is told (later). */
#include <errno.h>

#include "basic/macro.h"
#include "daemon/store/store-sqlite.h"

/* At the start there is nobody yet who has to be answered: so many times longer than later. */
#define START_PATIENCE 5

static Request *request_free(Request *q) {
        if (!q)
                return NULL;
        free(q->name);
        free(q->text);
        arena_done(&q->arena);
        free(q);
        return NULL;
}

static Request *request_new(RequestType type, const char *name) {
        Request *q = calloc(1, sizeof(Request));

        if (!q)
                return NULL;
        q->type = type;
        q->name = name ? strdup(name) : NULL;
        return name && !q->name ? request_free(q) : q;
}

/* ---- the list; the mutex is held ---- */

static void append_request(SqliteStore *s, Request *q) {
        Request **place = &s->requests;

        while (*place)
                place = &(*place)->next;
        *place = q;
        pthread_cond_signal(&s->wakeup);
}

static void remove_request(SqliteStore *s, const Request *q) {
        Request **place = &s->requests;

        while (*place != q)
                place = &(*place)->next;
        *place = q->next;
}

bool sqlite_has_request(const SqliteStore *s) {
        for (const Request *q = s->requests; q; q = q->next)
                if (!q->done)
                        return true;
        return false;
}

void sqlite_make_requests_ready(SqliteStore *s) {
        for (Request *q = s->requests; q; q = q->next)
                q->ready = true;
}

void sqlite_free_requests(SqliteStore *s) {
        for (Request *q; (q = s->requests);) {
                s->requests = q->next;
                request_free(q);
        }
}

/* ---- reading, by the thread ---- */

static int read_request(Database *d, Request *q) {
        switch (q->type) {
        case REQUEST_READ:
                return database_read_document(d, q->name, &q->text, &q->size);
        case REQUEST_SET_ASIDE:
                return database_set_aside_document(d, q->name, &q->text);
        case REQUEST_SUMS:
                return database_sums(d, &q->question, &q->arena, &q->sums, &q->n);
        case REQUEST_SCENARIOS:
                return database_scenarios(d, q->question.from_utc_ns, q->question.max, &q->arena, &q->scenarios, &q->n);
        }
        return -EINVAL;
}

/* Damage that is met in reading is met in what takes its place only if it was there, too. */
static int read_twice(Database *d, Request *q) {
        int r = read_request(d, q);

        if (r == -EUCLEAN && d->damaged && !d->only_reading && database_open(d) == 0)
                r = read_request(d, q);
        return r;
}

static Request *next_request(const SqliteStore *s, int r) {
        for (Request *q = s->requests; q; q = q->next)
                if (!q->done && (q->ready || r < 0))
                        return q;
        return NULL;
}

void sqlite_answer_requests(SqliteStore *s, int r) {
        for (Request *q; (q = next_request(s, r));) {
                q->r = r;
                if (r == 0 || (q->waited_for && database_can_be_read(&s->database))) {
                        s->working = q;
                        s->busy_since_ns = clock_ns(CLOCK_MONOTONIC);
                        pthread_mutex_unlock(&s->mutex);
                        int k = read_twice(&s->database, q);
                        pthread_mutex_lock(&s->mutex);
                        s->busy_since_ns = 0;
                        s->working = NULL;
                        q->r = k;
                }
                q->done = true;
                if (q->abandoned) {
                        remove_request(s, q);
                        request_free(q);
                }
                pthread_cond_broadcast(&s->done);
        }
}

/* ---- at the start ---- */

/* Takes q over; what the caller gets is answered, well or not, and to be freed. */
static int wait_for(SqliteStore *s, Request *q, Request **ret) {
        uint64_t patience_ns = START_PATIENCE * s->limits.patience_ns;
        struct timespec deadline;
        int r = 0;

        if (!q)
                return -ENOMEM;
        q->waited_for = true;
        pthread_mutex_lock(&s->mutex);
        append_request(s, q);
        /* From when the disk was last heard of: who has been kept waiting once is not kept waiting again. */
        deadline_at((s->busy_since_ns ?: clock_ns(CLOCK_MONOTONIC)) + patience_ns, &deadline);
        while (!q->done && r == 0)
                r = -pthread_cond_timedwait(&s->done, &s->mutex, &deadline);
        bool done = q->done, reading = s->working == q;
        q->abandoned = !done;
        if (!reading)
                remove_request(s, q);
        pthread_mutex_unlock(&s->mutex);
        if (done) {
                *ret = q;
                return q->r;
        }
        if (!reading)
                request_free(q);
        return r;
}

int sqlite_read(Store *store, const char *name, char **ret, size_t *ret_size) {
        Request *q = NULL;
        int r = wait_for((SqliteStore *) store, request_new(REQUEST_READ, name), &q);

        if (r == 0) {
                *ret = TAKE(q->text);
                *ret_size = q->size;
        }
        request_free(q);
        return r;
}

int sqlite_set_aside(Store *store, const char *name, char **ret_where) {
        Request *q = NULL;
        int r = wait_for((SqliteStore *) store, request_new(REQUEST_SET_ASIDE, name), &q);

        if (r == 0)
                *ret_where = TAKE(q->text);
        request_free(q);
        return r;
}

static Request *request_sums(const StoreQuestion *question) {
        Request *q = request_new(REQUEST_SUMS, NULL);

        if (q)
                q->question = *question;
        return q;
}

int sqlite_sums(Store *store, const StoreQuestion *question, StoreAnswer answer, void *userdata) {
        Request *q = NULL;
        int r = wait_for((SqliteStore *) store, request_sums(question), &q);

        if (r == 0)
                answer(userdata, 0, q->sums, q->n);
        request_free(q);
        return r;
}

int sqlite_scenarios(Store *store, uint64_t since_utc_ns, size_t max, StoreScenarioVisit visit, void *userdata) {
        Request *q = request_new(REQUEST_SCENARIOS, NULL), *answered = NULL;

        if (q)
                q->question = (StoreQuestion) { .from_utc_ns = since_utc_ns, .max = max };
        int r = wait_for((SqliteStore *) store, q, &answered);
        for (size_t i = 0; r == 0 && i < answered->n; i++)
                visit(userdata, &answered->scenarios[i].view);
        request_free(answered);
        return r;
}

/* ---- later ---- */

int sqlite_ask(Store *store, const StoreQuestion *question, StoreAnswer answer, void *userdata) {
        SqliteStore *s = (SqliteStore *) store;
        Request *q = request_sums(question);

        if (!q)
                return -ENOMEM;
        q->answer = answer;
        q->userdata = userdata;
        pthread_mutex_lock(&s->mutex);
        append_request(s, q);
        pthread_mutex_unlock(&s->mutex);
        return 0;
}

/* The oldest that is done and that nobody waits for; out of the list. */
static Request *take_answered(SqliteStore *s) {
        Request *q;

        pthread_mutex_lock(&s->mutex);
        for (q = s->requests; q && (!q->done || q->waited_for); q = q->next)
                ;
        if (q)
                remove_request(s, q);
        pthread_mutex_unlock(&s->mutex);
        return q;
}

void sqlite_dispatch_answers(SqliteStore *s) {
        for (Request *q; (q = take_answered(s)); request_free(q))
                q->answer(q->userdata, q->r, q->sums, q->n);
}

/* The mutex is held: whoever is told must not come back to the store, which is at its end. */
void sqlite_cancel_requests(SqliteStore *s) {
        for (Request *q = s->requests; q; q = q->next)
                if (q->answer && !q->abandoned) {
                        q->abandoned = true;
                        q->answer(q->userdata, -ECANCELED, NULL, 0);
                }
}
