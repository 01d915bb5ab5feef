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

uint32_t choose_geographic_proximity(Choice *c) {
        bool known = c->x != 0 || c->y != 0 || c->z != 0;

        for (uint32_t i = 0; i < c->n; i++) {
                const NodeHot *h = choice_hot(c, i);
                double expected = choice_latency_ns(c, h);

                if (known && (h->x != 0 || h->y != 0 || h->z != 0)) {
                        double cosine = CLAMP(c->x * h->x + c->y * h->y + c->z * h->z, -1.0, 1.0);
                        double map = acos(cosine) * EARTH_RADIUS_KM * NSEC_PER_KM + SERVER_NS;
                        double calls = h->latency_ns > 0 ? h->evidence : 0;

                        expected = (map * CALLS_EQUAL + expected * calls) / (CALLS_EQUAL + calls);
                }
                c->score[i] = (double) h->success / MAX(expected, 1.0);
        }
        c->cause = known ? "nearest to the caller" : "shortest expected response, since the caller's place is unknown";
        return choice_best(c);
}
