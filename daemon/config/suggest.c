/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config/suggest.h"

#include <ctype.h>

#include "basic/macro.h"

#define WORD_MAX 48

/* maxCostPerHour and MAX-COST-PER-HOUR are the same word as max_cost_per_hour. Longer words are cut. */
static size_t fold(const char *s, size_t n, char ret[WORD_MAX]) {
        size_t k = 0;

        for (size_t i = 0; i < n && k < WORD_MAX; i++)
                if (isalnum((unsigned char) s[i]))
                        ret[k++] = (char) tolower((unsigned char) s[i]);
        return k;
}

/* Levenshtein: letters to add, drop or change to make one of the other. */
static unsigned distance(const char *a, size_t n, const char *b, size_t m) {
        unsigned row[WORD_MAX + 1];

        for (size_t k = 0; k <= m; k++)
                row[k] = (unsigned) k;
        for (size_t i = 1; i <= n; i++) {
                unsigned diagonal = row[0];

                row[0] = (unsigned) i;
                for (size_t k = 1; k <= m; k++) {
                        unsigned best = MIN(MIN(row[k], row[k - 1]) + 1, diagonal + (a[i - 1] != b[k - 1]));

                        diagonal = row[k];
                        row[k] = best;
                }
        }
        return row[m];
}

/* The part of a row's name that belongs into the group, up to the next dot; NULL: the row is elsewhere. */
static const char *part_in(const Setting *s, const char *group, size_t *ret_n) {
        size_t n = strlen(group);

        if (strncmp(s->name, group, n) != 0 || (n > 0 && s->name[n] != '.'))
                return NULL;
        const char *part = s->name + n + (n > 0);
        *ret_n = strcspn(part, ".");
        return part;
}

static const char *list(const SettingTable *t, const char *group, char buffer[SETTING_TEXT_MAX]) {
        const char *last = "";
        size_t last_n = 0, used = (size_t) snprintf(buffer, SETTING_TEXT_MAX, "allowed here: "), n;

        for (size_t i = 0; i < t->n && used < SETTING_TEXT_MAX; i++) {
                const char *part = part_in(t->rows + i, group, &n);

                /* The rows of one group stand together in the table. */
                if (!part || (n == last_n && strncmp(part, last, n) == 0))
                        continue;
                used += (size_t) snprintf(buffer + used, SETTING_TEXT_MAX - used, "%s%.*s", last_n > 0 ? ", " : "",
                                          (int) n, part);
                last = part;
                last_n = n;
        }
        return buffer;
}

const char *suggest(const SettingTable *t, const char *group, const char *name, char buffer[SETTING_TEXT_MAX]) {
        char word[WORD_MAX], other[WORD_MAX];
        size_t n = fold(name, strlen(name), word), best_n = 0, m;
        unsigned nearest = (unsigned) n / 3 + 1;
        const char *best = NULL;

        for (size_t i = 0; i < t->n; i++) {
                const char *part = part_in(t->rows + i, group, &m), *dot = strrchr(t->rows[i].name, '.');
                unsigned d = part ? distance(word, n, other, fold(part, m, other)) : UINT32_MAX;

                if (d < nearest) {
                        nearest = d;
                        best = part;
                        best_n = m;
                }
                /* The right name in the wrong group. */
                d = dot ? distance(word, n, other, fold(dot + 1, strlen(dot + 1), other)) : UINT32_MAX;
                if (d < nearest) {
                        nearest = d;
                        best = t->rows[i].name;
                        best_n = strlen(best);
                }
        }
        if (!best)
                return list(t, group, buffer);
        snprintf(buffer, SETTING_TEXT_MAX, "did you mean %.*s?", (int) best_n, best);
        return buffer;
}
