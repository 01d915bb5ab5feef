/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/api/learned-state.h"

#include <stdarg.h>

#include "basic/log.h"
#include "daemon/api/learned-text.h"
#include "daemon/api/private.h"

#define VERSION 1
#define SLAB 64
/* Of a slab that has changed, in one step; and how many others are looked at. */
#define NODES_A_STEP 8
#define SLABS_A_STEP 8
#define POINTS_A_STEP 256
#define STEP_NS NSEC_PER_MSEC
#define MINUTES 60
#define HOURS 168
/* Serials of events that are given out before the limit that was kept is moved on. */
#define SERIALS_AHEAD 65536

typedef enum Phase { PHASE_IDLE, PHASE_NODES, PHASE_SERVICES, PHASE_MINUTES, PHASE_HOURS, PHASE_SCENARIOS, PHASE_STATE } Phase;

struct LearnedState {
        Api *api;
        Store *store;
        Phase phase;
        uint64_t due_ns;
        size_t position;      /* slot, service, or slot within a point */
        size_t n_written;     /* entries of the document at hand */
        JsonWriter text;
        uint64_t *marks[2];   /* of the slabs of nodes, of services, as they were kept */
        size_t n_marks[2];
        uint64_t mark;        /* of the slab at hand */
        uint64_t points[2];   /* the newest minute and hour that is kept, since 1970; 0: none */
        uint64_t first[2];    /* the oldest */
        bool finishing;
        union { /* scratch: too large for the stack */
                LearnedNode node;
                LearnedService service;
        };
};

int learned_state_new(LearnedState **ret, Api *api, Store *store) {
        LearnedState *s = calloc(1, sizeof(LearnedState));

        if (!s)
                return -ENOMEM;
        s->api = api;
        s->store = store;
        *ret = s;
        return 0;
}

LearnedState *learned_state_free(LearnedState *s) {
        if (!s)
                return NULL;
        json_writer_done(&s->text);
        free(s->marks[0]);
        free(s->marks[1]);
        free(s);
        return NULL;
}

/* ---- documents ---- */

static void begin(LearnedState *s) {
        s->text.size = 0;
        s->text.failed = false;
        s->n_written = 0;
        json_write_literal(&s->text, "{\"version\":");
        json_write_int(&s->text, VERSION);
        json_write_literal(&s->text, ",\"written\":");
        json_write_uint(&s->text, api_utc_ns(s->api) / NSEC_PER_MSEC);
}

static void begin_list(LearnedState *s) {
        begin(s);
        json_write_literal(&s->text, ",\"entries\":[");
}

static void begin_entry(LearnedState *s, const char *name) {
        json_write(&s->text, ",", s->n_written++ > 0);
        json_write_literal(&s->text, "{\"name\":");
        json_write_string(&s->text, name);
}

_printf_(2, 3) static void put(LearnedState *s, const char *format, ...) {
        char name[32];
        va_list ap;

        va_start(ap, format);
        vsnprintf(name, sizeof(name), format, ap);
        va_end(ap);
        json_write_literal(&s->text, "}\n");
        if (!s->text.failed)
                api_put_document(s->api, name, s->text.data, s->text.size);
}

/* ---- slabs ---- */

enum { NODES, SERVICES };

static size_t slab_end(const LearnedState *s, int which) {
        return which == NODES ? learned_slots(s->api->router) : router_n_services(s->api->router);
}

static uint64_t slab_mark(const LearnedState *s, int which, size_t first) {
        size_t end = MIN(first + SLAB, slab_end(s, which));
        uint64_t mark = 1;

        for (size_t i = first; i < end; i++)
                mark = mark * UINT64_C(0x100000001b3) ^ (which == NODES ? learned_node_mark(s->api->router, (uint32_t) i)
                                                                        : learned_service_mark(s->api->router, i));
        return mark;
}

