/* SPDX-License-Identifier: Apache-2.0 */
/* One request: its envelope, the method behind it, and the reply. */
#include "basic/log.h"
#include "daemon/varlink/private.h"

/* A call that came over a connection. */
struct VarlinkCall {
        ApiCall call;
        Connection *connection; /* NULL: it is gone */
        bool oneway;
};

/* One that may outlive its request: it has all of its own. */
typedef struct Deferrable {
        VarlinkCall v;
        Arena arena;
        char text[]; /* of the parameters */
} Deferrable;

static void write_reply(Connection *c, const Structure *s, const void *out, bool continues) {
        JsonWriter *w = connection_begin(c);

        json_write_literal(w, "{\"parameters\":");
        schema_write_json(s, out, w);
        if (continues)
                json_write_literal(w, ",\"continues\":true");
        json_write_literal(w, "}\0");
        connection_end(c);
}

void message_fail(Connection *c, ApiError error, const ApiErrorParameters *p) {
        const ApiErrorInfo *info = &api_errors[error];
        JsonWriter *w = connection_begin(c);

        json_write_literal(w, "{\"error\":\"");
        json_write(w, info->interface, strlen(info->interface));
        json_write_literal(w, ".");
        json_write(w, info->name, strlen(info->name));
        json_write_literal(w, "\",\"parameters\":");
        schema_write_json(info->parameters, p, w);
        json_write_literal(w, "}\0");
        connection_end(c);
}

static void deferrable_free(Deferrable *d) {
        arena_done(&d->arena);
        free(d);
}

static void answered(VarlinkCall *v) {
        if (!v->call.deferred)
                return;
        if (v->connection) {
                v->connection->deferred = NULL;
                connection_resume(v->connection);
        }
        api_peer_unref(v->call.api, v->call.peer);
        deferrable_free((Deferrable *) v);
}

void message_abandon(VarlinkCall *v) {
        v->connection = NULL;
}

static void reply(ApiCall *call, const void *out) {
        VarlinkCall *v = (VarlinkCall *) call;

        if (v->connection && !v->oneway) {
                connection_hold(v->connection, api_waits(call->method));
                write_reply(v->connection, call->method->out, out, false);
        }
        answered(v);
}

static void fail(ApiCall *call, ApiError error, const ApiErrorParameters *p) {
        VarlinkCall *v = (VarlinkCall *) call;

        if (v->connection && !v->oneway) {
                connection_hold(v->connection, api_waits(call->method));
                message_fail(v->connection, error, p);
        }
        answered(v);
}

static int stream_send(ApiStream *stream, const void *out, bool last) {
        Connection *c = stream->connection;

        if (!last && c->outbox.size - c->sent > c->server->send_buffer_max)
                return -ENOBUFS;
        write_reply(c, stream->out, out, !last);
        if (last) {
                c->stream = NULL;
                c->closing = true;
                stream->closed(stream);
        }
        return 0;
}

static void open_stream(ApiCall *call, ApiStream *stream) {
        VarlinkCall *v = (VarlinkCall *) call;

        stream->method = call->method;
        stream->send = stream_send;
        stream->connection = v->connection;
        v->connection->stream = stream;
}

void message_write_continuation(const ApiStream *stream, JsonWriter *w) {
        json_write_literal(w, "{\"method\":\"" API_INTERFACE ".");
        json_write(w, stream->method->name, strlen(stream->method->name));
        json_write_literal(w, "\",\"more\":true,\"parameters\":");
        if (stream->write_continuation)
                stream->write_continuation(stream, w);
        else
                json_write_literal(w, "{}");
        json_write_literal(w, "}\0");
}

static const ApiTransport transport = { .name = "varlink", .reply = reply, .fail = fail, .open = open_stream };

/* "org.pointsman.routing.Route" → the method, or NULL. */
static const ApiMethod *find_method(const char *name, size_t n) {
        static const char ours[] = API_INTERFACE ".", service[] = SERVICE_INTERFACE ".";

        if (n > strlen(ours) && memcmp(name, ours, strlen(ours)) == 0)
                return api_find_method(name + strlen(ours));
        if (n > strlen(service) && memcmp(name, service, strlen(service)) == 0)
                for (const ApiMethod *m = varlink_service_methods; m->name; m++)
                        if (streq(m->name, name + strlen(service)))
                                return m;
        return NULL;
}

