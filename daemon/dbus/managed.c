/* SPDX-License-Identifier: Apache-2.0 */
/*
 * org.freedesktop.DBus.ObjectManager. The reply to GetManagedObjects may hold tens of thousands of objects; it is put together bit by
 * bit, so that everybody else is served in between.
 */
#include "basic/log.h"
#include "daemon/dbus/private.h"

#define OBJECTS_AT_ONCE 128
/* Replies under way; a large one takes megabytes. */
#define LISTINGS_MAX 8

struct Listing {
        Bus *bus;
        Listing *next;
        sd_event_source *source;
        sd_bus_message *call, *reply; /* no reply: to be begun */
        Walk walk;
};

int object_append_interfaces(sd_bus_message *m, const View *v) {
        int r = sd_bus_message_open_container(m, 'a', "{sa{sv}}");

        if (r >= 0)
                r = sd_bus_message_open_container(m, 'e', "sa{sv}");
        if (r >= 0)
                r = sd_bus_message_append_basic(m, 's', v->interface);
        if (r >= 0)
                r = properties_append(m, v);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_object(sd_bus_message *m, const char *name, const View *v) {
        _cleanup_free_ char *path = object_path(name);
        int r = path ? sd_bus_message_open_container(m, 'e', "oa{sa{sv}}") : -ENOMEM;

        if (r >= 0)
                r = sd_bus_message_append_basic(m, 'o', path);
        if (r >= 0)
                r = object_append_interfaces(m, v);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int begin(Listing *l) {
        int r = sd_bus_message_new_method_return(l->call, &l->reply);

        l->walk = (Walk) {};
        return r < 0 ? r : sd_bus_message_open_container(l->reply, 'a', "{oa{sa{sv}}}");
}

/* Puts some more objects into the reply. 1: more are left; 0: that was all. */
static int go_on(Listing *l) {
        uint64_t now_ns = api_now_ns();
        View view;

        int r = l->reply ? 0 : begin(l);
        for (size_t n = 0; n < OBJECTS_AT_ONCE && r >= 0; n++) {
                const char *name = walk_next(l->bus, &l->walk, now_ns, &view);
                if (!name)
                        return sd_bus_message_close_container(l->reply);
                r = append_object(l->reply, name, &view);
        }
        return r < 0 ? r : 1;
}

static void listing_free(Listing *l) {
        Listing **p = &l->bus->listings;

        while (*p != l)
                p = &(*p)->next;
        *p = l->next;
        sd_event_source_disable_unref(l->source);
        sd_bus_message_unref(l->call);
        sd_bus_message_unref(l->reply);
        free(l);
}

static int on_turn(sd_event_source *source _unused_, void *userdata) {
        Listing *l = userdata;
        int r = go_on(l);

        if (r > 0)
                return 0;
        if (r == 0)
                bus_send(l->bus, l->reply);
        else
                methods_fail(l->bus, l->call, ERROR_BUSY, &(ApiErrorParameters) { .reason = strerror(-r) });
        listing_free(l);
        return 0;
}

int objects_get_managed(Bus *b, sd_bus_message *m, sd_bus_message *reply _unused_, uint64_t now_ns _unused_,
                        sd_bus_error *error _unused_) {
        size_t n = 0;

        for (const Listing *l = b->listings; l; l = l->next)
                n++;
        if (n >= LISTINGS_MAX)
                return -EBUSY;
        Listing *l = calloc(1, sizeof(Listing));
        if (!l)
                return -ENOMEM;
        *l = (Listing) { .bus = b, .next = b->listings, .call = sd_bus_message_ref(m) };
        b->listings = l;
        int r = sd_event_add_defer(b->event, &l->source, on_turn, l);
        if (r >= 0)
                r = sd_event_source_set_enabled(l->source, SD_EVENT_ON);
        if (r < 0) {
                listing_free(l);
                return r;
        }
        return 1;
}

void listings_restart(Bus *b) {
        for (Listing *l = b->listings; l; l = l->next)
                l->reply = sd_bus_message_unref(l->reply);
}

void listings_clear(Bus *b) {
        while (b->listings)
                listing_free(b->listings);
}
