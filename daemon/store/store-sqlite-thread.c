/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that waits for the disk, so that nobody else has to. */
#include "daemon/store/store-sqlite.h"

#include <errno.h>
#include <sys/eventfd.h>

#include "basic/macro.h"

/* So long a generation gathers while nobody waits for it. */
#define GATHER_NS (100 * NSEC_PER_MSEC)
#define RETRY_NS NSEC_PER_SEC

/* ---- waiting; the mutex is held ---- */

static void wait_until(SqliteStore *s, uint64_t deadline_ns) {
        struct timespec deadline;

        deadline_at(deadline_ns, &deadline);
        (void) pthread_cond_timedwait(&s->wakeup, &s->mutex, &deadline);
}

/* more: there is something left to do when nothing else is. */
static void wait_for_work(SqliteStore *s, bool more) {
        uint64_t retry_ns = clock_ns(CLOCK_MONOTONIC) + RETRY_NS;

        while (!s->stopping && !sqlite_has_request(s)) {
                uint64_t now_ns = clock_ns(CLOCK_MONOTONIC), end_ns;

                if (s->status.error < 0)
                        end_ns = retry_ns;
                else if (more || s->gathering->urgent)
                        return;
                else if (s->gathering->since_ns > 0)
                        end_ns = s->gathering->since_ns + GATHER_NS;
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

/* ---- working ---- */

/* Between these two the mutex is not held. */
static void begin_disk(SqliteStore *s) {
        if (s->busy_since_ns == 0)
                s->busy_since_ns = clock_ns(CLOCK_MONOTONIC);
        if (!s->timer_armed)
                sqlite_arm_timer(s, s->limits.patience_ns);
        pthread_mutex_unlock(&s->mutex);
}

static void end_disk(SqliteStore *s) {
        pthread_mutex_lock(&s->mutex);
        s->busy_since_ns = 0;
}

/* What could not be written before is written first. */
static void take_gathering(SqliteStore *s) {
        Gather *empty = s->writing;

        if (s->writing->since_ns == 0 && s->gathering->since_ns > 0) {
                s->writing = s->gathering;
                s->gathering = empty;
                s->gathering->generation = s->writing->generation + 1;
        }
        if (s->gathering->since_ns == 0)
                sqlite_make_requests_ready(s);
}

static void note_commit(SqliteStore *s, Gather *g) {
        StoreStatus *status = &s->status;

        if (!status->opened && s->gathering->since_ns == 0)
                s->gathering->generation = MAX(s->gathering->generation, s->database.generation + 1);
        status->opened = true;
        status->begun_utc_ns = (uint64_t) s->database.begun * NSEC_PER_SEC;
        status->hours_from_utc_ns = (uint64_t) s->database.hours_from * NSEC_PER_SEC;
        status->days_from_utc_ns = (uint64_t) s->database.days_from * NSEC_PER_SEC;
        status->committed = MAX(s->database.generation, g->since_ns > 0 ? g->generation : 0);
        s->committed_call = s->database.serial;
        if (g->since_ns > 0) {
                status->commits++;
                status->calls += g->calls;
                status->lost += g->lost;
        }
}

/* What has become of it, for everybody to see. */
static void note_result(SqliteStore *s, int r, uint64_t size) {
        uint64_t one = 1;
        const char *trouble = r < 0 ? s->database.note : s->database.aside;
        bool news = s->writing->since_ns > 0 || s->status.error != r || !s->status.opened || !streq(s->status.trouble, trouble);

        s->status.error = r;
        s->status.size = size;
        memcpy(s->status.trouble, trouble, sizeof(s->status.trouble));
        if (r == 0)
                note_commit(s, s->writing);
        if (news)
                (void) !write(s->event_fd, &one, sizeof(one));
        pthread_cond_broadcast(&s->done);
}

static int write_generation(SqliteStore *s) {
        take_gathering(s);
        begin_disk(s);
        int r = s->writing->since_ns > 0 ? database_write(&s->database, s->writing) : database_open(&s->database);
        uint64_t size = database_size(&s->database);
        end_disk(s);
        note_result(s, r, size);
        if (r == 0)
                gather_clear(s->writing);
        sqlite_answer_requests(s, r);
        return r;
}

/* 1: there is more to do. */
static int tidy(SqliteStore *s) {
        StoreLimits limits = s->limits;

        begin_disk(s);
        int r = database_tidy(&s->database, clock_ns(CLOCK_REALTIME), &limits);
        /* Damage that is met in this: set aside at once. */
        if (r == -EUCLEAN)
                r = database_open(&s->database);
        end_disk(s);
        note_result(s, MIN(r, 0), s->status.size);
        return r;
}

void *sqlite_run(void *userdata) {
        SqliteStore *s = userdata;
        int r;

        pthread_mutex_lock(&s->mutex);
        do {
                r = write_generation(s);
                if (r == 0)
                        r = tidy(s);
                wait_for_work(s, r > 0);
        } while (!s->stopping);
        /* One try, if there was trouble. */
        do
                r = write_generation(s);
        while (r == 0 && s->gathering->since_ns > 0);
        begin_disk(s);
        database_done(&s->database);
        end_disk(s);

        s->ended = true;
        bool abandoned = s->abandoned;
        pthread_cond_broadcast(&s->done);
        pthread_mutex_unlock(&s->mutex);
        if (abandoned)
                sqlite_destroy(s);
        return NULL;
}
