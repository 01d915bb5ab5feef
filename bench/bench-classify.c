/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a verdict costs: each plugin without a body, with a failure's body and with 4 KB of a success, compared in the
 * same rounds with merely reading those 4 KB as JSON. Medians; the aims are 2 µs without a body and 20 µs with 4 KB.
 *
 * bench-classify [--json] [PROVIDER-FOLDER]
 */
#include <time.h>

#include "basic/json.h"
#include "basic/macro.h"
#include "basic/units.h"
#include "daemon/providers/providers.h"

#define ROUNDS 21
#define CALLS 2000
#define BODY_SIZE 4096
#define AIM_WITHOUT_NS 2000.0
#define AIM_WITH_NS 20000.0

typedef enum Column { BARE, WITHOUT, FAILURE, SUCCESS, _COLUMN_MAX } Column;

/* The operation; a failure's status and body; a success: what comes before, again and again, and after. */
static const struct {
        const char *provider, *operation;
        int status;
        const char *failure, *head, *element, *tail;
} vendors[] = {
        { "google", "geocode", 200,
          "{\"error_message\":\"The provided API key is invalid. \",\"results\":[],\"status\":\"REQUEST_DENIED\"}",
          "{\"results\":[",
          "{\"formatted_address\":\"1600 Amphitheatre\",\"geometry\":{\"location\":{\"lat\":37.42,\"lng\":-122.08}}}",
          "],\"status\":\"OK\"}" },
        { "here", "directions", 400,
          "{\"title\":\"Malformed request\",\"status\":400,\"code\":\"E605001\",\"cause\":\"missing field\"}",
          "{\"routes\":[",
          "{\"id\":\"1793a897\",\"sections\":[{\"type\":\"vehicle\",\"summary\":{\"length\":1200}}]}",
          "],\"notices\":[]}" },
        { "mapbox", "directions", 429,
          "{\"message\":\"Too Many Requests\"}",
          "{\"code\":\"Ok\",\"routes\":[",
          "{\"distance\":1200.5,\"duration\":126.1,\"legs\":[{\"summary\":\"A 1, B 2\",\"steps\":[]}]}",
          "],\"uuid\":\"x\"}" },
        { "samsara", "vehicle_locations", 401,
          "{\"message\":\"Invalid token.\",\"requestId\":\"8916e1c1\"}",
          "{\"data\":[",
          "{\"id\":\"112\",\"location\":{\"latitude\":122.142,\"longitude\":-93.343},\"name\":\"Truck A7\"}",
          "],\"pagination\":{\"endCursor\":\"MjkY\",\"hasNextPage\":true}}" },
        { "stripe", "create_payment_intent", 402,
          "{\"error\":{\"code\":\"card_declined\",\"message\":\"Insufficient funds.\",\"type\":\"card_error\"}}",
          "{\"id\":\"pi_1\",\"object\":\"payment_intent\",\"status\":\"succeeded\",\"charges\":[",
          "{\"id\":\"ch_1\",\"object\":\"charge\",\"amount\":1099,\"currency\":\"usd\",\"paid\":true}",
          "]}" },
        { "generic", "send_sms", 429,
          "{\"error\":{\"code\":\"sender_limit\",\"message\":\"too fast\"}}",
          "{\"id\":\"m1\",\"state\":\"queued\",\"parts\":[",
          "{\"to\":\"+491711234567\",\"segments\":2,\"state\":\"queued\",\"price\":0.015,\"encoding\":\"gsm7\"}",
          "]}" },
};

/* For the generic one, which has no rules of its own. */
static const struct pm_option options[] = {
        { "operation_send_sms", "POST /v1/messages unit=segment price=0.0075 keys=id,state" },
        { "rule_balance", "402 -> budget_exhausted: the prepaid balance is used up" },
        { "rule_sender", "429 /error/code = sender_limit -> rate_limit_exceeded operation: this sender is too fast" },
        { "rule_carrier", "4xx /error/code = carrier_busy -> service_unavailable operation: the carrier takes no more" },
        { "rule_suspended", "4xx-5xx /error/message ~= suspended -> authentication_failure: the account is suspended" },
        { "rule_failed", "200 /parts/0/state = failed -> client_error" },
        { "code", "/error/code /error/type" },
        { "limit_remaining", "X-Quota-Left" },
        { "limit_reset", "X-Quota-Renews" },
};

static void complain(void *userdata, const char *option, const char *message) {
        fprintf(stderr, "%s: %s %s\n", (const char *) userdata, option ? option : "options", message);
}

static const struct pm_header headers[] = {
        { "Date", "Mon, 21 Sep 2026 14:13:20 GMT" },
        { "Content-Type", "application/json" },
        { "Content-Length", "4096" },
        { "Connection", "keep-alive" },
        { "Cache-Control", "no-cache, no-store" },
        { "Request-Id", "req_1234567890" },
        { "X-RateLimit-Limit", "600" },
        { "X-RateLimit-Remaining", "599" },
        { "Server", "nginx" },
        { "Strict-Transport-Security", "max-age=63072000" },
};

