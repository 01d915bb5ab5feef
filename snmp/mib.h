/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POINTSMAN-MIB as data: for each table, and for the scalars, which column shows which member of which row, and from
 * which field of the daemon's reply it is read. Reading replies, answering requests and the tests all go by these
 * tables.
 */
#pragma once

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
#include <stdbool.h>

#include "basic/json.h"
#include "daemon/core/types.h"

/* A member of a row is a const char * for text, an Octets for bits, otherwise a uint64_t. */
typedef enum ColumnType {
        COLUMN_TEXT,      /* SnmpAdminString: no longer than 255 bytes, cut at the end of a character */
        COLUMN_INTEGER,   /* INTEGER: a signed number of 32 bits */
        COLUMN_GAUGE,     /* Gauge32, Unsigned32: stays at its maximum when there is more */
        COLUMN_TICKS,     /* TimeTicks: wraps */
        COLUMN_COUNTER,   /* Counter64 and what borrows its encoding */
        COLUMN_TIME,      /* DateAndTime, in UTC; kept as nanoseconds since 1970 */
        COLUMN_BITS,      /* BITS: the member is an Octets */
} ColumnType;

typedef struct Column {
        uint8_t number;
        uint8_t type;   /* a ColumnType */
        uint8_t digits; /* the field's value × 10^digits is the member's: dollars to micro-dollars by 6 */
        size_t offset;
        const char *field;      /* of the reply's object; NULL: worked out from other fields */
        const EnumNames *names; /* the field is one of these; the member is its position counted from 1, 0 for none */
        bool writable;
        bool own; /* known without the daemon */
} Column;

/* In the order of their numbers. */
typedef enum TableId {
        TABLE_SYSTEM,
        TABLE_SERVICES,
        TABLE_NODES,
        TABLE_VERDICTS,
        TABLE_SCENARIOS,
        TABLE_PROVIDERS,
        TABLE_CONTROL,
        _TABLE_MAX,
} TableId;

typedef struct Table {
        uint8_t number; /* under pointsmanObjects */
        uint8_t n_index;
        bool scalars; /* in truth no table: its one row has the index 0, and there is no entry in the OIDs */
        TableId rows; /* whose rows it shows: its own, or those of the table that it augments */
        const Column *columns; /* in ascending order, without gaps */
        size_t n_columns;
} Table;

extern const Table mib_tables[_TABLE_MAX];
extern const Column mib_event[]; /* of an EventRow, under pointsmanObjects.8 */
extern const size_t mib_n_event;

/* The subtrees under the root and under pointsmanObjects. */
enum { MIB_NOTIFICATIONS = 0, MIB_OBJECTS = 1 };
enum { MIB_EVENT = 8 };

#define MIB_OID_MAX 24
/* root.<suffix>; returns its length. */
size_t mib_oid(oid ret[MIB_OID_MAX], size_t n, const oid *suffix);
/* Where the name lies: -1 before root.<child>, 0 in it, 1 behind it. 0: *ret is what follows root.<child>. */
int mib_below(oid child, size_t n, const oid *name, size_t *ret_n, const oid **ret);

/* What begins every row. */
typedef struct Row {
        oid index[2];
} Row;

typedef struct SystemRow {
        Row row;
        const char *version;
        uint64_t uptime, health, decisions, reports, failures, fallbacks, rate_limited, active_scenarios;
        uint64_t configuration_serial, event_serial, started, last_reload, services, nodes;
        uint64_t data_state, data_age; /* the subagent's own */
} SystemRow;

enum { DATA_FRESH = 1, DATA_STALE, DATA_NONE };

typedef struct ServiceRow {
        Row row;
        const char *name;
        uint64_t strategy, priority, origin, optimization_strategy, cost_tier, budget_state;
        uint64_t spend_hour, limit_hour, spend_period, limit_period, budget_period, used_percent;
        uint64_t decisions, failures, success_rate, nodes;
} ServiceRow;

typedef struct NodeRow {
        Row row;
        const char *name, *provider, *region;
        uint64_t administrative_state, health, health_score, circuit, success_rate;
        uint64_t latency_p50, latency_p95, latency_p99, in_flight, calls, failures, cooldown;
        uint64_t spend_hour, spend_period, price, weight, share, failure_forecast, last_probe, last_probe_age;
        uint64_t verdicts[_PM_VERDICT_MAX];
} NodeRow;

typedef struct ScenarioRow {
        Row row;
        const char *id, *service, *reason;
        uint64_t type, severity, state, strategy, start, duration, failed_calls, revenue_at_risk;
        uint64_t resolved_at;
} ScenarioRow;

typedef struct ProviderRow {
        Row row;
        const char *name, *title, *version, *operations, *error;
        uint64_t abi;
} ProviderRow;

typedef struct Octets {
        size_t size;
        u_char octets[2];
} Octets;

typedef struct ControlRow {
        Row row;
        Octets enabled;
        uint64_t sent, suppressed;
} ControlRow;

typedef struct EventRow {
        const char *message, *service, *node;
        uint64_t serial, time, severity;
} EventRow;

/* A value as net-snmp wants it. data points into this structure or into the row. */
typedef struct Value {
        u_char type; /* ASN_… */
        const void *data;
        size_t size;
        union {
                long number;
                struct counter64 counter;
                u_char octets[11];
        };
} Value;

const Column *table_column(const Table *t, unsigned number); /* or NULL */
void column_value(const Column *c, const void *row, Value *ret);
/* Puts what the reply says into the row. -EBADMSG: it is not of the kind that the column needs. */
int column_read(const Column *c, const JsonValue *v, void *row);

/* Reads a member that no column knows. 1: read, with all of its value; 0: not known here either; negative: an error. */
typedef int (*ReadMember)(JsonReader *r, const JsonValue *key, const JsonValue *v, void *row, void *userdata);

/* Reads the members of an object, whose opening bracket has been read, into the row. read_member may be NULL. */
int columns_read(JsonReader *r, const Column *columns, size_t n, ReadMember read_member, void *row, void *userdata);

/* "2026-03-01T12:00:00.5Z" in nanoseconds since 1970. -EBADMSG. */
int instant_parse(const char *s, uint64_t *ret);
