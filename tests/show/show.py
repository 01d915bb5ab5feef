#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Starts all of pointsman in a temporary folder, sends real traffic through it while its providers fail and recover, and shows
what happens. Touches nothing outside that folder, and leaves nothing behind."""

import argparse
import contextlib
import pathlib
import signal
import shutil
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import faces  # noqa: E402
from caller import Traffic  # noqa: E402
from harness import parts  # noqa: E402
from harness.process import Failed, wait_for  # noqa: E402
from harness.varlink import Client  # noqa: E402
from view import View  # noqa: E402

RATES = {"maps": 30, "stripe": 12, "samsara": 8}  # calls a second
NODES = {"stripe": ["us-east", "us-west"], "samsara": ["us-central", "us-west"], "maps": ["mapbox", "google", "here"]}
# The story: from which part of the time, the words for it, and the faults that begin then.
SCENES = [
    (0.00, "calm", []),
    (0.10, "Mapbox is down", [("maps-mapbox", "outage")]),
    (0.40, "Mapbox is back", [("maps-mapbox", "ok")]),
    (0.65, "Stripe us-east limits the rate", [("stripe-us-east", "rate_limit")]),
    (0.80, "Stripe us-east is back", [("stripe-us-east", "ok")]),
]


def standin_name(service, node):
    return f"{service}-{node}"


def vendor(service, node):
    return node if service == "maps" else service


def configuration(urls, directory):
    """The shipped configuration, with a file in conf.d that says what differs: where the nodes are, shorter times, higher limits."""
    services = {}
    for service, nodes in NODES.items():
        services[service] = {
            "nodes": {n: {"url": urls[standin_name(service, n)]} for n in nodes},
            "load_balancing": {"health_check_interval": 1, "retry_backoff_ms": 200},
            "cost_constraints": {"max_cost_per_hour": 10000},
        }
    services["stripe"]["budget"] = {"total": 100000, "period": "daily"}
    path = pathlib.Path(directory, "pointsman.conf")
    shutil.copy(pathlib.Path(parts.SOURCE, "etc", "pointsman.conf"), path)
    pathlib.Path(directory, "conf.d").mkdir()
    pathlib.Path(directory, "conf.d", "show.conf").write_text(parts.libconfig_file({"services": services}), encoding="utf-8")
    return str(path)


@contextlib.contextmanager
def uninterrupted():
    """Ctrl-C waits until the end of the block."""
    pending = []
    before = signal.signal(signal.SIGINT, lambda number, _: pending.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pending:
        raise KeyboardInterrupt


class Stage:
    """All the processes. Each is stopped at the end, in the reverse order, however the end comes."""

    def __init__(self, build_dir, directory, view):
        self.build_dir, self.directory, self.view = build_dir, directory, view
        self.parts = []

    def _start(self, kind, *arguments, **details):
        # Between a child's start and its entry in the list nobody may interrupt, or nobody would end it.
        with uninterrupted():
            self.parts.append(kind(*arguments, **details))
        return self.parts[-1].wait_ready()

    def set(self):
        b, d = self.build_dir, self.directory
        listen = [a for s, nodes in NODES.items() for n in nodes for a in ("--listen", f"{standin_name(s, n)}={vendor(s, n)}")]
        self.standins = self._start(parts.Standins, d, *listen)
        self.standins.fault("all", "ok", latencyMs=5, jitterMs=10)
        self.bus = self._start(parts.Bus, d)
        self.snmpd = self._start(parts.Snmpd, b, d)
        self.daemon = self._start(parts.Daemon, b, d, configuration(self.standins.urls, d), bus=self.bus.address)
        self.prober = self._start(parts.Prober, b, d, self.daemon.socket).wait_following()
        self.subagent = self._start(parts.Subagent, b, d, self.daemon.socket, self.snmpd.agentx)

    def strike(self):
        """Ends everything; returns what did not end well."""
        complaints = []
        for part in reversed(self.parts):
            try:
                part.stop(deadline=10)
            except Failed as e:
                complaints.append(str(e))
        return complaints

    def check_alive(self):
        for part in self.parts:
            if not part.running():
                part.fail("has died")


def play(stage, view, traffic, seconds):
    """Plays the scenes once; returns {scene: shares at its end}."""
    start = time.monotonic()
    ends = [at for at, _, _ in SCENES[1:]] + [1]
    at_end = {}
    with Client(stage.daemon.socket) as client:
        for end, (_, scene, faults) in zip(ends, SCENES):
            for name, fault in faults:
                stage.standins.fault(name, fault, latencyMs=5, jitterMs=10)
            while True:
                left = start + end * seconds - time.monotonic()
                if left <= 0:
                    break
                stage.check_alive()
                view.update(scene, traffic, client.call("GetSystemStatus")["services"])
                time.sleep(min(1, left))
            at_end[scene] = traffic.shares()
    return at_end


def judge(at_end, traffic):
    """What the story had to show: a list of (whether it did, in words)."""
    calm, down, back = (at_end[s]["maps/mapbox"] for s in ("calm", "Mapbox is down", "Stripe us-east is back"))
    east = [at_end[s]["stripe/us-east"] for s in ("Mapbox is back", "Stripe us-east limits the rate", "Stripe us-east is back")]
    calls = traffic.ok + traffic.saved + traffic.failed
    return [
        (calm > 0.5, f"Mapbox, the cheapest, has most of the maps calls while all is well: {calm:.0%}"),
        (down < 0.1, f"traffic leaves Mapbox while it is down: {down:.0%}"),
        # A node that was down gets its share back within half a minute or so, and the show may end before.
        (back > 0.1, f"and comes back: {back:.0%}"),
        (east[1] < east[0] / 2, "Stripe us-east is spared while it limits the rate; before, then and after: " +
         ", ".join(f"{share:.0%}" for share in east)),
        (traffic.ok > 0 and traffic.failed <= calls * 0.01,
         f"of {calls} calls {traffic.ok} worked at once, {traffic.saved} by a fallback, {traffic.failed} not at all "
         f"{dict(traffic.refused) or ''}"),
        (not traffic.trouble, f"no caller ran into trouble {traffic.trouble[:3] or ''}"),
    ]


def show_faces(stage, view, traffic):
    """The closing scene: the same facts through every face."""
    # A report sent one way is committed soon after; then nothing is open any more.
    with Client(stage.daemon.socket) as c:
        wait_for(lambda: all(n["inFlight"] == 0 for s in c.call("GetSystemStatus")["services"] for n in s["nodes"]),
                 "every decision is reported")
    facts = faces.compare(stage.daemon.socket, stage.bus, stage.snmpd)
    calls = {name: f["calls"] for name, f in facts.items() if f["calls"]}
    if calls != dict(traffic.decisions):
        raise Failed(f"the callers made {dict(traffic.decisions)}, pointsmand counted {calls}")
    view.say("\nThe same on the socket, on D-Bus and through SNMP, and what the callers did:\n\n"
             f"  {'NODE':<20} {'CALLS':>7} {'FAILURES':>9} {'SPENT THIS HOUR $':>18}  STATE")
    for name, f in facts.items():
        view.say(f"  {name:<20} {f['calls']:>7} {f['failures']:>9} {f['spendHour'] / 1e6:>18.6f}  {f['administrativeState']}")
    view.say("")


def open_the_curtain(stage, view):
    view.say(f"All of it runs in {stage.directory}. Meanwhile, ask it things from another terminal:\n\n"
             f"  {stage.build_dir}/ctl/pointsmanctl --socket {stage.daemon.socket} status\n"
             f"  busctl --address {stage.bus.address} introspect {faces.BUS_NAME} {faces.OBJECT}\n"
             f"  {stage.snmpd.command('snmptable', 'POINTSMAN-MIB::pmServiceTable')}\n")
    by_socket, by_bus = faces.decide_by_each(stage.daemon.socket, stage.bus, stage.snmpd)
    view.say(f"A decision by the socket ({by_socket}), one by D-Bus ({by_bus}); SNMP counted both.\n")


def perform(stage, view, seconds):
    """The show itself; whether it went as it should."""
    stage.set()
    open_the_curtain(stage, view)
    traffic = Traffic(stage.daemon.socket, RATES)
    verdicts = []
    traffic.start()
    try:
        verdicts = judge(play(stage, view, traffic, seconds or 60), traffic)
        while not seconds:
            play(stage, view, traffic, 60)
    except KeyboardInterrupt:
        if seconds:
            raise
    finally:
        traffic.stop()
    show_faces(stage, view, traffic)
    for good, text in verdicts:
        view.say(f"  {'yes' if good else 'NO '}  {text}")
    return all(good for good, _ in verdicts)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build-dir", default="build", help="where the programs were built (default: %(default)s)")
    parser.add_argument("--for", dest="seconds", type=float, metavar="SECONDS",
                        help="end by itself after so many seconds (at least 20); the exit status says whether all went well")
    options = parser.parse_args()
    if options.seconds is not None and options.seconds < 20:
        parser.error("--for: at least 20 seconds, so that a breaker has the time to open and to close")

    # SIGTERM ends it as Ctrl-C does: through the finally clauses; in the background of a script, too, where Ctrl-C is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    view = View()
    with tempfile.TemporaryDirectory(prefix="pointsman-show-") as directory:
        stage = Stage(str(pathlib.Path(options.build_dir).resolve()), directory, view)
        good, complaints = False, []
        try:
            good = perform(stage, view, options.seconds)
        except KeyboardInterrupt:
            view.say("interrupted")
        except (Failed, OSError) as e:
            view.say(f"\n{e}")
        finally:
            complaints = stage.strike()
        for c in complaints:
            view.say(c)
    return 0 if good and not complaints else 1


if __name__ == "__main__":
    sys.exit(main())
