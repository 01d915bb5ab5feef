/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes are written by hand, after RFC 2741. */
#include <errno.h>

#include "basic/macro.h"
#include "snmp/answer.h"
#include "tests/unit/test.h"

enum { SESSION = 0x0A0B0C0D };

/* 1.3.6.1.4.1.8072.9999.9999.7668, whose first five numbers are the prefix 4. */
#define ROOT_LITTLE 1, 0, 0, 0, 0x88, 0x1F, 0, 0, 0x0F, 0x27, 0, 0, 0x0F, 0x27, 0, 0, 0xF4, 0x1D, 0, 0
#define ROOT_BIG 0, 0, 0, 1, 0, 0, 0x1F, 0x88, 0, 0, 0x27, 0x0F, 0, 0, 0x27, 0x0F, 0, 0, 0x1D, 0xF4
#define NULL_OID 0, 0, 0, 0

static SystemRow system_row = { .version = "12345", .uptime = 0x01020304, .decisions = 0x0102030405060708 };
static ControlRow control;
static NodeRow nodes[] = {
        { .row = { { 3, 5 } }, .name = "a" }, { .row = { { 3, 9 } }, .failure_forecast = (uint64_t) -1 },
};

#define ROWS(a, count) { .rows = (char *) (a), .n = count, .size = sizeof((a)[0]) }
static const Rows system_rows = ROWS(&system_row, 1), control_rows = ROWS(&control, 1);
static const Rows node_rows = ROWS(nodes, ELEMENTSOF(nodes));
static const View view = {
        .rows = { [TABLE_SYSTEM] = &system_rows, [TABLE_NODES] = &node_rows, [TABLE_CONTROL] = &control_rows },
        .known = true,
};

/* A header before the bytes, which say their own order. */
static size_t frame_of(uint8_t *frame, uint8_t type, uint8_t flags, const uint8_t *payload, size_t n) {
        uint8_t low = (uint8_t) n, high = (uint8_t) (n >> 8);
        const uint8_t little[] = {
                1, type, flags, 0, 0x0D, 0x0C, 0x0B, 0x0A, 2, 0, 0, 0, 3, 0, 0, 0, low, high, 0, 0,
        };
        const uint8_t big[] = { 1, type, flags, 0, 0x0A, 0x0B, 0x0C, 0x0D, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, high, low };

        memcpy(frame, flags & AGENTX_NETWORK_BYTE_ORDER ? big : little, AGENTX_HEADER_SIZE);
        if (n > 0)
                memcpy(frame + AGENTX_HEADER_SIZE, payload, n);
        return AGENTX_HEADER_SIZE + n;
}

/* The copy ends where the frame does, so that a sanitizer sees who reads on. */
static size_t answer_frame(const uint8_t *frame, size_t n, uint8_t ret[ANSWER_MAX]) {
        uint8_t *copy = malloc(n);
        AgentxHeader h;

        memcpy(copy, frame, n);
        agentx_read_header(copy, &h);
        assert_int_equal(h.size, n - AGENTX_HEADER_SIZE);
        assert_true(answer_is_due(&h));
        size_t k = answer_request(&view, SESSION, &h, copy, ret);
        free(copy);
        return k;
}

static void assert_answer(uint8_t type, uint8_t flags, const uint8_t *payload, size_t n, unsigned error, unsigned index,
                          const uint8_t *variables, size_t n_variables) {
        static uint8_t frame[70000], ret[ANSWER_MAX], expected[ANSWER_MAX];
        uint8_t order = flags & AGENTX_NETWORK_BYTE_ORDER, status[8] = { };

        status[order ? 4 : 5] = (uint8_t) (error >> 8), status[order ? 5 : 4] = (uint8_t) error;
        status[order ? 6 : 7] = (uint8_t) (index >> 8), status[order ? 7 : 6] = (uint8_t) index;
        size_t k = frame_of(expected, AGENTX_RESPONSE, order, NULL, 0);
        memcpy(expected + k, status, 8);
        if (n_variables > 0)
                memcpy(expected + k + 8, variables, n_variables);
        k += 8 + n_variables;
        size_t size = k - AGENTX_HEADER_SIZE;
        expected[order ? 19 : 16] = (uint8_t) size, expected[order ? 18 : 17] = (uint8_t) (size >> 8);

        memset(ret, 0xAA, sizeof(ret));
        assert_int_equal(answer_frame(frame, frame_of(frame, type, flags, payload, n), ret), k);
        assert_memory_equal(ret, expected, k);
}

