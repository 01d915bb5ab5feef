/* SPDX-License-Identifier: Apache-2.0 */
#include "snmp/notifier.h"

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
#include <net-snmp/agent/net-snmp-agent-includes.h>
#include <errno.h>

#include "basic/json.h"
#include "basic/log.h"
#include "basic/macro.h"
#include "basic/units.h"
#include "pointsman/pointsman.h"
#include "snmp/event.h"

#define RECONNECT_NS (2 * NSEC_PER_SEC)
#define CONNECT_TIMEOUT_MS 700
/* A station gets so many at once, and then so many a second. */
#define BURST 20
#define RATE 5
/* Those of a moment go out together: one look at the daemon tells the objects of them all. */
#define BATCH_NS (NSEC_PER_SEC / 4)
/* Waiting for their turn, or for snmpd. */
#define PENDING_MAX 256
/* Of the stream, in one go: the rest of the agent must have its turn. */
#define EVENTS_MAX 200
/* A daemon that says another start time than this far from the one known is another one. */
#define SAME_START_NS (2 * NSEC_PER_SEC)

typedef struct Switches {
        netsnmp_watcher_info watchers[3];
        u_char bits[2]; /* of pmNotificationEnable; the first bit is the highest of the first octet */
        size_t size;
        struct counter64 sent, suppressed;
} Switches;

struct Notifier {
        char *socket;
        Feed *feed;
        Tables *tables;
        pointsman *stream;
        uint64_t reconnect_ns;
        uint64_t last_serial, started; /* where the stream stands, and of which daemon; started 0: never followed */
        Event *pending[PENDING_MAX];   /* oldest first */
        size_t n_pending;
        uint64_t batch_ns;             /* not before then */
        bool connected;                /* somebody takes them */
        uint64_t tokens_ns;            /* a token is worth NSEC_PER_SEC / RATE of it */
        uint64_t refilled_ns;
        Switches switches;
};

#define TOKEN_NS (NSEC_PER_SEC / RATE)

/* ---- switches and counters ---- */

static int watch(netsnmp_watcher_info *w, const char *name, unsigned number, int modes) {
        oid where[MIB_OID_MAX];
        size_t n = mib_oid(where, 3, (oid[]) { MIB_OBJECTS, MIB_NOTIFICATION_CONTROL, number });
        netsnmp_handler_registration *registration = netsnmp_create_handler_registration(name, NULL, where, n, modes);

        if (!registration)
                return -ENOMEM;
        return netsnmp_register_watched_scalar(registration, w) == MIB_REGISTERED_OK ? 0 : -EINVAL;
}

static int register_switches(Switches *s) {
        *s = (Switches) { .bits = { 0xFF, 0x80 }, .size = 2 };
        netsnmp_watcher_info *w = s->watchers;
        netsnmp_init_watcher_info6(&w[0], s->bits, sizeof(s->bits), ASN_OCTET_STR,
                                   WATCHER_MAX_SIZE | WATCHER_SIZE_IS_PTR, sizeof(s->bits), &s->size);
        netsnmp_init_watcher_info(&w[1], &s->sent, sizeof(s->sent), ASN_COUNTER64, WATCHER_FIXED_SIZE);
        netsnmp_init_watcher_info(&w[2], &s->suppressed, sizeof(s->suppressed), ASN_COUNTER64, WATCHER_FIXED_SIZE);

        int k = watch(&w[0], "pmNotificationEnable", 1, HANDLER_CAN_RWRITE);
        if (k >= 0)
                k = watch(&w[1], "pmNotificationsSent", 2, HANDLER_CAN_RONLY);
        return k < 0 ? k : watch(&w[2], "pmNotificationsSuppressed", 3, HANDLER_CAN_RONLY);
}

static bool is_enabled(const Switches *s, Kind kind) {
        size_t octet = (size_t) kind / 8;

        /* Octets left out at the end of BITS are zero. */
        return octet < s->size && s->bits[octet] >> (7 - kind % 8) & 1;
}

static void count(struct counter64 *c) {
        c->low = (uint32_t) (c->low + 1);
        if (c->low == 0)
                c->high++;
}

/* ---- life ---- */

