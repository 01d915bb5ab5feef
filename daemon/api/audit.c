/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the audit log gets to know. There is one hook, where a call is answered (api.c), and what a record says follows
 * from the tables of its method: a new method is recorded without a line here.
 */
#include "daemon/api/audit.h"

#include "basic/log.h"
#include "basic/scrub.h"
#include "config.h"
#include "daemon/api/private.h"

/* Kinds of journal entries (MESSAGE_ID=), see docs/audit.md. */
#define MESSAGE_MANAGEMENT "d1f94d5267ee4b3e873f6018782c602b"
#define MESSAGE_SCENARIO "b6ea14a40b334268b739de786c27d166"

/* ---- text ---- */

static void begin(JsonWriter *w, uint64_t utc_ns, const char *kind) {
        char time[INSTANT_MAX];

        w->size = 0;
        w->failed = false;
        instant_to_string(utc_ns, time);
        json_write_literal(w, "\"time\":");
        json_write_string(w, time);
        json_write_literal(w, ",\"kind\":");
        json_write_string(w, kind);
}

static void key(JsonWriter *w, const char *name) {
        json_write_literal(w, ",");
        json_write_string(w, name);
        json_write_literal(w, ":");
}

static void text(JsonWriter *w, const char *name, const char *value) {
        key(w, name);
        record_write_string(w, value);
}

/* A field of the journal: newlines would need another encoding, and nobody reads them here. */
static void journal_field(JsonWriter *w, const char *name, const char *value) {
        if (!value || !value[0])
                return;
        json_write(w, name, strlen(name));
        json_write_literal(w, "=");
        char *to = json_reserve(w, strlen(value) + 1);
        if (!to)
                return;
        for (const char *p = value; *p; p++)
                *to++ = (unsigned char) *p < ' ' ? ' ' : *p;
        *to = 0;
        to -= strlen(value);
        scrub_secrets(to);
        w->size += strlen(to) + 1;
}

static void journal_number(JsonWriter *w, const char *name, uint64_t value) {
        char number[24];

        snprintf(number, sizeof(number), "%llu", (unsigned long long) value);
        journal_field(w, name, number);
}

static void put(Api *api, AuditClass class, bool journal) {
        AuditTrail *t = &api->trail;

        if (t->text.failed || (journal && t->journal.failed))
                audit_count_lost(t->audit, class);
        else {
                uint64_t place = audit_put(t->audit, &(AuditRecord) {
                        .class = class, .text = t->text.data, .n = t->text.size,
                        .journal = journal ? t->journal.data : NULL, .n_journal = journal ? t->journal.size : 0,
                });
                if (place > 0 && class == AUDIT_MANAGEMENT)
                        t->newest = place;
        }
        if (t->text.allocated > 64 * 1024)
                json_writer_done(&t->text);
}

/* ---- calls ---- */

static const Field *find_field(const Structure *s, const char *name) {
        for (const Field *f = s->fields; f->name; f++)
                if (streq(f->name, name))
                        return f;
        return NULL;
}

/* The text of a parameter or of a part of the reply; NULL: it has none of that name. */
static const char *find_text(const Structure *s, const void *structure, const char *name) {
        const Field *f = structure ? find_field(s, name) : NULL;

        if (!f || (f->type != FIELD_STRING && f->type != FIELD_CHARS) || field_is_absent(f, structure))
                return NULL;
        return f->type == FIELD_STRING ? *(const char *const *) field_in(f, structure) : field_in(f, structure);
}

static void write_who(JsonWriter *w, ApiPeer *peer) {
        const char *unit = peer_unit(peer);

        key(w, "who");
        json_write_literal(w, "{\"uid\":");
        json_write_uint(w, peer->uid);
        json_write_literal(w, ",\"pid\":");
        json_write_int(w, peer->pid);
        if (unit)
                text(w, "unit", unit);
        json_write_literal(w, "}");
}

