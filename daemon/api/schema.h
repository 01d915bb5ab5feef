/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a message looks like, as data: the fields of a C structure with their outside names, types and bounds. The
 * Varlink and D-Bus transports, the introspection text and all checks of input read these tables and nothing else, so that a
 * field is added in one place.
 */
#pragma once

#include <errno.h>
#include <sys/types.h>

#include "basic/arena.h"
#include "basic/instant.h"
#include "basic/json.h"
#include "basic/units.h"
#include "daemon/core/types.h"

/* C type in the structure; how it looks outside; what stands for "absent" (where a field is optional). */
typedef enum FieldType {
        FIELD_BOOL,           /* bool; bool; none */
        FIELD_TRISTATE,       /* int; bool; -1 */
        FIELD_INT,            /* int64_t; int; INT64_MIN */
        FIELD_LIMIT,          /* int64_t; int; INT64_MAX */
        FIELD_INT32,          /* int; int; -1 */
        FIELD_UINT32,         /* uint32_t; int; none */
        FIELD_UINT64,         /* uint64_t; int; none */
        FIELD_FLOAT,          /* double; float, four digits; NAN */
        FIELD_DEGREES,        /* double; float, six digits; NAN */
        FIELD_PERCENT,        /* double, a ratio; float in percent; NAN */
        FIELD_RATIO,          /* double, a ratio; float, above 1 in percent; NAN */
        FIELD_MONEY,          /* Money; float in dollars; MONEY_UNSET */
        FIELD_UNITS,          /* Units; float; -1 */
        FIELD_MS,             /* uint64_t in ns; float in milliseconds; NSEC_INFINITY */
        FIELD_MS_INT,         /* uint64_t in ns; int in milliseconds, rounded up; NSEC_INFINITY */
        FIELD_SECONDS,        /* uint64_t in ns; float in seconds; NSEC_INFINITY */
        FIELD_SECONDS_INT,    /* uint64_t in ns; int in seconds; NSEC_INFINITY */
        FIELD_INSTANT,        /* uint64_t in ns since 1970; string, RFC 3339 in UTC; 0 */
        FIELD_ENUM,           /* int or an enumeration; one of names; -1 */
        FIELD_ENUMS,          /* uint32_t, a bit for each of names; list of them; 0 */
        FIELD_STRING,         /* const char *; string; NULL */
        FIELD_CHARS,          /* char[]; string; "" */
        FIELD_TEXT,           /* written by render from the structure; string; never absent */
        FIELD_STRINGS,        /* const char *const *, and size_t count; []string; NULL */
        FIELD_INLINE_STRINGS, /* const char *[], and size_t count; []string; none */
        FIELD_MAP,            /* const struct pm_header *, and size_t count; [string]string; NULL */
        FIELD_COUNTS,         /* uint64_t[], one for each of names; [string]int, only those above 0; none */
        FIELD_STRUCT,         /* the structure itself; object; none */
        FIELD_STRUCT_POINTER, /* const void * to it; object; NULL */
        FIELD_ARRAY,          /* const void * to the first, and size_t count; []object; NULL */
        _FIELD_TYPE_MAX
} FieldType;

typedef enum FieldFlags {
        FIELD_REQUIRED = 1 << 0, /* of an input */
        FIELD_OPTIONAL = 1 << 1, /* of an output: may be absent. An input that is not required is optional anyway */
        FIELD_CONSTANT = 1 << 2, /* of an output: stays as it is as long as its object exists */
        FIELD_VOLATILE = 1 << 3, /* of an output: changes with time alone, so that no change of it is told */
        FIELD_UNRECORDED = 1 << 4, /* of an input: a vendor's response, which has no place in an audit log */
} FieldFlags;

typedef struct Structure Structure;

/* Room for the longest: copied at one go, whatever its length. */
#define FIELD_KEY_SIZE 32

typedef struct Field {
        const char *name;
        char key[FIELD_KEY_SIZE]; /* the name as it stands in JSON behind another field: with comma, quotes and colon */
        uint8_t name_size;
        uint8_t type; /* a FieldType */
        uint8_t flags;
        uint32_t offset, count_offset;
        double min, max; /* of a number's outside value, if min < max (else what its type can hold); of strings and lists max is the length (0: the default) */
        union {
                const EnumNames *names;
                const Structure *structure;
                size_t (*render)(const void *structure, char *buffer, size_t size);
        };
} Field;

/* The longest string, and the longest list, that an input field may hold unless its max says otherwise. */
#define FIELD_STRING_MAX 4096
#define FIELD_LIST_MAX 256
/* What a render function may write, with its NUL. */
#define FIELD_TEXT_MAX 512
/* A structure has no more fields than that (a bit each says what was seen). */
#define STRUCTURE_FIELDS_MAX 64

