/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the plugins have in common, linked into each of them: what a response means is said in tables (Vendor), and
 * vendor_classify() reads the response once and looks it up there. No allocation, no recursion, no clock, no locale.
 */
#pragma once

#include "basic/macro.h"
#include "pointsman/provider.h"

#define SECOND_NS UINT64_C(1000000000)
/* The longest wait that anybody may ask for. */
#define WAIT_MAX_NS (300 * SECOND_NS)

/* ---- headers ---- */

/* The first value of that name that is not empty, white space around it left out; NULL: none. *ret_size may be NULL. */
const char *header_find(const struct pm_response *r, const char *name, size_t *ret_size);
/* Whether there is such a header with that value, both in any case. */
bool header_is(const struct pm_response *r, const char *name, const char *value);

/* Seconds (at most PARSED_MAX) and the nanoseconds of a fraction; -EINVAL: not a number. */
#define PARSED_MAX UINT64_C(10000000000000)
int parse_seconds(const char *s, size_t n, uint64_t *ret_seconds, uint64_t *ret_ns);
/* A date in any of the three forms of RFC 9110 section 5.6.7, as nanoseconds since the epoch; -EINVAL: none of them. */
int parse_http_date(const char *s, size_t n, uint64_t *ret);

/* The longest wait that Retry-After (RFC 9110 section 10.2.3), or a header of that name, asks for, capped; 0: none, past
 * or nonsense. */
uint64_t retry_after(const struct pm_response *r, const char *name);

/* What [X-]Rate[-]Limit-{Remaining,Reset,Interval}, and headers of those names (or NULL), say. A reset is a Unix time in
 * s or ms, or seconds from now. */
typedef struct RateLimit {
        bool used_up;      /* nothing remains */
        uint64_t reset_ns; /* from now on, at most WAIT_MAX_NS; 0: not said or past */
        uint64_t interval_ns;
} RateLimit;
void rate_limit(const struct pm_response *r, const char *remaining, const char *reset, RateLimit *ret);

/* ---- the body ---- */

#define FIELD_DEPTH_MAX 8
#define FIELDS_MAX 32
#define FIELD_IDS_MAX 16
#define RULES_MAX 64
/* Any element of an array, in a path. No key is called that. */
#define EACH "\1"

/* A place in a body, e.g. { ERROR_CODE, { "error", "code" } }; a number is the index of an element, too. Several may have the
 * same id, 1 … FIELD_IDS_MAX - 1. */
typedef struct Field {
        unsigned id;
        const char *path[FIELD_DEPTH_MAX + 1];
} Field;

typedef enum Match {
        MATCH_EQUAL,
        MATCH_PREFIX,
        MATCH_TEXT,    /* contains it, in any case */
        MATCH_PRESENT, /* there, and not null */
} Match;

/* If the status is from … to, and the field (0: no condition) matches in any of its places, this is what it means. */
typedef struct Rule {
        int from, to;
        unsigned field;
        Match match;
        const char *value;

        enum pm_verdict verdict;
        enum pm_scope scope;
        bool retryable;
        const char *reason; /* in words; NULL for PM_OK */
} Rule;

/* ---- the vendor ---- */

typedef struct Vendor {
        const Field *fields;
        size_t n_fields;
        const Rule *rules;            /* the first that holds decides; then what HTTP itself says of a status */
        size_t n_rules;
        unsigned codes[3];            /* fields, best first: a code that goes into the reason */
        unsigned request_id;          /* the field that holds it, if no header does */
        enum pm_scope limit_scope;    /* how far its rate limits reach, unless a rule says so */
        bool any_body;                /* a success need not be JSON, unless its operation has keys */
        const char *request_id_header, *retry_header, *remaining_header, *reset_header; /* beside the usual ones; or NULL */
        bool may_be_empty;            /* {} is a success, too */
        const struct pm_operation *probe_operation; /* what the authenticated probe is an instance of; or NULL */
} Vendor;

/* The two tables as initializers of a Vendor, checked against what a bit mask holds. */
#define VENDOR_TABLES(fields_, rules_) \
        .fields = (fields_), .n_fields = sizeof(fields_) / sizeof((fields_)[0]), \
        .rules = (rules_), .n_rules = sizeof(rules_) / sizeof((rules_)[0])
#define ASSERT_VENDOR_TABLES(fields_, rules_) \
        _Static_assert(sizeof(fields_) / sizeof((fields_)[0]) <= FIELDS_MAX, "too many fields"); \
        _Static_assert(sizeof(rules_) / sizeof((rules_)[0]) <= RULES_MAX, "too many rules")

/* Required keys of an operation. */
#define KEYS(...) (const char *const[]) { __VA_ARGS__, NULL }

/* Fills *ret whole. */
void vendor_classify(const Vendor *v, const struct pm_response *r, struct pm_classification *ret);

/* Writes "HTTP 429: reason (code)" into ret->reason; code may be NULL and is left out unless it is a plain word. */
void classification_explain(struct pm_classification *ret, int http_status, const char *reason, const char *code);

/* ---- inside ---- */

#define FIELD_TEXT_MAX 65
/* What is behind it is not read, so that a call takes a bounded time; it counts as cut off. */
#define BODY_MAX (256 * 1024)

typedef struct Body {
        int error;             /* 0: JSON; negative errno as from basic/json.h: not, or not whole */
        bool empty;            /* nothing but white space */
        bool container;        /* an object or an array */
        bool hollow;           /* an object without a member */
        uint64_t rules;        /* a bit for every rule whose condition on a field holds */
        uint32_t keys;         /* a bit for every required key that is there and not null */
        char text[FIELD_IDS_MAX][FIELD_TEXT_MAX]; /* the first scalar of each field; "" if none, or if it is long */
} Body;

void body_read(const Vendor *v, const struct pm_response *r, const char *const *required_keys, Body *ret);
