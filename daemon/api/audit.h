/* SPDX-License-Identifier: Apache-2.0 */
/* What the audit log gets to know: every management action, and by the settings decisions and reports. Part of
 * daemon/api. */
#pragma once

#include "daemon/api/api.h"
#include "daemon/store/audit.h"

/* The audit log's part of the API. */
typedef struct AuditTrail {
        Audit *audit;          /* NULL: none */
        uint32_t roles;        /* a bit for each whose methods are recorded */
        uint64_t drawn;        /* for decisions that have no id */
        uint64_t newest;       /* record of management that was put */
        int error;             /* as last announced */
        JsonWriter text;
        JsonWriter journal;
} AuditTrail;

/* A call was answered whose method's role is among the recorded ones. */
void api_audit_reply(ApiCall *call, const void *out);
void api_audit_failure(ApiCall *call, ApiError error, const ApiErrorParameters *p);
/* Scenario changes. */
void api_audit_event(Api *api, const Event *event);
/* The settings have changed. */
void api_audit_configure(Api *api);
/* A sentence on how it does; 0: well. */
int api_audit_sentence(Api *api, char *buffer, size_t size);
void api_audit_done(Api *api);
