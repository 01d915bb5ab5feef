/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PropertiesChanged, InterfacesAdded and InterfacesRemoved.
 *
 * The brain does not say what it changed, so the objects are looked at in rounds, a bounded part of them at each tick, and what
 * is different from the last look is told. Of each property only a hash is kept. A round begins when something was decided or
 * reported, and passes over services whose own numbers stand still; every few seconds, and after an event, a full round looks at all.
 */
#include "basic/hash.h"
#include "basic/log.h"
#include "daemon/dbus/private.h"

#define TICK_US UINT64_C(500000)
#define OBJECTS_PER_TICK 256
#define QUIET_TICKS_MAX 10

typedef struct Object {
        char *name; /* "stripe", "stripe/us-east", or "" for the Manager */
        const char *interface;
        unsigned round; /* in which it was seen last */
        UT_hash_handle hh;
        uint32_t hashes[]; /* of each property */
} Object;

struct Changes {
        Bus *bus;
        sd_event_source *timer;
        Object *objects;
        JsonWriter scratch;
        uint64_t activity; /* when the last round began */
        unsigned quiet, round;
        bool expected;  /* something happened that counters may not show */
        bool announce;  /* false in the first round, when nothing is news */
        bool at_work, full;
        Walk walk; /* of the round */
};

/* ---- telling ---- */

static int begin_signal(const Changes *c, const char *path, const char *interface, const char *name, sd_bus_message **ret) {
        return sd_bus_message_new_signal(c->bus->bus, ret, path, interface, name);
}

static void tell_changed(const Changes *c, const char *path, const View *v, uint64_t changed) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = begin_signal(c, path, PROPERTIES_INTERFACE, "PropertiesChanged", &m);

        if (r >= 0)
                r = sd_bus_message_append_basic(m, 's', v->interface);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "{sv}");
        for (const Field *f = v->structure->fields; f->name && r >= 0; f++)
                if (changed >> (f - v->structure->fields) & 1)
                        r = property_append_entry(m, v, f);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = sd_bus_message_append(m, "as", 0);
        if (r >= 0)
                bus_send(c->bus, m);
}

static void tell_added(const Changes *c, const char *path, const View *v) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = begin_signal(c, BUS_PATH, OBJECT_MANAGER_INTERFACE, "InterfacesAdded", &m);

        if (r >= 0)
                r = sd_bus_message_append_basic(m, 'o', path);
        if (r >= 0)
                r = object_append_interfaces(m, v);
        if (r >= 0)
                bus_send(c->bus, m);
}

static void tell_removed(const Changes *c, const Object *o) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_free_ char *path = object_path(o->name);

        if (path && begin_signal(c, BUS_PATH, OBJECT_MANAGER_INTERFACE, "InterfacesRemoved", &m) >= 0 &&
            sd_bus_message_append(m, "oas", path, 1, o->interface) >= 0)
                bus_send(c->bus, m);
}

/* ---- looking ---- */

static uint32_t hash_bytes(uint32_t h, const char *p, size_t n) {
        for (size_t i = 0; i < n; i++)
                h = (h ^ (unsigned char) p[i]) * UINT32_C(16777619); /* FNV-1a */
        return h;
}

/* Of what a property shows, by the text that the other transport would send. */
static uint32_t hash_property(Changes *c, const View *v, const Field *f) {
        uint32_t h = UINT32_C(2166136261);

        if (field_is_absent(f, v->data) && f->type != FIELD_ARRAY)
                return 0;
        if (f->type == FIELD_ARRAY) { /* the nodes of a service */
                for (size_t i = 0; i < v->service_data.n_nodes; i++) {
                        const char *id = node_settings(service_node(v->service, i))->id;
                        h = hash_bytes(h, id, strlen(id) + 1);
                }
                return h;
        }
        c->scratch.size = 0;
        field_write_json(f, v->data, &c->scratch);
        return hash_bytes(h, c->scratch.data, c->scratch.size);
}

static uint64_t note_properties(Changes *c, Object *o, const View *v) {
        uint64_t changed = 0;
        size_t i = 0;

        for (const Field *f = v->structure->fields; f->name; f++, i++) {
                if (f->flags & (FIELD_CONSTANT | FIELD_VOLATILE))
                        continue;
                uint32_t h = hash_property(c, v, f);
                if (h != o->hashes[i])
                        changed |= UINT64_C(1) << i;
                o->hashes[i] = h;
        }
        return changed;
}

static Object *object_new(Changes *c, const char *name, const View *v) {
        size_t n = 0;

        while (v->structure->fields[n].name)
                n++;
        Object *o = calloc(1, sizeof(Object) + n * sizeof(uint32_t));
        if (!o)
                return NULL;
        o->interface = v->interface;
        o->name = strdup(name);
        if (!o->name) {
                free(o);
                return NULL;
        }
        HASH_ADD_KEYPTR(hh, c->objects, o->name, strlen(o->name), o);
        return o;
}

