/* SPDX-License-Identifier: Apache-2.0 */
/* What the two halves of the parser share: the words of one line, and the complaint about it. */
#pragma once

#include "basic/macro.h"
#include "bench/sim/trace.h"

#define WORDS_MAX 96

typedef struct Parser {
        Trace *trace;
        const char *path;
        unsigned line;
        char *words[WORDS_MAX + 1]; /* of the line, ended by NULL */
        unsigned n, at;             /* at: the next one */
        char *error;
} Parser;

/* Writes the complaint and returns -EINVAL. */
int parser_fail(Parser *p, const char *format, ...) _printf_(2, 3);
/* The next word; NULL: the line has ended. */
static inline char *parser_next(Parser *p) {
        char *word = p->words[p->at];

        if (word)
                p->at++;
        return word;
}
/* Nothing may be left. */
int parser_end(Parser *p);

/* The index of a service, or TRACE_SERVICES_MAX. */
uint32_t parser_find_service(const Parser *p, const char *name, size_t length);
/* The number of a node, or TRACE_NODES_MAX. */
uint32_t parser_find_node(const Parser *p, uint32_t service, const char *id);
/* Calls f for every node that "service/node" means, where either may be "*"; each once. */
int parser_each_node(Parser *p, const char *target, int (*f)(Parser *p, uint32_t node, void *data), void *data);

/* Grows an array by one zeroed element; NULL: no memory. */
void *parser_grow(void *array, size_t n, size_t size);

/* "service …", "node …", "tier …" lines, without their first word. trace-nodes.c */
int parse_service(Parser *p);
int parse_node(Parser *p);
int parse_tier(Parser *p);

/* "at …" and "from … to …" lines, without their first word. trace-events.c */
int parse_at(Parser *p);
int parse_from(Parser *p);
