/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "basic/macro.h"
#include "plugins/helper/helper.h"

/* More than any server sends; the rest of a hostile list is not even looked at. */
#define HEADERS_MAX 256

static bool is_space(char c) {
        return c == ' ' || c == '\t';
}

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

/* The value without the white space around it; NULL if nothing is left. */
static const char *trim(const char *value, size_t *ret_size) {
        size_t n;

        if (!value)
                return NULL;
        while (is_space(*value))
                value++;
        n = strlen(value);
        while (n > 0 && is_space(value[n - 1]))
                n--;
        *ret_size = n;
        return n > 0 ? value : NULL;
}

/* Nearly all names differ in their first letter: cheaper to see than to compare them. */
static bool same_letter(const char *name, char letter) {
        return name && (name[0] | 0x20) == (letter | 0x20);
}

/* Walks over the headers of one name; *i begins at 0. */
static const char *header_next(const struct pm_response *r, const char *name, size_t *i, size_t *ret_size) {
        for (size_t n = MIN(r->n_headers, (size_t) HEADERS_MAX); *i < n;) {
                const struct pm_header *h = &r->headers[(*i)++];
                const char *value;

                if (!same_letter(h->name, name[0]) || strcasecmp(h->name, name) != 0)
                        continue;
                value = trim(h->value, ret_size);
                if (value)
                        return value;
        }
        return NULL;
}

const char *header_find(const struct pm_response *r, const char *name, size_t *ret_size) {
        size_t i = 0, n;

        return header_next(r, name, &i, ret_size ? ret_size : &n);
}

bool header_is(const struct pm_response *r, const char *name, const char *value) {
        size_t n;
        const char *v = header_find(r, name, &n);

        return v && n == strlen(value) && strncasecmp(v, value, n) == 0;
}

int parse_seconds(const char *s, size_t n, uint64_t *ret_seconds, uint64_t *ret_ns) {
        const char *end = s + n, *p = s;
        uint64_t seconds = 0, fraction = 0, weight = SECOND_NS;

        for (; p < end && is_digit(*p); p++)
                seconds = MIN(seconds * 10 + (uint64_t) (*p - '0'), PARSED_MAX);
        if (p == s)
                return -EINVAL;
        if (p < end && *p == '.')
                for (p++; p < end && is_digit(*p); p++) {
                        weight /= 10;
                        fraction += (uint64_t) (*p - '0') * weight;
                }
        while (p < end && is_space(*p))
                p++;
        /* A proxy may have joined repeated headers by a comma; the first counts. */
        if (p < end && *p != ',')
                return -EINVAL;
        *ret_seconds = seconds;
        *ret_ns = fraction;
        return 0;
}

/* ---- dates ---- */

static bool read_number(const char **p, const char *end, int digits, int *ret) {
        int v = 0;

        if (end - *p < digits)
                return false;
        for (int i = 0; i < digits; i++, (*p)++) {
                if (!is_digit(**p))
                        return false;
                v = v * 10 + (**p - '0');
        }
        *ret = v;
        return true;
}

static bool read_text(const char **p, const char *end, const char *text) {
        size_t n = strlen(text);

        if ((size_t) (end - *p) < n || memcmp(*p, text, n) != 0)
                return false;
        *p += n;
        return true;
}

static bool read_month(const char **p, const char *end, int *ret) {
        static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

        if (end - *p < 3)
                return false;
        for (int i = 0; i < 12; i++)
                if (memcmp(*p, months + 3 * i, 3) == 0) {
                        *ret = i + 1;
                        *p += 3;
                        return true;
                }
        return false;
}

static bool read_time(const char **p, const char *end, int *h, int *m, int *s) {
        return read_number(p, end, 2, h) && read_text(p, end, ":") && read_number(p, end, 2, m) &&
                read_text(p, end, ":") && read_number(p, end, 2, s);
}

/* Days from 1970-01-01 in the Gregorian calendar, in years that begin in March, so that the leap day comes last. */
static int64_t days_from_date(int year, int month, int day) {
        int64_t y = month <= 2 ? year - 1 : year;
        int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

        return y * 365 + y / 4 - y / 100 + y / 400 + day_of_year - 719468;
}