/* Parameters that would make a line too long are left out whole, so that what is there is complete. */
static void write_parameters(JsonWriter *w, const ApiCall *call) {
        size_t before = w->size;

        if (!call->in)
                return;
        key(w, "parameters");
        schema_write_record(call->method->in, call->in, w);
        size_t n = w->size - before;
        if (n > AUDIT_RECORD_MAX / 2) {
                w->size = before;
                key(w, "parametersOmitted");
                json_write_uint(w, n);
        }
}

/* What of a reply is worth keeping, and under which name. */
static const struct {
        const char *field, *as;
} kept[] = {
        { "serviceName", "serviceName" }, { "node", "node" }, { "verdict", "verdict" }, { "estimatedCost", "cost" },
        { "settledCost", "cost" }, { "costTier", "costTier" }, { "scenario", "scenario" }, { "reason", "reason" },
        { "changes", "changes" },
};

static void write_kept(JsonWriter *w, const Structure *s, const void *out) {
        for (const Field *f = s->fields; f->name; f++) {
                if (field_is_absent(f, out))
                        continue;
                /* A thing with an id is named by it; of a decision more is wanted. */
                if (f->type == FIELD_STRUCT) {
                        const Field *id = find_field(f->structure, "id");
                        if (id) {
                                key(w, f->name);
                                field_write_record(id, field_in(f, out), w);
                        }
                        if (f->structure == &decision_structure)
                                write_kept(w, f->structure, field_in(f, out));
                        continue;
                }
                for (size_t i = 0; i < ELEMENTSOF(kept); i++)
                        if (streq(f->name, kept[i].field)) {
                                key(w, kept[i].as);
                                field_write_record(f, out, w);
                        }
        }
}

static bool is_management(const ApiCall *call) {
        return api_is_management(call->method);
}

static const char *kind_of(const ApiCall *call) {
        return is_management(call) ? "management" : find_field(call->method->out, "decision") ? "decision" : "report";
}

static void write_call(Api *api, const ApiCall *call) {
        JsonWriter *w = &api->trail.text;

        begin(w, api_utc_ns(api), kind_of(call));
        text(w, "method", call->method->name);
        text(w, "via", call->transport->name);
        write_who(w, call->peer);
        if (call->authorization.verdict == AUTHORIZATION_GRANTED)
                text(w, "authorizedBy", "polkit");
        write_parameters(w, call);
        /* A fallback reports on one node and is given another. */
        if (call->node)
                text(w, find_field(call->method->out, "decision") ? "reportedNode" : "node", call->node);
}

static void write_journal(Api *api, const ApiCall *call, const void *out, const char *result) {
        const Structure *in = call->method->in;
        const char *service = find_text(in, call->in, "serviceName"), *node = find_text(in, call->in, "node");
        const char *scenario = find_text(in, call->in, "id"), *unit = peer_unit(call->peer);
        JsonWriter *w = &api->trail.journal;
        char message[512];

        const Field *opened = out ? find_field(call->method->out, "scenario") : NULL;
        if (opened && opened->type == FIELD_STRUCT)
                scenario = find_text(opened->structure, field_in(opened, out), "id");
        snprintf(message, sizeof(message), "%s%s%s by user %u (process %d%s%s): %s", call->method->name,
                 node || service || scenario ? " " : "", node ?: service ?: scenario ?: "", (unsigned) call->peer->uid,
                 (int) call->peer->pid, unit ? " of " : "", unit ?: "", result);
        w->size = 0;
        w->failed = false;
        journal_field(w, "MESSAGE", message);
        journal_field(w, "MESSAGE_ID", MESSAGE_MANAGEMENT);
        journal_number(w, "PRIORITY", out ? LOG_NOTICE : LOG_WARNING);
        journal_field(w, "SYSLOG_IDENTIFIER", "pointsmand");
        journal_field(w, "POINTSMAN_METHOD", call->method->name);
        journal_field(w, "POINTSMAN_RESULT", result);
        journal_field(w, "POINTSMAN_SERVICE", service);
        journal_field(w, "POINTSMAN_NODE", node);
        journal_field(w, "POINTSMAN_SCENARIO", scenario);
        journal_number(w, "POINTSMAN_UID", call->peer->uid);
        journal_number(w, "POINTSMAN_PID", (uint64_t) MAX(call->peer->pid, 0));
        journal_field(w, "POINTSMAN_UNIT", unit);
}

