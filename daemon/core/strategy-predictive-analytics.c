/* SPDX-License-Identifier: Apache-2.0 */
/* Away from a node before it fails: by weight among those that are forecast to hold. */
#include "basic/macro.h"
#include "daemon/core/strategy.h"

uint32_t choose_predictive_analytics(Choice *c) {
        uint32_t chosen = choose_health_based(c);

        c->cause = "drawn by weight and health, since no forecast has proved itself yet";
        return chosen;
}
