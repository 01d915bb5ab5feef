/* SPDX-License-Identifier: Apache-2.0 */
#include "prober/complaints.h"

#include <stdarg.h>

#include "basic/log.h"

/* Whoever invents names does not fill our memory; beyond this nothing more is logged. */
#define COMPLAINTS_MAX 1024

struct Complaints {
        char *subjects[COMPLAINTS_MAX];
        size_t n;
};

Complaints *complaints_new(void) {
        return calloc(1, sizeof(Complaints));
}

Complaints *complaints_free(Complaints *c) {
        if (!c)
                return NULL;
        for (size_t i = 0; i < c->n; i++)
                free(c->subjects[i]);
        free(c);
        return NULL;
}

static char **find(Complaints *c, const char *subject) {
        for (size_t i = 0; i < c->n; i++)
                if (streq(c->subjects[i], subject))
                        return &c->subjects[i];
        return NULL;
}

static void _printf_(2, 0) log_line(int level, const char *format, va_list ap) {
        char line[512];

        vsnprintf(line, sizeof(line), format, ap);
        log_full(level, 0, "%s", line);
}

void complain(Complaints *c, const char *subject, const char *format, ...) {
        va_list ap;

        subject = subject ?: "";
        if (find(c, subject) || c->n >= COMPLAINTS_MAX)
                return;
        char *copy = strdup(subject);
        if (!copy)
                return;
        c->subjects[c->n++] = copy;
        va_start(ap, format);
        log_line(LOG_WARNING, format, ap);
        va_end(ap);
}

void complaint_settled(Complaints *c, const char *subject, const char *format, ...) {
        char **found = find(c, subject ?: "");
        va_list ap;

        if (!found)
                return;
        free(*found);
        *found = c->subjects[--c->n];
        va_start(ap, format);
        log_line(LOG_NOTICE, format, ap);
        va_end(ap);
}
