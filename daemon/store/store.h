/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must survive a restart, as documents by name. A table of functions, so that something other than files can hold them.
 *
 * Writing waits for the disk. That is for what an admin does now and then, not for what happens with every call.
 */
#pragma once

#include <stddef.h>

#define STORE_DOCUMENT_MAX (64u << 20) /* bytes */

typedef struct Store Store;

typedef struct StoreFunctions {
        /* The whole text, with a NUL behind it, to be freed. -ENOENT: there is none. -EFBIG: over the limit. */
        int (*read)(Store *s, const char *name, char **ret, size_t *ret_size);
        /* All or nothing, and on the disk when it returns 0. */
        int (*write)(Store *s, const char *name, const char *text, size_t size);
        /* Keeps what cannot be understood under another name, which goes to ret_where (to be freed); then there is none. */
        int (*set_aside)(Store *s, const char *name, char **ret_where);
        void (*free)(Store *s);
} StoreFunctions;

struct Store {
        const StoreFunctions *functions;
};

/* Files of that folder, NAME.json each. It need not exist before something is written. */
int store_file_new(Store **ret, const char *folder);

static inline Store *store_free(Store *s) {
        if (s)
                s->functions->free(s);
        return NULL;
}
