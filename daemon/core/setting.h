/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One setting as a row of a table: its names, type, unit, range, default and place in a plain structure. The tables
 * drive what is otherwise written many times: defaults, reading, checking, comparing, copying and freeing.
 *
 * Numbers in a row are in the unit that people write (percent, seconds, dollars). Conversion to what is held inside
 * (ratios, nanoseconds, micro-dollars) happens here and nowhere else.
 */
#pragma once

#include "daemon/core/types.h"

typedef enum SettingType {
        SETTING_STRING,       /* char *, owned; NULL: not set */
        SETTING_NAMES,        /* char **, owned, NULL-terminated */
        SETTING_ENUM,         /* an enumeration; -1: not set */
        SETTING_BOOL,         /* bool */
        SETTING_UINT32,       /* uint32_t */
        SETTING_SIZE,         /* size_t */
        SETTING_MONEY,        /* Money; dollars outside; MONEY_UNSET: not set */
        SETTING_PERCENT,      /* double, a ratio inside */
        SETTING_DOUBLE,       /* double; NAN: not set */
        SETTING_SECONDS,      /* uint64_t nanoseconds inside */
        SETTING_MILLISECONDS, /* uint64_t nanoseconds inside */
        SETTING_PRICE_TIERS,  /* NodeSettings.price_tiers */
        SETTING_OPTIONS,      /* NodeSettings.options */
        SETTING_NODES,        /* ServiceSettings.nodes */
        SETTING_SERVICES,     /* Settings */
        _SETTING_TYPE_MAX
} SettingType;

typedef enum SettingFlags {
        SETTING_REQUIRED = 1 << 0,
        SETTING_RATIO_TOO = 1 << 1, /* a percentage that may also be written as a ratio: up to 1 is taken as one */
        SETTING_POSITIVE = 1 << 2,  /* more than min, not min itself */
} SettingFlags;

typedef struct Setting {
        const char *name;  /* in the file, e.g. "load_balancing.failover_threshold" */
        const char *field; /* in the API, e.g. "loadBalancing.failoverThreshold"; NULL: not there */
        SettingType type;
        size_t offset;
        const char *unit;  /* "percent", "dollars per hour"; NULL: none */
        double min, max;   /* of a number; of a string max is its longest length in bytes */
        double fallback;   /* the default; NAN: not set */
        const EnumNames *names; /* of an enumeration */
        unsigned flags;
        const char *fallback_name; /* of SETTING_NAMES: the one name in the default list */
        const char *doc;   /* what it is, one phrase without a full stop */
} Setting;

typedef struct SettingTable {
        const Setting *rows;
        size_t n;
} SettingTable;

extern const SettingTable service_setting_table, node_setting_table;

#define SETTING_TEXT_MAX 640 /* holds a URL */

bool setting_is_number(const Setting *s);
void *setting_place(const Setting *s, const void *base);

/* The default. Never allocates: SETTING_STRING and SETTING_NAMES become NULL. */
void setting_init(const Setting *s, void *base);
/* Deep copy of what a plain assignment of the structure has left shared; -ENOMEM: the place is NULL then. */
int setting_own(const Setting *s, void *base);
void setting_done(const Setting *s, void *base);

/* Puts a number in its place. -EDOM: not whole, -ERANGE: out of range or not finite; then nothing is changed. */
int setting_set_number(const Setting *s, void *base, double v);
/* Whether v, in the unit outside, is allowed: 0, -EDOM or -ERANGE as above. */
int setting_check_number(const Setting *s, double v);
/* A copy of v, freeing what was there, for SETTING_STRING; the value of that name, or -EINVAL, for SETTING_ENUM. */
int setting_set_string(const Setting *s, void *base, const char *v);
/* A copy of the n names, freeing what was there, for SETTING_NAMES. */
int setting_set_names(const Setting *s, void *base, const char *const *names, size_t n);
/* The number in its place in the unit outside; NAN: not set. */
double setting_get_number(const Setting *s, const void *base);

/* What is allowed, in words: "a number from 0 to 100 (percent)". Returns buffer. */
const char *setting_allowed(const Setting *s, char buffer[SETTING_TEXT_MAX]);
/* The value as it would be written in the file, e.g. 0.029, 5, HEALTH_BASED, or "" if not set. Returns buffer.
 * Empty for what has parts of its own (SETTING_PRICE_TIERS, SETTING_OPTIONS, SETTING_NODES, SETTING_SERVICES). */
const char *setting_format(const Setting *s, const void *base, char buffer[SETTING_TEXT_MAX]);
/* A number as people write it: no trailing zeros, no exponent. Returns buffer. */
const char *setting_format_number(double v, char buffer[SETTING_TEXT_MAX]);
