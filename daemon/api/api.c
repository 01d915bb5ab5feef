/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "basic/clock.h"
#include "basic/log.h"
#include "daemon/api/private.h"

int api_new(Api **ret, Router *router, Providers *providers, const DaemonSettings *settings, uint64_t now_ns) {
        Api *api = calloc(1, sizeof(Api));

        if (!api)
                return -ENOMEM;
        *api = (Api) { .router = router, .providers = providers, .settings = settings, .started_ns = now_ns, .configuration_serial = 1 };
        api->started_utc_ns = api_utc_ns(api);
        int r = users_new(&api->users, settings);
        if (r == 0)
                r = events_new(&api->events, router, api->users, settings->event_history);
        if (r == 0)
                r = probes_new(&api->probes, router, api->users);
        if (r < 0) {
                api_free(api);
                return r;
        }
        registrar_init(&api->registrar, api);
        events_listen(api->events, 0, NULL, NULL);
        api_audit_configure(api);
        *ret = api;
        return 0;
}

Api *api_free(Api *api) {
        if (!api)
                return NULL;
        registrar_done(&api->registrar);
        api_audit_done(api);
        learned_state_free(api->persistence.learned);
        probes_free(api->probes);
        events_free(api->events);
        users_free(api->users);
        free(api);
        return NULL;
}

void api_set_providers(Api *api, Providers *providers) {
        api->providers = providers;
}

void api_set_configurator(Api *api, const ApiConfigurator *configurator) {
        api->configurator = configurator;
}

uint64_t api_event_serial(const Api *api) {
        return events_serial(api->events);
}

void api_carry_on_events(Api *api, uint64_t serial) {
        events_carry_on(api->events, serial);
}

Router *api_router(Api *api) {
        return api->router;
}

bool api_is_settled(const Api *api) {
        return !api->registrar.first;
}

uint64_t api_now_ns(void) {
        return clock_ns(CLOCK_BOOTTIME);
}

uint64_t api_utc_ns(const Api *api _unused_) {
        return clock_ns(CLOCK_REALTIME);
}

static void tell_configuration(Api *api, Severity severity, const char *message) {
        ApiEvent event = {
                .utc_ns = api_utc_ns(api), .type = EVENT_CONFIGURATION_CHANGED, .severity = severity,
                .data = { .strategy = _STRATEGY_INVALID, .cost = MONEY_UNSET, .limit = MONEY_UNSET, .ratio = NAN },
        };

        snprintf(event.message, sizeof(event.message), "%s", message);
        events_publish(api->events, &event);
}

void api_configuration_changed(Api *api, const DaemonSettings *settings, const char *message) {
        api->last_reload_failed = !settings;
        if (settings) {
                api->settings = settings;
                api->configuration_serial++;
                api->last_reload_utc_ns = api_utc_ns(api);
                users_reconfigure(api->users, settings);
                api_audit_configure(api);
        }
        tell_configuration(api, settings ? SEVERITY_LOW : SEVERITY_MEDIUM, message);
}

void api_registrations_changed(Api *api, const char *message) {
        api->configuration_serial++;
        tell_configuration(api, SEVERITY_LOW, message);
}

void api_dispatch_effects(Api *api, uint64_t now_ns) {
        Effect effect;

        while (router_next_effect(api->router, &effect))
                switch (effect.type) {
                case EFFECT_EVENT:
                        events_publish_core(api->events, &effect.event, api_utc_ns(api));
                        api_audit_event(api, &effect.event);
                        break;
                case EFFECT_PROBE_DUE:
                        probes_due(api->probes, effect.probe.id, effect.probe.node, effect.probe.provider, effect.probe.timeout_ns,
                                   now_ns);
                        break;
                }
}

static bool deny(ApiCall *call, const char *reason) {
        api_fail(call, ERROR_PERMISSION_DENIED, .method = call->method->name,
                 .role = enum_to_string(&role_names, (int) call->method->role), .reason = reason);
        return false;
}

/* Where somebody else decides, it is asked even about those whose groups would do: its rules may be stricter. Where nobody is
 * there to be asked, a caller gets what it would get on the Unix socket. */
static bool check_permission(ApiCall *call) {
        const char *action = role_actions[call->method->role];

        switch (call->authorization.verdict) {
        case AUTHORIZATION_GRANTED:
                return true;
        case AUTHORIZATION_DENIED:
                return deny(call, call->authorization.reason);
        case AUTHORIZATION_UNASKED:
                if (action && call->transport->authorize && !call->peer->privileged) {
                        call->transport->authorize(call, action);
                        return false;
                }
                break;
        case AUTHORIZATION_NOBODY:
                break;
        }
        return peer_has_role(call->peer, call->method->role) || deny(call, NULL);
}

bool api_admit(ApiCall *call) {
        /* A call that comes back with an answer has paid already. */
        bool again = call->authorization.verdict != AUTHORIZATION_UNASKED;
        uint64_t wait_ns = again ? 0 : peer_take_token(call->api->users, call->peer, call->now_ns);

        if (wait_ns > 0) {
                call->api->rate_limited++;
                api_fail(call, ERROR_RATE_LIMITED, .retry_after_ns = wait_ns);
                return false;
        }
        if (!check_permission(call))
                return false;
        if (call->method->more && !call->more) {
                api_fail(call, ERROR_EXPECTED_MORE);
                return false;
        }
        return true;
}

void api_serve(ApiCall *call, const void *in) {
        call->in = in;
        int r = call->method->handler(call, in);
        if (r < 0)
                api_fail_unforeseen(call, r);
}

void api_fail_unforeseen(ApiCall *call, int error) {
        log_error_errno(error, "%s failed", call->method->name);
        api_fail(call, ERROR_BUSY, .reason = strerror(-error));
}

int api_reply(ApiCall *call, const void *out) {
        /* Recorded first: what the reply waits for is known when it is written. */
        if (api_is_audited(call))
                api_audit_reply(call, out);
        call->transport->reply(call, out);
        return 0;
}

int api_fail_with(ApiCall *call, ApiError error, const ApiErrorParameters *p) {
        if (api_is_audited(call))
                api_audit_failure(call, error, p);
        call->transport->fail(call, error, p);
        return 0;
}

ApiPeer *api_peer_new(Api *api, uid_t uid, pid_t pid, const gid_t *groups, size_t n_groups, uint64_t now_ns,
                      const char **ret_reason) {
        return peer_new(api->users, uid, pid, groups, n_groups, now_ns, ret_reason);
}

ApiPeer *api_peer_unref(Api *api, ApiPeer *peer) {
        return peer_unref(api->users, peer);
}

void api_listen(Api *api, uint32_t wanted, ApiEventListener listener, void *userdata) {
        events_listen(api->events, wanted, listener, userdata);
}
