/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of daemon/dbus share. */
#pragma once

#include <errno.h>
#include <systemd/sd-bus.h>

#include "basic/macro.h"
#include "daemon/api/types.h"
#include "daemon/dbus/bus.h"

#define MANAGER_INTERFACE BUS_NAME ".Manager"
#define SERVICE_INTERFACE BUS_NAME ".Service"
#define NODE_INTERFACE BUS_NAME ".Node"
#define ERROR_PREFIX BUS_NAME ".Error."

#define PROPERTIES_INTERFACE "org.freedesktop.DBus.Properties"
#define OBJECT_MANAGER_INTERFACE "org.freedesktop.DBus.ObjectManager"
#define INTROSPECTABLE_INTERFACE "org.freedesktop.DBus.Introspectable"

typedef struct Methods Methods;
typedef struct Senders Senders;
typedef struct Changes Changes;
typedef struct Listing Listing;
typedef struct Check Check;
typedef struct Replies Replies;
typedef struct BusCall BusCall;
typedef struct Direct Direct;

struct Bus {
        Api *api;
        sd_event *event;
        char *address;
        const char *called; /* how the user called it */
        sd_bus *bus;        /* NULL: away, and the timer runs until the next attempt */
        sd_event_source *retry;
        uint64_t backoff_us;
        bool left; /* the name is given up */
        bool wants_turn;
        enum { PRESENCE_UNKNOWN, PRESENCE_AWAY, PRESENCE_ON } presence; /* as last logged */

        Methods *methods;
        Senders *senders;
        Changes *changes;
        Replies *replies;
        Direct *direct; /* NULL: there is no short way */
        BusCall *deferred; /* calls that are answered later */
        Listing *listings; /* GetManagedObjects under way */
        Check *checks;     /* questions to polkit under way */
        uint32_t last_check;
        bool authority_broken; /* as last logged */
        Arena arena;     /* for the call being served */
        void *status;    /* the daemon's own properties, by system_status_structure */
        uint64_t status_ns;
};

/* Sends a message of ours, and gives it up when the bus has stopped taking them. */
void bus_send(Bus *b, sd_bus_message *m);

/* ---- writer.c: where values are written ---- */

/* A message of sd-bus', or bytes: aligned to 8, and no more than are allocated (-ENOBUFS). */
typedef struct Writer {
        sd_bus_message *message; /* NULL: bytes */
        char *data;
        size_t size, allocated;
        struct { size_t length_at, from; } open[8]; /* containers */
        size_t depth;
} Writer;

#define WRITER(m) (&(Writer) { .message = (m) })

/* As the functions of sd-bus by these names. */
int writer_basic(Writer *w, char type, const void *p);
int writer_open(Writer *w, char type, const char *contents);
int writer_close(Writer *w);
/* What stands before the body of a reply. */
int writer_return_header(Writer *w, uint32_t serial, uint32_t reply_serial, const char *destination, const char *signature, size_t body_size);

/* ---- codec-read.c, codec-write.c: one value ---- */

/* How a field looks, e.g. "d", "as", "a{sv}". */
const char *codec_signature(const Field *f);
/* What is not UTF-8 becomes U+FFFD: the bus would disconnect us for it. */
int codec_append_string(Writer *w, const char *s);
/* A value that is absent, where one has to stand, is NaN, "" or the largest number. */
int codec_append(Writer *w, const Field *f, const void *structure);
/* {sv} with the field's name, unless it is absent. */
int codec_append_entry(Writer *w, const Field *f, const void *structure);
/* a{sv} of all that are not absent. */
int codec_append_structure(Writer *w, const Structure *s, const void *structure);

/* Reading. All: -EINVAL: see error; other errnos: the message is broken, or there is no memory. Strings stay in the message. */
typedef struct Reading {
        sd_bus_message *message;
        Arena *arena;
        SchemaError *error;
        unsigned unknown; /* fields that the table does not know */
} Reading;

/* The next value of the message into the field. Any number type is taken where its value fits, and variants are opened. */
int codec_read(Reading *g, const Field *f, void *structure);
/* A dictionary into those fields of the structure whose bit is not in seen. */
int codec_read_structure(Reading *g, const Structure *s, uint64_t seen, void *structure);

/* ---- shapes.c: what the methods of the Manager interface look like ---- */

#define ARGUMENTS_MAX 16
#define SIGNATURE_MAX (ARGUMENTS_MAX * 7 + 8)
#define OPTIONS_SIGNATURE "a{sv}"

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

int methods_new(Methods **ret);
Methods *methods_free(Methods *m);
const BusMethod *methods_find(const Methods *methods, const char *name); /* or NULL */
/* Whether a call has the arguments. */
bool shape_accepts(const Shape *s, sd_bus_message *m);
/* The arguments of a call that is accepted; of a reply. */
int shape_read(Reading *g, const BusMethod *method, void *parameters);
int shape_append(Writer *w, const BusMethod *method, const void *out);

/* Walks over the arguments for introspection; input, then output. */
typedef void (*ArgumentVisitor)(void *userdata, const char *name, const char *signature, bool input);
typedef void (*MethodVisitor)(void *userdata, const char *method, bool end);
void methods_describe(const Methods *m, MethodVisitor method, ArgumentVisitor argument, void *userdata);

/* ---- methods.c: calls ---- */

/* The connection is gone: whatever is answered later goes nowhere. */
void methods_abandon(Bus *b);
/* Serves any call on one of our objects. */
void methods_serve(Bus *b, sd_bus_message *m, ApiPeer *peer, Authorization authorization);
/* Answers with an error of the API without a peer at hand. */
void methods_fail(Bus *b, sd_bus_message *m, ApiError error, const ApiErrorParameters *p);

