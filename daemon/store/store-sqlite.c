/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store on an SQLite database. The event loop puts into a generation that gathers, under a mutex that nobody holds
 * while waiting for anything; a thread takes it, leaves an empty one in its place, and writes. Whatever waits for the disk
 * is done by the thread, the reading at the start included.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>

#include "basic/macro.h"
#include "daemon/store/database.h"

/* So long a generation gathers while nobody waits for it. */
#define GATHER_NS (100 * NSEC_PER_MSEC)
#define RETRY_NS NSEC_PER_SEC
/* How long the end waits for the disk. */
#define END_NS (5 * NSEC_PER_SEC)
/* At the start there is nobody yet who has to be answered: so many times longer than later. */
#define START_PATIENCE 5

typedef enum RequestType { REQUEST_READ, REQUEST_SET_ASIDE, REQUEST_SUMS } RequestType;

/* Something to be read, and what came of it. */
typedef struct Request {
        struct Request *next;
        RequestType type;
        bool waited_for;   /* by a caller, who takes it out of the list */
        bool done, abandoned;
        char *name;
        StoreQuestion question;
        StoreAnswer answer;
        void *userdata;

        int r;
        char *text;
        size_t size;
        Arena arena;
        StoreSum *sums;
        size_t n_sums;
} Request;

typedef struct SqliteStore {
        Store store;
        pthread_t thread;
        pthread_mutex_t mutex;
        pthread_cond_t wakeup; /* of the thread */
        pthread_cond_t done;   /* something was, for those who wait */
        int event_fd, timer_fd, epoll_fd;
        uint64_t patience_ns;

        /* Under the mutex. */
        Gather *gathering;
        Request *requests; /* the oldest first */
        Request *working;  /* one of them: the thread's until it is done */
        bool idle, stopping, ended, abandoned, timer_armed;
        uint64_t busy_since_ns; /* the thread is at work; 0: it is not */
        uint64_t released;
        StoreStatus status;     /* but for size, as the thread last left it */
        uint64_t committed_call;
        uint64_t keep_hours_ns, keep_days_ns;

        /* The thread's. */
        Gather *writing;
        Gather gathers[2];
        Database database;
} SqliteStore;

static uint64_t clock_ns(clockid_t clock) {
        struct timespec ts;

        clock_gettime(clock, &ts);
        return (uint64_t) ts.tv_sec * NSEC_PER_SEC + (uint64_t) ts.tv_nsec;
}

/* ---- news for the event loop; the mutex is held ---- */

static void notify(SqliteStore *s) {
        uint64_t one = 1;

        (void) !write(s->event_fd, &one, sizeof(one));
}

/* Fires when the disk has been silent for too long. Armed now and then, not for every generation. */
static void arm_timer(SqliteStore *s, uint64_t in_ns) {
        struct itimerspec in = { .it_value = { (time_t) (in_ns / NSEC_PER_SEC), (long) (in_ns % NSEC_PER_SEC) } };

        s->timer_armed = timerfd_settime(s->timer_fd, 0, &in, NULL) == 0;
}

static bool is_silent(const SqliteStore *s, uint64_t patience_ns) {
        return s->busy_since_ns > 0 && clock_ns(CLOCK_MONOTONIC) - s->busy_since_ns >= patience_ns;
}

static int trouble(const SqliteStore *s) {
        if (s->status.error < 0)
                return s->status.error;
        return is_silent(s, s->patience_ns) ? -ETIMEDOUT : 0;
}

/* ---- putting ---- */

static void begin_gathering(SqliteStore *s) {
        if (s->gathering->since_ns > 0)
                return;
        s->gathering->since_ns = clock_ns(CLOCK_MONOTONIC);
        if (s->idle)
                pthread_cond_signal(&s->wakeup);
        s->idle = false;
}

static uint64_t sqlite_put_call(Store *store, const StoreCall *call) {
        SqliteStore *s = (SqliteStore *) store;

        pthread_mutex_lock(&s->mutex);
        begin_gathering(s);
        gather_call(s->gathering, call);
        uint64_t generation = s->gathering->generation;
        pthread_mutex_unlock(&s->mutex);
        return generation;
}

