/* SPDX-License-Identifier: Apache-2.0 */
/* Takes secrets out of text that is about to be logged, stored or shown. */
#pragma once

#include <stdbool.h>

/*
 * Overwrites in place what looks like a credential by "***": the values of key=, apikey=, api_key=, access_token= and
 * token=, what follows "Bearer ", user and password in a URL, and keys that are known by their beginning (Stripe, Samsara, Mapbox, Google). The
 * text never becomes longer.
 */
void scrub_secrets(char *text);

/* Whether what bears that name is a secret as a whole: "Authorization", "api_key", "password", "Set-Cookie", … */
bool is_secret_name(const char *name);
