/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The short way of a reply: as bytes straight into the socket. sd-bus allocates and checks each of the containers that a decision's
 * details are made of, which takes ten times as long as the decision. It goes this way only if sd-bus has nothing to send itself, and
 * a Unix socket takes such a small message whole or not at all, so that neither cuts into what the other sends.
 */
#include <sys/socket.h>
#include <sys/uio.h>

#include "daemon/dbus/private.h"

#define HEADER_MAX 512
#define BODY_MAX 8192
/* sd-bus counts from 1, and is not at home here within the life of a connection. */
#define FIRST_SERIAL UINT32_C(0x80000000)

struct Direct {
        int fd;
        uint32_t serial;
        _Alignas(8) char header[HEADER_MAX], body[BODY_MAX];
};

int direct_new(Direct **ret, sd_bus *bus) {
        int fd = sd_bus_get_fd(bus), domain;
        socklen_t size = sizeof(domain);

        if (fd < 0)
                return fd;
        if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0)
                return -errno;
        if (domain != AF_UNIX)
                return -EAFNOSUPPORT;
        *ret = calloc(1, sizeof(Direct));
        if (!*ret)
                return -ENOMEM;
        (*ret)->fd = fd;
        return 0;
}

Direct *direct_free(Direct *d) {
        free(d);
        return NULL;
}

bool direct_reply(Bus *b, sd_bus_message *call, const BusMethod *method, const void *out) {
        Direct *d = b->direct;
        const char *sender = sd_bus_message_get_sender(call);
        uint64_t queued, cookie;

        if (!d || !sender || sd_bus_get_n_queued_write(b->bus, &queued) < 0 || queued > 0 || sd_bus_message_get_cookie(call, &cookie) < 0)
                return false;
        Writer body = { .data = d->body, .allocated = BODY_MAX }, header = { .data = d->header, .allocated = HEADER_MAX };
        if (shape_append(&body, method, out) < 0 ||
            writer_return_header(&header, FIRST_SERIAL | d->serial++, (uint32_t) cookie, sender, method->out.signature, body.size) < 0)
                return false;

        struct iovec parts[] = { { header.data, header.size }, { body.data, body.size } };
        struct msghdr message = { .msg_iov = parts, .msg_iovlen = ELEMENTSOF(parts) };
        ssize_t n = sendmsg(d->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0)
                return false;
        /* Half a message would make nonsense of the next one. */
        if ((size_t) n < header.size + body.size)
                shutdown(d->fd, SHUT_RDWR);
        return true;
}