static void fail_unknown(VarlinkCall *v, char *name) {
        char *dot = strrchr(name, '.');

        if (dot) {
                *dot = 0;
                if (!streq(name, API_INTERFACE) && !streq(name, SERVICE_INTERFACE)) {
                        api_fail(&v->call, ERROR_INTERFACE_NOT_FOUND, .interface = name);
                        return;
                }
                *dot = '.';
        }
        api_fail(&v->call, ERROR_METHOD_NOT_FOUND, .method = name);
}

static void invalid(VarlinkCall *v, const char *parameter, const char *reason) {
        api_fail(&v->call, ERROR_INVALID_PARAMETER, .parameter = parameter, .reason = reason);
}

typedef struct Envelope {
        char *method;          /* its name; NULL: none yet */
        JsonReader parameters; /* where they begin; start is NULL if there are none */
        void *in;              /* what they were read into, if they were */
} Envelope;

/* 0: read into *ret, else as schema_read_json(). */
static int read_parameters(VarlinkCall *v, JsonReader *r, void **ret, SchemaError *error) {
        const Structure *s = v->call.method->in;
        void *in = arena_alloc(v->call.arena, 1, s->size);
        unsigned unknown = 0;

        if (!in)
                return -ENOMEM;
        schema_init(s, in);
        int k = schema_read_json(s, r, v->call.arena, in, error, &unknown);
        if (k < 0)
                return k;
        if (unknown > 0)
                log_debug("Process %d called %s with %u unknown fields", (int) v->call.peer->pid, v->call.method->name, unknown);
        *ret = in;
        return 0;
}

/*
 * Where the method's name comes first, as it mostly does, its parameters are read in passing. What does not go well is undone, to
 * be told when the whole message is known to be JSON: a reader only ever puts NULs in place of closing quotes, and a message has
 * no NUL of its own.
 */
static bool read_in_passing(VarlinkCall *v, Envelope *e, JsonReader *r) {
        JsonReader at = *r;
        SchemaError error;

        if (!v->call.method || v->call.method->deferrable)
                return false;
        if (read_parameters(v, r, &e->in, &error) == 0)
                return true;
        for (char *p = (char *) at.p; (p = memchr(p, 0, (size_t) (r->p - p))); p++)
                *p = '"';
        *r = at;
        return false;
}

typedef enum EnvelopeField { ENVELOPE_METHOD, ENVELOPE_PARAMETERS, ENVELOPE_MORE, ENVELOPE_ONEWAY, _ENVELOPE_FIELD_MAX } EnvelopeField;

static const struct {
        const char *name, *wanted;
} envelope_fields[] = {
        [ENVELOPE_METHOD] = { "method", "a string is wanted" },
        [ENVELOPE_PARAMETERS] = { "parameters", "an object is wanted" },
        [ENVELOPE_MORE] = { "more", "true or false is wanted" },
        [ENVELOPE_ONEWAY] = { "oneway", "true or false is wanted" },
        [_ENVELOPE_FIELD_MAX] = { "message", "an object is wanted" },
};

static EnvelopeField find_field(const JsonValue *key) {
        return json_equals(key, "method") ? ENVELOPE_METHOD :
               json_equals(key, "parameters") ? ENVELOPE_PARAMETERS :
               json_equals(key, "more") ? ENVELOPE_MORE :
               json_equals(key, "oneway") ? ENVELOPE_ONEWAY : _ENVELOPE_FIELD_MAX;
}

/* The value of one field, or of one that we do not know. */
static int read_field(VarlinkCall *v, Envelope *e, JsonReader *r, EnvelopeField f) {
        JsonReader at = *r;
        JsonValue x;

        if (f == ENVELOPE_PARAMETERS && read_in_passing(v, e, r))
                return 0;
        int k = json_read(r, &x);
        if (k < 0)
                return k;
        switch (f) {
        case ENVELOPE_METHOD:
                if (x.type != JSON_STRING)
                        return -EINVAL;
                e->method = json_terminate_string(&x);
                v->call.method = find_method(e->method, strlen(e->method));
                break;
        case ENVELOPE_PARAMETERS:
                if (x.type != JSON_OBJECT && x.type != JSON_NULL)
                        return -EINVAL;
                if (x.type == JSON_OBJECT)
                        e->parameters = at;
                break;
        case ENVELOPE_MORE: case ENVELOPE_ONEWAY:
                if (x.type != JSON_TRUE && x.type != JSON_FALSE)
                        return -EINVAL;
                *(f == ENVELOPE_MORE ? &v->call.more : &v->oneway) = x.type == JSON_TRUE;
                break;
        case _ENVELOPE_FIELD_MAX:
                break;
        }
        return json_skip(r, &x);
}

