/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes are what the operations on the brain are drawn from: whatever comes in whatever order, its invariants hold. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/storm.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Bytes {
        const uint8_t *next;
        size_t left;
} Bytes;

static uint64_t draw(void *source, uint64_t n) {
        Bytes *b = source;
        size_t size = n <= 256 ? 1 : n <= UINT64_C(1) << 32 ? 4 : 8;
        uint64_t v = 0;

        size = size < b->left ? size : b->left;
        memcpy(&v, b->next, size);
        b->next += size;
        b->left -= size;
        return v % n;
}

/* Outside of a test, a failed assertion is to end the program so that it is noticed. */
int LLVMFuzzerInitialize(int *argc, char ***argv) {
        (void) argc;
        (void) argv;
        return setenv("CMOCKA_TEST_ABORT", "1", 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Bytes b = { data, size };

        if (size > 0 && size <= 65536) /* an operation draws some ten bytes */
                storm(draw, &b, (unsigned) (size / 10 + 1));
        return 0;
}
