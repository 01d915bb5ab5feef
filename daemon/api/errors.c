/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/api/errors.h"

#include "basic/macro.h"

#define PARAMETER(member, name, type, ...) FIELD(ApiErrorParameters, member, name, type, ##__VA_ARGS__)
#define PARAMETERS(variable, ...) \
        static const Structure variable = { NULL, sizeof(ApiErrorParameters), (const Field[]) { __VA_ARGS__, {} } }

PARAMETERS(interface_parameters, PARAMETER(interface, "interface", FIELD_STRING));
PARAMETERS(method_parameters, PARAMETER(method, "method", FIELD_STRING));
/* Varlink's own InvalidParameter has only the name; the reason saves a look at the manual. */
PARAMETERS(parameter_parameters, PARAMETER(parameter, "parameter", FIELD_STRING),
           PARAMETER(reason, "reason", FIELD_STRING, OPTIONAL));
PARAMETERS(permission_parameters, PARAMETER(method, "method", FIELD_STRING, OPTIONAL),
           PARAMETER(role, "role", FIELD_STRING, OPTIONAL));
PARAMETERS(no_parameters, {});
PARAMETERS(service_parameters, PARAMETER(service_name, "serviceName", FIELD_STRING));
PARAMETERS(node_parameters, PARAMETER(node, "node", FIELD_STRING));
PARAMETERS(decision_parameters, PARAMETER(decision, "decision", FIELD_STRING));
PARAMETERS(scenario_parameters, PARAMETER(id, "id", FIELD_STRING));
PARAMETERS(no_usable_node_parameters, PARAMETER(service_name, "serviceName", FIELD_STRING),
           PARAMETER(retry_after_ns, "retryAfterMs", FIELD_MS_INT), PARAMETER(reason, "reason", FIELD_STRING));
PARAMETERS(budget_parameters, PARAMETER(service_name, "serviceName", FIELD_STRING), PARAMETER(limit, "limit", FIELD_STRING),
           PARAMETER(resets_in_ns, "resetsInMs", FIELD_MS_INT));
PARAMETERS(rate_parameters, PARAMETER(retry_after_ns, "retryAfterMs", FIELD_MS_INT));
PARAMETERS(configuration_parameters, PARAMETER(field, "field", FIELD_STRING), PARAMETER(reason, "reason", FIELD_STRING));
PARAMETERS(reason_parameters, PARAMETER(reason, "reason", FIELD_STRING));

#define VARLINK "org.varlink.service"
#define OURS "org.pointsman.routing"

const ApiErrorInfo api_errors[_API_ERROR_MAX] = {
        [ERROR_INTERFACE_NOT_FOUND] = { "InterfaceNotFound", VARLINK, &interface_parameters, "There is no interface %s" },
        [ERROR_METHOD_NOT_FOUND] = { "MethodNotFound", VARLINK, &method_parameters, "There is no method %s" },
        [ERROR_INVALID_PARAMETER] = { "InvalidParameter", VARLINK, &parameter_parameters, "Parameter %s is not valid" },
        [ERROR_PERMISSION_DENIED] = { "PermissionDenied", VARLINK, &permission_parameters, "You may not call %s" },
        [ERROR_EXPECTED_MORE] = { "ExpectedMore", VARLINK, &no_parameters, "The method answers many times: call it with \"more\"" },
        [ERROR_NO_SUCH_SERVICE] = { "NoSuchService", OURS, &service_parameters, "There is no service %s" },
        [ERROR_NO_SUCH_NODE] = { "NoSuchNode", OURS, &node_parameters, "There is no node %s" },
        [ERROR_NO_SUCH_DECISION] = { "NoSuchDecision", OURS, &decision_parameters,
                                     "Decision %s is unknown, expired, reported already, or another user's" },
        [ERROR_NO_SUCH_SCENARIO] = { "NoSuchScenario", OURS, &scenario_parameters, "There is no scenario %s" },
        [ERROR_NO_USABLE_NODE] = { "NoUsableNode", OURS, &no_usable_node_parameters, "Service %s has no usable node" },
        [ERROR_BUDGET_EXHAUSTED] = { "BudgetExhausted", OURS, &budget_parameters, "The budget of service %s is used up" },
        [ERROR_RATE_LIMITED] = { "RateLimited", OURS, &rate_parameters, "Too many requests: slow down" },
        [ERROR_INVALID_CONFIGURATION] = { "InvalidConfiguration", OURS, &configuration_parameters, "Setting %s is not valid" },
        [ERROR_BUSY] = { "Busy", OURS, &reason_parameters, "Busy: %s" },
};

void api_error_sentence(ApiError e, const ApiErrorParameters *p, char buffer[ERROR_SENTENCE_MAX]) {
        const char *format = api_errors[e].format, *mark = strstr(format, "%s"), *subject = "";

        for (const Field *f = api_errors[e].parameters->fields; f->name; f++)
                if (f->type == FIELD_STRING && !field_is_absent(f, p)) {
                        subject = *(const char *const *) field_in(f, p);
                        break;
                }
        int n = mark ? snprintf(buffer, ERROR_SENTENCE_MAX, "%.*s%s%s", (int) (mark - format), format, subject, mark + 2)
                     : snprintf(buffer, ERROR_SENTENCE_MAX, "%s", format);
        if (n > 0 && n < ERROR_SENTENCE_MAX && p->reason && p->reason != subject)
                snprintf(buffer + n, (size_t) (ERROR_SENTENCE_MAX - n), ": %s", p->reason);
}
