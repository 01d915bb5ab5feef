/* SPDX-License-Identifier: Apache-2.0 */
/* SET of pmNodeAdministrativeState, in the phases of RFC 2741 and net-snmp: all is checked before anything changes. */
#pragma once

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
#include <net-snmp/agent/net-snmp-agent-includes.h>

#include "snmp/feed.h"

/* One phase (MODE_SET_…) for one variable. row: the node's, or NULL; it is read in the first phase only. Returns
 * SNMP_ERR_NOERROR or the error to answer with. */
int node_state_set(Feed *feed, int phase, netsnmp_request_info *request, const Row *row);
