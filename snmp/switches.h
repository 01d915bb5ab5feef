/* SPDX-License-Identifier: Apache-2.0 */
/* pointsmanNotificationControl: which notifications are wanted, and how many were sent. */
#pragma once

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
#include <net-snmp/agent/net-snmp-agent-includes.h>

#include "snmp/event.h"

extern const ControlRow switches_default; /* every kind is on */

bool switches_wants(const ControlRow *s, Kind kind);

/* One phase (MODE_SET_…) of a SET of pmNotificationEnable. Returns SNMP_ERR_NOERROR or the error to answer with. */
int switches_set(ControlRow *s, int phase, netsnmp_request_info *request);
