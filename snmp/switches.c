/* SPDX-License-Identifier: Apache-2.0 */
#include "snmp/switches.h"

#include "basic/macro.h"

#define DATA_NAME "pointsman-switches"

/* The first bit is the highest of the first octet. */
const ControlRow switches_default = { .enabled = { 2, { 0xFF, 0x80 } } };
_Static_assert(_KIND_MAX == 9, "the default has another number of bits");

bool switches_wants(const ControlRow *s, Kind kind) {
        size_t octet = (size_t) kind / 8;

        /* Octets left out at the end of BITS are zero. */
        return octet < s->enabled.size && s->enabled.octets[octet] >> (7 - kind % 8) & 1;
}

static int reserve(const ControlRow *s, netsnmp_request_info *request) {
        const netsnmp_variable_list *v = request->requestvb;

        if (v->type != ASN_OCTET_STR)
                return SNMP_ERR_WRONGTYPE;
        if (v->val_len > sizeof(s->enabled.octets))
                return SNMP_ERR_WRONGLENGTH;
        Octets *before = malloc(sizeof(Octets));
        if (!before)
                return SNMP_ERR_RESOURCEUNAVAILABLE;
        *before = s->enabled;
        netsnmp_request_add_list_data(request, netsnmp_create_data_list(DATA_NAME, before, free));
        return SNMP_ERR_NOERROR;
}

int switches_set(ControlRow *s, int phase, netsnmp_request_info *request) {
        const netsnmp_variable_list *v = request->requestvb;
        const Octets *before;

        switch (phase) {
        case MODE_SET_RESERVE1:
                return reserve(s, request);
        case MODE_SET_ACTION:
                s->enabled = (Octets) { .size = v->val_len };
                memcpy(s->enabled.octets, v->val.string, v->val_len);
                return SNMP_ERR_NOERROR;
        case MODE_SET_UNDO:
                before = netsnmp_request_get_list_data(request, DATA_NAME);
                if (!before)
                        return SNMP_ERR_UNDOFAILED;
                s->enabled = *before;
                return SNMP_ERR_NOERROR;
        default:
                return SNMP_ERR_NOERROR;
        }
}