static void object_free(Changes *c, Object *o) {
        HASH_DEL(c->objects, o);
        free(o->name);
        free(o);
}

/* Tells what is new about an object. Returns whether anything is. */
static bool look_at(Changes *c, const char *name, const View *v) {
        Object *o;

        HASH_FIND_STR(c->objects, name, o);
        bool known = o;
        if (!o)
                o = object_new(c, name, v);
        if (!o)
                return false;
        o->round = c->round;
        uint64_t changed = note_properties(c, o, v);
        if (!changed || !c->announce)
                return changed;

        _cleanup_free_ char *path = name[0] ? object_path(name) : strdup(BUS_PATH);
        if (path && known)
                tell_changed(c, path, v, changed);
        else if (path && name[0])
                tell_added(c, path, v);
        return true;
}

/* ---- rounds ---- */

static uint64_t activity(const Changes *c) {
        Counters k;

        router_counters(api_router(c->bus->api), &k);
        return k.decisions + k.reports + k.failures + k.refused + k.leases_expired + k.probes;
}

static void begin_round(Changes *c, uint64_t now_ns) {
        View view;

        c->full = c->expected || c->quiet >= QUIET_TICKS_MAX;
        c->activity = activity(c);
        c->expected = false;
        c->at_work = true;
        c->walk = (Walk) {};
        c->round++;
        if (c->full) {
                c->quiet = 0;
                view_manager(c->bus, now_ns, &view);
                look_at(c, "", &view);
        }
}

static void end_round(Changes *c) {
        Object *o, *next = NULL;

        c->at_work = false;
        if (!c->full)
                return;
        HASH_ITER(hh, c->objects, o, next)
                if (o->round != c->round) {
                        if (c->announce)
                                tell_removed(c, o);
                        object_free(c, o);
                }
        c->announce = true;
}

static void go_on(Changes *c, uint64_t now_ns, size_t objects_max) {
        View view;

        for (size_t n = 0; n < objects_max; n++) {
                const char *name = walk_next(c->bus, &c->walk, now_ns, &view);
                if (!name) {
                        end_round(c);
                        return;
                }
                bool changed = look_at(c, name, &view);
                if (view.service && !changed && !c->full)
                        walk_next_service(&c->walk);
        }
}

static int schedule(Changes *c, uint64_t after_us) {
        c->bus->wants_turn = true;
        int r = sd_event_source_set_time_relative(c->timer, after_us);

        return r < 0 ? r : sd_event_source_set_enabled(c->timer, SD_EVENT_ONESHOT);
}

static int on_tick(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        Changes *c = userdata;
        uint64_t now_ns = api_now_ns();

        c->quiet++;
        if (!c->at_work && (c->expected || c->quiet >= QUIET_TICKS_MAX || activity(c) != c->activity))
                begin_round(c, now_ns);
        if (c->at_work) {
                go_on(c, now_ns, OBJECTS_PER_TICK);
                api_dispatch_effects(c->bus->api, now_ns); /* looking brings what is looked at up to date */
        }
        return schedule(c, TICK_US);
}

/* ---- life ---- */

int changes_new(Changes **ret, Bus *b) {
        Changes *c = calloc(1, sizeof(Changes));

        if (!c)
                return -ENOMEM;
        c->bus = b;
        /* A little early or late is no matter: the kernel may wake us together with others. */
        int r = sd_event_add_time_relative(b->event, &c->timer, CLOCK_BOOTTIME, 0, TICK_US / 5, on_tick, c);
        if (r >= 0)
                r = sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
        if (r < 0) {
                changes_free(c);
                return r;
        }
        *ret = c;
        return 0;
}

Changes *changes_free(Changes *c) {
        if (!c)
                return NULL;
        changes_stop(c);
        sd_event_source_disable_unref(c->timer);
        json_writer_done(&c->scratch);
        free(c);
        return NULL;
}

void changes_start(Changes *c) {
        uint64_t now_ns = api_now_ns();

        /* All at once, before anybody on this bus can have seen an object: whatever comes later is news to somebody. */
        c->announce = false;
        c->expected = true;
        begin_round(c, now_ns);
        go_on(c, now_ns, SIZE_MAX);
        (void) schedule(c, TICK_US);
}

void changes_stop(Changes *c) {
        Object *o, *next = NULL;

        (void) sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
        c->at_work = false;
        HASH_ITER(hh, c->objects, o, next)
                object_free(c, o);
}

void changes_expect(Changes *c, bool at_once) {
        c->expected = true;
        if (!at_once || c->bus->presence != PRESENCE_ON)
                return;
        /* What a round under way has passed may be gone. */
        c->at_work = false;
        (void) schedule(c, 0);
}
