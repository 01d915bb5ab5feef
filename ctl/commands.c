/* SPDX-License-Identifier: Apache-2.0 */
/* The commands: whatever can be said by a method, its fields and its help is said here. */
#include "ctl/ctl.h"

/* What Route takes beside the service. */
#define ROUTE_OPTIONS \
        { "operation", 'o', OPTION_TEXT, "NAME", "operation", NULL, "what the call will do, e.g. geocode" }, \
        { "units", 'u', OPTION_NUMBER, "N", "units", NULL, "what the call will use, in the operation's unit; default 1" }, \
        { "region", 'r', OPTION_TEXT, "NAME", "region", NULL, "where the caller is, by name" }, \
        { "latitude", 0, OPTION_NUMBER, "DEGREES", "latitude", NULL, "where the caller is, -90 to 90" }, \
        { "longitude", 0, OPTION_NUMBER, "DEGREES", "longitude", NULL, "where the caller is, -180 to 180" }, \
        { "strategy", 0, OPTION_TEXT, "NAME", "strategy", &strategy_names, "choose by this strategy and not the service's own" }, \
        { "idempotent", 'i', OPTION_YES_NO, NULL, "idempotent", NULL, "whether a second try does no harm" }, \
        { "exclude", 'x', OPTION_LIST, "NODE", "exclude", NULL, "not this node; may be repeated" }, \
        { "max-cost", 'm', OPTION_NUMBER, "DOLLARS", "maxCost", NULL, "the most that the call may cost" }

/* What came of a call. */
#define OUTCOME_OPTIONS \
        { "status", 'S', OPTION_NUMBER, "CODE", "httpStatus", NULL, "the HTTP status of the response" }, \
        { "error", 'e', OPTION_TEXT, "WHY", "error", &call_error_names, "why there was no HTTP response" }, \
        { "latency-ms", 'l', OPTION_NUMBER, "MS", "latencyMs", NULL, "how long the call took, in milliseconds" }, \
        { "body", 'b', OPTION_BODY, "FILE", "body", NULL, "the response's body, of which 64 KiB are read; - is standard input" }, \
        { "header", 'H', OPTION_HEADER, "'NAME: VALUE'", "headers", NULL, "a header of the response; may be repeated" }, \
        { "units", 'u', OPTION_NUMBER, "N", "units", NULL, "what the call used, in the operation's unit" }

static const CommandOption route_options[] = {
        ROUTE_OPTIONS,
        { "explain", 'X', OPTION_FLAG, NULL, "explain", NULL, "list every candidate with its score, or why it was left out" },
        {},
};

static const CommandOption report_options[] = {
        OUTCOME_OPTIONS,
        { "cost", 'c', OPTION_NUMBER, "DOLLARS", "cost", NULL, "what the call cost, where the vendor says so" },
        {},
};

static const CommandOption fallback_options[] = {
        OUTCOME_OPTIONS,
        { "max-cost", 'm', OPTION_NUMBER, "DOLLARS", "maxCost", NULL, "the most that the next call may cost" },
        { "explain", 'X', OPTION_FLAG, NULL, "explain", NULL, "list every candidate with its score, or why it was left out" },
        {},
};

static const CommandOption exec_options[] = {
        ROUTE_OPTIONS,
        { "fallbacks", 'f', OPTION_NUMBER, "N", NULL, NULL,
          "after a call that failed for the node's sake, run the command again on up to N other nodes; only if a second try does no harm" },
        { "quiet", 'q', OPTION_FLAG, NULL, NULL, NULL, "do not say on standard error which node was chosen" },
        {},
};

static const CommandOption events_options[] = {
        { "type", 't', OPTION_LIST, "TYPE", "types", &event_type_names, "only of this type; may be repeated" },
        { "service", 0, OPTION_TEXT, "SERVICE", "serviceName", NULL, "only about this service" },
        { "severity", 0, OPTION_TEXT, "SEVERITY", "minSeverity", &severity_names, "only from this severity on" },
        { "since", 0, OPTION_NUMBER, "SERIAL", "since", NULL, "first those after this serial, as far as the daemon remembers" },
        {},
};

static const CommandOption reload_options[] = {
        { "plugins", 0, OPTION_FLAG, NULL, "plugins", NULL, "read the provider plugins again, too" },
        {},
};

static const CommandOption cost_report_options[] = {
        { "from", 0, OPTION_TEXT, "TIME", "from", NULL, "from then on, e.g. 2026-11-01T00:00:00Z: a full hour of the last week, or a full minute of the last hour" },
        { "to", 0, OPTION_TEXT, "TIME", "to", NULL, "until then" },
        { "group-by", 'g', OPTION_LIST, "WHAT", "groupBy", NULL, "a sum for each service, node, provider, operation, tier, hour, day or month; may be repeated" },
        {},
};

