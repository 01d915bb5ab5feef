/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config/text.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "basic/macro.h"
#include "daemon/config/config.h"

int config_text_read(const char *path, char **ret, size_t *ret_size) {
        /* Without O_NONBLOCK a FIFO in the folder would hang the daemon. */
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (S_ISDIR(st.st_mode))
                return -EISDIR;
        if (!S_ISREG(st.st_mode))
                return -EMEDIUMTYPE;
        if (st.st_size > CONFIG_FILE_MAX)
                return -EFBIG;

        /* One byte more than allowed, because the file may grow while it is read. */
        _cleanup_free_ char *text = malloc(CONFIG_FILE_MAX + 2);
        size_t size = 0;
        if (!text)
                return -ENOMEM;
        for (ssize_t n; (n = read(fd, text + size, CONFIG_FILE_MAX + 1 - size)) != 0;) {
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                size += (size_t) n;
                if (size > CONFIG_FILE_MAX)
                        return -EFBIG;
        }
        text[size] = '\0';
        *ret = TAKE(text);
        *ret_size = size;
        return 0;
}

typedef struct Bracket {
        char open;
        unsigned line, members;
} Bracket;

typedef struct Scanner {
        const char *p, *end;
        unsigned line;
        char *out; /* the copy, where it goes on */
        Bracket stack[CONFIG_DEPTH_MAX + 1]; /* the first is the file itself */
        unsigned depth, bad_line;
        char *message;
} Scanner;

_printf_(3, 4) static int refuse(Scanner *s, unsigned line, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        vsnprintf(s->message, CONFIG_TEXT_MESSAGE_MAX, format, ap);
        va_end(ap);
        s->bad_line = line;
        return -EINVAL;
}

/* Length of the UTF-8 sequence at p (RFC 3629), 0 if it is none. */
static size_t utf8_length(const unsigned char *p, const unsigned char *end) {
        if (*p < 0x80)
                return 1;

        size_t n = *p >= 0xf0 && *p < 0xf5 ? 4 : *p >= 0xe0 && *p < 0xf0 ? 3 : *p >= 0xc2 && *p < 0xe0 ? 2 : 0;
        if (n == 0 || (size_t) (end - p) < n)
                return 0;
        for (size_t i = 1; i < n; i++)
                if ((p[i] & 0xc0) != 0x80)
                        return 0;
        if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] >= 0xa0) || (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] >= 0x90))
                return 0;
        return n;
}

static int check_encoding(Scanner *s) {
        unsigned line = 1;

        for (const char *p = s->p; p < s->end;) {
                size_t n = utf8_length((const unsigned char *) p, (const unsigned char *) s->end);

                if (*p == '\0' || n == 0)
                        return refuse(s, line, "is not UTF-8 text");
                line += *p == '\n';
                p += n;
        }
        return 0;
}

static void take(Scanner *s) {
        s->line += *s->p == '\n';
        *s->out++ = *s->p++;
}

static int take_string(Scanner *s) {
        unsigned line = s->line;

        for (take(s); s->p < s->end && *s->p != '"'; take(s))
                if (*s->p == '\\' && s->p + 1 < s->end)
                        take(s);
        if (s->p == s->end)
                return refuse(s, line, "a \" is not closed");
        take(s);
        return 0;
}

/* A comment becomes a space and its line ends. */
static int skip_comment(Scanner *s) {
        unsigned line = s->line;
        bool block = *s->p != '#' && s->p[1] == '*';

        *s->out++ = ' ';
        if (block)
                s->p += 2;
        for (; s->p < s->end; s->p++) {
                if (block && s->end - s->p >= 2 && s->p[0] == '*' && s->p[1] == '/') {
                        s->p += 2;
                        return 0;
                }
                if (*s->p == '\n') {
                        if (!block)
                                return 0;
                        s->line++;
                        *s->out++ = '\n';
                }
        }
        return block ? refuse(s, line, "a /* is not closed") : 0;
}

/* Names and numbers. libconfig 1.5 cuts a large whole number to 32 bits without a word: mark it as the 64-bit or floating one
 * that it is, so that a range check sees its true size. */
