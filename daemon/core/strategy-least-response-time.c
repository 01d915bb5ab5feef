/* SPDX-License-Identifier: Apache-2.0 */
/* The shortest time until a successful answer: expected latency × calls waiting ÷ probability of success. */
#include "basic/macro.h"
#include "daemon/core/strategy.h"

#define SUCCESS_FLOOR 0.1

uint32_t choose_least_response_time(Choice *c) {
        for (uint32_t i = 0; i < c->n; i++) {
                const NodeHot *h = choice_hot(c, i);

                c->score[i] =
                        MAX((double) h->success, SUCCESS_FLOOR) / (choice_latency_ns(c, h) * (h->in_flight + 1.0));
        }
        c->cause = "shortest expected response";
        return choice_best(c);
}
