# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks in Python share: processor time, and the latency of decisions with and without something else going on.

The latency is measured in many short rounds, in blocks of three in a random order: two without it and one with. The ratio of the
two without is the control: what the machine and chance do by themselves. Given are the medians of the ratios within a block, and
the middle half of them; and the ratio of the lower quartiles, of the rounds that were disturbed least. Where there is a peer, a
fourth round of a block is with the peer: what of the difference is not ours."""

import argparse
import glob
import os
import pathlib
import random
import statistics
import subprocess
import time

SETTLE = 0.3  # s, before a round


def be_nice():
    """All of it alike, before what else the machine does; where one may."""
    try:
        os.nice(-15)
    except PermissionError:
        pass


def processor_time(pid):
    """Seconds, of all its threads, since it began."""
    total = 0
    for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        with open(path, encoding="ascii") as f:
            total += int(f.read().split()[0])
    return total / 1e9


def rounded(value):
    """For JSON."""
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    return [rounded(v) for v in value] if isinstance(value, (list, tuple)) else round(value, 3) if isinstance(value, float) else value


class Caller:
    def __init__(self, build, socket):
        self.process = subprocess.Popen([os.path.join(build, "bench", "caller"), socket], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def round(self, seconds, rate):
        """p50 and p99 in µs."""
        self.process.stdin.write(f"{seconds} {rate}\n")
        self.process.stdin.flush()
        return [float(x) for x in self.process.stdout.readline().split()[1:3]]

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


def middle_half(values):
    q = statistics.quantiles(values, n=4)
    return [statistics.median(values), q[0], q[2]]


def lower_quartile(values):
    return statistics.quantiles(values, n=4)[0]


def latencies(o, socket, start, start_peer=None):
    """Of decisions of the service "bench" while what start() returns runs, and while it does not. o: build, blocks, round, rate."""
    caller, order = Caller(o.build, socket), random.Random(1)
    starts = {"a": None, "b": None, "with": start} | ({"peer": start_peer} if start_peer else {})
    rounds = {kind: [] for kind in starts}
    for _ in range(o.blocks):
        for kind in order.sample(list(starts), len(starts)):
            running = starts[kind]() if starts[kind] else None
            time.sleep(SETTLE)
            rounds[kind].append(caller.round(o.round, o.rate))
            if running:
                running.stop()
    caller.stop()
    result = {}
    for i, name in enumerate(("p50", "p99")):
        a, b, with_ = ([r[i] for r in rounds[kind]] for kind in ("a", "b", "with"))
        usual = [(x + y) / 2 for x, y in zip(a, b)]
        result |= {name + "WithoutUs": statistics.median(usual),
                   name + "Ratio": middle_half([x / y for x, y in zip(with_, usual)]), name + "Control": middle_half([x / y for x, y in zip(a, b)]),
                   name + "QuietRatio": lower_quartile(with_) / lower_quartile(a + b), name + "QuietControl": lower_quartile(a) / lower_quartile(b)}
        if start_peer:
            result[name + "PeerRatio"] = middle_half([x / y[i] for x, y in zip(with_, rounds["peer"])])
    return result


def print_latencies(r, what, peer=None):
    for name in ("p50", "p99"):
        ratio, control = r[name + "Ratio"], r[name + "Control"]
        print(f"decision {name}: {r[name + 'WithoutUs']:.0f} µs without {what}; with them ×{ratio[0]:.3f} ({ratio[1]:.3f}–{ratio[2]:.3f}),"
              f" control ×{control[0]:.3f} ({control[1]:.3f}–{control[2]:.3f}); undisturbed ×{r[name + 'QuietRatio']:.3f},"
              f" control ×{r[name + 'QuietControl']:.3f}")
        if peer:
            print("  against {peer} ×{0:.3f} ({1:.3f}–{2:.3f})".format(*r[name + "PeerRatio"], peer=peer))


def at_least_two(text):
    if int(text) < 2:
        raise argparse.ArgumentTypeError("at least 2, as fewer have no middle half")
    return int(text)


def add_arguments(parser, blocks, seconds):
    """Those of latencies(), and what every benchmark takes."""
    parser.add_argument("--blocks", type=at_least_two, default=blocks, help="of rounds of each kind (default: %(default)s)")
    parser.add_argument("--round", type=float, default=seconds, help="s (default: %(default)s)")
    parser.add_argument("--rate", type=int, default=1000, help="decisions a second; 0: one after the other (default: %(default)s)")
    parser.add_argument("--build", default=str(pathlib.Path(__file__).resolve().parents[1] / "build"),
                        help="where the programs are (default: %(default)s)")
    parser.add_argument("--json", action="store_true")
