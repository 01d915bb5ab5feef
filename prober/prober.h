/* SPDX-License-Identifier: Apache-2.0 */
/* Carries out the probes that the daemon asks for, many at once, and reports what came of them. */
#pragma once

#include "prober/credentials.h"
#include "prober/link.h"
#include "prober/transfer.h"

#define PROBER_PROBES_DEFAULT 64
#define PROBER_PROBES_MAX 4096
#define PROBER_QUEUE_MAX 4096 /* probes that wait for one of those to end; what is over it is answered as not sent */

typedef struct Prober Prober;

typedef struct ProberSettings {
        const char *socket;          /* the daemon's, or NULL for the default */
        const char *credentials_dir; /* or NULL: systemd's, if there are any */
        TransferSettings transfer;
        unsigned probes_max;         /* at once */
} ProberSettings;

/* settings must outlive it. */
int prober_new(sd_event *event, const ProberSettings *settings, Prober **ret);
Prober *prober_free(Prober *p);
/* Credentials are read for each probe anyway; from now on from the folder that has that name now. Logs what is wrong. */
int prober_reload(Prober *p);
DEFINE_CLEANUP(Prober *, prober_free);
