/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers snmpd's GET and GETNEXT where their bytes arrive, in front of net-snmp, and stays for the next one: a walk is
 * such an exchange for each variable, and one costs a recv() and a send(). net-snmp reads what is left of the stream.
 */
#pragma once

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>

#include "snmp/tables.h"

/* Answers this session's requests from tables, once it is open, until it is closed. tables must outlive it. */
void responder_attach(netsnmp_session *session, Tables *tables);
