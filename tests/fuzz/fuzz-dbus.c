/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes say which values a D-Bus message holds. Each method's parameters are read from it, or refused with a reason; what
 * was read can be written again. */
#include <sys/socket.h>

#include "daemon/dbus/private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Bytes {
        const uint8_t *next;
        size_t left;
} Bytes;

static uint64_t take(Bytes *b, size_t size) {
        uint64_t v = 0;

        size = MIN(size, b->left);
        memcpy(&v, b->next, size);
        b->next += size;
        b->left -= size;
        return v;
}

/* Text that a message can hold. */
static const char *take_text(Bytes *b, char buffer[64]) {
        size_t n = 0;

        for (size_t max = take(b, 1) % 63; n < max && b->left > 0; n++)
                buffer[n] = (char) (take(b, 1) % 127 + 1);
        buffer[n] = 0;
        return buffer;
}

static int append(sd_bus_message *m, Bytes *b, const char *type, unsigned depth);

static const Field *pick(const Structure *s, unsigned which) {
        unsigned n = 0;

        while (s->fields[n].name)
                n++;
        return n > 0 ? &s->fields[which % n] : NULL;
}

/* Of the type that the field has most times, and of any other. */
static int append_entry(sd_bus_message *m, Bytes *b, const Structure *s, unsigned depth) {
        static const char *const types[] = { "b", "i", "u", "x", "t", "d", "s", "as", "a{sv}", "aa{sv}", "a{ss}", "n", "y", "o" };
        uint8_t which = (uint8_t) take(b, 1);
        const Field *f = s ? pick(s, which) : NULL;
        const char *type = which < 224 && f ? codec_signature(f) : types[which % ELEMENTSOF(types)];
        char buffer[64];

        int r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append_basic(m, 's', which < 192 && f ? f->name : take_text(b, buffer));
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', type);
        if (r >= 0)
                r = append(m, b, type, depth + 1);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_array(sd_bus_message *m, Bytes *b, const char *element, unsigned depth) {
        unsigned n = depth > 4 ? 0 : (unsigned) take(b, 1) % 8;
        char buffer[64], other[64];

        int r = sd_bus_message_open_container(m, 'a', element);
        for (; r >= 0 && n > 0 && b->left > 0; n--)
                if (streq(element, "{sv}"))
                        r = append_entry(m, b, NULL, depth + 1);
                else if (streq(element, "{ss}"))
                        r = sd_bus_message_append(m, "{ss}", take_text(b, buffer), take_text(b, other));
                else
                        r = append(m, b, element, depth + 1);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append(sd_bus_message *m, Bytes *b, const char *type, unsigned depth) {
        char buffer[64];
        uint64_t v;
        int truth;

        switch (type[0]) {
        case 'a':
                return append_array(m, b, type + 1, depth);
        case 's':
                return sd_bus_message_append_basic(m, 's', take_text(b, buffer));
        case 'o':
                return sd_bus_message_append_basic(m, 'o', "/a/b");
        case 'b':
                truth = take(b, 1) & 1;
                return sd_bus_message_append_basic(m, 'b', &truth);
        default:
                v = take(b, 8);
                return sd_bus_message_append_basic(m, type[0], &v);
        }
}

static void check(sd_bus_message *m, sd_bus_message *again, const Structure *s) {
        Arena arena = {};
        SchemaError error = {};
        Reading g = { .message = m, .arena = &arena, .error = &error };
        void *v = calloc(1, s->size);

        if (!v || sd_bus_message_rewind(m, true) < 0)
                abort();
        schema_init(s, v);
        int r = codec_read_structure(&g, s, 0, v);
        if (r == -EINVAL ? !error.reason[0] : r >= 0 && codec_append_structure(WRITER(again), s, v) < 0)
                abort();
        arena_done(&arena);
        free(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static sd_bus *bus;
        sd_bus_message *m = NULL, *again = NULL;
        Bytes b = { data, size };
        int fds[2];

        if (!bus) {
                /* Messages are made, and never sent. */
                if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0 || sd_bus_new(&bus) < 0 ||
                    sd_bus_set_fd(bus, fds[0], fds[0]) < 0 || sd_bus_start(bus) < 0)
                        abort();
        }
        size_t which = take(&b, 1), i = 0;
        while (i < which && api_methods[i].name)
                i++;
        const Structure *s = api_methods[i].in;
        if (!s) /* none, or past the last one */
                return 0;
        if (sd_bus_message_new_signal(bus, &m, "/a", "a.b", "C") < 0 || sd_bus_message_new_signal(bus, &again, "/a", "a.b", "C") < 0 ||
            sd_bus_message_open_container(m, 'a', "{sv}") < 0)
                abort();
        int r = 0;
        while (r >= 0 && b.left > 0)
                r = append_entry(m, &b, s, 0);
        if (r >= 0 && sd_bus_message_close_container(m) >= 0 && sd_bus_message_seal(m, 1, 0) >= 0)
                check(m, again, s);
        sd_bus_message_unref(m);
        sd_bus_message_unref(again);
        return 0;
}
