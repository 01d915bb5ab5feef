/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the last events for those who come back, and passes new ones to whoever subscribed. */
#pragma once

#include "daemon/api/api.h"
#include "daemon/api/types.h"

typedef struct Events Events;

/* history: how many events are kept. */
int events_new(Events **ret, Router *router, Users *users, size_t history);
Events *events_free(Events *e);

/* Gives the event its serial and passes it on. */
void events_publish(Events *e, ApiEvent *event);
/* The same for what the brain says. */
void events_publish_core(Events *e, const Event *event, uint64_t utc_ns);
uint64_t events_serial(const Events *e);
/* The next one gets the serial after that. Before the first event. */
void events_carry_on(Events *e, uint64_t serial);
size_t events_subscribers(const Events *e);
void events_listen(Events *e, uint32_t wanted, ApiEventListener listener, void *userdata);
