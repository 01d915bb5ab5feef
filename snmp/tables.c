/* SPDX-License-Identifier: Apache-2.0 */
#include "snmp/tables.h"

#include <net-snmp/agent/net-snmp-agent-includes.h>
#include <errno.h>

#include "basic/log.h"
#include "basic/macro.h"
#include "basic/units.h"
#include "snmp/node-state.h"

typedef struct Watch {
        Tables *tables;
        FeedId id;
} Watch;

struct Tables {
        Feed *feed;
        netsnmp_container *containers[_TABLE_MAX];
        netsnmp_table_registration_info *indexes[_TABLE_MAX];
        Watch watches[_FEED_MAX];
        bool asked, answered; /* as the log has it */
};

static const FeedId feed_of_table[_TABLE_MAX] = { [TABLE_PROVIDERS] = FEED_PROVIDERS };

/* ---- keeping up with the daemon ---- */

static void fill_table(netsnmp_container *c, const Rows *rows) {
        CONTAINER_CLEAR(c, NULL, NULL);
        for (size_t i = 0; i < rows->n; i++)
                CONTAINER_INSERT(c, rows_at(rows, i));
}

void tables_refresh(Tables *t, FeedId id) {
        int k = feed_refresh(t->feed, id, feed_clock_ns());

        if (k == 0)
                return;
        if (k > 0)
                for (size_t i = 0; i < _TABLE_MAX; i++)
                        if (feed_of_table[i] == id)
                                fill_table(t->containers[i], &feed_snapshot(t->feed, id)->tables[mib_tables[i].rows]);

        /* A line for a change, not for each poll. */
        if (id != FEED_SNAPSHOT)
                return;
        if (k < 0 && (t->answered || !t->asked))
                log_warning("pointsmand does not answer (%s); what is known of it becomes stale", feed_error(t->feed));
        else if (k > 0 && !t->answered)
                log_info(t->asked ? "pointsmand answers again" : "pointsmand answers");
        t->answered = k > 0;
        t->asked = true;
}

/* Stands in front of the other handlers of a registration: rows are not looked up before they are up to date. */
static int handle_watch(netsnmp_mib_handler *handler, netsnmp_handler_registration *registration,
                        netsnmp_agent_request_info *info, netsnmp_request_info *requests) {
        const Watch *w = handler->myvoid;

        /* Between the phases of a SET rows must stay where they are. */
        if (MODE_IS_GET(info->mode) || info->mode == MODE_SET_RESERVE1)
                tables_refresh(w->tables, w->id);
        return netsnmp_call_next_handler(handler, registration, info, requests);
}

static int inject_watch(Tables *t, netsnmp_handler_registration *registration, FeedId id) {
        netsnmp_mib_handler *handler = netsnmp_create_handler("pointsman-watch", handle_watch);

        if (!handler)
                return -ENOMEM;
        handler->myvoid = &t->watches[id];
        return netsnmp_inject_handler(registration, handler) == SNMPERR_SUCCESS ? 0 : -EINVAL;
}

/* ---- answering ---- */

static void answer(netsnmp_request_info *request, const Column *c, const void *row) {
        Value v;

        column_value(c, row, &v);
        snmp_set_var_typed_value(request->requestvb, v.type, v.data, v.size);
}

static void system_row(const Tables *t, SystemRow *ret) {
        const Snapshot *s = feed_snapshot(t->feed, FEED_SNAPSHOT);
        uint64_t age = feed_age_ns(t->feed, feed_clock_ns());

        *ret = s ? s->system : (SystemRow) {};
        ret->data_state = !s ? DATA_NONE : feed_is_fresh(t->feed) ? DATA_FRESH : DATA_STALE;
        ret->data_age = s ? age / NSEC_PER_MSEC : UINT64_MAX;
}

static int handle_scalar(netsnmp_mib_handler *handler, netsnmp_handler_registration *registration,
                         netsnmp_agent_request_info *info, netsnmp_request_info *requests) {
        const Column *c = registration->my_reg_void;
        const Tables *t = handler->myvoid;
        SystemRow row;

        if (info->mode != MODE_GET)
                return SNMP_ERR_GENERR;
        system_row(t, &row);
        bool own = c->offset == offsetof(SystemRow, data_state) || c->offset == offsetof(SystemRow, data_age);
        for (netsnmp_request_info *r = requests; r; r = r->next)
                if (row.data_state == DATA_NONE && !own)
                        netsnmp_set_request_error(info, r, SNMP_NOSUCHINSTANCE);
                else
                        answer(r, c, &row);
        return SNMP_ERR_NOERROR;
}

