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
#include "snmp/switches.h"

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

struct Notifier {
        char *socket;
        Feed *feed;
        Tables *tables;
        pointsman *stream;
        bool unread; /* there was more than was taken at once */
        uint64_t reconnect_ns;
        uint64_t last_serial, started; /* where the stream stands, and of which daemon; started 0: never followed */
        Event *pending[PENDING_MAX];   /* oldest first */
        size_t n_pending;
        uint64_t batch_ns;             /* not before then */
        bool connected;                /* somebody takes them */
        uint64_t tokens_ns;            /* a token is worth NSEC_PER_SEC / RATE of it */
        uint64_t refilled_ns;
        ControlRow *control;
};

#define TOKEN_NS (NSEC_PER_SEC / RATE)

/* ---- life ---- */

int notifier_new(Notifier **ret, const char *socket, Feed *feed, Tables *tables) {
        Notifier *n = calloc(1, sizeof(Notifier));

        if (!n)
                return -ENOMEM;
        *n = (Notifier) { .feed = feed, .tables = tables, .control = tables_control(tables), .tokens_ns = BURST * TOKEN_NS };
        if (socket && !(n->socket = strdup(socket))) {
                free(n);
                return -ENOMEM;
        }
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
        uint64_t due = n->unread ? 0 : n->stream ? NSEC_INFINITY : n->reconnect_ns;

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
        tables_refresh(n->tables);
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
                        n->control->suppressed++;
                        break;
                }
        if (n->n_pending == PENDING_MAX) {
                drop(n, 0);
                n->control->suppressed++;
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
        if (e->kind != _KIND_NONE && switches_wants(n->control, e->kind))
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
        n->unread = k >= 0;
        if (k >= 0 || k == -EAGAIN)
                return;
        log_debug("The stream of events has ended: %s", strerror(-k));
        n->stream = pointsman_close(n->stream);
}

/* ---- sending ---- */

static void add_object(netsnmp_variable_list **variables, const Column *c, const void *row, size_t n,
                       const oid *name) {
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
                length = mib_oid(id, 4, (oid[]) { MIB_OBJECTS, MIB_EVENT, mib_event[i].number, 0 });
                add_object(&variables, &mib_event[i], &e->row, length, id);
        }
        Variable v = { .table = table, .row = row_of(n, e) };
        for (size_t i = 0; v.row && objects->columns[i]; i++) {
                v.column = table_column(table, objects->columns[i]);
                length = variable_oid(&v, id);
                add_object(&variables, v.column, v.row, length, id);
        }
        send_v2trap(variables);
        snmp_free_varbind(variables);
        n->control->sent++;
}

static void send_pending(Notifier *n, uint64_t now_ns) {
        n->tokens_ns = MIN(n->tokens_ns + (now_ns - n->refilled_ns), BURST * TOKEN_NS);
        n->refilled_ns = now_ns;
        if (n->n_pending == 0 || now_ns < n->batch_ns || n->tokens_ns < TOKEN_NS)
                return;
        n->batch_ns = now_ns + BATCH_NS;
        /* What a notification shows of a node must not be older than the event. */
        feed_expire(n->feed);
        tables_refresh(n->tables);
        while (n->n_pending > 0 && n->tokens_ns >= TOKEN_NS) {
                send_event(n, n->pending[0]);
                drop(n, 0);
                n->tokens_ns -= TOKEN_NS;
        }
}

void notifier_work(Notifier *n, bool readable, bool connected, uint64_t now_ns) {
        n->connected = connected;
        if (readable || n->unread || !n->stream)
                read_stream(n, now_ns);
        if (connected)
                send_pending(n, now_ns);
}