static uint64_t sqlite_put_document(Store *store, const char *name, const char *text, size_t n) {
        SqliteStore *s = (SqliteStore *) store;
        GatherDocument d = { strdup(name), text ? malloc(n + 1) : NULL, n, clock_ns(CLOCK_REALTIME) };

        if (!d.name || (text && !d.text) || n > STORE_DOCUMENT_MAX) {
                free(d.name);
                free(d.text);
                return 0;
        }
        if (text) {
                memcpy(d.text, text, n);
                d.text[n] = 0;
        }
        pthread_mutex_lock(&s->mutex);
        begin_gathering(s);
        uint64_t generation = gather_document(s->gathering, &d) == 0 ? s->gathering->generation : 0;
        pthread_mutex_unlock(&s->mutex);
        if (generation == 0) {
                free(d.name);
                free(d.text);
        }
        return generation;
}

static void sqlite_hurry(Store *store, uint64_t generation) {
        SqliteStore *s = (SqliteStore *) store;

        pthread_mutex_lock(&s->mutex);
        if (s->gathering->generation == generation && s->gathering->since_ns > 0 && !s->gathering->urgent) {
                s->gathering->urgent = true;
                pthread_cond_signal(&s->wakeup);
        }
        pthread_mutex_unlock(&s->mutex);
}

/* ---- looking ---- */

static uint64_t sqlite_committed(Store *store) {
        SqliteStore *s = (SqliteStore *) store;

        pthread_mutex_lock(&s->mutex);
        uint64_t generation = s->status.committed;
        pthread_mutex_unlock(&s->mutex);
        return generation;
}

static uint64_t sqlite_committed_call(Store *store) {
        SqliteStore *s = (SqliteStore *) store;

        pthread_mutex_lock(&s->mutex);
        uint64_t serial = s->committed_call;
        pthread_mutex_unlock(&s->mutex);
        return serial;
}

static uint64_t sqlite_released(Store *store) {
        SqliteStore *s = (SqliteStore *) store;

        pthread_mutex_lock(&s->mutex);
        uint64_t now = trouble(s) < 0 ? s->gathering->generation : s->status.committed;
        s->released = MAX(s->released, now);
        now = s->released;
        pthread_mutex_unlock(&s->mutex);
        return now;
}

static void sqlite_status(Store *store, StoreStatus *ret) {
        SqliteStore *s = (SqliteStore *) store;

        pthread_mutex_lock(&s->mutex);
        *ret = s->status;
        ret->error = trouble(s);
        ret->lost += s->gathering->lost;
        pthread_mutex_unlock(&s->mutex);
        if (ret->error == -ETIMEDOUT)
                snprintf(ret->trouble, sizeof(ret->trouble), "The disk does not answer");
}

static int sqlite_fd(Store *store) {
        return ((SqliteStore *) store)->epoll_fd;
}

/* ---- requests ---- */

static Request *request_free(Request *q) {
        if (!q)
                return NULL;
        free(q->name);
        free(q->text);
        arena_done(&q->arena);
        free(q);
        return NULL;
}

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

static void deadline_in(uint64_t ns, struct timespec *ret) {
        uint64_t end = clock_ns(CLOCK_MONOTONIC) + ns;

        *ret = (struct timespec) { (time_t) (end / NSEC_PER_SEC), (long) (end % NSEC_PER_SEC) };
}

