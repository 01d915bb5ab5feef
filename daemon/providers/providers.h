/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads provider plugins and calls them. A plugin that cannot be loaded is kept in the list with the reason, in words
 * that say what to do; the others load all the same. Logs nothing.
 */
#pragma once

#include "daemon/core/router.h"

typedef struct Providers Providers;

typedef struct ProviderInfo {
        const char *name, *title, *version, *path; /* not loaded: name from the file's name, title and version "" */
        int abi;
        const struct pm_provider *provider; /* NULL: not loaded */
        const char *error;                  /* or NULL */
} ProviderInfo;

/* Loads every *.so in directory, in order of name. -ENOENT: no such folder, …; no plugin ever fails the call. */
int providers_load(const char *directory, Providers **ret);
Providers *providers_free(Providers *p);

size_t providers_n(const Providers *p);
const ProviderInfo *providers_get(const Providers *p, size_t i);
const struct pm_provider *providers_find(const Providers *p, const char *name); /* NULL: unknown or not loaded */
const struct pm_operation *provider_operation(const struct pm_provider *p, const char *name);

/* The longest wait that a vendor may ask for (300 s). */
#define RETRY_AFTER_MAX_NS (300 * NSEC_PER_SEC)

/*
 * What a response or the lack of one means. error: _CALL_ERROR_INVALID if there was none. No HTTP response, or a
 * success that broke off, is network_issue, or not_sent or (canceled) unknown by `error`. Else the plugin says;
 * without one, the rules of HTTP alone apply. Waits are capped; nonsense from a plugin (values out of range,
 * unterminated text) becomes unknown; reasons are scrubbed of secrets and name the request's id; what concerns an
 * operation that nobody named concerns the node. A body that the caller did not give is NULL: an empty one is a
 * success that lacks its body. Never fails.
 */
void providers_classify(const struct pm_provider *p, const struct pm_response *response, CallError error,
                        struct pm_classification *ret);
