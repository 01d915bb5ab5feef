/* SPDX-License-Identifier: Apache-2.0 */
/* complete: what a shell asks for when Tab is pressed. One candidate a line, with a tab and a help behind it where there is one;
 * ":file" asks for the names of files. */
#include <ctype.h>

#include "ctl/ctl.h"
#include "ctl/table.h"

/* A shell does not wait longer than a person. */
#define TIMEOUT_MS 500

static void offer(Ctl *c, const char *start, const char *candidate, const char *help) {
        if (strncmp(candidate, start, strlen(start)) == 0)
                fprintf(c->out.file, "%s%s%s\n", candidate, help ? "\t" : "", help ?: "");
}

/* A call that may fail: then there is nothing to offer, and nothing to say about it. */
static json_t *ask(Ctl *c, const char *method, const char *parameters) {
        json_t *reply = NULL;

        if (!c->client && pointsman_connect(c->socket, &c->client) < 0)
                return NULL;
        pointsman_set_timeout(c->client, TIMEOUT_MS);
        ctl_try(c, method, parameters, &reply);
        return reply;
}

static void offer_each(Ctl *c, const char *start, const json_t *rows, const char *field) {
        json_t *row;
        size_t i;

        json_array_foreach((json_t *) rows, i, row) {
                _cleanup_free_ char *name = text_copy(json_text_at(row, field));
                if (name && *name)
                        offer(c, start, name, NULL);
        }
}

static void offer_methods(Ctl *c, const char *start) {
        _cleanup_json_ json_t *reply = ask(c, "org.varlink.service.GetInterfaceDescription", "{\"interface\":\"" POINTSMAN_INTERFACE "\"}");

        for (const char *p = json_text_at(reply, "description"); p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL) {
                char name[128];
                if (sscanf(p, "method %127[A-Za-z0-9]", name) == 1)
                        offer(c, start, name, NULL);
        }
}

/* What a word in capitals in the help stands for. */
static void offer_kind(Ctl *c, const char *start, const char *kind) {
        if (streq(kind, "SERVICE") || streq(kind, "NODE")) {
                _cleanup_json_ json_t *reply = ask(c, "GetSystemStatus", NULL);
                json_t *service;
                size_t i;
                if (streq(kind, "SERVICE"))
                        offer_each(c, start, json_at(reply, "services"), "serviceName");
                else
                        json_array_foreach((json_t *) json_at(reply, "services"), i, service)
                                offer_each(c, start, json_at(service, "nodes"), "node");
        } else if (streq(kind, "TYPE|ID")) {
                _cleanup_json_ json_t *reply = ask(c, "GetActiveScenarios", NULL);
                for (int i = 0; i < scenario_type_names.n; i++)
                        offer(c, start, scenario_type_names.names[i], NULL);
                offer_each(c, start, json_at(reply, "scenarios"), "id");
        } else if (streq(kind, "METHOD"))
                offer_methods(c, start);
        else if (streq(kind, "COMMAND"))
                for (const Command *command = commands; command->name; command++)
                        offer(c, start, command->name, command->help);
        else if (streq(kind, "FILE"))
                fputs(":file\n", c->out.file);
        else if (islower((unsigned char) *kind)) {
                _cleanup_free_ char *words = strdup(kind);
                char *rest = words;
                for (char *word; (word = strsep(&rest, "|"));)
                        offer(c, start, word, NULL);
        }
}

static void offer_options(Ctl *c, const char *start, const CommandOption *options) {
        for (const CommandOption *o = options; o && o->name; o++) {
                char name[64];
                snprintf(name, sizeof(name), "--%s", o->name);
                offer(c, start, name, o->help);
        }
}

/* The option that a word names and whose argument is the next word. */
static const CommandOption *option_before(const Command *command, const char *word) {
        const CommandOption *lists[] = { global_options, command ? command->options : NULL };

        for (size_t i = 0; i < ELEMENTSOF(lists); i++)
                for (const CommandOption *o = lists[i]; o && o->name; o++) {
                        if (o->type == OPTION_FLAG || o->type == OPTION_YES_NO)
                                continue;
                        if ((strncmp(word, "--", 2) == 0 && streq(word + 2, o->name)) ||
                            (word[0] == '-' && o->letter && word[1] == o->letter && !word[2]))
                                return o;
                }
        return NULL;
}

static void offer_option_argument(Ctl *c, const char *start, const CommandOption *o) {
        for (int i = 0; o->words && i < o->words->n; i++)
                offer(c, start, o->words->names[i], NULL);
        if (!o->words && o->argument)
                offer_kind(c, start, o->argument);
}

Exit run_complete(Ctl *c, const Request *r) {
        const char *start = r->n_arguments > 0 ? r->arguments[r->n_arguments - 1] : "";
        const Command *command = NULL;
        const CommandOption *option = NULL;
        unsigned position = 0;

        for (unsigned i = 0; i + 1 < r->n_arguments; i++) {
                const char *word = r->arguments[i];
                if (option) {
                        if (streq(option->name, "socket")) {
                                free(c->socket);
                                c->socket = strdup(word);
                        }
                        option = NULL;
                } else if (word[0] == '-' && word[1])
                        option = option_before(command, word);
                else if (!command) {
                        command = command_find(word);
                        if (!command)
                                return EXIT_DONE;
                } else
                        position++;
        }

        bool optional, more;
        char kind[64];
        if (option)
                offer_option_argument(c, start, option);
        else if (start[0] == '-') {
                offer_options(c, start, command ? command->options : NULL);
                offer_options(c, start, global_options);
        } else if (!command) {
                for (const Command *k = commands; k->name; k++)
                        if (k->group)
                                offer(c, start, k->name, k->help);
        } else if (streq(command->name, "exec") && position > 0)
                fputs(":file\n", c->out.file);
        else if (command_argument(command, position, kind, sizeof(kind), &optional, &more))
                offer_kind(c, start, kind);
        return EXIT_DONE;
}