/* Takes q over; what the caller gets is answered, well or not, and to be freed. */
static int wait_for_request(SqliteStore *s, Request *q, Request **ret) {
        uint64_t patience_ns = START_PATIENCE * s->patience_ns;
        struct timespec deadline;
        int r = 0;

        if (!q)
                return -ENOMEM;
        q->waited_for = true;
        deadline_in(patience_ns, &deadline);
        pthread_mutex_lock(&s->mutex);
        append_request(s, q);
        /* Who has been kept waiting for so long once is not kept waiting again. */
        while (!q->done && r == 0)
                r = is_silent(s, patience_ns) ? -ETIMEDOUT : -pthread_cond_timedwait(&s->done, &s->mutex, &deadline);
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

static Request *request_new(RequestType type, const char *name) {
        Request *q = calloc(1, sizeof(Request));

        if (q) {
                q->type = type;
                q->name = name ? strdup(name) : NULL;
                if (name && !q->name)
                        return request_free(q);
        }
        return q;
}

static int sqlite_read(Store *store, const char *name, char **ret, size_t *ret_size) {
        Request *q = NULL;
        int r = wait_for_request((SqliteStore *) store, request_new(REQUEST_READ, name), &q);

        if (r == 0) {
                *ret = TAKE(q->text);
                *ret_size = q->size;
        }
        request_free(q);
        return r;
}

static int sqlite_set_aside(Store *store, const char *name, char **ret_where) {
        Request *q = NULL;
        int r = wait_for_request((SqliteStore *) store, request_new(REQUEST_SET_ASIDE, name), &q);

        if (r == 0)
                *ret_where = TAKE(q->text);
        request_free(q);
        return r;
}

static int sqlite_sums(Store *store, const StoreQuestion *question, StoreAnswer answer, void *userdata) {
        Request *q = request_new(REQUEST_SUMS, NULL), *answered = NULL;

        if (q)
                q->question = *question;
        int r = wait_for_request((SqliteStore *) store, q, &answered);
        if (r == 0)
                answer(userdata, 0, answered->sums, answered->n_sums);
        request_free(answered);
        return r;
}

static int sqlite_ask(Store *store, const StoreQuestion *question, StoreAnswer answer, void *userdata) {
        SqliteStore *s = (SqliteStore *) store;
        Request *q = request_new(REQUEST_SUMS, NULL);

        if (!q)
                return -ENOMEM;
        q->question = *question;
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

static void sqlite_dispatch(Store *store) {
        SqliteStore *s = (SqliteStore *) store;
        uint64_t count;
        Request *q;

        (void) !read(s->event_fd, &count, sizeof(count));
        pthread_mutex_lock(&s->mutex);
        if (read(s->timer_fd, &count, sizeof(count)) > 0) {
                uint64_t busy_ns = s->busy_since_ns > 0 ? clock_ns(CLOCK_MONOTONIC) - s->busy_since_ns : s->patience_ns;

                s->timer_armed = false;
                if (busy_ns < s->patience_ns)
                        arm_timer(s, s->patience_ns - busy_ns);
        }
        pthread_mutex_unlock(&s->mutex);
        while ((q = take_answered(s))) {
                q->answer(q->userdata, q->r, q->sums, q->n_sums);
                request_free(q);
        }
}

static int sqlite_wait(Store *store, uint64_t generation) {
        SqliteStore *s = (SqliteStore *) store;
        struct timespec deadline;
        int r = 0;

        sqlite_hurry(store, generation);
        deadline_in(s->patience_ns, &deadline);
        pthread_mutex_lock(&s->mutex);
        while (s->status.committed < generation && r == 0) {
                r = trouble(s);
                if (r == 0)
                        r = -pthread_cond_timedwait(&s->done, &s->mutex, &deadline);
        }
        if (s->status.committed >= generation)
                r = 0;
        pthread_mutex_unlock(&s->mutex);
        return r;
}

static void sqlite_set_retention(Store *store, uint64_t hours_ns, uint64_t days_ns) {
        SqliteStore *s = (SqliteStore *) store;

        pthread_mutex_lock(&s->mutex);
        s->keep_hours_ns = hours_ns;
        s->keep_days_ns = days_ns;
        pthread_mutex_unlock(&s->mutex);
}

/* ---- the thread ---- */

/* The mutex is held. */
static void wait_until(SqliteStore *s, uint64_t deadline_ns) {
        struct timespec ts = { (time_t) (deadline_ns / NSEC_PER_SEC), (long) (deadline_ns % NSEC_PER_SEC) };

        (void) pthread_cond_timedwait(&s->wakeup, &s->mutex, &ts);
}

static bool has_request(const SqliteStore *s) {
        for (const Request *q = s->requests; q; q = q->next)
                if (!q->done)
                        return true;
        return false;
}

static void wait_for_work(SqliteStore *s) {
        uint64_t retry_ns = clock_ns(CLOCK_MONOTONIC) + RETRY_NS;

        while (!s->stopping && !has_request(s)) {
                uint64_t now_ns = clock_ns(CLOCK_MONOTONIC), end_ns;

                if (s->status.error < 0)
                        end_ns = retry_ns;
                else if (s->gathering->since_ns > 0)
                        end_ns = s->gathering->urgent ? now_ns : s->gathering->since_ns + GATHER_NS;
                else {
                        s->idle = true;
                        pthread_cond_wait(&s->wakeup, &s->mutex);
                        s->idle = false;
                        continue;
                }
                if (now_ns >= end_ns)
                        return;
                wait_until(s, end_ns);
        }
}

/* What could not be written before is written first. */
static void take_gathering(SqliteStore *s) {
        Gather *empty = s->writing;

        if (s->writing->since_ns > 0 || s->gathering->since_ns == 0)
                return;
        s->writing = s->gathering;
        s->gathering = empty;
        s->gathering->generation = s->writing->generation + 1;
}

static void answer_request(SqliteStore *s, Request *q) {
        Database *d = &s->database;

        switch (q->type) {
        case REQUEST_READ:
                q->r = database_read_document(d, q->name, &q->text, &q->size);
                break;
        case REQUEST_SET_ASIDE:
                q->r = database_set_aside_document(d, q->name, &q->text);
                break;
        case REQUEST_SUMS:
                q->r = database_sums(d, &q->question, &q->arena, &q->sums, &q->n_sums);
                break;
        }
}

/* The mutex is held, but not while it reads. r < 0: there is no answer. */
static void answer_requests(SqliteStore *s, int r) {
        for (Request *q = s->requests, *next; q; q = next) {
                if (q->done) {
                        next = q->next;
                        continue;
                }
                s->working = q;
                q->r = r;
                if (r == 0) {
                        pthread_mutex_unlock(&s->mutex);
                        answer_request(s, q);
                        pthread_mutex_lock(&s->mutex);
                }
                s->working = NULL;
                q->done = true;
                next = q->next;
                if (q->abandoned) {
                        remove_request(s, q);
                        request_free(q);
                }
        }
}

static int write_taken(SqliteStore *s) {
        return s->writing->since_ns > 0 ? database_write(&s->database, s->writing) : database_open(&s->database);
}

/* What has become of it, for everybody to see. The mutex is held. */
static void note_result(SqliteStore *s, int r) {
        StoreStatus *status = &s->status;
        Gather *w = s->writing;

        status->error = r;
        memcpy(status->trouble, r < 0 ? s->database.note : s->database.aside, sizeof(status->trouble));
        if (r < 0)
                return;
        if (!status->opened && s->gathering->since_ns == 0)
                s->gathering->generation = MAX(s->gathering->generation, s->database.generation + 1);
        status->opened = true;
        status->committed = s->database.generation;
        s->committed_call = s->database.serial;
        if (w->since_ns > 0) {
                status->commits++;
                status->calls += w->calls;
                status->lost += w->lost;
                status->committed = MAX(status->committed, w->generation);
        }
}

/* One round; the mutex is held but while it waits for the disk. */
static int work(SqliteStore *s) {
        take_gathering(s);
        bool all = s->gathering->since_ns == 0;
        s->busy_since_ns = clock_ns(CLOCK_MONOTONIC);
        if (!s->timer_armed)
                arm_timer(s, s->patience_ns);

        pthread_mutex_unlock(&s->mutex);
        int r = write_taken(s);
        uint64_t size = database_size(&s->database);
        pthread_mutex_lock(&s->mutex);
        s->status.size = size;
        note_result(s, r);
        if (r == 0)
                gather_clear(s->writing);
        if (all || r < 0)
                answer_requests(s, r);
        s->busy_since_ns = 0;
        notify(s);
        pthread_cond_broadcast(&s->done);
        return r;
}

static void destroy(SqliteStore *s) {
        for (Request *q; (q = s->requests);) {
                s->requests = q->next;
                request_free(q);
        }
        gather_done(&s->gathers[0]);
        gather_done(&s->gathers[1]);
        closep(&s->event_fd);
        closep(&s->timer_fd);
        closep(&s->epoll_fd);
        pthread_cond_destroy(&s->wakeup);
        pthread_cond_destroy(&s->done);
        pthread_mutex_destroy(&s->mutex);
        free(s);
}

static void *run(void *userdata) {
        SqliteStore *s = userdata;
        int r;

        pthread_mutex_lock(&s->mutex);
        do {
                r = work(s);
                wait_for_work(s);
        } while (!s->stopping);
        while (r == 0 && s->gathering->since_ns > 0)
                r = work(s);
        pthread_mutex_unlock(&s->mutex);
        database_done(&s->database);

        pthread_mutex_lock(&s->mutex);
        s->ended = true;
        bool abandoned = s->abandoned;
        pthread_cond_broadcast(&s->done);
        pthread_mutex_unlock(&s->mutex);
        if (abandoned)
                destroy(s);
        return NULL;
}

/* ---- life ---- */

/* Nobody will be told any more. */
static void cancel_requests(SqliteStore *s) {
        for (Request *q = s->requests; q; q = q->next)
                if (q->answer && !q->abandoned) {
                        q->abandoned = true;
                        q->answer(q->userdata, -ECANCELED, NULL, 0);
                }
}

static void sqlite_free(Store *store) {
        SqliteStore *s = (SqliteStore *) store;
        struct timespec deadline;
        int r = 0;

        deadline_in(END_NS, &deadline);
        pthread_mutex_lock(&s->mutex);
        s->stopping = true;
        pthread_cond_signal(&s->wakeup);
        while (!s->ended && r == 0)
                r = pthread_cond_timedwait(&s->done, &s->mutex, &deadline);
        bool ended = s->ended;
        s->abandoned = !ended;
        cancel_requests(s);
        pthread_mutex_unlock(&s->mutex);
        /* A thread that hangs in the disk cannot be ended; it keeps what it uses, and goes with the process. */
        if (ended) {
                pthread_join(s->thread, NULL);
                destroy(s);
        }
}

static int make_descriptors(SqliteStore *s) {
        struct epoll_event event = { .events = EPOLLIN };

        s->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        s->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (s->event_fd < 0 || s->timer_fd < 0 || s->epoll_fd < 0 || epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->event_fd, &event) < 0 ||
            epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->timer_fd, &event) < 0)
                return -errno;
        return 0;
}

