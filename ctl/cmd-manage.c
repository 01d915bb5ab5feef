/* SPDX-License-Identifier: Apache-2.0 */
/* node, scenario, scenarios, register, unregister, reload. */
#include "ctl/ctl.h"
#include "ctl/views.h"

void print_changes(Ctl *c, const json_t *reply) {
        static const Column columns[] = {
                { "SETTING", "path", FORMAT_TEXT, 0 },
                { "BEFORE", "before", FORMAT_TEXT, 0 },
                { "AFTER", "after", FORMAT_TEXT, 0 },
        };
        const json_t *changes = json_at(reply, "changes");

        if (json_array_size(changes) > 0)
                print_table(&c->out, changes, columns, ELEMENTSOF(columns));
        else
                fputs("Nothing has changed.\n", c->out.file);
}

Exit run_node(Ctl *c, const Request *r) {
        static const struct { const char *action, *state; } actions[] = {
                { "drain", "draining" }, { "enable", "enabled" }, { "disable", "disabled" },
        };
        _cleanup_json_ json_t *parameters = NULL, *reply = NULL, *rows = NULL;
        const char *state = NULL;

        for (size_t i = 0; i < ELEMENTSOF(actions); i++)
                if (streq(r->arguments[0], actions[i].action))
                        state = actions[i].state;
        if (!state)
                return usage(r->command, "\"%s\" is none of drain, enable, disable", r->arguments[0]);
        parameters = json_pack("{s:s, s:s}", "node", r->arguments[1], "administrativeState", state);
        if (!parameters)
                return usage(r->command, "the node's name is not UTF-8");
        Exit e = ctl_call(c, "SetNodeState", parameters, &reply);
        if (e != EXIT_DONE)
                return e;
        rows = json_pack("[O?]", json_at(reply, "node"));
        if (c->json)
                ctl_print_json(c, reply, "node");
        else
                print_table(&c->out, rows, node_columns, n_node_columns);
        return EXIT_DONE;
}

/* ---- scenarios ---- */

static const Column scenario_columns[] = {
        { "SCENARIO", "id", FORMAT_TEXT, 0 },
        { "TYPE", "type", FORMAT_TEXT, 0 },
        { "SERVICE", "serviceName", FORMAT_TEXT, 1 },
        { "SEVERITY", "severity", FORMAT_WORD, 0 },
        { "STATE", "state", FORMAT_WORD, 0 },
        { "SINCE", "startedAt", FORMAT_TIME, 2 },
        { "FAILED CALLS", "impact.failedCalls", FORMAT_COUNT, 3 },
        { "AT RISK", "impact.revenueAtRisk", FORMAT_MONEY, 4 },
        { "STRATEGY", "optimizationStrategy", FORMAT_TEXT, 5 },
        { "REASON", "reason", FORMAT_PROSE, 1 },
};

void print_scenarios(Ctl *c, const json_t *reply) {
        const json_t *scenarios = json_at(reply, "scenarios");

        if (json_array_size(scenarios) > 0)
                print_table(&c->out, scenarios, scenario_columns, ELEMENTSOF(scenario_columns));
        else
                fputs("There are no active scenarios.\n", c->out.file);
}

static void print_scenario(Ctl *c, const json_t *reply) {
        static const Column timeline[] = {
                { "TIME", "time", FORMAT_TIME, 0 },
                { "STEP", "step", FORMAT_TEXT, 0 },
                { "MESSAGE", "message", FORMAT_PROSE, 0 },
        };
        _cleanup_json_ json_t *rows = json_pack("[O?]", json_at(reply, "scenario"));
        json_t *action;
        size_t i;

        print_table(&c->out, rows, scenario_columns, ELEMENTSOF(scenario_columns));
        if (json_array_size(json_at(reply, "scenario.timeline")) > 0) {
                fputc('\n', c->out.file);
                print_table(&c->out, json_at(reply, "scenario.timeline"), timeline, ELEMENTSOF(timeline));
        }
        json_array_foreach((json_t *) json_at(reply, "actions"), i, action) {
                _cleanup_free_ char *text = text_copy(json_string_value(action) ?: "");
                fputs(i == 0 ? "\nDone: " : "      ", c->out.file);
                print_wrapped(&c->out, text ?: "", 6, 6);
        }
}

