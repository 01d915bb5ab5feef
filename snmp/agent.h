/* SPDX-License-Identifier: Apache-2.0 */
/* The AgentX side: registers the MIB with snmpd, answers its requests from the feed, comes back when snmpd has been
 * away. */
#pragma once

#include "snmp/feed.h"

typedef struct Agent Agent;

#define AGENTX_DEFAULT "/var/agentx/master"

/* There can be one in a process: net-snmp keeps its state in global variables. agentx: the address of snmpd's AgentX
 * socket. socket: the daemon's, for its events; NULL for the library's default. feed and indexes, which it saves, must
 * outlive the agent. Logs. */
int agent_new(Agent **ret, const char *agentx, const char *socket, Feed *feed, Indexes *indexes);
Agent *agent_free(Agent *a);

/* Serves until SIGTERM or SIGINT, which must be blocked. Logs. */
int agent_run(Agent *a);
