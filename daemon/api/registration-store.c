/* SPDX-License-Identifier: Apache-2.0 */
/* Registrations in the store: the same JSON as the parameters of the Register methods, one entry a service. */
#include <errno.h>

#include "basic/macro.h"
#include "daemon/api/registration.h"

#define DOCUMENT "registrations"

typedef struct Entry {
        const char *service_name;
        const ApiDistribution *distribution;
        const ServiceSettings *allocation;
} Entry;

typedef struct Document {
        const Entry *entries;
        size_t n;
} Document;

#define F(member, name, type, ...) FIELD(Entry, member, name, type, ##__VA_ARGS__)
static STRUCTURE(entry_structure, NULL, Entry,
        F(service_name, "serviceName", FIELD_STRING, REQUIRED, LENGTH(SERVICE_NAME_MAX)),
        F(distribution, "distribution", FIELD_STRUCT_POINTER, OPTIONAL, .structure = &distribution_structure),
        F(allocation, "allocation", FIELD_STRUCT_POINTER, OPTIONAL, .structure = &allocation_structure));
#undef F
static STRUCTURE(document_structure, NULL, Document,
        FIELD(Document, entries, "registrations", FIELD_ARRAY, REQUIRED, LENGTH(1e6), COUNT(Document, n),
              .structure = &entry_structure));

static int put(Registrations *r, const char *name, const ServiceSettings *part, unsigned which) {
        Registration *now = NULL, *before = NULL;
        ServiceSettings s = *part;

        s.name = (char *) name;
        int k = registration_new(&now, r, registrations_find(r, name), &s, which);
        if (k == 0)
                k = registrations_exchange(r, name, now, &before);
        registration_free(k < 0 ? now : before);
        return k;
}

static int take_over(Registrations *r, const Document *d) {
        int k = 0;

        for (size_t i = 0; i < d->n && k == 0; i++) {
                const Entry *e = &d->entries[i];
                if (e->distribution)
                        k = put(r, e->service_name, &e->distribution->settings, REGISTERED_DISTRIBUTION);
                if (k == 0 && e->allocation)
                        k = put(r, e->service_name, e->allocation, REGISTERED_ALLOCATION);
        }
        return k;
}

static int set_aside(Store *store, const SchemaError *error, char **ret_trouble) {
        _cleanup_free_ char *where = NULL;
        int k = store->functions->set_aside(store, DOCUMENT, &where);

        if (k < 0)
                return k;
        return asprintf(ret_trouble, "The stored registrations cannot be understood (%s%s%s); they are kept as %s", error->field,
                        error->field[0] ? ": " : "", error->reason, where) < 0 ? -ENOMEM : 0;
}

int registrations_load(Registrations *r, Store *store, char **ret_trouble) {
        _cleanup_free_ char *text = NULL;
        Document document = {};
        SchemaError error;
        Arena arena = {};
        JsonReader reader;
        size_t size;

        *ret_trouble = NULL;
        int k = store->functions->read(store, DOCUMENT, &text, &size);
        if (k < 0)
                return k == -ENOENT ? 0 : k;
        json_open(&reader, text, size);
        schema_init(&document_structure, &document);
        k = schema_read_json(&document_structure, &reader, &arena, &document, &error, NULL);
        if (k == 0 && json_close(&reader) < 0)
                k = schema_fail(&error, "", "something follows the end");
        k = k == 0 ? take_over(r, &document) : k == -EINVAL ? set_aside(store, &error, ret_trouble) : k;
        arena_done(&arena);
        return k;
}

int registrations_put(const Registrations *r, Store *store, uint64_t *ret_generation) {
        size_t n = registrations_n(r);
        _cleanup_free_ ApiDistribution *distributions = calloc(n + 1, sizeof(ApiDistribution));
        _cleanup_free_ Entry *entries = calloc(n + 1, sizeof(Entry));
        JsonWriter w = {};

        if (!distributions || !entries)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                const Registration *g = registrations_get(r, i);

                distributions[i].settings = g->given;
                entries[i] = (Entry) {
                        .service_name = g->given.name,
                        .distribution = g->parts & REGISTERED_DISTRIBUTION ? &distributions[i] : NULL,
                        .allocation = g->parts & REGISTERED_ALLOCATION ? &g->given : NULL,
                };
        }
        schema_write_json(&document_structure, &(Document) { entries, n }, &w);
        json_write_literal(&w, "\n");
        uint64_t generation = w.failed ? 0 : store->functions->put_document(store, DOCUMENT, w.data, w.size);
        json_writer_done(&w);
        if (generation == 0)
                return -ENOMEM;
        *ret_generation = generation;
        return 0;
}