static uint64_t now(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * NSEC_PER_SEC + (uint64_t) t.tv_nsec;
}

static size_t make_body(size_t vendor, char body[BODY_SIZE]) {
        const char *element = vendors[vendor].element, *tail = vendors[vendor].tail;
        size_t n = (size_t) snprintf(body, BODY_SIZE, "%s%s", vendors[vendor].head, element);

        while (n + 1 + strlen(element) + strlen(tail) < BODY_SIZE)
                n += (size_t) snprintf(body + n, BODY_SIZE - n, ",%s", element);
        return n + (size_t) snprintf(body + n, BODY_SIZE - n, "%s", tail);
}

static void read_bare(const char *body, size_t n) {
        JsonReader r;
        JsonValue v;

        json_open(&r, body, n);
        if (json_read(&r, &v) < 0 || json_skip(&r, &v) < 0 || json_close(&r) < 0)
                abort();
}

static int by_value(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return (x > y) - (x < y);
}

static double median(double v[ROUNDS]) {
        qsort(v, ROUNDS, sizeof(*v), by_value);
        return v[ROUNDS / 2];
}

static void measure(const struct pm_provider *p, size_t vendor, double ret[_COLUMN_MAX]) {
        double took[_COLUMN_MAX][ROUNDS];
        struct pm_classification c;
        char body[BODY_SIZE];
        size_t n = make_body(vendor, body);
        struct pm_response without = {
                .http_status = 200,
                .headers = headers,
                .n_headers = ELEMENTSOF(headers),
                .operation = provider_operation(p, vendors[vendor].operation),
                .now_utc_ns = 1790000000 * NSEC_PER_SEC,
        };
        struct pm_response failure = without, success = without;

        failure.http_status = vendors[vendor].status;
        failure.body = vendors[vendor].failure;
        failure.body_size = strlen(failure.body);
        success.body = body;
        success.body_size = n;
        const struct pm_response *responses[_COLUMN_MAX] = { NULL, &without, &failure, &success };

        /* Each round measures all of them, so that a busy moment of the machine does not fall on one alone. */
        for (size_t round = 0; round < ROUNDS; round++)
                for (Column k = 0; k < _COLUMN_MAX; k++) {
                        uint64_t start = now();

                        for (int i = 0; i < CALLS; i++)
                                if (k == BARE)
                                        read_bare(body, n);
                                else
                                        providers_classify(p, responses[k], _CALL_ERROR_INVALID, &c);
                        took[k][round] = (double) (now() - start) / CALLS;
                        if (k != BARE && (c.verdict == PM_OK) != (k != FAILURE)) {
                                fprintf(stderr, "%s: not what was to be measured: %s\n", p->name, c.reason);
                                exit(EXIT_FAILURE);
                        }
                }
        for (Column k = 0; k < _COLUMN_MAX; k++)
                ret[k] = median(took[k]);
}

int main(int argc, char *argv[]) {
        bool json = argc > 1 && streq(argv[1], "--json");
        const char *folder = argc > 1 + json ? argv[1 + json] : PLUGINS;
        Providers *providers;
        int k;

        k = providers_load(folder, &providers);
        if (k < 0) {
                fprintf(stderr, "%s: %s\n", folder, strerror(-k));
                return EXIT_FAILURE;
        }
        if (!json)
                printf("%-10s%14s%14s%14s%14s%10s\n", "ns a call", "no body", "a failure", "4 KB", "JSON alone",
                       "ratio");
        for (size_t i = 0; i < ELEMENTSOF(vendors); i++) {
                const struct pm_provider *plugin = providers_find(providers, vendors[i].provider), *p = plugin;
                double t[_COLUMN_MAX];

                if (plugin && plugin->create)
                        p = plugin->create(options, ELEMENTSOF(options), complain, (void *) vendors[i].provider);

                if (!p) {
                        fprintf(stderr, "%s: there is no plugin %s\n", folder, vendors[i].provider);
                        return EXIT_FAILURE;
                }
                measure(p, i, t);
                if (json)
                        printf("%s{\"provider\":\"%s\",\"withoutBodyNs\":%.0f,\"failureNs\":%.0f,\"success4kNs\":%.0f,"
                               "\"json4kNs\":%.0f,\"ratio\":%.2f}%s\n",
                               i == 0 ? "[" : "", p->name, t[WITHOUT], t[FAILURE], t[SUCCESS], t[BARE],
                               t[SUCCESS] / t[BARE], i + 1 < ELEMENTSOF(vendors) ? "," : "]");
                else
                        printf("%-10s%14.0f%14.0f%14.0f%14.0f%10.2f%s\n", p->name, t[WITHOUT], t[FAILURE], t[SUCCESS],
                               t[BARE], t[SUCCESS] / t[BARE],
                               t[WITHOUT] > AIM_WITHOUT_NS || t[SUCCESS] > AIM_WITH_NS ? "  over the aim" : "");
                if (p != plugin)
                        plugin->destroy(p);
        }
        providers_free(providers);
        return EXIT_SUCCESS;
}
