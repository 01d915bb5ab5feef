/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config/registrations.h"

#include <errno.h>

#include "basic/macro.h"

struct Registrations {
        Registration **entries; /* by name */
        size_t n, allocated;
        ConfigFindProvider find;
        void *userdata;
};

int registrations_new(Registrations **ret, ConfigFindProvider find, void *userdata) {
        Registrations *r = calloc(1, sizeof(Registrations));

        if (!r)
                return -ENOMEM;
        r->find = find;
        r->userdata = userdata;
        *ret = r;
        return 0;
}

Registrations *registrations_free(Registrations *r) {
        if (!r)
                return NULL;
        for (size_t i = 0; i < r->n; i++)
                registration_free(r->entries[i]);
        free(r->entries);
        free(r);
        return NULL;
}

size_t registrations_n(const Registrations *r) {
        return r->n;
}

const Registration *registrations_get(const Registrations *r, size_t i) {
        return r->entries[i];
}

/* Where the name is, or would be. */
static bool find_place(const Registrations *r, const char *service, size_t *ret) {
        size_t lo = 0, hi = r->n;

        while (lo < hi) {
                size_t mid = lo + (hi - lo) / 2;
                int order = strcmp(r->entries[mid]->given.name, service);
                if (order == 0) {
                        *ret = mid;
                        return true;
                }
                if (order < 0)
                        lo = mid + 1;
                else
                        hi = mid;
        }
        *ret = lo;
        return false;
}

const Registration *registrations_find(const Registrations *r, const char *service) {
        size_t i;

        return find_place(r, service, &i) ? r->entries[i] : NULL;
}

int registrations_exchange(Registrations *r, const char *service, Registration *now, Registration **ret_before) {
        size_t i;

        if (find_place(r, service, &i)) {
                *ret_before = r->entries[i];
                if (now)
                        r->entries[i] = now;
                else
                        memmove(r->entries + i, r->entries + i + 1, (--r->n - i) * sizeof(*r->entries));
                return 0;
        }
        if (now && r->n == r->allocated) {
                size_t want = MAX(2 * r->allocated, (size_t) 8);
                Registration **more = realloc(r->entries, want * sizeof(*more));
                if (!more)
                        return -ENOMEM;
                r->entries = more;
                r->allocated = want;
        }
        *ret_before = NULL;
        if (now) {
                memmove(r->entries + i + 1, r->entries + i, (r->n++ - i) * sizeof(*r->entries));
                r->entries[i] = now;
        }
        return 0;
}

void registrations_suspend(Registrations *r, const char *service) {
        size_t i;

        if (find_place(r, service, &i))
                r->entries[i]->suspended = true;
}

/* ---- one of them ---- */

Registration *registration_free(Registration *g) {
        if (!g)
                return NULL;
        service_settings_done(&g->given);
        service_settings_done(&g->complete);
        free(g);
        return NULL;
}

static void copy_allocation(const ServiceSettings *from, ServiceSettings *to) {
        to->total_budget = from->total_budget;
        to->budget_period = from->budget_period;
        memcpy(to->tier_price, from->tier_price, sizeof(to->tier_price));
        to->emergency_multiplier = from->emergency_multiplier;
}

/* The two parts of a service; either may be NULL. Borrows. */
static ServiceSettings compose(const ServiceSettings *distribution, const ServiceSettings *allocation) {
        ServiceSettings s;

        if (distribution)
                s = *distribution;
        else
                service_settings_init(&s);
        if (allocation)
                copy_allocation(allocation, &s);
        return s;
}

static void ignore(void *userdata _unused_, const char *field _unused_, const char *message _unused_) {
}

static void keep_first(void *userdata, const char *field, const char *message) {
        RegistrationFault *fault = userdata;

        if (fault->reason[0])
                return;
        snprintf(fault->field, sizeof(fault->field), "distribution.%s", field);
        snprintf(fault->reason, sizeof(fault->reason), "%s", message);
}

static int make(Registration **ret, const Registrations *r, const ServiceSettings *given, unsigned parts) {
        Registration *g = calloc(1, sizeof(Registration));

        if (!g)
                return -ENOMEM;
        g->parts = parts;
        int k = service_settings_copy(given, &g->given);
        if (k == 0)
                k = service_settings_copy(given, &g->complete);
        /* Providers are asked only about what is right as far as one can see without them; the rest fails when it is merged. */
        if (k == 0 && parts & REGISTERED_DISTRIBUTION)
                k = service_settings_check(given, SPELLING_API, ignore, NULL);
        if (k == 0)
                k = service_settings_complete(&g->complete, r->find, r->userdata, SPELLING_API, keep_first, &g->fault);
        if (k < 0) {
                registration_free(g);
                return k;
        }
        *ret = g;
        return 0;
}

int registration_new(Registration **ret, const Registrations *r, const Registration *before, const ServiceSettings *s, unsigned part) {
        unsigned parts = (before ? before->parts : 0) | part;
        const ServiceSettings *was = before ? &before->given : NULL;
        ServiceSettings given = part == REGISTERED_DISTRIBUTION ? compose(s, parts & REGISTERED_ALLOCATION ? was : NULL)
                                                                : compose(was, s);

        given.name = s->name;
        given.origin = ORIGIN_REGISTERED;
        return make(ret, r, &given, parts);
}

