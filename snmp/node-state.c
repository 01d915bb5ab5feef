/* SPDX-License-Identifier: Apache-2.0 */
#include "snmp/node-state.h"

#include "basic/log.h"
#include "basic/macro.h"

#define DATA_NAME "pointsman-set"

/* Kept from phase to phase, because rows may be gone by the next one. */
typedef struct Change {
        AdministrativeState from, to;
        bool applied;
        char node[];
} Change;

static int reserve(netsnmp_request_info *request, const Row *row) {
        const netsnmp_variable_list *v = request->requestvb;

        if (v->type != ASN_INTEGER)
                return SNMP_ERR_WRONGTYPE;
        if (v->val_len != sizeof(*v->val.integer))
                return SNMP_ERR_WRONGLENGTH;
        if (*v->val.integer < 1 || *v->val.integer > _ADMINISTRATIVE_STATE_MAX)
                return SNMP_ERR_WRONGVALUE;
        if (!row)
                return SNMP_ERR_NOCREATION;

        const NodeRow *node = (const NodeRow *) row;
        Change *change = malloc(sizeof(Change) + strlen(node->name) + 1);
        if (!change)
                return SNMP_ERR_RESOURCEUNAVAILABLE;
        change->from = (AdministrativeState) node->administrative_state - 1;
        change->to = (AdministrativeState) (*v->val.integer - 1);
        change->applied = false;
        strcpy(change->node, node->name);
        netsnmp_request_add_list_data(request, netsnmp_create_data_list(DATA_NAME, change, free));
        return SNMP_ERR_NOERROR;
}

static int apply(Feed *feed, Change *change, AdministrativeState state, int error) {
        const char *word = enum_to_string(&administrative_state_names, (int) state);

        int k = feed_set_node_state(feed, change->node, state);
        if (k < 0) {
                log_warning("Cannot set node %s to %s, as an SNMP manager asks: %s", change->node, word,
                            feed_error(feed));
                return error;
        }
        change->applied = true;
        log_notice("Set node %s to %s, as an SNMP manager asked", change->node, word);
        return SNMP_ERR_NOERROR;
}

int node_state_set(Feed *feed, int phase, netsnmp_request_info *request, const Row *row) {
        if (phase == MODE_SET_RESERVE1)
                return reserve(request, row);

        Change *change = netsnmp_request_get_list_data(request, DATA_NAME);
        switch (phase) {
        case MODE_SET_RESERVE2:
                return change && feed_is_fresh(feed) ? SNMP_ERR_NOERROR : SNMP_ERR_RESOURCEUNAVAILABLE;
        case MODE_SET_ACTION:
                return change ? apply(feed, change, change->to, SNMP_ERR_COMMITFAILED) : SNMP_ERR_COMMITFAILED;
        case MODE_SET_UNDO:
                feed_expire(feed);
                if (!change || !change->applied)
                        return SNMP_ERR_NOERROR;
                return apply(feed, change, change->from, SNMP_ERR_UNDOFAILED);
        case MODE_SET_COMMIT:
                /* The next GET shows it. */
                feed_expire(feed);
                return SNMP_ERR_NOERROR;
        default:
                return SNMP_ERR_NOERROR;
        }
}
