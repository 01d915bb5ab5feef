/* SPDX-License-Identifier: Apache-2.0 */
/* What a call costs now: the operator's price, volume tiers and free quotas over a calendar month. */
#pragma once

#include "daemon/core/settings.h"

/* A whole price × units that never passes what a field can hold. */
Money price_units(Money price, Units units);

/* Cost of units after used units of this month. A node with tiers goes by them; else by its own price; else by the
 * operation's. */
Money price_call(const NodeSettings *n, const struct pm_operation *op, Units used, Units units);
