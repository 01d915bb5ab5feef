/* SPDX-License-Identifier: Apache-2.0 */
/* One event of the daemon's stream, and which notification it is worth. */
#pragma once

#include "snmp/mib.h"

/* In the order of the bits of pmNotificationEnable; the notification's number is one more. */
typedef enum Kind {
        KIND_CIRCUIT_OPENED,
        KIND_CIRCUIT_CLOSED,
        KIND_SCENARIO_OPENED,
        KIND_SCENARIO_ESCALATED,
        KIND_SCENARIO_RESOLVED,
        KIND_COST_ALERT,
        KIND_BUDGET_EXHAUSTED,
        KIND_PERFORMANCE_DEGRADATION,
        KIND_EMERGENCY_MODE,
        _KIND_MAX,
        _KIND_NONE = -1,
} Kind;

typedef struct Event {
        char *text; /* what was received; the strings lie in it */
        EventRow row;
        Kind kind;
        EventType type;
        const char *scenario; /* its id, or NULL */
} Event;

/* What a notification shows besides the event itself: columns of the row that the event is about. */
typedef struct KindObjects {
        TableId table;
        uint8_t columns[4]; /* ended by 0 */
} KindObjects;

extern const KindObjects event_objects[_KIND_MAX];

/* The parameters of a reply to Subscribe. Takes text over, also on failure, and changes it. -EBADMSG and the like: it
 * is no event. */
int event_parse(char *text, Event **ret);
Event *event_free(Event *e);

/* Whether the later of two events makes the earlier one pointless: both are about the state of the same thing. */
bool event_supersedes(const Event *later, const Event *earlier);
