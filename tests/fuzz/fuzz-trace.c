/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever is in a trace, it is refused with a line and a reason, or it can be run. */
#include "basic/macro.h"
#include "bench/sim/sim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const PolicyType *const types[] = { &policy_brain, &policy_nginx, &policy_envoy, &policy_oracle };
        char error[TRACE_ERROR_MAX];
        Trace *t = NULL;
        double calls = 0;

        if (trace_parse(&t, "t", (const char *) data, size, error) < 0) {
                if (strncmp(error, "t:", 2) != 0)
                        abort();
                return 0;
        }
        for (size_t i = 0; i < t->settings.n_services; i++)
                calls += t->services[i].rate * (double) t->duration_ns / 1e9;
        for (uint32_t i = 0; i < t->n_changes; i++)
                calls += t->changes[i].rate * (double) t->duration_ns / 1e9;
        /* Long ones take long, and nothing else happens in them. */
        for (size_t i = 0; calls < 2000 && t->duration_ns < NSEC_PER_HOUR && i < ELEMENTSOF(types); i++) {
                Measure *m = NULL;

                if (sim_run(&m, t, types[i], _STRATEGY_INVALID, 1) == 0)
                        measure_free(m);
        }
        trace_free(t);
        return 0;
}
