/* SPDX-License-Identifier: Apache-2.0 */
#include "prober/probe.h"

#include <errno.h>

#include "basic/json.h"

Probe *probe_free(Probe *p) {
        if (!p)
                return NULL;
        for (size_t i = 0; i < p->n_headers; i++) {
                free(p->headers[i].name);
                free(p->headers[i].value);
        }
        free(p->headers);
        free(p->id);
        free(p->node);
        free(p->method);
        free(p->url);
        free(p->body);
        free(p->credential);
        free(p);
        return NULL;
}

static int copy_string(const JsonValue *v, char **ret) {
        if (v->type != JSON_STRING)
                return -EBADMSG;
        char *s = malloc(v->size + 1); /* without its escapes it is shorter */
        if (!s)
                return -ENOMEM;
        int k = json_copy_string(v, s, v->size + 1);
        if (k < 0) {
                free(s);
                return k;
        }
        free(*ret);
        *ret = s;
        return 0;
}

static int read_headers(JsonReader *r, const JsonValue *object, Probe *p) {
        JsonValue key, v;
        int k;

        if (object->type != JSON_OBJECT || p->headers)
                return -EBADMSG;
        p->headers = calloc(PROBE_HEADERS_MAX, sizeof(*p->headers));
        if (!p->headers)
                return -ENOMEM;
        for (bool first = true; (k = json_member(r, &first, &key)) > 0;) {
                if (p->n_headers >= PROBE_HEADERS_MAX)
                        return -EBADMSG;
                HttpHeader *h = &p->headers[p->n_headers++];
                k = json_read(r, &v);
                if (k >= 0)
                        k = copy_string(&key, &h->name);
                if (k >= 0)
                        k = copy_string(&v, &h->value);
                if (k < 0)
                        return k;
        }
        return k;
}

static int read_member(JsonReader *r, const JsonValue *key, const JsonValue *v, Probe *p) {
        const struct {
                const char *name;
                char **where;
        } strings[] = {
                { "id", &p->id }, { "node", &p->node }, { "method", &p->method }, { "url", &p->url }, { "body", &p->body },
                { "credential", &p->credential },
        };
        int64_t ms;
        int k;

        if (v->type == JSON_NULL)
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(strings); i++)
                if (json_equals(key, strings[i].name))
                        return copy_string(v, strings[i].where) < 0 ? -EBADMSG : 0;
        if (json_equals(key, "headers"))
                return read_headers(r, v, p);
        if (!json_equals(key, "timeoutMs"))
                return json_skip(r, v); /* a newer daemon may say more */
        k = json_int64(v, &ms);
        if (k < 0 || ms <= 0)
                return -EBADMSG;
        p->timeout_ns = MIN((uint64_t) ms, PROBE_TIMEOUT_MAX_NS / NSEC_PER_MSEC) * NSEC_PER_MSEC;
        return 0;
}

static int read_probe(JsonReader *r, Probe *p) {
        JsonValue key, v;
        int k, wrong = 0;

        for (bool first = true; (k = json_member(r, &first, &key)) > 0;) {
                k = json_read(r, &v);
                if (k < 0)
                        return k;
                k = read_member(r, &key, &v, p);
                if (k < 0 && !wrong)
                        wrong = k;
                /* After a wrong value the reader may stand anywhere inside it: what follows is lost, what came before is not. */
                if (wrong)
                        return wrong;
        }
        return k;
}

int probe_parse(const char *reply, Probe **ret) {
        _cleanup_(probe_freep) Probe *p = calloc(1, sizeof(*p));
        JsonValue key, v;
        JsonReader r;
        int k;

        if (!p)
                return -ENOMEM;
        p->timeout_ns = PROBE_TIMEOUT_DEFAULT_NS;

        json_open(&r, reply, strlen(reply));
        k = json_read(&r, &v);
        if (k >= 0 && v.type != JSON_OBJECT)
                k = -EBADMSG;
        for (bool first = true; k >= 0 && (k = json_member(&r, &first, &key)) > 0;) {
                k = json_read(&r, &v);
                if (k < 0)
                        break;
                if (json_equals(&key, "probe") && v.type == JSON_OBJECT)
                        k = read_probe(&r, p);
                else
                        k = json_skip(&r, &v);
        }
        if (k >= 0 && !(p->id && p->method && p->url))
                k = -EBADMSG;
        if (p->id)
                *ret = TAKE(p);
        return k < 0 && k != -ENOMEM ? -EBADMSG : k;
}
