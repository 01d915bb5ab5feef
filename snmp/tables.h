/* SPDX-License-Identifier: Apache-2.0 */
/* Puts the MIB into net-snmp: one handler for every scalar, one for every table, answering from the feed. */
#pragma once

#include "snmp/feed.h"

typedef struct Tables Tables;

/* Registers everything; call between init_agent() and init_snmp(). feed must outlive it. Logs when the daemon comes
 * and goes. */
int tables_new(Tables **ret, Feed *feed);
/* After shutdown_agent(). */
Tables *tables_free(Tables *t);

/* Asks the daemon if it is time to. */
void tables_refresh(Tables *t, FeedId id);
