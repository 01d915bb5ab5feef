/* SPDX-License-Identifier: Apache-2.0 */
/* How runs are shown: a table, JSON, a picture. */
#pragma once

#include "bench/sim/policy.h"

/* One run's figures for one service. */
typedef struct Row {
        const Trace *trace;
        uint32_t service;
        const PolicyType *type;
        Strategy strategy; /* of the brain */
        bool own;          /* the strategy that the trace has */
        uint64_t seed;
        Figures figures;
        const ServiceMeasure *counts;
        const Measure *measure;
        double regret; /* NAN: without oracle */
} Row;

void table_head(const Trace *t, uint32_t service);
void table_row(const Row *r);
void json_row(const Row *r);

/* What the brain's own strategies come to over all traces, against nginx. */
typedef struct Summary {
        uint32_t rows, outages;
        double worst_availability, worst_flaps, worst_readmit_s, worst_regret;
        const char *worst_availability_of, *worst_flaps_of, *worst_readmit_of, *worst_regret_of;
        double lost, lost_nginx, hits, hits_nginx;
        Money overshoot;
} Summary;
void summary_init(Summary *s);
void summary_add(Summary *s, const Row *r);
void summary_show(const Summary *s);

/* Shares, success and cost over time, with the faults. baseline may be NULL. 0 or a negative errno. */
int svg_write(const char *path, const Row *row, const Row *baseline);