#define BYTES(...) (const uint8_t[]) { __VA_ARGS__ }, sizeof((const uint8_t[]) { __VA_ARGS__ })
#define NOTHING NULL, 0

/* ---- reading ---- */

static void headers(void **state) {
        static const uint8_t little[] = { 1, 6, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
        AgentxHeader h;

        agentx_read_header(little, &h);
        assert_true(h.version == 1 && h.type == AGENTX_GETNEXT && h.flags == 0 && h.session == 0x04030201);
        assert_true(h.transaction == 0x08070605 && h.packet == 0x0C0B0A09 && h.size == 0x100F0E0D);
        uint8_t big[sizeof(little)];
        memcpy(big, little, sizeof(big));
        big[2] = AGENTX_NETWORK_BYTE_ORDER;
        agentx_read_header(big, &h);
        assert_true(h.session == 0x01020304 && h.transaction == 0x05060708);
        assert_true(h.packet == 0x090A0B0C && h.size == 0x0D0E0F10);
}

static void assert_oid(const oid *found, size_t n, const oid *expected, size_t n_expected) {
        assert_int_equal(n, n_expected);
        for (size_t i = 0; i < n; i++)
                assert_int_equal(found[i], expected[i]);
}

#define OID(...) (const oid[]) { __VA_ARGS__ }, ELEMENTSOF(((const oid[]) { __VA_ARGS__ }))

static void ranges(void **state) {
        /* The RFC's own examples in 5.1: sysDescr.0 with a prefix, 1.2.3.4 without, and null. */
        static const uint8_t bytes[] = {
                4, 2, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0,
                4, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4,
                NULL_OID, 0, 255, 0, 0xEE, /* no numbers but those of its prefix; a reserved byte that is not zero */
        };
        AgentxReader r = { .p = bytes, .end = bytes + sizeof(bytes), .big_endian = true };
        AgentxRange range;

        assert_int_equal(agentx_read_range(&r, &range), 1);
        assert_true(range.inclusive);
        assert_oid(range.start, range.n_start, OID(1, 3, 6, 1, 2, 1, 1, 1, 0));
        assert_oid(range.end, range.n_end, OID(1, 2, 3, 4));
        assert_int_equal(agentx_read_range(&r, &range), 1);
        assert_false(range.inclusive);
        assert_int_equal(range.n_start, 0);
        assert_oid(range.end, range.n_end, OID(1, 3, 6, 1, 255));
        assert_int_equal(agentx_read_range(&r, &range), 0);

        r = (AgentxReader) { .p = bytes + 20, .end = bytes + 44, .big_endian = false };
        assert_int_equal(agentx_read_range(&r, &range), 1);
        assert_oid(range.start, range.n_start, OID(1u << 24, 2u << 24, 3u << 24, 4u << 24));
}

static void identifiers_that_are_too_long(void **state) {
        uint8_t bytes[4 + 255 * 4 + 4] = { };
        AgentxRange range;

        for (unsigned n = 0; n <= 255; n++)
                for (unsigned prefix = 0; prefix < 2; prefix++) {
                        AgentxReader r = { .p = bytes, .end = bytes + 4 + 4 * (size_t) n + 4 };
                        bytes[0] = (uint8_t) n;
                        bytes[1] = (uint8_t) prefix;
                        int k = agentx_read_range(&r, &range);
                        assert_int_equal(k, n + prefix * 5 <= MAX_OID_LEN ? 1 : -EBADMSG);
                        if (k == 1)
                                assert_int_equal(range.n_start, n + prefix * 5);
                }
}

static void a_request_that_ends_anywhere(void **state) {
        /* A context of five bytes, padded; GETBULK's counts; two ranges. */
        static const uint8_t bytes[] = {
                5, 0, 0, 0, 'l', 'o', 'c', 'a', 'l', 0, 0, 0, 0, 0, 5, 0,
                2, 4, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, NULL_OID, 1, 4, 0, 0, 7, 0, 0, 0, NULL_OID,
        };
        AgentxHeader h = { .type = AGENTX_GETBULK, .flags = AGENTX_NON_DEFAULT_CONTEXT };

        for (size_t n = 0; n <= sizeof(bytes); n++) {
                uint8_t *frame = malloc(AGENTX_HEADER_SIZE + n);
                AgentxRange range;
                AgentxReader r;
                unsigned found = 0;
                int k;

                memcpy(frame + AGENTX_HEADER_SIZE, bytes, n);
                h.size = (uint32_t) n;
                assert_int_equal(agentx_open_request(&r, &h, frame), n >= 16 ? 0 : -EBADMSG);
                if (n >= 16) {
                        while ((k = agentx_read_range(&r, &range)) > 0)
                                found++;
                        assert_int_equal(found, n < 32 ? 0 : n < 44 ? 1 : 2);
                        assert_int_equal(k, n == 16 || n == 32 || n == 44 ? 0 : -EBADMSG);
                }
                free(frame);
        }
}

static void a_context_that_is_too_long(void **state) {
        static const uint32_t sizes[] = { 5, 8, UINT16_MAX, INT32_MAX, UINT32_MAX - 3, UINT32_MAX };
        uint8_t frame[AGENTX_HEADER_SIZE + 8] = { };
        AgentxReader r;

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                AgentxHeader h = { .type = AGENTX_GET, .flags = AGENTX_NON_DEFAULT_CONTEXT, .size = 8 };
                memcpy(frame + AGENTX_HEADER_SIZE, &sizes[i], 4); /* whatever the host's order, it is too long */
                assert_int_equal(agentx_open_request(&r, &h, frame), -EBADMSG);
        }
}

