/* SPDX-License-Identifier: Apache-2.0 */
/* pointsmanctl: what its parts share. */
#pragma once

#include <jansson.h>

#include "basic/clock.h"
#include "basic/macro.h"
#include "ctl/text.h"
#include "daemon/core/types.h"
#include "pointsman/pointsman.h"

typedef enum Exit {
        EXIT_DONE = 0,
        EXIT_REFUSED = 1,     /* the daemon said no; or a check found a mistake */
        EXIT_USAGE = 2,       /* the command line is wrong, or a file named on it cannot be read */
        EXIT_UNREACHABLE = 3, /* no answer from the daemon */
} Exit;

static inline double ctl_now_ms(void) {
        return (double) clock_ns(CLOCK_MONOTONIC) / 1e6;
}

typedef enum OptionType {
        OPTION_FLAG,    /* true */
        OPTION_TEXT,    /* a string */
        OPTION_NUMBER,
        OPTION_YES_NO,  /* --x, --x=yes, --x=no */
        OPTION_LIST,    /* may be repeated: an array of strings */
        OPTION_HEADER,  /* may be repeated: "Name: value" becomes a member of an object */
        OPTION_BODY,    /* the beginning of a file, or of standard input for "-" */
} OptionType;

typedef struct CommandOption {
        const char *name;
        char letter;            /* 0: none */
        OptionType type;
        const char *argument;   /* as in the help, e.g. "DOLLARS"; SERVICE, NODE and FILE can be completed */
        const char *field;      /* the parameter that it becomes; NULL: the command's own, see Request.options */
        const EnumNames *words; /* what it may be, for help and completion; checked by the daemon */
        const char *help;
} CommandOption;

typedef struct Ctl Ctl;
typedef struct Command Command;

/* A command line, taken apart. */
typedef struct Request {
        const Command *command;
        json_t *parameters; /* of the method: what options and arguments became */
        json_t *options;    /* by name, those without a field */
        char **arguments;
        unsigned n_arguments;
} Request;

struct Command {
        const char *name;
        const char *arguments; /* as in the help: "SERVICE [FILE]"; "..." behind one: more of them */
        const char *group;     /* a heading of the help; NULL: hidden */
        const char *help;      /* one line: "list the services" */
        const char *details;   /* more, or NULL */
        const char *example;
        const CommandOption *options; /* ended by one without a name; or NULL */
        bool local;            /* needs no daemon */

        /* Either run does it all, */
        Exit (*run)(Ctl *c, const Request *r);
        /* or a method is called: its fields for the arguments in their order, the part of the reply whose elements --json prints
         * one a line (NULL: the whole), and what prints it for people. */
        const char *method;
        const char *fields[3];
        const char *lines;
        void (*print)(Ctl *c, const json_t *reply);
};

extern const Command commands[]; /* ended by one without a name */
const Command *command_find(const char *name);
/* Copies the i-th word of command->arguments, without brackets; *ret_more: it may be repeated. false: there is none. */
bool command_argument(const Command *command, unsigned i, char *buffer, size_t size, bool *ret_optional, bool *ret_more);

struct Ctl {
        char *socket;       /* NULL: the default */
        bool json;
        Terminal out;       /* where readable output goes */
        pointsman *client;
        json_int_t serial;  /* of the last event; -1: none yet */
};

/* ---- messages, all on standard error ---- */
void complain(const char *format, ...) _printf_(1, 2);
Exit usage(const Command *command, const char *format, ...) _printf_(2, 3);
Exit out_of_memory(void);

/* ---- talking to the daemon; each says on standard error what went wrong ---- */
Exit ctl_connect(Ctl *c);
/* Calls and parses the reply. parameters: borrowed, NULL: none. */
Exit ctl_call(Ctl *c, const char *method, json_t *parameters, json_t **ret);
/* The same in silence, with parameters as text. What libpointsman returned. */
int ctl_try(Ctl *c, const char *method, const char *parameters, json_t **ret);
/* Turns what a function of libpointsman returned into a message and an exit status. */
Exit ctl_failed(Ctl *c, int error);
Exit ctl_run_method(Ctl *c, const Request *r);
/* One line; what stands at path ("services.nodes") if that is an array: one line each. */
void ctl_print_json(Ctl *c, const json_t *v, const char *path);

/* ---- the command line ---- */
extern const CommandOption global_options[];
Exit request_parse(Ctl *c, const Command *command, int argc, char **argv, Request *ret);
void request_done(Request *r);
const char *request_option(const Request *r, const char *name); /* of an option without a field: its text, "" for a flag; or NULL */
void help_program(FILE *f);
void help_command(FILE *f, const Command *command);

#define _cleanup_json_ _cleanup_(json_decrefp)

/* ---- the commands ---- */
Exit run_complete(Ctl *c, const Request *r);
Exit run_help(Ctl *c, const Request *r);

void print_status(Ctl *c, const json_t *reply);
void print_services(Ctl *c, const json_t *reply);
Exit run_nodes(Ctl *c, const Request *r);
Exit run_health(Ctl *c, const Request *r);
void print_providers(Ctl *c, const json_t *reply);

void print_decision(Ctl *c, const json_t *reply);
void print_report(Ctl *c, const json_t *reply);
Exit run_exec(Ctl *c, const Request *r);

Exit run_events(Ctl *c, const Request *r);

Exit run_node(Ctl *c, const Request *r);
Exit run_register(Ctl *c, const Request *r);
void print_changes(Ctl *c, const json_t *reply);
void print_scenarios(Ctl *c, const json_t *reply);
Exit run_scenario(Ctl *c, const Request *r);

Exit run_budget(Ctl *c, const Request *r);
void print_object(Ctl *c, const json_t *reply);
void print_analytics(Ctl *c, const json_t *reply);

Exit run_audit(Ctl *c, const Request *r);
Exit run_check_config(Ctl *c, const Request *r);
Exit run_call(Ctl *c, const Request *r);
Exit run_top(Ctl *c, const Request *r);
