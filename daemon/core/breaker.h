/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A circuit breaker: closed lets calls pass, open keeps them away, half-open lets a few try. The time that it stays
 * open doubles with every opening and is walked back by healthy stretches. Each change starts a new generation: a
 * result that belongs to an earlier one comes too late to count.
 */
#pragma once

#include "daemon/core/random.h"
#include "daemon/core/types.h"

#define BREAKER_RUN 5                 /* consecutive failures that open it */
#define BREAKER_DOUBT_RUN 2           /* consecutive failures from which it is doubted; see filter.c */
#define BREAKER_PERMITS 3             /* trials at a time while half-open, and successes that close it */
#define BREAKER_OPEN_MAX_NS (300 * NSEC_PER_SEC)
#define BREAKER_JITTER 0.1
#define BREAKER_HEALTHY_NS (60 * NSEC_PER_SEC) /* closed for so long walks back one doubling */
#define BREAKER_RAMP_NS (30 * NSEC_PER_SEC)
#define BREAKER_WINDOW_SECONDS 30
#define BREAKER_CALLS_MIN 10          /* fewer calls in the window prove nothing about a ratio */
#define BREAKER_FAILURES_MIN 4
#define BREAKER_SLOW_RATIO 0.5

typedef struct Breaker {
        Circuit circuit;
        uint32_t generation;
        uint16_t run;           /* consecutive failures */
        uint8_t doublings;      /* of the next open time */
        uint8_t permits;        /* left, while half-open */
        uint8_t successes;      /* while half-open */
        bool locked;            /* opened by an authentication failure: only a good probe closes it */
        bool slow;              /* opened for slowness: a slow trial fails */
        bool probe_failed;      /* since it opened, so that a good probe now says something */
        uint64_t since_ns;      /* the last change */
        uint64_t open_until_ns; /* while open */
        uint64_t ramp_ns;       /* when it closed after having been open; 0: never */
} Breaker;

/* Opens it (again). first_ns: the shortest open time. */
void breaker_open(Breaker *b, uint64_t first_ns, Random *random, uint64_t now_ns);
void breaker_half_open(Breaker *b, uint64_t now_ns);
void breaker_close(Breaker *b, uint64_t now_ns);

/* Whether so many failures or slow ones among the calls of the window are proof of a ratio above threshold (0..1). */
bool breaker_ratio_exceeded(uint32_t failures, uint32_t calls, double threshold);

/* 0.1 → 1 while it warms up after closing. */
double breaker_ramp(const Breaker *b, uint64_t now_ns);
