# SPDX-License-Identifier: Apache-2.0
"""What the show prints: a table that stays in place on a terminal, a line a second elsewhere."""

import sys
import time

COLOURS = {"healthy": 32, "closed": 32, "degraded": 33, "half_open": 33, "unhealthy": 31, "open": 31}


def clock(seconds):
    return f"{int(seconds) // 60:02}:{int(seconds) % 60:02}"


class View:
    def __init__(self, out=sys.stdout):
        self.out, self.live = out, out.isatty()
        self.start, self.height = time.monotonic(), 0

    def say(self, text):
        """Words that stay; the table begins anew below them."""
        print(text, file=self.out, flush=True)
        self.height = 0

    def _coloured(self, word, width):
        return f"\x1b[{COLOURS.get(word, 0)}m{word:<{width}}\x1b[0m" if self.live else f"{word:<{width}}"

    def update(self, scene, traffic, services):
        at = clock(time.monotonic() - self.start)
        totals = f"calls ok {traffic.ok}, saved by fallback {traffic.saved}, failed {traffic.failed}"
        shares = traffic.shares()
        if not self.live:
            parts = [" ".join(f"{n['node']} {shares[n['node']]:.0%}" for n in s["nodes"]) for s in services]
            self.say(f"{at} {scene}: {'; '.join(parts)}; {totals}")
            return
        lines = [f"pointsman  {at}  \x1b[1m{scene}\x1b[0m", totals, "",
                 f"{'NODE':<20} {'SHARE':>6} {'HEALTH':<13} {'CIRCUIT':<10} {'SUCCESS':>7} {'P95 MS':>7} {'SPEND $':>8}"]
        for s in services:
            for n in s["nodes"]:
                lines.append(f"{n['node']:<20} {shares[n['node']]:>6.1%} {n['healthScore']:>3.0f} {self._coloured(n['health'], 9)} "
                             f"{self._coloured(n['circuit'], 10)} {n['successRate']:>7.1%} {n['latencyP95Ms']:>7.1f} {n['spendHour']:>8.3f}")
        up = f"\x1b[{self.height}A\x1b[J" if self.height else ""
        self.out.write(up + "\n".join(lines) + "\n")
        self.out.flush()
        self.height = len(lines)
