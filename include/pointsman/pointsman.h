/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libpointsman: the client of pointsmand.
 *
 * A client is one connection over a Unix socket; it belongs to one thread at a time. Functions return 0 or a negative errno;
 * where the daemon answered with an error, -EREMOTEIO, and pointsman_error_name() and pointsman_error_message() tell which. Strings in
 * results are owned by the result and freed with it. Replies and parameters are JSON text (RFC 8259).
 */
#ifndef POINTSMAN_H
#define POINTSMAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define POINTSMAN_INTERFACE "org.pointsman.routing"
#define POINTSMAN_DEFAULT_SOCKET "/run/pointsman/pointsman.sock" /* overridden by $POINTSMAN_SOCKET */

typedef struct pointsman pointsman;

/* Connects to path (NULL: $POINTSMAN_SOCKET, else the default). -ENOENT or -ECONNREFUSED: the daemon does not listen there. */
int pointsman_connect(const char *path, pointsman **ret);
pointsman *pointsman_close(pointsman *p); /* accepts NULL, returns NULL */

/* The time that a call may take, in milliseconds; 0: for ever. Default 5000. Then -ETIMEDOUT, and the connection is no good any more.
 *
 * Other ends of a connection: -ECONNRESET, -EPIPE (the daemon has hung up), -EPROTO (what came is not an answer), -EMSGSIZE (an answer
 * of more than 16 MiB). From then on everything is -ENOTCONN: close, connect again. Signals neither interrupt a call nor, by
 * SIGPIPE, end the process. */
void pointsman_set_timeout(pointsman *p, unsigned ms);

/* Calls a method ("Route", or with its interface) and waits. parameters: a JSON object as text, or NULL for {}.
 * On success *ret_reply is the reply's parameters as JSON text, to be freed with free().
 * -EINVAL: parameters is not an object; -EBUSY: a stream is being followed on this connection, which then takes no other request. */
int pointsman_call(pointsman *p, const char *method, const char *parameters, char **ret_reply);

/* Sends without waiting; the daemon will not answer. May queue in the socket's buffer only: -EAGAIN if that is full. What did
 * not fit of a frame half sent goes out with the next request, or with pointsman_flush(). */
int pointsman_send(pointsman *p, const char *method, const char *parameters);

/* For event loops, after pointsman_send(): -EAGAIN if something is still unsent; poll for POLLOUT, then call it again. */
int pointsman_flush(pointsman *p);

/* Calls a method that answers many times (Subscribe, FollowProbes). Then pointsman_next() gives one reply after the other. */
int pointsman_follow(pointsman *p, const char *method, const char *parameters);

/* The next reply of the stream. timeout_ms < 0: wait for ever; -EAGAIN: none in that time. -ENODATA: the stream has ended. */
int pointsman_next(pointsman *p, int timeout_ms, char **ret_reply);

/* For event loops: poll this for POLLIN, then call pointsman_next(p, 0, …) until -EAGAIN. */
int pointsman_fd(const pointsman *p);

/* About the last -EREMOTEIO: "org.pointsman.routing.NoSuchService", and a sentence for people. Valid until the next call. */
const char *pointsman_error_name(const pointsman *p);
const char *pointsman_error_message(const pointsman *p);
const char *pointsman_error_parameters(const pointsman *p); /* JSON text */

/* ---- the three calls that most programs need ---- */

struct pointsman_decision {
        char id[32];            /* give it back in pointsman_report() or pointsman_fallback() */
        char node[160];
        char url[520];          /* base URL of the node */
        double estimated_cost;  /* dollars */
        double confidence;      /* 0..1 */
        bool degraded;          /* no healthy node was left */
        uint64_t retry_after_ms; /* wait so long before calling */
};

/* operation may be NULL. */
int pointsman_route(pointsman *p, const char *service, const char *operation, struct pointsman_decision *ret);

/* Says what came of a call. http_status 0: no response, then error says why ("timeout", "connect", "dns", "tls", "reset",
 * "canceled", "not_sent"). body: the beginning of the response, or NULL; no more than 64 KiB of it are sent. latency_ms < 0: not
 * measured. Does not wait for an answer; -EAGAIN: the daemon is behind and nothing was sent, try again later. */
int pointsman_report(pointsman *p, const char *decision, int http_status, const char *error, const char *body,
                     double latency_ms);

/* The next choice after a call that failed: reports the failure, as above, and waits for a node that was not tried yet. */
int pointsman_fallback(pointsman *p, const char *decision, int http_status, const char *error, const char *body,
                       double latency_ms, struct pointsman_decision *ret);

#ifdef __cplusplus
}
#endif

#endif
