/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names → positions. Open addressing in one block that is sized beforehand, so that filling it cannot fail: a new table
 * is built while the old one is in force, and then replaces it whole. (An intrusive hash table can hold an element only
 * once and allocates while it is filled.)
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define NAMES_NONE UINT32_MAX

typedef const char *(*NameOf)(const void *userdata, uint32_t position);

typedef struct Names {
        uint32_t mask;
        struct NamesSlot {
                uint32_t hash, position;
        } *slots;
        NameOf name_of;
        const void *userdata;
} Names;

/* Room for n names. name_of says what the name at a position is. */
int names_init(Names *t, uint32_t n, NameOf name_of, const void *userdata);
void names_done(Names *t);
/* False: the name is there already. */
bool names_add(Names *t, uint32_t position);
uint32_t names_find(const Names *t, const char *name);
