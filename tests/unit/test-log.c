/* SPDX-License-Identifier: Apache-2.0 */
/* Lines go to whoever reads standard error. Once others wait for us, nobody who does not read is waited for. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "basic/log.h"
#include "tests/unit/test.h"

typedef struct Fixture {
        int reader, saved;
} Fixture;

/* A journal's end of a stream, or a pipe's, in place of standard error. */
static void redirect(Fixture *x, bool pipe_) {
        int fds[2];

        assert_int_equal(pipe_ ? pipe(fds) : socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
        x->saved = dup(STDERR_FILENO);
        assert_int_equal(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
        close(fds[1]);
        x->reader = fds[0];
        fcntl(x->reader, F_SETFL, O_NONBLOCK);
}

static void restore(Fixture *x) {
        dup2(x->saved, STDERR_FILENO);
        close(x->saved);
        close(x->reader);
        log_may_wait = true;
}

static size_t read_all(Fixture *x, char *text, size_t size) {
        size_t n = 0;

        for (ssize_t k; (k = read(x->reader, text + n, size - 1 - n)) > 0;)
                n += (size_t) k;
        text[n] = 0;
        return n;
}

static void a_line(void **state) {
        char text[8192], longest[4000];
        Fixture x;

        redirect(&x, true);
        log_max_level = LOG_INFO;
        log_debug("nobody asked");
        log_info("%d services", 3);
        assert_int_equal(log_error_errno(-ENOENT, "Cannot open %s", "it"), -ENOENT);
        read_all(&x, text, sizeof(text));
        assert_string_equal(text, "3 services\nCannot open it: No such file or directory\n");

        memset(longest, 'x', sizeof(longest));
        longest[sizeof(longest) - 1] = 0;
        log_warning("%s", longest);
        assert_int_equal(read_all(&x, text, sizeof(text)), 2048);
        assert_int_equal(text[2047], '\n');
        restore(&x);
}

/* What is dropped is told, so that each line is accounted for. */
static void who_does_not_read_is_not_waited_for(bool pipe_) {
        enum { LINES = 10000 };
        static char text[4 << 20];
        unsigned lines = 0, dropped = 0;
        Fixture x;

        redirect(&x, pipe_);
        log_may_wait = false;
        for (unsigned i = 0; i < LINES; i++)
                log_warning("line %u with some words, so that it is as long as lines are", i);
        size_t n = read_all(&x, text, sizeof(text));
        log_warning("the last one");
        read_all(&x, text + n, sizeof(text) - n);
        restore(&x);

        for (char *p = text, *end; (end = strchr(p, '\n')); p = end + 1) {
                *end = 0;
                assert_true(sscanf(p, "%u log lines were dropped", &dropped) == 1 || strncmp(p, "line ", 5) == 0 ||
                            strcmp(p, "the last one") == 0);
                lines++;
        }
        assert_true(dropped > 0);
        assert_int_equal(lines - 2 + dropped, LINES);
}

static void a_journal_that_hangs(void **state) {
        who_does_not_read_is_not_waited_for(false);
}

static void a_full_pipe(void **state) {
        who_does_not_read_is_not_waited_for(true);
}

static void nobody_is_there(void **state) {
        Fixture x;

        redirect(&x, true);
        close(x.reader);
        log_may_wait = false;
        log_warning("SIGPIPE would end us");
        x.reader = dup(x.saved);
        restore(&x);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_line), cmocka_unit_test(a_journal_that_hangs), cmocka_unit_test(a_full_pipe),
                cmocka_unit_test(nobody_is_there),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
