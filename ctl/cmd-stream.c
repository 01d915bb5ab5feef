/* SPDX-License-Identifier: Apache-2.0 */
/* events and call: what may answer many times. */
#include "config.h"

#include <errno.h>

#include "ctl/ctl.h"
#include "ctl/table.h"

#define MESSAGE_COLUMN 20

static void print_event(Ctl *c, const json_t *event) {
        Terminal *t = &c->out;
        Style style, plain;
        _cleanup_free_ char *time = format_value(json_at(event, "time"), FORMAT_TIME, &plain),
                            *severity = format_value(json_at(event, "severity"), FORMAT_WORD, &style),
                            *about = format_value(json_at(event, "node") ?: json_at(event, "serviceName"), FORMAT_TEXT, &plain),
                            *message = format_value(json_at(event, "message"), FORMAT_TEXT, &plain),
                            *type = format_value(json_at(event, "type"), FORMAT_TEXT, &plain), *line = NULL;

        if (!time || !severity || !about || !message || !type)
                return;
        bool said = streq(about, "-") || strncmp(message, about, strlen(about)) == 0;
        if (asprintf(&line, "%s%s%s (%s#%.0f)", said ? "" : about, said ? "" : ": ", message, type,
                     json_number_value(json_at(event, "serial"))) < 0)
                return;
        print_styled(t, STYLE_DIM, time);
        fputs("  ", t->file);
        print_styled(t, style, severity);
        fprintf(t->file, "%*s", (int) MAX(10 - (long) text_width(severity), 2L), "");
        print_wrapped(t, line, (unsigned) (text_width(time) + 2 + MAX(text_width(severity) + 2, (size_t) 10)), MESSAGE_COLUMN);
}

/* Hands each reply of a stream on, until the stream or the connection ends. What libpointsman returned; 0: nobody reads any more. */
static int follow(Ctl *c, const char *method, const char *parameters, void (*print)(Ctl *c, const json_t *reply)) {
        int k = pointsman_follow(c->client, method, parameters);
        while (k >= 0) {
                _cleanup_free_ char *text = NULL;
                k = pointsman_next(c->client, -1, &text);
                if (k < 0)
                        break;
                _cleanup_json_ json_t *reply = json_loads(text, 0, NULL);
                if (!reply)
                        return -EPROTO;
                print(c, reply);
                if (fflush(c->out.file) == EOF)
                        return 0; /* main() says why */
        }
        return k;
}

/* ---- events ---- */

#define RETRY_MIN_US 200000U
#define RETRY_MAX_US 2000000U

static void print_event_reply(Ctl *c, const json_t *reply) {
        const json_t *event = json_at(reply, "event");

        if (json_is_integer(json_at(event, "serial")))
                c->serial = json_integer_value(json_at(event, "serial"));
        if (c->json)
                ctl_print_json(c, event ?: reply, NULL);
        else
                print_event(c, event);
}

/* Waits until the daemon is back, however long that takes. */
static void reconnect(Ctl *c) {
        complain("the daemon has hung up; waiting for it");
        c->client = pointsman_close(c->client);
        for (unsigned wait_us = RETRY_MIN_US; pointsman_connect(c->socket, &c->client) < 0; wait_us = MIN(wait_us * 2, RETRY_MAX_US))
                usleep(wait_us);
}

/* Goes on with the event after the last one: a daemon that was started anew knows the numbers of the one before, or begins with what
 * it has. */
Exit run_events(Ctl *c, const Request *r) {
        Exit e = ctl_connect(c);
        if (e != EXIT_DONE)
                return e;
        for (c->serial = -1;;) {
                if (c->serial >= 0 && json_object_set_new(r->parameters, "since", json_integer(c->serial)) < 0)
                        return out_of_memory();
                _cleanup_free_ char *parameters = json_dumps(r->parameters, JSON_COMPACT | JSON_REAL_PRECISION(15));
                if (!parameters)
                        return out_of_memory();
                int k = follow(c, "Subscribe", parameters, print_event_reply);
                if (k == 0)
                        return EXIT_DONE;
                if (k != -ENODATA && k != -ECONNRESET && k != -EPIPE)
                        return ctl_failed(c, k);
                reconnect(c);
        }
}

/* ---- call ---- */

static void print_reply(Ctl *c, const json_t *reply) {
        json_dumpf(reply, c->out.file, (c->json ? JSON_COMPACT : JSON_INDENT(2)) | JSON_REAL_PRECISION(15));
        fputc('\n', c->out.file);
}

Exit run_call(Ctl *c, const Request *r) {
        const char *method = r->arguments[0], *text = r->n_arguments > 1 ? r->arguments[1] : "{}";
        _cleanup_json_ json_t *parameters = NULL, *reply = NULL;
        _cleanup_free_ char *compact = NULL;
        json_error_t error;

        parameters = streq(text, "-") ? json_loadf(stdin, 0, &error) : json_loads(text, 0, &error);
        if (!json_is_object(parameters))
                return usage(r->command, "the parameters are not a JSON object%s%s", parameters ? "" : ": ", parameters ? "" : error.text);
        compact = json_dumps(parameters, JSON_COMPACT | JSON_REAL_PRECISION(15));
        if (!compact)
                return out_of_memory();
        Exit e = ctl_connect(c);
        if (e != EXIT_DONE)
                return e;
        if (request_option(r, "more")) {
                int k = follow(c, method, compact, print_reply);
                return k == 0 || k == -ENODATA ? EXIT_DONE : ctl_failed(c, k);
        }
        if (request_option(r, "oneway")) {
                int k = pointsman_send(c->client, method, compact);
                return k < 0 ? ctl_failed(c, k) : EXIT_DONE;
        }
        e = ctl_call(c, method, parameters, &reply);
        if (e == EXIT_DONE)
                print_reply(c, reply);
        return e;
}
