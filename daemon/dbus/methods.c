/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls. What the Manager's methods look like follows from the API's tables:
 *
 * in:  the required fields are typed arguments; the others, if there are any, are keys of a dictionary at the end ("options").
 * out: what is in every reply is typed arguments. What may be absent goes into a dictionary at the end ("details"), and if there is
 *      one, so does what has parts. A decision's most wanted facts are arguments, the rest of it is among the details.
 *
 * All calls on our objects come here, those of the standard interfaces too, rather than to what sd-bus has for these: so that
 * everybody who asks for anything is known, has the role for it, and does not ask too often.
 */
#include <time.h>

#include "basic/log.h"
#include "daemon/dbus/private.h"

#define ARGUMENTS_MAX 16
#define SIGNATURE_MAX (ARGUMENTS_MAX * 7 + 8)

typedef struct Argument {
        const char *name;
        const Field *field;
        uint32_t base; /* where the structure of the field begins in the whole */
} Argument;

typedef struct Shape {
        Argument arguments[ARGUMENTS_MAX];
        size_t n;
        const char *rest; /* the name of a dictionary at the end; NULL: none */
        char signature[SIGNATURE_MAX];
} Shape;

typedef struct BusMethod {
        const ApiMethod *method;
        Shape in, out;
} BusMethod;

struct Methods {
        size_t n;
        BusMethod methods[];
};

struct BusCall {
        ApiCall call;
        Bus *bus; /* NULL: the connection is gone that it came over */
        sd_bus_message *message;
        const Shape *out;
        /* Of one that may be answered later. */
        Arena arena;
        BusCall *previous, *next;
};

/* ---- shapes ---- */

static const struct {
        const char *field, *name;
} decision_arguments[] = {
        { "id", "decisionId" }, { "node", "node" }, { "url", "url" }, { "estimatedCost", "estimatedCost" },
};

static bool is_decision(const Field *f) {
        return f->type == FIELD_STRUCT && f->structure == &decision_structure;
}

static bool has_parts(const Field *f) {
        return f->type == FIELD_STRUCT || f->type == FIELD_STRUCT_POINTER || f->type == FIELD_ARRAY;
}

static int shape_add(Shape *s, const char *name, const Field *f, uint32_t base) {
        if (s->n == ARGUMENTS_MAX)
                return -E2BIG;
        s->arguments[s->n++] = (Argument) { name, f, base };
        return 0;
}

static void shape_finish(Shape *s) {
        size_t n = 0;

        for (size_t i = 0; i < s->n; i++)
                n += (size_t) snprintf(s->signature + n, sizeof(s->signature) - n, "%s", codec_signature(s->arguments[i].field));
        if (s->rest)
                snprintf(s->signature + n, sizeof(s->signature) - n, "a{sv}");
}

static int shape_input(Shape *s, const Structure *in) {
        int r = 0;

        for (const Field *f = in->fields; f->name && r == 0; f++)
                if (f->flags & FIELD_REQUIRED)
                        r = shape_add(s, f->name, f, 0);
                else
                        s->rest = "options";
        shape_finish(s);
        return r;
}

static int add_decision(Shape *s, const Field *decision) {
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(decision_arguments); i++)
                for (const Field *f = decision->structure->fields; f->name && r == 0; f++)
                        if (streq(f->name, decision_arguments[i].field))
                                r = shape_add(s, decision_arguments[i].name, f, decision->offset);
        return r;
}

static int shape_output(Shape *s, const Structure *out) {
        int r = 0;

        for (const Field *f = out->fields; f->name; f++)
                if (f->flags & FIELD_OPTIONAL || is_decision(f))
                        s->rest = "details";
        for (const Field *f = out->fields; f->name && r == 0; f++)
                if (is_decision(f))
                        r = add_decision(s, f);
                else if (!(f->flags & FIELD_OPTIONAL) && !(s->rest && has_parts(f)))
                        r = shape_add(s, f->name, f, 0);
        shape_finish(s);
        return r;
}

/* Streams are signals here, and the prober's methods are the prober's alone. */
static bool is_offered(const ApiMethod *m) {
        return !m->more && m->role != ROLE_PROBER;
}

int methods_new(Methods **ret) {
        size_t n = 0;
        int r = 0;

        for (const ApiMethod *m = api_methods; m->name; m++)
                n += is_offered(m);
        Methods *methods = calloc(1, sizeof(Methods) + n * sizeof(BusMethod));
        if (!methods)
                return -ENOMEM;
        for (const ApiMethod *m = api_methods; m->name && r == 0; m++)
                if (is_offered(m)) {
                        BusMethod *k = &methods->methods[methods->n++];
                        k->method = m;
                        r = shape_input(&k->in, m->in);
                        if (r == 0)
                                r = shape_output(&k->out, m->out);
                }
        if (r < 0) {
                free(methods);
                return r;
        }
        *ret = methods;
        return 0;
}

Methods *methods_free(Methods *m) {
        free(m);
        return NULL;
}

static void describe_shape(const Shape *s, bool input, ArgumentVisitor argument, void *userdata) {
        for (size_t i = 0; i < s->n; i++)
                argument(userdata, s->arguments[i].name, codec_signature(s->arguments[i].field), input);
        if (s->rest)
                argument(userdata, s->rest, "a{sv}", input);
}

