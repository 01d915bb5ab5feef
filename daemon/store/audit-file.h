/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit log on disk: audit.jsonl in a folder, beside it the files before it, named by the serial of their first
 * line (audit-00000000000000000001.jsonl), so that names sort by age. All of them are one chain (chain.h). Not for more
 * than one thread.
 *
 * A line that a crash has torn is cut off, and kept in a line of kind "recovered" that takes its place.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "basic/json.h"
#include "daemon/store/chain.h"

/* The longest line. */
#define AUDIT_LINE_MAX ((size_t) 1024 * 1024)

typedef struct AuditLimits {
        size_t max_size;     /* bytes; a larger file is followed by a new one */
        uint64_t max_age_ns; /* since its first line; 0: any */
        uint32_t keep;       /* files before the current one */
} AuditLimits;

typedef struct AuditFile {
        char *path; /* of the folder */
        AuditLimits limits;
        int folder_fd, fd;
        bool known;              /* mark says where the chain stands; otherwise the files have to */
        bool torn;               /* torn_text waits to be recorded */
        AuditMark mark, written; /* with and without what is in the buffer */
        uint64_t size;           /* of the file, without the buffer */
        uint64_t first_serial;   /* of the file */
        uint64_t started_utc_ns; /* of the file */
        dev_t device;            /* which the file is */
        ino_t inode;
        JsonWriter buffer;
        char *torn_text;
        size_t n_torn;           /* bytes that were torn; of them torn_text holds the beginning */
} AuditFile;

int audit_file_init(AuditFile *f, const char *folder);
void audit_file_done(AuditFile *f);

/* Makes the folder and the file if there are none, and finds the end of the chain. Does nothing if all of it is open
 * and in place. -EWOULDBLOCK: another process writes there. */
int audit_file_open(AuditFile *f, uint64_t utc_ns);
/* Whether a line of that length should go into a new file. */
bool audit_file_is_full(const AuditFile *f, size_t n, uint64_t utc_ns);
/* Starts a new file, of an open one whose buffer is empty, and removes those that are too many. */
int audit_file_rotate(AuditFile *f, uint64_t utc_ns);
/* Adds a line to the buffer of an open file. text: the members of the object, behind its serial. */
int audit_file_append(AuditFile *f, const char *text, size_t n);
/* Writes the buffer, and makes sure that it has reached the disk. After a failure it is as if nothing had been appended
 * since the last success. */
int audit_file_flush(AuditFile *f, bool sync);
