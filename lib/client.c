/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "basic/json.h"
#include "basic/macro.h"
#include "basic/units.h"
#include "lib/errors.h"
#include "lib/frames.h"
#include "pointsman/pointsman.h"

#define TIMEOUT_DEFAULT_MS 5000

struct pointsman {
        Frames frames;
        unsigned timeout_ms;
        bool broken;    /* what comes next on the connection cannot be known */
        bool following; /* replies of a stream are still to come */
        char *error_name, *error_message, *error_parameters;
};

DEFINE_CLEANUP(pointsman *, pointsman_close);

/* One reply, taken apart; the strings lie in the frame. */
typedef struct Reply {
        const char *error;
        char *parameters; /* NULL: none */
        bool continues;
} Reply;

_public_ int pointsman_connect(const char *path, pointsman **ret) {
        struct timeval timeout = { .tv_sec = TIMEOUT_DEFAULT_MS / 1000 };
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        _cleanup_(pointsman_closep) pointsman *p = NULL;

        if (!path)
                path = getenv("POINTSMAN_SOCKET");
        if (!path || !*path)
                path = POINTSMAN_DEFAULT_SOCKET;
        if (strlen(path) >= sizeof(sa.sun_path))
                return -ENAMETOOLONG;
        strcpy(sa.sun_path, path);

        p = malloc(sizeof(*p));
        if (!p)
                return -ENOMEM;
        *p = (pointsman) { .timeout_ms = TIMEOUT_DEFAULT_MS };
        frames_open(&p->frames, socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        int fd = p->frames.fd;
        if (fd < 0)
                return -errno;

        /* connect() blocks while the daemon's backlog is full, for as long as a send would. */
        if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0)
                return -errno;
        while (connect(fd, (struct sockaddr *) &sa, sizeof(sa)) < 0)
                if (errno != EINTR)
                        return errno == EAGAIN ? -ETIMEDOUT : -errno;
        if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        *ret = TAKE(p);
        return 0;
}

static void forget_error(pointsman *p) {
        free(TAKE(p->error_name));
        free(TAKE(p->error_message));
        free(TAKE(p->error_parameters));
}

_public_ pointsman *pointsman_close(pointsman *p) {
        if (!p)
                return NULL;
        frames_close(&p->frames);
        forget_error(p);
        free(p);
        return NULL;
}

_public_ void pointsman_set_timeout(pointsman *p, unsigned ms) {
        p->timeout_ms = ms;
}

_public_ int pointsman_fd(const pointsman *p) {
        return p->frames.fd;
}

_public_ const char *pointsman_error_name(const pointsman *p) {
        return p->error_name ?: "";
}

_public_ const char *pointsman_error_message(const pointsman *p) {
        return p->error_message ?: "";
}

_public_ const char *pointsman_error_parameters(const pointsman *p) {
        return p->error_parameters ?: "{}";
}

/* Marks the connection as useless unless the error leaves it in a known state. */
static int broken(pointsman *p, int error) {
        p->broken = true;
        return error;
}

/* A caller's text goes into our envelope as it is, so it must be one whole object. */
static bool is_object(const char *text) {
        JsonReader r;
        JsonValue v;

        json_open(&r, text, strlen(text));
        return json_read(&r, &v) >= 0 && v.type == JSON_OBJECT && json_skip(&r, &v) >= 0 && json_close(&r) >= 0;
}

/* May a request be sent now, and is this one? */
static int check_request(pointsman *p, const char *method, const char *parameters) {
        if (!method || !*method || (parameters && !is_object(parameters)))
                return -EINVAL;
        if (p->broken)
                return -ENOTCONN;
        /* Requests are answered in order: one behind a stream would wait for the stream's end. */
        if (p->following)
                return -EBUSY;
        forget_error(p);
        return 0;
}

static int write_request(pointsman *p, const char *method, const char *parameters, const char *flag) {
        JsonWriter *w = &p->frames.out;

        json_write_literal(w, "{\"method\":");
        if (strchr(method, '.'))
                json_write_string(w, method);
        else {
                char full[256];
                if ((size_t) snprintf(full, sizeof(full), POINTSMAN_INTERFACE ".%s", method) >= sizeof(full)) {
                        frames_discard(&p->frames);
                        return -EINVAL;
                }
                json_write_string(w, full);
        }
        if (parameters) {
                json_write_literal(w, ",\"parameters\":");
                json_write(w, parameters, strlen(parameters));
        }
        json_write(w, flag, strlen(flag));
        json_write(w, "}", sizeof("}")); /* with its NUL */
        if (!w->failed)
                return 0;
        json_writer_done(w);
        frames_discard(&p->frames);
        return -ENOMEM;
}

/* Sends a request whole, whatever that takes of the time allowed. */
static int request(pointsman *p, const char *method, const char *parameters, const char *flag, uint64_t deadline) {
        int k = check_request(p, method, parameters);
        if (k < 0)
                return k;
        k = frames_flush(&p->frames, deadline);
        if (k >= 0) {
                k = write_request(p, method, parameters, flag);
                if (k < 0)
                        return k;
                k = frames_flush(&p->frames, deadline);
        }
        /* A daemon that turns us away answers before it hangs up: let the reader find that answer. */
        if (k == -EPIPE || k == -ECONNRESET)
                return 0;
        return k < 0 ? broken(p, k == -EAGAIN ? -ETIMEDOUT : k) : 0;
}

