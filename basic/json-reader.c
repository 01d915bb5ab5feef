/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "basic/json-plain.h"
#include "basic/json.h"
#include "basic/macro.h"

void json_open(JsonReader *r, const char *text, size_t n) {
        *r = (JsonReader) { .start = text, .p = text, .end = text + n };
}

static inline void skip_space(JsonReader *r) {
        /* Mostly there is none, which one comparison tells. */
        while (r->p < r->end && (unsigned char) *r->p <= ' ' && (*r->p == ' ' || *r->p == '\n' || *r->p == '\r' || *r->p == '\t'))
                r->p++;
}

/* The length of the well-formed UTF-8 sequence at p (RFC 3629), 0 if it is malformed, -1 if it is cut off by end. */
static int utf8_length(const unsigned char *p, const unsigned char *end) {
        unsigned char lo = 0x80, hi = 0xBF;
        int n;

        if (*p < 0x80)
                return 1;
        if (*p >= 0xC2 && *p <= 0xDF)
                n = 2;
        else if (*p >= 0xE0 && *p <= 0xEF)
                n = 3;
        else if (*p >= 0xF0 && *p <= 0xF4)
                n = 4;
        else
                return 0;

        /* The second byte excludes overlong forms, surrogates and what is above U+10FFFF. */
        if (*p == 0xE0)
                lo = 0xA0;
        else if (*p == 0xED)
                hi = 0x9F;
        else if (*p == 0xF0)
                lo = 0x90;
        else if (*p == 0xF4)
                hi = 0x8F;

        for (int i = 1; i < n; i++) {
                if (p + i >= end)
                        return -1;
                if (p[i] < lo || p[i] > hi)
                        return 0;
                lo = 0x80;
                hi = 0xBF;
        }
        return n;
}

static int hex4(const char *p, const char *end, uint32_t *ret) {
        uint32_t v = 0;

        for (int i = 0; i < 4; i++, p++) {
                if (p >= end)
                        return -ENODATA;
                char c = *p;
                if (c >= '0' && c <= '9')
                        v = v << 4 | (uint32_t) (c - '0');
                else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
                        v = v << 4 | (uint32_t) ((c | 0x20) - 'a' + 10);
                else
                        return -EBADMSG;
        }
        *ret = v;
        return 0;
}

/* Decodes the escape behind a backslash at p; returns its length without the backslash. */
static int read_escape(const char *p, const char *end, uint32_t *ret) {
        uint32_t low;
        int k;

        if (p >= end)
                return -ENODATA;
        switch (*p) {
        case '"': case '\\': case '/':
                *ret = (unsigned char) *p;
                return 1;
        case 'b': *ret = '\b'; return 1;
        case 'f': *ret = '\f'; return 1;
        case 'n': *ret = '\n'; return 1;
        case 'r': *ret = '\r'; return 1;
        case 't': *ret = '\t'; return 1;
        case 'u':
                break;
        default:
                return -EBADMSG;
        }

        k = hex4(p + 1, end, ret);
        if (k < 0)
                return k;
        if (*ret == 0 || (*ret >= 0xDC00 && *ret <= 0xDFFF))
                return -EBADMSG;
        if (*ret < 0xD800 || *ret > 0xDBFF)
                return 5;
        if (p + 5 >= end || p + 6 >= end)
                return -ENODATA;
        if (p[5] != '\\' || p[6] != 'u')
                return -EBADMSG;
        k = hex4(p + 7, end, &low);
        if (k < 0)
                return k;
        if (low < 0xDC00 || low > 0xDFFF)
                return -EBADMSG;
        *ret = 0x10000 + ((*ret - 0xD800) << 10) + (low - 0xDC00);
        return 11;
}

static inline int end_string(JsonReader *r, const char *end, bool escaped, JsonValue *ret) {
        *ret = (JsonValue) { JSON_STRING, escaped, r->p + 1, (size_t) (end - r->p) - 1 };
        r->p = end + 1;
        return 0;
}

