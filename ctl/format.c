/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <math.h>
#include <time.h>

#include "basic/macro.h"
#include "ctl/table.h"

const json_t *json_at(const json_t *object, const char *path) {
        while (object && path) {
                const char *dot = strchrnul(path, '.');
                object = json_object_getn(object, path, (size_t) (dot - path));
                path = *dot ? dot + 1 : NULL;
        }
        return object;
}

const char *json_text_at(const json_t *object, const char *path) {
        return json_string_value(json_at(object, path)) ?: "";
}

static Style style_of_word(const char *word) {
        static const struct { const char *word; Style style; } styles[] = {
                { "healthy", STYLE_GOOD }, { "ok", STYLE_GOOD }, { "resolved", STYLE_GOOD },
                { "degraded", STYLE_WARNING }, { "half_open", STYLE_WARNING }, { "draining", STYLE_WARNING }, { "alert", STYLE_WARNING },
                { "elevated", STYLE_WARNING }, { "recovering", STYLE_WARNING }, { "medium", STYLE_WARNING }, { "detected", STYLE_WARNING },
                { "rate_limit_exceeded", STYLE_WARNING }, { "performance_degradation", STYLE_WARNING }, { "client_error", STYLE_WARNING },
                { "unhealthy", STYLE_BAD }, { "open", STYLE_BAD }, { "disabled", STYLE_BAD }, { "exhausted", STYLE_BAD },
                { "emergency", STYLE_BAD }, { "failing", STYLE_BAD }, { "active", STYLE_BAD }, { "escalated", STYLE_BAD },
                { "high", STYLE_BAD }, { "critical", STYLE_BAD }, { "service_unavailable", STYLE_BAD }, { "network_issue", STYLE_BAD },
                { "authentication_failure", STYLE_BAD }, { "data_corruption", STYLE_BAD }, { "budget_exhausted", STYLE_BAD },
                { "unknown", STYLE_DIM },
        };
        for (size_t i = 0; i < ELEMENTSOF(styles); i++)
                if (streq(word, styles[i].word))
                        return styles[i].style;
        return STYLE_PLAIN;
}

/* Up to six digits behind the point, as the daemon counts, but at least two, as people do. */
static void format_money(double v, char *s, size_t size) {
        char digits[48];

        snprintf(digits, sizeof(digits), "%.6f", fmin(fabs(v), 1e30));
        char *end = digits + strlen(digits), *least = strchr(digits, '.') + 3;
        while (end > least && end[-1] == '0')
                *--end = 0;
        snprintf(s, size, "%s$%s", v < 0 && strspn(digits, "0.") < strlen(digits) ? "-" : "", digits);
}

static void format_duration(double ms, char *s, size_t size) {
        if (fabs(ms) < 1000)
                snprintf(s, size, "%.3g ms", ms);
        else if (fabs(ms) < 120e3)
                snprintf(s, size, "%.1f s", ms / 1e3);
        else if (fabs(ms) < 2 * 3600e3)
                snprintf(s, size, "%.0f min", ms / 60e3);
        else if (fabs(ms) < 48 * 3600e3)
                snprintf(s, size, "%.1f h", ms / 3600e3);
        else
                snprintf(s, size, "%.1f days", ms / 86400e3);
}

static void format_number(double v, Format format, char *s, size_t size) {
        switch (format) {
        case FORMAT_MONEY:
                format_money(v, s, size);
                break;
        case FORMAT_PERCENT:
                /* 99.97 % must not read as 100.0 %. */
                snprintf(s, size, v > 0.999 && v < 1 ? "%.2f %%" : "%.1f %%", v > 0.999 && v < 1 ? MIN(v * 100, 99.99) : v * 100);
                break;
        case FORMAT_RATIO:
                snprintf(s, size, "%.2f", v);
                break;
        case FORMAT_RATE:
                snprintf(s, size, fabs(v) < 1000 ? "%.1f" : "%.0f", v);
                break;
        case FORMAT_SCORE:
                snprintf(s, size, "%.0f", v);
                break;
        case FORMAT_LATENCY:
                snprintf(s, size, fabs(v) < 100 ? "%.1f ms" : "%.0f ms", v);
                break;
        case FORMAT_DURATION:
                format_duration(v, s, size);
                break;
        default:
                snprintf(s, size, v == floor(v) && fabs(v) < 1e15 ? "%.0f" : "%.6g", v);
        }
}

