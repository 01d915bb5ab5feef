/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns the daemon's events into SNMP notifications: none is lost or doubled when the daemon or snmpd comes back, and
 * a storm of them is cut down to what a station can read, the last state of each thing included.
 *
 * Times are of feed_clock_ns().
 */
#pragma once

#include "snmp/feed.h"
#include "snmp/tables.h"

typedef struct Notifier Notifier;

/* socket: NULL for the library's default. feed and tables must outlive it. */
int notifier_new(Notifier **ret, const char *socket, Feed *feed, Tables *tables);
Notifier *notifier_free(Notifier *n);

int notifier_fd(const Notifier *n);          /* to be polled for input; -1: none at the moment */
uint64_t notifier_due_ns(const Notifier *n); /* when it wants to be called without input */

/* Follows the stream, and sends what may be sent now. readable: there is input. connected: snmpd is there to take it. */
void notifier_work(Notifier *n, bool readable, bool connected, uint64_t now_ns);
