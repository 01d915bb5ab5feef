/* SPDX-License-Identifier: Apache-2.0 */
/* What an answer means, as the operator writes it: a status, perhaps a place in the body, and what follows. */
#include <ctype.h>

#include "plugins/generic/generic.h"

/* So much of a reason fits beside the status, a code and the request's id. */
#define REASON_MAX 80

/* What can be said, how far it reaches if the rule does not say, and why. */
static const struct {
        const char *name;
        enum pm_scope scope;
        bool retryable;
        const char *reason;
} verdicts[] = {
        [PM_OK] = { "ok", PM_SCOPE_NODE, false, NULL },
        [PM_CLIENT_ERROR] = { "client_error", PM_SCOPE_NODE, false, "the request was refused" },
        [PM_SERVICE_UNAVAILABLE] = { "service_unavailable", PM_SCOPE_NODE, true, "the vendor failed" },
        [PM_RATE_LIMIT_EXCEEDED] = { "rate_limit_exceeded", PM_SCOPE_NODE, true, "too many requests" },
        [PM_AUTHENTICATION_FAILURE] = { "authentication_failure", PM_SCOPE_ACCOUNT, true,
                                        "the credential is missing, wrong or does not allow this" },
        [PM_NETWORK_ISSUE] = { "network_issue", PM_SCOPE_NODE, true, "something on the way answered" },
        [PM_DATA_CORRUPTION] = { "data_corruption", PM_SCOPE_NODE, true, "the answer is not what was asked for" },
        [PM_BUDGET_EXHAUSTED] = { "budget_exhausted", PM_SCOPE_ACCOUNT, true, "the account is over its limit" },
};

static bool read_verdict(const char *word, enum pm_verdict *ret) {
        for (size_t i = 0; i < ELEMENTSOF(verdicts); i++)
                if (verdicts[i].name && streq(word, verdicts[i].name)) {
                        *ret = (enum pm_verdict) i;
                        return true;
                }
        return false;
}

