/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <stdarg.h>

#include "ctl/ctl.h"

#define HELP_WIDTH 79
#define HELP_INDENT 28

static void _printf_(1, 0) vcomplain(const char *format, va_list ap) {
        char text[4096];

        vsnprintf(text, sizeof(text), format, ap);
        _cleanup_free_ char *clean = text_clean(text, strlen(text), false);
        fprintf(stderr, "pointsmanctl: %s\n", clean ?: "out of memory");
}

void complain(const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        vcomplain(format, ap);
        va_end(ap);
}

Exit usage(const Command *command, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        vcomplain(format, ap);
        va_end(ap);
        if (command)
                fprintf(stderr, "Usage: pointsmanctl %s %s%s\nSee pointsmanctl %s --help.\n", command->name,
                        command->options ? "[OPTION...] " : "", command->arguments ?: "", command->name);
        else
                fputs("See pointsmanctl --help.\n", stderr);
        return EXIT_USAGE;
}

Exit out_of_memory(void) {
        complain("out of memory");
        return EXIT_UNREACHABLE;
}

static void help_line(Terminal *t, const char *left, const char *text) {
        size_t n = text_width(left);

        fprintf(t->file, "  %s", left);
        if (n + 4 > HELP_INDENT)
                fprintf(t->file, "\n%*s", HELP_INDENT, "");
        else
                fprintf(t->file, "%*s", (int) (HELP_INDENT - n - 2), "");
        print_wrapped(t, text, HELP_INDENT, HELP_INDENT);
}

static void help_options(Terminal *t, const CommandOption *options) {
        for (const CommandOption *o = options; o && o->name; o++) {
                char left[128], text[1024];
                bool none = o->type == OPTION_FLAG, maybe = o->type == OPTION_YES_NO;
                char letter[] = { '-', o->letter, ',', ' ', 0 };
                snprintf(left, sizeof(left), "%s--%s%s%s", o->letter ? letter : "    ", o->name,
                         none ? "" : maybe ? "[=yes|no]" : " ", none || maybe ? "" : o->argument);
                snprintf(text, sizeof(text), "%s", o->help);
                for (int i = 0; o->words && i < o->words->n; i++) {
                        size_t n = strlen(text);
                        snprintf(text + n, sizeof(text) - n, "%s%s", i > 0 ? ", " : ": ", o->words->names[i]);
                }
                help_line(t, left, text);
        }
}

void help_program(FILE *f) {
        Terminal t = { .file = f, .width = HELP_WIDTH };
        const char *group = "";

        fputs("Usage: pointsmanctl [OPTION...] COMMAND [ARGUMENT...]\n\n"
              "Asks pointsmand, which tells programs which provider to call next.\n", f);
        for (const Command *c = commands; c->name; c++) {
                char left[128];
                if (!c->group)
                        continue;
                if (!streq(group, c->group))
                        fprintf(f, "\n%s:\n", group = c->group);
                snprintf(left, sizeof(left), "%s %s", c->name, c->arguments ?: "");
                help_line(&t, left, c->help);
        }
        fputs("\nOptions, before or behind the command:\n", f);
        help_options(&t, global_options);
        fputs("\nExit status: 0 done, 1 the daemon said no, 2 wrong usage, 3 the daemon cannot be reached.\n"
              "pointsmanctl COMMAND --help tells more; so does pointsmanctl(1).\n", f);
}

void help_command(FILE *f, const Command *command) {
        Terminal t = { .file = f, .width = HELP_WIDTH };

        fprintf(f, "Usage: pointsmanctl %s %s%s\n\n", command->name, command->options ? "[OPTION...] " : "", command->arguments ?: "");
        char first[2] = { command->help[0] >= 'a' && command->help[0] <= 'z' ? (char) (command->help[0] - 0x20) : command->help[0] };
        _cleanup_free_ char *text = NULL;
        if (asprintf(&text, "%s%s.%s%s", first, command->help + 1, command->details ? " " : "", command->details ?: "") < 0)
                return;
        print_wrapped(&t, text, 0, 0);
        if (command->options) {
                fputs("\nOptions:\n", f);
                help_options(&t, command->options);
        }
        fprintf(f, "\nExample:\n  %s\n", command->example);
        fputs("\n--json, --socket FILE and --no-color work everywhere; see pointsmanctl --help.\n", f);
}

Exit run_help(Ctl *c, const Request *r) {
        if (r->n_arguments == 0) {
                help_program(c->out.file);
                return EXIT_DONE;
        }
        const Command *command = command_find(r->arguments[0]);
        if (!command)
                return usage(NULL, "there is no command \"%s\"", r->arguments[0]);
        help_command(c->out.file, command);
        return EXIT_DONE;
}