int notifier_new(Notifier **ret, const char *socket, Feed *feed, Tables *tables) {
        Notifier *n = calloc(1, sizeof(Notifier));

        if (!n)
                return -ENOMEM;
        *n = (Notifier) { .feed = feed, .tables = tables, .tokens_ns = BURST * TOKEN_NS };
        if (socket && !(n->socket = strdup(socket))) {
                free(n);
                return -ENOMEM;
        }
        int k = register_switches(&n->switches);
        if (k < 0)
                return k; /* net-snmp may point into it already */
        *ret = n;
        return 0;
}

Notifier *notifier_free(Notifier *n) {
        if (!n)
                return NULL;
        for (size_t i = 0; i < n->n_pending; i++)
                event_free(n->pending[i]);
        pointsman_close(n->stream);
        free(n->socket);
        free(n);
        return NULL;
}

int notifier_fd(const Notifier *n) {
        return n->stream ? pointsman_fd(n->stream) : -1;
}

uint64_t notifier_due_ns(const Notifier *n) {
        uint64_t due = n->stream ? NSEC_INFINITY : n->reconnect_ns;

        if (n->n_pending > 0 && n->connected) {
                uint64_t token_ns = n->tokens_ns >= TOKEN_NS ? 0 : n->refilled_ns + TOKEN_NS - n->tokens_ns;
                due = MIN(due, MAX(n->batch_ns, token_ns));
        }
        return due;
}

/* ---- the stream ---- */

/* The serial from which on events are new to us; -1: only those to come. */
static int64_t resume_at(Notifier *n) {
        feed_expire(n->feed);
        tables_refresh(n->tables, FEED_SNAPSHOT);
        const Snapshot *s = feed_is_fresh(n->feed) ? feed_snapshot(n->feed, FEED_SNAPSHOT) : NULL;
        uint64_t known = n->started;

        if (!s)
                return known ? (int64_t) n->last_serial : -1;
        n->started = s->system.started;
        if (known == 0) {
                n->last_serial = s->system.event_serial;
                return -1;
        }
        /* Another daemon counts anew, and whatever happened to it so far is news. */
        uint64_t apart = MAX(known, n->started) - MIN(known, n->started);
        if (apart > SAME_START_NS || s->system.event_serial < n->last_serial)
                n->last_serial = 0;
        return (int64_t) n->last_serial;
}

static int follow(Notifier *n) {
        static const char types[] =
                "\"types\":[\"circuit_changed\",\"scenario_opened\",\"scenario_escalation\",\"scenario_resolved\","
                "\"cost_alert\",\"performance_degradation\",\"optimization_executed\"]";
        char parameters[sizeof(types) + 64];
        int64_t since = resume_at(n);

        if (since >= 0)
                snprintf(parameters, sizeof(parameters), "{%s,\"since\":%lld}", types, (long long) since);
        else
                snprintf(parameters, sizeof(parameters), "{%s}", types);
        int r = pointsman_connect(n->socket, &n->stream);
        if (r < 0)
                return r;
        pointsman_set_timeout(n->stream, CONNECT_TIMEOUT_MS);
        return pointsman_follow(n->stream, "Subscribe", parameters);
}

static void drop(Notifier *n, size_t i) {
        event_free(n->pending[i]);
        memmove(&n->pending[i], &n->pending[i + 1], (n->n_pending - i - 1) * sizeof(Event *));
        n->n_pending--;
}

static void enqueue(Notifier *n, Event *e) {
        bool crowded = n->n_pending >= n->tokens_ns / TOKEN_NS;

        for (size_t i = 0; crowded && i < n->n_pending; i++)
                if (event_supersedes(e, n->pending[i])) {
                        drop(n, i);
                        count(&n->switches.suppressed);
                        break;
                }
        if (n->n_pending == PENDING_MAX) {
                drop(n, 0);
                count(&n->switches.suppressed);
        }
        n->pending[n->n_pending++] = e;
}

static void take(Notifier *n, char *text) {
        Event *e;

        if (event_parse(text, &e) < 0) {
                log_debug("pointsmand sent what is no event");
                return;
        }
        n->last_serial = e->row.serial;
        if (e->kind != _KIND_NONE && is_enabled(&n->switches, e->kind))
                enqueue(n, e);
        else
                event_free(e);
}

