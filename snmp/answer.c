/* SPDX-License-Identifier: Apache-2.0 */
#include "snmp/answer.h"

#include "basic/macro.h"

static int write_found(AgentxWriter *w, const Variable *x, const oid *name, size_t n) {
        Value v;

        column_value(x->column, x->row, &v);
        return agentx_write_variable(w, name, n, &v);
}

static int answer_get(AgentxWriter *w, const View *view, const AgentxRange *r) {
        Variable x;

        switch (view_get(view, r->n_start, r->start, &x)) {
        case LOOKUP_FOUND:
                return write_found(w, &x, r->start, r->n_start);
        case LOOKUP_NO_INSTANCE:
                return agentx_write_exception(w, r->start, r->n_start, SNMP_NOSUCHINSTANCE);
        default:
                return agentx_write_exception(w, r->start, r->n_start, SNMP_NOSUCHOBJECT);
        }
}

static int answer_next(AgentxWriter *w, const View *view, const AgentxRange *r) {
        oid name[MIB_OID_MAX];
        Variable x;

        if (view_next(view, r->n_start, r->start, r->inclusive, &x)) {
                size_t n = variable_oid(&x, name);
                if (r->n_end == 0 || snmp_oid_compare(name, n, r->end, r->n_end) < 0)
                        return write_found(w, &x, name, n);
        }
        return agentx_write_exception(w, r->start, r->n_start, SNMP_ENDOFMIBVIEW);
}

bool answer_is_due(const AgentxHeader *h) {
        return h->version == AGENTX_VERSION &&
               (h->type == AGENTX_GET || h->type == AGENTX_GETNEXT || h->type == AGENTX_GETBULK);
}

size_t answer_request(const View *view, uint32_t session, const AgentxHeader *h, const uint8_t *frame,
                      uint8_t ret[ANSWER_MAX]) {
        AgentxReader r;
        AgentxWriter w;
        AgentxRange range;
        unsigned i = 0;
        int k;

        agentx_open_response(&w, h, ret, ANSWER_MAX);
        if (h->session != session)
                return agentx_close_response(&w, AGENTX_NOT_OPEN, 0);
        if (agentx_open_request(&r, h, frame) < 0)
                return agentx_close_response(&w, AGENTX_PARSE_ERROR, 0);
        if (h->flags & AGENTX_NON_DEFAULT_CONTEXT)
                return agentx_close_response(&w, AGENTX_UNSUPPORTED_CONTEXT, 0);
        /* One repetition is enough of an answer to GETBULK, which snmpd does not send. */
        while ((k = agentx_read_range(&r, &range)) > 0) {
                i++;
                k = h->type == AGENTX_GET ? answer_get(&w, view, &range) : answer_next(&w, view, &range);
                if (k < 0)
                        return agentx_close_response(&w, AGENTX_GENERAL_ERROR, i);
        }
        return agentx_close_response(&w, k < 0 ? AGENTX_PARSE_ERROR : AGENTX_NO_ERROR, 0);
}
