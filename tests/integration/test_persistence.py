# SPDX-License-Identifier: Apache-2.0
"""What survives a restart and a crash. The daemon is really killed; the books of the callers are kept here, apart from it."""

import os
import random
import sqlite3
import threading
import time

import pytest

from harness import process
from harness.varlink import Client, Disconnected, VarlinkError

PRICE = 0.01
NODES = {
    "a": {"provider": "mapbox", "url": "http://127.0.0.1:1", "weight": 60, "cost_per_request": PRICE},
    "b": {"provider": "google", "url": "http://127.0.0.1:2", "weight": 40, "cost_per_request": PRICE},
}
SERVICE = {"strategy": "ROUND_ROBIN", "load_balancing": {"health_check_interval": 0}, "nodes": NODES}


def micro(dollars):
    return round(dollars * 1_000_000)


def service_of(client, name):
    return next(s for s in client.call("GetSystemStatus")["services"] if s["serviceName"] == name)


ENDS = pytest.mark.parametrize("end", ["killed", "stopped"])


@ENDS
def test_money_survives(lives, end):
    """Spend and open decisions: with a cap of ten calls, ten can be made, however often the daemon ends."""
    config = {"services": {"maps": SERVICE | {"cost_constraints": {"max_cost_per_hour": 10 * PRICE}}}}
    c = lives(config).client()
    open_decisions = []
    for i in range(10):
        decision = c.call("Route", serviceName="maps")["decision"]
        if i % 2:
            c.call("Report", decision=decision["id"], httpStatus=200)
        else:
            open_decisions.append(decision["id"])
        if i % 3 == 0:
            c = getattr(lives, end)().client()
    with pytest.raises(VarlinkError, match="BudgetExhausted"):
        c.call("Route", serviceName="maps")
    assert service_of(c, "maps")["spendHour"] == pytest.approx(5 * PRICE)
    assert service_of(c, "maps")["reserved"] == pytest.approx(5 * PRICE)
    c.call("Report", decision=open_decisions.pop(), error="not_sent")
    c = getattr(lives, end)().client()
    c.call("Route", serviceName="maps")
    for decision in open_decisions:
        c.call("Report", decision=decision, httpStatus=200, cost=0.002)
        with pytest.raises(VarlinkError, match="NoSuchDecision"):
            c.call("Report", decision=decision, httpStatus=200)
    c = getattr(lives, end)().client()
    assert micro(service_of(c, "maps")["spendHour"]) == 5 * micro(PRICE) + 4 * 2000


# ---- killed at random moments under load ----

PING = 3000  # micro-dollars


class Caller(threading.Thread):
    """Routes and reports as fast as it can, with a connection of its own, and keeps books of what was acknowledged. What it
    was not told it asks for again: a report whose answer did not come is made once more, and counts once."""

    def __init__(self, path, service, durable, seed):
        super().__init__(daemon=True)
        self.path, self.service, self.durable = path, service, durable
        self.random = random.Random(seed)
        self.spent = 0          # micro-dollars, of reports that were acknowledged
        self.calls = 0
        self.sent = 0           # oneway; whether they arrived only the ledger knows
        self.unsure = []        # when, in this life of the daemon
        self.sent_in_time = 0   # in lives that are over, so long before the end that they have to count
        self.asked = 0          # routes asked for and not answered: they may be open until they run out
        self.waiting = None     # a report that was not answered
        self.stopping = False
        self.error = None

    def run(self):
        try:
            while not self.stopping:
                self.live()
        except Exception as e:  # pylint: disable=broad-except  # for the test to see
            self.error = e

    def live(self):
        try:
            with Client(self.path) as c:
                while not self.stopping:
                    self.turn(c)
        except (Disconnected, ConnectionError, FileNotFoundError):
            time.sleep(0.001)

    def turn(self, c):
        if self.waiting:
            self.report(c, *self.waiting)
        try:
            self.asked += 1
            decision = c.call("Route", serviceName=self.service)["decision"]["id"]
            self.asked -= 1
        except VarlinkError as e:
            self.asked -= 1
            if e.name != "BudgetExhausted":
                raise
            time.sleep(0.002)
            return
        cost = self.random.randrange(1, micro(PRICE))
        if self.durable:
            self.waiting = (decision, cost, False)
            self.report(c, decision, cost, False)
        else:
            c.oneway("Report", decision=decision, httpStatus=200, cost=PING / 1e6, latencyMs=5)
            self.sent += 1
            self.unsure.append(time.monotonic())
            time.sleep(0.001)

    def finish(self):
        """What was left when it was stopped."""
        if self.waiting:
            with Client(self.path) as c:
                self.report(c, *self.waiting)

    def report(self, c, decision, cost, again):
        self.waiting = (decision, cost, True)
        try:
            settled = c.call("Report", decision=decision, httpStatus=200, cost=cost / 1e6, latencyMs=5)["settledCost"]
            assert micro(settled) == cost
        except VarlinkError as e:
            # The first one was taken down, its answer lost.
            assert again and e.name == "NoSuchDecision", e
        self.waiting = None
        self.spent += cost
        self.calls += 1