/* ---- writing ---- */

static void room_for_a_variable(void **state) {
        static const oid name[] = { 1, 3, 6, 1, 4, 1, 2 };
        static const char text[] = "abcde";
        const AgentxHeader h = { .type = AGENTX_GET };
        Value values[] = {
                { .type = ASN_OCTET_STR, .data = text, .size = 5 }, { .type = ASN_OCTET_STR, .data = text, .size = 0 },
                { .type = ASN_INTEGER, .number = 7 }, { .type = ASN_COUNTER64, .counter = { 1, 2 } },
        };
        static const size_t sizes[] = { 12, 4, 4, 8 };

        for (size_t i = 0; i < ELEMENTSOF(values); i++)
                for (size_t room = 0; room <= 40; room++) {
                        uint8_t *data = malloc(AGENTX_RESPONSE_MIN + room);
                        AgentxWriter w;
                        bool enough = room >= 4 + 4 + 8 + sizes[i];

                        agentx_open_response(&w, &h, data, AGENTX_RESPONSE_MIN + room);
                        assert_int_equal(agentx_write_variable(&w, name, ELEMENTSOF(name), &values[i]),
                                         enough ? 0 : -ENOBUFS);
                        assert_int_equal(agentx_close_response(&w, AGENTX_NO_ERROR, 0),
                                         AGENTX_RESPONSE_MIN + (enough ? 16 + sizes[i] : 0));
                        free(data);
                }
}

#define INTERNET(last) 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 6, 0, 0, 0, last

