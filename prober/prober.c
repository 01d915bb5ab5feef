/* SPDX-License-Identifier: Apache-2.0 */
#include "prober/prober.h"

#include <errno.h>
#include <sys/queue.h>

#include "basic/log.h"
#include "basic/units.h"
#include "prober/complaints.h"
#include "prober/probe.h"
#include "prober/report.h"
#include "prober/request.h"
#include "prober/secret.h"

/* Idle connections that are kept for the next probe of the same host. A TLS handshake costs a millisecond of a core, and
 * keeping the connection some 40 KiB. */
#define CONNECTIONS_MAX 1024

/* One probe on its way. */
typedef struct Running {
        LIST_ENTRY(Running) siblings;
        Prober *prober;
        Probe *probe;
        Transfer *transfer;
} Running;

struct Prober {
        const ProberSettings *settings;
        sd_event *event;
        CurlLoop *loop;
        Link *link;
        Credentials *credentials;
        Complaints *complaints;

        STAILQ_HEAD(, Probe) queue;
        size_t n_queued;
        LIST_HEAD(, Running) running;
        size_t n_running;
        JsonWriter report; /* keeps its memory from one report to the next */
};

static void send_report(Prober *p) {
        if (!p->report.failed)
                link_report(p->link, p->report.data);
        if (p->report.failed)
                json_writer_done(&p->report);
        p->report.size = 0;
}

static void report_not_sent(Prober *p, const Probe *probe) {
        report_write_not_sent(&p->report, probe->id);
        send_report(p);
}

/* ---- one probe ---- */

static Running *running_free(Running *r) {
        LIST_REMOVE(r, siblings);
        r->prober->n_running--;
        transfer_free(r->transfer);
        probe_free(r->probe);
        free(r);
        return NULL;
}

static void start_queued(Prober *p);

static void on_transfer_done(void *userdata, const TransferResult *result) {
        Running *r = userdata;
        Prober *p = r->prober;

        if (result->http_status > 0)
                log_debug("Probe %s of %s: %d in %.1f ms", r->probe->id, r->probe->node ?: "?", result->http_status,
                          (double) result->total_ns / NSEC_PER_MSEC);
        else
                log_debug("Probe %s of %s: %s, %s", r->probe->id, r->probe->node ?: "?", result->error, result->detail);
        report_write(&p->report, r->probe->id, result);
        running_free(r);
        send_report(p);
        start_queued(p);
}

/* The secret that a probe asks for. *ret stays NULL if it asks for none. */
static int find_secret(Prober *p, const Probe *probe, char **ret) {
        const char *why;

        if (!probe_wants_credential(probe))
                return 0;
        if (!probe->credential) {
                complain(p->complaints, probe->node, "Node %s: its probe asks for a credential, but the node names none", probe->node ?: "?");
                return -ENOENT;
        }
        int k = credentials_read(p->credentials, probe->credential, ret, &why);
        const char *name = credential_name_is_valid(probe->credential) ? probe->credential : "(not a name)";
        if (k < 0)
                complain(p->complaints, name, "Credential %s: %s; probes that want it are not sent", name, why);
        else
                complaint_settled(p->complaints, name, "Credential %s can be read again", name);
        return k;
}

/* Fills in the credential and sends. */
static int start(Prober *p, const Probe *probe, Running *running) {
        _cleanup_(secret_freep) char *secret = NULL;
        Request *request;
        const char *why;

        int k = find_secret(p, probe, &secret);
        if (k < 0)
                return k;
        k = request_new(probe, secret, &request, &why);
        if (k < 0) {
                complain(p->complaints, probe->node, "Node %s: its probe is not sent: %s", probe->node ?: "?", why);
                return k;
        }
        complaint_settled(p->complaints, probe->node, "Node %s: its probe is sent again", probe->node ?: "?");
        return transfer_start(p->loop, &p->settings->transfer, request, on_transfer_done, running, &running->transfer);
}

/* Takes the probe over. */
static void carry_out(Prober *p, Probe *probe) {
        Running *r = calloc(1, sizeof(*r));
        if (!r) {
                report_not_sent(p, probe);
                probe_free(probe);
                return;
        }
        r->prober = p;
        r->probe = probe;
        LIST_INSERT_HEAD(&p->running, r, siblings);
        p->n_running++;
        if (start(p, probe, r) < 0) {
                report_not_sent(p, probe);
                running_free(r);
        }
}

