/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/errors.h"

#include "basic/json.h"
#include "basic/macro.h"
#include "pointsman/pointsman.h"

/* {field} stands for a parameter of the error; a field whose name ends in Ms reads as a duration. */
static const struct {
        const char *name, *sentence, *with_reason;
} sentences[] = {
        { POINTSMAN_INTERFACE ".NoSuchService", "there is no service \"{serviceName}\"" },
        { POINTSMAN_INTERFACE ".NoSuchNode", "there is no node \"{node}\"" },
        { POINTSMAN_INTERFACE ".NoSuchDecision",
          "there is no open decision \"{decision}\": it is unknown, expired, reported already, or another user's" },
        { POINTSMAN_INTERFACE ".NoSuchScenario", "there is no scenario \"{id}\"" },
        { POINTSMAN_INTERFACE ".NoUsableNode", "no node of service \"{serviceName}\" can be used", "{reason}" },
        { POINTSMAN_INTERFACE ".BudgetExhausted",
          "the budget of service \"{serviceName}\" is used up ({limit}); it resets in {resetsInMs}" },
        { POINTSMAN_INTERFACE ".RateLimited", "too many requests" },
        { POINTSMAN_INTERFACE ".InvalidConfiguration", "{field}: {reason}" },
        { POINTSMAN_INTERFACE ".Busy", "the daemon is busy: {reason}" },
        { "org.varlink.service.InvalidParameter", "parameter \"{parameter}\" is missing or not allowed",
          "parameter \"{parameter}\": {reason}" },
        { "org.varlink.service.PermissionDenied", "you are not allowed to do this" },
        { "org.varlink.service.MethodNotFound", "the daemon has no method \"{method}\"" },
        { "org.varlink.service.MethodNotImplemented", "the daemon does not implement the method \"{method}\"" },
        { "org.varlink.service.InterfaceNotFound", "the daemon has no interface \"{interface}\"" },
};

/* Finds a member of the object whose name is name[0..n). */
static bool find(const char *object, const char *name, size_t n, JsonValue *ret) {
        JsonValue key, v;
        JsonReader r;

        json_open(&r, object, strlen(object));
        if (json_read(&r, &v) < 0 || v.type != JSON_OBJECT)
                return false;
        for (bool first = true; json_member(&r, &first, &key) > 0;) {
                if (json_read(&r, &v) < 0)
                        return false;
                if (key.size == n && memcmp(key.start, name, n) == 0) {
                        *ret = v;
                        return true;
                }
                if (json_skip(&r, &v) < 0)
                        return false;
        }
        return false;
}

static void append_duration(JsonWriter *w, int64_t ms) {
        char s[32];

        if (ms < 1000)
                snprintf(s, sizeof(s), "%lld ms", (long long) ms);
        else if (ms < 120 * 1000)
                snprintf(s, sizeof(s), "%.1f s", (double) ms / 1e3);
        else if (ms < 2 * 3600 * 1000)
                snprintf(s, sizeof(s), "%.0f min", (double) ms / 60e3);
        else
                snprintf(s, sizeof(s), "%.1f h", (double) ms / 3600e3);
        json_write(w, s, strlen(s));
}

static void append_field(JsonWriter *w, const char *parameters, const char *name, size_t n) {
        int64_t ms;
        JsonValue v;

        if (!find(parameters, name, n, &v) || v.type == JSON_OBJECT || v.type == JSON_ARRAY)
                json_write_literal(w, "?");
        else if (v.type == JSON_STRING) {
                /* Never longer than its escaped form. */
                char *to = json_reserve(w, v.size + 1);
                if (!to)
                        return;
                json_copy_string(&v, to, v.size + 1);
                w->size += strlen(to);
        } else if (n > 2 && memcmp(name + n - 2, "Ms", 2) == 0 && json_int64(&v, &ms) >= 0)
                append_duration(w, ms);
        else
                json_write(w, v.start, v.size);
}

static void append_sentence(JsonWriter *w, const char *sentence, const char *parameters) {
        for (const char *p = sentence; *p;) {
                size_t n = strcspn(p, "{");
                json_write(w, p, n);
                p += n;
                if (*p) {
                        n = strcspn(++p, "}");
                        append_field(w, parameters, p, n);
                        p += n + 1;
                }
        }
}

char *error_sentence(const char *name, const char *parameters) {
        const char *sentence = NULL;
        JsonValue reason, wait;
        JsonWriter w = {};
        int64_t ms;
        bool reasoned = find(parameters, "reason", 6, &reason) && reason.type == JSON_STRING && reason.size > 0;

        for (size_t i = 0; i < ELEMENTSOF(sentences); i++)
                if (streq(name, sentences[i].name))
                        sentence = reasoned && sentences[i].with_reason ? sentences[i].with_reason : sentences[i].sentence;

        if (sentence)
                append_sentence(&w, sentence, parameters);
        else {
                json_write_literal(&w, "the daemon answered ");
                json_write(&w, name, strlen(name));
                if (!streq(parameters, "{}")) {
                        json_write_literal(&w, " ");
                        json_write(&w, parameters, strlen(parameters));
                }
        }
        /* The daemon may say why and for how long, also where the error as such has no such field. */
        if (sentence && reasoned && !strstr(sentence, "{reason}")) {
                json_write_literal(&w, ": ");
                append_field(&w, parameters, "reason", 6);
        }
        if (sentence && find(parameters, "retryAfterMs", 12, &wait) && json_int64(&wait, &ms) >= 0 && ms > 0) {
                json_write_literal(&w, "; try again in ");
                append_duration(&w, ms);
        }
        json_write(&w, "", 1);
        return w.data;
}
