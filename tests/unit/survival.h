/* SPDX-License-Identifier: Apache-2.0 */
/* A brain that is started again and again, over the same table of leases and the same books. */
#pragma once

#include "daemon/core/lease-memory.h"
#include "tests/unit/core.h"

#define CALLS_MAX 100000

typedef struct BookedCall {
        uint64_t serial, utc_ns;
        char service[8], node[8], operation[16], provider[8];
        Money cost;
        Units units;
        Verdict verdict;
} BookedCall;

/* What stands for the disk: calls beyond `committed` are gone after a crash. */
typedef struct Books {
        _Atomic size_t n, committed;
        BookedCall calls[CALLS_MAX];
} Books;

extern const RouterLimits limits_at_first;
extern RouterLimits limits; /* of the next start */

/* Before each test. */
int begin_with_limits(void **state);
/* What the tests need at most for the table of leases, as they let limits grow. */
size_t memory_size(void);
/* Memory that outlives a child. */
void *shared(size_t size);
/* Of the last call that is on the disk; 0: none is. */
uint64_t committed_serial(const Books *b);
/* "s" with three nodes, and "t" with two that have prices by operation. */
void two_services(Core *c);
/* What is not committed is gone. */
Recovered start(Core *c, const Settings *settings, void *memory, Books *b, uint64_t seed);
