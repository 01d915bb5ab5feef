/* SPDX-License-Identifier: Apache-2.0 */
/* What operators and the brain have declared: scenarios, and the states that nodes were set to. Kept as it changes. */
#include "basic/log.h"
#include "daemon/api/private.h"
#include "daemon/core/learned.h"

/* ---- scenarios ---- */

static uint64_t mix(uint64_t mark, uint64_t x) {
        mark = (mark ^ x) * UINT64_C(0x9e3779b97f4a7c15);
        return mark ^ mark >> 32;
}

static uint64_t scenario_mark(const ScenarioView *x) {
        uint64_t mark = mix(1, x->updated_utc_ns);

        for (const char *c = x->id; *c; c++)
                mark = mix(mark, (uint8_t) *c);
        mark = mix(mix(mix(mark, (uint64_t) x->state), (uint64_t) x->severity), (uint64_t) x->optimization_strategy);
        mark = mix(mix(mix(mark, x->impact.failed_calls), x->impact.diverted_calls), x->declared);
        return mix(mix(mark, x->n_nodes), x->n_timeline);
}

void api_keep_scenarios(Api *api, uint64_t now_ns) {
        Persistence *p = &api->persistence;
        size_t n = p->store ? MIN(router_n_scenarios(api->router), (size_t) SCENARIO_MARKS) : 0;

        for (size_t i = 0; i < n; i++) {
                ScenarioView view;

                router_scenario(api->router, i, now_ns, &view);
                uint64_t mark = scenario_mark(&view);
                if (mark == p->scenarios[i])
                        continue;
                p->scenarios[i] = mark;
                uint64_t generation = p->store->functions->put_scenario(p->store, &view);
                p->put = MAX(p->put, generation);
        }
}

/* How long those that are over are of interest. */
#define SCENARIOS_SINCE_NS (7 * NSEC_PER_DAY)

static void restore_scenario(void *userdata, const ScenarioView *scenario) {
        Api *api = userdata;

        router_restore_scenario(api->router, scenario, api->started_ns);
}

/* ---- states of nodes ---- */

typedef struct NodeState {
        const char *node;
        int state;
} NodeState;

typedef struct NodeStates {
        NodeState *states;
        size_t n;
} NodeStates;

#define NODE_STATES "node-states"

#define F(member, name, type, ...) FIELD(NodeState, member, name, type, ##__VA_ARGS__)
static STRUCTURE(node_state_structure, NULL, NodeState,
        F(node, "node", FIELD_STRING, REQUIRED, LENGTH(NODE_NAME_MAX)),
        F(state, "state", FIELD_ENUM, REQUIRED, .names = &administrative_state_names));
#undef F
static STRUCTURE(node_states_structure, NULL, NodeStates,
        FIELD(NodeStates, states, "nodes", FIELD_ARRAY, REQUIRED, LENGTH(1e6), COUNT(NodeStates, n), .structure = &node_state_structure));

/* Only those that are not as they begin. */
void api_keep_node_states(Api *api) {
        uint32_t n = learned_slots(api->router);
        _cleanup_free_ NodeState *states = calloc((size_t) n + 1, sizeof(NodeState));
        NodeStates all = { states, 0 };
        JsonWriter w = {};

        for (uint32_t i = 0; states && i < n; i++) {
                const char *name = learned_slot_name(api->router, i);
                int state = name ? learned_administrative_state(api->router, i) : ADMIN_ENABLED;

                if (state != ADMIN_ENABLED)
                        states[all.n++] = (NodeState) { name, state };
        }
        if (states)
                schema_write_json(&node_states_structure, &all, &w);
        if (states && !w.failed)
                api_put_document(api, NODE_STATES, w.data, w.size);
        json_writer_done(&w);
}

static void restore_node_states(Api *api, uint64_t now_ns) {
        Store *store = api->persistence.store;
        _cleanup_free_ char *text = NULL, *where = NULL;
        NodeStates all = {};
        SchemaError error;
        Arena arena = {};
        JsonReader reader;
        size_t size;

        if (store->functions->read(store, NODE_STATES, &text, &size) < 0)
                return;
        json_open(&reader, text, size);
        schema_init(&node_states_structure, &all);
        if (schema_read_json(&node_states_structure, &reader, &arena, &all, &error, NULL) == 0)
                for (size_t i = 0; i < all.n; i++)
                        router_set_node_state(api->router, all.states[i].node, all.states[i].state, now_ns);
        else if (store->functions->set_aside(store, NODE_STATES, &where) == 0)
                log_error("The states that nodes were set to cannot be understood (%s: %s); they are kept as %s", error.field, error.reason,
                          where);
        arena_done(&arena);
}

void api_restore_states(Api *api, uint64_t now_ns) {
        Store *store = api->persistence.store;

        restore_node_states(api, now_ns);
        store->functions->scenarios(store, api_utc_ns(api) - SCENARIOS_SINCE_NS, SCENARIO_MARKS, restore_scenario, api);
        router_restore_scenarios_done(api->router, now_ns);
}
