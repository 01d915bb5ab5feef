/* SPDX-License-Identifier: Apache-2.0 */
/* The connection: made, lost, and made again. Nothing here waits for the bus. */
#include "daemon/dbus/bus.h"


#include "basic/log.h"
#include "daemon/dbus/private.h"

#define BACKOFF_MIN_US UINT64_C(500000)
#define BACKOFF_MAX_US UINT64_C(10000000)
/* Messages that the bus has not taken yet; more are given up, so that a stuck bus costs no memory without end. */
#define QUEUED_MAX 16384

static int connect_bus(Bus *b);

void bus_send(Bus *b, sd_bus_message *m) {
        uint64_t queued = 0;

        b->wants_turn = true;
        (void) sd_bus_get_n_queued_write(b->bus, &queued);
        int r = queued < QUEUED_MAX ? sd_bus_send(b->bus, m, NULL) : -ENOBUFS;
        if (r < 0)
                log_debug("Gave up a message to the bus: %s", strerror(-r));
}

/* ---- away ---- */

static void schedule_retry(Bus *b) {
        (void) sd_event_source_set_time_relative(b->retry, b->backoff_us);
        (void) sd_event_source_set_enabled(b->retry, SD_EVENT_ONESHOT);
        b->backoff_us = MIN(b->backoff_us * 2, BACKOFF_MAX_US);
}

static void disconnect(Bus *b) {
        if (!b->bus)
                return;
        signals_stop(b);
        changes_stop(b->changes);
        listings_clear(b);
        authority_clear(b);
        senders_clear(b);
        replies_clear(b->replies);
        methods_abandon(b);
        b->direct = direct_free(b->direct);
        b->bus = sd_bus_close_unref(b->bus);
}

static void go_away(Bus *b, const char *why) {
        if (b->presence != PRESENCE_AWAY)
                log_warning("Not on the bus (%s): %s; trying again until it works", b->called, why);
        b->presence = PRESENCE_AWAY;
        disconnect(b);
        schedule_retry(b);
}

static int on_retry(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        Bus *b = userdata;
        int r = connect_bus(b);

        if (r < 0)
                go_away(b, strerror(-r));
        return 0;
}

static int on_disconnected(sd_bus_message *m _unused_, void *userdata, sd_bus_error *error _unused_) {
        go_away(userdata, "the connection is gone");
        return 0;
}

/* ---- there ---- */

static int on_name(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_) {
        const sd_bus_error *refusal = sd_bus_message_get_error(m);
        Bus *b = userdata;
        uint32_t answer;

        if (refusal)
                go_away(b, refusal->message ?: refusal->name);
        else if (sd_bus_message_read_basic(m, 'u', &answer) < 0 || answer != 1)
                go_away(b, "another process owns the name " BUS_NAME);
        else {
                log_info("On the bus (%s) as " BUS_NAME, b->called);
                b->presence = PRESENCE_ON;
                b->backoff_us = BACKOFF_MIN_US;
                (void) direct_new(&b->direct, b->bus);
                signals_start(b);
                changes_start(b->changes);
        }
        return 1;
}

static int on_call(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_) {
        return senders_admit(userdata, m, (Authorization) {});
}

static int set_up(Bus *b, sd_bus *bus) {
        int r = sd_bus_set_address(bus, b->address);

        if (r >= 0)
                r = sd_bus_set_bus_client(bus, true);
        if (r >= 0)
                r = sd_bus_negotiate_fds(bus, false);
        if (r >= 0)
                r = sd_bus_start(bus);
        return r;
}

