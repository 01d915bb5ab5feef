/* SPDX-License-Identifier: Apache-2.0 */
/* Events as signals of the Manager, one for each type. */
#include <ctype.h>

#include "basic/log.h"
#include "daemon/dbus/private.h"

/* routing_decision_made is left out: it comes with every call. Those who want it subscribe on the Unix socket. */
#define PASSED_ON (((UINT32_C(1) << _EVENT_TYPE_MAX) - 1) & ~(UINT32_C(1) << EVENT_ROUTING_DECISION_MADE))

const char *signal_name(EventType type, char buffer[SIGNAL_NAME_MAX]) {
        const char *name = event_type_names.names[type];
        size_t n = 0;

        if (!(PASSED_ON >> type & 1))
                return NULL;
        for (size_t i = 0; name[i] && n + 1 < SIGNAL_NAME_MAX; i++)
                if (name[i] != '_')
                        buffer[n++] = (char) (i == 0 || name[i - 1] == '_' ? toupper(name[i]) : name[i]);
        buffer[n] = 0;
        return buffer;
}

bool signal_carries(const Field *f) {
        return !streq(f->name, "type"); /* that is the signal's name */
}

static void on_event(void *userdata, const struct ApiEvent *event) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        char name[SIGNAL_NAME_MAX];
        Bus *b = userdata;

        changes_expect(b->changes, false);
        if (!signal_name(event->type, name))
                return;
        int r = sd_bus_message_new_signal(b->bus, &m, BUS_PATH, MANAGER_INTERFACE, name);
        for (const Field *f = event_structure.fields; f->name && r >= 0; f++)
                if (signal_carries(f))
                        r = codec_append(WRITER(m), f, event);
        if (r < 0)
                log_debug("Cannot send the signal %s: %s", name, strerror(-r));
        else
                bus_send(b, m);
}

void signals_start(Bus *b) {
        api_listen(b->api, PASSED_ON, on_event, b);
}

void signals_stop(Bus *b) {
        api_listen(b->api, 0, NULL, NULL);
}
