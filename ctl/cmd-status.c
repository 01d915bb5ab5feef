/* SPDX-License-Identifier: Apache-2.0 */
/* How it all is doing: status, services, nodes, budget, health, providers. */
#include "ctl/ctl.h"
#include "ctl/table.h"
#include "ctl/views.h"

const Column service_columns[] = {
        { "SERVICE", "serviceName", FORMAT_TEXT, 0 },
        { "USABLE", "nodes", FORMAT_USABLE, 0 },
        { "SUCCESS", "successRate", FORMAT_PERCENT, 1 },
        { "STRATEGY", "strategy", FORMAT_TEXT, 5 },
        { "MEANWHILE", "optimizationStrategy", FORMAT_TEXT, 7 },
        { "DECISIONS", "decisions", FORMAT_COUNT, 2 },
        { "FAILURES", "failures", FORMAT_COUNT, 4 },
        { "TIER", "costTier", FORMAT_WORD, 6 },
        { "BUDGET", "budgetState", FORMAT_WORD, 2 },
        { "SPENT/HOUR", "spendHour", FORMAT_MONEY, 3 },
        { "CAP/HOUR", "maxCostPerHour", FORMAT_MONEY, 6 },
        { "ORIGIN", "origin", FORMAT_TEXT, 8 },
};
const size_t n_service_columns = ELEMENTSOF(service_columns);

const Column node_columns[] = {
        { "NODE", "node", FORMAT_TEXT, 0 },
        { "HEALTH", "health", FORMAT_WORD, 0 },
        { "SCORE", "healthScore", FORMAT_SCORE, 2 },
        { "CIRCUIT", "circuit", FORMAT_WORD, 1 },
        { "STATE", "administrativeState", FORMAT_WORD, 3 },
        { "SUCCESS", "successRate", FORMAT_PERCENT, 1 },
        { "P50", "latencyP50Ms", FORMAT_LATENCY, 5 },
        { "P95", "latencyP95Ms", FORMAT_LATENCY, 2 },
        { "P99", "latencyP99Ms", FORMAT_LATENCY, 8 },
        { "IN FLIGHT", "inFlight", FORMAT_COUNT, 7 },
        { "CALLS", "calls", FORMAT_COUNT, 3 },
        { "FAILURES", "failures", FORMAT_COUNT, 4 },
        { "SHARE", "share", FORMAT_PERCENT, 6 },
        { "COST/CALL", "costPerRequest", FORMAT_MONEY, 6 },
        { "SPENT/HOUR", "spendHour", FORMAT_MONEY, 7 },
        { "COOL-DOWN", "cooldownMs", FORMAT_DURATION, 7 },
        { "LAST PROBE", "lastProbe", FORMAT_WORD, 9 },
        { "PROBED", "lastProbeAt", FORMAT_TIME, 10 },
};
const size_t n_node_columns = ELEMENTSOF(node_columns);

json_t *collect_nodes(const json_t *services, const char *service, bool troubled) {
        json_t *nodes = json_array(), *s, *n;
        size_t i, k;

        json_array_foreach((json_t *) services, i, s) {
                if (service && !streq(json_text_at(s, "serviceName"), service))
                        continue;
                json_array_foreach(json_object_get(s, "nodes"), k, n) {
                        const char *health = json_text_at(n, "health");
                        if (!troubled || streq(health, "degraded") || streq(health, "unhealthy") ||
                            !streq(json_text_at(n, "circuit"), "closed") || !streq(json_text_at(n, "administrativeState"), "enabled"))
                                json_array_append(nodes, n);
                }
        }
        return nodes;
}

void print_headline(Terminal *t, const json_t *status) {
        static const struct { const char *field, *words; } counts[] = {
                { "decisions", "decisions" }, { "failures", "failures" }, { "leases", "not yet reported" }, { "activeScenarios", "scenarios" },
        };
        _cleanup_json_ json_t *uptime = json_real(json_number_value(json_at(status, "uptimeSeconds")) * 1e3);
        Style plain, style;
        _cleanup_free_ char *version = format_value(json_at(status, "version"), FORMAT_TEXT, &plain),
                            *up = format_value(uptime, FORMAT_DURATION, &plain),
                            *health = format_value(json_at(status, "health"), FORMAT_WORD, &style);

        fprintf(t->file, "pointsmand %s is ", version ?: "?");
        print_styled(t, style, health ?: "?");
        fprintf(t->file, ", up %s\n", up ?: "?");
        for (size_t i = 0; i < ELEMENTSOF(counts); i++)
                fprintf(t->file, "%s%.0f %s", i > 0 ? ", " : "", json_number_value(json_at(status, counts[i].field)), counts[i].words);
        fputc('\n', t->file);
}

/* Why it is not simply ok. */
static void print_failed_checks(Ctl *c) {
        _cleanup_json_ json_t *reply = NULL;
        json_t *check;
        size_t i;

        if (ctl_try(c, "GetHealth", NULL, &reply) < 0)
                return;
        json_array_foreach((json_t *) json_at(reply, "checks"), i, check) {
                Style style;
                _cleanup_free_ char *status = format_value(json_at(check, "status"), FORMAT_WORD, &style),
                                    *name = text_copy(json_text_at(check, "name")), *text = text_copy(json_text_at(check, "message"));
                if (!status || !name || !text || streq(status, "ok"))
                        continue;
                print_styled(&c->out, style, name);
                fputs(": ", c->out.file);
                print_wrapped(&c->out, text, (unsigned) text_width(name) + 2, 4);
        }
}

