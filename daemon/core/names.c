/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/core/names.h"

static uint32_t hash_of(const char *name) {
        uint64_t h = UINT64_C(0x9e3779b97f4a7c15);
        size_t n = strlen(name);

        for (; n >= 8; n -= 8, name += 8) {
                uint64_t word;

                memcpy(&word, name, 8);
                h = (h ^ word) * UINT64_C(0xbf58476d1ce4e5b9);
                h ^= h >> 32;
        }
        if (n > 0) {
                uint64_t word = 0;

                memcpy(&word, name, n);
                h = (h ^ word) * UINT64_C(0x94d049bb133111eb);
                h ^= h >> 29;
        }
        h *= UINT64_C(0xbf58476d1ce4e5b9);
        return (uint32_t) (h >> 32);
}

int names_init(Names *t, uint32_t n, NameOf name_of, const void *userdata) {
        uint32_t size = 8;
        struct NamesSlot *slots;

        while (size / 2 < n && size < UINT32_C(1) << 31)
                size *= 2;
        slots = malloc(size * sizeof(*slots));
        if (!slots)
                return -ENOMEM;
        for (uint32_t i = 0; i < size; i++)
                slots[i].position = NAMES_NONE;
        *t = (Names) { .mask = size - 1, .slots = slots, .name_of = name_of, .userdata = userdata };
        return 0;
}

void names_done(Names *t) {
        free(t->slots);
        *t = (Names) {};
}

static uint32_t slot_of(const Names *t, const char *name, uint32_t hash) {
        uint32_t i = hash & t->mask;

        while (t->slots[i].position != NAMES_NONE &&
               (t->slots[i].hash != hash || strcmp(t->name_of(t->userdata, t->slots[i].position), name) != 0))
                i = (i + 1) & t->mask;
        return i;
}

bool names_add(Names *t, uint32_t position) {
        const char *name = t->name_of(t->userdata, position);
        uint32_t hash = hash_of(name), i = slot_of(t, name, hash);

        if (t->slots[i].position != NAMES_NONE)
                return false;
        t->slots[i] = (struct NamesSlot) { hash, position };
        return true;
}

uint32_t names_find(const Names *t, const char *name) {
        if (!t->slots)
                return NAMES_NONE;
        return t->slots[slot_of(t, name, hash_of(name))].position;
}
