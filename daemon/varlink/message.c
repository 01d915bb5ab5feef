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

/* "org.pointsman.routing.Route" → the method; NULL: the call has been failed. */
static const ApiMethod *find_method(VarlinkCall *v, char *name) {
        char *dot = strrchr(name, '.');
        const ApiMethod *m = NULL;

        if (dot) {
                *dot = 0;
                bool ours = streq(name, API_INTERFACE), service = streq(name, "org.varlink.service");
                if (ours)
                        m = api_find_method(dot + 1);
                for (const ApiMethod *k = varlink_service_methods; service && !m && k->name; k++)
                        if (streq(k->name, dot + 1))
                                m = k;
                if (!ours && !service) {
                        api_fail(&v->call, ERROR_INTERFACE_NOT_FOUND, .interface = name);
                        return NULL;
                }
                *dot = '.';
        }
        if (!m)
                api_fail(&v->call, ERROR_METHOD_NOT_FOUND, .method = name);
        return m;
}

static void invalid(VarlinkCall *v, const char *parameter, const char *reason) {
        api_fail(&v->call, ERROR_INVALID_PARAMETER, .parameter = parameter, .reason = reason);
}

typedef struct Envelope {
        char *method;
        JsonReader parameters; /* where they begin; start is NULL if there are none */
} Envelope;

static int read_flag(const JsonValue *v, bool *ret) {
        if (v->type != JSON_TRUE && v->type != JSON_FALSE)
                return -EINVAL;
        *ret = v->type == JSON_TRUE;
        return 0;
}

/* -EINVAL: *ret_field is of the wrong type; others are the reader's. */
static int read_envelope(JsonReader *r, VarlinkCall *call, Envelope *ret, const char **ret_field) {
        JsonValue key, v;
        JsonReader at;
        int k;

        *ret_field = "message";
        k = json_read(r, &v);
        if (k < 0)
                return k;
        if (v.type != JSON_OBJECT)
                return -EINVAL;
        for (bool first = true; (k = json_member(r, &first, &key)) > 0;) {
                at = *r;
                k = json_read(r, &v);
                if (k < 0)
                        return k;
                if (json_equals(&key, "method")) {
                        *ret_field = "method";
                        if (v.type != JSON_STRING)
                                return -EINVAL;
                        ret->method = json_terminate_string(&v);
                } else if (json_equals(&key, "parameters")) {
                        *ret_field = "parameters";
                        if (v.type != JSON_OBJECT && v.type != JSON_NULL)
                                return -EINVAL;
                        if (v.type == JSON_OBJECT)
                                ret->parameters = at;
                } else if (json_equals(&key, "more") || json_equals(&key, "oneway")) {
                        bool more = json_equals(&key, "more");
                        *ret_field = more ? "more" : "oneway";
                        if (read_flag(&v, more ? &call->call.more : &call->oneway) < 0)
                                return -EINVAL;
                }
                k = json_skip(r, &v);
                if (k < 0)
                        return k;
        }
        return k < 0 ? k : json_close(r);
}

static void handle_bad_envelope(VarlinkCall *v, int error, const char *field, const JsonReader *r) {
        char reason[96];

        if (error == -EINVAL) {
                invalid(v, field, streq(field, "method") ? "a string is wanted" :
                        streq(field, "more") || streq(field, "oneway") ? "true or false is wanted" : "an object is wanted");
                return;
        }
        snprintf(reason, sizeof(reason), "not JSON: %s at byte %zu",
                 error == -ENODATA ? "it ends too early" : error == -ELOOP ? "nested too deep" : "malformed",
                 (size_t) (r->p - r->start));
        invalid(v, "message", reason);
}

/* Reads the parameters by their table and calls the handler. */
static void serve(VarlinkCall *v, JsonReader *parameters) {
        const Structure *in = v->call.method->in;
        void *read = arena_alloc(v->call.arena, 1, in->size);
        unsigned unknown = 0;
        SchemaError error;

        if (!read) {
                api_fail(&v->call, ERROR_BUSY, .reason = "out of memory");
                return;
        }
        schema_init(in, read);
        if (!parameters->start)
                json_open(parameters, "{}", 2);
        int k = schema_read_json(in, parameters, v->call.arena, read, &error, &unknown);
        if (k == -EINVAL) {
                invalid(v, error.field[0] ? error.field : "parameters", error.reason);
                return;
        }
        if (unknown > 0)
                log_debug("Process %d called %s with %u unknown fields", (int) v->call.peer->pid, v->call.method->name, unknown);
        if (k < 0)
                api_fail(&v->call, ERROR_BUSY, .reason = strerror(-k));
        else
                api_serve(&v->call, read);
}

static void serve_deferrable(VarlinkCall *v, const JsonReader *parameters) {
        size_t n = parameters->start ? (size_t) (parameters->end - parameters->p) : 0;
        Deferrable *d = malloc(sizeof(Deferrable) + n);
        JsonReader own = {};

        if (!d) {
                api_fail(&v->call, ERROR_BUSY, .reason = "out of memory");
                return;
        }
        *d = (Deferrable) { .v = *v };
        d->v.call.arena = &d->arena;
        if (n > 0) {
                memcpy(d->text, parameters->p, n);
                json_open(&own, d->text, n);
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
        const char *field;
        JsonReader r;
        int k;

        json_open(&r, text, n);
        k = read_envelope(&r, &v, &envelope, &field);
        if (k < 0) {
                handle_bad_envelope(&v, k, field, &r);
                return;
        }
        if (!envelope.method) {
                invalid(&v, "method", "the field is required");
                return;
        }
        v.call.method = find_method(&v, envelope.method);
        if (!v.call.method || !api_admit(&v.call))
                return;

        if (v.call.method->deferrable)
                serve_deferrable(&v, &envelope.parameters);
        else
                serve(&v, &envelope.parameters);
}
