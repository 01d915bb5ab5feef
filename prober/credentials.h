/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials by name: a file each in one folder. A file is read anew for every probe, so that a rotated credential is used
 * at once and no secret lies in memory between probes. Logs nothing.
 */
#pragma once

#include "basic/macro.h"

#define CREDENTIAL_SIZE_MAX 8192 /* bytes */
#define CREDENTIAL_NAME_MAX 255

typedef struct Credentials Credentials;

/* directory: a folder whose files only we and root may read; NULL: systemd's ($CREDENTIALS_DIRECTORY), and if there is none,
 * every credential is missing. */
int credentials_open(const char *directory, Credentials **ret);
Credentials *credentials_close(Credentials *c);
DEFINE_CLEANUP(Credentials *, credentials_close);

/* *ret: the secret, without a newline at its end; secret_free(). On failure *ret_why says in words what is wrong with the file. */
int credentials_read(const Credentials *c, const char *name, char **ret, const char **ret_why);

/* Letters, digits, and _ - . but no dot in front: names a file, never a path; fit for a log line. */
int credential_name_is_valid(const char *name);