int registrations_copy(Registrations **ret, const Registrations *r, ConfigFindProvider find, void *userdata) {
        Registrations *copy = NULL;

        int k = registrations_new(&copy, find, userdata);
        for (size_t i = 0; i < r->n && k == 0; i++) {
                Registration *g, *none;
                k = make(&g, copy, &r->entries[i]->given, r->entries[i]->parts);
                if (k < 0)
                        break;
                g->suspended = r->entries[i]->suspended;
                k = registrations_exchange(copy, g->given.name, g, &none);
                if (k < 0)
                        registration_free(g);
        }
        if (k < 0) {
                registrations_free(copy);
                return k;
        }
        *ret = copy;
        return 0;
}

/* ---- over the file ---- */

typedef struct Merging {
        const RouterLimits *limits;
        RegistrationFault *fault;
        Settings out;
        size_t nodes;
        bool failed;
} Merging;

/* file: NULL: it has no such service. */
static void add_registered(Merging *m, const Registration *g, const ServiceSettings *file) {
        const ServiceSettings *distribution = g->parts & REGISTERED_DISTRIBUTION ? &g->complete : file;

        if (!distribution) /* a budget for a service that is not there any more waits for it */
                return;
        ServiceSettings s = compose(distribution, g->parts & REGISTERED_ALLOCATION ? &g->complete : file);
        s.name = g->given.name;
        s.origin = ORIGIN_REGISTERED;
        m->out.services[m->out.n_services++] = s;
        m->nodes += s.n_nodes;
}

static void complain(void *userdata, const char *field, const char *message) {
        static const char *const of_allocation[] = { "totalBudget", "budgetPeriod", "costTiers", "emergencyMultiplier" };
        Merging *m = userdata;
        const char *part = streq(field, "serviceName") ? "" : "distribution.";

        if (m->failed)
                return;
        for (size_t i = 0; i < ELEMENTSOF(of_allocation); i++)
                if (strncmp(field, of_allocation[i], strlen(of_allocation[i])) == 0)
                        part = "allocation.";
        m->failed = true;
        snprintf(m->fault->field, sizeof(m->fault->field), "%s%s", part, field);
        snprintf(m->fault->reason, sizeof(m->fault->reason), "%s", message);
}

static void check_limits(Merging *m, const ServiceSettings *s) {
        const RouterLimits *limits = m->limits;
        char message[160];

        if (m->out.n_services > limits->services) {
                snprintf(message, sizeof(message), "would make it %zu services; limits.services allows %u", m->out.n_services,
                         limits->services);
                complain(m, "serviceName", message);
        } else if (s->n_nodes > limits->nodes_per_service) {
                snprintf(message, sizeof(message), "has %zu nodes; limits.nodes_per_service allows %u", s->n_nodes,
                         limits->nodes_per_service);
                complain(m, "nodes", message);
        } else if (m->nodes > limits->nodes) {
                snprintf(message, sizeof(message), "would make it %zu nodes in all; limits.nodes allows %u", m->nodes, limits->nodes);
                complain(m, "nodes", message);
        }
}

/* What is registered was checked when it was, but the file that it lies over may have changed since. */
static int check(Merging *m, const Registrations *registrations) {
        for (size_t i = 0; i < m->out.n_services; i++) {
                const ServiceSettings *s = &m->out.services[i];

                if (s->origin != ORIGIN_REGISTERED)
                        continue;
                int r = service_settings_check(s, SPELLING_API, complain, m);
                if (r < 0)
                        return r;
                check_limits(m, s);
                const Registration *g = registrations_find(registrations, s->name);
                if (!m->failed && g && g->fault.reason[0]) {
                        *m->fault = g->fault;
                        m->failed = true;
                }
                if (m->failed) {
                        snprintf(m->fault->service, sizeof(m->fault->service), "%s", s->name);
                        return -EINVAL;
                }
        }
        return 0;
}

int registrations_merge(const Registrations *r, const Settings *file, const RouterLimits *limits, Settings *ret,
                        RegistrationFault *ret_fault) {
        Merging m = { .limits = limits, .fault = ret_fault, .out.services = calloc(file->n_services + r->n + 1, sizeof(ServiceSettings)) };
        _cleanup_free_ bool *in_file = calloc(r->n + 1, sizeof(bool));
        size_t place;

        *ret_fault = (RegistrationFault) {};
        if (!m.out.services || !in_file) {
                free(m.out.services);
                return -ENOMEM;
        }
        for (size_t i = 0; i < file->n_services; i++)
                if (find_place(r, file->services[i].name, &place) && !r->entries[place]->suspended) {
                        in_file[place] = true;
                        add_registered(&m, r->entries[place], &file->services[i]);
                } else {
                        m.out.services[m.out.n_services++] = file->services[i];
                        m.nodes += file->services[i].n_nodes;
                }
        for (size_t i = 0; i < r->n; i++)
                if (!in_file[i] && !r->entries[i]->suspended)
                        add_registered(&m, r->entries[i], NULL);
        int k = check(&m, r);
        if (k < 0) {
                free(m.out.services);
                return k;
        }
        *ret = m.out;
        return 0;
}
