/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ctl/text.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "basic/macro.h"

void terminal_size(unsigned *ret_columns, unsigned *ret_lines) {
        struct winsize w = {};

        if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0)
                w = (struct winsize) {};
        *ret_columns = w.ws_col;
        *ret_lines = w.ws_row;
}

void terminal_open(Terminal *t, bool color) {
        const char *columns = getenv("COLUMNS"), *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
        unsigned width, lines;

        terminal_size(&width, &lines);
        if (columns && atoi(columns) > 0)
                width = (unsigned) atoi(columns);
        *t = (Terminal) {
                .file = stdout,
                .color = color && isatty(STDOUT_FILENO) && !(no_color && *no_color) && !(term && streq(term, "dumb")),
                .width = width,
        };
}

/* Decodes one character; returns its length in bytes, 0 if it is not UTF-8. */
static size_t decode(const unsigned char *p, size_t n, wchar_t *ret) {
        static const unsigned smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
        size_t length = p[0] < 0x80 ? 1 : (p[0] & 0xE0) == 0xC0 ? 2 : (p[0] & 0xF0) == 0xE0 ? 3 : (p[0] & 0xF8) == 0xF0 ? 4 : 0;

        if (length == 0 || length > n)
                return 0;
        unsigned c = length == 1 ? p[0] : p[0] & (0x7Fu >> length);
        for (size_t i = 1; i < length; i++) {
                if ((p[i] & 0xC0) != 0x80)
                        return 0;
                c = c << 6 | (p[i] & 0x3Fu);
        }
        if (c < smallest[length] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
                return 0;
        *ret = (wchar_t) c;
        return length;
}

/* C0, DEL, C1, and what changes the direction of writing. */
static bool steers(wchar_t c) {
        return c < 0x20 || (c >= 0x7F && c < 0xA0) || (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

char *text_clean(const char *s, size_t n, bool keep_controls) {
        /* At worst each byte becomes the three of U+FFFD; and three for text_cut(). */
        char *clean = malloc(n * 3 + 4), *to = clean;

        if (!clean)
                return NULL;
        for (size_t i = 0; i < n;) {
                wchar_t c;
                size_t length = decode((const unsigned char *) s + i, n - i, &c);
                if (length == 0 || (c == 0 && keep_controls)) {
                        memcpy(to, "\xEF\xBF\xBD", 3);
                        to += 3;
                        i++;
                } else if (!keep_controls && steers(c)) {
                        *to++ = c == '\n' || c == '\t' ? ' ' : '?';
                        i += length;
                } else {
                        memcpy(to, s + i, length);
                        to += length;
                        i += length;
                }
        }
        *to = 0;
        return clean;
}

char *text_copy(const char *s) {
        return text_clean(s, strlen(s), false);
}

size_t text_width(const char *clean) {
        size_t width = 0, n = strlen(clean), length;
        wchar_t c;

        for (; n > 0 && (length = decode((const unsigned char *) clean, n, &c)) > 0; clean += length, n -= length) {
                int w = wcwidth(c);
                width += (size_t) MAX(w, 0);
        }
        return width;
}

void text_cut(char *clean, size_t width) {
        size_t used = 0, n = strlen(clean), length;
        char *p = clean, *cut = clean;
        wchar_t c;

        for (; n > 0 && (length = decode((const unsigned char *) p, n, &c)) > 0; p += length, n -= length) {
                int w = MAX(wcwidth(c), 0);
                if (used + (size_t) w > width) {
                        strcpy(cut, width > 0 ? "\xE2\x80\xA6" : "");
                        return;
                }
                used += (size_t) w;
                if (used < width)
                        cut = p + length;
        }
}

void print_styled(Terminal *t, Style style, const char *text) {
        static const char *const codes[_STYLE_MAX] = { "", "\033[32m", "\033[33m", "\033[31m", "\033[2m", "\033[1m" };

        if (t->color && style != STYLE_PLAIN)
                fprintf(t->file, "%s%s\033[0m", codes[style], text);
        else
                fputs(text, t->file);
}

void print_wrapped(Terminal *t, const char *text, unsigned at, unsigned indent) {
        unsigned width = t->width ? MAX(t->width, indent + 20) : UINT_MAX;

        for (const char *p = text; *p;) {
                size_t n = strcspn(p, " \n");
                char word[256];
                snprintf(word, sizeof(word), "%.*s", (int) n, p);
                size_t w = text_width(word);
                if (at > indent && at + w > width) {
                        fprintf(t->file, "\n%*s", (int) indent, "");
                        at = indent;
                }
                fputs(word, t->file);
                at += (unsigned) w;
                p += n;
                if (*p == '\n') {
                        fprintf(t->file, "\n%*s", (int) (p[1] == '\n' ? 0 : indent), "");
                        at = indent;
                        p++;
                } else if (*p == ' ') {
                        p++;
                        /* Not at a line's end, where it would be a trailing blank. */
                        n = strcspn(p, " \n");
                        if (*p && at + 1 + n <= width) {
                                fputc(' ', t->file);
                                at++;
                        } else
                                at = width;
                }
        }
        fputc('\n', t->file);
}
