/* SPDX-License-Identifier: Apache-2.0 */
/* Values of every type into a D-Bus message and out again, and text that the bus would not take. */
#include <math.h>
#include <sys/socket.h>

#include "daemon/dbus/private.h"
#include "tests/unit/test.h"

typedef struct Part {
        const char *id;
        uint32_t weight;
} Part;

typedef struct Whole {
        bool yes;
        int maybe, small, mode;
        int64_t count;
        uint32_t unsigned_small, modes;
        uint64_t unsigned_count, ms_ns, whole_ms_ns, seconds_ns, at_ns;
        double ratio, degrees;
        Money cost;
        Units units;
        const char *text;
        const char *const *words;
        size_t n_words;
        const struct pm_header *map;
        size_t n_map;
        const Part *list;
        size_t n_list;
        const Part *pointer;
        Part inner;
} Whole;

static const char *const mode_table[] = { "slow", "fast" };
static const EnumNames mode_names = { "Mode", mode_table, 2 };

#define F(member, name, type, ...) FIELD(Part, member, name, type, ##__VA_ARGS__)
static STRUCTURE(part, NULL, Part, F(id, "id", FIELD_STRING, REQUIRED), F(weight, "weight", FIELD_UINT32, RANGE(0, 1000)));
#undef F
#define F(member, name, type, ...) FIELD(Whole, member, name, type, OPTIONAL, ##__VA_ARGS__)
static STRUCTURE(whole, NULL, Whole,
        F(yes, "yes", FIELD_BOOL), F(maybe, "maybe", FIELD_TRISTATE), F(count, "count", FIELD_INT), F(small, "small", FIELD_INT32),
        F(unsigned_small, "unsignedSmall", FIELD_UINT32), F(unsigned_count, "unsignedCount", FIELD_UINT64),
        F(ratio, "ratio", FIELD_FLOAT), F(degrees, "degrees", FIELD_DEGREES), F(cost, "cost", FIELD_MONEY),
        F(units, "units", FIELD_UNITS), F(ms_ns, "ms", FIELD_MS), F(whole_ms_ns, "wholeMs", FIELD_MS_INT),
        F(seconds_ns, "seconds", FIELD_SECONDS), F(at_ns, "at", FIELD_INSTANT), F(mode, "mode", FIELD_ENUM, .names = &mode_names),
        F(text, "text", FIELD_STRING), F(words, "words", FIELD_STRINGS, COUNT(Whole, n_words)),
        F(map, "map", FIELD_MAP, COUNT(Whole, n_map)), F(list, "list", FIELD_ARRAY, COUNT(Whole, n_list), .structure = &part),
        F(pointer, "pointer", FIELD_STRUCT_POINTER, .structure = &part), F(inner, "inner", FIELD_STRUCT, .structure = &part),
        F(modes, "modes", FIELD_ENUMS, .names = &mode_names));
#undef F

typedef struct Fixture {
        sd_bus *bus;
        sd_bus_message *message;
        Arena arena;
        SchemaError error;
        Whole read;
        unsigned unknown;
        int other_end; /* where nobody answers: messages are made, and never sent */
} Fixture;

