/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit log: records go into a bounded queue, and a thread of its own writes them (audit-file.h), so that nobody
 * waits for a disk. Of management actions each batch is on the disk before the next one is written; when the queue is
 * full, or the disk is, decisions are dropped first. What was dropped is counted, and the count is recorded as soon as
 * something can be.
 */
#pragma once

#include "daemon/store/audit-file.h"

/* What a record is worth. */
typedef enum AuditClass {
        AUDIT_MANAGEMENT, /* kept until it is written, as long as the queue has room */
        AUDIT_DECISION,   /* dropped while nothing can be written, and when half of the queue is full */
        AUDIT_REFUSAL,    /* of a call: not recorded because its user had too many (audit_count_lost() alone) */
        _AUDIT_CLASS_MAX
} AuditClass;

typedef struct AuditRecord {
        AuditClass class;
        const char *text; /* the members of a JSON object, without its braces; at most AUDIT_RECORD_MAX bytes */
        size_t n;
        /* Fields for the journal, "NAME=value" each with its NUL, one behind the other; NULL: it is not for the
         * journal. The record's serial and hash are added. */
        const char *journal;
        size_t n_journal; /* bytes */
} AuditRecord;

#define AUDIT_RECORD_MAX (AUDIT_LINE_MAX - 1024)

typedef struct AuditStatus {
        int error;           /* 0: all is well; or what stands in the way. -ETIMEDOUT: the disk does not answer */
        uint64_t waiting;    /* records not yet written */
        uint64_t serial;     /* of the last one that is */
        uint64_t lost[_AUDIT_CLASS_MAX]; /* since the start */
} AuditStatus;

typedef struct Audit Audit;

/* folder: made when it is first written to. */
int audit_new(Audit **ret, const char *folder, const AuditLimits *limits);
/* Writes what waits, if it can, and ends the thread; but a disk that hangs holds up nobody for longer than patience_ns: then the
 * status says -ETIMEDOUT, and the thread is left to end when it can. */
Audit *audit_free(Audit *a, uint64_t patience_ns, AuditStatus *ret_status);
void audit_set_limits(Audit *a, const AuditLimits *limits);

/* Its number among all that were put since the start, from 1; 0: it was dropped, and counted. */
uint64_t audit_put(Audit *a, const AuditRecord *record);
/* Records up to this number are on the disk, or nobody has to wait for it: there is trouble. */
uint64_t audit_released(Audit *a);
/* Readable when records of management have come to the disk, or trouble has come or gone; dispatch then. */
int audit_fd(Audit *a);
void audit_dispatch(Audit *a);
void audit_count_lost(Audit *a, AuditClass class);
void audit_status(Audit *a, AuditStatus *ret);
