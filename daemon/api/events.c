/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/api/events.h"

#include "daemon/api/private.h"

typedef struct Subscriber Subscriber;

struct Subscriber {
        ApiStream stream;
        Events *events;
        uint32_t types;
        Severity min_severity;
        char service_name[SERVICE_NAME_MAX + 1];
        uint64_t last_serial;
        Subscriber *previous, *next;
};

struct Events {
        Router *router;
        Users *users;
        ApiEvent *history; /* a ring */
        size_t n_history, allocated;
        uint64_t serial;
        Subscriber *subscribers;
        size_t n_subscribers;
        ApiEventListener listener;
        void *listener_userdata;
        uint32_t listener_types;
};

/* What a double holds exactly, for callers whose numbers are doubles. */
#define SERIAL_MAX 9007199254740991
#define ALL_TYPES ((UINT32_C(1) << _EVENT_TYPE_MAX) - 1)
/* One for each call: they would push everything else out of the history. */
#define UNKEPT_TYPES (UINT32_C(1) << EVENT_ROUTING_DECISION_MADE)

int events_new(Events **ret, Router *router, Users *users, size_t history) {
        Events *e = calloc(1, sizeof(Events));

        if (!e)
                return -ENOMEM;
        *e = (Events) { .router = router, .users = users, .allocated = MAX(history, (size_t) 1) };
        e->history = calloc(e->allocated, sizeof(ApiEvent));
        if (!e->history) {
                free(e);
                return -ENOMEM;
        }
        *ret = e;
        return 0;
}

Events *events_free(Events *e) {
        if (!e)
                return NULL;
        free(e->history);
        free(e);
        return NULL;
}

/* Tells the brain what is worth making: decisions only if somebody listens to them. */
static void update_mask(Events *e) {
        uint32_t mask = (ALL_TYPES & ~UNKEPT_TYPES) | e->listener_types;

        for (Subscriber *s = e->subscribers; s; s = s->next)
                mask |= s->types;
        router_set_event_mask(e->router, mask);
}

void events_listen(Events *e, uint32_t wanted, ApiEventListener listener, void *userdata) {
        e->listener = listener;
        e->listener_userdata = userdata;
        e->listener_types = listener ? wanted : 0;
        update_mask(e);
}

uint64_t events_serial(const Events *e) {
        return e->serial;
}

void events_carry_on(Events *e, uint64_t serial) {
        /* A stray number must not leave the range of what `since` takes. */
        if (e->serial < serial && serial <= SERIAL_MAX / 2)
                e->serial = serial;
}

size_t events_subscribers(const Events *e) {
        return e->n_subscribers;
}

static bool wants(const Subscriber *s, const ApiEvent *event) {
        return s->types >> event->type & 1 && event->severity >= s->min_severity &&
                (!s->service_name[0] || streq(s->service_name, event->service_name));
}

typedef struct SubscribeOut {
        ApiEvent event;
} SubscribeOut;

STRUCTURE(subscribe_out, NULL, SubscribeOut,
        FIELD(SubscribeOut, event, "event", FIELD_STRUCT, .structure = &event_structure));

/* A subscriber that does not read is told so, and where to go on from, and dropped. */
static void drop(Subscriber *s, const ApiEvent *event) {
        SubscribeOut out = { .event = {
                .serial = s->last_serial, .utc_ns = event->utc_ns, .type = EVENT_SYSTEM_HEALTH_CHANGED, .severity = SEVERITY_MEDIUM,
                .data = { .strategy = -1, .cost = MONEY_UNSET, .limit = MONEY_UNSET, .ratio = __builtin_nan("") },
        } };

        snprintf(out.event.message, sizeof(out.event.message),
                 "This subscriber reads too slowly and is dropped; subscribe again with since %llu for what it missed",
                 (unsigned long long) s->last_serial);
        s->stream.send(&s->stream, &out, true);
}

static bool pass_on(Subscriber *s, const ApiEvent *event) {
        SubscribeOut out = { .event = *event };

        if (s->stream.send(&s->stream, &out, false) < 0) {
                drop(s, event);
                return false;
        }
        s->last_serial = event->serial;
        return true;
}

void events_publish(Events *e, ApiEvent *event) {
        Subscriber *next;

        event->serial = ++e->serial;
        if (!(UNKEPT_TYPES >> event->type & 1)) {
                e->history[e->n_history % e->allocated] = *event;
                e->n_history++;
        }
        for (Subscriber *s = e->subscribers; s; s = next) {
                next = s->next;
                if (wants(s, event))
                        pass_on(s, event);
        }
        if (e->listener_types >> event->type & 1)
                e->listener(e->listener_userdata, event);
}