/* A string with something in it that does not stand for itself, at p for the first time. */
static int read_odd_string(JsonReader *r, const char *p, JsonValue *ret) {
        bool escaped = false;

        for (;; p += json_plain_prefix(p, (size_t) (r->end - p))) {
                if (p >= r->end)
                        return -ENODATA;
                if (*p == '"')
                        return end_string(r, p, escaped, ret);
                if (*p == '\\') {
                        uint32_t c;
                        int k = read_escape(p + 1, r->end, &c);
                        if (k < 0)
                                return k;
                        p += 1 + k;
                        escaped = true;
                } else if ((unsigned char) *p < 0x20)
                        return -EBADMSG;
                else {
                        int k = utf8_length((const unsigned char *) p, (const unsigned char *) r->end);
                        if (k <= 0)
                                return k < 0 ? -ENODATA : -EBADMSG;
                        p += k;
                }
        }
}

static inline int read_string(JsonReader *r, JsonValue *ret) {
        const char *p = r->p + 1;

        p += json_plain_prefix(p, (size_t) (r->end - p));
        return p < r->end && *p == '"' ? end_string(r, p, false, ret) : read_odd_string(r, p, ret);
}

static inline const char *skip_digits(const char *p, const char *end) {
        while (p < end && *p >= '0' && *p <= '9')
                p++;
        return p;
}

static int read_number(JsonReader *r, JsonValue *ret) {
        const char *start = r->p, *p = start, *q;

        if (*p == '-')
                p++;
        q = skip_digits(p, r->end);
        if (q == p)
                return q == r->end ? -ENODATA : -EBADMSG;
        if (*p == '0' && q - p > 1)
                return -EBADMSG;
        p = q;
        if (p < r->end && *p == '.') {
                q = skip_digits(++p, r->end);
                if (q == p)
                        return q == r->end ? -ENODATA : -EBADMSG;
                p = q;
        }
        if (p < r->end && (*p | 0x20) == 'e') {
                p++;
                if (p < r->end && (*p == '+' || *p == '-'))
                        p++;
                q = skip_digits(p, r->end);
                if (q == p)
                        return q == r->end ? -ENODATA : -EBADMSG;
                p = q;
        }
        *ret = (JsonValue) { JSON_NUMBER, false, start, (size_t) (p - start) };
        r->p = p;
        return 0;
}

static int read_word(JsonReader *r, const char *word, size_t n, JsonType type, JsonValue *ret) {
        size_t left = (size_t) (r->end - r->p);

        if (memcmp(r->p, word, MIN(n, left)) != 0)
                return -EBADMSG;
        if (left < n)
                return -ENODATA;
        *ret = (JsonValue) { type, false, r->p, n };
        r->p += n;
        return 0;
}

int json_read(JsonReader *r, JsonValue *ret) {
        skip_space(r);
        if (r->p >= r->end)
                return -ENODATA;
        switch (*r->p) {
        case '"':
                return read_string(r, ret);
        case '{': case '[':
                if (r->depth >= JSON_DEPTH_MAX)
                        return -ELOOP;
                r->depth++;
                *ret = (JsonValue) { *r->p == '{' ? JSON_OBJECT : JSON_ARRAY, false, r->p, 1 };
                r->p++;
                return 0;
        case 't':
                return read_word(r, "true", 4, JSON_TRUE, ret);
        case 'f':
                return read_word(r, "false", 5, JSON_FALSE, ret);
        case 'n':
                return read_word(r, "null", 4, JSON_NULL, ret);
        case '-': case '0' ... '9':
                return read_number(r, ret);
        default:
                return -EBADMSG;
        }
}

/* Steps over the comma or finds the closing bracket: 1, 0 or an error. */
static int next_item(JsonReader *r, bool *first, char close) {
        skip_space(r);
        if (r->p >= r->end)
                return -ENODATA;
        if (*r->p == close) {
                r->p++;
                r->depth--;
                return 0;
        }
        if (!*first) {
                if (*r->p != ',')
                        return -EBADMSG;
                r->p++;
                skip_space(r);
                if (r->p >= r->end)
                        return -ENODATA;
                if (*r->p == close)
                        return -EBADMSG;
        }
        *first = false;
        return 1;
}

