/* SPDX-License-Identifier: Apache-2.0 */
#include "snmp/feed.h"

#include <errno.h>

#include "basic/clock.h"
#include "basic/json.h"
#include "basic/macro.h"
#include "basic/units.h"
#include "pointsman/pointsman.h"

/* Shorter than the second that snmpd waits for its subagents by default. */
#define TIMEOUT_MS 700
/* A daemon that hangs costs one poll in so long that time. */
#define PAUSE_AFTER_TIMEOUT_NS (5 * NSEC_PER_SEC)

typedef struct Source {
        Snapshot *snapshot;
        uint64_t fetched_ns, next_ns;
        bool fresh;
} Source;

struct Feed {
        char *socket;
        Indexes *indexes;
        pointsman *client;
        Source sources[_FEED_MAX];
        char error[256];
};

static const struct {
        const char *method;
        uint64_t interval_ns;
} kinds[_FEED_MAX] = {
        [FEED_SNAPSHOT] = { "GetSnapshot", NSEC_PER_SEC },
        [FEED_PROVIDERS] = { "ListProviders", 10 * NSEC_PER_SEC },
};

uint64_t feed_clock_ns(void) {
        return clock_ns(CLOCK_BOOTTIME);
}

int feed_new(Feed **ret, const char *socket, Indexes *indexes) {
        Feed *f = calloc(1, sizeof(Feed));

        if (!f)
                return -ENOMEM;
        f->indexes = indexes;
        if (socket && !(f->socket = strdup(socket))) {
                free(f);
                return -ENOMEM;
        }
        *ret = f;
        return 0;
}

Feed *feed_free(Feed *f) {
        if (!f)
                return NULL;
        for (size_t i = 0; i < _FEED_MAX; i++)
                snapshot_free(f->sources[i].snapshot);
        pointsman_close(f->client);
        free(f->socket);
        free(f);
        return NULL;
}

static int fail(Feed *f, int error) {
        if (error == -EREMOTEIO)
                snprintf(f->error, sizeof(f->error), "%s", pointsman_error_message(f->client));
        else
                snprintf(f->error, sizeof(f->error), "%s", strerror(-error));
        /* The daemon's refusal leaves the connection in order; nothing else does. */
        if (error != -EREMOTEIO)
                f->client = pointsman_close(f->client);
        return error;
}

static int call(Feed *f, const char *method, const char *parameters, char **ret) {
        bool reused = f->client;
        int k = 0;

        for (;;) {
                if (!f->client) {
                        k = pointsman_connect(f->socket, &f->client);
                        if (k < 0)
                                return fail(f, k);
                        pointsman_set_timeout(f->client, TIMEOUT_MS);
                }
                k = pointsman_call(f->client, method, parameters, ret);
                /* A kept connection does not say by itself that the daemon has been restarted. */
                if (k < 0 && k != -EREMOTEIO && k != -ETIMEDOUT && reused) {
                        f->client = pointsman_close(f->client);
                        reused = false;
                        continue;
                }
                return k < 0 ? fail(f, k) : 0;
        }
}

int feed_refresh(Feed *f, FeedId id, uint64_t now_ns) {
        Source *source = &f->sources[id];
        Snapshot *snapshot;
        char *reply;

        if (now_ns < source->next_ns)
                return 0;
        source->next_ns = now_ns + kinds[id].interval_ns;

        int k = call(f, kinds[id].method, NULL, &reply);
        if (k >= 0) {
                k = snapshot_parse(reply, clock_ns(CLOCK_REALTIME), f->indexes, &snapshot);
                if (k < 0)
                        snprintf(f->error, sizeof(f->error), "its reply to %s cannot be understood: %s",
                                 kinds[id].method, strerror(-k));
        }
        source->fresh = k >= 0;
        if (k < 0) {
                source->next_ns = now_ns + (k == -ETIMEDOUT ? PAUSE_AFTER_TIMEOUT_NS : NSEC_PER_SEC);
                return k;
        }
        snapshot_free(source->snapshot);
        source->snapshot = snapshot;
        source->fetched_ns = now_ns;
        return 1;
}

const char *feed_error(const Feed *f) {
        return f->error;
}

void feed_expire(Feed *f) {
        for (size_t i = 0; i < _FEED_MAX; i++)
                f->sources[i].next_ns = 0;
}

const Snapshot *feed_snapshot(const Feed *f, FeedId id) {
        return f->sources[id].snapshot;
}

bool feed_is_fresh(const Feed *f) {
        return f->sources[FEED_SNAPSHOT].fresh;
}

uint64_t feed_age_ns(const Feed *f, uint64_t now_ns) {
        const Source *source = &f->sources[FEED_SNAPSHOT];

        return source->snapshot ? now_ns - source->fetched_ns : NSEC_INFINITY;
}

int feed_set_node_state(Feed *f, const char *node, AdministrativeState state) {
        _cleanup_free_ char *reply = NULL;
        JsonWriter w = {};

        json_write_literal(&w, "{\"node\":");
        json_write_string(&w, node);
        json_write_literal(&w, ",\"administrativeState\":");
        json_write_string(&w, enum_to_string(&administrative_state_names, (int) state));
        json_write(&w, "}", sizeof("}"));
        int k = w.failed ? -ENOMEM : call(f, "SetNodeState", w.data, &reply);
        json_writer_done(&w);
        return k;
}
