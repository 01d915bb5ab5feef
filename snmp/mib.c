/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "snmp/mib.h"

#include <errno.h>
#include <time.h>

#include "basic/macro.h"
#include "basic/units.h"

#define TEXT_MAX 255

#define TEXT(n, s, member, field) { n, COLUMN_TEXT, 0, offsetof(s, member), field, NULL, false, false }
#define ENUM(n, s, member, field, names) { n, COLUMN_INTEGER, 0, offsetof(s, member), field, &names, false, false }
#define NUMBER(n, s, member, type, field, digits) { n, type, digits, offsetof(s, member), field, NULL, false, false }
#define GAUGE(n, s, member, field) NUMBER(n, s, member, COLUMN_GAUGE, field, 0)
#define COUNTER(n, s, member, field) NUMBER(n, s, member, COLUMN_COUNTER, field, 0)
#define DOLLARS(n, s, member, field) NUMBER(n, s, member, COLUMN_COUNTER, field, 6) /* micro-dollars */
#define RATIO(n, s, member, field) NUMBER(n, s, member, COLUMN_GAUGE, field, 4) /* 0..1 to hundredths of a percent */
#define MILLISECONDS(n, s, member, field) NUMBER(n, s, member, COLUMN_GAUGE, field, 3) /* to microseconds */
#define TIME(n, s, member, field) NUMBER(n, s, member, COLUMN_TIME, field, 0)
#define OWN(n, s, member, type) { n, type, 0, offsetof(s, member), NULL, NULL, false, true }

static const char *const system_health_words[] = { "ok", "degraded", "failing" };
static const EnumNames system_health_names = { "SystemHealth", system_health_words, ELEMENTSOF(system_health_words) };

#define S SystemRow
static const Column system_columns[] = {
        TEXT(1, S, version, "version"),
        NUMBER(2, S, uptime, COLUMN_TICKS, "uptimeSeconds", 2),
        ENUM(3, S, health, "health", system_health_names),
        COUNTER(4, S, decisions, "decisions"),
        COUNTER(5, S, reports, "reports"),
        COUNTER(6, S, failures, "failures"),
        COUNTER(7, S, fallbacks, "fallbacks"),
        COUNTER(8, S, rate_limited, "rateLimited"),
        GAUGE(9, S, active_scenarios, NULL),
        COUNTER(10, S, configuration_serial, "configurationSerial"),
        TIME(11, S, last_reload, "lastReloadAt"),
        GAUGE(12, S, services, NULL),
        GAUGE(13, S, nodes, NULL),
        OWN(14, S, data_state, COLUMN_INTEGER),
        OWN(15, S, data_age, COLUMN_GAUGE),
};
#undef S

#define S ServiceRow
static const Column service_columns[] = {
        TEXT(2, S, name, "serviceName"),
        ENUM(3, S, strategy, "strategy", strategy_names),
        ENUM(4, S, priority, "priority", priority_names),
        ENUM(5, S, origin, "origin", origin_names),
        ENUM(6, S, optimization_strategy, "optimizationStrategy", optimization_strategy_names),
        ENUM(7, S, cost_tier, "costTier", cost_tier_names),
        ENUM(8, S, budget_state, "budgetState", budget_state_names),
        DOLLARS(9, S, spend_hour, "spendHour"),
        DOLLARS(10, S, limit_hour, "maxCostPerHour"),
        DOLLARS(11, S, spend_period, "spendPeriod"),
        DOLLARS(12, S, limit_period, "totalBudget"),
        ENUM(13, S, budget_period, "budgetPeriod", budget_period_names),
        GAUGE(14, S, used_percent, NULL),
        COUNTER(15, S, decisions, "decisions"),
        COUNTER(16, S, failures, "failures"),
        RATIO(17, S, success_rate, "successRate"),
        GAUGE(18, S, nodes, NULL),
};
#undef S