/* The same for a decision and its report: drawn by its id, which nobody can choose for a decision that exists. */
static bool is_in_sample(Api *api, const ApiCall *call, const void *out) {
        const Field *decision = out ? find_field(call->method->out, "decision") : NULL;
        const char *id = find_text(call->method->in, call->in, "decision");
        uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

        if (!id && decision && decision->type == FIELD_STRUCT)
                id = find_text(decision->structure, field_in(decision, out), "id");
        if (id)
                for (; *id; id++)
                        h = (h ^ (unsigned char) *id) * UINT64_C(0x100000001b3);
        else
                h = ++api->trail.drawn;
        /* Neighbours must not look alike. */
        h = (h ^ h >> 32) * UINT64_C(0x9e3779b97f4a7c15);
        return (double) (h >> 11) / (double) (UINT64_C(1) << 53) < api->settings->audit_sample_rate;
}

static bool has_failed(const ApiCall *call, const void *out) {
        const Field *f = out ? find_field(call->method->out, "verdict") : NULL;

        return !out || (f && *(const int *) field_in(f, out) != PM_OK);
}

static bool is_wanted(Api *api, const ApiCall *call, const void *out) {
        switch ((AuditDecisions) api->settings->audit_decisions) {
        case AUDIT_OFF: return false;
        case AUDIT_FAILURES: return has_failed(call, out);
        case AUDIT_SAMPLED: return is_in_sample(api, call, out);
        case AUDIT_ALL: case _AUDIT_DECISIONS_MAX: break;
        }
        return true;
}

static void put_call(Api *api, const ApiCall *call, const void *out, const char *result) {
        if (is_management(call))
                write_journal(api, call, out, result);
        put(api, is_management(call) ? AUDIT_MANAGEMENT : AUDIT_DECISION, is_management(call));
}

void api_audit_reply(ApiCall *call, const void *out) {
        Api *api = call->api;

        call->recorded = true;
        if (!is_management(call) && !is_wanted(api, call, out))
                return;
        write_call(api, call);
        text(&api->trail.text, "result", "ok");
        write_kept(&api->trail.text, call->method->out, out);
        put_call(api, call, out, "ok");
}

void api_audit_failure(ApiCall *call, ApiError error, const ApiErrorParameters *p) {
        Api *api = call->api;
        JsonWriter *w = &api->trail.text;

        call->recorded = true;
        if (!is_management(call) && !is_wanted(api, call, NULL))
                return;
        /* Who may not do a thing must not be able to push the records of those who may out of the log. */
        if (is_management(call) && (error == ERROR_PERMISSION_DENIED || error == ERROR_RATE_LIMITED) &&
            !peer_take_refusal(call->peer, call->now_ns)) {
                audit_count_lost(api->trail.audit, AUDIT_REFUSAL);
                return;
        }
        write_call(api, call);
        text(w, "result", api_errors[error].name);
        key(w, "details");
        schema_write_record(api_errors[error].parameters, p, w);
        put_call(api, call, NULL, api_errors[error].name);
}

/* ---- events ---- */