static int reserve_marks(LearnedState *s, int which) {
        size_t n = slab_end(s, which) / SLAB + 1;
        uint64_t *marks;

        if (n <= s->n_marks[which])
                return 0;
        marks = realloc(s->marks[which], n * sizeof(uint64_t));
        if (!marks)
                return -ENOMEM;
        memset(marks + s->n_marks[which], 0, (n - s->n_marks[which]) * sizeof(uint64_t));
        s->marks[which] = marks;
        s->n_marks[which] = n;
        return 0;
}

static void write_cooldowns(LearnedState *s, uint32_t slot, uint64_t now_ns) {
        bool any = false;
        const char *name;
        double left;

        for (uint32_t i = 0; left = learned_cooldown(s->api->router, slot, i, now_ns, &name), name; i++) {
                if (left <= 0)
                        continue;
                if (!any)
                        json_write_literal(&s->text, ",\"operations\":{");
                any = true;
                learned_begin_member(&s->text, name);
                json_write_int(&s->text, (int64_t) left);
        }
        if (any)
                json_write_literal(&s->text, "}");
}

static void write_node(LearnedState *s, size_t slot, uint64_t now_ns) {
        LearnedNode *x = &s->node;

        if (!learned_node_read(s->api->router, (uint32_t) slot, x))
                return;
        begin_entry(s, x->name);
        learned_write_parts(&s->text, learned_node_parts, x, now_ns);
        write_cooldowns(s, (uint32_t) slot, now_ns);
        json_write_literal(&s->text, ",\"minute\":{");
        learned_write_fields(&s->text, learned_point_fields, &x->minute, now_ns);
        json_write_literal(&s->text, "},\"hour\":{");
        learned_write_fields(&s->text, learned_point_fields, &x->hour, now_ns);
        json_write_literal(&s->text, "}}");
}

static void write_service(LearnedState *s, size_t i, uint64_t now_ns) {
        learned_service_read(s->api->router, i, &s->service);
        begin_entry(s, s->service.name);
        learned_write_parts(&s->text, learned_service_parts, &s->service, now_ns);
        json_write_literal(&s->text, "}");
}

/* False: there is nothing left to do. */
static bool step_slabs(LearnedState *s, int which, uint64_t now_ns) {
        size_t end = slab_end(s, which);

        if (reserve_marks(s, which) < 0)
                return false;
        for (unsigned looked = 0; s->position % SLAB == 0 && looked < SLABS_A_STEP; looked++) {
                if (s->position >= end)
                        return false;
                s->mark = slab_mark(s, which, s->position);
                if (s->mark != s->marks[which][s->position / SLAB]) {
                        begin_list(s);
                        break;
                }
                s->position += SLAB;
                if (looked + 1 == SLABS_A_STEP)
                        return s->position < end;
        }
        size_t slab = s->position / SLAB, stop = MIN(MIN(s->position + NODES_A_STEP, (slab + 1) * SLAB), end);
        for (; s->position < stop; s->position++)
                which == NODES ? write_node(s, s->position, now_ns) : write_service(s, s->position, now_ns);
        if (s->position < MIN((slab + 1) * SLAB, end))
                return true;
        json_write_literal(&s->text, "]");
        put(s, which == NODES ? "nodes/%zu" : "services/%zu", slab);
        s->marks[which][slab] = s->mark;
        s->position = (slab + 1) * SLAB;
        return s->position < end;
}

/* ---- points ---- */

static uint64_t running(const LearnedState *s, bool hours) {
        return api_utc_ns(s->api) / (hours ? NSEC_PER_HOUR : NSEC_PER_MINUTE);
}

