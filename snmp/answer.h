/* SPDX-License-Identifier: Apache-2.0 */
/* A master's request for variables, and the answer that the view gives to it; in the bytes of both. */
#pragma once

#include "snmp/agentx.h"
#include "snmp/view.h"

/* snmpd takes no longer message. */
#define ANSWER_MAX 65536

/* What answer_request() answers: GET, GETNEXT and GETBULK. */
bool answer_is_due(const AgentxHeader *h);
/* frame: the header h and all that it announces, whatever that is. session: the number of ours. Returns the answer's
 * length; it may be an error, of the request or for want of room. */
size_t answer_request(const View *view, uint32_t session, const AgentxHeader *h, const uint8_t *frame,
                      uint8_t ret[ANSWER_MAX]);
