/* SPDX-License-Identifier: Apache-2.0 */
#include "snmp/snapshot.h"

#include <errno.h>

#include "basic/macro.h"
#include "basic/units.h"

/* What reading needs to know besides the reader. */
typedef struct Reading {
        uint64_t utc_ns;
        Snapshot *snapshot;
} Reading;

static const size_t row_sizes[_TABLE_MAX] = {
        [TABLE_SERVICES] = sizeof(ServiceRow), [TABLE_NODES] = sizeof(NodeRow), [TABLE_VERDICTS] = sizeof(NodeRow),
        [TABLE_SCENARIOS] = sizeof(ScenarioRow), [TABLE_PROVIDERS] = sizeof(ProviderRow),
};

Snapshot *snapshot_free(Snapshot *s) {
        if (!s)
                return NULL;
        for (size_t i = 0; i < _TABLE_MAX; i++)
                free(s->tables[i].rows);
        free(s->text);
        free(s);
        return NULL;
}

DEFINE_CLEANUP(Snapshot *, snapshot_free);

/* A new row at the end, all zero; NULL: no memory. Valid until the next one is added. */
static void *rows_add(Rows *r) {
        if (r->n == r->allocated) {
                size_t n = r->allocated ? r->allocated * 2 : 16;
                char *rows = reallocarray(r->rows, n, r->size);
                if (!rows)
                        return NULL;
                r->rows = rows;
                r->allocated = n;
        }
        return memset(r->rows + r->n++ * r->size, 0, r->size);
}

const Row *rows_find_text(const Rows *r, size_t offset, const char *text) {
        for (size_t i = 0; i < r->n; i++) {
                const Row *row = rows_at(r, i);
                const char *s = *(const char *const *) (const void *) ((const char *) row + offset);
                if (s && streq(s, text))
                        return row;
        }
        return NULL;
}

static Row *row_at(Rows *r, size_t i) {
        return (Row *) (void *) (r->rows + i * r->size);
}

/* Reads a list of objects, each into a new row of the table. */
static int read_rows(JsonReader *r, TableId id, const JsonValue *list,
                     void (*prepare)(const Reading *reading, void *row), ReadMember read_member, Reading *reading) {
        const Table *table = &mib_tables[id];
        Rows *rows = &reading->snapshot->tables[id];
        bool first = true;
        JsonValue v;
        int k;

        if (list->type != JSON_ARRAY)
                return -EBADMSG;
        while ((k = json_element(r, &first)) > 0) {
                k = json_read(r, &v);
                if (k < 0)
                        return k;
                if (v.type != JSON_OBJECT)
                        return -EBADMSG;
                void *row = rows_add(rows);
                if (!row)
                        return -ENOMEM;
                if (prepare)
                        prepare(reading, row);
                k = columns_read(r, table->columns, table->n_columns, read_member, row, reading);
                if (k < 0)
                        return k;
        }
        return k < 0 ? k : 1;
}

/* ---- the objects of the reply ---- */

static int read_verdict(JsonReader *r _unused_, const JsonValue *key, const JsonValue *v, void *row,
                        void *userdata _unused_) {
        NodeRow *node = row;
        int64_t n;

        int verdict = enum_from_string(&verdict_names, json_terminate_string(key));
        if (verdict < 0)
                return 0;
        if (json_int64(v, &n) < 0 || n < 0)
                return -EBADMSG;
        node->verdicts[verdict] = (uint64_t) n;
        return 0;
}

static uint64_t seconds_between(uint64_t from_ns, uint64_t to_ns) {
        return to_ns > from_ns ? (to_ns - from_ns) / NSEC_PER_SEC : 0;
}

static void prepare_node(const Reading *reading, void *row) {
        NodeRow *node = row;

        /* The service's number, for now: its place in the list. The service itself moves when the list grows. */
        node->row.index[0] = reading->snapshot->tables[TABLE_SERVICES].n - 1;
        node->failure_forecast = (uint64_t) -1;
        node->last_probe_age = UINT64_MAX;
}

static int read_node_member(JsonReader *r, const JsonValue *key, const JsonValue *v, void *row, void *userdata) {
        NodeRow *node = row;

        if (json_equals(key, "verdicts") && v->type == JSON_OBJECT) {
                int k = columns_read(r, NULL, 0, read_verdict, node, userdata);
                return k < 0 ? k : 1;
        }
        if (json_equals(key, "lastProbeAt") && v->type == JSON_STRING) {
                uint64_t at;
                int k = instant_parse(json_terminate_string(v), &at);
                if (k < 0)
                        return k;
                node->last_probe_age = seconds_between(at, ((const Reading *) userdata)->utc_ns);
        }
        return 0;
}

