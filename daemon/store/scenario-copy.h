/* SPDX-License-Identifier: Apache-2.0 */
/* A scenario with all that its view points to. */
#pragma once

#include "daemon/core/router.h"

#define TIMELINE_STEP_MAX 31

typedef struct ScenarioCopy {
        ScenarioView view; /* points into the rest */
        char id[SCENARIO_ID_MAX + 1];
        char service_name[SERVICE_NAME_MAX + 1];
        char nodes[SCENARIO_NODES_MAX][NODE_NAME_MAX + 1];
        char reason[SCENARIO_TEXT_MAX];
        TimelineEntry timeline[TIMELINE_MAX];
        char steps[TIMELINE_MAX][TIMELINE_STEP_MAX + 1];
} ScenarioCopy;

/* Texts that are too long are cut, entries that are too many left out. */
void scenario_copy(ScenarioCopy *to, const ScenarioView *from);
/* For who fills in the members one by one: lets the view point to them. */
void scenario_copy_link(ScenarioCopy *c);
