/* SPDX-License-Identifier: Apache-2.0 */
#include "snmp/responder.h"

#include "basic/macro.h"

/* RFC 2741, 6.1 and 6.2.5; net-snmp keeps its names for them to itself. */
enum { AGENTX_GET = 5, AGENTX_GETNEXT = 6, AGENTX_GETBULK = 7, AGENTX_RESPONSE = 18 };
#define AGENTX_NETWORK_BYTE_ORDER 0x10u

/* net-snmp has one such session in a process, and needs the pointer that goes with the callback for itself. */
static netsnmp_callback library_callback;
static Tables *source;

static bool add_variable(netsnmp_pdu *answer, const Variable *x, const oid *name, size_t n) {
        Value v;

        column_value(x->column, x->row, &v);
        return snmp_pdu_add_variable(answer, name, n, v.type, v.data, v.size);
}

static bool add_exception(netsnmp_pdu *answer, const netsnmp_variable_list *v, u_char type) {
        return snmp_pdu_add_variable(answer, v->name, v->name_length, type, NULL, 0);
}

static bool add_get(netsnmp_pdu *answer, const View *view, const netsnmp_variable_list *v) {
        Variable x;

        switch (view_get(view, v->name_length, v->name, &x)) {
        case LOOKUP_FOUND:
                return add_variable(answer, &x, v->name, v->name_length);
        case LOOKUP_NO_INSTANCE:
                return add_exception(answer, v, SNMP_NOSUCHINSTANCE);
        default:
                return add_exception(answer, v, SNMP_NOSUCHOBJECT);
        }
}

/* v is a search range (RFC 2741, 5.2): the name it begins with, and as its value the one it ends before. */
static bool add_next(netsnmp_pdu *answer, const View *view, const netsnmp_variable_list *v) {
        size_t n_end = v->val_len / sizeof(oid);
        bool endless = n_end == 0 || v->val.objid[0] == 0;
        oid name[MIB_OID_MAX];
        Variable x;

        if (view_next(view, v->name_length, v->name, v->type == ASN_PRIV_INCL_RANGE, &x)) {
                size_t n = variable_oid(&x, name);
                if (endless || snmp_oid_compare(name, n, v->val.objid, n_end) < 0)
                        return add_variable(answer, &x, name, n);
        }
        return add_exception(answer, v, SNMP_ENDOFMIBVIEW);
}

static netsnmp_pdu *new_answer(const netsnmp_pdu *pdu) {
        netsnmp_pdu *answer = snmp_pdu_create(AGENTX_RESPONSE);

        if (answer) {
                answer->sessid = pdu->sessid;
                answer->transid = pdu->transid;
                answer->reqid = pdu->reqid;
                answer->errstat = SNMP_ERR_NOERROR;
                answer->errindex = 0;
                answer->flags |= pdu->flags & AGENTX_NETWORK_BYTE_ORDER;
        }
        return answer;
}

static int on_packet(int operation, netsnmp_session *session, int id, netsnmp_pdu *pdu, void *magic) {
        bool received = operation == NETSNMP_CALLBACK_OP_RECEIVED_MESSAGE;

        /* One repetition is enough of an answer to GETBULK, which snmpd does not send. */
        if (!received || (pdu->command != AGENTX_GET && pdu->command != AGENTX_GETNEXT &&
                          pdu->command != AGENTX_GETBULK))
                return library_callback(operation, session, id, pdu, magic);

        const View *view = tables_view(source);
        netsnmp_pdu *answer = new_answer(pdu);
        bool done = answer;
        for (const netsnmp_variable_list *v = pdu->variables; v && done; v = v->next_variable)
                done = pdu->command == AGENTX_GET ? add_get(answer, view, v) : add_next(answer, view, v);
        /* Without memory there is no answer either; snmpd gives up waiting. */
        if (!done || snmp_send(session, answer) == 0)
                snmp_free_pdu(answer);
        return 1;
}

void responder_attach(netsnmp_session *session, Tables *tables) {
        source = tables;
        library_callback = session->callback;
        session->callback = on_packet;
}