static void prepare_service(const Reading *reading _unused_, void *row) {
        ServiceRow *service = row;

        service->limit_hour = service->limit_period = UINT64_MAX;
}

static int read_service_member(JsonReader *r, const JsonValue *key, const JsonValue *v, void *row, void *userdata) {
        Rows *nodes = &((Reading *) userdata)->snapshot->tables[TABLE_NODES];
        ServiceRow *service = row;

        if (!json_equals(key, "nodes"))
                return 0;
        size_t before = nodes->n;
        int k = read_rows(r, TABLE_NODES, v, prepare_node, read_node_member, userdata);
        service->nodes = nodes->n - before;
        return k;
}

static int read_scenario_member(JsonReader *r, const JsonValue *key, const JsonValue *v, void *row, void *userdata) {
        const Table *table = &mib_tables[TABLE_SCENARIOS];
        ScenarioRow *scenario = row;

        if (json_equals(key, "impact") && v->type == JSON_OBJECT) {
                int k = columns_read(r, table->columns, table->n_columns, NULL, row, userdata);
                return k < 0 ? k : 1;
        }
        if (json_equals(key, "resolvedAt") && v->type == JSON_STRING)
                return instant_parse(json_terminate_string(v), &scenario->resolved_at);
        return 0;
}

/* Joins a list of strings with commas where the list itself stood in the text, which is never shorter. */
static int read_joined(JsonReader *r, const JsonValue *list, const char **ret) {
        char *start = (char *) list->start, *to = start;
        bool first = true;
        JsonValue v;
        int k;

        while ((k = json_element(r, &first)) > 0) {
                k = json_read(r, &v);
                if (k < 0)
                        return k;
                if (v.type != JSON_STRING)
                        return -EBADMSG;
                const char *s = json_terminate_string(&v);
                size_t n = strlen(s);
                if (to > start)
                        *to++ = ',';
                memmove(to, s, n);
                to += n;
        }
        if (k < 0)
                return k;
        *to = 0;
        *ret = start;
        return 1;
}

static int read_provider_member(JsonReader *r, const JsonValue *key, const JsonValue *v, void *row,
                                void *userdata _unused_) {
        ProviderRow *provider = row;

        return json_equals(key, "operations") && v->type == JSON_ARRAY ? read_joined(r, v, &provider->operations) : 0;
}

static int read_status_member(JsonReader *r _unused_, const JsonValue *key, const JsonValue *v, void *row,
                              void *userdata _unused_) {
        SystemRow *system = row;

        if (json_equals(key, "startedAt") && v->type == JSON_STRING)
                return instant_parse(json_terminate_string(v), &system->started);
        int64_t serial;
        if (json_equals(key, "eventSerial") && json_int64(v, &serial) == 0)
                system->event_serial = (uint64_t) serial;
        return 0;
}

static int read_top_member(JsonReader *r, const JsonValue *key, const JsonValue *v, void *row, void *userdata) {
        SystemRow *system = row;

        if (json_equals(key, "services"))
                return read_rows(r, TABLE_SERVICES, v, prepare_service, read_service_member, userdata);
        if (json_equals(key, "scenarios"))
                return read_rows(r, TABLE_SCENARIOS, v, NULL, read_scenario_member, userdata);
        if (json_equals(key, "providers"))
                return read_rows(r, TABLE_PROVIDERS, v, NULL, read_provider_member, userdata);
        if (json_equals(key, "status") && v->type == JSON_OBJECT) {
                const Table *table = &mib_tables[TABLE_SYSTEM];
                int k = columns_read(r, table->columns, table->n_columns, read_status_member, system, userdata);
                return k < 0 ? k : 1;
        }
        return 0;
}

/* ---- what follows from all of it ---- */

/* The name that a row's index belongs to. */
static const size_t name_offsets[_TABLE_MAX] = {
        [TABLE_SERVICES] = offsetof(ServiceRow, name), [TABLE_NODES] = offsetof(NodeRow, name),
        [TABLE_SCENARIOS] = offsetof(ScenarioRow, id), [TABLE_PROVIDERS] = offsetof(ProviderRow, name),
};

static const char *row_name(const Rows *rows, TableId id, size_t i) {
        return *(const char *const *) (const void *) ((const char *) rows_at(rows, i) + name_offsets[id]) ?: "";
}

