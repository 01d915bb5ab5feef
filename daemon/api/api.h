/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every method once: its fields, its role, its handler. The transports find a method here, read its parameters by its
 * table, check the caller's role and rate with api_admit(), call its handler, and write what that replies.
 */
#pragma once

#include "daemon/api/errors.h"
#include "daemon/api/peer.h"
#include "daemon/api/schema.h"
#include "daemon/config/config.h"
#include "daemon/config/registrations.h"
#include "daemon/core/router.h"
#include "daemon/providers/providers.h"
#include "daemon/store/store.h"

#define API_INTERFACE "org.pointsman.routing"

typedef struct Api Api;
typedef struct ApiCall ApiCall;
typedef struct ApiStream ApiStream;

typedef struct ApiMethod {
        const char *name;
        Role role;
        bool more; /* answers many times; must be called with `more` */
        const Structure *in, *out;
        /* in: as read by the table. Replies or fails through the call, exactly once (unless it opens a stream). A negative
         * errno is for what nobody foresaw; the transport answers it. */
        int (*handler)(ApiCall *call, const void *in);
        const char *doc; /* a sentence for people */
        bool durable;    /* its reply waits until what it did is on the disk */
        bool deferrable; /* its handler may answer later, see api_defer() */
} ApiMethod;

/* What a transport does for a call. Handlers and transports answer through api_reply() and api_fail(). */
typedef struct ApiTransport {
        const char *name; /* "varlink" */
        void (*reply)(ApiCall *call, const void *out);
        void (*fail)(ApiCall *call, ApiError error, const ApiErrorParameters *p);
        /* Keeps the stream until it is closed by either side; *stream is embedded in what the handler has allocated. */
        void (*open)(ApiCall *call, ApiStream *stream);
        /* May be NULL: asks somebody else whether the call may be made, keeps it, and has it admitted anew with the answer. */
        void (*authorize)(ApiCall *call, const char *action);
} ApiTransport;

/* What somebody else says to a call. */
typedef struct Authorization {
        enum { AUTHORIZATION_UNASKED, AUTHORIZATION_NOBODY, AUTHORIZATION_GRANTED, AUTHORIZATION_DENIED } verdict; /* NOBODY to ask */
        const char *reason; /* of a denial; a constant */
} Authorization;

struct ApiCall {
        Api *api;
        const ApiTransport *transport;
        const ApiMethod *method;
        ApiPeer *peer;
        Arena *arena; /* for what the reply needs; given back once the call is answered */
        uint64_t now_ns;
        bool more;
        Authorization authorization;
        const void *in;   /* as read by the table; set by api_serve() */
        const char *node; /* what a report turned out to be about; for the audit log */
        bool recorded;
        bool deferred;
};

/* One `more` call that is still being answered. */
struct ApiStream {
        const Structure *out;
        ApiPeer *peer;
        const ApiMethod *method; /* set by the transport */
        /* Set by the transport. send: -ENOBUFS: the peer does not read; nothing was queued, unless `last`, which always is. */
        int (*send)(ApiStream *stream, const void *out, bool last);
        void *connection;
        /* Set by the handler: the connection is gone or the last reply was sent; frees the stream. */
        void (*closed)(ApiStream *stream);
        /* Set by the handler: writes the parameters of a call that goes on where this one is; NULL: none are needed. */
        void (*write_continuation)(const ApiStream *stream, JsonWriter *w);
        ApiStream *connection_next; /* the transport's list */
};

/* Each answers the call and is 0. */
int api_reply(ApiCall *call, const void *out);
int api_fail_with(ApiCall *call, ApiError error, const ApiErrorParameters *p);
#define api_fail(call, error, ...) api_fail_with((call), (error), &(ApiErrorParameters) { __VA_ARGS__ })

/*
 * A handler of a deferrable method that returns this answers later, exactly once, by api_reply() or api_fail(), and not before it
 * has returned. Until then the call stays with all that was read and with its arena; the answer frees it. Who asked may be gone by
 * then, which the handler need not know. (What it does later may have effects: api_dispatch_effects().)
 */
static inline int api_defer(ApiCall *call) {
        call->deferred = true;
        return 0;
}

/* ---- methods ---- */

extern const ApiMethod api_methods[]; /* ended by one without a name */
const ApiMethod *api_find_method(const char *name);
/* The interface in varlink's own language, made from the tables. NULL: no memory; to be freed. */
char *api_interface_description(void);

/* Checks the caller's role and rate and counts the request. False: the call has been failed, or somebody is being asked whether
 * it may be made. */
bool api_admit(ApiCall *call);
/* Calls the handler with what was read by the method's table (it must last until the answer), and answers what it does not. */
void api_serve(ApiCall *call, const void *in);

/* ---- the whole ---- */

/* Reads the configuration again, and the plugins if that is wanted, and puts it in force, telling each change. -EINVAL: it is not
 * valid, *ret_field and *ret_reason (valid until the next call) name the first mistake. */
typedef int (*ApiReload)(void *userdata, bool plugins, ConfigChange change, void *change_userdata, const char **ret_field, const char **ret_reason);

