/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the brain is told to do: services, nodes, money, limits. Plain data, made by daemon/config from a file or by
 * daemon/api from a registration, checked before it comes here, and copied into the brain.
 * Ratios are 0..1 here, whatever they are outside.
 */
#pragma once

#include "basic/units.h"
#include "daemon/core/types.h"

#define SERVICE_NAME_MAX 64  /* bytes, [A-Za-z0-9][A-Za-z0-9_.-]* */
#define NODE_ID_MAX 64       /* the same alphabet; the node's full name is "service/id" */
#define NODE_NAME_MAX (SERVICE_NAME_MAX + 1 + NODE_ID_MAX)
#define URL_MAX 512

/* One step of a volume price: up to so many units in a calendar month, each costs price. Steps rise; the last may be
 * unlimited. */
typedef struct PriceTier {
        int64_t up_to; /* units; INT64_MAX: no end */
        Money price;   /* a unit */
} PriceTier;

typedef struct Option {
        char *name, *value;
} Option;

typedef struct ProviderInstance ProviderInstance;

typedef struct NodeSettings {
        char *id;
        char *provider_name;
        const struct pm_provider *provider; /* NULL: not loaded; the node is then never eligible. Not owned, but for: */
        ProviderInstance *instance;         /* where provider was made from the options; shared with copies; or NULL */
        char *region;
        char *url;
        uint32_t weight;              /* 0..1000; 0: only when nothing else is left */
        Money cost_per_request;       /* a unit; MONEY_UNSET: the provider's default for the operation, else 0 */
        double expected_success_rate; /* 0..1, default 0.99 */
        double latitude, longitude;   /* degrees; NAN: the region's, else anywhere */
        uint64_t latency_limit_ns;    /* a success slower than this is performance_degradation; 0: none */
        PriceTier *price_tiers;
        size_t n_price_tiers;
        char *credential; /* name of the credential that the prober holds; nodes with the same one share an account */
        Option *options;
        size_t n_options;
} NodeSettings;

typedef struct ServiceSettings {
        char *name;
        Strategy strategy;
        Priority priority;
        Origin origin;
        WhenAllDown when_all_down;
        Money revenue_per_call; /* MONEY_UNSET: unknown */

        /* loadBalancing */
        uint64_t health_check_interval_ns; /* 0: no probes */
        double failover_threshold;         /* failure ratio that opens a breaker */
        uint64_t retry_backoff_ns;         /* also the first open time of a breaker */
        uint32_t max_retries;
        uint64_t lease_ns;                 /* a decision is to be reported before then */

        /* costConstraints */
        Money max_cost_per_hour;           /* MONEY_UNSET: no cap */
        double budget_alert_threshold;     /* 0..1 */
        bool cost_optimization_enabled;
        OnExhausted on_exhausted;

        /* allocation */
        Money total_budget;                /* a period; MONEY_UNSET: none */
        BudgetPeriod budget_period;        /* _BUDGET_PERIOD_INVALID: none */
        Money tier_price[_COST_TIER_MAX];  /* ceilings; MONEY_UNSET: none */
        double emergency_multiplier;       /* of the normal limits, default 3 */

        NodeSettings *nodes;
        size_t n_nodes;
} ServiceSettings;

typedef struct Settings {
        ServiceSettings *services;
        size_t n_services;
} Settings;

/* Fixed when the brain is made. */
typedef struct RouterLimits {
        uint32_t leases;          /* open decisions, all users together; default 65536 */
        uint32_t leases_per_user; /* default 32768; root and the daemon's own user are not limited */
        uint32_t services;        /* default 10000 */
        uint32_t nodes;           /* default 20000, of all services together */
        uint32_t nodes_per_service; /* default 10000 */
        /* Where the leases lie, aligned to 64: memory that outlives the brain, which finds its leases there again, under other
         * limits too. Not owned. NULL: its own. */
        void *lease_memory;
        size_t lease_memory_size; /* bytes; at least lease_memory_size(), more if more was needed before */
        /* Makes sure that those bytes of it can be written, before they first are; negative: they cannot. NULL: all can. */
        int (*prepare_lease_memory)(void *userdata, size_t offset, size_t size);
        void *lease_memory_userdata;
} RouterLimits;

/* Fills in what the configuration's documentation promises as defaults (strings stay NULL). */
void node_settings_init(NodeSettings *n);
void service_settings_init(ServiceSettings *s);

/* Deep copies; -ENOMEM leaves *ret untouched. */
int service_settings_copy(const ServiceSettings *s, ServiceSettings *ret);
void service_settings_done(ServiceSettings *s);
void settings_done(Settings *s);
