/* SPDX-License-Identifier: Apache-2.0 */
/* Warnings that are logged once for each subject, until it has been settled: a probe that fails every 30 s for the same reason is
 * one line in the log. */
#pragma once

#include "basic/macro.h"

typedef struct Complaints Complaints;

Complaints *complaints_new(void); /* NULL: no memory */
Complaints *complaints_free(Complaints *c);

/* Logs a warning unless there is one about that subject already. NULL is a subject like any other. */
void complain(Complaints *c, const char *subject, const char *format, ...) _printf_(3, 4);
/* Logs a notice if there was a complaint about the subject, and forgets it. */
void complaint_settled(Complaints *c, const char *subject, const char *format, ...) _printf_(3, 4);