/* One point at a time, the oldest first. False: all are kept. */
static bool step_points(LearnedState *s, bool hours, uint64_t now_ns) {
        uint64_t now = running(s, hours), length = hours ? HOURS : MINUTES;
        uint32_t end = learned_slots(s->api->router);

        if (s->points[hours] == 0 || s->points[hours] > now || now - s->points[hours] >= length) {
                s->points[hours] = now - 1;
                s->first[hours] = now;
        }
        uint64_t number = s->points[hours] + 1;
        if (number >= now)
                return false;
        if (s->position == 0) {
                begin(s);
                json_write_literal(&s->text, ",\"number\":");
                json_write_uint(&s->text, number);
                json_write_literal(&s->text, ",\"entries\":[");
        }
        for (size_t stop = MIN(s->position + POINTS_A_STEP, (size_t) end); s->position < stop; s->position++) {
                const SeriesPoint *p = learned_point(s->api->router, (uint32_t) s->position, hours, number);
                if (!p)
                        continue;
                begin_entry(s, learned_slot_name(s->api->router, (uint32_t) s->position));
                learned_write_fields(&s->text, learned_point_fields, p, now_ns);
                json_write_literal(&s->text, "}");
        }
        if (s->position < end)
                return true;
        json_write_literal(&s->text, "]");
        put(s, hours ? "hour/%llu" : "minute/%llu", (unsigned long long) (number % length));
        s->points[hours] = number;
        s->position = 0;
        return number + 1 < now;
}

static void write_state(LearnedState *s, uint64_t now_ns) {
        uint64_t serial = events_serial(s->api->events);

        begin(s);
        json_write_literal(&s->text, ",\"events\":");
        json_write_uint(&s->text, s->finishing ? serial : (serial / SERIALS_AHEAD + 2) * SERIALS_AHEAD);
        for (int hours = 0; hours < 2; hours++) {
                learned_begin_member(&s->text, hours ? "hours" : "minutes");
                json_write_literal(&s->text, "[");
                json_write_uint(&s->text, s->first[hours]);
                json_write_literal(&s->text, ",");
                json_write_uint(&s->text, s->points[hours]);
                json_write_literal(&s->text, "]");
        }
        json_write_literal(&s->text, ",\"forecast\":{");
        learned_write_fields(&s->text, learned_model_fields, learned_model(s->api->router), now_ns);
        json_write_literal(&s->text, "}");
        put(s, "state");
}

/* ---- steps ---- */

static bool step_phase(LearnedState *s, uint64_t now_ns) {
        switch (s->phase) {
        case PHASE_NODES: return step_slabs(s, NODES, now_ns);
        case PHASE_SERVICES: return step_slabs(s, SERVICES, now_ns);
        case PHASE_MINUTES: return step_points(s, false, now_ns);
        case PHASE_HOURS: return step_points(s, true, now_ns);
        case PHASE_SCENARIOS: api_keep_scenarios(s->api, now_ns); break;
        case PHASE_STATE: write_state(s, now_ns); break;
        case PHASE_IDLE: break;
        }
        return false;
}

static void step(LearnedState *s, uint64_t now_ns) {
        if (step_phase(s, now_ns))
                return;
        s->position = 0;
        s->phase = s->phase == PHASE_STATE ? PHASE_IDLE : s->phase + 1;
}

uint64_t learned_state_step(LearnedState *s, uint64_t now_ns) {
        if (s->phase == PHASE_IDLE) {
                if (now_ns < s->due_ns)
                        return s->due_ns;
                s->due_ns = now_ns + s->api->settings->state_interval_ns;
                s->phase = PHASE_NODES;
        }
        step(s, now_ns);
        return s->phase == PHASE_IDLE ? s->due_ns : now_ns + STEP_NS;
}

void learned_state_finish(LearnedState *s, uint64_t now_ns) {
        s->finishing = true;
        s->position = 0;
        s->phase = PHASE_NODES;
        while (s->phase != PHASE_IDLE)
                step(s, now_ns);
}

/* ---- back ---- */

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
                        if (json_equals(&key, "version") && n != VERSION)
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
        uint64_t now = running(x->state, hours), length = hours ? HOURS : MINUTES;
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
