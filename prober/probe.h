/* SPDX-License-Identifier: Apache-2.0 */
/* A probe as the daemon asks for it: a request with "{credential}" where the secret goes. */
#pragma once

#include <stdbool.h>
#include <sys/queue.h>

#include "basic/macro.h"
#include "basic/units.h"

#define PROBE_HEADERS_MAX 64
#define PROBE_TIMEOUT_MAX_NS (120 * NSEC_PER_SEC)
#define PROBE_TIMEOUT_DEFAULT_NS (10 * NSEC_PER_SEC)

typedef struct HttpHeader {
        char *name, *value;
} HttpHeader;

typedef struct Probe {
        STAILQ_ENTRY(Probe) next; /* in a queue */
        char *id, *node, *method, *url;
        HttpHeader *headers;
        size_t n_headers;
        char *body;         /* or NULL */
        char *credential;   /* its name, or NULL */
        uint64_t timeout_ns;
        uint64_t received_ns; /* by CLOCK_MONOTONIC */
} Probe;

/* Reads one reply of FollowProbes. -EBADMSG: it is not what the interface promises. If at least its id could be read, *ret is
 * set even then, so that the probe can be answered as not sent. */
int probe_parse(const char *reply, Probe **ret);
Probe *probe_free(Probe *p);
DEFINE_CLEANUP(Probe *, probe_free);
