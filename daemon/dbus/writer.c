/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where values are written: into a message of sd-bus', or as bytes of our own ("Marshaling" in the D-Bus Specification).
 */
#include "daemon/dbus/private.h"

static size_t alignment(char type) {
        switch (type) {
        case 'y': case 'v': case 'g': return 1;
        case 'x': case 't': case 'd': case 'e': case 'r': case '{': case '(': return 8;
        default: return 4; /* b, i, u, and the lengths of s, o and a */
        }
}

static int put(Writer *w, size_t align, const void *p, size_t n) {
        size_t at = (w->size + align - 1) / align * align;

        if (at > w->allocated || n > w->allocated - at)
                return -ENOBUFS;
        memset(w->data + w->size, 0, at - w->size);
        memcpy(w->data + at, p, n);
        w->size = at + n;
        return 0;
}

static int put_string(Writer *w, const char *s) {
        size_t n = strlen(s);
        int r = put(w, 4, &(uint32_t) { (uint32_t) n }, 4);

        return r < 0 ? r : put(w, 1, s, n + 1);
}

static int put_signature(Writer *w, const char *s) {
        size_t n = strlen(s);
        int r = put(w, 1, &(uint8_t) { (uint8_t) n }, 1);

        return r < 0 ? r : put(w, 1, s, n + 1);
}

int writer_basic(Writer *w, char type, const void *p) {
        if (w->message)
                return sd_bus_message_append_basic(w->message, type, p);
        switch (type) {
        case 's': case 'o': return put_string(w, p);
        case 'g': return put_signature(w, p);
        case 'y': return put(w, 1, p, 1);
        default: return put(w, alignment(type), p, alignment(type));
        }
}

int writer_open(Writer *w, char type, const char *contents) {
        if (w->message)
                return sd_bus_message_open_container(w->message, type, contents);
        if (w->depth == ELEMENTSOF(w->open))
                return -ENOBUFS;
        /* A variant has its signature before it, an array its size, and entries and structures nothing. */
        int r = type == 'v' ? put_signature(w, contents) : put(w, alignment(type), &(uint32_t) { 0 }, type == 'a' ? 4 : 0);
        size_t length_at = w->size - 4;
        if (r >= 0 && type == 'a')
                r = put(w, alignment(contents[0]), "", 0);
        if (r < 0)
                return r;
        w->open[w->depth].length_at = type == 'a' ? length_at : SIZE_MAX;
        w->open[w->depth++].from = w->size;
        return 0;
}

int writer_close(Writer *w) {
        if (w->message)
                return sd_bus_message_close_container(w->message);
        w->depth--;
        uint32_t length = (uint32_t) (w->size - w->open[w->depth].from);
        if (w->open[w->depth].length_at != SIZE_MAX)
                memcpy(w->data + w->open[w->depth].length_at, &length, sizeof(length));
        return 0;
}

/* ---- a whole message ---- */

enum { METHOD_RETURN = 2, NO_REPLY_EXPECTED = 1, PROTOCOL_VERSION = 1, REPLY_SERIAL = 5, DESTINATION = 6, SIGNATURE = 8 };

static int header_field(Writer *w, uint8_t code, const char *type, const void *value) {
        int r = writer_open(w, 'r', "yv");

        if (r >= 0)
                r = writer_basic(w, 'y', &code);
        if (r >= 0)
                r = writer_open(w, 'v', type);
        if (r >= 0)
                r = writer_basic(w, type[0], value);
        if (r >= 0)
                r = writer_close(w);
        return r < 0 ? r : writer_close(w);
}

int writer_return_header(Writer *w, uint32_t serial, uint32_t reply_serial, const char *destination, const char *signature, size_t body_size) {
        uint8_t start[] = { __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 'B' : 'l', METHOD_RETURN, NO_REPLY_EXPECTED, PROTOCOL_VERSION };

        int r = put(w, 1, start, sizeof(start));
        if (r >= 0)
                r = writer_basic(w, 'u', &(uint32_t) { (uint32_t) body_size });
        if (r >= 0)
                r = writer_basic(w, 'u', &serial);
        if (r >= 0)
                r = writer_open(w, 'a', "(yv)");
        if (r >= 0)
                r = header_field(w, REPLY_SERIAL, "u", &reply_serial);
        if (r >= 0)
                r = header_field(w, DESTINATION, "s", destination);
        if (r >= 0)
                r = header_field(w, SIGNATURE, "g", signature);
        if (r >= 0)
                r = writer_close(w);
        return r < 0 ? r : put(w, 8, "", 0);
}