Exit run_scenario(Ctl *c, const Request *r) {
        const char *action = r->arguments[0], *what = r->arguments[1];
        _cleanup_json_ json_t *reply = NULL;
        bool open = streq(action, "open");

        if (!open && !streq(action, "resolve"))
                return usage(r->command, "\"%s\" is none of open, resolve", action);
        if (json_object_set_new(r->parameters, open ? "type" : "id", json_string(what)) < 0)
                return usage(r->command, "\"%s\" is not UTF-8", what);
        Exit e = ctl_call(c, open ? "HandleScenario" : "ResolveScenario", r->parameters, &reply);
        if (e != EXIT_DONE)
                return e;
        if (c->json)
                ctl_print_json(c, reply, "scenario");
        else
                print_scenario(c, reply);
        return EXIT_DONE;
}

/* ---- register ---- */

static const struct { const char *member, *method; } registrations[] = {
        { "distribution", "RegisterTrafficDistribution" },
        { "allocation", "RegisterBudgetAllocation" },
};

/* Nothing is registered if the file is wrong in any place that can be seen from here. */
static Exit check_registrations(const char *path, const json_t *file) {
        json_t *entry;
        size_t i;

        if (json_array_size(file) == 0) {
                complain("%s: holds nothing to register", path);
                return EXIT_USAGE;
        }
        json_array_foreach((json_t *) file, i, entry) {
                size_t n = 0;
                for (size_t k = 0; k < ELEMENTSOF(registrations); k++)
                        n += json_object_get(entry, registrations[k].member) != NULL;
                if (!json_is_string(json_object_get(entry, "serviceName")) || n == 0) {
                        complain("%s: entry %zu: wants \"serviceName\", and \"distribution\" or \"allocation\" or both", path, i + 1);
                        return EXIT_USAGE;
                }
        }
        return EXIT_DONE;
}

static Exit register_entry(Ctl *c, const json_t *entry) {
        const char *service = json_text_at(entry, "serviceName");

        for (size_t k = 0; k < ELEMENTSOF(registrations); k++) {
                const char *member = registrations[k].member;
                json_t *value = json_object_get(entry, member);
                if (!value)
                        continue;
                _cleanup_json_ json_t *parameters = json_pack("{s:s, s:O}", "serviceName", service, member, value), *reply = NULL;
                Exit e = ctl_call(c, registrations[k].method, parameters, &reply);
                if (e != EXIT_DONE) {
                        complain("the %s of service \"%s\" is not registered", member, service);
                        return e;
                }
                if (c->json)
                        ctl_print_json(c, reply, NULL);
                else {
                        fprintf(c->out.file, "Registered the %s of service \"%s\".\n", member, service);
                        print_changes(c, reply);
                }
        }
        return EXIT_DONE;
}

Exit run_register(Ctl *c, const Request *r) {
        const char *path = r->arguments[0];
        _cleanup_json_ json_t *file = NULL;
        json_error_t error;
        json_t *entry;
        size_t i;

        file = streq(path, "-") ? json_loadf(stdin, JSON_REJECT_DUPLICATES, &error) : json_load_file(path, JSON_REJECT_DUPLICATES, &error);
        if (!file) {
                if (error.line > 0)
                        complain("%s:%d:%d: %s", path, error.line, error.column, error.text);
                else
                        complain("%s", error.text);
                return EXIT_USAGE;
        }
        if (json_is_object(file)) {
                json_t *list = json_pack("[o]", file);
                if (!list)
                        return out_of_memory();
                file = list;
        }
        Exit e = check_registrations(path, file);
        json_array_foreach(file, i, entry)
                if (e == EXIT_DONE)
                        e = register_entry(c, entry);
        return e;
}