#define S NodeRow
static const Column node_columns[] = {
        TEXT(2, S, name, "node"),
        TEXT(3, S, provider, "provider"),
        TEXT(4, S, region, "region"),
        { 5, COLUMN_INTEGER, 0, offsetof(S, administrative_state), "administrativeState", &administrative_state_names,
          true, false },
        ENUM(6, S, health, "health", health_names),
        GAUGE(7, S, health_score, "healthScore"),
        ENUM(8, S, circuit, "circuit", circuit_names),
        RATIO(9, S, success_rate, "successRate"),
        MILLISECONDS(10, S, latency_p50, "latencyP50Ms"),
        MILLISECONDS(11, S, latency_p95, "latencyP95Ms"),
        MILLISECONDS(12, S, latency_p99, "latencyP99Ms"),
        GAUGE(13, S, in_flight, "inFlight"),
        COUNTER(14, S, calls, "calls"),
        COUNTER(15, S, failures, "failures"),
        GAUGE(16, S, cooldown, "cooldownMs"),
        DOLLARS(17, S, spend_hour, "spendHour"),
        DOLLARS(18, S, spend_period, "spendPeriod"),
        DOLLARS(19, S, price, "costPerRequest"),
        GAUGE(20, S, weight, "weight"),
        RATIO(21, S, share, "share"),
        NUMBER(22, S, failure_forecast, COLUMN_INTEGER, "failureForecast", 4),
        ENUM(23, S, last_probe, "lastProbe", verdict_names),
        GAUGE(24, S, last_probe_age, NULL),
};

#define VERDICT(v) COUNTER((v) + 1, S, verdicts[v], NULL)
static const Column verdict_columns[] = {
        VERDICT(PM_OK), VERDICT(PM_CLIENT_ERROR), VERDICT(PM_SERVICE_UNAVAILABLE), VERDICT(PM_PERFORMANCE_DEGRADATION),
        VERDICT(PM_RATE_LIMIT_EXCEEDED), VERDICT(PM_AUTHENTICATION_FAILURE), VERDICT(PM_NETWORK_ISSUE),
        VERDICT(PM_DATA_CORRUPTION), VERDICT(PM_BUDGET_EXHAUSTED), VERDICT(PM_NOT_SENT), VERDICT(PM_UNKNOWN),
};
_Static_assert(ELEMENTSOF(verdict_columns) == _PM_VERDICT_MAX, "a verdict has no column");
#undef S

#define S ScenarioRow
static const Column scenario_columns[] = {
        TEXT(2, S, id, "id"),
        ENUM(3, S, type, "type", scenario_type_names),
        TEXT(4, S, service, "serviceName"),
        ENUM(5, S, severity, "severity", severity_names),
        ENUM(6, S, state, "state", scenario_state_names),
        ENUM(7, S, strategy, "optimizationStrategy", optimization_strategy_names),
        TIME(8, S, start, "startedAt"),
        GAUGE(9, S, duration, NULL),
        COUNTER(10, S, failed_calls, "failedCalls"),
        DOLLARS(11, S, revenue_at_risk, "revenueAtRisk"),
        TEXT(12, S, reason, "reason"),
};
#undef S

#define S ProviderRow
static const Column provider_columns[] = {
        TEXT(2, S, name, "name"),
        TEXT(3, S, title, "title"),
        TEXT(4, S, version, "version"),
        GAUGE(5, S, abi, "abi"),
        TEXT(6, S, operations, NULL),
        TEXT(7, S, error, "error"),
};
#undef S

#define S ControlRow
static const Column control_columns[] = {
        { 1, COLUMN_BITS, 0, offsetof(S, enabled), NULL, NULL, true, true },
        OWN(2, S, sent, COLUMN_COUNTER),
        OWN(3, S, suppressed, COLUMN_COUNTER),
};
#undef S

#define S EventRow
const Column mib_event[] = {
        COUNTER(1, S, serial, "serial"),
        TIME(2, S, time, "time"),
        ENUM(3, S, severity, "severity", severity_names),
        TEXT(4, S, message, "message"),
        TEXT(5, S, service, "serviceName"),
        TEXT(6, S, node, "node"),
};
#undef S
const size_t mib_n_event = ELEMENTSOF(mib_event);

