/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was learned as JSON: members that are 0 (or "never") are left out, and in a list of counts a negative number stands for
 * so many zeros. What is read may be anything: a member that is not understood, or out of bounds, stays as it is.
 */
#pragma once

#include "basic/json.h"
#include "daemon/core/learned.h"

/* "member":value for each, within an object that has begun. */
void learned_begin_member(JsonWriter *w, const char *key);
void learned_write_fields(JsonWriter *w, const LearnedField *fields, const void *part, uint64_t now_ns);
void learned_write_parts(JsonWriter *w, const LearnedPart *parts, const void *whole, uint64_t now_ns);

typedef struct LearnedReading {
        uint64_t elapsed_ns, now_ns; /* since it was written; now */
        unsigned refused;            /* members that were not understood */
} LearnedReading;

/* The value of that member, which is next. Negative: it is no JSON. */
int learned_read_field(LearnedReading *x, JsonReader *r, const LearnedField *fields, void *part, const JsonValue *key);
int learned_read_parts(LearnedReading *x, JsonReader *r, const LearnedPart *parts, void *whole, const JsonValue *key);