static int take_word(Scanner *s) {
        const char *start = s->p;
        char digits[24];

        while (s->p < s->end && (isalnum((unsigned char) *s->p) || strchr("_*.+-", *s->p)))
                take(s);

        size_t n = (size_t) (s->p - start);
        size_t sign = *start == '+' || *start == '-';
        bool hexadecimal = n > 2 && start[0] == '0' && (start[1] | 0x20) == 'x';
        for (size_t i = hexadecimal ? 2 : sign; i < n; i++)
                if (hexadecimal ? !isxdigit((unsigned char) start[i]) : !isdigit((unsigned char) start[i]))
                        return 0;
        if (n - sign < 8)
                return 0;

        long long v = LLONG_MAX;
        if (n < sizeof(digits)) {
                memcpy(digits, start, n);
                digits[n] = '\0';
                v = strtoll(digits, NULL, hexadecimal ? 16 : 10); /* the ends of the range when it is outside */
        }
        if (v > LLONG_MIN && v < LLONG_MAX)
                *s->out++ = 'L';
        else if (hexadecimal)
                return refuse(s, s->line, "%.40s… is too large a number", start);
        else {
                *s->out++ = '.';
                *s->out++ = '0';
        }
        return 0;
}

static int open_bracket(Scanner *s) {
        if (s->depth == CONFIG_DEPTH_MAX)
                return refuse(s, s->line, "is nested too deeply; %d brackets are allowed", CONFIG_DEPTH_MAX);
        s->stack[++s->depth] = (Bracket) { *s->p, s->line, 0 };
        take(s);
        return 0;
}

static int close_bracket(Scanner *s) {
        const Bracket *b = s->stack + s->depth;
        char wanted = b->open == '{' ? '}' : b->open == '[' ? ']' : ')';

        if (s->depth == 0)
                return refuse(s, s->line, "a %c closes nothing", *s->p);
        if (*s->p != wanted)
                return refuse(s, s->line, "a %c cannot close the %c of line %u", *s->p, b->open, b->line);
        s->depth--;
        take(s);
        return 0;
}

/* libconfig compares each new name with all the others of its group. */
static int count_member(Scanner *s) {
        if (++s->stack[s->depth].members > CONFIG_MEMBERS_MAX)
                return refuse(s, s->line, "too many settings in one group; %d are allowed", CONFIG_MEMBERS_MAX);
        return 0;
}

static int scan(Scanner *s) {
        int r = check_encoding(s);

        while (r == 0 && s->p < s->end) {
                if (*s->p == '"')
                        r = take_string(s);
                else if (*s->p == '#' || (s->end - s->p >= 2 && s->p[0] == '/' && (s->p[1] == '/' || s->p[1] == '*')))
                        r = skip_comment(s);
                else if (*s->p == '@')
                        /* libconfig opens what it includes by itself, and leaves the program when that cannot be read. */
                        r = refuse(s, s->line,
                                   "@include is not supported; put the file into conf.d beside pointsman.conf");
                else if (strchr("{[(", *s->p))
                        r = open_bracket(s);
                else if (strchr("}])", *s->p))
                        r = close_bracket(s);
                else if (isalnum((unsigned char) *s->p) || strchr("_*.+-", *s->p))
                        r = take_word(s);
                else {
                        if (strchr("=:,", *s->p))
                                r = count_member(s);
                        if (r == 0)
                                take(s);
                }
        }
        if (r == 0 && s->depth > 0)
                return refuse(s, s->stack[s->depth].line, "a %c is not closed", s->stack[s->depth].open);
        return r;
}

int config_text_prepare(const char *text, size_t size, char **ret, unsigned *ret_line,
                        char message[CONFIG_TEXT_MESSAGE_MAX]) {
        /* Marks add at most two characters to each number of eight digits or more. */
        _cleanup_free_ char *out = malloc(size + size / 4 + 4);
        Scanner s = { .p = text, .end = text + size, .line = 1, .out = out, .message = message };

        if (!out)
                return -ENOMEM;
        if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
                s.p += 3;

        int r = scan(&s);
        if (r < 0) {
                *ret_line = s.bad_line;
                return r;
        }
        *s.out++ = '\n';
        *s.out = '\0';
        *ret = TAKE(out);
        return 0;
}