static void names_with_and_without_a_prefix(void **state) {
        static const struct {
                oid name[8];
                size_t n;
                uint8_t bytes[32];
                size_t n_bytes;
        } cases[] = {
                { { 0 }, 0, { NULL_OID }, 4 },
                { { 1, 3, 6, 1 }, 4, { 4, 0, 0, 0, INTERNET(1) }, 20 },
                { { 1, 3, 6, 1, 0 }, 5, { 5, 0, 0, 0, INTERNET(1), 0, 0, 0, 0 }, 24 },
                { { 1, 3, 6, 1, 255 }, 5, { 0, 255, 0, 0 }, 4 },
                { { 1, 3, 6, 1, 256 }, 5, { 5, 0, 0, 0, INTERNET(1), 0, 0, 1, 0 }, 24 },
                { { 1, 3, 6, 2, 4 }, 5, { 5, 0, 0, 0, INTERNET(2), 0, 0, 0, 4 }, 24 },
                { { 1, 3, 6, 1, 2, UINT32_MAX }, 6, { 1, 2, 0, 0, 255, 255, 255, 255 }, 8 },
        };
        const AgentxHeader h = { .type = AGENTX_GET, .flags = AGENTX_NETWORK_BYTE_ORDER };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint8_t data[128];
                AgentxWriter w;

                agentx_open_response(&w, &h, data, sizeof(data));
                assert_int_equal(agentx_write_exception(&w, cases[i].name, cases[i].n, SNMP_NOSUCHOBJECT), 0);
                assert_int_equal(agentx_close_response(&w, AGENTX_NO_ERROR, 0),
                                 AGENTX_RESPONSE_MIN + 4 + cases[i].n_bytes);
                assert_memory_equal(data + AGENTX_RESPONSE_MIN, ((uint8_t[]) { 0, 128, 0, 0 }), 4);
                assert_memory_equal(data + AGENTX_RESPONSE_MIN + 4, cases[i].bytes, cases[i].n_bytes);
                /* What is written is what is read. */
                AgentxReader r = { .p = data + AGENTX_RESPONSE_MIN + 4, .end = data + w.n + 4, .big_endian = true };
                AgentxRange range;
                memset(data + w.n, 0, 4);
                assert_int_equal(agentx_read_range(&r, &range), 1);
                assert_oid(range.start, range.n_start, cases[i].name, cases[i].n);
        }
}

static void padding(void **state) {
        static const char text[] = "abcdefghi";
        static const oid name[] = { 1, 2 };
        const AgentxHeader h = { .type = AGENTX_GET };

        for (size_t n = 0; n <= 9; n++) {
                uint8_t data[128];
                AgentxWriter w;
                Value v = { .type = ASN_OCTET_STR, .data = text, .size = n };
                size_t at = AGENTX_RESPONSE_MIN + 4 + 4 + 8;

                memset(data, 0xAA, sizeof(data));
                agentx_open_response(&w, &h, data, sizeof(data));
                assert_int_equal(agentx_write_variable(&w, name, 2, &v), 0);
                assert_int_equal(w.n, at + 4 + (n + 3) / 4 * 4);
                assert_memory_equal(data + at, ((uint8_t[]) { (uint8_t) n, 0, 0, 0 }), 4);
                assert_memory_equal(data + at + 4, text, n);
                for (size_t i = at + 4 + n; i < w.n; i++)
                        assert_int_equal(data[i], 0);
                assert_int_equal(data[w.n], 0xAA);
        }
}

/* ---- requests and their answers ---- */