static int handle_table(netsnmp_mib_handler *handler, netsnmp_handler_registration *registration,
                        netsnmp_agent_request_info *info, netsnmp_request_info *requests) {
        const Table *table = registration->my_reg_void;
        const Tables *t = handler->myvoid;

        for (netsnmp_request_info *r = requests; r; r = r->next) {
                if (r->processed)
                        continue;
                const netsnmp_table_request_info *where = netsnmp_extract_table_info(r);
                const Column *c = where ? table_column(table, where->colnum) : NULL;
                const Row *row = netsnmp_container_table_row_extract(r);

                if (info->mode != MODE_GET) {
                        int error = node_state_set(t->feed, info->mode, r, c, row);
                        if (error != SNMP_ERR_NOERROR)
                                netsnmp_set_request_error(info, r, error);
                } else if (!c || !row)
                        netsnmp_set_request_error(info, r, c ? SNMP_NOSUCHINSTANCE : SNMP_NOSUCHOBJECT);
                else
                        answer(r, c, row);
        }
        return SNMP_ERR_NOERROR;
}

/* ---- registering ---- */

static netsnmp_handler_registration *new_registration(Tables *t, const char *name, Netsnmp_Node_Handler *handle,
                                                      const void *what, size_t n, const oid *suffix, int modes) {
        netsnmp_handler_registration *registration;
        oid where[MIB_OID_MAX];

        n = mib_oid(where, n, suffix);
        registration = netsnmp_create_handler_registration(name, handle, where, n, modes);
        if (registration) {
                registration->my_reg_void = (void *) what;
                registration->handler->myvoid = t;
        }
        return registration;
}

static int register_scalar(Tables *t, const Column *c) {
        const oid suffix[] = { MIB_OBJECTS, MIB_SYSTEM, c->number };
        netsnmp_handler_registration *registration =
                new_registration(t, "pointsman-scalar", handle_scalar, c, ELEMENTSOF(suffix), suffix,
                                 HANDLER_CAN_RONLY);

        if (!registration)
                return -ENOMEM;
        if (netsnmp_register_read_only_scalar(registration) != MIB_REGISTERED_OK)
                return -EINVAL;
        return inject_watch(t, registration, FEED_SNAPSHOT);
}

static bool is_writable(const Table *table) {
        for (size_t i = 0; i < table->n_columns; i++)
                if (table->columns[i].writable)
                        return true;
        return false;
}

static int register_table(Tables *t, TableId id) {
        const Table *table = &mib_tables[id];
        netsnmp_table_registration_info *index = t->indexes[id] = SNMP_MALLOC_TYPEDEF(netsnmp_table_registration_info);
        netsnmp_handler_registration *registration =
                new_registration(t, table->name, handle_table, table, 2, (oid[]) { MIB_OBJECTS, table->number },
                                 is_writable(table) ? HANDLER_CAN_RWRITE : HANDLER_CAN_RONLY);

        t->containers[id] = netsnmp_container_find("table_container:binary_array");
        if (!index || !registration || !t->containers[id])
                return -ENOMEM;
        for (size_t i = 0; i < table->n_index; i++)
                netsnmp_table_helper_add_index(index, ASN_UNSIGNED);
        index->min_column = table->columns[0].number;
        index->max_column = table->columns[table->n_columns - 1].number;
        if (netsnmp_container_table_register(registration, index, t->containers[id],
                                             TABLE_CONTAINER_KEY_NETSNMP_INDEX) != MIB_REGISTERED_OK)
                return -EINVAL;
        return inject_watch(t, registration, feed_of_table[id]);
}

int tables_new(Tables **ret, Feed *feed) {
        Tables *t = calloc(1, sizeof(Tables));
        int k = t ? 0 : -ENOMEM;

        if (t)
                t->feed = feed;
        for (size_t i = 0; i < _FEED_MAX && k >= 0; i++)
                t->watches[i] = (Watch) { t, i };
        for (size_t i = 0; i < mib_n_scalars && k >= 0; i++)
                k = register_scalar(t, &mib_scalars[i]);
        for (TableId id = 0; id < _TABLE_MAX && k >= 0; id++)
                k = register_table(t, id);
        /* What net-snmp has taken so far refers to t; the program ends on this error anyway. */
        if (k >= 0)
                *ret = t;
        return k;
}

Tables *tables_free(Tables *t) {
        if (!t)
                return NULL;
        for (size_t i = 0; i < _TABLE_MAX; i++) {
                CONTAINER_FREE(t->containers[i]);
                netsnmp_table_registration_info_free(t->indexes[i]);
        }
        free(t);
        return NULL;
}
