/* SPDX-License-Identifier: Apache-2.0 */
/* RegisterTrafficDistribution, RegisterBudgetAllocation, UnregisterTrafficDistribution. */
#include "daemon/api/registration.h"

#include <stdarg.h>

#include "daemon/api/private.h"

typedef struct RegisterIn {
        const char *service_name;
        const ApiDistribution *distribution;
        const ServiceSettings *allocation;
} RegisterIn;

#define F(member, name, type, ...) FIELD(RegisterIn, member, name, type, ##__VA_ARGS__)
#define SERVICE_NAME F(service_name, "serviceName", FIELD_STRING, REQUIRED, LENGTH(SERVICE_NAME_MAX))
STRUCTURE(register_distribution_in, NULL, RegisterIn, SERVICE_NAME,
        F(distribution, "distribution", FIELD_STRUCT_POINTER, REQUIRED, .structure = &distribution_structure));
STRUCTURE(register_allocation_in, NULL, RegisterIn, SERVICE_NAME,
        F(allocation, "allocation", FIELD_STRUCT_POINTER, REQUIRED, .structure = &allocation_structure));
STRUCTURE(unregister_in, NULL, RegisterIn, SERVICE_NAME);
#undef F

typedef struct RegisterOut {
        ApiService service;
        ApiChanges changes;
} RegisterOut;

#define F(member, name, type, ...) FIELD(RegisterOut, member, name, type, ##__VA_ARGS__)
STRUCTURE(register_out, NULL, RegisterOut,
        F(service, "service", FIELD_STRUCT, .structure = &service_structure),
        F(changes.changes, "changes", FIELD_ARRAY, COUNT(RegisterOut, changes.n), .structure = &change_structure));
#undef F

/* "stripe/us-east" is as good as "us-east". */
static void shorten_ids(const char *service, ServiceSettings *s) {
        size_t n = strlen(service);

        for (size_t i = 0; i < s->n_nodes; i++)
                if (strncmp(s->nodes[i].id, service, n) == 0 && s->nodes[i].id[n] == '/')
                        s->nodes[i].id += n + 1;
}

/* ---- changes ---- */

/*
 * A change on its way to the disk, one at a time: it is checked whole, its document is put into the store, and once that is committed
 * it is put in force and answered. Until then the registrations are as they were, and whatever fails leaves them so.
 */
struct RegistrationChange {
        ApiCall *call;
        const char *service;
        ServiceSettings settings;
        unsigned part;     /* REGISTERED_…; 0: nothing is to be registered any more */
        Registration *now; /* NULL: the same */
        uint64_t generation; /* that the document is in; 0: not put yet */
        struct {
                ApiError error;
                char field[160], reason[512];
        } refusal;
        RegistrationChange *next;
};

static void change_free(RegistrationChange *x) {
        registration_free(x->now);
        free(x);
}

_printf_(4, 5) static int refuse(RegistrationChange *x, ApiError error, const char *field, const char *format, ...) {
        va_list ap;

        x->refusal.error = error;
        snprintf(x->refusal.field, sizeof(x->refusal.field), "%s", field);
        va_start(ap, format);
        vsnprintf(x->refusal.reason, sizeof(x->refusal.reason), format, ap);
        va_end(ap);
        return -ECANCELED;
}

/* Answers, and forgets the change with its call. -ECANCELED: it was refused. */
static void fail_change(RegistrationChange *x, int r) {
        if (r == -ECANCELED)
                api_fail(x->call, x->refusal.error, .service_name = x->service, .field = x->refusal.field, .reason = x->refusal.reason);
        else
                api_fail_unforeseen(x->call, r);
        change_free(x);
}

static void answer(RegistrationChange *x, const ApiChanges *changes) {
        ApiCall *call = x->call;
        RegisterOut out = { .changes = *changes };
        int r = changes->failed ? -ENOMEM : 0;

        if (r == 0 && x->part)
                r = api_collect_service(call->api, call->arena, router_find_service(call->api->router, x->service), call->now_ns,
                                        &out.service);
        if (r < 0) {
                fail_change(x, r);
                return;
        }
        api_reply(call, x->part ? (const void *) &out : changes);
        change_free(x);
}

/* A file may name a provider that is installed later; who registers is there to be told. */
static int check_providers(RegistrationChange *x) {
        const Registration *g = x->now;

        for (size_t i = 0; g && g->parts & REGISTERED_DISTRIBUTION && i < g->complete.n_nodes; i++) {
                const NodeSettings *n = &g->complete.nodes[i];
                char field[64];

                if (n->provider)
                        continue;
                snprintf(field, sizeof(field), "distribution.nodes[%zu].provider", i);
                return refuse(x, ERROR_INVALID_CONFIGURATION, field,
                              "is \"%.64s\"; must be a provider that is loaded (see ListProviders)", n->provider_name);
        }
        return 0;
}

/* With the change among the registrations. */
static int check_and_put(RegistrationChange *x) {
        const ApiConfigurator *c = x->call->api->configurator;
        RegistrationFault fault;

        int r = c->check(c->userdata, &fault);
        if (r == -EINVAL)
                return refuse(x, ERROR_INVALID_CONFIGURATION, fault.field, "%s", fault.reason);
        if (r == 0)
                r = check_providers(x);
        return r == 0 ? registrations_put(c->registrations, c->store, &x->generation) : r;
}

