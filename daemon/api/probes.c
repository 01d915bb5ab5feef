/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/api/probes.h"

#include "daemon/api/private.h"

typedef struct Follower Follower;

struct Follower {
        ApiStream stream;
        Probes *probes;
        Follower *next;
};

struct Probes {
        Router *router;
        Users *users;
        Follower *followers;
        size_t n_followers;
        bool ever_followed;
};

int probes_new(Probes **ret, Router *router, Users *users) {
        Probes *p = calloc(1, sizeof(Probes));

        if (!p)
                return -ENOMEM;
        *p = (Probes) { .router = router, .users = users };
        *ret = p;
        return 0;
}

Probes *probes_free(Probes *p) {
        free(p);
        return NULL;
}

size_t probes_followers(const Probes *p) {
        return p->n_followers;
}

bool probes_ever_followed(const Probes *p) {
        return p->ever_followed;
}

/* ---- FollowProbes ---- */

typedef struct Probe {
        char id[24];
        const char *node, *method;
        char url[2 * URL_MAX];
        const struct pm_header *headers;
        size_t n_headers;
        const char *body;
        uint64_t timeout_ns;
        const char *credential;
} Probe;

#define F(member, name, type, ...) FIELD(Probe, member, name, type, ##__VA_ARGS__)
static STRUCTURE(probe_structure, "Probe", Probe,
        F(id, "id", FIELD_CHARS),
        F(node, "node", FIELD_STRING),
        F(method, "method", FIELD_STRING),
        F(url, "url", FIELD_CHARS),
        F(headers, "headers", FIELD_MAP, COUNT(Probe, n_headers)),
        F(body, "body", FIELD_STRING, OPTIONAL),
        F(timeout_ns, "timeoutMs", FIELD_MS_INT),
        F(credential, "credential", FIELD_STRING, OPTIONAL));
#undef F

typedef struct ProbeOut {
        Probe probe;
} ProbeOut;

STRUCTURE(probe_out, NULL, ProbeOut, FIELD(ProbeOut, probe, "probe", FIELD_STRUCT, .structure = &probe_structure));

/* A vendor charges for some probes, and others need a credential: those only where the operator asks for it. NULL: none. */
static const struct pm_probe *choose_probe(const struct pm_provider *provider, const NodeSettings *settings, bool *ret_authenticated) {
        const char *wanted = NULL;

        for (size_t i = 0; i < settings->n_options; i++)
                if (streq(settings->options[i].name, "probe"))
                        wanted = settings->options[i].value;
        *ret_authenticated = wanted && streq(wanted, "authenticated") && settings->credential && provider->authenticated_probe;
        if (*ret_authenticated)
                return provider->authenticated_probe;
        return wanted || !provider->probe->billed ? provider->probe : NULL;
}

void probes_due(Probes *p, uint64_t id, const Node *node, const struct pm_provider *provider, uint64_t timeout_ns, uint64_t now_ns) {
        const NodeSettings *settings = node_settings(node);
        bool authenticated;
        NodeStatus status;
        ProbeOut out = {};
        Follower *f = p->followers;

        const struct pm_probe *probe = f && provider ? choose_probe(provider, settings, &authenticated) : NULL;
        if (!probe)
                return router_probe_drop(p->router, id);

        node_status(p->router, node, now_ns, &status);
        snprintf(out.probe.id, sizeof(out.probe.id), "%llu", (unsigned long long) id);
        size_t n = strlen(status.url);
        while (n > 0 && status.url[n - 1] == '/')
                n--;
        snprintf(out.probe.url, sizeof(out.probe.url), "%.*s%s", (int) n, status.url, probe->path);
        out.probe.node = status.node;
        out.probe.method = probe->method;
        out.probe.headers = probe->headers ?: &(const struct pm_header) {};
        while (out.probe.headers[out.probe.n_headers].name)
                out.probe.n_headers++;
        out.probe.body = probe->body;
        out.probe.credential = authenticated ? settings->credential : NULL;
        out.probe.timeout_ns = timeout_ns;

        /* The next probe goes to the next follower. */
        if (f->next) {
                p->followers = f->next;
                f->next = NULL;
                for (Follower **end = &p->followers;; end = &(*end)->next)
                        if (!*end) {
                                *end = f;
                                break;
                        }
        }
        f->stream.send(&f->stream, &out, false);
}

