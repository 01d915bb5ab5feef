/* SPDX-License-Identifier: Apache-2.0 */
#include "prober/report.h"

#include "basic/units.h"

static void write_key(JsonWriter *w, const char *key) {
        json_write_literal(w, ",\"");
        json_write(w, key, strlen(key));
        json_write_literal(w, "\":");
}

static void write_text(JsonWriter *w, const char *key, const char *text) {
        write_key(w, key);
        json_write_string(w, text);
}

static void write_ms(JsonWriter *w, const char *key, uint64_t ns) {
        if (ns == NSEC_INFINITY)
                return;
        write_key(w, key);
        json_write_fixed(w, (int64_t) ((ns + NSEC_PER_USEC / 2) / NSEC_PER_USEC), 3);
}

static void write_response(JsonWriter *w, const TransferResult *r) {
        write_key(w, "httpStatus");
        json_write_int(w, r->http_status);
        write_key(w, "headers");
        json_write_literal(w, "{");
        for (size_t i = 0; i < r->n_headers; i++) {
                if (i > 0)
                        json_write_literal(w, ",");
                json_write_string(w, r->headers[i].name);
                json_write_literal(w, ":");
                json_write_string(w, r->headers[i].value);
        }
        json_write_literal(w, "}");
        write_text(w, "body", r->body);
        write_key(w, "bodyTruncated");
        json_write(w, r->body_truncated ? "true" : "false", r->body_truncated ? 4 : 5);
}

void report_write(JsonWriter *w, const char *probe_id, const TransferResult *r) {
        json_write_literal(w, "{\"probe\":");
        json_write_string(w, probe_id);
        if (r->http_status > 0)
                write_response(w, r);
        else
                write_text(w, "error", r->error);
        write_ms(w, "dnsMs", r->dns_ns);
        write_ms(w, "connectMs", r->connect_ns);
        write_ms(w, "tlsMs", r->tls_ns);
        write_ms(w, "firstByteMs", r->first_byte_ns);
        write_ms(w, "totalMs", r->total_ns);
        if (*r->certificate_expires)
                write_text(w, "certificateExpires", r->certificate_expires);
        json_write(w, "}", sizeof("}")); /* with its NUL */
}

void report_write_not_sent(JsonWriter *w, const char *probe_id) {
        json_write_literal(w, "{\"probe\":");
        json_write_string(w, probe_id);
        write_text(w, "error", "not_sent");
        json_write(w, "}", sizeof("}"));
}
