/* SPDX-License-Identifier: Apache-2.0 */
/* Probe requests hold "{credential}" where the secret goes, so that nobody but the prober need know it. */
#pragma once

#include <stdbool.h>

#define CREDENTIAL_PLACEHOLDER "{credential}"

bool template_wants_credential(const char *t); /* NULL: no */

/* A copy of t with the secret in each place; percent_encode: as a URL wants it (RFC 3986: all but the unreserved). The
 * result is itself a secret: secret_free(). */
int template_fill(const char *t, const char *secret, bool percent_encode, char **ret);
