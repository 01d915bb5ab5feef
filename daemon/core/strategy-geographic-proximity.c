/* SPDX-License-Identifier: Apache-2.0 */
/* The nearest node: what the distance lets one expect, giving way to what was measured. */
#include <math.h>

#include "basic/macro.h"
#include "daemon/core/strategy.h"

#define EARTH_RADIUS_KM 6371.0
/* There and back in fibre at 200 km/ms, on paths half as long again as the great circle, and some work at the far end.
 * */
#define NSEC_PER_KM (2 * 1.5 * 1e6 / 200)
#define SERVER_NS 20e6
/* So many recent calls make the measurement count as much as the map. */
#define CALLS_EQUAL 10

/* What the map lets one expect of the path, without what is added at its ends; NAN: a place is unknown. */
static double path_ns(const Choice *c, const NodeHot *h) {
        if ((c->x == 0 && c->y == 0 && c->z == 0) || (h->x == 0 && h->y == 0 && h->z == 0))
                return NAN;
        return acos(CLAMP(c->x * h->x + c->y * h->y + c->z * h->z, -1.0, 1.0)) * EARTH_RADIUS_KM * NSEC_PER_KM;
}

/* Calls whose answers were measured lately. */
static double measured(const NodeHot *h) {
        return h->answer_ns > 0 ? (double) h->evidence : 0;
}

uint32_t choose_geographic_proximity(Choice *c) {
        /* What distance does not explain (the uplink, the work at the far end) is learnt from all nodes together, lest
         * one that was not asked lately, and of which there is but the map, look better than one that is known. */
        double calls = CALLS_EQUAL, rest = SERVER_NS * CALLS_EQUAL;
        bool known = false;

        for (uint32_t i = 0; i < c->n; i++) {
                const NodeHot *h = choice_hot(c, i);
                double path = path_ns(c, h);

                if (isnan(path))
                        continue;
                known = true;
                calls += measured(h);
                rest += measured(h) * (h->answer_ns - path);
        }
        for (uint32_t i = 0; i < c->n; i++) {
                const NodeHot *h = choice_hot(c, i);
                double path = path_ns(c, h), expected = choice_latency_ns(c, h), m = measured(h);

                if (!isnan(path))
                        expected = ((path + MAX(rest / calls, 0.0)) * CALLS_EQUAL + h->answer_ns * m) /
                                   (CALLS_EQUAL + m);
                c->score[i] = (double) h->success / MAX(expected, 1.0);
        }
        c->cause = known ? "nearest to the caller" : "shortest expected response, since the caller's place is unknown";
        return choice_best(c);
}
