/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was registered through the API, and what it makes of the settings of the file: a registered distribution takes the place
 * of the file's, and so does a registered allocation; of what is not registered the file's holds. Does no I/O.
 */
#pragma once

#include "daemon/config/config.h"

enum { REGISTERED_DISTRIBUTION = 1 << 0, REGISTERED_ALLOCATION = 1 << 1 };

/* What is wrong, and with which service. */
typedef struct RegistrationFault {
        char service[SERVICE_NAME_MAX + 1];
        char field[160];  /* as in the API, e.g. "distribution.nodes[0].weight" */
        char reason[512]; /* to be read after it */
} RegistrationFault;

typedef struct Registration {
        ServiceSettings given;    /* as registered; only the registered parts mean anything */
        ServiceSettings complete; /* with what the providers know */
        RegistrationFault fault;  /* what a provider found wrong with it; reason is "" if nothing */
        unsigned parts;
        bool suspended;           /* it did not fit the file at the start: not in force until it is registered anew */
} Registration;

typedef struct Registrations Registrations;

int registrations_new(Registrations **ret, ConfigFindProvider find, void *userdata);
Registrations *registrations_free(Registrations *r);
/* The same registrations, with what other providers know. */
int registrations_copy(Registrations **ret, const Registrations *r, ConfigFindProvider find, void *userdata);
size_t registrations_n(const Registrations *r);
const Registration *registrations_get(const Registrations *r, size_t i); /* in the order of names */
const Registration *registrations_find(const Registrations *r, const char *service); /* or NULL */

/* A registration like `before` (NULL: none) with that part of a service in place of its own. Copies what it needs. */
int registration_new(Registration **ret, const Registrations *r, const Registration *before, const ServiceSettings *s, unsigned part);
Registration *registration_free(Registration *g);
/* Puts one in (NULL: takes out) under a service's name and hands out what was there, or NULL. -ENOMEM only if none was there before. */
int registrations_exchange(Registrations *r, const char *service, Registration *now, Registration **ret_before);
void registrations_suspend(Registrations *r, const char *service);

/*
 * The settings to put in force. *ret borrows from the file's and the registrations': only the array ret->services is to be freed.
 * -EINVAL: a registered service has a mistake or is over a limit; the first one is in *ret_fault.
 */
int registrations_merge(const Registrations *r, const Settings *file, const RouterLimits *limits, Settings *ret,
                        RegistrationFault *ret_fault);
