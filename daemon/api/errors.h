/* SPDX-License-Identifier: Apache-2.0 */
/* The errors of the interface, each once: its name, its parameters, what it says to people. */
#pragma once

#include "daemon/api/schema.h"

typedef enum ApiError {
        /* of org.varlink.service */
        ERROR_INTERFACE_NOT_FOUND,
        ERROR_METHOD_NOT_FOUND,
        ERROR_INVALID_PARAMETER,
        ERROR_PERMISSION_DENIED,
        ERROR_EXPECTED_MORE,
        /* of org.pointsman.routing */
        ERROR_NO_SUCH_SERVICE,
        ERROR_NO_SUCH_NODE,
        ERROR_NO_SUCH_DECISION,
        ERROR_NO_SUCH_SCENARIO,
        ERROR_NO_USABLE_NODE,
        ERROR_BUDGET_EXHAUSTED,
        ERROR_RATE_LIMITED,
        ERROR_INVALID_CONFIGURATION,
        ERROR_BUSY,
        _API_ERROR_MAX
} ApiError;

/* All that any error may carry; each takes its own part of it. */
typedef struct ApiErrorParameters {
        const char *interface, *method, *parameter, *role;
        const char *service_name, *node, *decision, *id, *limit, *field, *reason;
        uint64_t retry_after_ns, resets_in_ns;
} ApiErrorParameters;

typedef struct ApiErrorInfo {
        const char *name; /* "NoSuchService" */
        const char *interface;
        const Structure *parameters;
        const char *format; /* for people; "%s" stands for the first parameter that is a string */
} ApiErrorInfo;

extern const ApiErrorInfo api_errors[_API_ERROR_MAX];

#define ERROR_SENTENCE_MAX 512
/* One sentence for people, e.g. for D-Bus, whose errors are a name and a text. */
void api_error_sentence(ApiError e, const ApiErrorParameters *p, char buffer[ERROR_SENTENCE_MAX]);
