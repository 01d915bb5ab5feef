/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of the interface's types that more than one method uses. */
#pragma once

#include "daemon/api/schema.h"
#include "daemon/core/router.h"

/* A service with its nodes, as the interface shows it. */
typedef struct ApiService {
        ServiceStatus status;
        const NodeStatus *nodes;
        size_t n_nodes;
} ApiService;

/* A scenario, as the interface shows it. */
typedef struct ApiScenario {
        ScenarioView view;
        double minutes;
} ApiScenario;

typedef struct ApiEventData {
        char decision[DECISION_ID_MAX + 1];
        char scenario[SCENARIO_ID_MAX + 1];
        int strategy;
        const char *from, *to; /* static words */
        Money cost, limit;
        double ratio;
} ApiEventData;

typedef struct ApiEvent {
        uint64_t serial, utc_ns;
        EventType type;
        Severity severity;
        char service_name[SERVICE_NAME_MAX + 1];
        char node[NODE_NAME_MAX + 1];
        char message[160];
        ApiEventData data;
} ApiEvent;

extern const Structure decision_structure;  /* Decision */
extern const Structure node_structure;      /* NodeStatus */
extern const Structure service_structure;   /* ApiService */
extern const Structure scenario_structure;  /* ApiScenario */
extern const Structure event_structure;     /* ApiEvent */
extern const Structure system_status_structure; /* what api_read_status() fills in */
