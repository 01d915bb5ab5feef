/* SPDX-License-Identifier: Apache-2.0 */
/* RegisterTrafficDistribution, RegisterBudgetAllocation, UnregisterTrafficDistribution. */
#include "daemon/api/registration.h"

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

/* A file may name a provider that is installed later; who registers is there to be told. True: the call has been failed. */
static bool lacks_provider(ApiCall *call, const Registration *g) {
        for (size_t i = 0; g && g->parts & REGISTERED_DISTRIBUTION && i < g->complete.n_nodes; i++) {
                const NodeSettings *n = &g->complete.nodes[i];
                char field[64], reason[160];

                if (n->provider)
                        continue;
                snprintf(field, sizeof(field), "distribution.nodes[%zu].provider", i);
                snprintf(reason, sizeof(reason), "is \"%.64s\"; must be a provider that is loaded (see ListProviders)", n->provider_name);
                api_fail(call, ERROR_INVALID_CONFIGURATION, .field = field, .reason = reason);
                return true;
        }
        return false;
}

static int fail_for(ApiCall *call, const char *what, int error) {
        char reason[160];

        snprintf(reason, sizeof(reason), "%s: %s", what, strerror(-error));
        api_fail(call, ERROR_BUSY, .reason = reason);
        return 1;
}

/* Checked whole, then on the disk, then in force. Positive: the call has been failed. */
static int put_in_force(ApiCall *call, const char *service, ApiChanges *changes) {
        const ApiConfigurator *c = call->api->configurator;
        RegistrationFault fault;
        char what[160];

        int r = c->check(c->userdata, &fault);
        if (r == -EINVAL) {
                api_fail(call, ERROR_INVALID_CONFIGURATION, .field = fault.field, .reason = fault.reason);
                return 1;
        }
        if (r < 0)
                return r;
        if (lacks_provider(call, registrations_find(c->registrations, service)))
                return 1;
        r = registrations_save(c->registrations, c->store);
        if (r < 0)
                return fail_for(call, "it cannot be stored", r);
        snprintf(what, sizeof(what), "%s of %s by user %u", call->method->name, service, (unsigned) call->peer->uid);
        r = c->apply(c->userdata, what, api_collect_change, changes);
        return r < 0 ? fail_for(call, "it cannot be put in force", r) : 0;
}

/* Takes over `now` (NULL: nothing is registered any more). All or nothing. */
static int change_registration(ApiCall *call, const char *service, Registration *now, ApiChanges *changes) {
        const ApiConfigurator *c = call->api->configurator;
        Registration *before, *undone;

        int r = registrations_exchange(c->registrations, service, now, &before);
        if (r < 0) {
                registration_free(now);
                return r;
        }
        r = put_in_force(call, service, changes);
        if (r == 0) {
                registration_free(before);
                return changes->failed ? -ENOMEM : 0;
        }
        registrations_exchange(c->registrations, service, before, &undone);
        registration_free(undone);
        /* It may be on the disk already, or half so as far as we know. */
        registrations_save(c->registrations, c->store);
        return r;
}

static bool can_register(ApiCall *call) {
        if (call->api->configurator && call->api->configurator->store)
                return true;
        api_fail(call, ERROR_BUSY, .reason = "the stored registrations could not be read at the start, and are not to be written over");
        return false;
}

static int register_part(ApiCall *call, const char *service, const ServiceSettings *s, unsigned part) {
        Registrations *registrations = call->api->configurator->registrations;
        RegisterOut out = { .changes = { .arena = call->arena } };
        Registration *now;

        int r = registration_new(&now, registrations, registrations_find(registrations, service), s, part);
        if (r < 0)
                return r;
        r = change_registration(call, service, now, &out.changes);
        if (r != 0)
                return r < 0 ? r : 0;
        r = api_collect_service(call->api, call->arena, router_find_service(call->api->router, service), call->now_ns, &out.service);
        return r < 0 ? r : api_reply(call, &out);
}

int api_register_traffic_distribution(ApiCall *call, const void *in) {
        const RegisterIn *q = in;
        ServiceSettings s = q->distribution->settings;

        if (!can_register(call))
                return 0;
        s.name = (char *) q->service_name;
        shorten_ids(s.name, &s);
        return register_part(call, s.name, &s, REGISTERED_DISTRIBUTION);
}

int api_register_budget_allocation(ApiCall *call, const void *in) {
        const RegisterIn *q = in;
        ServiceSettings s = *q->allocation;

        if (!can_register(call))
                return 0;
        if (!router_find_service(call->api->router, q->service_name))
                return api_fail(call, ERROR_NO_SUCH_SERVICE, .service_name = q->service_name);
        s.name = (char *) q->service_name;
        return register_part(call, s.name, &s, REGISTERED_ALLOCATION);
}

int api_unregister_traffic_distribution(ApiCall *call, const void *in) {
        const RegisterIn *q = in;
        ApiChanges changes = { .arena = call->arena };

        if (!can_register(call))
                return 0;
        if (registrations_find(call->api->configurator->registrations, q->service_name)) {
                int r = change_registration(call, q->service_name, NULL, &changes);
                if (r != 0)
                        return r < 0 ? r : 0;
        } else if (!router_find_service(call->api->router, q->service_name))
                return api_fail(call, ERROR_NO_SUCH_SERVICE, .service_name = q->service_name);
        return api_reply(call, &changes);
}
