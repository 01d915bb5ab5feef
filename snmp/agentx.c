/* SPDX-License-Identifier: Apache-2.0 */
#include "snmp/agentx.h"

#include <endian.h>
#include <errno.h>

#include "basic/macro.h"

/* 5.1: what a prefix stands for is 1.3.6.1 and itself. */
static const oid internet[] = { 1, 3, 6, 1 };
#define PREFIXED (ELEMENTSOF(internet) + 1)

static size_t padded(size_t n) {
        return (n + 3) & ~(size_t) 3;
}

/* ---- numbers ---- */

static uint32_t get32(const uint8_t *p, bool big_endian) {
        uint32_t v;

        memcpy(&v, p, sizeof(v));
        return big_endian ? be32toh(v) : le32toh(v);
}

static void put16(uint8_t *p, bool big_endian, unsigned x) {
        uint16_t v = big_endian ? htobe16((uint16_t) x) : htole16((uint16_t) x);

        memcpy(p, &v, sizeof(v));
}

static void put32(uint8_t *p, bool big_endian, uint32_t x) {
        uint32_t v = big_endian ? htobe32(x) : htole32(x);

        memcpy(p, &v, sizeof(v));
}

static void put64(uint8_t *p, bool big_endian, uint64_t x) {
        uint64_t v = big_endian ? htobe64(x) : htole64(x);

        memcpy(p, &v, sizeof(v));
}

/* ---- reading ---- */

void agentx_read_header(const uint8_t data[AGENTX_HEADER_SIZE], AgentxHeader *ret) {
        bool big_endian = data[2] & AGENTX_NETWORK_BYTE_ORDER;

        *ret = (AgentxHeader) {
                .version = data[0], .type = data[1], .flags = data[2],
                .session = get32(data + 4, big_endian), .transaction = get32(data + 8, big_endian),
                .packet = get32(data + 12, big_endian), .size = get32(data + 16, big_endian),
        };
}

static size_t left(const AgentxReader *r) {
        return (size_t) (r->end - r->p);
}

static int skip_octets(AgentxReader *r) {
        if (left(r) < 4)
                return -EBADMSG;
        size_t n = get32(r->p, r->big_endian);
        if (n > left(r) - 4 || padded(n) > left(r) - 4)
                return -EBADMSG;
        r->p += 4 + padded(n);
        return 0;
}

int agentx_open_request(AgentxReader *r, const AgentxHeader *h, const uint8_t *frame) {
        size_t counts = h->type == AGENTX_GETBULK ? 4 : 0;

        *r = (AgentxReader) {
                .p = frame + AGENTX_HEADER_SIZE, .end = frame + AGENTX_HEADER_SIZE + h->size,
                .big_endian = h->flags & AGENTX_NETWORK_BYTE_ORDER,
        };
        if ((h->flags & AGENTX_NON_DEFAULT_CONTEXT) && skip_octets(r) < 0)
                return -EBADMSG;
        if (left(r) < counts)
                return -EBADMSG;
        r->p += counts;
        return 0;
}

static int read_oid(AgentxReader *r, oid ret[MAX_OID_LEN], size_t *ret_n, bool *ret_include) {
        if (left(r) < 4)
                return -EBADMSG;
        size_t n = r->p[0], n_prefix = r->p[1] ? PREFIXED : 0;
        if (n_prefix + n > MAX_OID_LEN || left(r) - 4 < 4 * n)
                return -EBADMSG;
        if (n_prefix) {
                memcpy(ret, internet, sizeof(internet));
                ret[ELEMENTSOF(internet)] = r->p[1];
        }
        *ret_include = r->p[2];
        for (size_t i = 0; i < n; i++)
                ret[n_prefix + i] = get32(r->p + 4 + 4 * i, r->big_endian);
        *ret_n = n_prefix + n;
        r->p += 4 + 4 * n;
        return 0;
}

int agentx_read_range(AgentxReader *r, AgentxRange *ret) {
        bool unused;

        if (left(r) == 0)
                return 0;
        int k = read_oid(r, ret->start, &ret->n_start, &ret->inclusive);
        if (k >= 0)
                k = read_oid(r, ret->end, &ret->n_end, &unused);
        return k < 0 ? k : 1;
}