static int set_up(void **state) {
        Fixture *x = calloc(1, sizeof(Fixture));
        int fds[2];

        if (!x || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
                return -1;
        x->other_end = fds[1];
        *state = x;
        return sd_bus_new(&x->bus) < 0 || sd_bus_set_fd(x->bus, fds[0], fds[0]) < 0 || sd_bus_start(x->bus) < 0 ||
                sd_bus_message_new_signal(x->bus, &x->message, "/a", "a.b", "C") < 0;
}

static int tear_down(void **state) {
        Fixture *x = *state;

        sd_bus_message_unref(x->message);
        sd_bus_close_unref(x->bus);
        close(x->other_end);
        arena_done(&x->arena);
        free(x);
        return 0;
}

static int read_back(Fixture *x) {
        Reading g = { .message = x->message, .arena = &x->arena, .error = &x->error };

        assert_true(sd_bus_message_seal(x->message, 1, 0) >= 0);
        assert_true(sd_bus_message_rewind(x->message, true) >= 0);
        schema_init(&whole, &x->read);
        int r = codec_read_structure(&g, &whole, 0, &x->read);
        x->unknown = g.unknown;
        return r;
}

static const char *const words[] = { "one", "", "drei" };
static const struct pm_header map[] = { { "Retry-After", "7" }, { "X", "" } };
static const Part parts[] = { { "a", 1 }, { "b", 1000 } };
static const Whole full = {
        .yes = true, .maybe = 0, .small = 7, .mode = 1, .count = -9007199254740993, .unsigned_small = UINT32_MAX,
        .unsigned_count = INT64_MAX, .ms_ns = 12345000, .whole_ms_ns = 1000001, .seconds_ns = 1500 * NSEC_PER_MSEC,
        .at_ns = UINT64_C(1772366400123000000), .ratio = 0.12345, .degrees = -12.3456789, .cost = 29000, .units = 1,
        .text = "ü", .words = words, .n_words = 3, .map = map, .n_map = 2, .list = parts, .n_list = 2, .pointer = &parts[1],
        .inner = { "c", 3 },
};

static void there_and_back(void **state) {
        const Whole w = full;
        Fixture *x = *state;
        Whole *r = &x->read;

        assert_true(codec_append_structure(WRITER(x->message), &whole, &w) >= 0);
        assert_int_equal(read_back(x), 0);
        assert_true(r->yes);
        assert_int_equal(r->maybe, 0);
        assert_int_equal(r->small, 7);
        assert_int_equal(r->mode, 1);
        assert_true(r->count == w.count);
        assert_true(r->unsigned_small == UINT32_MAX);
        assert_true(r->unsigned_count == INT64_MAX);
        assert_int_equal(r->ms_ns, w.ms_ns);
        assert_int_equal(r->whole_ms_ns, 2000000); /* rounded up */
        assert_int_equal(r->seconds_ns, w.seconds_ns);
        assert_int_equal(r->at_ns, w.at_ns);
        assert_true(r->ratio == 0.1235 || r->ratio == 0.1234);
        assert_true(r->degrees == -12.345679);
        assert_int_equal(r->cost, 29000);
        assert_int_equal(r->units, 1);
        assert_string_equal(r->text, "ü");
        assert_int_equal(r->n_words, 3);
        assert_string_equal(r->words[2], "drei");
        assert_int_equal(r->n_map, 2);
        assert_string_equal(r->map[0].name, "Retry-After");
        assert_string_equal(r->map[0].value, "7");
        assert_int_equal(r->n_list, 2);
        assert_string_equal(r->list[1].id, "b");
        assert_int_equal(r->list[1].weight, 1000);
        assert_int_equal(r->pointer->weight, 1000);
        assert_string_equal(r->inner.id, "c");
        assert_int_equal(x->unknown, 0);
}

static void what_is_absent_is_left_out(void **state) {
        Fixture *x = *state;
        Whole w;

        schema_init(&whole, &w);
        w.inner.id = "c";
        assert_true(codec_append_structure(WRITER(x->message), &whole, &w) >= 0);
        assert_int_equal(read_back(x), 0);
        for (const Field *f = whole.fields; f->name; f++)
                assert_int_equal(field_is_absent(f, &x->read), field_is_absent(f, &w));
}

static void inner_mistakes_name_their_place(void **state) {
        Fixture *x = *state;

        assert_true(sd_bus_message_append(x->message, "a{sv}", 2, "else", "i", 1, "list", "aa{sv}", 2,
                                          2, "id", "s", "a", "weight", "y", 5, 2, "id", "s", "b", "weight", "d", 1000.5) >= 0);
        assert_int_equal(read_back(x), -EINVAL);
        assert_string_equal(x->error.field, "list[1].weight");
        assert_int_equal(x->unknown, 1);
}

static void required_inside(void **state) {
        Fixture *x = *state;

        assert_true(sd_bus_message_append(x->message, "a{sv}", 1, "inner", "a{sv}", 1, "weight", "u", 5) >= 0);
        assert_int_equal(read_back(x), -EINVAL);
        assert_string_equal(x->error.field, "inner.id");
}

/* Money keeps to the micro-dollar, whatever number it came as. */
static void money(void **state) {
        Fixture *x = *state;

        assert_true(sd_bus_message_append(x->message, "a{sv}", 2, "cost", "d", 0.1 + 0.2, "units", "x", INT64_C(3)) >= 0);
        assert_int_equal(read_back(x), 0);
        assert_int_equal(x->read.cost, 300000);
        assert_int_equal(x->read.units, 3 * UNITS_ONE);
}

static void numbers_too_large(void **state) {
        Fixture *x = *state;

        assert_true(sd_bus_message_append(x->message, "a{sv}", 1, "cost", "x", INT64_MAX / 1000) >= 0);
        assert_int_equal(read_back(x), -EINVAL);
        assert_string_equal(x->error.field, "cost");
}

static void text_that_is_not_utf8(void **state) {
        static const char *const bad[][2] = {
                { "caf\xe9", "caf\xEF\xBF\xBD" },
                { "cut \xe2\x82", "cut \xEF\xBF\xBD\xEF\xBF\xBD" },
                { "\xc0\xaf", "\xEF\xBF\xBD\xEF\xBF\xBD" },
                { "\xed\xa0\x80!", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD!" },
                { "\xe2\x82\xac good", "\xe2\x82\xac good" },
                { NULL, "" },
        };
        Fixture *x = *state;
        const char *s;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_true(codec_append_string(WRITER(x->message), bad[i][0]) >= 0);
        assert_true(sd_bus_message_seal(x->message, 1, 0) >= 0);
        assert_true(sd_bus_message_rewind(x->message, true) >= 0);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                assert_true(sd_bus_message_read_basic(x->message, 's', &s) > 0); /* refuses what is not UTF-8 */
                assert_string_equal(s, bad[i][1]);
        }
}

/* ---- bytes of our own ---- */

typedef struct Pair {
        sd_bus *client, *server;
        int fd; /* the client's */
} Pair;

/* Two ends that speak with each other, without a bus between them. */
static void connect_pair(Pair *p) {
        sd_id128_t id = {};
        int fds[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
        p->fd = fds[0];
        assert_true(sd_bus_new(&p->client) >= 0 && sd_bus_set_fd(p->client, fds[0], fds[0]) >= 0);
        assert_true(sd_bus_new(&p->server) >= 0 && sd_bus_set_fd(p->server, fds[1], fds[1]) >= 0);
        assert_true(sd_bus_set_server(p->server, true, id) >= 0 && sd_bus_set_anonymous(p->server, true) >= 0);
        assert_true(sd_bus_set_anonymous(p->client, true) >= 0);
        assert_true(sd_bus_start(p->server) >= 0 && sd_bus_start(p->client) >= 0);
        while (sd_bus_is_ready(p->client) == 0 || sd_bus_is_ready(p->server) == 0) {
                assert_true(sd_bus_process(p->client, NULL) >= 0);
                assert_true(sd_bus_process(p->server, NULL) >= 0);
        }
}

static char *dump(sd_bus_message *m, uint64_t flags) {
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        assert_non_null(f);
        assert_true(sd_bus_message_rewind(m, true) >= 0);
        assert_true(sd_bus_message_dump(m, f, flags) >= 0);
        fclose(f);
        return text;
}

/* What sd-bus reads of a reply whose body are those bytes. */
static void receive(Pair *p, const Writer *body, const char *signature, sd_bus_message **ret) {
        _Alignas(8) char bytes[256];
        Writer header = { .data = bytes, .allocated = sizeof(bytes) };

        assert_int_equal(writer_return_header(&header, 0x80000001, 77, ":1.5", signature, body->size), 0);
        assert_int_equal(header.size % 8, 0);
        assert_int_equal(write(p->fd, header.data, header.size), header.size);
        assert_int_equal(write(p->fd, body->data, body->size), body->size);
        do
                assert_true(sd_bus_process(p->server, ret) > 0);
        while (!*ret);
}

static void bytes_are_what_sd_bus_makes(void **state) {
        static const Whole absent = { .maybe = -1 };
        const Whole *const wholes[] = { &full, &absent };
        _Alignas(8) char bytes[4096];
        Fixture *x = *state;
        Pair p;

        connect_pair(&p);
        for (size_t i = 0; i < ELEMENTSOF(wholes); i++) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *theirs = NULL, *ours = NULL;
                uint64_t cookie;
                Writer w = { .data = bytes, .allocated = sizeof(bytes) };
                assert_true(sd_bus_message_new_signal(x->bus, &theirs, "/a", "a.b", "C") >= 0);
                for (size_t k = 0; k < 2; k++) { /* the second begins at another alignment */
                        assert_true(codec_append_structure(WRITER(theirs), &whole, wholes[i]) >= 0);
                        assert_true(codec_append_structure(&w, &whole, wholes[i]) >= 0);
                        assert_true(codec_append_string(WRITER(theirs), "odd") >= 0);
                        assert_true(codec_append_string(&w, "odd") >= 0);
                }
                assert_int_equal(w.depth, 0);
                assert_true(sd_bus_message_seal(theirs, 1, 0) >= 0);
                receive(&p, &w, "a{sv}sa{sv}s", &ours);
                assert_true(sd_bus_message_get_reply_cookie(ours, &cookie) >= 0 && cookie == 77);
                assert_string_equal(sd_bus_message_get_destination(ours), ":1.5");
                assert_false(sd_bus_message_get_expect_reply(ours));
                char *a = dump(ours, SD_BUS_MESSAGE_DUMP_SUBTREE_ONLY), *b = dump(theirs, SD_BUS_MESSAGE_DUMP_SUBTREE_ONLY);
                assert_string_equal(a, b);
                free(a);
                free(b);
        }
        sd_bus_close_unref(p.client);
        sd_bus_close_unref(p.server);
}

/* Replies go straight into the socket until it is full, and then not in part. */
static void replies_whole_or_not_at_all(void **state _unused_) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *received = NULL, *ordinary = NULL;
        BusMethod method = { .out = { .arguments = { { "id", &part.fields[0], 0 } }, .n = 1, .signature = "s" } };
        char text[3000];
        Part out = { .id = text };
        Bus b = {};
        unsigned sent = 0;
        uint64_t cookie;
        Pair p;

        memset(text, 'x', sizeof(text) - 1);
        text[sizeof(text) - 1] = 0;
        connect_pair(&p);
        assert_true(sd_bus_message_new_method_call(p.server, &call, NULL, "/a", "a.b", "C") >= 0);
        assert_true(sd_bus_message_set_sender(call, ":1.5") >= 0);
        assert_true(sd_bus_send(p.server, call, &cookie) >= 0); /* a reply is expected */
        do
                assert_true(sd_bus_process(p.client, &received) > 0);
        while (!received);

        b.bus = p.client;
        assert_false(direct_reply(&b, received, &method, &out)); /* there is no short way yet */
        assert_int_equal(direct_new(&b.direct, p.client), 0);
        while (direct_reply(&b, received, &method, &out))
                sent++;
        assert_true(sent > 10);
        assert_true(sd_bus_message_new_method_return(received, &ordinary) >= 0);
        assert_true(sd_bus_message_append(ordinary, "s", "the last") >= 0);
        assert_true(sd_bus_send(p.client, ordinary, NULL) >= 0);
        assert_false(direct_reply(&b, received, &method, &out)); /* it would overtake the other */
        for (unsigned n = 0; n <= sent;) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
                const char *got;
                assert_true(sd_bus_process(p.client, NULL) >= 0);
                assert_true(sd_bus_process(p.server, &m) >= 0);
                if (!m)
                        continue;
                assert_true(sd_bus_message_read(m, "s", &got) > 0);
                assert_string_equal(got, n++ < sent ? text : "the last");
        }
        assert_true(direct_reply(&b, received, &method, &out));
        direct_free(b.direct);
        sd_bus_close_unref(p.client);
        sd_bus_close_unref(p.server);
}