struct Structure {
        const char *name; /* as a type of the interface; NULL: anonymous */
        size_t size;
        const Field *fields; /* ended by one without a name */
        void (*init)(void *ret); /* of an input that has defaults: puts them in, where else absent fields are marked so */
};

#define STRUCTURE(variable, name, type, ...) \
        const Structure variable = { name, sizeof(type), (const Field[]) { __VA_ARGS__, {} } }
/* Does not compile if the key does not fit with a NUL. */
#define FIELD_NAME(name_) \
        .name = name_, .key = ",\"" name_ "\":", \
        .name_size = sizeof(name_) - 1 + 0 * sizeof(char[sizeof(name_) + 4 <= FIELD_KEY_SIZE ? 1 : -1])
#define FIELD(s, member, name_, type_, ...) \
        { FIELD_NAME(name_), .type = type_, .offset = offsetof(s, member), ##__VA_ARGS__ }
/* An object whose fields lie in the structure itself. */
#define VIEW(name_, structure_, ...) \
        { FIELD_NAME(name_), .type = FIELD_STRUCT, .structure = &(structure_), ##__VA_ARGS__ }
#define COUNT(s, member) .count_offset = offsetof(s, member)
#define REQUIRED .flags = FIELD_REQUIRED
#define OPTIONAL .flags = FIELD_OPTIONAL
#define CONSTANT .flags = FIELD_CONSTANT
#define VOLATILE .flags = FIELD_VOLATILE
#define UNRECORDED .flags = FIELD_UNRECORDED
#define RANGE(lo, hi) .min = (lo), .max = (hi)
#define LENGTH(n) .max = (n)

/* Why an input was refused. */
typedef struct SchemaError {
        char field[128];  /* "headers", "nodes[2].weight"; "" for the message as a whole */
        char reason[256]; /* what is wrong and what is allowed */
} SchemaError;

/* Fills in the error and is -EINVAL. */
#define schema_fail(error, field, ...) (schema_complain((error), (field), __VA_ARGS__), -EINVAL)
void schema_complain(SchemaError *error, const char *field, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts where it happened in front of the field that an inner structure complained of: "nodes[2].weight" (index -1: not in a
 * list). Returns r; does nothing if r is not -EINVAL. */
int schema_fail_within(SchemaError *error, int r, const Field *f, ssize_t index);

/* Makes every field absent, or what it is by default. */
void schema_init(const Structure *s, void *ret);
bool field_is_absent(const Field *f, const void *structure);
/* The first required field that is absent; NULL: none. */
const Field *schema_find_missing(const Structure *s, const void *structure);

/* Check one value against its field's bounds, for any transport. -EINVAL: see error. */
int field_check_number(const Field *f, double value, SchemaError *error);
int field_check_string(const Field *f, size_t size, SchemaError *error);
int field_check_count(const Field *f, size_t n, SchemaError *error);
/* Puts a checked number (both forms of it, exact where it is whole or money) into the structure. */
void field_set_number(const Field *f, double value, int64_t exact, void *structure);
/* Puts the value of an enumeration's name into the structure (of FIELD_ENUMS: adds it); -EINVAL: see error. */
int field_set_enum(const Field *f, const char *name, void *structure, SchemaError *error);
/* Whether the outside value is a whole number. */
bool field_is_whole(const Field *f);

/*
 * Reads a JSON object into a structure that schema_init() has prepared. Strings stay in the text, where a NUL takes the place of
 * the closing quote and nothing else is changed; those with escapes, and lists, come from the arena. Fields that the table does not
 * know are passed over and counted in *ret_unknown (may be NULL).
 * -EINVAL: see error. -ENOMEM.
 */
int schema_read_json(const Structure *s, JsonReader *r, Arena *arena, void *ret, SchemaError *error, unsigned *ret_unknown);
void schema_write_json(const Structure *s, const void *structure, JsonWriter *w);
/* The value of one field that is not absent. */
void field_write_json(const Field *f, const void *structure, JsonWriter *w);
/* The same for the audit log: secrets are taken out, and so is what is absent or not to be recorded, at any depth. */
void schema_write_record(const Structure *s, const void *structure, JsonWriter *w);
void record_write_string(JsonWriter *w, const char *s);
void field_write_record(const Field *f, const void *structure, JsonWriter *w);

static inline void *field_of(const Field *f, void *structure) {
        return (char *) structure + f->offset;
}
static inline const void *field_in(const Field *f, const void *structure) {
        return (const char *) structure + f->offset;
}
static inline size_t field_count(const Field *f, const void *structure) {
        return *(const size_t *) ((const char *) structure + f->count_offset);
}
