/* SPDX-License-Identifier: Apache-2.0 */
/* What is shown, kept up with the daemon; and the SETs that change it. */
#pragma once

#include "snmp/view.h"
#include "snmp/feed.h"

typedef struct Tables Tables;

/* Registers all below pointsmanObjects; call between init_agent() and init_snmp(). feed must outlive it. Logs when the
 * daemon comes and goes. */
int tables_new(Tables **ret, Feed *feed);
/* After shutdown_agent(). */
Tables *tables_free(Tables *t);

/* Asks the daemon if it is time to. */
void tables_refresh(Tables *t);
/* For a request that has come now, by feed_clock_ns(): asks the daemon if it is time to. Valid until the next call. */
const View *tables_view(Tables *t, uint64_t now_ns);
ControlRow *tables_control(Tables *t);
