/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The provider plugin ABI.
 *
 * A plugin is a shared object that knows one vendor's HTTP API and exports one symbol, `pointsman_provider`, of type
 * `struct pm_provider`. It says what a cheap probe looks like, what a response means and what a call costs. All of its
 * functions are pure: no I/O, no threads, no globals that change, no clock. They may be called from any thread, with
 * input of any size and content, and must return in microseconds. A plugin whose rules are the operator's own makes a
 * provider from each node's options (create); such a provider is constant, too.
 *
 * Ownership: everything that is passed in belongs to the caller and is valid only during the call. Everything that
 * `pm_provider` points to is constant and lives as long as the plugin is loaded, or until it is destroyed. What a
 * function fills in is plain data in the caller's memory; nothing is ever freed across the boundary.
 *
 * Units: times are nanoseconds, money is micro-dollars (0.000001 USD), instants are nanoseconds since the Unix epoch.
 */
#ifndef POINTSMAN_PROVIDER_H
#define POINTSMAN_PROVIDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised whenever a structure below changes its layout or a function its meaning. A plugin built for another number is refused. */
#define PM_PROVIDER_ABI 2

/* The symbol that a plugin exports: `PM_PROVIDER_EXPORT const struct pm_provider pointsman_provider = { … };` */
#define PM_PROVIDER_SYMBOL "pointsman_provider"
#define PM_PROVIDER_EXPORT __attribute__((visibility("default")))

/* What a response means. */
enum pm_verdict {
        PM_OK = 0,
        PM_CLIENT_ERROR,            /* the caller's fault: never counts against the node */
        PM_SERVICE_UNAVAILABLE,     /* the vendor failed */
        PM_PERFORMANCE_DEGRADATION, /* ok, but slower than the node's limit; decided by the daemon, never by a plugin */
        PM_RATE_LIMIT_EXCEEDED,     /* too many requests; see retry_after_ns */
        PM_AUTHENTICATION_FAILURE,  /* the credential is missing, wrong or not allowed to do this */
        PM_NETWORK_ISSUE,           /* no HTTP response */
        PM_DATA_CORRUPTION,         /* a success whose body is not what the operation must return */
        PM_BUDGET_EXHAUSTED,        /* the vendor says that the account's quota or billing is used up */
        PM_NOT_SENT,                /* the caller never made the call; decided by the daemon */
        PM_UNKNOWN,                 /* nobody said what came of the call; decided by the daemon */
        _PM_VERDICT_MAX
};

/* How far a verdict reaches. */
enum pm_scope {
        PM_SCOPE_NODE = 0,  /* this node (a region of the vendor) */
        PM_SCOPE_OPERATION, /* only this operation, e.g. an endpoint with its own limit */
        PM_SCOPE_ACCOUNT,   /* every node that shares the credential */
        _PM_SCOPE_MAX
};

struct pm_header {
        const char *name; /* any case, see RFC 9110 section 5.1 */
        const char *value;
};

/* One operation of the vendor's API. */
struct pm_operation {
        const char *name;          /* what callers say in `operation`, e.g. "geocode"; lower case, [a-z0-9_] */
        const char *method;        /* "GET", "POST", … */
        const char *path;          /* pattern for people, e.g. "/v1/payment_intents/{id}/confirm" */
        const char *unit;          /* what `units` counts: "request", "element", … */
        bool idempotent;           /* a second try does no harm: a geocode is, a payment is not */
        const char *const *required_keys; /* NULL-terminated top-level keys of a JSON success, or NULL: any JSON will do */
        int64_t price;             /* micro-dollars a unit by default; the operator's setting wins. -1: no default */
        int64_t free_units;        /* units free a calendar month by default */
};

/* What came back from a call or a probe. */
struct pm_response {
        int http_status;                 /* 100..599, or 0: no HTTP response */
        const struct pm_header *headers; /* in the order received, names may repeat */
        size_t n_headers;
        const char *body;                /* may be cut short by the caller (see body_truncated), not NUL-terminated; NULL if unknown */
        size_t body_size;
        bool body_truncated;             /* the caller sent only the beginning: do not call it corrupt for being short */
        const struct pm_operation *operation; /* one of the provider's own, or NULL: not named */
        bool probe;                      /* an answer to the provider's own probe */
        bool authenticated;              /* false: a probe sent without a credential */
        uint64_t now_utc_ns;             /* for HTTP dates and Unix-time resets */
};

#define PM_REASON_MAX 160
#define PM_REQUEST_ID_MAX 80

struct pm_classification {
        enum pm_verdict verdict;
        enum pm_scope scope;
        bool retryable;              /* nothing is wrong with the request itself: it may succeed later or elsewhere */
        bool reachable;              /* an answer from the vendor itself, even if it was "no" (401 to a keyless probe) */
        uint64_t retry_after_ns;     /* from now on; 0: not said. The daemon caps it */
        uint64_t cooldown_ns;        /* leave this scope alone for so long although the call succeeded (limit nearly used up); 0: no */
        char request_id[PM_REQUEST_ID_MAX]; /* the vendor's id of the request, for support; "" if none */
        char reason[PM_REASON_MAX];  /* short, in words, ASCII, without any secret; "" with PM_OK */
};

/* A probe request. Every string may hold "{credential}", which the prober fills in and nobody else sees. */
struct pm_probe {
        const char *method;
        const char *path;                /* appended to the node's URL, begins with "/", includes the query */
        const struct pm_header *headers; /* ended by an entry whose name is NULL; or NULL */
        const char *body;                /* or NULL */
        bool billed;                     /* the vendor charges for it: only on explicit request */
};

struct pm_region {
        const char *name;      /* "us", "eu" */
        const char *url;       /* base URL */
        double latitude, longitude; /* degrees, where its servers are thought to be; NaN: anywhere */
};

/* One of the options that a node has in the configuration. */
struct pm_option {
        const char *name, *value;
};

/* Says what is wrong with the option of that name (NULL: with all of them together), in words to be read after the name: "is 7; must be …". */
typedef void (*pm_complain)(void *userdata, const char *option, const char *message);

struct pm_provider {
        uint32_t abi;              /* PM_PROVIDER_ABI */
        uint32_t size;             /* sizeof(struct pm_provider), a second check of the layout */
        const char *name;          /* "stripe": [a-z][a-z0-9-]*, unique, also the file's name without ".so" */
        const char *title;         /* "Stripe" */
        const char *version;       /* of the plugin */
        const char *documentation; /* URL of the vendor's documentation that the rules come from */
        const char *url;           /* default base URL of a node; NULL: every node has to say its own */

        const struct pm_region *regions;       /* ended by an entry whose name is NULL; or NULL */
        const struct pm_operation *operations; /* ended by an entry whose name is NULL */

        const struct pm_probe *probe;               /* needs no credential */
        const struct pm_probe *authenticated_probe; /* needs one; or NULL */

        /* Says what a response means. Fills *ret whole; there is no failure: nonsense in, a verdict out. */
        void (*classify)(const struct pm_provider *provider, const struct pm_response *response,
                         struct pm_classification *ret);

        /*
         * Makes a provider of the same name for a node with these options, which classify() then gets as its first
         * argument; or complains once for each mistake and returns NULL. NULL without a complaint: no memory. Both
         * functions are NULL if nothing of the provider can be set; then a node must not have options. The daemon's
         * own option `probe` is not among them.
         */
        const struct pm_provider *(*create)(const struct pm_option *options, size_t n_options, pm_complain complain,
                                            void *userdata);
        void (*destroy)(const struct pm_provider *provider);
};

#ifdef __cplusplus
}
#endif

#endif