/* -EINVAL: *ret_field is of the wrong type; -EEXIST: it is there twice; others are the reader's. */
static int read_envelope(VarlinkCall *v, Envelope *e, JsonReader *r, EnvelopeField *ret_field) {
        unsigned seen = 0;
        JsonValue key;

        *ret_field = _ENVELOPE_FIELD_MAX;
        int k = json_read(r, &key);
        if (k < 0)
                return k;
        if (key.type != JSON_OBJECT)
                return -EINVAL;
        for (bool first = true; (k = json_member(r, &first, &key)) > 0;) {
                EnvelopeField f = *ret_field = find_field(&key);
                if (seen & 1u << f & ~(1u << _ENVELOPE_FIELD_MAX))
                        return -EEXIST;
                seen |= 1u << f;
                k = read_field(v, e, r, f);
                if (k < 0)
                        return k;
        }
        return k < 0 ? k : json_close(r);
}

static void fail_envelope(VarlinkCall *v, int error, EnvelopeField field, const JsonReader *r) {
        char reason[96];

        if (error == -EINVAL || error == -EEXIST) {
                invalid(v, envelope_fields[field].name, error == -EINVAL ? envelope_fields[field].wanted : "the field is there twice");
                return;
        }
        snprintf(reason, sizeof(reason), "not JSON: %s at byte %zu",
                 error == -ENODATA ? "it ends too early" : error == -ELOOP ? "nested too deep" : "malformed",
                 (size_t) (r->p - r->start));
        invalid(v, "message", reason);
}

/* Reads the parameters, if that is still to be done, and calls the handler. */
static void serve(VarlinkCall *v, Envelope *e) {
        SchemaError error;
        int k = 0;

        if (!e->in) {
                if (!e->parameters.start)
                        json_open(&e->parameters, "{}", 2);
                k = read_parameters(v, &e->parameters, &e->in, &error);
        }
        if (k == -EINVAL)
                invalid(v, error.field[0] ? error.field : "parameters", error.reason);
        else if (k < 0)
                api_fail(&v->call, ERROR_BUSY, .reason = k == -ENOMEM ? "out of memory" : strerror(-k));
        else
                api_serve(&v->call, e->in);
}

static void serve_deferrable(VarlinkCall *v, const Envelope *e) {
        size_t n = e->parameters.start ? (size_t) (e->parameters.end - e->parameters.p) : 0;
        Deferrable *d = malloc(sizeof(Deferrable) + n);
        Envelope own = {};

        if (!d) {
                api_fail(&v->call, ERROR_BUSY, .reason = "out of memory");
                return;
        }
        *d = (Deferrable) { .v = *v };
        d->v.call.arena = &d->arena;
        if (n > 0) {
                memcpy(d->text, e->parameters.p, n);
                json_open(&own.parameters, d->text, n);
        }
        serve(&d->v, &own);
        if (d->v.call.deferred) {
                peer_ref(d->v.call.peer);
                d->v.connection->deferred = &d->v;
        } else
                deferrable_free(d);
}

void message_handle(Connection *c, char *text, size_t n, uint64_t now_ns) {
        VarlinkServer *s = c->server;
        VarlinkCall v = {
                .call = { .api = s->api, .transport = &transport, .peer = c->peer, .arena = &s->arena, .now_ns = now_ns },
                .connection = c,
        };
        Envelope envelope = {};
        EnvelopeField field;
        JsonReader r;

        json_open(&r, text, n);
        int k = read_envelope(&v, &envelope, &r, &field);
        if (k < 0)
                fail_envelope(&v, k, field, &r);
        else if (!envelope.method)
                invalid(&v, "method", "the field is required");
        else if (!v.call.method)
                fail_unknown(&v, envelope.method);
        else if (!api_admit(&v.call))
                return;
        else if (v.call.method->deferrable)
                serve_deferrable(&v, &envelope);
        else
                serve(&v, &envelope);
}