static void read_stream(Notifier *n, uint64_t now_ns) {
        int k = 0;

        if (!n->stream) {
                if (now_ns < n->reconnect_ns)
                        return;
                n->reconnect_ns = now_ns + RECONNECT_NS;
                k = follow(n);
        }
        for (unsigned i = 0; i < EVENTS_MAX && k >= 0; i++) {
                char *text;
                k = pointsman_next(n->stream, 0, &text);
                if (k >= 0)
                        take(n, text);
        }
        if (k >= 0 || k == -EAGAIN)
                return;
        log_debug("The stream of events has ended: %s", strerror(-k));
        n->stream = pointsman_close(n->stream);
}

/* ---- sending ---- */

static void add_object(netsnmp_variable_list **variables, const Column *c, const void *row, size_t n_suffix,
                       const oid *suffix) {
        oid name[MIB_OID_MAX];
        size_t n = mib_oid(name, n_suffix, suffix);
        Value v;

        column_value(c, row, &v);
        snmp_varlist_add_variable(variables, name, n, v.type, v.data, v.size);
}

/* The row that the event is about; NULL: it is gone, or there was none. */
static const Row *row_of(const Notifier *n, const Event *e) {
        const Snapshot *s = feed_snapshot(n->feed, FEED_SNAPSHOT);
        TableId id = event_objects[e->kind].table;
        const char *name = id == TABLE_NODES ? e->row.node : id == TABLE_SCENARIOS ? e->scenario : e->row.service;
        size_t offset = id == TABLE_NODES ? offsetof(NodeRow, name) :
                id == TABLE_SCENARIOS ? offsetof(ScenarioRow, id) : offsetof(ServiceRow, name);

        return s && name ? rows_find_text(&s->tables[id], offset, name) : NULL;
}

static void send_event(Notifier *n, const Event *e) {
        static const oid trap_oid[] = { 1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0 };
        const KindObjects *objects = &event_objects[e->kind];
        const Table *table = &mib_tables[objects->table];
        netsnmp_variable_list *variables = NULL;
        oid id[MIB_OID_MAX];

        size_t length = mib_oid(id, 2, (oid[]) { MIB_NOTIFICATIONS, (oid) e->kind + 1 });
        snmp_varlist_add_variable(&variables, trap_oid, ELEMENTSOF(trap_oid), ASN_OBJECT_ID, id, length * sizeof(oid));
        for (size_t i = 0; i < mib_n_event; i++) {
                const oid suffix[] = { MIB_OBJECTS, MIB_EVENT, mib_event[i].number, 0 };
                add_object(&variables, &mib_event[i], &e->row, ELEMENTSOF(suffix), suffix);
        }
        const Row *row = row_of(n, e);
        for (size_t i = 0; row && objects->columns[i]; i++) {
                oid suffix[4 + ELEMENTSOF(row->index)] = { MIB_OBJECTS, table->number, 1, objects->columns[i] };
                memcpy(suffix + 4, row->index, row->key.len * sizeof(oid));
                add_object(&variables, table_column(table, objects->columns[i]), row, 4 + row->key.len, suffix);
        }
        send_v2trap(variables);
        snmp_free_varbind(variables);
        count(&n->switches.sent);
}

static void send_pending(Notifier *n, uint64_t now_ns) {
        n->tokens_ns = MIN(n->tokens_ns + (now_ns - n->refilled_ns), BURST * TOKEN_NS);
        n->refilled_ns = now_ns;
        if (n->n_pending == 0 || now_ns < n->batch_ns || n->tokens_ns < TOKEN_NS)
                return;
        n->batch_ns = now_ns + BATCH_NS;
        /* What a notification shows of a node must not be older than the event. */
        feed_expire(n->feed);
        tables_refresh(n->tables, FEED_SNAPSHOT);
        while (n->n_pending > 0 && n->tokens_ns >= TOKEN_NS) {
                send_event(n, n->pending[0]);
                drop(n, 0);
                n->tokens_ns -= TOKEN_NS;
        }
}

void notifier_work(Notifier *n, bool connected, uint64_t now_ns) {
        n->connected = connected;
        read_stream(n, now_ns);
        if (connected)
                send_pending(n, now_ns);
}