/* Wherever the room ends, it is an error, and nothing is written behind it. */
static void bytes_without_room(void **state _unused_) {
        _Alignas(8) char bytes[4096];
        Writer whole_size = { .data = bytes, .allocated = sizeof(bytes) };

        assert_int_equal(codec_append_structure(&whole_size, &whole, &full), 0);
        for (size_t n = 0; n < whole_size.size; n++) {
                Writer w = { .data = bytes, .allocated = n };
                memset(bytes, 'x', sizeof(bytes));
                assert_int_equal(codec_append_structure(&w, &whole, &full), -ENOBUFS);
                assert_true(w.size <= n);
                for (size_t i = n; i < sizeof(bytes); i++)
                        assert_int_equal(bytes[i], 'x');
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(there_and_back, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_is_absent_is_left_out, set_up, tear_down),
                cmocka_unit_test_setup_teardown(inner_mistakes_name_their_place, set_up, tear_down),
                cmocka_unit_test_setup_teardown(required_inside, set_up, tear_down),
                cmocka_unit_test_setup_teardown(money, set_up, tear_down),
                cmocka_unit_test_setup_teardown(numbers_too_large, set_up, tear_down),
                cmocka_unit_test_setup_teardown(text_that_is_not_utf8, set_up, tear_down),
                cmocka_unit_test_setup_teardown(bytes_are_what_sd_bus_makes, set_up, tear_down),
                cmocka_unit_test(bytes_without_room),
                cmocka_unit_test(replies_whole_or_not_at_all),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
