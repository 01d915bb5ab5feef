/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a service tells its manager, as by sd_notify(3), but without ever waiting: where the manager hangs, its socket is full after a
 * few messages (net.unix.max_dgram_qlen), and sd_notify() would hang with it, and so would the event loop, watchdog and all.
 */
#pragma once

#include <systemd/sd-event.h>

#include "basic/macro.h"

/* Lines of NAME=value. 0: it is told, or there is none; -EAGAIN: it takes nothing now; other negative errnos: it cannot be told. */
int service_notify(const char *state);
int service_notifyf(const char *format, ...) _printf_(1, 2);

/* From now on the loop sees to the watchdog, if the manager has set one, and to what service_ready() could not tell at once.
 * Once in a process; as long as the event loop. */
int service_attach(sd_event *event);
/* READY=1, at the start or after a reload: as soon as the manager takes it. */
void service_ready(void);