int parse_http_date(const char *s, size_t n, uint64_t *ret) {
        const char *end = s + n, *p = s, *comma = memchr(s, ',', n);
        int year, month, day, h, m, sec;

        if (comma) {
                /* "Sun, 06 Nov 1994 08:49:37 GMT" or, of old, "Sunday, 06-Nov-94 08:49:37 GMT" */
                p = comma + 1;
                if (!read_text(&p, end, " ") || !read_number(&p, end, 2, &day))
                        return -EINVAL;
                bool old = read_text(&p, end, "-");
                if ((!old && !read_text(&p, end, " ")) || !read_month(&p, end, &month) ||
                    !read_text(&p, end, old ? "-" : " ") || !read_number(&p, end, old ? 2 : 4, &year) ||
                    !read_text(&p, end, " ") || !read_time(&p, end, &h, &m, &sec) || !read_text(&p, end, " GMT"))
                        return -EINVAL;
                /* These dates are about now, so that a century need not be guessed from a clock. */
                if (old)
                        year += year >= 70 ? 1900 : 2000;
        } else {
                /* "Sun Nov  6 08:49:37 1994", as asctime() writes it */
                if (n < 4)
                        return -EINVAL;
                p += 3;
                if (!read_text(&p, end, " ") || !read_month(&p, end, &month) || !read_text(&p, end, " "))
                        return -EINVAL;
                int digits = read_text(&p, end, " ") ? 1 : 2;
                if (!read_number(&p, end, digits, &day) || !read_text(&p, end, " ") ||
                    !read_time(&p, end, &h, &m, &sec) || !read_text(&p, end, " ") || !read_number(&p, end, 4, &year))
                        return -EINVAL;
        }
        if (p != end || year < 1970 || year > 2500 || day < 1 || day > 31 || h > 23 || m > 59 || sec > 60)
                return -EINVAL;
        *ret = (uint64_t) (days_from_date(year, month, day) * 86400 + h * 3600 + m * 60 + sec) * SECOND_NS;
        return 0;
}

/* A wait of so long, within bounds. */
static uint64_t wait_of(uint64_t seconds, uint64_t ns) {
        return seconds < WAIT_MAX_NS / SECOND_NS ? seconds * SECOND_NS + ns : WAIT_MAX_NS;
}

/* From now on, within bounds; 0 if it is past, or if nobody told us the time. */
static uint64_t until(const struct pm_response *r, uint64_t instant_ns) {
        return r->now_utc_ns > 0 && instant_ns > r->now_utc_ns ? MIN(instant_ns - r->now_utc_ns, WAIT_MAX_NS) : 0;
}

uint64_t retry_after(const struct pm_response *r, const char *name) {
        uint64_t longest = 0, t, ns;
        const char *v;
        size_t n;

        for (size_t i = 0; (v = header_next(r, name, &i, &n));) {
                if (parse_seconds(v, n, &t, &ns) == 0)
                        t = wait_of(t, ns);
                else if (parse_http_date(v, n, &t) == 0)
                        t = until(r, t);
                else
                        continue;
                longest = MAX(longest, t);
        }
        return longest;
}

/* ---- limits ---- */

typedef enum LimitHeader { LIMIT_OTHER, LIMIT_REMAINING, LIMIT_RESET, LIMIT_INTERVAL } LimitHeader;

/* "X-RateLimit-…", "X-Rate-Limit-…", "RateLimit-…" and so on. */
static LimitHeader usual_limit_header(const char *name) {
        static const char *const prefixes[] = { "ratelimit-", "rate-limit-" };

        if (same_letter(name, 'x') && name[1] == '-')
                name += 2;
        if (!same_letter(name, 'r'))
                return LIMIT_OTHER;
        for (size_t i = 0; i < ELEMENTSOF(prefixes); i++)
                if (strncasecmp(name, prefixes[i], strlen(prefixes[i])) == 0) {
                        name += strlen(prefixes[i]);
                        return strcasecmp(name, "remaining") == 0 ? LIMIT_REMAINING :
                               strcasecmp(name, "reset") == 0 ? LIMIT_RESET :
                               strcasecmp(name, "interval") == 0 ? LIMIT_INTERVAL : LIMIT_OTHER;
                }
        return LIMIT_OTHER;
}

/* Vendors write a reset in three ways; their sizes are so far apart that the number itself tells which. */
static uint64_t reset_from_now(const struct pm_response *r, uint64_t t, uint64_t ns) {
        if (t >= UINT64_C(100000000000)) /* milliseconds since 1970: 1973 and later */
                return until(r, t * 1000000);
        if (t >= UINT64_C(100000000)) /* seconds since 1970: likewise */
                return until(r, MIN(t, PARSED_MAX / 1000) * SECOND_NS + ns);
        return wait_of(t, ns);
}

void rate_limit(const struct pm_response *r, const char *remaining, const char *reset, RateLimit *ret) {
        *ret = (RateLimit) {};
        for (size_t i = 0; i < MIN(r->n_headers, (size_t) HEADERS_MAX); i++) {
                const char *name = r->headers[i].name, *v;
                LimitHeader what = usual_limit_header(name);
                uint64_t t, ns;
                size_t n;

                if (remaining && same_letter(name, remaining[0]) && strcasecmp(name, remaining) == 0)
                        what = LIMIT_REMAINING;
                if (reset && same_letter(name, reset[0]) && strcasecmp(name, reset) == 0)
                        what = LIMIT_RESET;
                if (what == LIMIT_OTHER || !(v = trim(r->headers[i].value, &n)) || parse_seconds(v, n, &t, &ns) < 0)
                        continue;
                if (what == LIMIT_REMAINING)
                        ret->used_up = ret->used_up || t == 0;
                else if (what == LIMIT_RESET)
                        ret->reset_ns = MAX(ret->reset_ns, reset_from_now(r, t, ns));
                else
                        ret->interval_ns = MAX(ret->interval_ns, wait_of(t, ns));
        }
}
