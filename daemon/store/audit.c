/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/store/audit.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <systemd/sd-journal.h>

#include "basic/clock.h"
#include "basic/instant.h"
#include "basic/macro.h"
#include "basic/units.h"

/* Bytes of records that wait; decisions get half of it. */
#define QUEUE_MAX ((size_t) 8 * 1024 * 1024)
/* Decisions wait that long, or for so many bytes, so that many are written at once. */
#define GATHER_NS (50 * NSEC_PER_MSEC)
#define GATHER_BYTES ((size_t) 256 * 1024)
#define RETRY_NS NSEC_PER_SEC
/* A disk that has not answered for so long is as good as none: nobody waits for it any more. */
#define PATIENCE_NS (2 * NSEC_PER_SEC)
#define JOURNAL_FIELDS_MAX 24

typedef struct Entry {
        size_t size; /* of it all, a multiple of 8 */
        size_t n, n_journal;
        AuditClass class;
        AuditMark mark; /* once it has been appended */
        char data[];    /* the text, then the journal's fields */
} Entry;

typedef struct Queue {
        char *data;
        size_t size, allocated;
} Queue;

struct Audit {
        pthread_t thread;
        pthread_mutex_t mutex;
        pthread_cond_t wakeup;
        int event_fd;

        /* Under the mutex. */
        Queue incoming;
        size_t taken_size; /* bytes that the thread has not written of what it took */
        AuditLimits limits;
        bool urgent, idle, stopping, ended, abandoned;
        int error;
        uint64_t progress_ns; /* when something was last written, or had to be */
        uint64_t serial;
        uint64_t put, written; /* records since the start; those that were dropped have no number */
        uint64_t lost[_AUDIT_CLASS_MAX];
        uint64_t recorded[_AUDIT_CLASS_MAX]; /* of them so many have been recorded as lost */
        uint64_t lost_since_utc_ns;

        /* The thread's. */
        AuditFile file;
        Queue taken;
        size_t done; /* bytes of it */
};

/* ---- the queue ---- */

static Entry *queue_push(Queue *q, size_t size) {
        if (q->size + size > q->allocated) {
                size_t want = MAX(MAX(q->allocated * 2, q->size + size), (size_t) 4096);
                char *more = realloc(q->data, want);
                if (!more)
                        return NULL;
                q->data = more;
                q->allocated = want;
        }
        Entry *e = (Entry *) (void *) (q->data + q->size);
        q->size += size;
        return e;
}

static void queue_clear(Queue *q) {
        q->size = 0;
        /* What one burst needed is not held for ever. */
        if (q->allocated > GATHER_BYTES * 4) {
                free(q->data);
                *q = (Queue) {};
        }
}

static void count_lost(Audit *a, AuditClass class) {
        a->lost[class]++;
        if (a->lost_since_utc_ns == 0)
                a->lost_since_utc_ns = clock_ns(CLOCK_REALTIME);
}

static Entry *make_room(Audit *a, AuditClass class, size_t size) {
        size_t waiting = a->incoming.size + a->taken_size;

        if (class == AUDIT_DECISION && (a->error < 0 || waiting + size > QUEUE_MAX / 2))
                return NULL;
        return waiting + size > QUEUE_MAX ? NULL : queue_push(&a->incoming, size);
}

uint64_t audit_put(Audit *a, const AuditRecord *record) {
        uint64_t number = 0;
        size_t size = (sizeof(Entry) + record->n + record->n_journal + 7) & ~(size_t) 7;

        pthread_mutex_lock(&a->mutex);
        if (a->incoming.size + a->taken_size == 0)
                a->progress_ns = clock_ns(CLOCK_MONOTONIC);
        Entry *e = record->n > AUDIT_RECORD_MAX ? NULL : make_room(a, record->class, size);
        if (e) {
                *e = (Entry) { .size = size, .n = record->n, .n_journal = record->n_journal, .class = record->class };
                memcpy(e->data, record->text, record->n);
                if (record->n_journal > 0)
                        memcpy(e->data + record->n, record->journal, record->n_journal);
                bool urgent = record->class == AUDIT_MANAGEMENT;
                /* Woken for a management action, for the first of many decisions, and for enough of them. */
                if ((urgent && !a->urgent) || a->idle ||
                    (a->incoming.size >= GATHER_BYTES && a->incoming.size - size < GATHER_BYTES))
                        pthread_cond_signal(&a->wakeup);
                a->urgent = a->urgent || urgent;
                a->idle = false;
                number = ++a->put;
        } else
                count_lost(a, record->class);
        pthread_mutex_unlock(&a->mutex);
        return number;
}