void events_publish_core(Events *e, const Event *event, uint64_t utc_ns) {
        ApiEvent a = {
                .utc_ns = utc_ns, .type = event->type, .severity = event->severity,
                .data = { .strategy = event->strategy, .from = event->from, .to = event->to, .cost = event->cost,
                          .limit = event->limit, .ratio = event->ratio },
        };

        memcpy(a.data.decision, event->decision, sizeof(a.data.decision));
        snprintf(a.data.scenario, sizeof(a.data.scenario), "%s", event->scenario ?: "");
        snprintf(a.service_name, sizeof(a.service_name), "%s", event->service_name ?: "");
        snprintf(a.node, sizeof(a.node), "%s", event->node ?: "");
        memcpy(a.message, event->message, sizeof(a.message));
        events_publish(e, &a);
}

/* ---- Subscribe ---- */

typedef struct SubscribeIn {
        uint32_t types;
        const char *service_name;
        int min_severity;
        int64_t since;
} SubscribeIn;

#define F(member, name, type, ...) FIELD(SubscribeIn, member, name, type, ##__VA_ARGS__)
STRUCTURE(subscribe_in, NULL, SubscribeIn,
        F(types, "types", FIELD_ENUMS, .names = &event_type_names),
        F(service_name, "serviceName", FIELD_STRING, OPTIONAL, LENGTH(SERVICE_NAME_MAX)),
        F(min_severity, "minSeverity", FIELD_ENUM, .names = &severity_names),
        F(since, "since", FIELD_INT, RANGE(0, SERIAL_MAX)));
#undef F

static void closed(ApiStream *stream) {
        Subscriber *s = (Subscriber *) stream;
        Events *e = s->events;

        if (s->previous)
                s->previous->next = s->next;
        else
                e->subscribers = s->next;
        if (s->next)
                s->next->previous = s->previous;
        e->n_subscribers--;
        peer_add_subscription(e->users, s->stream.peer, -1);
        free(s);
        update_mask(e);
}

/* The number that a subscriber comes back with may be of a process before this one, whose serials were lost with it. */
static void replay(Events *e, Subscriber *s, uint64_t since) {
        size_t n = MIN(e->n_history, e->allocated);

        if (since > e->serial)
                since = 0;
        for (size_t i = e->n_history - n; i < e->n_history; i++) {
                const ApiEvent *event = &e->history[i % e->allocated];
                if (event->serial > since && wants(s, event) && !pass_on(s, event))
                        return;
        }
}

static void write_continuation(const ApiStream *stream, JsonWriter *w) {
        const Subscriber *s = (const Subscriber *) stream;

        schema_write_json(&subscribe_in, &(SubscribeIn) {
                .types = s->types,
                .service_name = s->service_name[0] ? s->service_name : NULL,
                .min_severity = (int) s->min_severity,
                .since = (int64_t) s->events->serial,
        }, w);
}

int api_subscribe(ApiCall *call, const void *in) {
        Events *e = call->api->events;
        const SubscribeIn *q = in;

        if (q->service_name && !router_find_service(e->router, q->service_name))
                return api_fail(call, ERROR_NO_SUCH_SERVICE, .service_name = q->service_name);
        if (!peer_add_subscription(e->users, call->peer, 1))
                return api_fail(call, ERROR_BUSY, .reason = "too many subscriptions");

        Subscriber *s = calloc(1, sizeof(Subscriber));
        if (!s) {
                peer_add_subscription(e->users, call->peer, -1);
                return -ENOMEM;
        }
        *s = (Subscriber) {
                .stream = { .out = &subscribe_out, .peer = call->peer, .closed = closed, .write_continuation = write_continuation },
                .events = e, .types = q->types ?: ALL_TYPES, .min_severity = q->min_severity < 0 ? SEVERITY_LOW : q->min_severity,
                .last_serial = q->since >= 0 ? (uint64_t) q->since : e->serial, .next = e->subscribers,
        };
        snprintf(s->service_name, sizeof(s->service_name), "%s", q->service_name ?: "");
        if (e->subscribers)
                e->subscribers->previous = s;
        e->subscribers = s;
        e->n_subscribers++;
        update_mask(e);

        call->transport->open(call, &s->stream);
        if (q->since >= 0)
                replay(e, s, (uint64_t) q->since);
        return 0;
}
