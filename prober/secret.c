/* SPDX-License-Identifier: Apache-2.0 */
#include "prober/secret.h"

#include <malloc.h>

#include "prober/template.h"

void secret_release(void *p) {
        if (p)
                explicit_bzero(p, malloc_usable_size(p));
        free(p);
}

void *secret_realloc(void *p, size_t size) {
        /* realloc() may move a block and leave its old place as it was. */
        void *moved = malloc(size);
        if (moved && p) {
                memcpy(moved, p, MIN(size, malloc_usable_size(p)));
                secret_release(p);
        }
        return moved;
}

char *secret_free(char *s) {
        secret_release(s);
        return NULL;
}

static void scrub(char *text, size_t size, const char *what) {
        size_t n = strlen(what);

        for (char *p = text; n > 0 && (p = memmem(p, size - (size_t) (p - text), what, n)); p += n)
                memset(p, '*', n);
}

void secret_scrub(char *text, size_t size, const char *secret) {
        _cleanup_(secret_freep) char *encoded = NULL;

        if (!secret)
                return;
        scrub(text, size, secret);
        if (template_fill(CREDENTIAL_PLACEHOLDER, secret, true, &encoded) >= 0)
                scrub(text, size, encoded);
        else
                memset(text, '*', size); /* no memory to look closer */
}