void audit_count_lost(Audit *a, AuditClass class) {
        pthread_mutex_lock(&a->mutex);
        count_lost(a, class);
        pthread_mutex_unlock(&a->mutex);
}

/* The mutex is held. */
static int trouble(const Audit *a) {
        if (a->error == 0 && a->written < a->put && clock_ns(CLOCK_MONOTONIC) - a->progress_ns > PATIENCE_NS)
                return -ETIMEDOUT;
        return a->error;
}

/* The mutex is held. */
static void get_status(const Audit *a, AuditStatus *ret) {
        *ret = (AuditStatus) { .error = trouble(a), .waiting = a->put - a->written, .serial = a->serial };
        memcpy(ret->lost, a->lost, sizeof(ret->lost));
}

void audit_status(Audit *a, AuditStatus *ret) {
        pthread_mutex_lock(&a->mutex);
        get_status(a, ret);
        pthread_mutex_unlock(&a->mutex);
}

uint64_t audit_released(Audit *a) {
        pthread_mutex_lock(&a->mutex);
        uint64_t released = trouble(a) < 0 ? a->put : a->written;
        pthread_mutex_unlock(&a->mutex);
        return released;
}

int audit_fd(Audit *a) {
        return a->event_fd;
}

void audit_dispatch(Audit *a) {
        uint64_t n;

        (void) !read(a->event_fd, &n, sizeof(n));
}

static void tell_event_loop(Audit *a) {
        (void) !write(a->event_fd, &(uint64_t) { 1 }, sizeof(uint64_t));
}

void audit_set_limits(Audit *a, const AuditLimits *limits) {
        pthread_mutex_lock(&a->mutex);
        a->limits = *limits;
        pthread_mutex_unlock(&a->mutex);
}

/* ---- the journal ---- */

/* Does nothing where no journal listens. A journal that fails fails for itself: the file is the record. */
static void tell_journal(const Entry *e) {
        char serial[64], hash[32 + CHAIN_HASH_SIZE];
        struct iovec fields[JOURNAL_FIELDS_MAX];
        int n = 0;

        if (e->n_journal == 0)
                return;
        for (const char *p = e->data + e->n; p < e->data + e->n + e->n_journal && n < JOURNAL_FIELDS_MAX - 2;
             p += strlen(p) + 1)
                fields[n++] = (struct iovec) { (char *) p, strlen(p) };
        fields[n++] = (struct iovec) { serial, (size_t) snprintf(serial, sizeof(serial), "POINTSMAN_AUDIT_SERIAL=%llu",
                                                                 (unsigned long long) e->mark.serial) };
        fields[n++] = (struct iovec) { hash, (size_t) snprintf(hash, sizeof(hash), "POINTSMAN_AUDIT_HASH=%s",
                                                               e->mark.hash.digits) };
        (void) sd_journal_sendv(fields, n);
}

/* ---- the thread ---- */

static Entry *taken_at(Audit *a, size_t offset) {
        return (Entry *) (void *) (a->taken.data + offset);
}

/* Writes what was appended of the entries up to there. */
static int commit(Audit *a, size_t upto) {
        bool sync = false;
        size_t records = 0;

        for (size_t i = a->done; i < upto; i += taken_at(a, i)->size, records++)
                sync = sync || taken_at(a, i)->class == AUDIT_MANAGEMENT;
        int r = audit_file_flush(&a->file, sync);
        if (r < 0)
                return r;

        pthread_mutex_lock(&a->mutex);
        a->taken_size -= upto - a->done;
        a->written += records;
        a->progress_ns = clock_ns(CLOCK_MONOTONIC);
        a->serial = a->file.written.serial;
        pthread_mutex_unlock(&a->mutex);
        if (sync)
                tell_event_loop(a);
        for (size_t i = a->done; i < upto; i += taken_at(a, i)->size)
                tell_journal(taken_at(a, i));
        a->done = upto;
        return 0;
}

