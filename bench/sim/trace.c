/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/sim/trace.h"

#include <errno.h>

#include "basic/macro.h"

const char *const objective_names[_OBJECTIVE_MAX] = { "success", "cost", "latency" };
const char *const fault_names[_FAULT_KIND_MAX] = {
        [FAULT_DOWN] = "down",   [FAULT_ERRORS] = "errors",   [FAULT_SLOW] = "slow", [FAULT_RATE_LIMIT] = "rate-limit",
        [FAULT_QUOTA] = "quota", [FAULT_CORRUPT] = "corrupt", [FAULT_AUTH] = "auth", [FAULT_FLAP] = "flap",
};

Objective trace_objective(const Trace *t, uint32_t service) {
        if (t->services[service].objective >= 0)
                return (Objective) t->services[service].objective;
        switch (trace_service(t, service)->strategy) {
        case COST_OPTIMIZED:
                return OBJECTIVE_COST;
        case LEAST_RESPONSE_TIME:
        case GEOGRAPHIC_PROXIMITY:
                return OBJECTIVE_LATENCY;
        default:
                return OBJECTIVE_SUCCESS;
        }
}

const char *fault_describe(const Fault *f, char buffer[64]) {
        const char *ramp = f->ramp ? " ramp" : "";

        switch (f->kind) {
        case FAULT_ERRORS:
        case FAULT_CORRUPT:
                snprintf(buffer, 64, "%s %g%%%s", fault_names[f->kind], f->amount * 100, ramp);
                break;
        case FAULT_SLOW:
                snprintf(buffer, 64, "slow %gx%s", f->amount, ramp);
                break;
        case FAULT_RATE_LIMIT:
                snprintf(buffer, 64, "rate-limit %g/s", f->amount);
                break;
        case FAULT_QUOTA:
                snprintf(buffer, 64, "quota %g", f->amount);
                break;
        case FAULT_DOWN:
                snprintf(buffer, 64, "down%s",
                         f->how == FAIL_TIMEOUT   ? " timeout"
                         : f->how == FAIL_CONNECT ? " connect"
                                                  : "");
                break;
        default:
                snprintf(buffer, 64, "%s", fault_names[f->kind]);
        }
        return buffer;
}

Trace *trace_free(Trace *t) {
        if (!t)
                return NULL;
        for (size_t i = 0; t->services && i < t->settings.n_services; i++)
                free(t->services[i].nodes);
        free(t->services);
        settings_done(&t->settings);
        free(t->nodes);
        free(t->faults);
        free(t->changes);
        free(t->title);
        free(t->path);
        free(t);
        return NULL;
}

int trace_load(Trace **ret, const char *path, char error[TRACE_ERROR_MAX]) {
        _cleanup_fclose_ FILE *f = fopen(path, "re");
        _cleanup_free_ char *text = NULL;
        size_t size;

        if (!f)
                return -errno;
        text = malloc(TRACE_FILE_MAX + 1);
        if (!text)
                return -ENOMEM;
        size = fread(text, 1, TRACE_FILE_MAX + 1, f);
        if (ferror(f))
                return errno > 0 ? -errno : -EIO;
        if (size > TRACE_FILE_MAX) {
                snprintf(error, TRACE_ERROR_MAX, "%s:1: a trace has at most %u bytes", path, TRACE_FILE_MAX);
                return -EINVAL;
        }
        return trace_parse(ret, path, text, size, error);
}
