/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON (RFC 8259) without allocation: a pull reader over bytes in memory, and a writer into one growing buffer.
 *
 * For requests, replies and provider responses, which are read once and wanted in part. A reader checks everything it passes over:
 * syntax, UTF-8 (RFC 3629), depth. A \u0000 in a string is an error, because strings become C strings.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Deeper nesting is an error; the reader needs no stack of its own for it. */
#define JSON_DEPTH_MAX 64

typedef enum JsonType { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_OBJECT, JSON_ARRAY } JsonType;

typedef struct JsonReader {
        const char *start, *p, *end;
        unsigned depth;
} JsonReader;

/* start, size: the text of a scalar; of a string, what stands between its quotes, escapes and all. */
typedef struct JsonValue {
        JsonType type;
        bool escaped; /* a string that holds a backslash */
        const char *start;
        size_t size;
} JsonValue;

/*
 * All of the following return -EBADMSG for what is not JSON, -ENODATA for JSON that ends too early, -ELOOP for nesting too deep.
 *
 *     json_open(&r, text, n);
 *     json_read(&r, &v);                        an object
 *     for (bool first = true; (k = json_member(&r, &first, &key)) > 0;)
 *             json_read(&r, &v), json_skip(&r, &v);
 *     json_close(&r);
 */
void json_open(JsonReader *r, const char *text, size_t n);
/* Reads one value; of an object or array only the opening bracket. */
int json_read(JsonReader *r, JsonValue *ret);
/* 1: read a key, its value is next; 0: the object has ended. *first is true at first, then false. */
int json_member(JsonReader *r, bool *first, JsonValue *ret_key);
/* 1: an element is next; 0: the array has ended. */
int json_element(JsonReader *r, bool *first);
/* Passes over what is left of a value just read: nothing for a scalar, the rest of an object or array. */
int json_skip(JsonReader *r, const JsonValue *v);
/* Nothing but white space may be left. */
int json_close(JsonReader *r);

bool json_equals_escaped(const JsonValue *v, const char *s);
/* Here, so that a comparison with a literal costs next to nothing. */
static inline bool json_equals(const JsonValue *v, const char *s) {
        size_t n = strlen(s);

        if (v->type != JSON_STRING)
                return false;
        return v->escaped ? json_equals_escaped(v, s) : v->size == n && memcmp(v->start, s, n) == 0;
}
/* A string without its escapes as a C string in buffer; -ENOBUFS: it does not fit (then cut at a character's end). */
int json_copy_string(const JsonValue *v, char *buffer, size_t size);
/* The same in place: writes a NUL where the closing quote was. Only if the text may be changed. Returns the string. */
char *json_terminate_string(const JsonValue *v);

/* Numbers. -EDOM: not an integer; -ERANGE: does not fit. */
int json_int64(const JsonValue *v, int64_t *ret);
int json_double(const JsonValue *v, double *ret);
/* value × 10^digits as an exact integer; more digits than that are rounded half away from zero. */
int json_fixed(const JsonValue *v, unsigned digits, int64_t *ret);

/* ---- writing ---- */

/* Grows as needed and keeps its memory. After a failed allocation everything written is dropped and failed is set. */
typedef struct JsonWriter {
        char *data;
        size_t size, allocated;
        bool failed;
} JsonWriter;

void json_writer_done(JsonWriter *w);
/* Makes room for n more bytes; returns where they go, or NULL. */
char *json_reserve(JsonWriter *w, size_t n);
/* As it is. */
void json_write(JsonWriter *w, const char *text, size_t n);
/* Most of a reply is short literals: a few bytes are stored where a call would cost more than they do. */
#define json_write_literal(w, s) json_write_short(w, "" s, sizeof(s) - 1)
static inline char *json_room(JsonWriter *w, size_t n) {
        return n <= w->allocated - w->size ? w->data + w->size : json_reserve(w, n);
}
static inline void json_write_short(JsonWriter *w, const char *text, size_t n) {
        char *to = json_room(w, n);

        if (to) {
                memcpy(to, text, n);
                w->size += n;
        }
}
/* The length of the well-formed multi-byte sequence (RFC 3629) that a C string begins with, or 0. */
size_t utf8_multibyte(const char *s);
/* Quoted and escaped; bytes that are not UTF-8 become U+FFFD. NULL becomes null. */
void json_write_string(JsonWriter *w, const char *s);
void json_write_int(JsonWriter *w, int64_t v);
void json_write_uint(JsonWriter *w, uint64_t v);
/* v / 10^digits without trailing zeros: 29000 with 6 digits is 0.029. digits ≤ 9. */
void json_write_fixed(JsonWriter *w, int64_t v, unsigned digits);
/* A float with at most so many digits behind the point; NaN and infinity become null. */
void json_write_double(JsonWriter *w, double v, unsigned digits);
