/* SPDX-License-Identifier: Apache-2.0 */
/* A provider as the brain uses it: with tables that nobody needs to check again, and perhaps made from a node's options. */
#pragma once

#include "daemon/core/settings.h"

/*
 * What is wrong with the tables of a provider of this ABI that was loaded from <file>.so, in words that say what to do;
 * NULL: nothing. To be freed. Out of memory counts as wrong, too.
 */
char *provider_check(const struct pm_provider *p, const char *file);

/* What a plugin made of a node's options. Whoever holds a reference may use its provider; the plugin must stay loaded. */
struct ProviderInstance {
        const struct pm_provider *plugin, *provider;
        unsigned n_refs;
};

/* -EINVAL: the options are wrong, which was said to complain. -ENOMEM. */
int provider_instance_new(const struct pm_provider *plugin, const struct pm_option *options, size_t n,
                          pm_complain complain, void *userdata, ProviderInstance **ret);
ProviderInstance *provider_instance_ref(ProviderInstance *i);
ProviderInstance *provider_instance_unref(ProviderInstance *i);
