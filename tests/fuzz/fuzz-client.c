/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever comes from a daemon's socket, the client library answers with replies that are JSON objects or with an error. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "basic/json.h"
#include "basic/macro.h"
#include "pointsman/pointsman.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[64];

static int listener(void) {
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        char folder[] = "/tmp/fuzz-client-XXXXXX";
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || !mkdtemp(folder))
                abort();
        snprintf(path, sizeof(path), "%s/socket", folder);
        strcpy(sa.sun_path, path);
        if (bind(fd, (struct sockaddr *) &sa, sizeof(sa)) < 0 || listen(fd, 4) < 0)
                abort();
        return fd;
}

static void check_object(const char *text) {
        JsonReader r;
        JsonValue v;

        json_open(&r, text, strlen(text));
        if (json_read(&r, &v) < 0 || v.type != JSON_OBJECT || json_skip(&r, &v) < 0 || json_close(&r) < 0)
                abort();
}

static void check(pointsman *p, int k, char *reply) {
        if (k >= 0)
                check_object(reply);
        else if (k == -EREMOTEIO) {
                check_object(pointsman_error_parameters(p));
                if (!*pointsman_error_message(p))
                        abort();
        } else if (k == -EAGAIN || k == -ETIMEDOUT)
                abort(); /* the other side has hung up: there is nothing to wait for */
        free(reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static int fd = -1;
        struct pointsman_decision d;
        char *reply = NULL;
        pointsman *p;

        if (fd < 0)
                fd = listener();
        /* More would not fit into the socket's buffer, and nobody reads while we write. */
        if (size < 1 || size > 100000)
                return 0;
        if (pointsman_connect(path, &p) < 0)
                abort();
        _cleanup_close_ int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        if (peer < 0 || send(peer, data + 1, size - 1, MSG_NOSIGNAL) != (ssize_t) size - 1)
                abort();
        shutdown(peer, SHUT_WR);

        if (data[0] % 3 == 0) {
                int k = pointsman_call(p, "GetHealth", NULL, &reply);
                check(p, k, TAKE(reply));
        } else if (data[0] % 3 == 1) {
                int k = pointsman_route(p, "maps", NULL, &d);
                if (k >= 0 && (!*d.id || !memchr(d.url, 0, sizeof(d.url))))
                        abort();
        } else if (pointsman_follow(p, "Subscribe", NULL) >= 0)
                for (int k = 0; k >= 0;) {
                        k = pointsman_next(p, 1000, &reply);
                        check(p, k, TAKE(reply));
                }
        pointsman_close(p);
        return 0;
}
