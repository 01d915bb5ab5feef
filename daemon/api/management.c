/* SPDX-License-Identifier: Apache-2.0 */
/* SetNodeState, Reload. */
#include "daemon/api/private.h"

typedef struct NodeStateIn {
        const char *node;
        int state;
} NodeStateIn;

STRUCTURE(node_state_in, NULL, NodeStateIn,
        FIELD(NodeStateIn, node, "node", FIELD_STRING, REQUIRED, LENGTH(NODE_NAME_MAX)),
        FIELD(NodeStateIn, state, "administrativeState", FIELD_ENUM, REQUIRED, .names = &administrative_state_names));
STRUCTURE(node_out, NULL, NodeStatus, VIEW("node", node_structure));

int api_set_node_state(ApiCall *call, const void *in) {
        const NodeStateIn *q = in;
        NodeStatus out;
        int r = router_set_node_state(call->api->router, q->node, (AdministrativeState) q->state, call->now_ns);

        if (r < 0)
                return r;
        if (r > 0)
                return api_fail_outcome(call, r, NULL, q->node);
        api_keep_node_states(call->api);
        node_status(call->api->router, router_find_node(call->api->router, q->node), call->now_ns, &out);
        return api_reply(call, &out);
}

/* ---- changes of the configuration ---- */

#define F(member, name, type, ...) FIELD(ApiChange, member, name, type, ##__VA_ARGS__)
STRUCTURE(change_structure, "Change", ApiChange,
        F(path, "path", FIELD_STRING),
        F(before, "before", FIELD_STRING, OPTIONAL),
        F(after, "after", FIELD_STRING, OPTIONAL));
#undef F
STRUCTURE(changes_out, NULL, ApiChanges,
        FIELD(ApiChanges, changes, "changes", FIELD_ARRAY, COUNT(ApiChanges, n), .structure = &change_structure));

static const char *keep(ApiChanges *c, const char *s) {
        if (!s)
                return NULL;
        char *copy = arena_alloc(c->arena, strlen(s) + 1, 1);
        if (!copy)
                c->failed = true;
        return copy ? strcpy(copy, s) : NULL;
}

void api_collect_change(void *userdata, const char *path, const char *before, const char *after) {
        ApiChanges *c = userdata;

        if (c->n == c->allocated) {
                size_t want = MAX(c->allocated * 2, (size_t) 16);
                ApiChange *more = arena_alloc(c->arena, want, sizeof(ApiChange));
                if (!more) {
                        c->failed = true;
                        return;
                }
                if (c->n)
                        memcpy(more, c->changes, c->n * sizeof(ApiChange));
                c->changes = more;
                c->allocated = want;
        }
        c->changes[c->n++] = (ApiChange) { keep(c, path), keep(c, before), keep(c, after) };
}

typedef struct ReloadIn {
        bool plugins;
} ReloadIn;

STRUCTURE(reload_in, NULL, ReloadIn, FIELD(ReloadIn, plugins, "plugins", FIELD_BOOL));

/* in: NULL: nothing was said. */
int api_reload_configuration(ApiCall *call, const void *in) {
        const ApiConfigurator *configurator = call->api->configurator;
        bool plugins = in && ((const ReloadIn *) in)->plugins;
        ApiChanges changes = { .arena = call->arena };
        const char *field = "", *reason = "";

        if (!configurator)
                return api_fail(call, ERROR_BUSY, .reason = "the daemon cannot reload now");
        /* One that waits for the disk is made of the plugins as they are. */
        if (plugins && !api_is_settled(call->api))
                return api_fail(call, ERROR_BUSY, .reason = "a registration is being stored; try again");
        int r = configurator->reload(configurator->userdata, plugins, api_collect_change, &changes, &field, &reason);
        if (r == -EINVAL)
                return api_fail(call, ERROR_INVALID_CONFIGURATION, .field = field, .reason = reason);
        if (r < 0)
                return r;
        return changes.failed ? -ENOMEM : api_reply(call, &changes);
}

/* ---- by a signal ---- */

/* Nobody waits for an answer: the log has it, and the audit log. */
static void swallow_reply(ApiCall *call _unused_, const void *out _unused_) {
}

static void swallow_error(ApiCall *call _unused_, ApiError error _unused_, const ApiErrorParameters *p _unused_) {
}

void api_reload_by_signal(Api *api, uid_t uid, pid_t pid, uint64_t now_ns) {
        static const ApiTransport signal = { .name = "signal", .reply = swallow_reply, .fail = swallow_error };
        ApiPeer peer = { .uid = uid, .pid = pid };
        Arena arena = {};
        ApiCall call = {
                .api = api, .transport = &signal, .method = api_find_method("Reload"), .peer = &peer, .arena = &arena, .now_ns = now_ns,
        };

        api_serve(&call, NULL);
        free(peer.unit);
        arena_done(&arena);
}
