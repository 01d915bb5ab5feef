/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mapped file for the open decisions, in a folder that lives as long as the machine runs (on tmpfs, so nothing ever
 * waits for it). A daemon that was killed finds in it what it promised; after a reboot there is nobody left to report.
 */
#pragma once

#include <stddef.h>

typedef struct LeaseFile LeaseFile;

/* "leases" in that folder, with room for size bytes, or for more if it was longer. What an earlier boot left is emptied.
 * -EWOULDBLOCK: another daemon uses it. Other errnos: it cannot be used, or is no file of ours (-EPERM). */
int lease_file_open(LeaseFile **ret, const char *folder, size_t size);
/* The bytes in the file stay. */
LeaseFile *lease_file_close(LeaseFile *f);

/* Aligned to 64; and how many bytes there are. */
void *lease_file_memory(LeaseFile *f);
size_t lease_file_size(const LeaseFile *f);
/* No more than size bytes are used from now on. */
void lease_file_trim(LeaseFile *f, size_t size);
/* Takes room for those bytes, since writing to a page that a full folder has none for would be the end. userdata: the file. */
int lease_file_prepare(void *userdata, size_t offset, size_t size);
