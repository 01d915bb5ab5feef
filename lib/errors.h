/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A sentence for people about an error of the daemon, to be freed; NULL: out of memory. parameters: a JSON object as text. */
char *error_sentence(const char *name, const char *parameters);
