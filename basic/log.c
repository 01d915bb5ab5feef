/* SPDX-License-Identifier: Apache-2.0 */
#include "basic/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <unistd.h>

int log_max_level = LOG_INFO;
bool log_may_wait = true;

const char *const log_level_names[LOG_DEBUG + 1] = { "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug" };

int log_level_from_string(const char *name) {
        for (int level = 0; level <= LOG_DEBUG; level++)
                if (streq(name, log_level_names[level]))
                        return level;
        return streq(name, "error") ? LOG_ERR : -EINVAL;
}

/* A socket or a pipe that says so has room for a line, so that writing it does not wait. */
static bool is_taken(void) {
        struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

        return log_may_wait || (poll(&p, 1, 0) == 1 && p.revents == POLLOUT);
}

/* In one write, so that lines of several threads do not mix. */
static void put(int level, const char *text) {
        static int prefixed = -1;
        char line[2048 + 8];

        /* The journal reads "<N>" in front of a line as its level; on a terminal it would be noise. */
        if (prefixed < 0)
                prefixed = getenv("JOURNAL_STREAM") != NULL;
        int n = prefixed ? snprintf(line, sizeof(line), "<%d>%s", level, text) : snprintf(line, sizeof(line), "%s", text);
        if (n < 0)
                return;
        size_t size = MIN((size_t) n, sizeof(line) - 1);
        line[size] = '\n'; /* in place of the NUL */
        (void) !write(STDERR_FILENO, line, size + 1);
}

void log_full(int level, int error, const char *format, ...) {
        static atomic_uint dropped;
        char text[2048];
        va_list ap;

        if (level > log_max_level)
                return;
        va_start(ap, format);
        int n = vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        if (error && n >= 0 && (size_t) n < sizeof(text))
                snprintf(text + n, sizeof(text) - (size_t) n, ": %s", strerror(abs(error)));

        if (!is_taken()) {
                dropped++;
                return;
        }
        unsigned lost = atomic_exchange(&dropped, 0);
        if (lost > 0) {
                char notice[96];
                snprintf(notice, sizeof(notice), "%u log lines were dropped, as nobody took them in time", lost);
                put(LOG_WARNING, notice);
        }
        put(level, text);
}
