/* SPDX-License-Identifier: Apache-2.0 */
/* Random operations on the whole brain; what they are and what must hold: storm.c. */
#include <stdlib.h>

#include "basic/macro.h"
#include "daemon/core/random.h"
#include "tests/unit/storm.h"
#include "tests/unit/test.h"

static uint64_t draw(void *random, uint64_t n) {
        return random_below(random, n);
}

/* POINTSMAN_TEST_OPERATIONS runs more of them, e.g. under sanitizers. */
static void test_random_operations(void **state) {
        const char *wanted = getenv("POINTSMAN_TEST_OPERATIONS");
        Random random;
        unsigned left = wanted ? (unsigned) strtoul(wanted, NULL, 10) : 200000;

        for (uint64_t seed = 1; left > 0; seed++) {
                unsigned n = MIN(left, 20000U);

                random_seed(&random, seed);
                storm(draw, &random, n);
                left -= n;
        }
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_random_operations) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
