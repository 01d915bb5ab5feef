/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/price.h"

#include "basic/macro.h"
#include "daemon/core/budget.h"

Money price_units(Money price, Units units) {
        __int128 v = ((__int128) price * units + UNITS_ONE - 1) / UNITS_ONE;

        return v > MONEY_MAX ? MONEY_MAX : (Money) v;
}

static Money price_tiers(const NodeSettings *n, Units used, Units units) {
        Money cost = 0;

        for (size_t i = 0; i < n->n_price_tiers && units > 0; i++) {
                const PriceTier *t = &n->price_tiers[i];
                bool last = i == n->n_price_tiers - 1;
                Units end = last || t->up_to > INT64_MAX / UNITS_ONE ? INT64_MAX : t->up_to * UNITS_ONE;
                Units part;

                if (used >= end && !last)
                        continue;
                part = last ? units : MIN(units, end - used);
                cost = money_add(cost, price_units(t->price, part));
                used += part;
                units -= part;
        }
        return MIN(cost, MONEY_MAX);
}

Money price_call(const NodeSettings *n, const struct pm_operation *op, Units used, Units units) {
        if (n->n_price_tiers > 0)
                return price_tiers(n, used, units);
        if (n->cost_per_request != MONEY_UNSET)
                return price_units(n->cost_per_request, units);
        if (!op || op->price < 0)
                return 0;
        if (op->free_units > 0) {
                Units quota = op->free_units > INT64_MAX / UNITS_ONE ? INT64_MAX : op->free_units * UNITS_ONE;

                units -= MIN(units, MAX(quota - used, (Units) 0));
        }
        return price_units(op->price, units);
}
