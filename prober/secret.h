/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that holds secrets, which is zeroed before it is given back. */
#pragma once

#include "basic/macro.h"

/* free(), realloc() and strndup() that leave nothing behind in the heap. */
void secret_release(void *p);
void *secret_realloc(void *p, size_t size);

/* Accepts NULL, returns NULL. */
char *secret_free(char *s);
DEFINE_CLEANUP(char *, secret_free);

/* Overwrites every occurrence of secret in text with asterisks, also where it is percent-encoded. */
void secret_scrub(char *text, size_t size, const char *secret);