#define TABLE(number, n_index, rows, columns) { number, n_index, false, rows, columns, ELEMENTSOF(columns) }
#define SCALARS(number, rows, columns) { number, 1, true, rows, columns, ELEMENTSOF(columns) }
const Table mib_tables[_TABLE_MAX] = {
        [TABLE_SYSTEM] = SCALARS(1, TABLE_SYSTEM, system_columns),
        [TABLE_SERVICES] = TABLE(2, 1, TABLE_SERVICES, service_columns),
        [TABLE_NODES] = TABLE(3, 2, TABLE_NODES, node_columns),
        [TABLE_VERDICTS] = TABLE(4, 2, TABLE_NODES, verdict_columns),
        [TABLE_SCENARIOS] = TABLE(5, 1, TABLE_SCENARIOS, scenario_columns),
        [TABLE_PROVIDERS] = TABLE(6, 1, TABLE_PROVIDERS, provider_columns),
        [TABLE_CONTROL] = SCALARS(7, TABLE_CONTROL, control_columns),
};

/* ---- object identifiers ---- */

static const oid *root(size_t *ret_n) {
        static oid numbers[MIB_OID_MAX];
        static size_t n;

        if (n == 0)
                for (const char *p = MIB_ROOT; *p && n < MIB_OID_MAX; p += strspn(p, "."))
                        numbers[n++] = strtoul(p, (char **) &p, 10);
        *ret_n = n;
        return numbers;
}

size_t mib_oid(oid ret[MIB_OID_MAX], size_t n, const oid *suffix) {
        size_t length;

        memcpy(ret, root(&length), sizeof(oid) * MIB_OID_MAX);
        n = MIN(n, MIB_OID_MAX - length);
        memcpy(ret + length, suffix, n * sizeof(oid));
        return length + n;
}

int mib_below(oid child, size_t n, const oid *name, size_t *ret_n, const oid **ret) {
        size_t length;
        const oid *numbers = root(&length);

        for (size_t i = 0; i <= length; i++) {
                oid here = i < length ? numbers[i] : child;
                if (i == n || name[i] < here)
                        return -1;
                if (name[i] > here)
                        return 1;
        }
        *ret = name + length + 1;
        *ret_n = n - length - 1;
        return 0;
}

const Column *table_column(const Table *t, unsigned number) {
        unsigned first = t->columns[0].number;

        return number >= first && number - first < t->n_columns ? &t->columns[number - first] : NULL;
}

/* ---- showing ---- */

static void time_value(uint64_t utc_ns, Value *ret) {
        time_t s = (time_t) (utc_ns / NSEC_PER_SEC);
        struct tm tm;

        if (!gmtime_r(&s, &tm))
                tm = (struct tm) { .tm_year = 70, .tm_mday = 1 };
        unsigned year = (unsigned) tm.tm_year + 1900;
        const u_char octets[] = {
                (u_char) (year >> 8), (u_char) year, (u_char) (tm.tm_mon + 1), (u_char) tm.tm_mday, (u_char) tm.tm_hour,
                (u_char) tm.tm_min, (u_char) tm.tm_sec, (u_char) (utc_ns % NSEC_PER_SEC * 10 / NSEC_PER_SEC), '+', 0, 0,
        };
        memcpy(ret->octets, octets, sizeof(octets));
        ret->type = ASN_OCTET_STR;
        ret->data = ret->octets;
        ret->size = sizeof(octets);
}

static size_t text_size(const char *s) {
        size_t n = strnlen(s, TEXT_MAX + 1);

        if (n <= TEXT_MAX)
                return n;
        for (n = TEXT_MAX; n > 0 && ((u_char) s[n] & 0xC0) == 0x80; n--)
                ;
        return n;
}