def sums(state_dir, service, table="month"):
    """(micro-dollars, calls that were reported, calls that ran out) of a service, as anybody can read them; one for each start."""
    db = sqlite3.connect(f"file:{os.path.join(state_dir, 'ledger.db')}?mode=ro", uri=True)
    try:
        return db.execute(f"SELECT sum(s.cost), sum(s.ok + s.performance_degradation), sum(s.unknown) FROM {table} AS s JOIN kind ON "
                          "kind.id = s.kind JOIN name ON name.id = kind.service WHERE name.text = ? GROUP BY s.start",
                          (service,)).fetchall()
    finally:
        db.close()


def queued(pid):
    """Seconds that the main thread was ready to run, and others had the processors."""
    with open(f"/proc/{pid}/schedstat", encoding="utf-8") as f:
        return int(f.read().split()[1]) / 1e9


def first_route_after(d, service):
    """Seconds until a decision is answered, trying all the time; less those in which the daemon was not let run: what other work takes of
    the machine is no matter of ours."""
    begun = time.monotonic()
    while time.monotonic() < begun + process.DEADLINE:
        try:
            with Client(d.socket) as c:
                c.call("Report", decision=c.call("Route", serviceName=service)["decision"]["id"], error="not_sent")
                return time.monotonic() - begun - queued(d.pid)
        except (Disconnected, ConnectionError, FileNotFoundError):
            time.sleep(0.0005)
    raise process.Failed("no decision")


CAP = 40 * PRICE
LEASE = 2  # seconds


def test_killed_a_hundred_times(lives, wait_for):
    """kill -9 at random moments under load: nothing that was acknowledged is lost or counts twice, and no cap is overshot."""
    service = SERVICE | {"load_balancing": {"health_check_interval": 0, "lease_seconds": LEASE}}
    config = {"services": {name: service for name in ("maps", "more", "pings", "probe")} | {
        "tight": service | {"cost_constraints": {"max_cost_per_hour": CAP}}}}
    rng = random.Random(6)
    d = lives(config)
    callers = [Caller(d.socket, name, name != "pings", seed) for seed, name in enumerate(("maps", "maps", "more", "tight", "tight", "pings"))]
    for c in callers:
        c.start()
    answered_in = []
    for _ in range(100):
        time.sleep(rng.uniform(0.01, 0.25))
        d.kill()
        killed = time.monotonic()
        for c in callers:
            assert c.error is None
            c.sent_in_time += len([s for s in c.unsure if s < killed - 0.25])
            c.unsure.clear()
        d = lives(config, ready=False)
        answered_in.append(first_route_after(d, "probe"))
        with d.client() as look:
            tight = service_of(look, "tight")
            assert micro(tight["spendHour"]) + micro(tight["reserved"]) <= micro(CAP)
    for c in callers:
        c.stopping = True
    for c in callers:
        c.join(process.DEADLINE)
        assert not c.is_alive() and c.error is None
        c.finish()
    look = d.client()
    wait_for(lambda: look.call("GetSystemStatus")["status"]["leases"] == 0, "what was never reported runs out")
    report = look.call("GetCostReport", groupBy=["service"])["report"]
    reported_by = {row["serviceName"]: row for row in report["rows"]}
    lives.stopped()

    for name in ("maps", "more", "tight"):
        spent = sum(c.spent for c in callers if c.service == name)
        calls = sum(c.calls for c in callers if c.service == name)
        asked = sum(c.asked for c in callers if c.service == name)
        cost, reported, expired = map(sum, zip(*sums(d.state_dir, name)))
        assert calls > 100 or name == "tight"
        assert reported == calls
        assert expired <= asked
        assert cost == spent + expired * micro(PRICE)
        assert micro(reported_by[name]["cost"]) == cost and reported_by[name]["calls"] == reported + expired
    assert micro(report["cost"]) == sum(micro(row["cost"]) for row in report["rows"])
    for hour, _, _ in sums(d.state_dir, "tight", "hour"):
        assert hour <= micro(CAP)
    pings = callers[-1]
    cost, reported, expired = map(sum, zip(*sums(d.state_dir, "pings")))
    assert pings.sent_in_time <= reported <= pings.sent
    assert cost == reported * PING + expired * micro(PRICE)

    answered_in.sort()
    print(f"exec to first decision: median {answered_in[50] * 1e3:.1f} ms, 95 % {answered_in[95] * 1e3:.1f} ms, "
          f"worst {answered_in[-1] * 1e3:.1f} ms; {sum(c.calls for c in callers)} calls, {pings.sent} oneway")
    if "POINTSMAN_SANITIZED" not in os.environ:
        assert answered_in[50] < 0.1