/* ---- writing ---- */

void agentx_open_response(AgentxWriter *w, const AgentxHeader *request, uint8_t *data, size_t size) {
        bool big_endian = request->flags & AGENTX_NETWORK_BYTE_ORDER;

        *w = (AgentxWriter) { .data = data, .n = AGENTX_RESPONSE_MIN, .size = size, .big_endian = big_endian };
        data[0] = AGENTX_VERSION;
        data[1] = AGENTX_RESPONSE;
        data[2] = request->flags & AGENTX_NETWORK_BYTE_ORDER;
        data[3] = 0;
        put32(data + 4, big_endian, request->session);
        put32(data + 8, big_endian, request->transaction);
        put32(data + 12, big_endian, request->packet);
        put32(data + 20, big_endian, 0); /* sysUpTime, which only a master has to tell */
}

/* What comes before a value, with room for a value of so many bytes, a multiple of four; NULL: there is no room. */
static uint8_t *write_name(AgentxWriter *w, uint8_t type, const oid *name, size_t n, size_t value_size) {
        bool prefix = n >= PREFIXED && memcmp(name, internet, sizeof(internet)) == 0 &&
                      name[ELEMENTSOF(internet)] > 0 && name[ELEMENTSOF(internet)] <= UINT8_MAX;
        size_t skipped = prefix ? PREFIXED : 0;

        if (n > MAX_OID_LEN || w->size - w->n < 8 + 4 * (n - skipped) + value_size)
                return NULL;
        uint8_t *p = w->data + w->n;
        memset(p, 0, 8);
        put16(p, w->big_endian, type);
        p[4] = (uint8_t) (n - skipped);
        p[5] = prefix ? (uint8_t) name[ELEMENTSOF(internet)] : 0;
        p += 8;
        for (size_t i = skipped; i < n; i++, p += 4)
                put32(p, w->big_endian, (uint32_t) name[i]);
        w->n = (size_t) (p - w->data) + value_size;
        return p;
}

int agentx_write_exception(AgentxWriter *w, const oid *name, size_t n, uint8_t type) {
        return write_name(w, type, name, n, 0) ? 0 : -ENOBUFS;
}

static int write_octets(AgentxWriter *w, const oid *name, size_t n, const Value *v) {
        /* The limit is there for the sums; a buffer is never as large. */
        uint8_t *p = v->size <= UINT16_MAX ? write_name(w, v->type, name, n, 4 + padded(v->size)) : NULL;

        if (!p)
                return -ENOBUFS;
        put32(p, w->big_endian, (uint32_t) v->size);
        memcpy(p + 4, v->data, v->size);
        memset(p + 4 + v->size, 0, padded(v->size) - v->size);
        return 0;
}

/* The types' numbers are the same in SNMP and in AgentX (5.4); how a value is encoded is not. */
int agentx_write_variable(AgentxWriter *w, const oid *name, size_t n, const Value *v) {
        uint8_t *p;

        switch (v->type) {
        case ASN_OCTET_STR:
                return write_octets(w, name, n, v);
        case ASN_COUNTER64:
                p = write_name(w, v->type, name, n, 8);
                if (!p)
                        return -ENOBUFS;
                put64(p, w->big_endian, (uint64_t) v->counter.high << 32 | (uint32_t) v->counter.low);
                return 0;
        default: /* ASN_INTEGER, ASN_GAUGE, ASN_TIMETICKS */
                p = write_name(w, v->type, name, n, 4);
                if (!p)
                        return -ENOBUFS;
                put32(p, w->big_endian, (uint32_t) v->number);
                return 0;
        }
}

size_t agentx_close_response(AgentxWriter *w, AgentxError error, unsigned index) {
        if (error != AGENTX_NO_ERROR)
                w->n = AGENTX_RESPONSE_MIN;
        put32(w->data + 16, w->big_endian, (uint32_t) (w->n - AGENTX_HEADER_SIZE));
        put16(w->data + 24, w->big_endian, error);
        put16(w->data + 26, w->big_endian, index);
        return w->n;
}
