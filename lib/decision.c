/* SPDX-License-Identifier: Apache-2.0 */
/* The calls that most programs need, with C types in place of JSON. */
#include <errno.h>

#include "basic/json.h"
#include "basic/macro.h"
#include "basic/units.h"
#include "pointsman/pointsman.h"

/* A provider's verdict needs the beginning of a body; the daemon refuses frames that are too long. */
#define BODY_MAX (64 * 1024)

static int finish(JsonWriter *w, char **ret) {
        json_write(w, "}", sizeof("}"));
        if (w->failed) {
                json_writer_done(w);
                return -ENOMEM;
        }
        *ret = w->data;
        return 0;
}

static int read_decision_member(JsonReader *r, const JsonValue *key, struct pointsman_decision *d) {
        const struct { const char *name; char *to; size_t size; } strings[] = {
                { "id", d->id, sizeof(d->id) }, { "node", d->node, sizeof(d->node) }, { "url", d->url, sizeof(d->url) },
        };
        JsonValue v;
        int64_t ms;

        if (json_read(r, &v) < 0)
                return -EPROTO;
        for (size_t i = 0; i < ELEMENTSOF(strings); i++)
                if (json_equals(key, strings[i].name))
                        return v.type == JSON_STRING && json_copy_string(&v, strings[i].to, strings[i].size) >= 0 ? 0 : -EPROTO;
        if (json_equals(key, "estimatedCost"))
                return json_double(&v, &d->estimated_cost) < 0 ? -EPROTO : 0;
        if (json_equals(key, "confidence"))
                return json_double(&v, &d->confidence) < 0 ? -EPROTO : 0;
        if (json_equals(key, "retryAfterMs")) {
                if (json_int64(&v, &ms) < 0 || ms < 0)
                        return -EPROTO;
                d->retry_after_ms = (uint64_t) ms;
                return 0;
        }
        if (json_equals(key, "degraded")) {
                d->degraded = v.type == JSON_TRUE;
                return 0;
        }
        return json_skip(r, &v) < 0 ? -EPROTO : 0;
}

/* Reads {"decision":{…},…}. */
static int read_decision(const char *reply, struct pointsman_decision *ret) {
        struct pointsman_decision d = {};
        JsonValue key, v;
        JsonReader r;
        int k;

        json_open(&r, reply, strlen(reply));
        if (json_read(&r, &v) < 0)
                return -EPROTO;
        for (bool first = true; (k = json_member(&r, &first, &key)) > 0;) {
                if (json_read(&r, &v) < 0)
                        return -EPROTO;
                if (!json_equals(&key, "decision")) {
                        if (json_skip(&r, &v) < 0)
                                return -EPROTO;
                        continue;
                }
                if (v.type != JSON_OBJECT)
                        return -EPROTO;
                for (bool inner = true; (k = json_member(&r, &inner, &key)) > 0;) {
                        k = read_decision_member(&r, &key, &d);
                        if (k < 0)
                                return k;
                }
                if (k < 0)
                        return -EPROTO;
        }
        if (k < 0 || !*d.id || !*d.node || !*d.url)
                return -EPROTO;
        *ret = d;
        return 0;
}

static int call_for_decision(pointsman *p, const char *method, const char *parameters, struct pointsman_decision *ret) {
        _cleanup_free_ char *reply = NULL;

        int k = pointsman_call(p, method, parameters, &reply);
        return k < 0 ? k : read_decision(reply, ret);
}

_public_ int pointsman_route(pointsman *p, const char *service, const char *operation, struct pointsman_decision *ret) {
        _cleanup_free_ char *parameters = NULL;
        JsonWriter w = {};

        if (!service)
                return -EINVAL;
        json_write_literal(&w, "{\"serviceName\":");
        json_write_string(&w, service);
        if (operation) {
                json_write_literal(&w, ",\"operation\":");
                json_write_string(&w, operation);
        }
        int k = finish(&w, &parameters);
        return k < 0 ? k : call_for_decision(p, "Route", parameters, ret);
}

static int write_outcome(const char *decision, int http_status, const char *error, const char *body, double latency_ms, char **ret) {
        JsonWriter w = {};

        if (!decision || http_status < 0 || http_status > 999 || (http_status == 0) != (error != NULL))
                return -EINVAL;
        json_write_literal(&w, "{\"decision\":");
        json_write_string(&w, decision);
        if (error) {
                json_write_literal(&w, ",\"error\":");
                json_write_string(&w, error);
        } else {
                json_write_literal(&w, ",\"httpStatus\":");
                json_write_int(&w, http_status);
        }
        if (body) {
                char *beginning = strndup(body, BODY_MAX);
                if (!beginning) {
                        json_writer_done(&w);
                        return -ENOMEM;
                }
                json_write_literal(&w, ",\"body\":");
                json_write_string(&w, beginning);
                free(beginning);
                if (strnlen(body, BODY_MAX + 1) > BODY_MAX)
                        json_write_literal(&w, ",\"bodyTruncated\":true");
        }
        if (latency_ms >= 0) {
                json_write_literal(&w, ",\"latencyMs\":");
                json_write_double(&w, latency_ms, 6);
        }
        return finish(&w, ret);
}

_public_ int pointsman_report(pointsman *p, const char *decision, int http_status, const char *error, const char *body,
                              double latency_ms) {
        _cleanup_free_ char *parameters = NULL;

        int k = write_outcome(decision, http_status, error, body, latency_ms, &parameters);
        return k < 0 ? k : pointsman_send(p, "Report", parameters);
}

_public_ int pointsman_fallback(pointsman *p, const char *decision, int http_status, const char *error, const char *body,
                                double latency_ms, struct pointsman_decision *ret) {
        _cleanup_free_ char *parameters = NULL;

        int k = write_outcome(decision, http_status, error, body, latency_ms, &parameters);
        return k < 0 ? k : call_for_decision(p, "CostAwareFallback", parameters, ret);
}