static char *format_time(const char *rfc3339) {
        struct tm t = {}, today;
        time_t then, now = time(NULL);
        char s[64];

        const char *rest = strptime(rfc3339, "%Y-%m-%dT%H:%M:%S", &t);
        if (!rest)
                return text_copy(rfc3339);
        then = timegm(&t);
        localtime_r(&then, &t);
        localtime_r(&now, &today);
        strftime(s, sizeof(s), t.tm_year == today.tm_year && t.tm_yday == today.tm_yday ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &t);
        return text_copy(s);
}

static char *format_list(const json_t *list) {
        size_t i, size;
        char *text = NULL;
        json_t *v;

        FILE *f = open_memstream(&text, &size);
        if (!f)
                return NULL;
        json_array_foreach((json_t *) list, i, v) {
                Style style;
                char *s = format_value(v, FORMAT_TEXT, &style);
                fprintf(f, "%s%s", i > 0 ? ", " : "", s ?: "");
                free(s);
        }
        fclose(f);
        char *copy = text ? text_copy(text) : NULL;
        free(text);
        return copy;
}

static char *format_usable(const json_t *nodes, Style *ret_style) {
        size_t i, usable = 0, all = json_array_size(nodes);
        json_t *node;
        char s[32];

        json_array_foreach((json_t *) nodes, i, node)
                usable += streq(json_text_at(node, "administrativeState"), "enabled") && !streq(json_text_at(node, "circuit"), "open") &&
                          !streq(json_text_at(node, "health"), "unhealthy");
        snprintf(s, sizeof(s), "%zu/%zu", usable, all);
        *ret_style = usable == all ? STYLE_GOOD : usable > 0 ? STYLE_WARNING : STYLE_BAD;
        return text_copy(s);
}

char *format_value(const json_t *value, Format format, Style *ret_style) {
        *ret_style = STYLE_PLAIN;
        if (!value || json_is_null(value)) {
                *ret_style = STYLE_DIM;
                return text_copy("-");
        }
        if (json_is_array(value) && format == FORMAT_USABLE)
                return format_usable(value, ret_style);
        if (json_is_array(value))
                return json_array_size(value) > 0 ? format_list(value) : format_value(NULL, format, ret_style);
        if (json_is_string(value)) {
                const char *s = json_string_value(value);
                if (format == FORMAT_WORD)
                        *ret_style = style_of_word(s);
                if (format == FORMAT_TIME)
                        return format_time(s);
                return text_clean(s, json_string_length(value), false);
        }
        if (json_is_number(value)) {
                char s[64];
                /* Not measured, or nothing to wait for. */
                if (json_number_value(value) == 0 && (format == FORMAT_LATENCY || format == FORMAT_DURATION))
                        return format_value(NULL, format, ret_style);
                format_number(json_number_value(value), format, s, sizeof(s));
                return text_copy(s);
        }
        if (json_is_boolean(value))
                return text_copy(json_is_true(value) ? "yes" : "no");

        _cleanup_free_ char *text = json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(15));
        return text ? text_copy(text) : NULL;
}

static bool ends_with(const char *s, const char *end) {
        size_t n = strlen(s), k = strlen(end);
        return n >= k && streq(s + n - k, end);
}

Format format_of_field(const char *name) {
        static const char *const money[] = { "cost", "spend", "spent", "price", "budget", "revenue", "savings", "saving", "remaining", "limit" };

        if (strchr(name, '_')) /* no field, but a value that is counted: "COST_OPTIMIZED" */
                return FORMAT_COUNT;
        if (ends_with(name, "Ms"))
                return FORMAT_DURATION;
        if (ends_with(name, "At") || ends_with(name, "Since") || streq(name, "since") || streq(name, "time") ||
            streq(name, "from") || streq(name, "to") || streq(name, "start"))
                return FORMAT_TIME;
        if (ends_with(name, "Rate") || ends_with(name, "Ratio") || ends_with(name, "share") || ends_with(name, "Share"))
                return FORMAT_PERCENT;
        if (streq(name, "text") || streq(name, "message") || streq(name, "reason"))
                return FORMAT_PROSE;
        if (ends_with(name, "Threshold") || ends_with(name, "Count") || ends_with(name, "Calls") || ends_with(name, "Percent"))
                return FORMAT_COUNT;
        if (streq(name, "normal") || streq(name, "elevated") || streq(name, "emergency")) /* cost tiers */
                return FORMAT_MONEY;
        for (size_t i = 0; i < ELEMENTSOF(money); i++)
                if (strcasestr(name, money[i]))
                        return FORMAT_MONEY;
        return FORMAT_WORD;
}