/* What the owner of the configuration does for the methods that change it. */
typedef struct ApiConfigurator {
        void *userdata;
        Registrations *registrations;
        Store *store; /* NULL: what is stored could not be read, so nothing is to be stored over it */
        ApiReload reload;
        /* Whether the registrations fit the file as it is in force. -EINVAL: see the fault. */
        int (*check)(void *userdata, RegistrationFault *ret_fault);
        /* Puts the registrations in force over the file, telling each change; what: for the log and subscribers. */
        int (*apply)(void *userdata, const char *what, ConfigChange change, void *change_userdata);
} ApiConfigurator;

/* The clock of the API. */
uint64_t api_now_ns(void);

/* Everything passed in must outlive the API. */
int api_new(Api **ret, Router *router, Providers *providers, const DaemonSettings *settings, uint64_t now_ns);
Api *api_free(Api *api);
void api_set_configurator(Api *api, const ApiConfigurator *configurator);
/* Others than at the start. */
void api_set_providers(Api *api, Providers *providers);
/* A new configuration was asked for and is in force (settings), or was refused (NULL); message says it to subscribers. */
void api_configuration_changed(Api *api, const DaemonSettings *settings, const char *message);
/* The same where only registrations have changed. */
void api_registrations_changed(Api *api, const char *message);

/* From now on everything that survives is kept there, and what an earlier run kept is put back: waits for the disk, logs.
 * Before anything is served. The store must outlive the API. */
int api_set_store(Api *api, Store *store, uint64_t now_ns);
/* The store's descriptor is readable: tells those who wait for it. */
void api_dispatch_store(Api *api, uint64_t now_ns);
/* Keeps a little of what was learned, never waiting; returns when it wants to be called again. */
uint64_t api_keep(Api *api, uint64_t now_ns);
/* All of it, at the end. */
void api_finish(Api *api, uint64_t now_ns);
/* The sentence of GetHealth about it. Negative: there is trouble. */
int api_store_sentence(const Api *api, char *buffer, size_t size);

/* Passes on what the brain wants done outside: events to subscribers, probes to the prober. Call after every entry into the brain. */
void api_dispatch_effects(Api *api, uint64_t now_ns);

/* What management does, and by the settings what is decided, goes there from now on; it must outlive the API. */
typedef struct Audit Audit;
void api_set_audit(Api *api, Audit *audit);
/* Whether the audit log can be written: tells and logs when that changes. Call once a second. */
void api_check_audit(Api *api);

/* Reload, asked for by a signal of that process. */
void api_reload_by_signal(Api *api, uid_t uid, pid_t pid, uint64_t now_ns);

/* A connection of a transport is gone or new. NULL and *ret_reason: over a limit. */
ApiPeer *api_peer_new(Api *api, uid_t uid, pid_t pid, const gid_t *groups, size_t n_groups, uint64_t now_ns,
                      const char **ret_reason);
ApiPeer *api_peer_unref(Api *api, ApiPeer *peer);

/* ---- replies that wait for a disk ---- */

/* What a reply waits for: a bit each. */
enum { WAIT_STORE = 1 << 0, WAIT_AUDIT = 1 << 1 };

/* A point in what goes to the disks; 0: none. */
typedef struct ApiBarrier {
        uint64_t generation; /* of the store */
        uint64_t record;     /* of the audit log, of management */
} ApiBarrier;

static inline bool api_barrier_is_within(ApiBarrier b, ApiBarrier released) {
        return b.generation <= released.generation && b.record <= released.record;
}
static inline ApiBarrier api_barrier_later(ApiBarrier a, ApiBarrier b) {
        return (ApiBarrier) { a.generation > b.generation ? a.generation : b.generation, a.record > b.record ? a.record : b.record };
}

/* For what the replies to this method's calls wait. */
unsigned api_waits(const ApiMethod *method);
/* What was put up to now. What a call did is put by api_dispatch_effects(), so the reply is held back and this is called after it. */
ApiBarrier api_barrier(const Api *api, unsigned waits);
/* Up to where nobody has to wait any more: it is on the disk, or the disk is in trouble. */
ApiBarrier api_released(Api *api);

/* Somebody who holds replies back, and is told when some of them may go. */
typedef struct ApiHolder ApiHolder;
struct ApiHolder {
        void (*release)(ApiHolder *holder, ApiBarrier released);
        ApiHolder *next;
};
void api_add_holder(Api *api, ApiHolder *holder);
void api_remove_holder(Api *api, ApiHolder *holder);
/* Whether nothing is under way that a disk has to finish, but for replies that transports hold. */
bool api_is_settled(const Api *api);
/* A disk has got on, or is in trouble. */
void api_release(Api *api);

/* For a transport that passes on events by itself (D-Bus signals); replaces the listener before. wanted: a mask of 1 << EventType. */
struct ApiEvent;
typedef void (*ApiEventListener)(void *userdata, const struct ApiEvent *event);
void api_listen(Api *api, uint32_t wanted, ApiEventListener listener, void *userdata);

/* The serial of the last event; and of the last one of the process before, so that `since` holds good over a restart. */
uint64_t api_event_serial(const Api *api);
void api_carry_on_events(Api *api, uint64_t serial);

/* For those in front of the API that show states (D-Bus properties, sd_notify). */
Router *api_router(Api *api);
/* One word ("ok", "degraded", "failing") and a sentence such as "3 services, 7 nodes, all healthy". */
const char *api_summary(Api *api, uint64_t now_ns, char *sentence, size_t size);
/* The daemon itself, as GetSystemStatus shows it, into as many bytes as system_status_structure says. */
void api_read_status(Api *api, uint64_t now_ns, void *ret);