static const CommandOption analytics_options[] = {
        { "window", 'w', OPTION_TEXT, "TIME", "window", NULL, "over how long: 1m to 60m, 1h to 168h or 1d to 7d; default 1h" },
        {},
};

static const CommandOption scenario_options[] = {
        { "service", 0, OPTION_TEXT, "SERVICE", "serviceName", NULL, "which service it concerns" },
        { "node", 'n', OPTION_LIST, "NODE", "nodes", NULL, "which node it concerns; may be repeated" },
        { "severity", 0, OPTION_TEXT, "SEVERITY", "severity", &severity_names, "how bad it is" },
        { "detail", 'd', OPTION_TEXT, "TEXT", "detail", NULL, "a sentence for the scenario's timeline" },
        { "why", 'w', OPTION_TEXT, "TEXT", "why", NULL, "of resolve: why it is over" },
        {},
};

static const CommandOption call_options[] = {
        { "more", 'm', OPTION_FLAG, NULL, NULL, NULL, "the method answers many times: print each answer until interrupted" },
        { "oneway", 0, OPTION_FLAG, NULL, NULL, NULL, "do not wait for an answer" },
        {},
};

static const CommandOption check_config_options[] = {
        { "provider-dir", 0, OPTION_TEXT, "FILE", NULL, NULL, "where the provider plugins are; default " PROVIDER_DIR },
        {},
};

static const CommandOption audit_options[] = {
        { "since", 0, OPTION_TEXT, "TIME", NULL, NULL, "of show: from then on, e.g. 2026-11-01T00:00:00Z" },
        { "method", 0, OPTION_TEXT, "METHOD", NULL, NULL, "of show: only calls of this method" },
        { "user", 0, OPTION_TEXT, "USER", NULL, NULL, "of show: only what this user did, by name or id" },
        {},
};

#define STATUS "Status"
#define ROUTING "Routing"
#define MONEY "Money and analytics"
#define MANAGEMENT "Management"
#define TOOLS "Tools"

