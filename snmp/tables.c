/* SPDX-License-Identifier: Apache-2.0 */
#include "snmp/tables.h"

#include <net-snmp/agent/net-snmp-agent-includes.h>
#include <errno.h>

#include "basic/log.h"
#include "basic/macro.h"
#include "basic/units.h"
#include "snmp/node-state.h"
#include "snmp/switches.h"

struct Tables {
        Feed *feed;
        SystemRow system;
        ControlRow control;
        Rows system_rows, control_rows;
        View view;
        bool asked, answered; /* as the log has it */
};

/* ---- keeping up with the daemon ---- */

static void refresh(Tables *t, uint64_t now_ns) {
        int k = feed_refresh(t->feed, FEED_SNAPSHOT, now_ns);

        if (k == 0)
                return;
        /* A line for a change, not for each poll. */
        if (k < 0 && (t->answered || !t->asked))
                log_warning("pointsmand does not answer (%s); what is known of it becomes stale", feed_error(t->feed));
        else if (k > 0 && !t->answered)
                log_info(t->asked ? "pointsmand answers again" : "pointsmand answers");
        t->answered = k > 0;
        t->asked = true;
}

void tables_refresh(Tables *t) {
        refresh(t, feed_clock_ns());
}

static void view_system(Tables *t, const Snapshot *s, uint64_t now_ns) {
        t->system = s ? s->system : (SystemRow) {};
        t->system.data_state = !s ? DATA_NONE : feed_is_fresh(t->feed) ? DATA_FRESH : DATA_STALE;
        t->system.data_age = s ? feed_age_ns(t->feed, now_ns) / NSEC_PER_MSEC : UINT64_MAX;
}

static const View *view_now(Tables *t, uint64_t now_ns) {
        static const FeedId feed_of_table[_TABLE_MAX] = { [TABLE_PROVIDERS] = FEED_PROVIDERS };

        for (TableId id = 0; id < _TABLE_MAX; id++) {
                const Snapshot *s = feed_snapshot(t->feed, feed_of_table[id]);
                t->view.rows[id] = s ? &s->tables[id] : NULL;
        }
        t->view.rows[TABLE_SYSTEM] = &t->system_rows;
        t->view.rows[TABLE_CONTROL] = &t->control_rows;
        view_system(t, feed_snapshot(t->feed, FEED_SNAPSHOT), now_ns);
        t->view.known = t->system.data_state != DATA_NONE;
        return &t->view;
}

const View *tables_view(Tables *t, uint64_t now_ns) {
        refresh(t, now_ns);
        /* Who waits for a daemon that hangs waits once. */
        if (feed_is_fresh(t->feed))
                (void) feed_refresh(t->feed, FEED_PROVIDERS, now_ns);
        return view_now(t, now_ns);
}

ControlRow *tables_control(Tables *t) {
        return &t->control;
}

/* ---- SET ---- */

static int set(Tables *t, int phase, netsnmp_request_info *request) {
        const netsnmp_variable_list *v = request->requestvb;
        /* In later phases the row may have gone; what is needed of it was kept in the first. */
        uint64_t now_ns = feed_clock_ns();
        const View *view = phase == MODE_SET_RESERVE1 ? tables_view(t, now_ns) : view_now(t, now_ns);
        Variable x = {};

        (void) view_get(view, v->name_length, v->name, &x);
        if (!x.column || !x.column->writable)
                return SNMP_ERR_NOTWRITABLE;
        if (x.table->rows == TABLE_CONTROL)
                return x.row ? switches_set(&t->control, phase, request) : SNMP_ERR_NOCREATION;
        return node_state_set(t->feed, phase, request, x.row);
}

/* Only for SET: responder.c answers all other requests before net-snmp sees them. */
static int handle(netsnmp_mib_handler *handler, netsnmp_handler_registration *registration _unused_,
                  netsnmp_agent_request_info *info, netsnmp_request_info *requests) {
        for (netsnmp_request_info *r = requests; r; r = r->next) {
                int error = set(handler->myvoid, info->mode, r);
                if (error != SNMP_ERR_NOERROR)
                        netsnmp_set_request_error(info, r, error);
        }
        return SNMP_ERR_NOERROR;
}

/* ---- life ---- */

static Rows one_row(void *row, size_t size) {
        return (Rows) { .rows = row, .n = 1, .size = size };
}

int tables_new(Tables **ret, Feed *feed) {
        Tables *t = calloc(1, sizeof(Tables));
        oid where[MIB_OID_MAX];

        if (!t)
                return -ENOMEM;
        *t = (Tables) { .feed = feed, .control = switches_default };
        t->system_rows = one_row(&t->system, sizeof(t->system));
        t->control_rows = one_row(&t->control, sizeof(t->control));

        size_t n = mib_oid(where, 1, (oid[]) { MIB_OBJECTS });
        netsnmp_handler_registration *registration =
                netsnmp_create_handler_registration("pointsmanObjects", handle, where, n, HANDLER_CAN_SET);
        if (registration)
                registration->handler->myvoid = t;
        if (!registration || netsnmp_register_handler(registration) != MIB_REGISTERED_OK) {
                free(t);
                return registration ? -EINVAL : -ENOMEM;
        }
        *ret = t;
        return 0;
}

Tables *tables_free(Tables *t) {
        free(t);
        return NULL;
}
