/* SPDX-License-Identifier: Apache-2.0 */
/* Small things that every program of the project uses: cleanup on scope exit, array sizes, ownership transfer. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _unused_ __attribute__((unused))
#define _public_ __attribute__((visibility("default")))

#define ELEMENTSOF(a) (sizeof(a) / sizeof((a)[0]))
/* The structure that a member is part of. */
#define container_of(pointer, type, member) ((type *) (void *) ((char *) (pointer) - offsetof(type, member)))
/* Each argument is evaluated once. The numbered names let one stand inside another. */
#define _PICK(a, op, b, n) \
        ({ \
                __typeof__(a) _a##n = (a); \
                __typeof__(b) _b##n = (b); \
                _a##n op _b##n ? _a##n : _b##n; \
        })
#define _PICK_NUMBERED(a, op, b, n) _PICK(a, op, b, n)
#define MIN(a, b) _PICK_NUMBERED(a, <, b, __COUNTER__)
#define MAX(a, b) _PICK_NUMBERED(a, >, b, __COUNTER__)
#define CLAMP(x, lo, hi) MIN(MAX(x, lo), hi)

/* Hands a value on and leaves the zero of its type behind, so that a cleanup handler lets it be. */
#define TAKE(x) ({ __typeof__(x) *_p = &(x), _v = *_p; memset((void *) _p, 0, sizeof(*_p)); _v; })

/* Defines the handler that _cleanup_() wants from an ordinary thing_free(thing). */
#define DEFINE_CLEANUP(type, func) \
        static inline void func##p(type *p) { \
                if (*p) \
                        func(*p); \
        } \
        struct swallow_semicolon_##func

static inline void freep(void *p) {
        free(*(void **) p);
}

static inline void closep(int *fd) {
        if (*fd >= 0)
                close(*fd);
}

static inline void fclosep(FILE **f) {
        if (*f)
                fclose(*f);
}

#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_close_ _cleanup_(closep)
#define _cleanup_fclose_ _cleanup_(fclosep)

static inline int streq(const char *a, const char *b) {
        return strcmp(a, b) == 0;
}