bool read_scope(const char *word, enum pm_scope *ret) {
        static const char *const names[] = { "node", "operation", "account" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (streq(word, names[i])) {
                        *ret = (enum pm_scope) i;
                        return true;
                }
        return false;
}

/* Three digits, or one and "xx". */
static bool read_status(const char **p, int *ret_from, int *ret_to) {
        const char *s = *p;

        if (s[0] < '2' || s[0] > '5')
                return false;
        *ret_from = (s[0] - '0') * 100;
        *ret_to = *ret_from + 99;
        if (s[1] == 'x' && s[2] == 'x') {
                *p += 3;
                return true;
        }
        if (!isdigit((unsigned char) s[1]) || !isdigit((unsigned char) s[2]))
                return false;
        *ret_from = *ret_to = *ret_from + (s[1] - '0') * 10 + (s[2] - '0');
        *p += 3;
        return true;
}

/* "429", "4xx", "500-504", "4xx-5xx" */
static bool read_statuses(const char *word, Rule *rule) {
        int from;

        if (!read_status(&word, &rule->from, &rule->to))
                return false;
        if (*word != '-')
                return !*word;
        word++;
        return read_status(&word, &from, &rule->to) && !*word && rule->from <= from;
}

/* Takes the escapes out of one part of a pointer, in place. */
static bool unescape(char *part) {
        char *to = part;

        for (const char *from = part; *from; from++) {
                if (*from == '~' && from[1] != '0' && from[1] != '1')
                        return false;
                if (*from != '~')
                        *to++ = *from;
                else
                        *to++ = *++from == '0' ? '~' : '/';
        }
        *to = 0;
        return true;
}

static bool same_path(const Field *a, const Field *b) {
        for (size_t i = 0; a->path[i] || b->path[i]; i++)
                if (!a->path[i] || !b->path[i] || !streq(a->path[i], b->path[i]))
                        return false;
        return true;
}

unsigned read_pointer(Making *m, char *pointer) {
        Generic *g = m->generic;
        Field field = {};
        size_t depth = 0;

        if (pointer[0] != '/')
                return complain(m, "has %.64s where a JSON pointer like /error/code must be", pointer);
        for (char *rest = pointer + 1, *part; (part = strsep(&rest, "/"));) {
                if (depth == FIELD_DEPTH_MAX)
                        return complain(m, "has a JSON pointer of more than %d parts", FIELD_DEPTH_MAX);
                if (!unescape(part))
                        return complain(m, "has ~ in a JSON pointer; must be written ~0, and / in a name ~1");
                field.path[depth++] = part;
        }
        for (size_t i = 0; i < g->n_fields; i++)
                if (same_path(&field, &g->fields[i]))
                        return g->fields[i].id;
        if (g->n_ids + 1 == FIELD_IDS_MAX)
                return complain(m, "is one JSON pointer too many; all options together may have %d", FIELD_IDS_MAX - 1);
        field.id = ++g->n_ids;
        g->fields[g->n_fields++] = field;
        return field.id;
}

/* What stands before the arrow. */
static bool read_condition(Making *m, char *text, Rule *rule) {
        static const struct { const char *sign; Match match; } signs[] = {
                { "=", MATCH_EQUAL }, { "^=", MATCH_PREFIX }, { "~=", MATCH_TEXT },
        };
        const char *word = next_word(&text);
        char *pointer;

        if (!word || !read_statuses(word, rule))
                return complain(m, "must begin with a status: 429, 4xx or 500-504");
        pointer = next_word(&text);
        if (!pointer)
                return true;
        rule->field = read_pointer(m, pointer);
        if (rule->field == 0)
                return false;
        rule->match = MATCH_PRESENT;
        word = next_word(&text);
        if (!word)
                return true;
        for (size_t i = 0; i < ELEMENTSOF(signs); i++)
                if (streq(word, signs[i].sign)) {
                        rule->match = signs[i].match;
                        rule->value = text + strspn(text, " \t");
                        return *rule->value || complain(m, "lacks the value behind %s", word);
                }
        return complain(m, "has %.64s behind the JSON pointer; must be = (is), ^= (begins with) or ~= (contains)", word);
}

/* What stands behind it. */
static bool read_meaning(Making *m, char *text, Rule *rule) {
        char *reason = strchr(text, ':'), *word;
        bool scoped = false;

        if (reason) {
                *reason++ = 0;
                reason += strspn(reason, " \t");
                if (!*reason || strlen(reason) > REASON_MAX)
                        return complain(m, "has a reason behind : that is not 1 to %d bytes long", REASON_MAX);
        }
        word = next_word(&text);
        if (!word || !read_verdict(word, &rule->verdict))
                return complain(m, "must say behind -> what it means: ok, client_error, service_unavailable, rate_limit_exceeded, "
                                "authentication_failure, network_issue, data_corruption or budget_exhausted");
        rule->scope = verdicts[rule->verdict].scope;
        rule->retryable = verdicts[rule->verdict].retryable;
        rule->reason = rule->verdict == PM_OK ? NULL : reason ?: verdicts[rule->verdict].reason;
        while ((word = next_word(&text))) {
                if (streq(word, "retryable") || streq(word, "final"))
                        rule->retryable = streq(word, "retryable");
                else if (read_scope(word, &rule->scope))
                        scoped = true;
                else
                        return complain(m, "has %.64s; must be node, operation or account, and retryable or final", word);
        }
        if (rule->verdict == PM_RATE_LIMIT_EXCEEDED && !scoped)
                rule->scope = m->generic->vendor.limit_scope;
        return true;
}

bool read_rule(Making *m, char *text) {
        Generic *g = m->generic;
        char *arrow = strstr(text, "->");
        Rule rule = {};

        if (!arrow)
                return complain(m, "lacks ->; must be like: 4xx /error/code = quota -> budget_exhausted");
        /* A value may hold spaces, but does not end in them. */
        for (char *end = arrow; end >= text && (end == arrow || *end == ' ' || *end == '\t'); end--)
                *end = 0;
        if (!read_condition(m, text, &rule) || !read_meaning(m, arrow + 2, &rule))
                return false;
        g->rules[g->n_rules++] = rule;
        return true;
}
