/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls on our objects, those of the standard interfaces too, rather than to what sd-bus has for these: so that everybody who asks for
 * anything is known, has the role for it, and does not ask too often.
 */
#include <time.h>

#include "basic/log.h"
#include "daemon/dbus/private.h"

struct BusCall {
        ApiCall call;
        Bus *bus; /* NULL: the connection is gone that it came over */
        sd_bus_message *message;
        const BusMethod *method;
        /* Of one that may be answered later. */
        Arena arena;
        BusCall *previous, *next;
};

/* ---- replies ---- */

static void send_error(Bus *b, sd_bus_message *m, ApiError error, const ApiErrorParameters *p, unsigned waits) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *answer = NULL;
        char sentence[ERROR_SENTENCE_MAX], name[128];

        if (!sd_bus_message_get_expect_reply(m))
                return;
        api_error_sentence(error, p, sentence);
        snprintf(name, sizeof(name), ERROR_PREFIX "%s", api_errors[error].name);
        int r = sd_bus_message_new_method_error(m, &answer, &(sd_bus_error) { .name = name });
        if (r >= 0)
                r = codec_append_string(WRITER(answer), sentence);
        /* After the text that every library shows, what a program wants to know: retryAfterMs, for one. */
        if (r >= 0)
                r = codec_append_structure(WRITER(answer), api_errors[error].parameters, p);
        if (r < 0)
                log_warning_errno(r, "Cannot answer %s over D-Bus", sd_bus_message_get_member(m));
        else
                replies_send(b->replies, answer, waits);
}

void methods_fail(Bus *b, sd_bus_message *m, ApiError error, const ApiErrorParameters *p) {
        send_error(b, m, error, p, 0);
}

/* ---- calls that are answered later ---- */

/* Of one sender, and of all. */
#define DEFERRED_PER_SENDER 16
#define DEFERRED_MAX 256

static bool may_defer(const BusCall *c) {
        size_t all = 0, own = 0;

        for (const BusCall *k = c->bus->deferred; k; k = k->next) {
                all++;
                own += k->call.peer == c->call.peer;
        }
        return own < DEFERRED_PER_SENDER && all < DEFERRED_MAX;
}

static void defer(BusCall *c) {
        peer_ref(c->call.peer);
        sd_bus_message_ref(c->message);
        c->next = c->bus->deferred;
        if (c->next)
                c->next->previous = c;
        c->bus->deferred = c;
}

static void answered(BusCall *c) {
        Bus *b = c->bus;

        if (!c->call.deferred)
                return;
        if (b) {
                if (c->previous)
                        c->previous->next = c->next;
                else
                        b->deferred = c->next;
                if (c->next)
                        c->next->previous = c->previous;
                replies_settle(b->replies);
        }
        api_peer_unref(c->call.api, c->call.peer);
        sd_bus_message_unref(c->message);
        arena_done(&c->arena);
        free(c);
}

void methods_abandon(Bus *b) {
        BusCall *next;

        for (BusCall *c = b->deferred; c; c = next) {
                next = c->next;
                c->bus = NULL;
        }
        b->deferred = NULL;
}

static void fail(ApiCall *call, ApiError error, const ApiErrorParameters *p) {
        BusCall *c = (BusCall *) call;

        if (c->bus)
                send_error(c->bus, c->message, error, p, api_waits(call->method));
        answered(c);
}

static void send_reply(BusCall *c, const void *out) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *answer = NULL;
        unsigned waits = api_waits(c->call.method);

        if (waits == 0 && direct_reply(c->bus, c->message, c->method, out))
                return;
        int r = sd_bus_message_new_method_return(c->message, &answer);
        if (r >= 0)
                r = shape_append(WRITER(answer), c->method, out);
        if (r >= 0)
                replies_send(c->bus->replies, answer, waits);
        else {
                log_warning_errno(r, "Cannot answer %s over D-Bus", c->call.method->name);
                send_error(c->bus, c->message, ERROR_BUSY, &(ApiErrorParameters) { .reason = strerror(-r) }, waits);
        }
}

static void reply(ApiCall *call, const void *out) {
        BusCall *c = (BusCall *) call;

        if (c->bus && sd_bus_message_get_expect_reply(c->message))
                send_reply(c, out);
        answered(c);
}

static void authorize(ApiCall *call, const char *action) {
        BusCall *c = (BusCall *) call;
        const char *reason = authority_ask(c->bus, c->message, call->method->name, action);

        if (reason)
                api_fail(call, ERROR_BUSY, .reason = reason);
}

/* No stream is opened here: methods with `more` are not offered. */
static const ApiTransport transport = { .name = "dbus", .reply = reply, .fail = fail, .authorize = authorize };

/* ---- calls ---- */

static void refuse(Bus *b, sd_bus_message *m, const sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *answer = NULL;

        if (sd_bus_message_get_expect_reply(m) && sd_bus_message_new_method_error(m, &answer, error) >= 0)
                bus_send(b, answer);
}

static void refuse_arguments(Bus *b, sd_bus_message *m, const char *wanted) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = {};

        sd_bus_error_setf(&error, SD_BUS_ERROR_INVALID_ARGS, "%s takes (%s), not (%s)", sd_bus_message_get_member(m), wanted,
                          sd_bus_message_get_signature(m, true));
        refuse(b, m, &error);
}

