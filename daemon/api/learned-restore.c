/* SPDX-License-Identifier: Apache-2.0 */
/* Putting back what was learned. */
#include <stdarg.h>

#include "basic/log.h"
#include "daemon/api/learned-private.h"
#include "daemon/api/learned-text.h"

typedef struct Document {
        LearnedState *state;
        LearnedReading reading;
        uint64_t number;
} Document;

typedef struct Restoring {
        LearnedState *state;
        uint64_t now_ns;
        unsigned refused;
} Restoring;

typedef int (*ReadEntry)(Document *d, JsonReader *r, const char *name);

/* The name stands first in an entry. */
static int read_name(JsonReader *r, char *name, size_t size) {
        JsonValue key, v;
        bool first = true;

        if (json_read(r, &v) < 0 || v.type != JSON_OBJECT || json_member(r, &first, &key) <= 0 || !json_equals(&key, "name") ||
            json_read(r, &v) < 0 || v.type != JSON_STRING || json_copy_string(&v, name, size) < 0)
                return -EBADMSG;
        return 0;
}

/* first: none was read yet. */
static int read_members(Document *d, JsonReader *r, const LearnedPart *parts, void *whole, bool first) {
        JsonValue key;
        int k;

        while ((k = json_member(r, &first, &key)) > 0) {
                k = learned_read_parts(&d->reading, r, parts, whole, &key);
                if (k < 0)
                        return k;
        }
        return k;
}

static const LearnedPart point_parts[] = { { learned_point_fields, 0 }, {} };

static int read_inner_point(Document *d, JsonReader *r, SeriesPoint *p) {
        JsonValue v;

        if (json_read(r, &v) < 0 || v.type != JSON_OBJECT)
                return -EBADMSG;
        return read_members(d, r, point_parts, p, true);
}

static int read_operations(Document *d, JsonReader *r, const char *node) {
        char operation[65];
        JsonValue key, v;
        double ms;
        int k;

        if (json_read(r, &v) < 0 || v.type != JSON_OBJECT)
                return -EBADMSG;
        for (bool first = true; (k = json_member(r, &first, &key)) > 0;) {
                if (json_copy_string(&key, operation, sizeof(operation)) < 0 || json_read(r, &v) < 0 || v.type != JSON_NUMBER ||
                    json_double(&v, &ms) < 0)
                        return -EBADMSG;
                learned_cooldown_write(d->state->api->router, node, operation, ms, d->reading.elapsed_ns, d->reading.now_ns);
        }
        return k;
}

/* Of a node that is gone, what is there is read and forgotten. */
static int read_node(Document *d, JsonReader *r, const char *name) {
        LearnedNode *x = &d->state->node;
        bool found = learned_node_find(d->state->api->router, name, x);
        JsonValue key;
        int k;

        if (!found)
                memset(x, 0, sizeof(*x));
        for (bool first = false; (k = json_member(r, &first, &key)) > 0;) {
                if (json_equals(&key, "minute"))
                        k = read_inner_point(d, r, &x->minute);
                else if (json_equals(&key, "hour"))
                        k = read_inner_point(d, r, &x->hour);
                else if (json_equals(&key, "operations"))
                        k = read_operations(d, r, name);
                else
                        k = learned_read_parts(&d->reading, r, learned_node_parts, x, &key);
                if (k < 0)
                        return k;
        }
        if (found && k == 0)
                learned_node_write(d->state->api->router, x, d->reading.now_ns);
        return k;
}

static int read_service(Document *d, JsonReader *r, const char *name) {
        LearnedService *x = &d->state->service;
        bool found = learned_service_find(d->state->api->router, name, x);

        if (!found)
                memset(x, 0, sizeof(*x));
        int k = read_members(d, r, learned_service_parts, x, false);
        if (found && k == 0)
                learned_service_write(d->state->api->router, x, d->reading.now_ns);
        return k;
}

static int read_one_point(Document *d, JsonReader *r, const char *name, bool hours) {
        SeriesPoint p = {};
        int k = read_members(d, r, point_parts, &p, false);

        if (k == 0)
                learned_point_write(d->state->api->router, name, hours, d->number, &p);
        return k;
}

static int read_minute(Document *d, JsonReader *r, const char *name) {
        return read_one_point(d, r, name, false);
}

static int read_hour(Document *d, JsonReader *r, const char *name) {
        return read_one_point(d, r, name, true);
}

static int read_entries(Document *d, JsonReader *r, ReadEntry read) {
        char name[NODE_NAME_MAX + 1];
        JsonValue v;
        int k;

        if (json_read(r, &v) < 0 || v.type != JSON_ARRAY)
                return -EBADMSG;
        for (bool first = true; (k = json_element(r, &first)) > 0;) {
                k = read_name(r, name, sizeof(name));
                if (k == 0)
                        k = read(d, r, name);
                if (k < 0)
                        return k;
        }
        return k;
}

