/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/node.h"

#include "basic/macro.h"
#include "daemon/core/price.h"
#include "daemon/core/stats.h"

void node_month(Node *n, uint64_t utc_ns) {
        if (!meter_advance(&n->month, PERIOD_MONTHLY, utc_ns))
                return;
        n->used = 0;
        for (uint32_t i = 0; i <= n->n_operations; i++)
                n->operations[i].used = 0;
}

Money node_price(const Node *n, uint32_t operation, Units used, Units units) {
        return price_call(n->settings, node_operation(n, operation), used, units);
}

Units node_used(const Node *n, uint32_t operation) {
        return n->settings->n_price_tiers > 0 ? n->used : n->operations[operation].used;
}

const struct pm_operation *node_operation(const Node *n, uint32_t operation) {
        return operation > 0 && operation <= n->n_operations ? &n->settings->provider->operations[operation - 1] : NULL;
}

uint32_t node_find_operation(const Node *n, const char *name) {
        for (uint32_t i = 1; i <= n->n_operations; i++)
                if (streq(n->settings->provider->operations[i - 1].name, name))
                        return i;
        return 0;
}

void success_add(Success *s, bool good, uint64_t now_ns) {
        double w = decay(now_ns > s->at_ns ? now_ns - s->at_ns : 0, SUCCESS_TAU_NS);

        s->good = s->good * w + good;
        s->total = s->total * w + 1;
        s->at_ns = now_ns;
}

double success_evidence(const Success *s, uint64_t now_ns) {
        return s->total == 0 ? 0 : s->total * decay(now_ns > s->at_ns ? now_ns - s->at_ns : 0, SUCCESS_TAU_NS);
}
