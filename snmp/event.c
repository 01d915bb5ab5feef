/* SPDX-License-Identifier: Apache-2.0 */
#include "snmp/event.h"

#include <errno.h>

#include "basic/macro.h"

typedef struct Reading {
        Event *event;
        const char *to; /* data.to */
} Reading;

DEFINE_CLEANUP(Event *, event_free);

const KindObjects event_objects[_KIND_MAX] = {
        [KIND_CIRCUIT_OPENED] = { TABLE_NODES, { 8, 7, 9 } },
        [KIND_CIRCUIT_CLOSED] = { TABLE_NODES, { 8, 7, 9 } },
        [KIND_SCENARIO_OPENED] = { TABLE_SCENARIOS, { 2, 3, 6 } },
        [KIND_SCENARIO_ESCALATED] = { TABLE_SCENARIOS, { 2, 3, 6 } },
        [KIND_SCENARIO_RESOLVED] = { TABLE_SCENARIOS, { 2, 3, 6 } },
        [KIND_COST_ALERT] = { TABLE_SERVICES, { 8, 9, 11 } },
        [KIND_BUDGET_EXHAUSTED] = { TABLE_SERVICES, { 8, 9, 11 } },
        [KIND_PERFORMANCE_DEGRADATION] = { TABLE_NODES, { 11, 7 } },
        [KIND_EMERGENCY_MODE] = { TABLE_SERVICES, { 6, 7, 8 } },
};

Event *event_free(Event *e) {
        if (!e)
                return NULL;
        free(e->text);
        free(e);
        return NULL;
}

static Kind kind_of(const Event *e, const char *to) {
        switch (e->type) {
        case EVENT_CIRCUIT_CHANGED:
                return streq(to, "open") ? KIND_CIRCUIT_OPENED : streq(to, "closed") ? KIND_CIRCUIT_CLOSED : _KIND_NONE;
        case EVENT_SCENARIO_OPENED:
                return KIND_SCENARIO_OPENED;
        case EVENT_SCENARIO_ESCALATION:
                return KIND_SCENARIO_ESCALATED;
        case EVENT_SCENARIO_RESOLVED:
                return KIND_SCENARIO_RESOLVED;
        case EVENT_COST_ALERT:
                if (streq(to, "emergency"))
                        return KIND_EMERGENCY_MODE;
                return e->row.severity == SEVERITY_CRITICAL + 1 ? KIND_BUDGET_EXHAUSTED : KIND_COST_ALERT;
        case EVENT_OPTIMIZATION_EXECUTED:
                return streq(to, "EMERGENCY_MODE") ? KIND_EMERGENCY_MODE : _KIND_NONE;
        case EVENT_PERFORMANCE_DEGRADATION:
                return KIND_PERFORMANCE_DEGRADATION;
        default:
                return _KIND_NONE;
        }
}

static int read_data_member(JsonReader *r _unused_, const JsonValue *key, const JsonValue *v, void *row _unused_,
                            void *userdata) {
        Reading *reading = userdata;

        if (v->type == JSON_STRING && json_equals(key, "to"))
                reading->to = json_terminate_string(v);
        else if (v->type == JSON_STRING && json_equals(key, "scenario"))
                reading->event->scenario = json_terminate_string(v);
        return 0;
}

static int read_event_member(JsonReader *r, const JsonValue *key, const JsonValue *v, void *row, void *userdata) {
        Reading *reading = userdata;

        if (v->type == JSON_STRING && json_equals(key, "type"))
                reading->event->type = (EventType) enum_from_string(&event_type_names, json_terminate_string(v));
        if (v->type != JSON_OBJECT || !json_equals(key, "data"))
                return 0;
        int k = columns_read(r, NULL, 0, read_data_member, row, reading);
        return k < 0 ? k : 1;
}

static int read_top_member(JsonReader *r, const JsonValue *key, const JsonValue *v, void *row, void *userdata) {
        if (v->type != JSON_OBJECT || !json_equals(key, "event"))
                return 0;
        int k = columns_read(r, mib_event, mib_n_event, read_event_member, row, userdata);
        return k < 0 ? k : 1;
}

int event_parse(char *text, Event **ret) {
        _cleanup_(event_freep) Event *e = calloc(1, sizeof(Event));
        Reading reading = { e, "" };
        JsonReader r;
        JsonValue v;

        if (!e) {
                free(text);
                return -ENOMEM;
        }
        *e = (Event) { .text = text, .type = (EventType) -1 };
        json_open(&r, text, strlen(text));
        int k = json_read(&r, &v);
        if (k >= 0)
                k = v.type == JSON_OBJECT ? columns_read(&r, NULL, 0, read_top_member, &e->row, &reading) : -EBADMSG;
        if (k >= 0)
                k = json_close(&r);
        if (k < 0)
                return k;
        e->kind = kind_of(e, reading.to);
        *ret = TAKE(e);
        return 0;
}

bool event_supersedes(const Event *later, const Event *earlier) {
        bool circuit = later->type == EVENT_CIRCUIT_CHANGED && earlier->type == EVENT_CIRCUIT_CHANGED;

        return (circuit || later->kind == earlier->kind) &&
                streq(later->row.service ?: "", earlier->row.service ?: "") &&
                streq(later->row.node ?: "", earlier->row.node ?: "") &&
                streq(later->scenario ?: "", earlier->scenario ?: "");
}
