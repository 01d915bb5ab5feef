/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers snmpd's GET and GETNEXT where they arrive. net-snmp would hand each of them through a pipe to an agent of its
 * own and the answer back through another: three turns of the loop for each variable of a walk.
 */
#pragma once

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>

#include "snmp/tables.h"

/* Answers this session's requests from tables, once it is open; all but those remains net-snmp's. tables must outlive
 * it. */
void responder_attach(netsnmp_session *session, Tables *tables);
