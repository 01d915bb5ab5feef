/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/store/scenario-copy.h"

#include "basic/macro.h"

void scenario_copy_link(ScenarioCopy *c) {
        c->view.id = c->id;
        c->view.service_name = c->service_name[0] ? c->service_name : NULL;
        c->view.reason = c->reason;
        c->view.timeline = c->timeline;
        for (size_t i = 0; i < c->view.n_nodes; i++)
                c->view.nodes[i] = c->nodes[i];
        for (size_t i = 0; i < c->view.n_timeline; i++)
                c->timeline[i].step = c->steps[i];
}

#define COPY(to, from) snprintf(to, sizeof(to), "%s", from)

void scenario_copy(ScenarioCopy *to, const ScenarioView *from) {
        to->view = *from;
        to->view.n_nodes = MIN(from->n_nodes, (size_t) SCENARIO_NODES_MAX);
        to->view.n_timeline = MIN(from->n_timeline, (size_t) TIMELINE_MAX);
        COPY(to->id, from->id);
        COPY(to->service_name, from->service_name ?: "");
        COPY(to->reason, from->reason ?: "");
        for (size_t i = 0; i < to->view.n_nodes; i++)
                COPY(to->nodes[i], from->nodes[i]);
        for (size_t i = 0; i < to->view.n_timeline; i++) {
                to->timeline[i] = from->timeline[i];
                COPY(to->steps[i], from->timeline[i].step);
        }
        scenario_copy_link(to);
}
