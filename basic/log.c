/* SPDX-License-Identifier: Apache-2.0 */
#include "basic/log.h"

#include <errno.h>
#include <stdarg.h>

int log_max_level = LOG_INFO;

const char *const log_level_names[LOG_DEBUG + 1] = { "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug" };

int log_level_from_string(const char *name) {
        for (int level = 0; level <= LOG_DEBUG; level++)
                if (streq(name, log_level_names[level]))
                        return level;
        return streq(name, "error") ? LOG_ERR : -EINVAL;
}

void log_full(int level, int error, const char *format, ...) {
        static int prefixed = -1;
        char line[2048];
        va_list ap;

        if (level > log_max_level)
                return;

        /* The journal reads "<N>" in front of a line as its level; on a terminal it would be noise. */
        if (prefixed < 0)
                prefixed = getenv("JOURNAL_STREAM") != NULL;

        va_start(ap, format);
        vsnprintf(line, sizeof(line), format, ap);
        va_end(ap);

        char prefix[8] = "";
        if (prefixed)
                snprintf(prefix, sizeof(prefix), "<%d>", level);

        if (error)
                fprintf(stderr, "%s%s: %s\n", prefix, line, strerror(abs(error)));
        else
                fprintf(stderr, "%s%s\n", prefix, line);
}