void api_audit_event(Api *api, const Event *e) {
        JsonWriter *w = &api->trail.text, *j = &api->trail.journal;
        const char *type = enum_to_string(&event_type_names, (int) e->type),
                   *severity = enum_to_string(&severity_names, (int) e->severity);

        if (!api->trail.audit || (e->type != EVENT_SCENARIO_OPENED && e->type != EVENT_SCENARIO_ESCALATION &&
                                  e->type != EVENT_SCENARIO_RESOLVED))
                return;
        begin(w, api_utc_ns(api), "event");
        text(w, "type", type);
        text(w, "severity", severity);
        if (e->scenario)
                text(w, "scenario", e->scenario);
        if (e->service_name)
                text(w, "serviceName", e->service_name);
        if (e->node)
                text(w, "node", e->node);
        text(w, "message", e->message);

        j->size = 0;
        j->failed = false;
        journal_field(j, "MESSAGE", e->message);
        journal_field(j, "MESSAGE_ID", MESSAGE_SCENARIO);
        journal_number(j, "PRIORITY", e->type == EVENT_SCENARIO_RESOLVED ? LOG_NOTICE : LOG_WARNING);
        journal_field(j, "SYSLOG_IDENTIFIER", "pointsmand");
        journal_field(j, "POINTSMAN_EVENT", type);
        journal_field(j, "POINTSMAN_SEVERITY", severity);
        journal_field(j, "POINTSMAN_SCENARIO", e->scenario);
        journal_field(j, "POINTSMAN_SERVICE", e->service_name);
        journal_field(j, "POINTSMAN_NODE", e->node);
        put(api, AUDIT_MANAGEMENT, true);
}

/* ---- life ---- */

static void put_life(Api *api, const char *kind) {
        JsonWriter *w = &api->trail.text;

        begin(w, api_utc_ns(api), kind);
        text(w, "version", PACKAGE_VERSION);
        key(w, "pid");
        json_write_int(w, getpid());
        put(api, AUDIT_MANAGEMENT, false);
}

void api_set_audit(Api *api, Audit *audit) {
        api->trail.audit = audit;
        api_audit_configure(api);
        put_life(api, "start");
}

void api_audit_done(Api *api) {
        if (api->trail.audit)
                put_life(api, "stop");
        json_writer_done(&api->trail.text);
        json_writer_done(&api->trail.journal);
}

void api_audit_configure(Api *api) {
        const DaemonSettings *s = api->settings;

        if (!api->trail.audit)
                return;
        api->trail.roles = MANAGEMENT_ROLES | (s->audit_decisions != AUDIT_OFF ? 1U << ROLE_CLIENT : 0);
        audit_set_limits(api->trail.audit, &(AuditLimits) { s->audit_max_size, s->audit_max_age_ns, s->audit_keep });
}

int api_audit_sentence(Api *api, char *buffer, size_t size) {
        AuditStatus s;
        size_t n;

        if (!api->trail.audit) {
                snprintf(buffer, size, "not kept");
                return 0;
        }
        audit_status(api->trail.audit, &s);
        if (s.error == -EWOULDBLOCK)
                n = (size_t) snprintf(buffer, size, "another process writes there");
        else if (s.error == -ETIMEDOUT)
                n = (size_t) snprintf(buffer, size, "the disk does not answer");
        else if (s.error < 0)
                n = (size_t) snprintf(buffer, size, "cannot be written: %s", strerror(-s.error));
        else
                n = (size_t) snprintf(buffer, size, "written up to record %llu", (unsigned long long) s.serial);
        if (s.error < 0 && n < size)
                snprintf(buffer + n, size - n,
                         "; %llu records wait, %llu management actions and %llu decisions are lost",
                         (unsigned long long) s.waiting, (unsigned long long) s.lost[AUDIT_MANAGEMENT],
                         (unsigned long long) s.lost[AUDIT_DECISION]);
        return s.error;
}

void api_check_audit(Api *api) {
        char sentence[160];
        ApiEvent event = {
                .utc_ns = api_utc_ns(api),
                .type = EVENT_SYSTEM_HEALTH_CHANGED,
                .data = { .strategy = _STRATEGY_INVALID,
                          .cost = MONEY_UNSET,
                          .limit = MONEY_UNSET,
                          .ratio = __builtin_nan("") },
        };
        int error = api_audit_sentence(api, sentence, sizeof(sentence));

        if ((error < 0) == (api->trail.error < 0))
                return;
        api->trail.error = error;
        event.severity = error < 0 ? SEVERITY_HIGH : SEVERITY_LOW;
        snprintf(event.message, sizeof(event.message), "Audit log: %.140s", sentence);
        if (error < 0)
                log_warning("%s", event.message);
        else
                log_notice("%s", event.message);
        events_publish(api->events, &event);
}
