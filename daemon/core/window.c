/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/window.h"

#include <string.h>

#include "basic/units.h"

void window_advance(Window *w, uint64_t now_ns) {
        uint64_t second = now_ns / NSEC_PER_SEC;

        if (second <= w->second)
                return;
        if (second - w->second >= WINDOW_SECONDS) {
                memset(w, 0, sizeof(*w));
                w->second = second;
                return;
        }
        while (w->second < second) {
                uint32_t *oldest = w->seconds[++w->second % WINDOW_SECONDS];

                for (int f = 0; f < _WINDOW_FIELD_MAX; f++)
                        w->minute[f] -= oldest[f];
                memset(oldest, 0, sizeof(w->seconds[0]));
        }
}

void window_add(Window *w, WindowField field, uint64_t now_ns) {
        window_advance(w, now_ns);
        w->seconds[w->second % WINDOW_SECONDS][field]++;
        w->minute[field]++;
}

uint32_t window_sum(Window *w, WindowField field, unsigned seconds, uint64_t now_ns) {
        uint32_t sum = 0;

        window_advance(w, now_ns);
        if (seconds >= WINDOW_SECONDS)
                return w->minute[field];
        for (unsigned i = 0; i < seconds && i <= w->second; i++)
                sum += w->seconds[(w->second - i) % WINDOW_SECONDS][field];
        return sum;
}

void window_forget(Window *w) {
        for (int f = 0; f < _WINDOW_FIELD_MAX; f++) {
                if (f == WINDOW_DECISIONS)
                        continue;
                for (int i = 0; i < WINDOW_SECONDS; i++)
                        w->seconds[i][f] = 0;
                w->minute[f] = 0;
        }
}