static int connect_bus(Bus *b) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;

        int r = sd_bus_new(&bus);
        if (r >= 0)
                r = set_up(b, bus);
        if (r >= 0)
                r = sd_bus_match_signal(bus, NULL, "org.freedesktop.DBus.Local", "/org/freedesktop/DBus/Local",
                                        "org.freedesktop.DBus.Local", "Disconnected", on_disconnected, b);
        if (r >= 0)
                r = sd_bus_add_fallback(bus, NULL, BUS_PATH, on_call, b);
        if (r >= 0)
                r = sd_bus_attach_event(bus, b->event, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0)
                return r;
        b->bus = TAKE(bus);
        /* Messages wait until the bus has said hello. Before anybody can call by name, those who leave are watched. */
        r = senders_watch(b);
        if (r >= 0)
                r = sd_bus_request_name_async(b->bus, NULL, BUS_NAME, 0, on_name, b);
        return r;
}

/* ---- life ---- */

static int resolve_address(const char *called, char **ret) {
        const char *runtime = getenv("XDG_RUNTIME_DIR"), *address = called;
        char buffer[256];

        if (streq(called, "system"))
                address = getenv("DBUS_SYSTEM_BUS_ADDRESS") ?: "unix:path=/run/dbus/system_bus_socket";
        else if (streq(called, "session")) {
                snprintf(buffer, sizeof(buffer), "unix:path=%s/bus", runtime ?: "/run");
                address = getenv("DBUS_SESSION_BUS_ADDRESS") ?: buffer;
        }
        *ret = strdup(address);
        return *ret ? 0 : -ENOMEM;
}

int bus_new(Bus **ret, Api *api, sd_event *event, const char *address) {
        *ret = NULL;
        if (streq(address, "none"))
                return 0;

        Bus *b = calloc(1, sizeof(Bus));
        if (!b)
                return -ENOMEM;
        *b = (Bus) { .api = api, .event = sd_event_ref(event), .called = address, .backoff_us = BACKOFF_MIN_US };
        b->status = calloc(1, system_status_structure.size);
        int r = b->status ? resolve_address(address, &b->address) : -ENOMEM;
        if (r >= 0)
                r = methods_new(&b->methods);
        if (r >= 0)
                r = senders_new(&b->senders);
        if (r >= 0)
                r = replies_new(&b->replies, b);
        if (r >= 0)
                r = changes_new(&b->changes, b);
        if (r >= 0)
                r = sd_event_add_time_relative(event, &b->retry, CLOCK_BOOTTIME, 0, 0, on_retry, b);
        if (r >= 0)
                r = sd_event_source_set_enabled(b->retry, SD_EVENT_OFF);
        if (r >= 0) {
                r = connect_bus(b);
                /* An address that makes no sense will make none later. */
                if (r < 0 && r != -EINVAL) {
                        go_away(b, strerror(-r));
                        r = 0;
                }
        }
        if (r < 0) {
                bus_free(b);
                return r;
        }
        *ret = b;
        return 0;
}

Bus *bus_free(Bus *b) {
        if (!b)
                return NULL;
        disconnect(b);
        sd_event_source_disable_unref(b->retry);
        changes_free(b->changes);
        replies_free(b->replies);
        senders_free(b->senders);
        methods_free(b->methods);
        sd_event_unref(b->event);
        arena_done(&b->arena);
        free(b->status);
        free(b->address);
        free(b);
        return NULL;
}

bool bus_wants_turn(Bus *b) {
        return b && TAKE(b->wants_turn);
}

static int on_released(sd_bus_message *m _unused_, void *userdata, sd_bus_error *error _unused_) {
        Bus *b = userdata;

        b->left = true;
        return 1;
}

void bus_leave(Bus *b) {
        if (b && (!b->bus || sd_bus_release_name_async(b->bus, NULL, BUS_NAME, on_released, b) < 0))
                b->left = true;
}

bool bus_is_settled(const Bus *b) {
        uint64_t queued = 0;

        if (!b || !b->bus)
                return true;
        (void) sd_bus_get_n_queued_write(b->bus, &queued);
        return b->left && queued == 0 && !b->deferred && replies_are_none(b->replies);
}

void bus_objects_changed(Bus *b) {
        if (!b)
                return;
        senders_outdate(b);
        listings_restart(b);
        changes_expect(b->changes, true);
}