/* ---- all of them ---- */

static Probe *take_first(Prober *p) {
        Probe *probe = STAILQ_FIRST(&p->queue);

        STAILQ_REMOVE_HEAD(&p->queue, next);
        p->n_queued--;
        return probe;
}

static void start_queued(Prober *p) {
        uint64_t now_us = 0;

        sd_event_now(p->event, CLOCK_MONOTONIC, &now_us);
        while (p->n_running < p->settings->probes_max && !STAILQ_EMPTY(&p->queue)) {
                Probe *probe = take_first(p);
                /* Its answer would come after the daemon has stopped waiting for it. */
                if (now_us * NSEC_PER_USEC - probe->received_ns > probe->timeout_ns) {
                        report_not_sent(p, probe);
                        probe_free(probe);
                } else
                        carry_out(p, probe);
        }
        if (STAILQ_EMPTY(&p->queue))
                complaint_settled(p->complaints, "(queue)", "Every probe that is due is carried out again");
}

static void on_probe(void *userdata, const char *reply) {
        _cleanup_(probe_freep) Probe *probe = NULL;
        Prober *p = userdata;
        uint64_t now_us = 0;

        int k = probe_parse(reply, &probe);
        if (k < 0) {
                complain(p->complaints, "(probe)", "pointsmand asks for a probe that cannot be understood; is it of another version?");
                if (probe)
                        report_not_sent(p, probe);
                return;
        }
        if (p->n_queued >= PROBER_QUEUE_MAX) {
                complain(p->complaints, "(queue)", "More probes are due than can be carried out; some are not sent (see --max-probes)");
                return report_not_sent(p, probe);
        }
        sd_event_now(p->event, CLOCK_MONOTONIC, &now_us);
        probe->received_ns = now_us * NSEC_PER_USEC;
        STAILQ_INSERT_TAIL(&p->queue, probe, next);
        probe = NULL;
        p->n_queued++;
        start_queued(p);
}

/* Another daemon would take the answers for those to its own questions. */
static void forget_all(void *userdata) {
        Prober *p = userdata;

        while (!STAILQ_EMPTY(&p->queue))
                probe_free(take_first(p));
        while (!LIST_EMPTY(&p->running))
                running_free(LIST_FIRST(&p->running));
}

int prober_reload(Prober *p) {
        Credentials *c;

        int k = credentials_open(p->settings->credentials_dir, &c);
        if (k < 0)
                return log_error_errno(k, "Cannot open the folder of the credentials, %s; the one before stays in use",
                                       p->settings->credentials_dir ?: getenv("CREDENTIALS_DIRECTORY"));
        credentials_close(p->credentials);
        p->credentials = c;
        log_info("Credentials are read from their folder as it is now");
        return 0;
}

int prober_new(sd_event *event, const ProberSettings *settings, Prober **ret) {
        _cleanup_(prober_freep) Prober *p = calloc(1, sizeof(*p));
        int k;

        if (!p)
                return log_oom();
        STAILQ_INIT(&p->queue);
        LIST_INIT(&p->running);
        p->settings = settings;
        p->event = sd_event_ref(event);
        p->complaints = complaints_new();
        if (!p->complaints)
                return log_oom();
        k = credentials_open(settings->credentials_dir, &p->credentials);
        if (k < 0)
                return log_error_errno(k, "Cannot open the folder of the credentials, %s",
                                       settings->credentials_dir ?: getenv("CREDENTIALS_DIRECTORY"));
        k = curl_loop_new(event, CONNECTIONS_MAX, &p->loop);
        if (k < 0)
                return log_error_errno(k, "Cannot set up libcurl");
        LinkHandler handler = { .probe = on_probe, .lost = forget_all, .userdata = p };
        k = link_new(event, settings->socket, &handler, &p->link);
        if (k < 0)
                return log_error_errno(k, "Cannot set up the connection to pointsmand");
        *ret = TAKE(p);
        return 0;
}

Prober *prober_free(Prober *p) {
        if (!p)
                return NULL;
        forget_all(p);
        link_free(p->link);
        curl_loop_free(p->loop);
        credentials_close(p->credentials);
        complaints_free(p->complaints);
        json_writer_done(&p->report);
        sd_event_unref(p->event);
        free(p);
        return NULL;
}