static void get_in_either_order(void **state) {
        /* pmVersion.0, pmUptime.0, pmDecisions.0 */
        assert_answer(AGENTX_GET, 0,
                      BYTES(9, 4, 0, 0, ROOT_LITTLE, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, NULL_OID),
                      AGENTX_PARSE_ERROR, 0, NOTHING); /* one number is missing */
        assert_answer(AGENTX_GET, 0,
                      BYTES(9, 4, 0, 0, ROOT_LITTLE, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, NULL_OID,
                            9, 4, 0, 0, ROOT_LITTLE, 1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, NULL_OID,
                            9, 4, 0, 0, ROOT_LITTLE, 1, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, NULL_OID),
                      0, 0,
                      BYTES(4, 0, 0, 0, 9, 4, 0, 0, ROOT_LITTLE, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
                            5, 0, 0, 0, '1', '2', '3', '4', '5', 0, 0, 0,
                            67, 0, 0, 0, 9, 4, 0, 0, ROOT_LITTLE, 1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0,
                            4, 3, 2, 1,
                            70, 0, 0, 0, 9, 4, 0, 0, ROOT_LITTLE, 1, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0,
                            8, 7, 6, 5, 4, 3, 2, 1));
        assert_answer(AGENTX_GET, AGENTX_NETWORK_BYTE_ORDER,
                      BYTES(9, 4, 0, 0, ROOT_BIG, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, NULL_OID,
                            9, 4, 0, 0, ROOT_BIG, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 0, NULL_OID),
                      0, 0,
                      BYTES(0, 4, 0, 0, 9, 4, 0, 0, ROOT_BIG, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0,
                            0, 0, 0, 5, '1', '2', '3', '4', '5', 0, 0, 0,
                            0, 70, 0, 0, 9, 4, 0, 0, ROOT_BIG, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 0,
                            1, 2, 3, 4, 5, 6, 7, 8));
}

static void what_is_not_there(void **state) {
        assert_answer(AGENTX_GET, 0,
                      BYTES(9, 4, 0, 0, ROOT_LITTLE, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, NULL_OID,
                            8, 4, 0, 0, ROOT_LITTLE, 1, 0, 0, 0, 1, 0, 0, 0, 99, 0, 0, 0, NULL_OID, NULL_OID, NULL_OID),
                      0, 0,
                      BYTES(129, 0, 0, 0, 9, 4, 0, 0, ROOT_LITTLE, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0,
                            128, 0, 0, 0, 8, 4, 0, 0, ROOT_LITTLE, 1, 0, 0, 0, 1, 0, 0, 0, 99, 0, 0, 0,
                            128, 0, 0, 0, NULL_OID));
        assert_answer(AGENTX_GET, 0, NOTHING, 0, 0, NOTHING);
}

/* root.1.3.1.<column>.3.<node> */
#define NODE_NUMBERS(column, node) \
        ROOT_LITTLE, 1, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, column, 0, 0, 0, 3, 0, 0, 0, node, 0, 0, 0
#define NODE(column, node) 11, 4, 0, 0, NODE_NUMBERS(column, node)
#define NODE_INCLUDED(column, node) 11, 4, 1, 0, NODE_NUMBERS(column, node)

static void the_next_one(void **state) {
        static const uint8_t a[] = { 4, 0, 0, 0, NODE(2, 5), 1, 0, 0, 0, 'a', 0, 0, 0 };
        static const uint8_t forecast[] = { 2, 0, 0, 0, NODE(22, 9), 255, 255, 255, 255 };
        static const uint8_t end[] = { 130, 0, 0, 0, NODE(2, 5) };
        static const uint8_t last[] = { 130, 0, 0, 0, 6, 4, 0, 0, ROOT_LITTLE, 2, 0, 0, 0 };

        assert_answer(AGENTX_GETNEXT, 0, BYTES(NODE(2, 4), NULL_OID), 0, 0, a, sizeof(a));
        assert_answer(AGENTX_GETNEXT, 0, BYTES(NODE_INCLUDED(2, 5), NULL_OID), 0, 0, a, sizeof(a));
        assert_answer(AGENTX_GETNEXT, 0, BYTES(NODE(22, 5), NULL_OID), 0, 0, forecast, sizeof(forecast));
        /* The end of a range is not in it. */
        assert_answer(AGENTX_GETNEXT, 0, BYTES(NODE(2, 5), NODE(2, 9)), 0, 0, end, sizeof(end));
        assert_answer(AGENTX_GETNEXT, 0, BYTES(NODE_INCLUDED(2, 5), NODE(2, 9)), 0, 0, a, sizeof(a));
        assert_answer(AGENTX_GETNEXT, 0, BYTES(6, 4, 0, 0, ROOT_LITTLE, 2, 0, 0, 0, NULL_OID), 0, 0,
                      last, sizeof(last));
        /* One repetition, whatever the counts. */
        assert_answer(AGENTX_GETBULK, 0, BYTES(0, 0, 9, 0, NODE(2, 4), NULL_OID), 0, 0, a, sizeof(a));
}