static int start_thread(SqliteStore *s) {
        sigset_t all, before;

        /* Signals are the event loop's. */
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        int r = pthread_create(&s->thread, NULL, run, s);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (r == 0)
                (void) pthread_setname_np(s->thread, "ledger");
        return -r;
}

int store_sqlite_new(Store **ret, const char *folder, uint64_t patience_ns) {
        static const StoreFunctions functions = {
                .read = sqlite_read, .set_aside = sqlite_set_aside, .sums = sqlite_sums, .put_call = sqlite_put_call,
                .put_document = sqlite_put_document, .hurry = sqlite_hurry, .committed = sqlite_committed,
                .committed_call = sqlite_committed_call, .released = sqlite_released, .fd = sqlite_fd, .dispatch = sqlite_dispatch,
                .ask = sqlite_ask, .status = sqlite_status, .set_retention = sqlite_set_retention, .wait = sqlite_wait,
                .free = sqlite_free,
        };
        SqliteStore *s = calloc(1, sizeof(SqliteStore));
        pthread_condattr_t attributes;

        if (!s)
                return -ENOMEM;
        *s = (SqliteStore) { .store = { &functions }, .event_fd = -1, .timer_fd = -1, .epoll_fd = -1, .patience_ns = patience_ns };
        s->gathering = &s->gathers[0];
        s->writing = &s->gathers[1];
        s->gathering->generation = clock_ns(CLOCK_REALTIME) / NSEC_PER_USEC;
        pthread_mutex_init(&s->mutex, NULL);
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&s->wakeup, &attributes);
        pthread_cond_init(&s->done, &attributes);
        pthread_condattr_destroy(&attributes);
        int r = make_descriptors(s);
        if (r == 0)
                r = database_init(&s->database, folder);
        if (r == 0)
                r = start_thread(s);
        if (r < 0) {
                database_done(&s->database);
                destroy(s);
                return r;
        }
        *ret = &s->store;
        return 0;
}
