/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/sim/sim.h"

#include <errno.h>
#include <math.h>
#include <time.h>

#include "basic/macro.h"
#include "bench/sim/heap.h"
#include "daemon/core/random.h"

typedef enum EventKind {
        ARRIVAL,
        ANSWER,
        PROBE,
        CHANGE
} EventKind;

/* A probe on its way. */
typedef struct ProbeCall {
        uint64_t id;
        Answer answer;
        uint32_t next; /* in the list of free ones */
} ProbeCall;

/* Things that come and go, in one array; the free ones are a list. */
typedef struct Pool {
        uint32_t n, size, free;
} Pool;

typedef struct Arrivals {
        Random random;
        double rate;
        uint64_t next_ns; /* the event that counts; others were overtaken by a change of the rate */
} Arrivals;

typedef struct Sim {
        const Trace *trace;
        World *world;
        Measure *measure;
        Policy *policy;
        Heap heap;
        Arrivals *arrivals;
        Random losses; /* which reports are never made */
        Call *calls;
        Pool call_pool;
        ProbeCall *probes;
        Pool probe_pool;
        uint64_t call_serial, probe_serial, tick_ns;
        int error;
} Sim;

/* ---- pools ---- */

#define POOL_END UINT32_MAX

/* A free place; -ENOMEM. *array is the array of size bytes each whose uint32_t at offset next links the free ones. */
static int pool_take(Pool *p, void **array, size_t size, size_t next, uint32_t *ret) {
        if (p->free == POOL_END) {
                uint32_t grown = MAX(2 * p->size, 64U);
                char *a = reallocarray(*array, grown, size);

                if (!a)
                        return -ENOMEM;
                for (uint32_t i = p->size; i < grown; i++) {
                        uint32_t link = i + 1 < grown ? i + 1 : POOL_END;

                        memcpy(a + i * size + next, &link, sizeof(link));
                }
                p->free = p->size;
                p->size = grown;
                *array = a;
        }
        *ret = p->free;
        memcpy(&p->free, (char *) *array + *ret * size + next, sizeof(p->free));
        return 0;
}

static void call_drop(Sim *s, uint32_t i) {
        s->calls[i].next = s->call_pool.free;
        s->call_pool.free = i;
}

/* ---- calls ---- */

static void arrive_next(Sim *s, uint32_t service, uint64_t now_ns) {
        Arrivals *a = &s->arrivals[service];
        double wait;

        a->next_ns = NSEC_INFINITY;
        if (a->rate <= 0)
                return;
        wait = -log(1 - random_unit(&a->random)) / a->rate * 1e9;
        if (wait > (double) TRACE_DURATION_MAX || now_ns + (uint64_t) wait >= s->trace->duration_ns)
                return;
        a->next_ns = now_ns + (uint64_t) wait;
        s->error = heap_push(&s->heap, a->next_ns, ARRIVAL, service);
}

static void end(Sim *s, uint32_t i, bool ok, bool refused, uint64_t now_ns) {
        const Call *c = &s->calls[i];

        measure_done(s->measure,
                     &(CallEnd){ c->service, c->node, c->started_ns, c->sent_ns, ok, refused, c->unaffordable },
                     now_ns);
        call_drop(s, i);
}

static void send(Sim *s, uint32_t i, uint32_t node, uint64_t now_ns) {
        const Trace *t = s->trace;
        Call *c = &s->calls[i];

        c->node = node;
        c->sent_ns = now_ns;
        c->tried[c->attempts++] = node;
        world_send(s->world, node, c->number, c->attempts, now_ns, &c->answer);
        measure_sent(s->measure, node, &c->answer, now_ns);
        c->unreported =
                t->services[c->service].unreported > 0 && random_unit(&s->losses) < t->services[c->service].unreported;
        s->error = heap_push(&s->heap, now_ns + c->answer.latency_ns, ANSWER, i);
}

static void arrived(Sim *s, uint32_t service, uint64_t now_ns) {
        void *array = s->calls;
        uint32_t i, node;

        s->error = pool_take(&s->call_pool, &array, sizeof(Call), offsetof(Call, next), &i);
        s->calls = array;
        if (s->error < 0)
                return;
        s->calls[i] = (Call){ .number = s->call_serial++, .started_ns = now_ns, .service = service };
        node = s->policy->type->choose(s->policy, &s->calls[i], now_ns);
        if (node == NODE_NONE)
                end(s, i, false, true, now_ns);
        else
                send(s, i, node, now_ns);
        if (s->error >= 0)
                arrive_next(s, service, now_ns);
}

/* The caller tries again if it has tries left, and if a second try can do no harm. */
static bool tries_again(const Sim *s, const Call *c) {
        const TraceService *x = &s->trace->services[c->service];

        return c->answer.verdict != PM_OK && c->attempts <= x->retries && (x->idempotent || c->answer.undone) &&
               !c->unreported;
}

