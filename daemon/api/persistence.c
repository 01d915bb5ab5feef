/* SPDX-License-Identifier: Apache-2.0 */
/* The books: every call goes there as it ends, and from them comes what was spent before a restart. */
#include "daemon/api/persistence.h"

#include "basic/log.h"
#include "daemon/api/private.h"
#include "daemon/core/budget.h"

/* More services, nodes and operations than that together have no budget that anybody could follow. */
#define SUMS_MAX 10000000

/* ---- in ---- */

static void put_call(void *userdata, const SettledCall *call) {
        Persistence *p = userdata;

        uint64_t generation = p->store->functions->put_call(p->store, &(StoreCall) {
                .service = call->service_name, .node = call->node, .operation = call->operation, .provider = call->provider,
                .tier = call->tier, .verdict = call->verdict, .cost = call->cost, .usual_cost = call->usual_cost,
                .units = call->units, .utc_ns = call->utc_ns, .serial = call->serial,
        });
        p->put = MAX(p->put, generation);
}

/* ---- out ---- */

typedef struct Restoring {
        Router *router;
        BudgetPeriod period;
        uint64_t start_utc_ns;
        bool late; /* units are counted already: those of this life alone, by which prices are rather too high than too low */
        int r;
} Restoring;

static void restore_sums(void *userdata, int r, const StoreSum *sums, size_t n) {
        Restoring *x = userdata;

        x->r = r;
        for (size_t i = 0; r >= 0 && i < n; i++)
                router_restore_spend(x->router, x->period, x->start_utc_ns, &(SpendSum) {
                        .service_name = sums[i].service, .node = sums[i].node, .operation = sums[i].operation,
                        .cost = sums[i].cost, .units = x->late ? 0 : sums[i].units,
                });
}

/* Units are wanted by operation, and only for the month. */
static StoreQuestion question(Restoring *x, uint64_t utc_ns) {
        StoreQuestion q = { .by = STORE_BY_SERVICE | STORE_BY_NODE, .max = SUMS_MAX };

        if (x->period == PERIOD_MONTHLY)
                q.by |= STORE_BY_OPERATION;
        period_window(x->period, utc_ns, &q.from_utc_ns, &q.to_utc_ns);
        x->start_utc_ns = q.from_utc_ns;
        return q;
}

static void restore_late(void *userdata, int r, const StoreSum *sums, size_t n) {
        Restoring *x = userdata;

        if (r < 0 && r != -ECANCELED)
                log_warning_errno(r, "Cannot read from the ledger what was spent: budgets begin anew");
        restore_sums(x, r, sums, n);
        free(x);
}

/* The ledger could not be read before: what was spent meanwhile is in its answer, and counts once. */
static void restore_spend_late(Api *api) {
        Store *store = api->persistence.store;

        router_ask_spend(api->router);
        for (BudgetPeriod period = PERIOD_HOURLY; period < _BUDGET_PERIOD_MAX; period++) {
                Restoring *x = malloc(sizeof(Restoring));

                if (!x)
                        return;
                *x = (Restoring) { .router = api->router, .period = period, .late = true };
                StoreQuestion q = question(x, api_utc_ns(api));
                if (store->functions->ask(store, &q, restore_late, x) < 0)
                        free(x);
        }
}

static int restore_spend(Api *api, uint64_t utc_ns) {
        Store *store = api->persistence.store;

        for (BudgetPeriod period = PERIOD_HOURLY; period < _BUDGET_PERIOD_MAX; period++) {
                Restoring x = { .router = api->router, .period = period };
                StoreQuestion q = question(&x, utc_ns);

                int r = store->functions->sums(store, &q, restore_sums, &x);
                if (r < 0 || x.r < 0)
                        return r < 0 ? r : x.r;
        }
        return 0;
}

static int recover_calls(Api *api, uint64_t now_ns, Recovered *found) {
        Persistence *p = &api->persistence;

        p->recovered = true;
        return router_recover_calls(api->router, p->store->functions->committed_call(p->store), now_ns, found);
}

static void tell_recovered(const Recovered *found) {
        if (found->open + found->settled + found->dropped > 0)
                log_info("Took over %u open decisions, and %u calls that had ended and were not yet in the ledger (%u that "
                         "nobody can report any more); %u places of the table made no sense", found->open, found->settled, found->lost, found->dropped);
}

static void restore_learned(Api *api, uint64_t now_ns) {
        unsigned refused = learned_state_restore(api->persistence.learned, now_ns);

        if (refused > 0)
                log_warning("%u values of what was learned made no sense, and are passed over", refused);
}

