/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/setting.h"

#include <errno.h>
#include <math.h>

#include "basic/macro.h"
#include "basic/units.h"

bool setting_is_number(const Setting *s) {
        switch (s->type) {
        case SETTING_UINT32:
        case SETTING_SIZE:
        case SETTING_MONEY:
        case SETTING_PERCENT:
        case SETTING_DOUBLE:
        case SETTING_SECONDS:
        case SETTING_MILLISECONDS:
                return true;
        default:
                return false;
        }
}

void *setting_place(const Setting *s, const void *base) {
        return (char *) base + s->offset;
}

/* How much of what is held inside makes one of what is written outside. */
static double scale(const Setting *s) {
        switch (s->type) {
        case SETTING_MONEY:
                return (double) MONEY_PER_DOLLAR;
        case SETTING_SECONDS:
                return (double) NSEC_PER_SEC;
        case SETTING_MILLISECONDS:
                return (double) NSEC_PER_MSEC;
        default:
                return 1;
        }
}

/* NAN unsets what can be unset, and is 0 elsewhere. */
static void store(const Setting *s, void *base, double v) {
        void *p = setting_place(s, base);
        /* A percentage is divided, not multiplied by 0.01: 99.8 shall become the double nearest to 0.998. */
        double inside = s->type == SETTING_PERCENT ? v / 100 : v * scale(s);

        switch (s->type) {
        case SETTING_UINT32:
                *(uint32_t *) p = isnan(v) ? 0 : (uint32_t) inside;
                break;
        case SETTING_SIZE:
                *(size_t *) p = isnan(v) ? 0 : (size_t) inside;
                break;
        case SETTING_MONEY:
                *(Money *) p = isnan(v) ? MONEY_UNSET : (Money) llround(inside);
                break;
        case SETTING_SECONDS:
        case SETTING_MILLISECONDS:
                *(uint64_t *) p = isnan(v) ? 0 : (uint64_t) llround(inside);
                break;
        case SETTING_PERCENT:
        case SETTING_DOUBLE:
                *(double *) p = inside;
                break;
        case SETTING_ENUM:
                *(int *) p = isnan(v) ? -1 : (int) v;
                break;
        case SETTING_BOOL:
                *(bool *) p = !isnan(v) && v != 0;
                break;
        default: /* strings and lists begin as the zero that they are */
                break;
        }
}

void setting_init(const Setting *s, void *base) {
        store(s, base, s->fallback);
}

int setting_check_number(const Setting *s, double v) {
        if (!isfinite(v))
                return -ERANGE;
        if ((s->type == SETTING_UINT32 || s->type == SETTING_SIZE) && v != trunc(v))
                return -EDOM;
        return v < s->min || v > s->max || (s->flags & SETTING_POSITIVE && v <= s->min) ? -ERANGE : 0;
}

int setting_set_number(const Setting *s, void *base, double v) {
        if (s->flags & SETTING_RATIO_TOO && v > 0 && v <= 1) {
                *(double *) setting_place(s, base) = v;
                return 0;
        }

        int r = setting_check_number(s, v);
        if (r < 0)
                return r;
        store(s, base, v);
        return 0;
}

int setting_set_string(const Setting *s, void *base, const char *v) {
        void *p = setting_place(s, base);

        if (s->type == SETTING_ENUM) {
                int value = enum_from_string(s->names, v);

                if (value < 0)
                        return -EINVAL;
                *(int *) p = value;
                return 0;
        }

        char *copy = strdup(v);
        if (!copy)
                return -ENOMEM;
        free(*(char **) p);
        *(char **) p = copy;
        return 0;
}

double setting_get_number(const Setting *s, const void *base) {
        const void *p = setting_place(s, base);

        switch (s->type) {
        case SETTING_UINT32:
                return *(const uint32_t *) p;
        case SETTING_SIZE:
                return (double) *(const size_t *) p;
        case SETTING_MONEY:
                return *(const Money *) p == MONEY_UNSET ? NAN : (double) *(const Money *) p / MONEY_PER_DOLLAR;
        case SETTING_PERCENT:
                return *(const double *) p * 100;
        case SETTING_DOUBLE:
                return *(const double *) p;
        case SETTING_SECONDS:
        case SETTING_MILLISECONDS:
                return (double) *(const uint64_t *) p / scale(s);
        default:
                return NAN;
        }
}

static size_t names_count(char *const *names) {
        size_t n = 0;

        while (names && names[n])
                n++;
        return n;
}

