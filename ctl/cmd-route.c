/* SPDX-License-Identifier: Apache-2.0 */
/* route, report, fallback. */
#include "ctl/ctl.h"
#include "ctl/table.h"

static void print_candidates(Ctl *c, const json_t *candidates) {
        static const Column columns[] = {
                { "CANDIDATE", "node", FORMAT_TEXT, 0 },
                { "SCORE", "score", FORMAT_RATIO, 0 },
                { "COST", "cost", FORMAT_MONEY, 0 },
                { "LEFT OUT BECAUSE", "excluded", FORMAT_PROSE, 0 },
        };
        if (json_array_size(candidates) == 0)
                return;
        fputc('\n', c->out.file);
        print_table(&c->out, candidates, columns, ELEMENTSOF(columns));
}

void print_decision(Ctl *c, const json_t *reply) {
        static const Column failed_call[] = {
                { "Failed call", "verdict", FORMAT_WORD },
                { "Spent so far", "costAssessment.spent", FORMAT_MONEY },
                { "Additional", "costAssessment.additional", FORMAT_MONEY },
                { "Left this hour", "costAssessment.remainingHour", FORMAT_MONEY },
        };
        static const Column decision[] = {
                { "Node", "node", FORMAT_TEXT },
                { "URL", "url", FORMAT_TEXT },
                { "Decision", "id", FORMAT_TEXT },
                { "Provider", "provider", FORMAT_TEXT },
                { "Region", "region", FORMAT_TEXT, 1 },
                { "Cost", "estimatedCost", FORMAT_MONEY },
                { "Cost tier", "costTier", FORMAT_WORD },
                { "Strategy", "strategy", FORMAT_TEXT },
                { "Confidence", "confidence", FORMAT_RATIO },
                { "Reason", "reason", FORMAT_PROSE, 1 },
                { "Degraded", "degraded", FORMAT_TEXT, 1 },
                { "Wait before", "retryAfterMs", FORMAT_DURATION, 1 },
                { "Scenario", "scenario", FORMAT_TEXT, 1 },
                { "Fallbacks", "fallbacks", FORMAT_PROSE, 1 },
                { "Report within", "expiresInMs", FORMAT_DURATION },
        };
        if (json_at(reply, "verdict")) {
                print_fields(&c->out, reply, failed_call, ELEMENTSOF(failed_call));
                fputc('\n', c->out.file);
        }
        print_fields(&c->out, json_at(reply, "decision"), decision, ELEMENTSOF(decision));
        print_candidates(c, json_at(reply, "decision.candidates"));
}

void print_report(Ctl *c, const json_t *reply) {
        static const Column fields[] = {
                { "Verdict", "verdict", FORMAT_WORD },
                { "Reason", "reason", FORMAT_PROSE, 1 },
                { "Cost", "settledCost", FORMAT_MONEY },
                { "Retryable", "retryable", FORMAT_TEXT },
                { "Retry after", "retryAfterMs", FORMAT_DURATION, 1 },
        };
        print_fields(&c->out, reply, fields, ELEMENTSOF(fields));
}
