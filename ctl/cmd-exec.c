/* SPDX-License-Identifier: Apache-2.0 */
/* exec: route, run a command, report. */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "ctl/ctl.h"
#include "ctl/table.h"

/* A decision that says "not before" is waited for so long, and no longer. */
#define WAIT_MAX_MS 10000

typedef struct Attempt {
        const char *id, *node, *url; /* of the decision */
        int status;                  /* of the command, as a shell tells it */
        double latency_ms;
        const char *error; /* NULL: done */
} Attempt;

/* What curl(1) says with its exit status about why there was no response. */
static const struct { int status; const char *error; } curl_errors[] = {
        { 6, "dns" }, { 7, "connect" }, { 28, "timeout" }, { 35, "tls" }, { 51, "tls" }, { 58, "tls" }, { 60, "tls" },
        { 52, "reset" }, { 55, "reset" }, { 56, "reset" },
};

static const char *error_of_status(const char *program, int status) {
        const char *slash = strrchr(program, '/');

        if (status == 0)
                return NULL;
        if (status == 126 || status == 127)
                return "not_sent";
        if (streq(slash ? slash + 1 : program, "curl"))
                for (size_t i = 0; i < ELEMENTSOF(curl_errors); i++)
                        if (curl_errors[i].status == status)
                                return curl_errors[i].error;
        return "canceled";
}

/* Whether the call failed for the node's sake, so that another node is worth a try. */
static bool is_nodes_fault(const char *error) {
        return error && !streq(error, "not_sent") && !streq(error, "canceled");
}

static char *substitute(const char *text, const Attempt *a) {
        const struct { const char *name, *value; } places[] = { { "{url}", a->url }, { "{node}", a->node }, { "{decision}", a->id } };
        char *result = NULL;
        size_t size;

        FILE *f = open_memstream(&result, &size);
        if (!f)
                return NULL;
        while (*text) {
                size_t i = 0;
                while (i < ELEMENTSOF(places) && strncmp(text, places[i].name, strlen(places[i].name)) != 0)
                        i++;
                if (i < ELEMENTSOF(places)) {
                        fputs(places[i].value, f);
                        text += strlen(places[i].name);
                } else
                        fputc(*text++, f);
        }
        fclose(f);
        return result;
}

/* In the child: never returns. */
static void become(char **words, unsigned n, const Attempt *a) {
        char **argv = calloc(n + 1, sizeof(char *));

        for (unsigned i = 0; argv && i < n; i++)
                if (!(argv[i] = substitute(words[i], a)))
                        _exit(126);
        signal(SIGINT, SIG_DFL);
        signal(SIGQUIT, SIG_DFL);
        if (!argv || setenv("POINTSMAN_URL", a->url, 1) < 0 || setenv("POINTSMAN_NODE", a->node, 1) < 0 ||
            setenv("POINTSMAN_DECISION", a->id, 1) < 0)
                _exit(126);
        execvp(argv[0], argv);
        int error = errno;
        complain("cannot run %s: %s", argv[0], strerror(error));
        _exit(error == ENOENT ? 127 : 126);
}

static int run_once(char **words, unsigned n, Attempt *a) {
        double before = ctl_now_ms();
        int status;

        fflush(NULL);
        /* Ctrl-C is for the command; what came of it is still to be reported. */
        signal(SIGINT, SIG_IGN);
        signal(SIGQUIT, SIG_IGN);
        pid_t pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                become(words, n, a);
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        a->latency_ms = ctl_now_ms() - before;
        a->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        a->error = error_of_status(words[0], a->status);
        return 0;
}

static json_t *outcome(const Attempt *a) {
        json_t *p = json_pack("{s:s, s:s*, s:f}", "decision", a->id, "error", a->error, "latencyMs", a->latency_ms);
        if (p && !a->error)
                json_object_set_new(p, "httpStatus", json_integer(200));
        return p;
}

/* Waits where the decision says so. False: it would take too long. */
static bool wait_as_told(Ctl *c, const json_t *decision) {
        json_int_t ms = json_integer_value(json_at(decision, "retryAfterMs"));

        if (ms > WAIT_MAX_MS) {
                Style style;
                _cleanup_free_ char *text = format_value(json_at(decision, "retryAfterMs"), FORMAT_DURATION, &style);
                _cleanup_json_ json_t *p = json_pack("{s:s, s:s}", "decision", json_text_at(decision, "id"), "error", "not_sent"),
                                      *reply = NULL;
                complain("no node can be called yet; try again in %s", text ?: "?");
                ctl_call(c, "Report", p, &reply);
                return false;
        }
        if (ms > 0)
                nanosleep(&(struct timespec) { .tv_sec = (time_t) (ms / 1000), .tv_nsec = (long) (ms % 1000) * 1000000 }, NULL);
        return true;
}

Exit run_exec(Ctl *c, const Request *r) {
        json_int_t fallbacks = json_integer_value(json_object_get(r->options, "fallbacks"));
        const char *method = "Route";
        _cleanup_json_ json_t *parameters = json_incref(r->parameters), *reply = NULL;

        if (json_object_set_new(parameters, "serviceName", json_string(r->arguments[0])) < 0)
                return usage(r->command, "the service's name is not UTF-8");
        for (;; fallbacks--) {
                json_t *next = NULL;
                Exit e = ctl_call(c, method, parameters, &next);
                if (e != EXIT_DONE)
                        return e;
                json_decref(reply);
                reply = next;

                const json_t *decision = json_at(reply, "decision");
                Attempt a = { json_text_at(decision, "id"), json_text_at(decision, "node"), json_text_at(decision, "url") };
                if (!wait_as_told(c, decision))
                        return EXIT_REFUSED;
                if (!request_option(r, "quiet"))
                        complain("%s at %s", a.node, a.url);
                int k = run_once(r->arguments + 1, r->n_arguments - 1, &a);
                if (k < 0) {
                        complain("cannot run %s: %s", r->arguments[1], strerror(-k));
                        return EXIT_UNREACHABLE;
                }

                json_decref(parameters);
                parameters = outcome(&a);
                if (!is_nodes_fault(a.error) || fallbacks <= 0) {
                        _cleanup_json_ json_t *verdict = NULL;
                        ctl_call(c, "Report", parameters, &verdict);
                        return (Exit) a.status;
                }
                if (!request_option(r, "quiet"))
                        complain("%s failed (%s)", a.node, a.error);
                method = "CostAwareFallback";
        }
}