/* 0: it is under way; 1: there is nothing to change. */
static int start(RegistrationChange *x) {
        const ApiConfigurator *c = x->call->api->configurator;
        Registrations *registrations = c->registrations;
        const Registration *is = registrations_find(registrations, x->service);
        Registration *before;
        int r = 0;

        if (x->part != REGISTERED_DISTRIBUTION && !(!x->part && is) && !router_find_service(x->call->api->router, x->service))
                return refuse(x, ERROR_NO_SUCH_SERVICE, "", "%s", "");
        if (!x->part && !is)
                return 1;
        if (x->part)
                r = registration_new(&x->now, registrations, is, &x->settings, x->part);
        if (r == 0)
                r = registrations_exchange(registrations, x->service, x->now, &before);
        if (r == 0) {
                r = check_and_put(x);
                registrations_exchange(registrations, x->service, before, &x->now);
        }
        if (r == 0)
                c->store->functions->hurry(c->store, x->generation);
        return r;
}

static int put_in_force(RegistrationChange *x, ApiChanges *changes) {
        const ApiConfigurator *c = x->call->api->configurator;
        Registration *before;
        char what[160];

        int r = registrations_exchange(c->registrations, x->service, x->now, &before);
        if (r < 0)
                return r;
        snprintf(what, sizeof(what), "%s of %s by user %u", x->call->method->name, x->service, (unsigned) x->call->peer->uid);
        r = c->apply(c->userdata, what, api_collect_change, changes);
        if (r < 0) {
                registrations_exchange(c->registrations, x->service, before, &x->now);
                return refuse(x, ERROR_BUSY, "", "it cannot be put in force: %s",
                              r == -EINVAL ? "the file was loaded anew meanwhile, and it does not fit" : strerror(-r));
        }
        x->now = before;
        return 0;
}

/* The store has got so far, or nobody has to wait for it any more. */
static void finish(RegistrationChange *x) {
        const ApiConfigurator *c = x->call->api->configurator;
        ApiChanges changes = { .arena = x->call->arena };
        StoreStatus status;
        uint64_t generation;
        int r;

        if (c->store->functions->committed(c->store) >= x->generation)
                r = put_in_force(x, &changes);
        else {
                c->store->functions->status(c->store, &status);
                r = refuse(x, ERROR_BUSY, "", "it cannot be stored: %s", status.trouble[0] ? status.trouble : "the disk does not answer");
        }
        if (r == 0) {
                answer(x, &changes);
                return;
        }
        fail_change(x, r);
        /* What is on the disk, or on its way there, must not be in force after the next start. */
        (void) registrations_put(c->registrations, c->store, &generation);
}

/* ---- one after the other ---- */

static RegistrationChange *take_first(Registrar *g) {
        RegistrationChange *x = g->first;

        g->first = x->next;
        if (!g->first)
                g->last = NULL;
        return x;
}

static void start_next(Registrar *g) {
        while (g->first) {
                int r = start(g->first);
                if (r == 0)
                        break;
                RegistrationChange *x = take_first(g);
                if (r < 0)
                        fail_change(x, r);
                else
                        answer(x, &(ApiChanges) {});
        }
}

static void release(ApiHolder *holder, ApiBarrier released) {
        Registrar *g = container_of(holder, Registrar, holder);
        RegistrationChange *x = g->first;

        if (!x || x->generation > released.generation)
                return;
        Api *api = x->call->api;
        take_first(g);
        finish(x);
        start_next(g);
        api_dispatch_effects(api, api_now_ns());
}

void registrar_init(Registrar *g, Api *api) {
        g->holder.release = release;
        api_add_holder(api, &g->holder);
}

void registrar_done(Registrar *g) {
        while (g->first) {
                RegistrationChange *x = take_first(g);
                refuse(x, ERROR_BUSY, "", "the daemon stops");
                fail_change(x, -ECANCELED);
        }
}

static int change(ApiCall *call, const char *service, const ServiceSettings *settings, unsigned part) {
        Registrar *g = &call->api->registrar;
        int r = 0;

        if (!call->api->configurator || !call->api->configurator->store)
                return api_fail(call, ERROR_BUSY, .reason = "the stored registrations could not be read at the start, and are not to be "
                                                            "written over");
        RegistrationChange *x = calloc(1, sizeof(RegistrationChange));
        if (!x)
                return -ENOMEM;
        *x = (RegistrationChange) { .call = call, .service = service, .settings = *settings, .part = part };
        x->settings.name = (char *) service;
        if (!g->first)
                r = start(x);
        if (r == 0) {
                if (g->last)
                        g->last->next = x;
                else
                        g->first = x;
                g->last = x;
                return api_defer(call);
        }
        if (r < 0)
                fail_change(x, r);
        else
                answer(x, &(ApiChanges) {});
        return 0;
}

/* ---- the methods ---- */

int api_register_traffic_distribution(ApiCall *call, const void *in) {
        const RegisterIn *q = in;
        ServiceSettings s = q->distribution->settings;

        shorten_ids(q->service_name, &s);
        return change(call, q->service_name, &s, REGISTERED_DISTRIBUTION);
}

int api_register_budget_allocation(ApiCall *call, const void *in) {
        const RegisterIn *q = in;

        return change(call, q->service_name, q->allocation, REGISTERED_ALLOCATION);
}

int api_unregister_traffic_distribution(ApiCall *call, const void *in) {
        const RegisterIn *q = in;

        return change(call, q->service_name, &(ServiceSettings) {}, 0);
}
