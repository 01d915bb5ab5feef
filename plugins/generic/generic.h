/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A provider made from a node's options: they become the tables that the other plugins are written as. Inside of this
 * plugin only.
 */
#pragma once

#include <stdlib.h>

#include "basic/macro.h"
#include "plugins/helper/helper.h"

typedef struct Block Block;

typedef struct Generic {
        struct pm_provider provider; /* what the daemon sees; first */
        Vendor vendor, probe_vendor; /* of calls, and of probes */
        struct pm_probe keyless_probe, authenticated_probe;

        Rule *rules;
        Field *fields;
        struct pm_operation *operations;
        struct pm_header *headers; /* of the keyless probe */
        size_t n_rules, n_fields, n_operations, n_headers;
        unsigned n_ids;            /* of fields, 0 not counted */
        Block *blocks;             /* all memory that this points to */
} Generic;

/* An option while it is understood. */
typedef struct Making {
        Generic *generic;
        const char *option;
        pm_complain complain;
        void *userdata;
        bool wrong, no_memory;
} Making;

/* Zeroed memory that lives as long as the provider; NULL: none left, which is noted. */
void *take(Making *m, size_t n, size_t size);
char *take_text(Making *m, const char *text);
/* Says what is wrong with the option. Returns false. */
_printf_(2, 3) bool complain(Making *m, const char *format, ...);

/* Cuts the next word off *text, in place; NULL: none is left. */
char *next_word(char **text);
/* "GET", "/path?and=query": what every request has. Cuts both off *text, complains. */
bool read_request(Making *m, char **text, const char **ret_method, const char **ret_path);

/* The id of the field that a JSON pointer (RFC 6901, changed in place) leads to; 0: complained. */
unsigned read_pointer(Making *m, char *pointer);
/* "4xx /code = 7 -> client_error final: reason" */
bool read_rule(Making *m, char *text);
bool read_scope(const char *word, enum pm_scope *ret);
/* "POST /v1/messages unit=segment price=0.0075 free=100 keys=sid,status" */
bool read_operation(Making *m, const char *name, char *text);