static void closed(ApiStream *stream) {
        Follower *f = (Follower *) stream, **at;
        Probes *p = f->probes;

        for (at = &p->followers; *at != f; at = &(*at)->next)
                ;
        *at = f->next;
        p->n_followers--;
        peer_add_subscription(p->users, f->stream.peer, -1);
        free(f);
        if (p->n_followers == 0)
                router_set_probing(p->router, false, 0);
}

int api_follow_probes(ApiCall *call, const void *in _unused_) {
        Probes *p = call->api->probes;

        if (!peer_add_subscription(p->users, call->peer, 1))
                return api_fail(call, ERROR_BUSY, .reason = "too many subscriptions");
        Follower *f = calloc(1, sizeof(Follower));
        if (!f) {
                peer_add_subscription(p->users, call->peer, -1);
                return -ENOMEM;
        }
        *f = (Follower) { .stream = { .out = &probe_out, .peer = call->peer, .closed = closed }, .probes = p, .next = p->followers };
        p->followers = f;
        p->n_followers++;
        p->ever_followed = true;
        call->transport->open(call, &f->stream);
        router_set_probing(p->router, true, call->now_ns);
        return 0;
}

/* ---- ReportProbe ---- */

typedef struct ReportProbeIn {
        const char *probe;
        ApiResponse response;
        ProbeTimes times;
        uint64_t certificate_expires_ns;
} ReportProbeIn;

#define F(member, name, type, ...) FIELD(ReportProbeIn, member, name, type, ##__VA_ARGS__)
STRUCTURE(report_probe_in, NULL, ReportProbeIn,
        F(probe, "probe", FIELD_STRING, REQUIRED, LENGTH(32)),
        F(response.http_status, "httpStatus", FIELD_INT32, RANGE(0, 599)),
        F(response.headers, "headers", FIELD_MAP, COUNT(ReportProbeIn, response.n_headers)),
        F(response.body, "body", FIELD_STRING, LENGTH(1 << 20)),
        F(response.body_truncated, "bodyTruncated", FIELD_BOOL),
        F(response.error, "error", FIELD_ENUM, .names = &call_error_names),
        F(times.dns_ns, "dnsMs", FIELD_MS, RANGE(0, 3600000)),
        F(times.connect_ns, "connectMs", FIELD_MS, RANGE(0, 3600000)),
        F(times.tls_ns, "tlsMs", FIELD_MS, RANGE(0, 3600000)),
        F(times.first_byte_ns, "firstByteMs", FIELD_MS, RANGE(0, 3600000)),
        F(response.latency_ns, "totalMs", FIELD_MS, RANGE(0, 3600000)),
        F(certificate_expires_ns, "certificateExpires", FIELD_INSTANT));
#undef F

typedef struct ReportProbeOut {
        Verdict verdict;
} ReportProbeOut;

STRUCTURE(report_probe_out, NULL, ReportProbeOut, FIELD(ReportProbeOut, verdict, "verdict", FIELD_ENUM, .names = &verdict_names));

int api_report_probe(ApiCall *call, const void *in) {
        Api *api = call->api;
        const ReportProbeIn *q = in;
        const Node *node;
        struct pm_classification c;
        ReportProbeOut out;
        Outcome o;
        char *end;

        unsigned long long id = strtoull(q->probe, &end, 10);
        if (*end || end == q->probe || router_probe_node(api->router, id, &node) != 0)
                return api_fail(call, ERROR_NO_SUCH_DECISION, .decision = q->probe);
        if (q->response.http_status < 0 && q->response.error < 0)
                return api_fail(call, ERROR_INVALID_PARAMETER, .parameter = "httpStatus", .reason = "httpStatus or error is required");

        const NodeSettings *settings = node_settings(node);
        bool authenticated = false;
        if (settings->provider)
                choose_probe(settings->provider, settings, &authenticated);
        api_classify(api, settings->provider, NULL, &q->response, true, authenticated, &c, &o);
        o.certificate_expires_utc_ns = q->certificate_expires_ns;
        ProbeTimes times = q->times;
        times.total_ns = q->response.latency_ns;
        o.times = &times;
        int r = router_probe_result(api->router, id, &o, call->now_ns, &out.verdict);
        if (r < 0)
                return r;
        if (r > 0)
                return api_fail_outcome(call, r, NULL, q->probe);
        return api_reply(call, &out);
}
