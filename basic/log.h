/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines for programs (not for library-like code, which returns errors instead).
 * Goes to the journal with its level when the journal listens, otherwise to standard error. */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <syslog.h>

#include "basic/macro.h"

/* Messages less important than this (a syslog level, default LOG_INFO) are dropped. */
extern int log_max_level;

/* Whether a line waits until somebody takes it, as it does at first. A program that serves others makes this false: then a line
 * that whoever reads them (a journal that hangs, a full pipe) does not take at once is dropped, and how many is told later. */
extern bool log_may_wait;

/* The names of the syslog levels by number: "emerg" … "debug". */
extern const char *const log_level_names[LOG_DEBUG + 1];
/* The level of that name ("error" is "err" too), or -EINVAL. LOG_LEVELS lists them for people. */
int log_level_from_string(const char *name);
#define LOG_LEVELS "emerg, alert, crit, err, warning, notice, info or debug"

void log_full(int level, int error, const char *format, ...) _printf_(3, 4);

/* Each evaluates to the negative errno that it was given, so that "return log_error_errno(r, …)" reads well. */
#define log_full_errno(level, error, ...) \
        ({ \
                int _error = (error); \
                log_full(level, _error, __VA_ARGS__); \
                _error; \
        })
#define log_error(...) log_full(LOG_ERR, 0, __VA_ARGS__)
#define log_warning(...) log_full(LOG_WARNING, 0, __VA_ARGS__)
#define log_notice(...) log_full(LOG_NOTICE, 0, __VA_ARGS__)
#define log_info(...) log_full(LOG_INFO, 0, __VA_ARGS__)
#define log_debug(...) log_full(LOG_DEBUG, 0, __VA_ARGS__)
#define log_error_errno(error, ...) log_full_errno(LOG_ERR, error, __VA_ARGS__)
#define log_warning_errno(error, ...) log_full_errno(LOG_WARNING, error, __VA_ARGS__)
#define log_oom() log_error_errno(-ENOMEM, "Out of memory")