/* ---- direct.c: the short way of a reply ---- */

/* Of a connection that is made. -EAFNOSUPPORT: it is not by a Unix socket. */
int direct_new(Direct **ret, sd_bus *bus);
Direct *direct_free(Direct *d);
/* False: it did not go, and has to be sent by sd-bus. */
bool direct_reply(Bus *b, sd_bus_message *call, const BusMethod *method, const void *out);

/* ---- replies.c: what waits for a disk ---- */

#define REPLIES_HELD_MAX 16384

int replies_new(Replies **ret, Bus *b);
Replies *replies_free(Replies *q);
/* The connection is gone. */
void replies_clear(Replies *q);
bool replies_are_none(const Replies *q);
/* No more calls should be served whose replies wait. */
bool replies_are_full(const Replies *q);
/* waits: see api_waits(). */
void replies_send(Replies *q, sd_bus_message *m, unsigned waits);
/* After api_dispatch_effects(): lets go what was sent and waits for nothing. */
void replies_settle(Replies *q);

/* ---- senders.c: who calls ---- */

int senders_new(Senders **ret);
Senders *senders_free(Senders *s); /* cleared before */
/* Serves the call as soon as it is known who sent it. */
int senders_admit(Bus *b, sd_bus_message *m, Authorization authorization);
/* The connection is gone, and everybody on it. */
void senders_clear(Bus *b);
/* Roles may have changed: everybody is looked at anew at the next call. */
void senders_outdate(Bus *b);
int senders_watch(Bus *b);

/* ---- authority.c: polkit ---- */

/* Asks polkit whether the sender may do it, and has the call admitted anew with the answer. NULL, or why polkit is not asked. */
const char *authority_ask(Bus *b, sd_bus_message *call, const char *method, const char *action);
/* The sender has left: its questions are taken back. */
void authority_forget(Bus *b, const char *sender);
/* The connection is gone. */
void authority_clear(Bus *b);

/* ---- objects.c: services and nodes, and their properties ---- */

/* One object as it is now. Its strings stay valid until the next router_apply(). */
typedef struct View {
        const char *interface;
        const Structure *structure;
        const void *data; /* by the structure */
        const Service *service; /* of a service */
        union {
                ApiService service_data;
                NodeStatus node_data;
        };
} View;

void view_manager(Bus *b, uint64_t now_ns, View *ret);
void view_service(Bus *b, const Service *s, uint64_t now_ns, View *ret);
void view_node(Bus *b, const Node *n, uint64_t now_ns, View *ret);
/* False: there is no such object. */
bool view_find(Bus *b, const char *path, uint64_t now_ns, View *ret);

/* "stripe" or "stripe/us-east" → its path; NULL: no memory. To be freed. */
char *object_path(const char *name);
#define PROPERTY_NAME_MAX 64
const char *property_name(const Field *f, char buffer[PROPERTY_NAME_MAX]); /* "healthScore" → "HealthScore" */
const char *property_signature(const Field *f);
/* {sv}, and a{sv} of all. */
int property_append_entry(sd_bus_message *m, const View *v, const Field *f);
int properties_append(sd_bus_message *m, const View *v);

/* A walk over all services, each followed by its nodes; begins zeroed. */
typedef struct Walk {
        size_t service, node; /* the next */
        bool in_service;
} Walk;

/* The name of the next object, which is then in *ret; NULL: that was all. */
const char *walk_next(Bus *b, Walk *w, uint64_t now_ns, View *ret);
/* Passes over what is left of the service. */
void walk_next_service(Walk *w);

/* Answers to the standard interfaces: into reply, or an error. 1: the answer comes later. */
typedef int (*StandardMethod)(Bus *b, sd_bus_message *m, sd_bus_message *reply, uint64_t now_ns, sd_bus_error *error);
int properties_get(Bus *b, sd_bus_message *m, sd_bus_message *reply, uint64_t now_ns, sd_bus_error *error);
int properties_get_all(Bus *b, sd_bus_message *m, sd_bus_message *reply, uint64_t now_ns, sd_bus_error *error);
int properties_set(Bus *b, sd_bus_message *m, sd_bus_message *reply, uint64_t now_ns, sd_bus_error *error);

/* ---- managed.c: the ObjectManager ---- */

int objects_get_managed(Bus *b, sd_bus_message *m, sd_bus_message *reply, uint64_t now_ns, sd_bus_error *error);
/* a{sa{sv}}, as InterfacesAdded and GetManagedObjects want it. */
int object_append_interfaces(sd_bus_message *m, const View *v);
/* Objects came or went; the connection is gone. */
void listings_restart(Bus *b);
void listings_clear(Bus *b);

/* ---- introspect.c ---- */

int introspect(Bus *b, sd_bus_message *m, sd_bus_message *reply, uint64_t now_ns, sd_bus_error *error);

/* ---- changes.c: tells what changed ---- */

int changes_new(Changes **ret, Bus *b);
Changes *changes_free(Changes *c);
void changes_start(Changes *c);
void changes_stop(Changes *c);
/* Something happened that is worth a look at everything; or objects came or went, which is worth it at once. */
void changes_expect(Changes *c, bool at_once);

/* ---- signals.c: events ---- */

#define SIGNAL_NAME_MAX 64
/* "CircuitChanged"; NULL: events of that type are not passed on. */
const char *signal_name(EventType type, char buffer[SIGNAL_NAME_MAX]);
bool signal_carries(const Field *f);
void signals_start(Bus *b);
void signals_stop(Bus *b);