_public_ int pointsman_flush(pointsman *p) {
        if (p->broken)
                return -ENOTCONN;
        int k = frames_flush(&p->frames, FRAMES_AT_ONCE);
        return k < 0 && k != -EAGAIN ? broken(p, k) : k;
}

_public_ int pointsman_send(pointsman *p, const char *method, const char *parameters) {
        int k = check_request(p, method, parameters);
        if (k < 0)
                return k;
        k = pointsman_flush(p);
        if (k < 0)
                return k;
        k = write_request(p, method, parameters, ",\"oneway\":true");
        if (k < 0)
                return k;
        k = frames_flush(&p->frames, FRAMES_AT_ONCE);
        if (k == -EAGAIN) {
                /* Half a frame must be followed by its other half, which goes first next time. */
                if (p->frames.sent > 0)
                        return 0;
                frames_discard(&p->frames);
                return -EAGAIN;
        }
        return k < 0 ? broken(p, k) : 0;
}

/* Cuts the frame into C strings in place, once all of it is read. */
static int parse_reply(char *frame, size_t size, Reply *ret) {
        char *parameters_end = NULL;
        Reply reply = {};
        JsonValue key, v, error = {};
        JsonReader r;
        int k;

        json_open(&r, frame, size);
        if (json_read(&r, &v) < 0 || v.type != JSON_OBJECT)
                return -EPROTO;
        for (bool first = true; (k = json_member(&r, &first, &key)) > 0;) {
                if (json_read(&r, &v) < 0)
                        return -EPROTO;
                const char *start = v.start;
                if (json_skip(&r, &v) < 0)
                        return -EPROTO;
                if (json_equals(&key, "parameters") && v.type == JSON_OBJECT) {
                        reply.parameters = (char *) start;
                        parameters_end = (char *) r.p;
                } else if (json_equals(&key, "error") && v.type == JSON_STRING)
                        error = v;
                else if (json_equals(&key, "continues") && (v.type == JSON_TRUE || v.type == JSON_FALSE))
                        reply.continues = v.type == JSON_TRUE;
                else if (v.type != JSON_NULL && (json_equals(&key, "parameters") || json_equals(&key, "error") ||
                                                 json_equals(&key, "continues")))
                        return -EPROTO;
        }
        if (k < 0 || json_close(&r) < 0)
                return -EPROTO;
        if (error.start)
                reply.error = json_terminate_string(&error);
        if (parameters_end)
                *parameters_end = 0;
        *ret = reply;
        return 0;
}

static int remember_error(pointsman *p, const Reply *reply) {
        p->error_name = strdup(reply->error);
        p->error_parameters = strdup(reply->parameters ?: "{}");
        if (p->error_name && p->error_parameters)
                p->error_message = error_sentence(p->error_name, p->error_parameters);
        return p->error_message ? -EREMOTEIO : -ENOMEM;
}

/* Receives one reply: its parameters, or -EREMOTEIO. */
static int receive(pointsman *p, uint64_t deadline, bool more, char **ret) {
        Reply reply = {};
        size_t size;
        char *frame;

        int k = frames_next(&p->frames, deadline, &frame, &size);
        if (k == -EAGAIN)
                return k;
        if (k >= 0)
                k = parse_reply(frame, size, &reply);
        if (k >= 0 && reply.continues && (!more || reply.error))
                k = -EPROTO;
        p->following = k >= 0 && reply.continues;
        /* Nothing may follow the last answer to our only question. */
        if (k >= 0 && !p->following && frames_buffered(&p->frames))
                k = -EPROTO;
        if (k < 0)
                return broken(p, k);
        if (reply.error)
                return remember_error(p, &reply);

        char *text = strdup(reply.parameters ?: "{}");
        if (!text)
                return -ENOMEM;
        *ret = text;
        return 0;
}

_public_ int pointsman_call(pointsman *p, const char *method, const char *parameters, char **ret_reply) {
        uint64_t deadline = frames_deadline(p->timeout_ms);

        int k = request(p, method, parameters, "", deadline);
        if (k < 0)
                return k;
        k = receive(p, deadline, false, ret_reply);
        return k == -EAGAIN ? broken(p, -ETIMEDOUT) : k;
}

_public_ int pointsman_follow(pointsman *p, const char *method, const char *parameters) {
        int k = request(p, method, parameters, ",\"more\":true", frames_deadline(p->timeout_ms));
        if (k < 0)
                return k;
        p->following = true;
        return 0;
}

_public_ int pointsman_next(pointsman *p, int timeout_ms, char **ret_reply) {
        if (p->broken)
                return -ENOTCONN;
        if (!p->following)
                return -ENODATA;
        forget_error(p);
        return receive(p, timeout_ms == 0 ? FRAMES_AT_ONCE : frames_deadline(timeout_ms < 0 ? 0 : (unsigned) timeout_ms), true,
                       ret_reply);
}