static void requests_that_are_wrong(void **state) {
        static const uint8_t get[] = {
                9, 4, 0, 0, ROOT_LITTLE, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, NULL_OID,
        };
        static uint8_t frame[1000], ret[ANSWER_MAX];

        assert_answer(AGENTX_GET, AGENTX_NON_DEFAULT_CONTEXT, BYTES(1, 0, 0, 0, 'x', 0, 0, 0),
                      AGENTX_UNSUPPORTED_CONTEXT, 0, NOTHING);
        assert_answer(AGENTX_GET, AGENTX_NON_DEFAULT_CONTEXT, BYTES(9, 0, 0, 0, 'x', 0, 0, 0),
                      AGENTX_PARSE_ERROR, 0, NOTHING);
        assert_answer(AGENTX_GETBULK, 0, BYTES(0, 0, 9), AGENTX_PARSE_ERROR, 0, NOTHING);
        for (size_t n = 1; n < sizeof(get); n++)
                assert_answer(AGENTX_GET, 0, get, n, AGENTX_PARSE_ERROR, 0, NOTHING);
        /* Another's session. */
        size_t n = frame_of(frame, AGENTX_GET, 0, get, sizeof(get));
        frame[4] ^= 1;
        assert_int_equal(answer_frame(frame, n, ret), AGENTX_RESPONSE_MIN);
        assert_memory_equal(ret + 24, ((uint8_t[]) { AGENTX_NOT_OPEN & 255, AGENTX_NOT_OPEN >> 8, 0, 0 }), 4);
}

static void what_is_answered(void **state) {
        for (unsigned type = 0; type < 256; type++) {
                AgentxHeader h = { .version = AGENTX_VERSION, .type = (uint8_t) type };
                assert_int_equal(answer_is_due(&h), type >= 5 && type <= 7);
                h.version = 2;
                assert_false(answer_is_due(&h));
        }
}

static void an_answer_that_is_too_long(void **state) {
        static const uint8_t range[] = { 1, 0, 0, 0, 1, 0, 0, 0, NULL_OID };
        static uint8_t payload[65000];
        /* A range of 12 bytes is answered with a variable of 56: a name of 40 and a string of 12. */
        unsigned fit = (ANSWER_MAX - AGENTX_RESPONSE_MIN) / 56, n = sizeof(payload) / sizeof(range);

        assert_true(n > fit);
        for (unsigned i = 0; i < n; i++)
                memcpy(payload + i * sizeof(range), range, sizeof(range));
        assert_answer(AGENTX_GETNEXT, 0, payload, n * sizeof(range), AGENTX_GENERAL_ERROR, fit + 1, NOTHING);
        /* As many as fit are answered. */
        static uint8_t frame[AGENTX_HEADER_SIZE + sizeof(payload)], ret[ANSWER_MAX];
        size_t k = answer_frame(frame, frame_of(frame, AGENTX_GETNEXT, 0, payload, fit * sizeof(range)), ret);
        assert_int_equal(k, AGENTX_RESPONSE_MIN + fit * 56);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(headers),
                cmocka_unit_test(ranges),
                cmocka_unit_test(identifiers_that_are_too_long),
                cmocka_unit_test(a_request_that_ends_anywhere),
                cmocka_unit_test(a_context_that_is_too_long),
                cmocka_unit_test(room_for_a_variable),
                cmocka_unit_test(names_with_and_without_a_prefix),
                cmocka_unit_test(padding),
                cmocka_unit_test(get_in_either_order),
                cmocka_unit_test(what_is_not_there),
                cmocka_unit_test(the_next_one),
                cmocka_unit_test(requests_that_are_wrong),
                cmocka_unit_test(what_is_answered),
                cmocka_unit_test(an_answer_that_is_too_long),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