static int assign_indexes(Indexes *indexes, IndexKind kind, Rows *rows, TableId id) {
        /* Perhaps the reply is not about these at all. */
        if (rows->n == 0)
                return 0;
        _cleanup_free_ const char **names = reallocarray(NULL, rows->n, sizeof(char *));
        _cleanup_free_ uint32_t *numbers = reallocarray(NULL, rows->n, sizeof(uint32_t));
        if (!names || !numbers)
                return -ENOMEM;

        for (size_t i = 0; i < rows->n; i++)
                names[i] = row_name(rows, id, i);
        int k = indexes_assign(indexes, kind, names, rows->n, numbers);
        if (k < 0)
                return k;
        for (size_t i = 0; i < rows->n; i++)
                row_at(rows, i)->index[mib_tables[id].n_index - 1] = numbers[i];
        return 0;
}

static int compare_rows(const void *a, const void *b) {
        const Row *x = a, *y = b;

        for (size_t i = 0; i < ELEMENTSOF(x->index); i++)
                if (x->index[i] != y->index[i])
                        return x->index[i] < y->index[i] ? -1 : 1;
        return 0;
}

static void sort_rows(Rows *rows) {
        if (rows->n > 0)
                qsort(rows->rows, rows->n, rows->size, compare_rows);
}

static uint64_t percent(uint64_t part, uint64_t whole) {
        if (whole == UINT64_MAX)
                return 0;
        return whole == 0 ? 100 : (uint64_t) ((unsigned __int128) part * 100 / whole);
}

static int complete(Snapshot *s, uint64_t utc_ns, Indexes *indexes) {
        Rows *services = &s->tables[TABLE_SERVICES], *nodes = &s->tables[TABLE_NODES];
        Rows *scenarios = &s->tables[TABLE_SCENARIOS];
        static const struct { TableId id; IndexKind kind; } lists[] = {
                { TABLE_SERVICES, INDEX_SERVICE }, { TABLE_NODES, INDEX_NODE },
                { TABLE_SCENARIOS, INDEX_SCENARIO }, { TABLE_PROVIDERS, INDEX_PROVIDER },
        };

        for (size_t i = 0; i < ELEMENTSOF(lists); i++) {
                int k = assign_indexes(indexes, lists[i].kind, &s->tables[lists[i].id], lists[i].id);
                if (k < 0)
                        return k;
        }
        for (size_t i = 0; i < nodes->n; i++) {
                NodeRow *node = (NodeRow *) row_at(nodes, i);
                node->row.index[0] = rows_at(services, node->row.index[0])->index[0];
        }
        for (size_t i = 0; i < services->n; i++) {
                ServiceRow *service = (ServiceRow *) row_at(services, i);
                service->used_percent = MAX(percent(service->spend_hour, service->limit_hour),
                                            percent(service->spend_period, service->limit_period));
        }
        for (size_t i = 0; i < scenarios->n; i++) {
                ScenarioRow *scenario = (ScenarioRow *) row_at(scenarios, i);
                scenario->duration = seconds_between(scenario->start, scenario->resolved_at ?: utc_ns);
                s->system.active_scenarios += scenario->state != SCENARIO_RESOLVED + 1;
        }
        for (size_t i = 0; i < ELEMENTSOF(lists); i++)
                sort_rows(&s->tables[lists[i].id]);
        if (s->system.last_reload == 0)
                s->system.last_reload = s->system.started;
        s->system.services = services->n;
        s->system.nodes = nodes->n;
        return 0;
}

int snapshot_parse(char *text, uint64_t utc_ns, Indexes *indexes, Snapshot **ret) {
        _cleanup_(snapshot_freep) Snapshot *s = calloc(1, sizeof(Snapshot));
        Reading reading = { .utc_ns = utc_ns, .snapshot = s };
        JsonReader r;
        JsonValue v;

        if (!s) {
                free(text);
                return -ENOMEM;
        }
        s->text = text;
        for (size_t i = 0; i < _TABLE_MAX; i++)
                s->tables[i].size = row_sizes[i];

        json_open(&r, text, strlen(text));
        int k = json_read(&r, &v);
        if (k >= 0 && v.type != JSON_OBJECT)
                k = -EBADMSG;
        if (k >= 0)
                k = columns_read(&r, NULL, 0, read_top_member, &s->system, &reading);
        if (k >= 0)
                k = json_close(&r);
        if (k >= 0)
                k = complete(s, utc_ns, indexes);
        if (k < 0)
                return k;
        *ret = TAKE(s);
        return 0;
}
