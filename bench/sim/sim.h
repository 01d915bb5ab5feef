/* SPDX-License-Identifier: Apache-2.0 */
/* One run: one policy through one trace, on a virtual clock. */
#pragma once

#include "bench/sim/policy.h"

/* strategy: of the brain, else _STRATEGY_INVALID. Same arguments, same result. */
int sim_run(Measure **ret, const Trace *trace, const PolicyType *type, Strategy strategy, uint64_t seed);
