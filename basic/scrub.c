/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <strings.h>

#include "basic/macro.h"
#include "basic/scrub.h"

/* What is before a secret and stays readable. The names of parameters count in any case. */
static const char *const introductions[] = {
        "access_token=", "api_key=", "apikey=", "key=", "token=", "bearer ",
};

/* How secrets themselves begin. Case matters, and so does that a word begins there. */
static const char *const beginnings[] = {
        "sk_", "rk_", "samsara_api_", "AIza", "pk.ey", "sk.ey", "tk.ey",
};

static bool is_word(char c) {
        return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_';
}

/* How much of the text at p is what precedes a secret; 0: none begins here. */
static size_t secret_at(const char *text, const char *p, size_t *ret_kept) {
        /* Most characters begin nothing, and this runs over every text that is recorded. */
        char lower = *p >= 'A' && *p <= 'Z' ? (char) (*p | 0x20) : *p;

        for (size_t i = 0; i < ELEMENTSOF(introductions); i++)
                if (lower == introductions[i][0] && strncasecmp(p, introductions[i], strlen(introductions[i])) == 0)
                        return *ret_kept = strlen(introductions[i]);
        if (p > text && is_word(p[-1]))
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(beginnings); i++)
                if (*p == beginnings[i][0] && strncmp(p, beginnings[i], strlen(beginnings[i])) == 0) {
                        *ret_kept = 0;
                        return 1;
                }
        return 0;
}

/* How much of the text at p is "://USER:PASSWORD" with an @ behind it; 0: none of it. */
static size_t user_at(const char *p) {
        size_t n = 0;

        if (strncmp(p, "://", 3) != 0)
                return 0;
        for (size_t i = 3; p[i] && !strchr("/?# \t\r\n\"'<>", p[i]); i++)
                if (p[i] == '@')
                        n = i;
        return n > 3 ? n : 0;
}

bool is_secret_name(const char *name) {
        static const char *const parts[] = { "auth", "cookie", "credential", "key", "passw", "secret", "token" };

        for (size_t i = 0; i < ELEMENTSOF(parts); i++)
                if (strcasestr(name, parts[i]))
                        return true;
        return false;
}

void scrub_secrets(char *text) {
        char *to = text, *p = text;

        while (*p) {
                size_t kept, n = user_at(p);

                if (n > 0) {
                        memmove(to, "://***", MIN(n, (size_t) 6));
                        to += MIN(n, (size_t) 6);
                        p += n;
                        continue;
                }
                if (secret_at(text, p, &kept) == 0) {
                        *to++ = *p++;
                        continue;
                }
                memmove(to, p, kept);
                to += kept;
                p += kept;
                n = strcspn(p, " \t\r\n&\"'<>(),;");
                memset(to, '*', MIN(n, (size_t) 3));
                to += MIN(n, (size_t) 3);
                p += n;
        }
        *to = 0;
}
