/* SPDX-License-Identifier: Apache-2.0 */
/* A probe with its credential filled in, ready to be sent. All of it is secret. */
#pragma once

#include <curl/curl.h>

#include "prober/probe.h"

typedef struct Request {
        char *method, *url;
        char *body;                 /* or NULL */
        struct curl_slist *headers; /* "Name: value" */
        char *secret;               /* what to scrub from the answer; or NULL */
        uint64_t timeout_ns;
} Request;

/* secret: what the probe's credential is, or NULL if it names none. On failure *ret_why says in words what is wrong with the probe. */
int request_new(const Probe *p, const char *secret, Request **ret, const char **ret_why);
Request *request_free(Request *r);
DEFINE_CLEANUP(Request *, request_free);

/* The hosts that a credential may go to without TLS, as libcurl writes a list of hosts. */
#define LOOPBACK_HOSTS "localhost,127.0.0.0/8,::1"

/* Whether anything in it asks for a credential. */
bool probe_wants_credential(const Probe *p);