int api_set_store(Api *api, Store *store, uint64_t now_ns) {
        Persistence *p = &api->persistence;
        Recovered found;
        StoreStatus status;

        p->store = store;
        router_set_clock(api->router, now_ns, api_utc_ns(api));
        router_set_books(api->router, put_call, p);
        int r = restore_spend(api, api_utc_ns(api));
        if (r < 0)
                log_warning_errno(r, "Cannot read from the ledger what was spent: budgets begin anew until it can be read");
        p->spend_known = r == 0;
        r = learned_state_new(&p->learned, api, store);
        if (r < 0)
                return r;
        restore_learned(api, now_ns);
        api_restore_states(api, now_ns);
        router_recover_leases(api->router, now_ns, &found);
        store->functions->status(store, &status);
        r = status.opened ? recover_calls(api, now_ns, &found) : 0;
        if (r < 0)
                return r;
        tell_recovered(&found);
        api_dispatch_store(api, now_ns);
        return 0;
}

/* ---- what was learned ---- */

void api_put_document(Api *api, const char *name, const char *text, size_t size) {
        Persistence *p = &api->persistence;

        if (!p->store)
                return;
        uint64_t generation = p->store->functions->put_document(p->store, name, text, size);
        p->put = MAX(p->put, generation);
}

uint64_t api_keep(Api *api, uint64_t now_ns) {
        return api->persistence.learned ? learned_state_step(api->persistence.learned, now_ns) : NSEC_INFINITY;
}

void api_finish(Api *api, uint64_t now_ns) {
        if (api->persistence.learned)
                learned_state_finish(api->persistence.learned, now_ns);
}

/* ---- how it goes ---- */

int api_store_sentence(const Api *api, char *buffer, size_t size) {
        const Persistence *p = &api->persistence;
        StoreStatus s;

        if (!p->store) {
                snprintf(buffer, size, "not kept");
                return 0;
        }
        p->store->functions->status(p->store, &s);
        if (s.trouble[0])
                snprintf(buffer, size, "%s", s.trouble);
        else if (s.error < 0)
                snprintf(buffer, size, "%s", strerror(-s.error));
        else
                snprintf(buffer, size, "%llu calls written since the start, %llu bytes", (unsigned long long) s.calls,
                         (unsigned long long) s.size);
        if (s.lost > 0) {
                size_t n = strlen(buffer);
                snprintf(buffer + n, size - n, "; %llu calls are lost", (unsigned long long) s.lost);
        }
        return s.error;
}

static void tell_trouble(Api *api, const StoreStatus *s) {
        ApiEvent event = {
                .utc_ns = api_utc_ns(api), .type = EVENT_SYSTEM_HEALTH_CHANGED, .severity = s->error < 0 ? SEVERITY_HIGH : SEVERITY_LOW,
                .data = { .strategy = _STRATEGY_INVALID, .cost = MONEY_UNSET, .limit = MONEY_UNSET, .ratio = __builtin_nan("") },
        };
        char sentence[160];

        api_store_sentence(api, sentence, sizeof(sentence));
        snprintf(event.message, sizeof(event.message), "Ledger: %.140s", sentence);
        if (s->error < 0)
                log_warning("%s", event.message);
        else
                log_notice("%s", event.message);
        events_publish(api->events, &event);
}

static void check_trouble(Api *api) {
        Persistence *p = &api->persistence;
        StoreStatus s;

        p->store->functions->status(p->store, &s);
        if (s.error == p->error && streq(s.trouble, p->trouble))
                return;
        bool told = (s.error < 0) != (p->error < 0) || s.trouble[0];
        p->error = s.error;
        memcpy(p->trouble, s.trouble, sizeof(p->trouble));
        if (told)
                tell_trouble(api, &s);
}

void api_dispatch_store(Api *api, uint64_t now_ns) {
        Persistence *p = &api->persistence;
        const StoreFunctions *f = p->store->functions;
        StoreStatus s;

        f->dispatch(p->store);
        f->status(p->store, &s);
        if (s.opened && !p->recovered) {
                Recovered found = {};
                int r = recover_calls(api, now_ns, &found);
                if (r < 0)
                        log_error_errno(r, "Cannot put the calls of an earlier run into the ledger");
                tell_recovered(&found);
        }
        if (s.opened && !p->spend_known) {
                p->spend_known = true;
                restore_spend_late(api);
        }
        if (s.opened)
                router_set_committed(api->router, f->committed_call(p->store));
        uint64_t released = f->released(p->store);
        bool more = released > p->released;
        p->released = released;
        check_trouble(api);
        if (more)
                api_release(api);
}
