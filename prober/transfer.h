/* SPDX-License-Identifier: Apache-2.0 */
/* One HTTP request and what came of it, with its times apart and nothing of it unbounded. */
#pragma once

#include "prober/curl-loop.h"
#include "prober/request.h"

#define TRANSFER_BODY_KEPT ((size_t) 64 * 1024)     /* bytes of a body that are reported */
#define TRANSFER_BODY_READ ((size_t) 1024 * 1024)   /* of a longer body the rest is not read */
#define TRANSFER_HEADERS_KEPT 64                    /* distinct names that are reported */
#define TRANSFER_HEADERS_SIZE ((size_t) 32 * 1024)  /* bytes of them */
#define TRANSFER_HEADERS_READ ((size_t) 256 * 1024) /* more than that ends the request */

typedef struct TransferSettings {
        const char *ca_file; /* certificates to trust instead of the system's, or NULL */
        const char *proxy;   /* URL, or NULL: none, whatever the environment says */
        const char *user_agent;
} TransferSettings;

typedef struct TransferResult {
        int http_status;     /* 0: no HTTP response, then error says why */
        const char *error;   /* a CallError of the interface: "timeout", "connect", … */
        const char *detail;  /* of the error, in libcurl's words, without the secret */
        const HttpHeader *headers;
        size_t n_headers;
        const char *body;    /* NUL-terminated, without other NULs */
        bool body_truncated; /* it went on after that */
        /* NSEC_INFINITY where that step did not happen, as on a connection that was used again. */
        uint64_t dns_ns, connect_ns, tls_ns, first_byte_ns, total_ns;
        char certificate_expires[32]; /* RFC 3339, or "" */
} TransferResult;

typedef struct Transfer Transfer;
/* The result and what it points to are valid during the call, in which the transfer may be freed. */
typedef void (*TransferDone)(void *userdata, const TransferResult *result);

/* Takes the request over. */
int transfer_start(CurlLoop *loop, const TransferSettings *settings, Request *request, TransferDone done, void *userdata,
                   Transfer **ret);
/* Gives it up if it is still running; done is not called then. */
Transfer *transfer_free(Transfer *t);
DEFINE_CLEANUP(Transfer *, transfer_free);

/* The interface's word for libcurl's; sent: whether anything had been sent to the vendor by then. */
const char *transfer_error_name(CURLcode code, bool sent);
/* "Expire date" of a certificate as libcurl gives it → RFC 3339. -EINVAL: neither of its forms. */
int transfer_parse_expiry(const char *text, char *ret, size_t size);
