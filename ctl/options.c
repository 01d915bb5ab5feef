/* SPDX-License-Identifier: Apache-2.0 */
/* A command line → the parameters of a method, by the tables. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <math.h>

#include "ctl/ctl.h"

#define OPTIONS_MAX 32
#define BODY_MAX (64 * 1024)
/* What getopt_long() returns for the i-th option. */
#define OPTION_BASE 1000

const CommandOption global_options[] = {
        { "json", 'j', OPTION_FLAG, .help = "print JSON, one object a line" },
        { "socket", 's', OPTION_TEXT, "FILE", .help = "the daemon's socket; default $POINTSMAN_SOCKET, else " POINTSMAN_DEFAULT_SOCKET },
        { "no-color", 0, OPTION_FLAG, .help = "no colours; also where $NO_COLOR is set or the output is no terminal" },
        { "help", 'h', OPTION_FLAG, .help = "show a help, of the command if one is named" },
        { "version", 0, OPTION_FLAG, .help = "show the version" },
        {},
};

/* The global options and the command's own, as getopt_long() wants them. */
typedef struct OptionList {
        const CommandOption *rows[OPTIONS_MAX];
        struct option longs[OPTIONS_MAX + 1];
        char shorts[OPTIONS_MAX * 2 + 3];
} OptionList;

static void list_append(OptionList *l, size_t *n, const CommandOption *options) {
        for (const CommandOption *o = options; o && o->name && *n < OPTIONS_MAX; o++, (*n)++) {
                bool none = o->type == OPTION_FLAG;
                l->rows[*n] = o;
                l->longs[*n] = (struct option) {
                        .name = o->name,
                        .has_arg = none ? no_argument : o->type == OPTION_YES_NO ? optional_argument : required_argument,
                        .val = OPTION_BASE + (int) *n,
                };
                if (o->letter)
                        strcat(l->shorts, (char[]) { o->letter, none ? 0 : ':', 0 });
        }
}

static const CommandOption *list_find(const OptionList *l, int value) {
        if (value >= OPTION_BASE && value < OPTION_BASE + OPTIONS_MAX)
                return l->rows[value - OPTION_BASE];
        for (size_t i = 0; i < OPTIONS_MAX && l->rows[i]; i++)
                if (l->rows[i]->letter && l->rows[i]->letter == value)
                        return l->rows[i];
        return NULL;
}

static json_t *json_clean(const char *s, size_t n) {
        _cleanup_free_ char *clean = text_clean(s, n, true);
        return clean ? json_string(clean) : NULL;
}

static json_t *parse_number(const char *text) {
        char *end;

        errno = 0;
        long long integer = strtoll(text, &end, 10);
        if (end > text && !*end && errno == 0)
                return json_integer(integer);
        double real = strtod(text, &end);
        return end > text && !*end && isfinite(real) ? json_real(real) : NULL;
}

static Exit read_body(const char *path, json_t *parameters, json_t **ret) {
        _cleanup_close_ int fd = streq(path, "-") ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
        _cleanup_free_ char *body = malloc(BODY_MAX + 1);
        size_t n = 0;
        ssize_t k = 0;

        while (body && fd >= 0 && n <= BODY_MAX && (k = read(fd, body + n, BODY_MAX + 1 - n)) > 0)
                n += (size_t) k;
        if (fd < 0 || k < 0) {
                complain("cannot read %s: %s", path, strerror(errno));
                return EXIT_USAGE;
        }
        /* So that its end is not taken for corrupt. */
        if (n > BODY_MAX && json_object_set_new(parameters, "bodyTruncated", json_true()) < 0)
                return out_of_memory();
        *ret = body ? json_clean(body, MIN(n, (size_t) BODY_MAX)) : NULL;
        return *ret ? EXIT_DONE : out_of_memory();
}

static Exit add_header(const Command *command, const char *text, json_t *headers) {
        const char *colon = strchr(text, ':');

        if (!colon || colon == text)
                return usage(command, "--header \"%s\": must be \"Name: value\"", text);
        const char *value = colon + 1 + strspn(colon + 1, " \t");
        _cleanup_free_ char *name = strndup(text, (size_t) (colon - text)), *joined = NULL;
        /* A repeated header is a list (RFC 9110, section 5.3). */
        const char *before = name ? json_string_value(json_object_get(headers, name)) : NULL;
        if (!name || (before && asprintf(&joined, "%s, %s", before, value) < 0))
                return out_of_memory();
        const char *all = joined ?: value;
        return json_object_set_new(headers, name, json_clean(all, strlen(all))) < 0 ? out_of_memory() : EXIT_DONE;
}

static json_t *member(json_t *object, const char *key, json_t *(*create)(void)) {
        json_t *v = json_object_get(object, key);
        if (v)
                return v;
        return json_object_set_new(object, key, create()) < 0 ? NULL : json_object_get(object, key);
}

