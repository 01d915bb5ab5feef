/* SPDX-License-Identifier: Apache-2.0 */
/* The interface, method by method. */
#include "daemon/api/private.h"

static const Structure nothing = { NULL, 1, (const Field[]) { {} } };

const ApiMethod api_methods[] = {
        { "Route", ROLE_CLIENT, false, &route_in, &decision_out, api_route,
          "Which node of a service to call next." },
        { "CostAwareFallback", ROLE_CLIENT, false, &fallback_in, &fallback_out, api_cost_aware_fallback,
          "The next choice after a failed call: budget-aware, never a node already tried; it reports the failure too.",
          .durable = true },
        { "Report", ROLE_CLIENT, false, &report_in, &report_out, api_report,
          "What came of a call.", .durable = true },
        { "HandleScenario", ROLE_OPERATOR, false, &handle_scenario_in, &handle_scenario_out, api_handle_scenario,
          "Declares an error scenario and acts on it, or adds to the one that is going on. It lives until it is resolved.",
          .durable = true },
        { "ResolveScenario", ROLE_OPERATOR, false, &resolve_scenario_in, &resolve_scenario_out, api_resolve_scenario,
          "Ends a scenario and takes back what was done about it.", .durable = true },
        { "GetActiveScenarios", ROLE_VIEWER, false, &active_scenarios_in, &active_scenarios_out, api_get_active_scenarios,
          "The scenarios that are going on, the worst first." },
        { "RegisterTrafficDistribution", ROLE_ADMIN, false, &register_distribution_in, &register_out, api_register_traffic_distribution,
          "Gives a service nodes and how to choose among them, in place of what the configuration file says, until it is unregistered. "
          "Checked whole; survives restarts. What is left out has the file's defaults.", .durable = true, .deferrable = true },
        { "UnregisterTrafficDistribution", ROLE_ADMIN, false, &unregister_in, &changes_out, api_unregister_traffic_distribution,
          "Takes back all that was registered for a service, its budget too: the configuration file is in force again.",
          .durable = true, .deferrable = true },
        { "RegisterBudgetAllocation", ROLE_ADMIN, false, &register_allocation_in, &register_out, api_register_budget_allocation,
          "Gives a service a budget and price ceilings, in place of what the configuration file says, until it is unregistered.",
          .durable = true, .deferrable = true },
        { "SetNodeState", ROLE_OPERATOR, false, &node_state_in, &node_out, api_set_node_state,
          "Takes a node out of service, drains it, or puts it back.", .durable = true },
        { "Reload", ROLE_ADMIN, false, &reload_in, &changes_out, api_reload_configuration,
          "Reads the configuration again, and the plugins if that is wanted; all or nothing.", .durable = true },
        { "GetSystemStatus", ROLE_VIEWER, false, &nothing, &system_status_out, api_get_system_status,
          "The daemon and every service at a glance." },
        { "GetHealth", ROLE_VIEWER, false, &nothing, &health_out, api_get_health,
          "Whether all is well, and what is not." },
        { "GetSnapshot", ROLE_VIEWER, false, &nothing, &snapshot_out, api_get_snapshot,
          "Everything that stations poll, in one reply." },
        { "GetRoutingAnalytics", ROLE_VIEWER, false, &routing_analytics_in, &routing_analytics_out, api_get_routing_analytics,
          "What became of a service's calls: by node, and over time (window: 1m to 60m by the minute, 2h to 168h or 1d to 7d by the "
          "hour)." },
        { "GetCostMonitoring", ROLE_VIEWER, false, &cost_monitoring_in, &cost_monitoring_out, api_get_cost_monitoring,
          "Where a service stands with its limits, and when it will reach them at the rate of now." },
        { "GetOptimizationAnalytics", ROLE_VIEWER, false, &nothing, &optimization_analytics_out, api_get_optimization_analytics,
          "What choosing has brought in all services since they are known, over restarts too, and what would bring more." },
        { "GetCostReport", ROLE_VIEWER, false, &cost_report_in, &cost_report_out, api_get_cost_report,
          "What was spent, from the ledger, to the micro-dollar: by the hour as long as hours are kept, further back by the day, then by "
          "the month. A time that the ledger cannot tell apart is refused.", .deferrable = true },
        { "ListProviders", ROLE_VIEWER, false, &nothing, &providers_out, api_list_providers,
          "The provider plugins, loaded or not." },
        { "Subscribe", ROLE_VIEWER, true, &subscribe_in, &subscribe_out, api_subscribe,
          "Every event from now on, or after serial `since`. Call with `more`." },
        { "FollowProbes", ROLE_PROBER, true, &nothing, &probe_out, api_follow_probes,
          "Each probe as it falls due. Call with `more`." },
        { "ReportProbe", ROLE_PROBER, false, &report_probe_in, &report_probe_out, api_report_probe,
          "What came of a probe." },
        {},
};

const ApiMethod *api_find_method(const char *name) {
        for (const ApiMethod *m = api_methods; m->name; m++)
                if (streq(m->name, name))
                        return m;
        return NULL;
}
