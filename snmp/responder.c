/* SPDX-License-Identifier: Apache-2.0 */
#include "snmp/responder.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "basic/macro.h"
#include "basic/units.h"
#include "snmp/answer.h"

/* net-snmp throws away what is longer than this. */
#define FRAME_MAX SNMP_MAX_RCV_MSG_SIZE
/* So long after an answer the next request of a walk is awaited, before the loop is gone back to. */
#define LINGER_US 5000
/* However many requests come, the loop gets its turn for all the rest. */
#define TURN_NS (50 * NSEC_PER_MSEC)
/* A master that takes no answers for so long is none. */
#define SEND_TIMEOUT_MS 1000

/* net-snmp has one such session in a process. */
static struct {
        Tables *tables;
        uint32_t session;
        int flags; /* of recv() */
        uint8_t in[FRAME_MAX], out[ANSWER_MAX];
        size_t n;       /* in in: the beginning of a frame whose rest is still to come */
        size_t passing; /* so much is to come of a frame that is too long: net-snmp gets it piece by piece */
} stream;

/* net-snmp takes it that there was nothing for it. Without the flag, it would take it for the end. */
static int nothing(netsnmp_transport *transport) {
        transport->flags |= NETSNMP_TRANSPORT_FLAG_EMPTY_PKT;
        return 0;
}

/* A number of bytes, 0 at the end, or negative. -EAGAIN: there are none yet. */
static ssize_t receive(int fd, void *buffer, size_t size) {
        ssize_t k = recv(fd, buffer, size, stream.flags);

        if (k >= 0)
                return k;
        return errno == EINTR ? -EAGAIN : -errno;
}

static int send_all(int fd, const uint8_t *data, size_t n) {
        while (n > 0) {
                struct pollfd p = { .fd = fd, .events = POLLOUT };
                ssize_t k = send(fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);

                if (k >= 0) {
                        data += k;
                        n -= (size_t) k;
                } else if (errno == EAGAIN) {
                        if (poll(&p, 1, SEND_TIMEOUT_MS) == 0)
                                return -ETIMEDOUT;
                } else if (errno != EINTR)
                        return -errno;
        }
        return 0;
}

static int respond(int fd, const AgentxHeader *h, const uint8_t *frame, uint64_t now_ns) {
        const View *view = tables_view(stream.tables, now_ns);

        return send_all(fd, stream.out, answer_request(view, stream.session, h, frame, stream.out));
}

/* Answers what can be answered. All else goes to rest, frame behind frame: what stayed in here would wake nobody up.
 * Returns its length; negative: the connection is of no use any more. A GET overtakes a phase of a SET whose answer its
 * sender did not wait for. */
static int take_frames(int fd, uint8_t rest[FRAME_MAX], uint64_t now_ns) {
        size_t at = 0, n_rest = 0;
        AgentxHeader h;

        while (stream.n - at >= AGENTX_HEADER_SIZE) {
                const uint8_t *frame = stream.in + at;
                size_t there = stream.n - at;

                agentx_read_header(frame, &h);
                size_t size = AGENTX_HEADER_SIZE + (size_t) h.size;
                if (h.size > FRAME_MAX - AGENTX_HEADER_SIZE) {
                        stream.passing = h.size - (there - AGENTX_HEADER_SIZE);
                        size = there;
                } else if (size > there)
                        break;
                else if (answer_is_due(&h)) {
                        int k = respond(fd, &h, frame, now_ns);
                        if (k < 0)
                                return k;
                        at += size;
                        continue;
                }
                memcpy(rest + n_rest, frame, size);
                n_rest += size;
                at += size;
        }
        stream.n -= at;
        memmove(stream.in, stream.in + at, stream.n);
        return (int) n_rest;
}

static int pass_on(netsnmp_transport *transport, void *buffer, size_t size) {
        ssize_t k = receive(transport->sock, buffer, MIN(size, stream.passing));

        if (k == -EAGAIN)
                return nothing(transport);
        stream.passing -= k > 0 ? (size_t) k : 0;
        return (int) k;
}

/* What net-snmp reads by, when there is something to be read. */
static int on_receive(netsnmp_transport *transport, void *buffer, int size, void **opaque, int *olength) {
        uint64_t began_ns = 0;

        *opaque = NULL; /* an address that only datagrams need */
        *olength = 0;
        if (size < FRAME_MAX)
                return -1;
        if (stream.passing > 0)
                return pass_on(transport, buffer, (size_t) size);
        for (;;) {
                ssize_t k = receive(transport->sock, stream.in + stream.n, sizeof(stream.in) - stream.n);
                if (k == -EAGAIN)
                        return nothing(transport);
                if (k <= 0)
                        return (int) k;
                stream.n += (size_t) k;

                uint64_t now_ns = feed_clock_ns();
                int n = take_frames(transport->sock, buffer, now_ns);
                if (n != 0)
                        return n;
                began_ns = began_ns ?: now_ns;
                if (now_ns - began_ns >= TURN_NS)
                        return nothing(transport);
        }
}

void responder_attach(netsnmp_session *session, Tables *tables) {
        netsnmp_transport *transport = snmp_sess_transport(snmp_sess_pointer(session));
        const struct timeval linger = { .tv_usec = LINGER_US };

        if (setsockopt(transport->sock, SOL_SOCKET, SO_RCVTIMEO, &linger, sizeof(linger)) < 0)
                stream.flags = MSG_DONTWAIT;
        else
                stream.flags = 0;
        stream.tables = tables;
        stream.session = (uint32_t) session->sessid;
        stream.n = stream.passing = 0;
        transport->f_recv = on_receive;
}
