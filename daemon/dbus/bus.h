/* SPDX-License-Identifier: Apache-2.0 */
/*
 * D-Bus: the Manager object with the methods of the API, an object for each service and node with properties, events as
 * signals. Bytes ⇄ messages by the API's tables; no policy and no validation of its own.
 *
 *     /org/pointsman/Pointsman1                      org.pointsman.Pointsman1.Manager, org.freedesktop.DBus.ObjectManager
 *     /org/pointsman/Pointsman1/service/stripe       org.pointsman.Pointsman1.Service
 *     /org/pointsman/Pointsman1/node/stripe/us_2deast  org.pointsman.Pointsman1.Node
 *
 * Numbers are as in the API: money in dollars, times in the unit that their name tells. A property that has no value is NaN or "";
 * in a dictionary it is not there. In options any type of number is taken, as long as the value fits, and a call
 * without any may leave out their dictionary.
 * Each type of event is a signal of the Manager, except routing_decision_made, which comes with every call. PropertiesChanged
 * comes at most twice a second for an object.
 * Errors are org.pointsman.Pointsman1.Error.NAME with a sentence, and after it the error's parameters as a{sv}.
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
/* Gives up the name, so that no more calls come. */
void bus_leave(Bus *b);
/* Whether it has, and nobody waits for an answer. */
bool bus_is_settled(const Bus *b);
/* Whether anything was put on the bus or is to be looked at since this was last asked: the event loop has to see to it. */
bool bus_wants_turn(Bus *b);
/* Services or nodes came or went. Accepts NULL. */
void bus_objects_changed(Bus *b);
