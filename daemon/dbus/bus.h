/* SPDX-License-Identifier: Apache-2.0 */
/*
 * D-Bus: the Manager object with the methods of the API, an object for each service and node with properties, events as
 * signals. Bytes ⇄ messages by the API's tables; no policy and no validation of its own.
 */
#pragma once

#include <systemd/sd-event.h>

#include "daemon/api/api.h"

#define BUS_NAME "org.pointsman.Pointsman1"
#define BUS_PATH "/org/pointsman/Pointsman1"

typedef struct Bus Bus;

/* address: a D-Bus address, "system", "session", or "none" (then *ret is NULL). When the bus goes away it is connected anew. */
int bus_new(Bus **ret, Api *api, sd_event *event, const char *address);
Bus *bus_free(Bus *b);
/* Services or nodes came or went. Accepts NULL. */
void bus_objects_changed(Bus *b);
