/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message of a master. Whatever it is, the answer is a response to it of the length that it says, with an error and
 * nothing else, or with a variable for each range of the request: the one that was asked for, or one behind it and before
 * the range's end.
 */
#include "basic/macro.h"
#include "snmp/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SESSION = 1 };

static SystemRow system_row = { .version = "0.1.0", .data_age = UINT64_MAX };
static ControlRow control = { .enabled = { 2, { 0xFF, 0x80 } } };
static ServiceRow services[] = { { .row = { { 3 } }, .name = "a" }, { .row = { { 7 } }, .name = "services" } };
static NodeRow nodes[] = {
        { .row = { { 3, 5 } }, .name = "a/b" }, { .row = { { 3, 9 } } }, { .row = { { 7, UINT32_MAX } } },
};

#define ROWS(a, count) { .rows = (char *) (a), .n = count, .size = sizeof((a)[0]) }
static const Rows system_rows = ROWS(&system_row, 1), control_rows = ROWS(&control, 1);
static const Rows service_rows = ROWS(services, ELEMENTSOF(services)), node_rows = ROWS(nodes, ELEMENTSOF(nodes));
static const View view = {
        .rows = { [TABLE_SYSTEM] = &system_rows, [TABLE_SERVICES] = &service_rows, [TABLE_NODES] = &node_rows,
                  [TABLE_CONTROL] = &control_rows },
        .known = true,
};

static void check(bool holds) {
        if (!holds)
                abort();
}

static uint32_t number(AgentxReader *r, size_t size) {
        uint32_t v = 0;

        check((size_t) (r->end - r->p) >= size);
        for (size_t i = 0; i < size; i++)
                v = v << 8 | r->p[r->big_endian ? i : size - 1 - i];
        r->p += size;
        return v;
}

static size_t name_of(AgentxReader *r, oid ret[MAX_OID_LEN]) {
        size_t n = number(r, 1), n_prefix = 0;
        uint32_t prefix = number(r, 1);

        check(number(r, 2) == 0);
        if (prefix > 0) {
                memcpy(ret, (oid[]) { 1, 3, 6, 1, prefix }, 5 * sizeof(oid));
                n_prefix = 5;
        }
        check(n_prefix + n <= MAX_OID_LEN);
        for (size_t i = 0; i < n; i++)
                ret[n_prefix + i] = number(r, 4);
        return n_prefix + n;
}

static void skip_value(AgentxReader *r, uint32_t type) {
        static const uint8_t zeros[3];

        if (type == ASN_OCTET_STR) {
                size_t n = number(r, 4), n_padding = -n & 3;
                check((size_t) (r->end - r->p) >= n + n_padding && memcmp(r->p + n, zeros, n_padding) == 0);
                r->p += n + n_padding;
        } else if (type == ASN_COUNTER64)
                (void) number(r, 4), (void) number(r, 4);
        else if (type == ASN_INTEGER || type == ASN_GAUGE || type == ASN_TIMETICKS)
                (void) number(r, 4);
        else
                check(type == SNMP_NOSUCHOBJECT || type == SNMP_NOSUCHINSTANCE || type == SNMP_ENDOFMIBVIEW);
}

static void check_variable(AgentxReader *answer, bool get, const AgentxRange *asked) {
        oid name[MAX_OID_LEN];
        uint32_t type = number(answer, 2);

        check(number(answer, 2) == 0);
        size_t n = name_of(answer, name);
        skip_value(answer, type);
        int order = snmp_oid_compare(name, n, asked->start, asked->n_start);
        if (get || type >= SNMP_NOSUCHOBJECT) {
                check(order == 0 && get == (type != SNMP_ENDOFMIBVIEW));
                return;
        }
        check(asked->inclusive ? order >= 0 : order > 0);
        check(asked->n_end == 0 || snmp_oid_compare(name, n, asked->end, asked->n_end) < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static uint8_t answer[ANSWER_MAX];
        AgentxHeader h, ours;
        AgentxReader asked;
        AgentxRange range;
        int k;

        if (size < AGENTX_HEADER_SIZE || size > 65536)
                return 0;
        agentx_read_header(data, &h);
        if (!answer_is_due(&h))
                return 0;
        h.size = (uint32_t) (size - AGENTX_HEADER_SIZE);
        memset(answer, 0xAA, sizeof(answer));
        size_t n = answer_request(&view, SESSION, &h, data, answer);

        check(n >= AGENTX_RESPONSE_MIN && n <= ANSWER_MAX && n % 4 == 0);
        agentx_read_header(answer, &ours);
        check(ours.version == AGENTX_VERSION && ours.type == AGENTX_RESPONSE && ours.size == n - AGENTX_HEADER_SIZE);
        check(ours.session == h.session && ours.transaction == h.transaction && ours.packet == h.packet);
        AgentxReader r = {
                .p = answer + AGENTX_HEADER_SIZE, .end = answer + n, .big_endian = h.flags & AGENTX_NETWORK_BYTE_ORDER,
        };
        check(number(&r, 4) == 0);
        uint32_t error = number(&r, 2), index = number(&r, 2);
        check((error == AGENTX_NOT_OPEN) == (h.session != SESSION) && (index > 0) == (error == AGENTX_GENERAL_ERROR));
        if (error == AGENTX_NO_ERROR) {
                check(agentx_open_request(&asked, &h, data) == 0);
                while ((k = agentx_read_range(&asked, &range)) > 0)
                        check_variable(&r, h.type == AGENTX_GET, &range);
                check(k == 0);
        }
        check(r.p == r.end);
        return 0;
}