void print_status(Ctl *c, const json_t *reply) {
        const json_t *services = json_at(reply, "services");
        _cleanup_json_ json_t *troubled = collect_nodes(services, NULL, true);

        print_headline(&c->out, json_at(reply, "status"));
        if (!streq(json_text_at(reply, "status.health"), "ok"))
                print_failed_checks(c);
        fputc('\n', c->out.file);
        print_services(c, reply);
        if (json_array_size(troubled) == 0)
                return;
        fputc('\n', c->out.file);
        print_table(&c->out, troubled, node_columns, n_node_columns);
}

void print_services(Ctl *c, const json_t *reply) {
        const json_t *services = json_at(reply, "services");

        if (json_array_size(services) > 0)
                print_table(&c->out, services, service_columns, n_service_columns);
        else
                fputs("There are no services. The configuration file or pointsmanctl register makes some.\n", c->out.file);
}

static const json_t *find_service(const json_t *services, const char *name) {
        json_t *s;
        size_t i;

        json_array_foreach((json_t *) services, i, s)
                if (streq(json_text_at(s, "serviceName"), name))
                        return s;
        return NULL;
}

Exit run_nodes(Ctl *c, const Request *r) {
        const char *service = r->n_arguments > 0 ? r->arguments[0] : NULL;
        _cleanup_json_ json_t *reply = NULL, *nodes = NULL;

        Exit e = ctl_call(c, "GetSystemStatus", NULL, &reply);
        if (e != EXIT_DONE)
                return e;
        const json_t *services = json_at(reply, "services");
        if (service && !find_service(services, service)) {
                complain("NoSuchService: there is no service \"%s\" (see: pointsmanctl services)", service);
                return EXIT_REFUSED;
        }
        nodes = collect_nodes(services, service, false);
        if (c->json) {
                _cleanup_json_ json_t *all = json_pack("{s:O}", "nodes", nodes);
                if (json_array_size(nodes) > 0)
                        ctl_print_json(c, all, "nodes");
        } else if (json_array_size(nodes) > 0)
                print_table(&c->out, nodes, node_columns, n_node_columns);
        else
                fputs("There are no nodes.\n", c->out.file);
        return EXIT_DONE;
}

Exit run_health(Ctl *c, const Request *r) {
        static const Column columns[] = {
                { "CHECK", "name", FORMAT_TEXT, 0 },
                { "STATUS", "status", FORMAT_WORD, 0 },
                { "MESSAGE", "message", FORMAT_PROSE, 0 },
        };
        _cleanup_json_ json_t *reply = NULL;

        Exit e = ctl_call(c, "GetHealth", r->parameters, &reply);
        if (e != EXIT_DONE)
                return e;
        if (c->json)
                ctl_print_json(c, reply, NULL);
        else {
                Style style;
                _cleanup_free_ char *status = format_value(json_at(reply, "status"), FORMAT_WORD, &style);
                fputs("pointsmand is ", c->out.file);
                print_styled(&c->out, style, status ?: "?");
                fputs("\n\n", c->out.file);
                print_table(&c->out, json_at(reply, "checks"), columns, ELEMENTSOF(columns));
        }
        return streq(json_text_at(reply, "status"), "failing") ? EXIT_REFUSED : EXIT_DONE;
}

void print_providers(Ctl *c, const json_t *reply) {
        static const Column columns[] = {
                { "NAME", "name", FORMAT_TEXT, 0 },
                { "TITLE", "title", FORMAT_TEXT, 3 },
                { "VERSION", "version", FORMAT_TEXT, 2 },
                { "ABI", "abi", FORMAT_COUNT, 4 },
                { "OPERATIONS", "operations", FORMAT_PROSE, 1 },
                { "PATH", "path", FORMAT_TEXT, 5 },
        };
        const json_t *providers = json_at(reply, "providers");
        json_t *p;
        size_t i;

        if (json_array_size(providers) == 0)
                fputs("There are no provider plugins.\n", c->out.file);
        else
                print_table(&c->out, providers, columns, ELEMENTSOF(columns));
        json_array_foreach((json_t *) providers, i, p) {
                if (!*json_text_at(p, "error"))
                        continue;
                _cleanup_free_ char *name = text_copy(json_text_at(p, "name")), *error = text_copy(json_text_at(p, "error"));
                fprintf(c->out.file, "\n%s was not loaded: ", name ?: "");
                print_wrapped(&c->out, error ?: "", (unsigned) text_width(name ?: "") + 17, 4);
        }
}

static void print_budgets(Ctl *c, const json_t *reply) {
        static const Column columns[] = {
                { "SERVICE", "serviceName", FORMAT_TEXT, 0 },
                { "BUDGET", "budgetState", FORMAT_WORD, 0 },
                { "TIER", "costTier", FORMAT_WORD, 2 },
                { "SPENT/HOUR", "spendHour", FORMAT_MONEY, 0 },
                { "CAP/HOUR", "maxCostPerHour", FORMAT_MONEY, 1 },
                { "PERIOD", "budgetPeriod", FORMAT_TEXT, 2 },
                { "SPENT/PERIOD", "spendPeriod", FORMAT_MONEY, 1 },
                { "BUDGET/PERIOD", "totalBudget", FORMAT_MONEY, 1 },
                { "RESERVED", "reserved", FORMAT_MONEY, 3 },
        };
        print_table(&c->out, json_at(reply, "services"), columns, ELEMENTSOF(columns));
}

Exit run_budget(Ctl *c, const Request *r) {
        _cleanup_json_ json_t *reply = NULL;

        Exit e = ctl_call(c, r->n_arguments > 0 ? "GetCostMonitoring" : "GetSystemStatus", r->parameters, &reply);
        if (e != EXIT_DONE)
                return e;
        if (c->json)
                ctl_print_json(c, reply, r->n_arguments > 0 ? "cost" : "services");
        else if (r->n_arguments > 0)
                print_object(c, reply);
        else
                print_budgets(c, reply);
        return EXIT_DONE;
}
