/* SPDX-License-Identifier: Apache-2.0 */
#include "prober/template.h"

#include <errno.h>

#include "basic/macro.h"

static bool is_unreserved(unsigned char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c && strchr("-._~", c));
}

bool template_wants_credential(const char *t) {
        return t && strstr(t, CREDENTIAL_PLACEHOLDER);
}

/* Writes the secret at p, or only counts if p is NULL. Returns its length there. */
static size_t put_secret(char *p, const char *secret, bool percent_encode) {
        static const char digits[] = "0123456789ABCDEF";
        size_t n = 0;

        for (const unsigned char *s = (const unsigned char *) secret; *s; s++) {
                const char encoded[] = { '%', digits[*s >> 4], digits[*s & 15] };
                bool plain = !percent_encode || is_unreserved(*s);
                size_t size = plain ? 1 : sizeof(encoded);
                if (p)
                        memcpy(p + n, plain ? (const char *) s : encoded, size);
                n += size;
        }
        return n;
}

int template_fill(const char *t, const char *secret, bool percent_encode, char **ret) {
        const size_t placeholder = strlen(CREDENTIAL_PLACEHOLDER);
        size_t size = strlen(t) + 1;
        char *filled, *out;

        /* Counted first and allocated once: no half-grown copy of a secret stays behind. */
        for (const char *p = t; (p = strstr(p, CREDENTIAL_PLACEHOLDER)); p += placeholder)
                size += put_secret(NULL, secret, percent_encode);
        filled = out = malloc(size);
        if (!filled)
                return -ENOMEM;
        for (const char *p; (p = strstr(t, CREDENTIAL_PLACEHOLDER)); t = p + placeholder) {
                memcpy(out, t, (size_t) (p - t));
                out += p - t;
                out += put_secret(out, secret, percent_encode);
        }
        strcpy(out, t);
        *ret = filled;
        return 0;
}