int json_member(JsonReader *r, bool *first, JsonValue *ret_key) {
        int k = next_item(r, first, '}');
        if (k <= 0)
                return k;
        if (*r->p != '"')
                return -EBADMSG;
        k = read_string(r, ret_key);
        if (k < 0)
                return k;
        skip_space(r);
        if (r->p >= r->end)
                return -ENODATA;
        if (*r->p != ':')
                return -EBADMSG;
        r->p++;
        return 1;
}

int json_element(JsonReader *r, bool *first) {
        return next_item(r, first, ']');
}

int json_skip(JsonReader *r, const JsonValue *v) {
        /* What encloses us, innermost last: 1 an object, 0 an array; and whether its first item is still to come. */
        uint64_t is_object = 0, is_first = 0;
        unsigned level = 0;
        JsonValue x = *v, key;

        for (;;) {
                if (x.type == JSON_OBJECT || x.type == JSON_ARRAY) {
                        is_object = is_object << 1 | (x.type == JSON_OBJECT);
                        is_first = is_first << 1 | 1;
                        level++;
                }
                for (;;) {
                        if (level == 0)
                                return 0;
                        bool first = is_first & 1;
                        int k = is_object & 1 ? json_member(r, &first, &key) : json_element(r, &first);
                        if (k < 0)
                                return k;
                        is_first &= ~UINT64_C(1);
                        if (k > 0)
                                break;
                        is_object >>= 1;
                        is_first >>= 1;
                        level--;
                }
                int k = json_read(r, &x);
                if (k < 0)
                        return k;
        }
}

int json_close(JsonReader *r) {
        skip_space(r);
        return r->p == r->end && r->depth == 0 ? 0 : -EBADMSG;
}

bool json_equals_escaped(const JsonValue *v, const char *s) {
        /* An unescaped string is never longer than its escaped form. */
        char buffer[256];

        return strlen(s) < sizeof(buffer) && json_copy_string(v, buffer, sizeof(buffer)) >= 0 && streq(buffer, s);
}

static size_t put_utf8(char *to, uint32_t c) {
        if (c < 0x80) {
                to[0] = (char) c;
                return 1;
        }
        if (c < 0x800) {
                to[0] = (char) (0xC0 | c >> 6);
                to[1] = (char) (0x80 | (c & 0x3F));
                return 2;
        }
        if (c < 0x10000) {
                to[0] = (char) (0xE0 | c >> 12);
                to[1] = (char) (0x80 | (c >> 6 & 0x3F));
                to[2] = (char) (0x80 | (c & 0x3F));
                return 3;
        }
        to[0] = (char) (0xF0 | c >> 18);
        to[1] = (char) (0x80 | (c >> 12 & 0x3F));
        to[2] = (char) (0x80 | (c >> 6 & 0x3F));
        to[3] = (char) (0x80 | (c & 0x3F));
        return 4;
}

/* The string was checked when it was read. Source and target may be the same memory. */
int json_copy_string(const JsonValue *v, char *buffer, size_t size) {
        const char *p = v->start, *end = v->start + v->size;
        char *to = buffer;

        while (p < end) {
                char c[4];
                size_t n;

                if (*p == '\\') {
                        uint32_t u = 0;
                        p += 1 + read_escape(p + 1, end, &u);
                        n = put_utf8(c, u);
                } else {
                        n = (size_t) utf8_length((const unsigned char *) p, (const unsigned char *) end);
                        memcpy(c, p, n);
                        p += n;
                }
                if (to + n >= buffer + size) {
                        *to = 0;
                        return -ENOBUFS;
                }
                memcpy(to, c, n);
                to += n;
        }
        *to = 0;
        return 0;
}

char *json_terminate_string(const JsonValue *v) {
        char *s = (char *) v->start;

        if (v->escaped)
                json_copy_string(v, s, v->size + 1);
        else
                s[v->size] = 0;
        return s;
}
