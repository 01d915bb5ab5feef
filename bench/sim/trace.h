/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A trace: the services, how often they are called, and what their nodes do over time. Plain data, read from a text
 * file (docs/traces.md) and never changed by a run.
 */
#pragma once

#include <stdbool.h>

#include "daemon/core/settings.h"

#define TRACE_FILE_MAX (1U << 20)
#define TRACE_LINE_MAX 1024
#define TRACE_SERVICES_MAX 64
#define TRACE_NODES_MAX 1024 /* of all services together */
#define TRACE_FAULTS_MAX 4096
#define TRACE_CHANGES_MAX 4096
#define TRACE_DURATION_MAX (24 * NSEC_PER_HOUR)
#define TRACE_CALLS_MAX 1e8 /* that a run may be expected to make */
#define TRACE_ERROR_MAX 512

/* What a good choice is measured by. */
typedef enum Objective {
        OBJECTIVE_SUCCESS,
        OBJECTIVE_COST,
        OBJECTIVE_LATENCY,
        _OBJECTIVE_MAX
} Objective;

typedef enum FaultKind {
        FAULT_DOWN,       /* no call succeeds */
        FAULT_ERRORS,     /* a share of the calls fails */
        FAULT_SLOW,       /* calls take so many times as long */
        FAULT_RATE_LIMIT, /* calls beyond a rate get 429 */
        FAULT_QUOTA,      /* calls beyond a number get a refusal until it ends */
        FAULT_CORRUPT,    /* a share of the answers is not what it should be */
        FAULT_AUTH,       /* the credential is refused */
        FAULT_FLAP,       /* up for a while, down for a while */
        _FAULT_KIND_MAX
} FaultKind;

/* How a call fails. */
typedef enum Failure {
        FAIL_ERROR,   /* an answer with a 5xx, as fast as any answer */
        FAIL_TIMEOUT, /* no answer until the caller gives up */
        FAIL_CONNECT, /* refused at once */
        _FAILURE_MAX
} Failure;

typedef struct Fault {
        FaultKind kind;
        Failure how;
        uint32_t node;
        uint64_t from_ns, to_ns;
        bool ramp;               /* grows from nothing at from_ns to all of it at to_ns */
        double amount;           /* a share 0..1, a factor, calls a second, calls: by kind */
        uint64_t up_ns, down_ns; /* FAULT_FLAP */
        uint64_t retry_after_ns; /* FAULT_RATE_LIMIT, FAULT_QUOTA: what the vendor says; 0: nothing */
} Fault;

/* What the operator or the callers change. */
typedef struct Change {
        uint64_t at_ns;
        bool is_rate; /* of a service; otherwise the price of a node */
        uint32_t index;
        double rate; /* calls a second */
        Money price;
} Change;

typedef struct TraceNode {
        uint32_t service, index; /* the node with this index in the service's settings */
        uint64_t latency_ns;     /* median of an answer */
        double spread;           /* standard deviation of its logarithm */
        double success;          /* 0..1, while nothing is wrong */
} TraceNode;

typedef struct TraceService {
        double rate;         /* calls a second at the start */
        uint64_t timeout_ns; /* the caller's */
        uint32_t retries;    /* further nodes that a caller tries */
        bool idempotent;
        double unreported;          /* share of the calls whose caller never reports */
        double latitude, longitude; /* of the callers; NAN: unknown */
        int objective;              /* an Objective; -1: as the strategy has it */
        uint32_t *nodes;            /* index in the settings → index in Trace.nodes */
} TraceService;

typedef struct Trace {
        char *path, *title;
        uint64_t duration_ns, utc_ns; /* utc_ns: the wall clock at the start */
        Settings settings;
        TraceService *services; /* as many as in the settings */
        TraceNode *nodes;
        uint32_t n_nodes;
        Fault *faults; /* sorted by from_ns */
        uint32_t n_faults;
        Change *changes; /* sorted by at_ns */
        uint32_t n_changes;
} Trace;

extern const char *const objective_names[_OBJECTIVE_MAX], *const fault_names[_FAULT_KIND_MAX];

/* -EINVAL: *error says what is wrong and where, as "file:line: what". Other negative errno: the file cannot be read. */
int trace_load(Trace **ret, const char *path, char error[TRACE_ERROR_MAX]);
/* The same of a text in memory; path is for the messages. text need not end in NUL. */
int trace_parse(Trace **ret, const char *path, const char *text, size_t size, char error[TRACE_ERROR_MAX]);
Trace *trace_free(Trace *t);

static inline const ServiceSettings *trace_service(const Trace *t, uint32_t service) {
        return &t->settings.services[service];
}
static inline const NodeSettings *trace_node(const Trace *t, uint32_t node) {
        return &trace_service(t, t->nodes[node].service)->nodes[t->nodes[node].index];
}
/* What a good choice is for the service. */
Objective trace_objective(const Trace *t, uint32_t service);
/* "down", "slow 5x", … Returns buffer. */
const char *fault_describe(const Fault *f, char buffer[64]);