const Command commands[] = {
        { "status", NULL, STATUS, "show how all services are doing", NULL, "pointsmanctl status", .method = "GetSystemStatus",
          .print = print_status },
        { "services", NULL, STATUS, "list the services with their budgets", NULL, "pointsmanctl services", .method = "GetSystemStatus",
          .lines = "services", .print = print_services },
        { "nodes", "[SERVICE]", STATUS, "list the nodes, of one service or of all", NULL, "pointsmanctl nodes maps", .run = run_nodes },
        { "health", NULL, STATUS, "check the daemon itself", "The exit status is 1 if it is failing.", "pointsmanctl health || alert-somebody",
          .run = run_health },
        { "providers", NULL, STATUS, "list the provider plugins", NULL, "pointsmanctl providers", .method = "ListProviders",
          .lines = "providers", .print = print_providers },
        { "scenarios", "[SERVICE]", STATUS, "list the error scenarios that are going on", NULL, "pointsmanctl scenarios",
          .method = "GetActiveScenarios", .fields = { "serviceName" }, .lines = "scenarios", .print = print_scenarios },
        { "events", NULL, STATUS, "follow what happens, until interrupted",
          "When the daemon is restarted, it goes on with what comes after the last event.",
          "pointsmanctl events --severity medium --service stripe", events_options, .run = run_events },
        { "top", NULL, STATUS, "show services, nodes and events live", "q ends it; the arrow keys scroll the nodes.", "pointsmanctl top",
          .run = run_top },

        { "route", "SERVICE", ROUTING, "ask which node to call next",
          "The decision's cost counts as spent unless a report says otherwise; so report what came of the call.",
          "pointsmanctl route maps --operation geocode --explain", route_options, .method = "Route", .fields = { "serviceName" },
          .print = print_decision },
        { "report", "DECISION", ROUTING, "say what came of a call", "Either --status or --error is needed.",
          "pointsmanctl report \"$id\" --status 429 --header 'Retry-After: 3' --latency-ms 41", report_options, .method = "Report",
          .fields = { "decision" }, .print = print_report },
        { "fallback", "DECISION", ROUTING, "say that a call failed, and ask for the next node", NULL,
          "pointsmanctl fallback \"$id\" --error timeout", fallback_options, .method = "CostAwareFallback", .fields = { "decision" },
          .print = print_decision },
        { "exec", "SERVICE COMMAND [ARGUMENT...]", ROUTING, "route, run a command with the node's URL, report",
          "In the command {url}, {node} and {decision} are replaced; they are also in the environment as POINTSMAN_URL, "
          "POINTSMAN_NODE and POINTSMAN_DECISION. Put -- before the command. "
          "The command's exit status is the exit status, and what is reported: 0 as HTTP status 200; of curl 6 as dns, 7 as connect, "
          "28 as timeout, 35, 51, 58 and 60 as tls, 52, 55 and 56 as reset; a command that cannot be run as not_sent; anything else says "
          "nothing about the node and is reported as canceled.",
          "pointsmanctl exec maps --operation geocode -- curl -fsS '{url}/ping'", exec_options, .run = run_exec },

        { "budget", "[SERVICE]", MONEY, "show budgets and what is spent", NULL, "pointsmanctl budget stripe", .fields = { "serviceName" },
          .run = run_budget },
        { "cost-report", NULL, MONEY, "add up what was spent", NULL, "pointsmanctl cost-report --group-by node", cost_report_options,
          .method = "GetCostReport", .lines = "report", .print = print_object },
        { "analytics", "SERVICE", MONEY, "show how a service was routed", NULL, "pointsmanctl analytics maps", analytics_options,
          .method = "GetRoutingAnalytics", .fields = { "serviceName" }, .lines = "analytics", .print = print_analytics },

        { "node", "drain|enable|disable NODE", MANAGEMENT, "change a node's administrative state",
          "A draining node gets no new calls, a disabled one no probes either.", "pointsmanctl node drain maps/here", .run = run_node },
        { "scenario", "open|resolve TYPE|ID", MANAGEMENT, "declare an error scenario, or end one", NULL,
          "pointsmanctl scenario open EMERGENCY_SCENARIO --service stripe --severity critical", scenario_options, .run = run_scenario },
        { "register", "FILE", MANAGEMENT, "register traffic distributions and budgets from a JSON file",
          "The file holds {\"serviceName\": …, \"distribution\": {…}}, or \"allocation\", or both; or an array of such. - is standard input.",
          "pointsmanctl register stripe.json", .run = run_register },
        { "unregister", "SERVICE", MANAGEMENT, "go back to the configuration file for a service", NULL, "pointsmanctl unregister stripe",
          .method = "UnregisterTrafficDistribution", .fields = { "serviceName" }, .print = print_changes },
        { "reload", NULL, MANAGEMENT, "make the daemon read its configuration again", NULL, "pointsmanctl reload", reload_options,
          .method = "Reload", .print = print_changes },
        { "audit", "verify|show [FILE...]", MANAGEMENT, "check that nobody touched the audit log, or read it",
          "Needs no daemon, but the right to read its files. Of a folder all files are taken, the oldest first; the default is "
          "/var/lib/pointsman/audit. verify names the first line that is not as it was written; the exit status is 1 then.",
          "pointsmanctl audit show --method SetNodeState --since 2026-11-01T00:00:00Z", audit_options, .local = true,
          .run = run_audit },
        { "check-config", "[FILE]", MANAGEMENT, "look for mistakes in a configuration file",
          "Needs no daemon. The default is " SYSCONFDIR "/pointsman/pointsman.conf. The exit status is 1 if there are any.",
          "pointsmanctl check-config /etc/pointsman/pointsman.conf", check_config_options, .local = true, .run = run_check_config },

        { "call", "METHOD [PARAMETERS]", TOOLS, "call any method with a JSON object", "- reads the parameters from standard input.",
          "pointsmanctl call Route '{\"serviceName\":\"stripe\"}'", call_options, .run = run_call },
        { "help", "[COMMAND]", TOOLS, "show a help", NULL, "pointsmanctl help route", .local = true, .run = run_help },
        { "complete", "[WORD...]", NULL, "list what may stand in place of the last word, for shells", NULL,
          "pointsmanctl complete ro", .local = true, .run = run_complete },
        {},
};

const Command *command_find(const char *name) {
        for (const Command *c = commands; c->name; c++)
                if (streq(c->name, name))
                        return c;
        return NULL;
}

bool command_argument(const Command *command, unsigned i, char *buffer, size_t size, bool *ret_optional, bool *ret_more) {
        const char *p = command->arguments ?: "";

        for (; *p; p += *p == ' ', i--) {
                size_t n = strcspn(p, " ");
                if (i == 0) {
                        *ret_optional = *p == '[';
                        p += *ret_optional;
                        n -= *ret_optional * 2;
                        *ret_more = n > 3 && memcmp(p + n - 3, "...", 3) == 0;
                        snprintf(buffer, size, "%.*s", (int) (*ret_more ? n - 3 : n), p);
                        return true;
                }
                p += n;
        }
        return false;
}