static void number_value(u_char type, long v, Value *ret) {
        ret->number = v;
        ret->type = type;
        ret->data = &ret->number;
        ret->size = sizeof(ret->number);
}

void column_value(const Column *c, const void *row, Value *ret) {
        const void *member = (const char *) row + c->offset;

        if (c->type == COLUMN_TEXT) {
                const char *s = *(const char *const *) member ?: "";
                *ret = (Value) { .type = ASN_OCTET_STR, .data = s, .size = text_size(s) };
                return;
        }

        if (c->type == COLUMN_BITS) {
                const Octets *o = member;
                *ret = (Value) { .type = ASN_OCTET_STR, .data = o->octets, .size = o->size };
                return;
        }

        uint64_t v = *(const uint64_t *) member;
        switch (c->type) {
        case COLUMN_INTEGER:
                number_value(ASN_INTEGER, (int32_t) v, ret);
                break;
        case COLUMN_GAUGE:
                number_value(ASN_GAUGE, (long) MIN(v, (uint64_t) UINT32_MAX), ret);
                break;
        case COLUMN_TICKS:
                number_value(ASN_TIMETICKS, (long) (uint32_t) v, ret);
                break;
        case COLUMN_TIME:
                time_value(v, ret);
                break;
        default:
                ret->counter = (struct counter64) { .high = v >> 32, .low = (uint32_t) v };
                ret->type = ASN_COUNTER64;
                ret->data = &ret->counter;
                ret->size = sizeof(ret->counter);
        }
}

/* ---- reading ---- */

int instant_parse(const char *s, uint64_t *ret) {
        struct tm tm = {};

        const char *p = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);
        if (!p)
                return -EBADMSG;
        uint64_t fraction = 0;
        if (*p == '.') {
                uint64_t unit = NSEC_PER_SEC;
                for (p++; *p >= '0' && *p <= '9'; p++)
                        fraction += (unit /= 10) * (uint64_t) (*p - '0');
        }
        time_t t = timegm(&tm);
        if (!streq(p, "Z") || t < 0)
                return -EBADMSG;
        *ret = (uint64_t) t * NSEC_PER_SEC + fraction;
        return 0;
}

int column_read(const Column *c, const JsonValue *v, void *row) {
        void *member = (char *) row + c->offset;
        int64_t x;

        if (v->type == JSON_NULL)
                return 0;
        if (c->type == COLUMN_TEXT) {
                if (v->type != JSON_STRING)
                        return -EBADMSG;
                *(const char **) member = json_terminate_string(v);
                return 0;
        }
        if (c->names) {
                if (v->type != JSON_STRING)
                        return -EBADMSG;
                /* A word that only a newer daemon knows becomes none. */
                *(uint64_t *) member = (uint64_t) enum_from_string(c->names, json_terminate_string(v)) + 1;
                return 0;
        }
        if (c->type == COLUMN_TIME)
                return v->type == JSON_STRING ? instant_parse(json_terminate_string(v), member) : -EBADMSG;
        if (json_fixed(v, c->digits, &x) < 0)
                return -EBADMSG;
        *(uint64_t *) member = (uint64_t) MAX(x, INT64_C(0));
        return 0;
}

static const Column *find_column(const Column *columns, size_t n, const JsonValue *key) {
        for (size_t i = 0; i < n; i++)
                if (columns[i].field && json_equals(key, columns[i].field))
                        return &columns[i];
        return NULL;
}

int columns_read(JsonReader *r, const Column *columns, size_t n, ReadMember read_member, void *row, void *userdata) {
        JsonValue key, v;
        bool first = true;
        int k;

        while ((k = json_member(r, &first, &key)) > 0) {
                k = json_read(r, &v);
                if (k < 0)
                        return k;
                const Column *c = find_column(columns, n, &key);
                k = c ? column_read(c, &v, row) : read_member ? read_member(r, &key, &v, row, userdata) : 0;
                if (k == 0)
                        k = json_skip(r, &v);
                if (k < 0)
                        return k;
        }
        return k;
}