/* Up to where points were kept: [first, last]. */
static int read_range(JsonReader *r, uint64_t *first, uint64_t *last) {
        uint64_t *to[] = { first, last };
        JsonValue v;
        int64_t n;

        if (json_read(r, &v) < 0 || v.type != JSON_ARRAY)
                return -EBADMSG;
        bool begun = true;
        for (int i = 0; i < 2; i++) {
                if (json_element(r, &begun) <= 0 || json_read(r, &v) < 0 || v.type != JSON_NUMBER || json_int64(&v, &n) < 0 || n < 0)
                        return -EBADMSG;
                *to[i] = (uint64_t) n;
        }
        return json_element(r, &begun) == 0 ? 0 : -EBADMSG;
}

static int read_state_member(Document *d, JsonReader *r, const JsonValue *key) {
        const LearnedPart model[] = { { learned_model_fields, 0 }, {} };
        LearnedState *s = d->state;
        JsonValue v;
        int64_t n;
        int k;

        if (json_equals(key, "minutes"))
                return read_range(r, &s->first[0], &s->points[0]);
        if (json_equals(key, "hours"))
                return read_range(r, &s->first[1], &s->points[1]);
        if (json_equals(key, "events")) {
                if (json_read(r, &v) < 0 || v.type != JSON_NUMBER || json_int64(&v, &n) < 0 || n < 0)
                        return -EBADMSG;
                events_carry_on(s->api->events, (uint64_t) n);
                return 0;
        }
        k = json_read(r, &v);
        if (k < 0 || !json_equals(key, "forecast") || v.type != JSON_OBJECT)
                return k < 0 ? k : json_skip(r, &v);
        return read_members(d, r, model, learned_model(s->api->router), true);
}

/* -EBADMSG: it is no document of ours. */
static int read_document(Document *d, const char *text, size_t size, ReadEntry read) {
        uint64_t now_ms = api_utc_ns(d->state->api) / NSEC_PER_MSEC;
        JsonReader r;
        JsonValue key, v;
        int64_t n;
        int k;

        json_open(&r, text, size);
        k = json_read(&r, &v);
        if (k < 0 || v.type != JSON_OBJECT)
                return -EBADMSG;
        for (bool first = true; (k = json_member(&r, &first, &key)) > 0;) {
                if (json_equals(&key, "version") || json_equals(&key, "written") || json_equals(&key, "number")) {
                        k = json_read(&r, &v);
                        if (k < 0 || v.type != JSON_NUMBER || json_int64(&v, &n) < 0 || n < 0)
                                return -EBADMSG;
                        if (json_equals(&key, "version") && n != LEARNED_VERSION)
                                return -EPROTO;
                        if (json_equals(&key, "number"))
                                d->number = (uint64_t) n;
                        else if (json_equals(&key, "written"))
                                d->reading.elapsed_ns = now_ms > (uint64_t) n ? (now_ms - (uint64_t) n) * NSEC_PER_MSEC : 0;
                } else if (read && json_equals(&key, "entries"))
                        k = read_entries(d, &r, read);
                else if (!read)
                        k = read_state_member(d, &r, &key);
                else if ((k = json_read(&r, &v)) == 0)
                        k = json_skip(&r, &v);
                if (k < 0)
                        return k;
        }
        return k < 0 ? k : json_close(&r);
}

/* 0: whatever was there has been dealt with. What cannot be read is told, and kept under another name. */
_printf_(3, 4) static int restore(Restoring *x, ReadEntry read, const char *format, ...) {
        LearnedState *s = x->state;
        Document d = { .state = s, .reading = { .now_ns = x->now_ns } };
        _cleanup_free_ char *text = NULL, *where = NULL;
        char name[32];
        size_t size;
        va_list ap;

        va_start(ap, format);
        vsnprintf(name, sizeof(name), format, ap);
        va_end(ap);
        int k = s->store->functions->read(s->store, name, &text, &size);
        if (k < 0)
                return k;
        k = read_document(&d, text, size, read);
        x->refused += d.reading.refused;
        if (k < 0 && s->store->functions->set_aside(s->store, name, &where) == 0)
                log_warning("What was learned cannot be understood from the document %s, which is kept as %s", name, where);
        return 0;
}

static void restore_points(Restoring *x, bool hours) {
        uint64_t now = learned_running(x->state, hours), length = hours ? LEARNED_HOURS : LEARNED_MINUTES;
        uint64_t first = MAX(x->state->first[hours], now > length ? now - length : 0);
        int k = 0;

        for (uint64_t n = first; n < now && n <= x->state->points[hours] && (k >= 0 || k == -ENOENT); n++)
                k = restore(x, hours ? read_hour : read_minute, hours ? "hour/%llu" : "minute/%llu", (unsigned long long) (n % length));
}

unsigned learned_state_restore(LearnedState *s, uint64_t now_ns) {
        Restoring x = { s, now_ns, 0 };

        restore(&x, NULL, "state");
        for (size_t i = 0; restore(&x, read_service, "services/%zu", i) == 0; i++)
                ;
        for (size_t i = 0; restore(&x, read_node, "nodes/%zu", i) == 0; i++)
                ;
        restore_points(&x, false);
        restore_points(&x, true);
        return x.refused;
}
