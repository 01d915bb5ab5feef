/* SPDX-License-Identifier: Apache-2.0 */
/* pointsmanctl, the command line of pointsmand. */
#include "config.h"

#include <locale.h>

#include "ctl/ctl.h"

static void requestp(Request *r) {
        request_done(r);
}
#define _cleanup_request_ _cleanup_(requestp)

static Exit run_command(Ctl *c, const Command *command, int argc, char **argv) {
        _cleanup_request_ Request r = {};

        Exit e = request_parse(c, command, argc, argv, &r);
        if (e != EXIT_DONE)
                return e;
        if (request_option(&r, "help")) {
                help_command(stdout, command);
                return EXIT_DONE;
        }
        return command->run ? command->run(c, &r) : ctl_run_method(c, &r);
}

static Exit run(Ctl *c, int argc, char **argv) {
        _cleanup_request_ Request r = {};

        Exit e = request_parse(c, NULL, argc, argv, &r);
        if (e != EXIT_DONE)
                return e;
        if (request_option(&r, "version")) {
                puts("pointsmanctl " PACKAGE_VERSION);
                return EXIT_DONE;
        }
        if (r.n_arguments == 0 || request_option(&r, "help")) {
                help_program(request_option(&r, "help") ? stdout : stderr);
                return request_option(&r, "help") ? EXIT_DONE : EXIT_USAGE;
        }
        const Command *command = command_find(r.arguments[0]);
        if (!command)
                return usage(NULL, "there is no command \"%s\"", r.arguments[0]);
        return run_command(c, command, (int) r.n_arguments, r.arguments);
}

int main(int argc, char **argv) {
        Ctl c = {};

        /* The daemon speaks UTF-8, whatever the terminal's locale is; widths are counted in it. */
        setlocale(LC_CTYPE, "C.UTF-8");
        terminal_open(&c.out, true);
        Exit e = run(&c, argc, argv);
        pointsman_close(c.client);
        free(c.socket);
        if (fflush(stdout) == EOF || ferror(stdout)) {
                complain("cannot write: %m");
                e = e ?: EXIT_USAGE;
        }
        return e;
}
