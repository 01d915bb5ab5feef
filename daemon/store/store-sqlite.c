/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store on an SQLite database. The event loop puts into a generation that gathers, under a mutex that nobody holds
 * while waiting for anything; a thread takes it, leaves an empty one in its place, and writes. Whatever waits for the disk
 * is done by the thread, the reading at the start included.
 */
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include "basic/macro.h"
#include "daemon/store/store-sqlite.h"

/* The end waits for the disk so many times longer than a report. */
#define END_PATIENCE 2

void sqlite_arm_timer(SqliteStore *s, uint64_t in_ns) {
        struct itimerspec in = {};

        deadline_at(in_ns, &in.it_value);
        s->timer_armed = timerfd_settime(s->timer_fd, 0, &in, NULL) == 0;
}

/* The mutex is held. */
static int trouble(const SqliteStore *s) {
        return s->status.error < 0 ? s->status.error : is_silent(s, s->limits.patience_ns) ? -ETIMEDOUT : 0;
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

static uint64_t sqlite_put_scenario(Store *store, const ScenarioView *scenario) {
        SqliteStore *s = (SqliteStore *) store;
        ScenarioCopy *copy = malloc(sizeof(ScenarioCopy));

        if (!copy)
                return 0;
        scenario_copy(copy, scenario);
        pthread_mutex_lock(&s->mutex);
        begin_gathering(s);
        uint64_t generation = gather_scenario(s->gathering, copy) == 0 ? s->gathering->generation : 0;
        pthread_mutex_unlock(&s->mutex);
        if (generation == 0)
                free(copy);
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

static void sqlite_dispatch(Store *store) {
        SqliteStore *s = (SqliteStore *) store;
        uint64_t count;

        (void) !read(s->event_fd, &count, sizeof(count));
        pthread_mutex_lock(&s->mutex);
        if (read(s->timer_fd, &count, sizeof(count)) > 0) {
                uint64_t busy_ns = s->busy_since_ns > 0 ? clock_ns(CLOCK_MONOTONIC) - s->busy_since_ns : s->limits.patience_ns;

                s->timer_armed = false;
                if (busy_ns < s->limits.patience_ns)
                        sqlite_arm_timer(s, s->limits.patience_ns - busy_ns);
        }
        pthread_mutex_unlock(&s->mutex);
        sqlite_dispatch_answers(s);
}

static void sqlite_set_limits(Store *store, const StoreLimits *limits) {
        SqliteStore *s = (SqliteStore *) store;

        pthread_mutex_lock(&s->mutex);
        s->limits = *limits;
        sqlite_arm_timer(s, limits->patience_ns);
        pthread_cond_signal(&s->wakeup);
        pthread_mutex_unlock(&s->mutex);
}

void sqlite_destroy(SqliteStore *s) {
        sqlite_free_requests(s);
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

/* ---- life ---- */

static void sqlite_free(Store *store) {
        SqliteStore *s = (SqliteStore *) store;
        struct timespec deadline;
        int r = 0;

        pthread_mutex_lock(&s->mutex);
        deadline_at(clock_ns(CLOCK_MONOTONIC) + END_PATIENCE * s->limits.patience_ns, &deadline);
        s->stopping = true;
        pthread_cond_signal(&s->wakeup);
        while (!s->ended && r == 0)
                r = pthread_cond_timedwait(&s->done, &s->mutex, &deadline);
        bool ended = s->ended;
        /* A thread that hangs in the disk cannot be ended. It keeps what it uses, and goes with the process if not before. */
        s->abandoned = !ended;
        if (!ended)
                (void) pthread_detach(s->thread);
        sqlite_cancel_requests(s);
        pthread_mutex_unlock(&s->mutex);
        if (ended) {
                pthread_join(s->thread, NULL);
                sqlite_destroy(s);
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
        int r = pthread_create(&s->thread, NULL, sqlite_run, s);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (r == 0)
                (void) pthread_setname_np(s->thread, "ledger");
        return -r;
}

int store_sqlite_new(Store **ret, const char *folder, const StoreLimits *limits) {
        static const StoreFunctions functions = {
                .read = sqlite_read, .set_aside = sqlite_set_aside, .sums = sqlite_sums, .scenarios = sqlite_scenarios, .put_call = sqlite_put_call,
                .put_document = sqlite_put_document, .put_scenario = sqlite_put_scenario, .hurry = sqlite_hurry, .committed = sqlite_committed,
                .committed_call = sqlite_committed_call, .released = sqlite_released, .fd = sqlite_fd, .dispatch = sqlite_dispatch,
                .ask = sqlite_ask, .status = sqlite_status, .set_limits = sqlite_set_limits,
                .free = sqlite_free,
        };
        SqliteStore *s = calloc(1, sizeof(SqliteStore));
        pthread_condattr_t attributes;

        if (!s)
                return -ENOMEM;
        *s = (SqliteStore) { .store = { &functions }, .event_fd = -1, .timer_fd = -1, .epoll_fd = -1, .limits = *limits };
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
                sqlite_destroy(s);
                return r;
        }
        *ret = &s->store;
        return 0;
}
