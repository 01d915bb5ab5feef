/* SPDX-License-Identifier: Apache-2.0 */
/* The values that a trace is written with: a number and its unit. All of them refuse what does not make sense, whole.
 */
#pragma once

#include <stdbool.h>

#include "basic/units.h"

/* "80ms", "5m", "1h30m"; ns, us, ms, s, m, h, d */
bool parse_duration(const char *text, uint64_t *ret_ns);
/* "99.5%" → 0.995; min..max are percent */
bool parse_percent(const char *text, double min, double max, double *ret);
/* "50/s", "3000/min", "100/h" → calls a second */
bool parse_rate(const char *text, double *ret);
/* "0.005" or "$0.005" → micro-dollars */
bool parse_money(const char *text, Money *ret);
/* "5" or, with suffix, "5x" */
bool parse_number(const char *text, const char *suffix, double min, double max, double *ret);
/* "80ms±20%", "80ms+-20%" or "80ms": the median and the spread (0..1) */
bool parse_latency(const char *text, uint64_t *ret_ns, double *ret_share);
/* "2026-01-05T08:00Z" → since the Unix epoch */
bool parse_clock(const char *text, uint64_t *ret_ns);
/* "48.9,2.4" → degrees north, east */
bool parse_place(const char *text, double *ret_latitude, double *ret_longitude);
