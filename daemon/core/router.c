/* SPDX-License-Identifier: Apache-2.0 */
/* Life and time of the brain. */
#include <errno.h>
#include <stdlib.h>

#include "basic/macro.h"
#include "daemon/core/apply.h"
#include "daemon/core/router-private.h"

/* So much is done in one tick, and what is left is asked for at once: nothing waits a millisecond behind it, even where
 * each piece touches memory for the first time. */
#define TICK_WORK_MAX 96
/* Probes that fall due leave the rest of the queue to events. */
#define TICK_EFFECTS_ROOM (EFFECTS_MAX / 2)

int router_new(Router **ret, const RouterLimits *limits, uint64_t seed, uint64_t now_ns, uint64_t utc_ns) {
        Router *r;

        r = calloc(1, sizeof(*r));
        if (!r)
                return -ENOMEM;
        r->limits = *limits;
        r->now_ns = now_ns;
        r->utc_ns = utc_ns;
        random_seed(&r->random, seed);
        forecast_model_init(&r->forecast);
        r->scenarios = calloc(SCENARIOS_MAX, sizeof(Scenario));
        if (!r->scenarios || leases_init(&r->leases, limits, &r->random, now_ns) < 0 || effects_init(&r->effects) < 0) {
                router_free(r);
                return -ENOMEM;
        }
        *ret = r;
        return 0;
}

Router *router_free(Router *r) {
        if (!r)
                return NULL;
        for (uint32_t i = 0; i < r->n_services; i++)
                service_free(r->services[i]);
        free(r->services);
        for (uint32_t i = 0; i < r->n_series; i++)
                free(r->series[i]);
        free(r->series);
        free(r->scenarios);
        free(r->nodes);
        free(r->by_account);
        free(r->accounts);
        names_done(&r->service_names);
        names_done(&r->node_names);
        timers_done(&r->timers);
        leases_done(&r->leases);
        effects_done(&r->effects);
        free(r->scratch_index);
        free(r->scratch_reason);
        free(r->scratch_score);
        free(r->scratch_cost);
        free(r);
        return NULL;
}

uint64_t router_advance(Router *r, uint64_t now_ns) {
        if (now_ns > r->now_ns) {
                r->utc_ns += now_ns - r->now_ns;
                r->now_ns = now_ns;
        }
        return r->now_ns;
}

void router_set_clock(Router *r, uint64_t now_ns, uint64_t utc_ns) {
        router_advance(r, now_ns);
        r->utc_ns = utc_ns;
}

static void timer_fired(Router *r, Timer *t, uint64_t now_ns) {
        timer_disarm(&r->timers, t);
        switch ((TimerKind) t->kind) {
        case TIMER_PROBE:
                probe_due(r, container_of(t, Node, probe_timer), now_ns);
                break;
        case TIMER_BREAKER:
                circuit_timeout(r, container_of(t, Node, breaker_timer), now_ns);
                break;
        case TIMER_SCENARIO:
                scenario_check(r, container_of(t, Scenario, timer), now_ns);
                break;
        case TIMER_ACCOUNT:
                account_timeout(r, container_of(t, Account, timer), now_ns);
                break;
        default:
                break;
        }
}

uint64_t router_tick(Router *r, uint64_t now_ns) {
        unsigned work;
        Timer *t;

        now_ns = router_advance(r, now_ns);
        work = leases_sweep(r, TICK_WORK_MAX, now_ns);
        while (work < TICK_WORK_MAX && effects_room(&r->effects) > TICK_EFFECTS_ROOM &&
               (t = timers_first(&r->timers)) && t->at_ns <= now_ns) {
                timer_fired(r, t, now_ns);
                work++;
        }
        return router_next_ns(r);
}

uint64_t router_next_ns(const Router *r) {
        const Timer *t = timers_first(&r->timers);

        return MAX(MIN(leases_next_ns(&r->leases), t ? t->at_ns : NSEC_INFINITY), r->now_ns);
}

void router_set_books(Router *r, RouterBooks books, void *userdata) {
        r->books = books;
        r->books_userdata = userdata;
}

void router_set_committed(Router *r, uint64_t serial) {
        r->leases.committed = MAX(r->leases.committed, serial);
}

bool router_next_effect(Router *r, Effect *ret) {
        return effects_pop(&r->effects, ret);
}

void router_set_event_mask(Router *r, uint32_t mask) {
        r->effects.event_mask = mask;
}

int router_set_node_state(Router *r, const char *node, AdministrativeState state, uint64_t now_ns) {
        uint32_t slot = names_find(&r->node_names, node);
        Node *n;

        now_ns = router_advance(r, now_ns);
        if (slot == NAMES_NONE || (unsigned) state >= _ADMINISTRATIVE_STATE_MAX)
                return ROUTE_NO_SUCH_NODE;
        n = r->nodes[slot];
        node_hot(n)->admin = (uint8_t) state;
        n->probe_id = 0;
        probe_schedule(r, n, now_ns);
        return 0;
}