static int read_parameters(BusCall *c, void *parameters, SchemaError *error) {
        Reading g = { .message = c->message, .arena = c->call.arena, .error = error };
        int r = shape_read(&g, c->method, parameters);

        if (r == 0 && g.unknown > 0)
                log_debug("%s called %s with %u unknown options", sd_bus_message_get_sender(c->message), c->call.method->name, g.unknown);
        return r;
}

static void serve_parameters(BusCall *c) {
        const Structure *in = c->call.method->in;
        SchemaError error = {};

        void *parameters = arena_alloc(c->call.arena, 1, in->size);
        int r = parameters ? read_parameters(c, parameters, &error) : -ENOMEM;
        if (r == -EINVAL && error.reason[0]) {
                api_fail(&c->call, ERROR_INVALID_PARAMETER, .parameter = error.field[0] ? error.field : "options",
                         .reason = error.reason);
                return;
        }
        if (r < 0)
                api_fail(&c->call, ERROR_BUSY, .reason = strerror(-r));
        else
                api_serve(&c->call, parameters);
}

static void serve_manager(BusCall *c, const BusMethod *method) {
        const ApiMethod *m = method->method;

        c->method = method;
        c->call.method = m;
        if (!api_admit(&c->call))
                return;
        if (!shape_accepts(&method->in, c->message)) {
                refuse_arguments(c->bus, c->message, method->in.signature);
                return;
        }
        if (m->durable && replies_are_full(c->bus->replies)) {
                methods_fail(c->bus, c->message, ERROR_BUSY, &(ApiErrorParameters) { .reason = "too many replies wait for the disk" });
                return;
        }
        if (!m->deferrable) {
                serve_parameters(c);
                return;
        }
        BusCall *own = may_defer(c) ? malloc(sizeof(BusCall)) : NULL;
        if (!own) {
                api_fail(&c->call, ERROR_BUSY, .reason = "too many calls wait for their answer");
                return;
        }
        *own = *c;
        own->call.arena = &own->arena;
        serve_parameters(own);
        if (own->call.deferred)
                defer(own);
        else {
                arena_done(&own->arena);
                free(own);
        }
}

static const struct Standard {
        const char *interface, *member, *signature;
        StandardMethod serve;
} standard_methods[] = {
        { PROPERTIES_INTERFACE, "Get", "ss", properties_get },
        { PROPERTIES_INTERFACE, "GetAll", "s", properties_get_all },
        { PROPERTIES_INTERFACE, "Set", "ssv", properties_set },
        { OBJECT_MANAGER_INTERFACE, "GetManagedObjects", "", objects_get_managed },
        { INTROSPECTABLE_INTERFACE, "Introspect", "", introspect },
};

static void serve_standard(BusCall *c, const struct Standard *s) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *answer = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = {};
        ApiMethod method = { .name = s->member, .role = ROLE_VIEWER };

        c->call.method = &method;
        if (!api_admit(&c->call))
                return;
        if (!sd_bus_message_has_signature(c->message, s->signature)) {
                refuse_arguments(c->bus, c->message, s->signature);
                return;
        }
        int r = sd_bus_message_new_method_return(c->message, &answer);
        if (r >= 0)
                r = s->serve(c->bus, c->message, answer, c->call.now_ns, &error);
        if (sd_bus_error_is_set(&error))
                refuse(c->bus, c->message, &error);
        else if (r < 0)
                api_fail(&c->call, ERROR_BUSY, .reason = strerror(-r));
        else if (r == 0 && sd_bus_message_get_expect_reply(c->message))
                bus_send(c->bus, answer);
}

static void refuse_unknown(BusCall *c, const char *interface, const char *member, bool known) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = {};
        const char *path = sd_bus_message_get_path(c->message);
        ApiMethod method = { .name = member, .role = ROLE_VIEWER };

        c->call.method = &method;
        if (!api_admit(&c->call))
                return;
        if (known || !interface)
                sd_bus_error_setf(&error, SD_BUS_ERROR_UNKNOWN_METHOD, "Object %s has no method %s", path, member);
        else
                sd_bus_error_setf(&error, SD_BUS_ERROR_UNKNOWN_INTERFACE, "Object %s has no interface %s", path, interface);
        refuse(c->bus, c->message, &error);
}

/* A call may leave out the interface; then the member alone says what is wanted. */
static void serve(BusCall *c) {
        const char *interface = sd_bus_message_get_interface(c->message), *member = sd_bus_message_get_member(c->message);
        bool on_manager = streq(sd_bus_message_get_path(c->message), BUS_PATH), known = false;

        if (on_manager && (!interface || streq(interface, MANAGER_INTERFACE))) {
                const BusMethod *m = methods_find(c->bus->methods, member);
                if (m) {
                        serve_manager(c, m);
                        return;
                }
                known = true;
        }
        for (size_t i = 0; i < ELEMENTSOF(standard_methods); i++) {
                const struct Standard *s = &standard_methods[i];
                if ((interface && !streq(s->interface, interface)) || (s->serve == objects_get_managed && !on_manager))
                        continue;
                if (streq(s->member, member)) {
                        serve_standard(c, s);
                        return;
                }
                known = true;
        }
        refuse_unknown(c, interface, member, known);
}

void methods_serve(Bus *b, sd_bus_message *m, ApiPeer *peer, Authorization authorization) {
        BusCall c = {
                .call = { .api = b->api, .transport = &transport, .peer = peer, .arena = &b->arena, .now_ns = api_now_ns(),
                          .authorization = authorization },
                .bus = b, .message = m,
        };

        serve(&c);
        arena_reset(&b->arena);
        api_dispatch_effects(b->api, c.call.now_ns);
        replies_settle(b->replies);
}
