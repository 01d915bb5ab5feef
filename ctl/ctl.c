/* SPDX-License-Identifier: Apache-2.0 */
/* Calls, their failures, and JSON output. */
#include "config.h"

#include "ctl/ctl.h"

#include <errno.h>

/* Where to look after an error. */
static const struct {
        const char *error, *hint;
} hints[] = {
        { "NoSuchService", "see: pointsmanctl services" },
        { "NoSuchNode", "see: pointsmanctl nodes" },
        { "NoSuchScenario", "see: pointsmanctl scenarios" },
        { "NoUsableNode", "see: pointsmanctl nodes" },
        { "BudgetExhausted", "see: pointsmanctl budget" },
        { "PermissionDenied", "the section \"access\" of the daemon's configuration says who may" },
        { "MethodNotFound", "it may be older than this pointsmanctl" },
};

Exit ctl_failed(Ctl *c, int error) {
        const char *hint = NULL;

        if (error == -EINVAL) {
                complain("the parameters are not a JSON object");
                return EXIT_USAGE;
        }
        if (error == -ENOMEM)
                return out_of_memory();
        if (error != -EREMOTEIO) {
                complain("the daemon does not answer as it should: %s", error == -ECONNRESET ? "it hung up" : strerror(-error));
                return EXIT_UNREACHABLE;
        }

        const char *name = pointsman_error_name(c->client), *dot = strrchr(name, '.'), *shorter = dot ? dot + 1 : name;
        if (c->json) {
                _cleanup_json_ json_t *line = json_pack("{s:s, s:o?, s:s}", "error", name, "parameters",
                                                         json_loads(pointsman_error_parameters(c->client), 0, NULL), "message",
                                                         pointsman_error_message(c->client));
                if (line)
                        ctl_print_json(c, line, NULL);
        }
        for (size_t i = 0; i < ELEMENTSOF(hints); i++)
                if (streq(shorter, hints[i].error))
                        hint = hints[i].hint;
        complain("%s: %s%s%s%s", shorter, pointsman_error_message(c->client), hint ? " (" : "", hint ?: "", hint ? ")" : "");
        return EXIT_REFUSED;
}

Exit ctl_connect(Ctl *c) {
        if (c->client)
                return EXIT_DONE;
        int k = pointsman_connect(c->socket, &c->client);
        if (k >= 0)
                return EXIT_DONE;
        const char *environment = getenv("POINTSMAN_SOCKET");
        complain("cannot reach pointsmand at %s: %s%s",
                 c->socket ?: environment && *environment ? environment : POINTSMAN_DEFAULT_SOCKET, strerror(-k),
                 k == -ENOENT || k == -ECONNREFUSED ? " (is it running? see: systemctl status pointsman)" : "");
        return EXIT_UNREACHABLE;
}

Exit ctl_call(Ctl *c, const char *method, json_t *parameters, json_t **ret) {
        _cleanup_free_ char *text = parameters ? json_dumps(parameters, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL, *reply = NULL;

        if (parameters && !text)
                return out_of_memory();
        Exit e = ctl_connect(c);
        if (e != EXIT_DONE)
                return e;
        int k = pointsman_call(c->client, method, text, &reply);
        if (k < 0)
                return ctl_failed(c, k);
        *ret = json_loads(reply, 0, NULL);
        return *ret ? EXIT_DONE : ctl_failed(c, -EPROTO);
}

int ctl_try(Ctl *c, const char *method, const char *parameters, json_t **ret) {
        _cleanup_free_ char *reply = NULL;
        json_t *parsed;

        int k = c->client ? 0 : pointsman_connect(c->socket, &c->client);
        if (k >= 0)
                k = pointsman_call(c->client, method, parameters, &reply);
        if (k < 0)
                return k;
        parsed = json_loads(reply, 0, NULL);
        if (!parsed)
                return -EPROTO;
        *ret = parsed;
        return 0;
}

void ctl_print_json(Ctl *c, const json_t *v, const char *path) {
        json_t *part = (json_t *) v, *row;
        const char *rest = NULL;
        size_t i;

        if (path) {
                size_t n = strcspn(path, ".");
                json_t *inner = json_object_getn(v, path, n);
                if (inner)
                        part = inner;
                rest = inner && path[n] ? path + n + 1 : NULL;
        }
        if (path && part != v && json_is_array(part)) {
                json_array_foreach(part, i, row)
                        ctl_print_json(c, row, rest);
                return;
        }
        json_dumpf(part, c->out.file, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
        fputc('\n', c->out.file);
}

Exit ctl_run_method(Ctl *c, const Request *r) {
        _cleanup_json_ json_t *reply = NULL;

        Exit e = ctl_call(c, r->command->method, r->parameters, &reply);
        if (e != EXIT_DONE)
                return e;
        if (c->json)
                ctl_print_json(c, reply, r->command->lines);
        else
                r->command->print(c, reply);
        return EXIT_DONE;
}
