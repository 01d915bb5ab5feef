/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/api/learned-private.h"

#include <stdarg.h>

#include "daemon/api/learned-text.h"

#define SLAB 64
/* Of a slab that has changed, in one step; and how many others are looked at. */
#define NODES_A_STEP 8
#define SLABS_A_STEP 8
#define POINTS_A_STEP 256
#define STEP_NS NSEC_PER_MSEC
/* Serials of events that are given out before the limit that was kept is moved on. */
#define SERIALS_AHEAD 65536

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
        json_write_int(&s->text, LEARNED_VERSION);
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

/* One point at a time, the oldest first. False: all are kept. */
static bool step_points(LearnedState *s, bool hours, uint64_t now_ns) {
        uint64_t now = learned_running(s, hours), length = hours ? LEARNED_HOURS : LEARNED_MINUTES;
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