void methods_describe(const Methods *m, MethodVisitor method, ArgumentVisitor argument, void *userdata) {
        for (size_t i = 0; i < m->n; i++) {
                method(userdata, m->methods[i].method->name, false);
                describe_shape(&m->methods[i].in, true, argument, userdata);
                describe_shape(&m->methods[i].out, false, argument, userdata);
                method(userdata, m->methods[i].method->name, true);
        }
}

/* ---- replies ---- */

static bool is_argument(const Shape *s, const Field *f) {
        for (size_t i = 0; i < s->n; i++)
                if (s->arguments[i].field == f)
                        return true;
        return false;
}

static int append_rest(sd_bus_message *m, const Shape *s, const Structure *structure, const void *out) {
        int r = 0;

        for (const Field *f = structure->fields; f->name && r >= 0; f++)
                if (is_decision(f))
                        r = append_rest(m, s, f->structure, field_in(f, out));
                else if (!is_argument(s, f))
                        r = codec_append_entry(m, f, out);
        return r;
}

static int append_reply(sd_bus_message *m, const BusCall *c, const void *out) {
        const Shape *s = c->out;
        int r = 0;

        for (size_t i = 0; i < s->n && r >= 0; i++)
                r = codec_append(m, s->arguments[i].field, (const char *) out + s->arguments[i].base);
        if (r < 0 || !s->rest)
                return r;
        r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0)
                r = append_rest(m, s, c->call.method->out, out);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static void send_error(Bus *b, sd_bus_message *m, ApiError error, const ApiErrorParameters *p, unsigned waits) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *answer = NULL;
        char sentence[ERROR_SENTENCE_MAX], name[128];

        if (!sd_bus_message_get_expect_reply(m))
                return;
        api_error_sentence(error, p, sentence);
        snprintf(name, sizeof(name), ERROR_PREFIX "%s", api_errors[error].name);
        int r = sd_bus_message_new_method_error(m, &answer, &(sd_bus_error) { .name = name });
        if (r >= 0)
                r = codec_append_string(answer, sentence);
        /* After the text that every library shows, what a program wants to know: retryAfterMs, for one. */
        if (r >= 0)
                r = codec_append_structure(answer, api_errors[error].parameters, p);
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

        int r = sd_bus_message_new_method_return(c->message, &answer);
        if (r >= 0)
                r = append_reply(answer, c, out);
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

static bool check_signature(Bus *b, sd_bus_message *m, const char *wanted) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = {};

        if (sd_bus_message_has_signature(m, wanted))
                return true;
        sd_bus_error_setf(&error, SD_BUS_ERROR_INVALID_ARGS, "%s takes (%s), not (%s)", sd_bus_message_get_member(m), wanted,
                          sd_bus_message_get_signature(m, true));
        refuse(b, m, &error);
        return false;
}

static int read_parameters(BusCall *c, const BusMethod *method, void *parameters, SchemaError *error) {
        Reading g = { .message = c->message, .arena = c->call.arena, .error = error };
        const Structure *in = method->method->in;
        uint64_t seen = 0;

        schema_init(in, parameters);
        for (size_t i = 0; i < method->in.n; i++) {
                const Field *f = method->in.arguments[i].field;
                int r = codec_read(&g, f, parameters);
                if (r < 0)
                        return r;
                seen |= UINT64_C(1) << (f - in->fields);
        }
        int r = method->in.rest ? codec_read_structure(&g, in, seen, parameters) : 0;
        if (r >= 0 && g.unknown > 0)
                log_debug("%s called %s with %u unknown options", sd_bus_message_get_sender(c->message), method->method->name, g.unknown);
        return r < 0 ? r : 0;
}

static void serve_parameters(BusCall *c, const BusMethod *method) {
        const Structure *in = method->method->in;
        SchemaError error = {};

        void *parameters = arena_alloc(c->call.arena, 1, in->size);
        int r = parameters ? read_parameters(c, method, parameters, &error) : -ENOMEM;
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

        c->out = &method->out;
        c->call.method = m;
        if (!api_admit(&c->call) || !check_signature(c->bus, c->message, method->in.signature))
                return;
        if (m->durable && replies_are_full(c->bus->replies)) {
                methods_fail(c->bus, c->message, ERROR_BUSY, &(ApiErrorParameters) { .reason = "too many replies wait for the disk" });
                return;
        }
        if (!m->deferrable) {
                serve_parameters(c, method);
                return;
        }
        BusCall *own = may_defer(c) ? malloc(sizeof(BusCall)) : NULL;
        if (!own) {
                api_fail(&c->call, ERROR_BUSY, .reason = "too many calls wait for their answer");
                return;
        }
        *own = *c;
        own->call.arena = &own->arena;
        serve_parameters(own, method);
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
        if (!api_admit(&c->call) || !check_signature(c->bus, c->message, s->signature))
                return;
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

static const BusMethod *find_method(const Methods *methods, const char *name) {
        for (size_t i = 0; i < methods->n; i++)
                if (streq(methods->methods[i].method->name, name))
                        return &methods->methods[i];
        return NULL;
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
                const BusMethod *m = find_method(c->bus->methods, member);
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
                .call = { .api = b->api, .transport = &transport, .peer = peer, .arena = &b->arena, .now_ns = bus_now_ns(),
                          .authorization = authorization },
                .bus = b, .message = m,
        };

        serve(&c);
        arena_reset(&b->arena);
        api_dispatch_effects(b->api, c.call.now_ns);
        replies_settle(b->replies);
}