static void answered(Sim *s, uint32_t i, uint64_t now_ns) {
        Call *c = &s->calls[i];
        bool ok = c->answer.verdict == PM_OK;
        uint32_t node = s->policy->type->answered(s->policy, c, tries_again(s, c), now_ns);

        if (s->policy->type != &policy_brain) /* the brain knows itself what it was charged */
                measure_settled(s->measure, c->service, c->answer.cost, now_ns);
        if (node != NODE_NONE)
                send(s, i, node, now_ns);
        else
                end(s, i, ok, false, now_ns);
}

/* ---- the rest of what happens ---- */

static int probe(void *sim, uint32_t node, uint64_t id, uint64_t now_ns) {
        Sim *s = sim;
        void *array = s->probes;
        uint32_t i;

        if (now_ns >= s->trace->duration_ns)
                return 0;
        s->error = pool_take(&s->probe_pool, &array, sizeof(ProbeCall), offsetof(ProbeCall, next), &i);
        s->probes = array;
        if (s->error < 0)
                return s->error;
        s->probes[i].id = id;
        world_probe(s->world, node, s->probe_serial++, now_ns, &s->probes[i].answer);
        s->error = heap_push(&s->heap, now_ns + s->probes[i].answer.latency_ns, PROBE, i);
        return s->error;
}

static void probed(Sim *s, uint32_t i, uint64_t now_ns) {
        ProbeCall p = s->probes[i];

        s->probes[i].next = s->probe_pool.free;
        s->probe_pool.free = i;
        s->policy->type->probed(s->policy, p.id, &p.answer, now_ns);
}

static void change(Sim *s, const Change *c, uint64_t now_ns) {
        if (c->is_rate) {
                s->arrivals[c->index].rate = c->rate;
                arrive_next(s, c->index,
                            now_ns); /* waiting has no memory: a new draw is as good as the rest of the old one */
                return;
        }
        world_set_price(s->world, c->index, c->price);
        if (s->policy->type->price_changed)
                s->error = s->policy->type->price_changed(s->policy, c->index, c->price, now_ns);
}

static int start(Sim *s, const PolicyType *type, Strategy strategy, uint64_t seed) {
        const Trace *t = s->trace;
        uint64_t state = seed;
        int r = world_new(&s->world, t, seed);

        if (r >= 0)
                r = measure_new(&s->measure, t, s->world);
        if (r < 0)
                return r;
        s->arrivals = calloc(t->settings.n_services, sizeof(Arrivals));
        if (!s->arrivals)
                return -ENOMEM;
        s->call_pool.free = s->probe_pool.free = POOL_END;
        random_seed(&s->losses, random_mix(&state));
        r = type->new (&s->policy, &(PolicyContext){
                                           .trace = t,
                                           .world = s->world,
                                           .measure = s->measure,
                                           .seed = random_mix(&state),
                                           .strategy = strategy,
                                           .probe = probe,
                                           .sim = s,
                                   });
        for (uint32_t i = 0; r >= 0 && i < t->n_changes; i++)
                if (t->changes[i].at_ns < t->duration_ns)
                        r = heap_push(&s->heap, t->changes[i].at_ns, CHANGE, i);
        for (uint32_t i = 0; r >= 0 && i < t->settings.n_services; i++) {
                random_seed(&s->arrivals[i].random, random_mix(&state));
                s->arrivals[i].rate = t->services[i].rate;
                arrive_next(s, i, 0);
                r = s->error;
        }
        return r;
}

static void handle(Sim *s, const HeapEvent *e) {
        switch ((EventKind) e->kind) {
        case ARRIVAL:
                if (e->at_ns == s->arrivals[e->index].next_ns)
                        arrived(s, e->index, e->at_ns);
                break;
        case ANSWER:
                answered(s, e->index, e->at_ns);
                break;
        case PROBE:
                probed(s, e->index, e->at_ns);
                break;
        case CHANGE:
                change(s, &s->trace->changes[e->index], e->at_ns);
                break;
        }
}

static void loop(Sim *s) {
        const PolicyType *type = s->policy->type;
        HeapEvent e;

        while (s->error >= 0 && s->heap.n > 0) {
                if (type->tick && s->tick_ns <= s->heap.events[0].at_ns) { /* it may send a probe on its way */
                        s->tick_ns = type->tick(s->policy, s->tick_ns);
                        continue;
                }
                heap_pop(&s->heap, &e);
                s->measure->events++;
                handle(s, &e);
        }
}

int sim_run(Measure **ret, const Trace *trace, const PolicyType *type, Strategy strategy, uint64_t seed) {
        Sim s = { .trace = trace };
        struct timespec from, to;
        int r;

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
        r = start(&s, type, strategy, seed);
        if (r >= 0) {
                loop(&s);
                if (type->finished)
                        type->finished(s.policy, trace->duration_ns);
                r = s.error;
        }
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
        if (r >= 0) {
                s.measure->seconds = (double) (to.tv_sec - from.tv_sec) + (double) (to.tv_nsec - from.tv_nsec) / 1e9;
                measure_finish(s.measure);
                *ret = TAKE(s.measure);
        }
        if (s.policy)
                s.policy->type->free(s.policy);
        measure_free(s.measure);
        world_free(s.world);
        heap_done(&s.heap);
        free(s.arrivals);
        free(s.calls);
        free(s.probes);
        return r;
}
