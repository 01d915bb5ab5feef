/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As much of AgentX (RFC 2741) as answering a master's requests takes: bytes in, bytes out. net-snmp, which speaks the
 * rest, keeps its codec to itself. Numbers in comments are the RFC's sections.
 */
#pragma once

#include "snmp/mib.h"

/* 6.1 */
enum { AGENTX_HEADER_SIZE = 20, AGENTX_VERSION = 1 };
enum { AGENTX_GET = 5, AGENTX_GETNEXT = 6, AGENTX_GETBULK = 7, AGENTX_RESPONSE = 18 };
enum { AGENTX_NON_DEFAULT_CONTEXT = 0x08, AGENTX_NETWORK_BYTE_ORDER = 0x10 };

typedef struct AgentxHeader {
        uint8_t version, type, flags;
        uint32_t session, transaction, packet;
        uint32_t size; /* of what follows the header */
} AgentxHeader;

void agentx_read_header(const uint8_t data[AGENTX_HEADER_SIZE], AgentxHeader *ret);

/* ---- what a request asks for ---- */

typedef struct AgentxReader {
        const uint8_t *p, *end;
        bool big_endian;
} AgentxReader;

/* 5.2; the RFC's null identifier is one of no numbers. */
typedef struct AgentxRange {
        size_t n_start, n_end;
        oid start[MAX_OID_LEN], end[MAX_OID_LEN];
        bool inclusive;
} AgentxRange;

/* Passes over what comes before the ranges of a GET, GETNEXT or GETBULK. frame: a header and all that it announces.
 * -EBADMSG: it is not there. */
int agentx_open_request(AgentxReader *r, const AgentxHeader *h, const uint8_t *frame);
/* 1: there was one; 0: that was all; -EBADMSG: there is something else. */
int agentx_read_range(AgentxReader *r, AgentxRange *ret);

/* ---- the response, 6.2.16 ---- */

/* res.error. GENERAL_ERROR is SNMP's, with res.index. */
typedef enum AgentxError {
        AGENTX_NO_ERROR = 0,
        AGENTX_GENERAL_ERROR = 5,
        AGENTX_NOT_OPEN = 257,
        AGENTX_UNSUPPORTED_CONTEXT = 262,
        AGENTX_PARSE_ERROR = 266,
} AgentxError;

typedef struct AgentxWriter {
        uint8_t *data;
        size_t n, size;
        bool big_endian;
} AgentxWriter;

enum { AGENTX_RESPONSE_MIN = AGENTX_HEADER_SIZE + 8 };

/* size: of data, at least AGENTX_RESPONSE_MIN. */
void agentx_open_response(AgentxWriter *w, const AgentxHeader *request, uint8_t *data, size_t size);
/* A variable and its value, whose type is one of those of column_value(); or an exception, whose type is
 * SNMP_NOSUCHOBJECT, SNMP_NOSUCHINSTANCE or SNMP_ENDOFMIBVIEW. -ENOBUFS: there is no room for it. */
int agentx_write_variable(AgentxWriter *w, const oid *name, size_t n, const Value *v);
int agentx_write_exception(AgentxWriter *w, const oid *name, size_t n, uint8_t type);
/* Returns the length of the response. With an error it has no variables. index: of the variable it is about, counted
 * from 1; or 0. */
size_t agentx_close_response(AgentxWriter *w, AgentxError error, unsigned index);