static char **names_free(char **names) {
        for (size_t i = 0; names && names[i]; i++)
                free(names[i]);
        free(names);
        return NULL;
}

static char **names_copy(const char *const *names, size_t n) {
        char **copy = calloc(n + 1, sizeof(char *));

        for (size_t i = 0; copy && i < n; i++)
                if (!(copy[i] = strdup(names[i])))
                        return names_free(copy);
        return copy;
}

int setting_set_names(const Setting *s, void *base, const char *const *names, size_t n) {
        char ***p = setting_place(s, base), **copy = names_copy(names, n);

        if (!copy)
                return -ENOMEM;
        names_free(*p);
        *p = copy;
        return 0;
}

int setting_own(const Setting *s, void *base) {
        void **p = setting_place(s, base);

        if ((s->type != SETTING_NAMES && s->type != SETTING_STRING) || !*p)
                return 0;
        *p = s->type == SETTING_STRING ? (void *) strdup(*p) : names_copy(*p, names_count(*p));
        return *p ? 0 : -ENOMEM;
}

void setting_done(const Setting *s, void *base) {
        char **p = setting_place(s, base);

        if (s->type == SETTING_NAMES)
                *(char ***) p = names_free(*(char ***) p);
        if (s->type == SETTING_STRING) {
                free(*p);
                *p = NULL;
        }
}

const char *setting_format_number(double v, char buffer[SETTING_TEXT_MAX]) {
        int n = snprintf(buffer, SETTING_TEXT_MAX, "%.6f", v);

        while (n > 0 && buffer[n - 1] == '0')
                buffer[--n] = '\0';
        if (n > 0 && buffer[n - 1] == '.')
                buffer[--n] = '\0';
        if (streq(buffer, "-0"))
                memmove(buffer, buffer + 1, 2);
        return buffer;
}

/* Appends to what is in buffer; what does not fit is cut. */
static void append(char buffer[SETTING_TEXT_MAX], const char *separator, const char *text) {
        size_t n = strlen(buffer);

        snprintf(buffer + n, SETTING_TEXT_MAX - n, "%s%s", n > 0 ? separator : "", text);
}

const char *setting_allowed(const Setting *s, char buffer[SETTING_TEXT_MAX]) {
        static const char *const simple[_SETTING_TYPE_MAX] = {
                [SETTING_STRING] = "a string",
                [SETTING_NAMES] = "a list of strings",
                [SETTING_BOOL] = "true or false",
                [SETTING_PRICE_TIERS] = "a list of groups { up_to, price }",
                [SETTING_OPTIONS] = "a group of strings",
                [SETTING_NODES] = "a group with a group for each node",
                [SETTING_SERVICES] = "a group with a group for each service",
        };
        char number[SETTING_TEXT_MAX];

        buffer[0] = '\0';
        if (simple[s->type]) {
                append(buffer, "", simple[s->type]);
        } else if (s->type == SETTING_ENUM) {
                for (int i = 0; i < s->names->n; i++) {
                        append(buffer, "", i > 0 ? ", " : "one of ");
                        append(buffer, "", s->names->names[i]);
                }
        } else {
                append(buffer, "",
                       s->type == SETTING_UINT32 || s->type == SETTING_SIZE ? "a whole number" : "a number");
                append(buffer, s->flags & SETTING_POSITIVE ? " above " : " from ",
                       setting_format_number(s->min, number));
                append(buffer, s->flags & SETTING_POSITIVE ? " up to " : " to ", setting_format_number(s->max, number));
                if (s->unit) {
                        append(buffer, " (", s->unit);
                        append(buffer, "", ")");
                }
        }
        return buffer;
}

const char *setting_format(const Setting *s, const void *base, char buffer[SETTING_TEXT_MAX]) {
        const void *p = setting_place(s, base);

        buffer[0] = '\0';
        switch (s->type) {
        case SETTING_STRING:
                append(buffer, "", *(char *const *) p ?: "");
                break;
        case SETTING_NAMES:
                for (char *const *n = *(char *const *const *) p; n && *n; n++)
                        append(buffer, ", ", *n);
                break;
        case SETTING_ENUM:
                append(buffer, "", enum_to_string(s->names, *(const int *) p) ?: "");
                break;
        case SETTING_BOOL:
                append(buffer, "", *(const bool *) p ? "true" : "false");
                break;
        default:
                if (setting_is_number(s) && !isnan(setting_get_number(s, base)))
                        setting_format_number(setting_get_number(s, base), buffer);
        }
        return buffer;
}