static int make_place(Audit *a, size_t n, size_t upto) {
        uint64_t utc_ns = clock_ns(CLOCK_REALTIME);
        int r = 0;

        if (audit_file_is_full(&a->file, n + 64 + CHAIN_TAIL_SIZE, utc_ns)) {
                r = commit(a, upto);
                if (r == 0)
                        r = audit_file_rotate(&a->file, utc_ns);
        } else if (a->file.buffer.size >= GATHER_BYTES)
                r = commit(a, upto);
        return r;
}

static int write_taken(Audit *a) {
        int r = 0;

        for (size_t i = a->done; i < a->taken.size && r == 0;) {
                Entry *e = taken_at(a, i);
                r = make_place(a, e->n, i);
                if (r == 0)
                        r = audit_file_append(&a->file, e->data, e->n);
                e->mark = a->file.mark;
                i += e->size;
        }
        return r < 0 ? r : commit(a, a->taken.size);
}

/* What to say of it; false: nothing. Refusals are lost on purpose, and told with something else. */
static bool count_unrecorded(Audit *a, bool all, uint64_t ret[_AUDIT_CLASS_MAX], uint64_t *ret_since_ns) {
        pthread_mutex_lock(&a->mutex);
        for (AuditClass c = 0; c < _AUDIT_CLASS_MAX; c++)
                ret[c] = a->lost[c] - a->recorded[c];
        *ret_since_ns = a->lost_since_utc_ns;
        pthread_mutex_unlock(&a->mutex);
        return ret[AUDIT_MANAGEMENT] + ret[AUDIT_DECISION] + (all ? ret[AUDIT_REFUSAL] : 0) > 0;
}

static int record_lost(Audit *a, bool all) {
        static const char format[] = "\"time\":\"%s\",\"kind\":\"lost\",\"management\":%llu,\"decisions\":%llu,"
                                     "\"refusals\":%llu,\"since\":\"%s\"";
        char text[512], time[INSTANT_MAX], since[INSTANT_MAX];
        uint64_t lost[_AUDIT_CLASS_MAX], since_ns;

        if (!count_unrecorded(a, all, lost, &since_ns))
                return 0;
        instant_to_string(clock_ns(CLOCK_REALTIME), time);
        instant_to_string(since_ns, since);
        int n = snprintf(text, sizeof(text), format, time, (unsigned long long) lost[AUDIT_MANAGEMENT],
                         (unsigned long long) lost[AUDIT_DECISION], (unsigned long long) lost[AUDIT_REFUSAL], since);
        int r = make_place(a, (size_t) n, a->taken.size);
        if (r == 0)
                r = audit_file_append(&a->file, text, (size_t) n);
        if (r == 0)
                r = audit_file_flush(&a->file, true);
        if (r < 0)
                return r;

        bool more = false;
        pthread_mutex_lock(&a->mutex);
        for (AuditClass c = 0; c < _AUDIT_CLASS_MAX; c++) {
                a->recorded[c] += lost[c];
                more = more || a->lost[c] > a->recorded[c];
        }
        a->lost_since_utc_ns = more ? clock_ns(CLOCK_REALTIME) : 0;
        a->serial = a->file.written.serial;
        pthread_mutex_unlock(&a->mutex);
        return 0;
}

static int write_all_taken(Audit *a, bool stopping) {
        bool some = a->done < a->taken.size;
        int r = audit_file_open(&a->file, clock_ns(CLOCK_REALTIME));

        if (r == 0 && some)
                r = write_taken(a);
        return r < 0 ? r : record_lost(a, some || stopping);
}

/* The mutex is held. */
static void wait_until(Audit *a, uint64_t deadline_ns) {
        struct timespec ts = { (time_t) (deadline_ns / NSEC_PER_SEC), (long) (deadline_ns % NSEC_PER_SEC) };

        (void) pthread_cond_timedwait(&a->wakeup, &a->mutex, &ts);
}

