/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the brain has learned, as data: which members of a node and of a service are worth keeping over a restart, each
 * with its bounds. Whoever keeps them reads and sets them as plain numbers, by these tables; times are ages there, since no
 * clock of the brain survives a reboot. Nothing of it is money: that comes from the books.
 *
 *     learned_node_read(r, slot, &x);                       for each of learned_node_parts(&x, …):
 *             learned_get(field, part, i, now_ns) → a number, kept somewhere; later, in another life:
 *             learned_set(field, part, i, number, elapsed_ns, now_ns)
 *     learned_node_write(r, &x);
 */
#pragma once

#include "daemon/core/node.h"
#include "daemon/core/service.h"

typedef enum LearnedType {
        LEARNED_BOOL,
        LEARNED_UINT8,
        LEARNED_UINT16,
        LEARNED_UINT32,
        LEARNED_UINT64,
        LEARNED_INT32,
        LEARNED_INT64,
        LEARNED_FLOAT,
        LEARNED_DOUBLE,
        LEARNED_SINCE, /* uint64_t, a time that has passed; outside its age in ms; 0: never, outside -1 */
        LEARNED_UNTIL, /* uint64_t, a time to come; outside what is left of it in ms; 0: none */
} LearnedType;

typedef struct LearnedField {
        const char *key;
        uint8_t type;     /* LearnedType */
        bool fleeting;    /* worth nothing after some minutes */
        uint16_t n;       /* how many of them; 0: one */
        size_t offset;
        double min, max;
} LearnedField;

/* After so long what is fleeting is not put back. */
#define LEARNED_FLEETING_NS (10 * NSEC_PER_MINUTE)

double learned_get(const LearnedField *f, const void *part, unsigned i, uint64_t now_ns);
/* False: out of bounds, or no number; nothing was set. */
bool learned_set(const LearnedField *f, void *part, unsigned i, double value, uint64_t elapsed_ns, uint64_t now_ns);
static inline unsigned learned_count(const LearnedField *f) {
        return f->n ? f->n : 1;
}

/* What lies in rings, the newest second first. */
typedef struct LearnedWindow {
        uint64_t newest_ns; /* 0: nothing ever */
        uint32_t seconds[WINDOW_SECONDS][_WINDOW_FIELD_MAX];
} LearnedWindow;

typedef struct LearnedNode {
        const char *name;
        Node node;    /* a copy of the learned members, as are the rest */
        NodeHot hot;
        LearnedWindow window;
        SeriesPoint minute, hour; /* the running ones */
        double minute_utc, hour_utc; /* since 1970 */
} LearnedNode;

typedef struct LearnedService {
        const char *name;
        Service service;
        LearnedWindow window;
        uint64_t spending_newest_ns;
        Money costs[SPENDING_SECONDS];
        Units units[SPENDING_SECONDS];
} LearnedService;

/* The tables, each ended by a field without a key, and to which part of the structure it belongs. */
typedef struct LearnedPart {
        const LearnedField *fields;
        size_t offset; /* in LearnedNode or LearnedService */
} LearnedPart;

extern const LearnedPart learned_node_parts[], learned_service_parts[]; /* ended by one without fields */
extern const LearnedField learned_point_fields[];                       /* of a SeriesPoint */
extern const LearnedField learned_model_fields[];                       /* of a ForecastModel */

/* How many slots there are; false: the slot is empty. Changes when something was learned: what was kept with the same mark is
 * still right. */
uint32_t learned_slots(const Router *r);
bool learned_node_read(Router *r, uint32_t slot, LearnedNode *ret);
uint64_t learned_node_mark(const Router *r, uint32_t slot);
/* Begins with what is in force, so that what is not set stays. False: there is no such node. */
bool learned_node_find(Router *r, const char *name, LearnedNode *ret);
void learned_node_write(Router *r, const LearnedNode *x, uint64_t now_ns);

void learned_service_read(Router *r, size_t i, LearnedService *ret);
bool learned_service_find(Router *r, const char *name, LearnedService *ret);
void learned_service_write(Router *r, const LearnedService *x, uint64_t now_ns);

uint64_t learned_service_mark(const Router *r, size_t i);

/* Operations that are left alone: how much longer (ms, 0: not), and which (NULL: there are no more). */
double learned_cooldown(const Router *r, uint32_t slot, uint32_t i, uint64_t now_ns, const char **ret_operation);
void learned_cooldown_write(Router *r, const char *node, const char *operation, double ms, uint64_t elapsed_ns, uint64_t now_ns);

/* AdministrativeState of the node in a slot that is not empty. */
int learned_administrative_state(const Router *r, uint32_t slot);

ForecastModel *learned_model(Router *r);

/* A point that is closed, by its number since 1970; NULL: there is none, or nothing happened. */
const SeriesPoint *learned_point(Router *r, uint32_t slot, bool hours, uint64_t number);
/* Puts one back; false: there is no such node, or it is too old. */
bool learned_point_write(Router *r, const char *node, bool hours, uint64_t number, const SeriesPoint *p);
const char *learned_slot_name(const Router *r, uint32_t slot); /* NULL: empty */