static Exit add_option(const CommandOption *o, const char *value, Request *r) {
        const char *key = o->field ?: o->name;
        json_t *to = o->field ? r->parameters : r->options, *v = NULL;

        switch (o->type) {
        case OPTION_FLAG:
                v = o->field ? json_true() : json_string("");
                break;
        case OPTION_TEXT:
                v = json_clean(value, strlen(value));
                break;
        case OPTION_NUMBER:
                v = parse_number(value);
                if (!v)
                        return usage(r->command, "--%s: \"%s\" is not a number", o->name, value);
                break;
        case OPTION_YES_NO:
                if (value && !streq(value, "yes") && !streq(value, "no"))
                        return usage(r->command, "--%s: must be yes or no, not \"%s\"", o->name, value);
                v = json_boolean(!value || streq(value, "yes"));
                break;
        case OPTION_LIST:
                to = member(to, key, json_array);
                return !to || json_array_append_new(to, json_clean(value, strlen(value))) < 0 ? out_of_memory() : EXIT_DONE;
        case OPTION_HEADER:
                to = member(to, key, json_object);
                return to ? add_header(r->command, value, to) : out_of_memory();
        case OPTION_BODY: {
                Exit e = read_body(value, r->parameters, &v);
                if (e != EXIT_DONE)
                        return e;
                break;
        }
        }
        return json_object_set_new(to, key, v) < 0 ? out_of_memory() : EXIT_DONE;
}

static Exit check_arguments(const Request *r) {
        bool optional, more = false;
        char word[128];
        unsigned i = 0;

        for (; command_argument(r->command, i, word, sizeof(word), &optional, &more); i++) {
                if (i < r->n_arguments || optional)
                        continue;
                return usage(r->command, "%s is missing", word);
        }
        if (r->n_arguments > i && !more)
                return usage(r->command, "one argument too many: \"%s\"", r->arguments[i]);
        return EXIT_DONE;
}

/* The arguments that are fields of the method. */
static Exit add_fields(Request *r) {
        for (size_t i = 0; i < ELEMENTSOF(r->command->fields) && r->command->fields[i] && i < r->n_arguments; i++)
                if (json_object_set_new(r->parameters, r->command->fields[i], json_clean(r->arguments[i], strlen(r->arguments[i]))) < 0)
                        return out_of_memory();
        return EXIT_DONE;
}

Exit request_parse(Ctl *c, const Command *command, int argc, char **argv, Request *ret) {
        Request r = { .command = command, .parameters = json_object(), .options = json_object() };
        OptionList list = {};
        Exit e = r.parameters && r.options ? EXIT_DONE : out_of_memory();
        size_t n = 0;
        int value;

        /* "+": what stands behind the command's name, or behind exec's service, is not ours. */
        strcpy(list.shorts, command && !streq(command->name, "complete") ? ":" : "+:");
        list_append(&list, &n, global_options);
        if (command)
                list_append(&list, &n, command->options);

        optind = 0;
        opterr = 0;
        while (e == EXIT_DONE && (value = getopt_long(argc, argv, list.shorts, list.longs, NULL)) >= 0) {
                const CommandOption *o = list_find(&list, value);
                if (o)
                        e = add_option(o, optarg, &r);
                else if (value == ':') {
                        o = list_find(&list, optopt);
                        e = usage(command, "--%s wants %s", o ? o->name : "?", o ? o->argument : "an argument");
                } else if (optopt >= OPTION_BASE)
                        e = usage(command, "%s: takes no argument", argv[optind - 1]);
                else if (optopt)
                        e = usage(command, "there is no option -%c", optopt);
                else
                        e = usage(command, "there is no option %s, or it can be read in more than one way", argv[optind - 1]);
        }
        r.arguments = argv + optind;
        r.n_arguments = (unsigned) (argc - optind);

        const char *socket = request_option(&r, "socket");
        if (e == EXIT_DONE && socket) {
                free(c->socket);
                c->socket = strdup(socket);
                if (!c->socket)
                        e = out_of_memory();
        }
        c->json = c->json || request_option(&r, "json");
        c->out.color = c->out.color && !request_option(&r, "no-color");
        if (e == EXIT_DONE && command && !request_option(&r, "help") && !request_option(&r, "version")) {
                e = check_arguments(&r);
                if (e == EXIT_DONE)
                        e = add_fields(&r);
        }
        if (e == EXIT_DONE)
                *ret = r;
        else
                request_done(&r);
        return e;
}

void request_done(Request *r) {
        json_decref(r->parameters);
        json_decref(r->options);
        *r = (Request) {};
}

const char *request_option(const Request *r, const char *name) {
        return json_string_value(json_object_get(r->options, name));
}