static void wait_for_work(Audit *a) {
        if (a->error < 0) {
                for (uint64_t end = clock_ns(CLOCK_MONOTONIC) + RETRY_NS;
                     !a->stopping && clock_ns(CLOCK_MONOTONIC) < end;)
                        wait_until(a, end);
                return;
        }
        while (a->incoming.size == 0 && !a->stopping) {
                a->idle = true;
                pthread_cond_wait(&a->wakeup, &a->mutex);
        }
        a->idle = false;
        for (uint64_t end = clock_ns(CLOCK_MONOTONIC) + GATHER_NS;
             !a->urgent && !a->stopping && a->incoming.size < GATHER_BYTES && clock_ns(CLOCK_MONOTONIC) < end;)
                wait_until(a, end);
}

/* The mutex is held. What was taken before is written first. */
static void take_incoming(Audit *a) {
        if (a->done < a->taken.size)
                return;
        Queue empty = a->taken;

        queue_clear(&empty);
        a->taken = a->incoming;
        a->incoming = empty;
        a->taken_size = a->taken.size;
        a->done = 0;
        a->urgent = false;
}

static void destroy(Audit *a) {
        audit_file_done(&a->file);
        closep(&a->event_fd);
        pthread_cond_destroy(&a->wakeup);
        pthread_mutex_destroy(&a->mutex);
        free(a->incoming.data);
        free(a->taken.data);
        free(a);
}

static void *run(void *userdata) {
        Audit *a = userdata;

        pthread_mutex_lock(&a->mutex);
        for (;;) {
                bool last = a->stopping;

                take_incoming(a);
                a->file.limits = a->limits;
                pthread_mutex_unlock(&a->mutex);
                int r = write_all_taken(a, last);
                pthread_mutex_lock(&a->mutex);
                if ((r < 0) != (a->error < 0))
                        tell_event_loop(a);
                a->error = r;
                if (last && (r < 0 || a->incoming.size == 0))
                        break;
                if (!last)
                        wait_for_work(a);
        }
        bool abandoned = a->abandoned;
        a->ended = true;
        pthread_cond_signal(&a->wakeup);
        pthread_mutex_unlock(&a->mutex);
        if (abandoned)
                destroy(a);
        return NULL;
}

/* ---- life ---- */

static int start_thread(Audit *a) {
        sigset_t all, before;

        /* Signals are the event loop's. */
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        int r = pthread_create(&a->thread, NULL, run, a);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (r == 0)
                (void) pthread_setname_np(a->thread, "audit");
        return -r;
}

int audit_new(Audit **ret, const char *folder, const AuditLimits *limits) {
        pthread_condattr_t attributes;
        int r = chain_init();

        if (r < 0)
                return r;
        Audit *a = calloc(1, sizeof(Audit));
        if (!a)
                return -ENOMEM;
        a->limits = *limits;
        a->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        pthread_mutex_init(&a->mutex, NULL);
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&a->wakeup, &attributes);
        pthread_condattr_destroy(&attributes);
        r = audit_file_init(&a->file, folder);
        if (r == 0 && a->event_fd < 0)
                r = -errno;
        if (r == 0)
                r = start_thread(a);
        if (r < 0) {
                destroy(a);
                return r;
        }
        *ret = a;
        return 0;
}

/* Waits for the end of the thread. false: it hangs, and has been left alone with what it works on. */
static bool stop_thread(Audit *a, uint64_t patience_ns, AuditStatus *ret) {
        uint64_t end = clock_ns(CLOCK_MONOTONIC) + patience_ns;

        pthread_mutex_lock(&a->mutex);
        a->stopping = true;
        pthread_cond_signal(&a->wakeup);
        while (!a->ended && clock_ns(CLOCK_MONOTONIC) < end)
                wait_until(a, end);
        bool ended = a->ended;
        a->abandoned = !ended;
        get_status(a, ret);
        if (!ended) {
                pthread_detach(a->thread);
                ret->error = -ETIMEDOUT;
        }
        pthread_mutex_unlock(&a->mutex);
        return ended;
}

Audit *audit_free(Audit *a, uint64_t patience_ns, AuditStatus *ret_status) {
        AuditStatus status = {};

        if (a && stop_thread(a, patience_ns, &status)) {
                pthread_join(a->thread, NULL);
                destroy(a);
        }
        if (ret_status)
                *ret_status = status;
        return NULL;
}
