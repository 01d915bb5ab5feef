/* SPDX-License-Identifier: Apache-2.0 */
/* A brain to test: a provider of its own, services in a line or two, a clock that only moves when told to. */
#pragma once

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "basic/macro.h"
#include "daemon/core/router.h"
#include "tests/unit/test.h"

#define MS NSEC_PER_MSEC
#define SEC NSEC_PER_SEC
#define CENT (MONEY_PER_DOLLAR / 100)
#define UTC_NS (UINT64_C(1700000000) * SEC) /* 2023-11-14 22:13:20, 46 min 40 s before the hour ends */
#define UID 1000

typedef struct Core {
        Router *router;
        Settings settings;
        uint64_t now;
        Strategy strategy; /* asked for by core_route(); default: the service's, or what a scenario makes of it */
        Decision d;
        RouteRefusal refusal;
        Settlement settlement;
} Core;

extern const struct pm_provider test_provider;

/* One service "s" with nodes a, b, c, … of the given weights; every call costs one cent. Change c->settings, then
 * apply. */
void core_init(Core *c, Strategy strategy, const uint32_t *weights, size_t n);
void core_add_service(Core *c, const char *name, Strategy strategy, const uint32_t *weights, size_t n);
void core_apply(Core *c);
void core_done(Core *c);

ServiceSettings *core_service(Core *c);
RouteRequest core_request(void);
int core_route(Core *c);
/* The id of the node chosen, e.g. "a"; asserts that there is one. */
const char *core_choose(Core *c);
int core_report(Core *c, Verdict verdict, uint64_t latency_ns);
/* Routes, and reports the verdict of the node chosen. */
void core_call(Core *c, Verdict verdict);
/* Calls that only this node may get. */
void core_call_node(Core *c, const char *id, Verdict verdict);
/* Moves the clock, ticking at every time that the brain asks for. Effects are thrown away. */
void core_wait(Core *c, uint64_t ns);
NodeStatus core_node(Core *c, const char *name);
ServiceStatus core_status(Core *c);
Counters core_counters(Core *c);
/* Throws the queue away; how many events of a type there were, the last one in *ret (may be NULL). */
unsigned core_events(Core *c, EventType type, Event *ret);
void core_assert_money(Core *c);

static inline Outcome core_outcome(Verdict verdict, uint64_t latency_ns) {
        return (Outcome){
                .verdict = verdict, .latency_ns = latency_ns, .units = -1, .cost = MONEY_UNSET, .reachable = true
        };
}
