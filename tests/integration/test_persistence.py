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


@pytest.fixture
def lives(daemon):
    """lives(config) starts the daemon; lives.again() starts it once more, after it was killed or stopped."""
    class Lives:
        def __init__(self):
            self.n = 0
            self.current = None

        def __call__(self, config=None, **details):
            self.config = config or self.config
            self.n += 1
            before = self.current
            if before:
                details |= {"state_dir": before.state_dir, "runtime_dir": before.runtime_dir, "socket_path": before.socket}
            self.current = daemon(self.config, name=f"pointsmand{self.n}", **details)
            return self.current

        def killed(self, **details):
            self.current.kill()
            return self(**details)

        def stopped(self, **details):
            self.current.stop()
            return self(**details)

    return Lives()


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

class Caller(threading.Thread):
    """Routes and reports as fast as it can, with a connection of its own, and keeps books of what was acknowledged. What it
    was not told it asks for again: a report whose answer did not come is made once more, and counts once."""

    def __init__(self, path, service, durable, seed):
        super().__init__(daemon=True)
        self.path, self.service, self.durable = path, service, durable
        self.random = random.Random(seed)
        self.spent = 0          # micro-dollars, of reports that were acknowledged
        self.calls = 0
        self.unsure = []        # oneway: sent, and whether it arrived only the ledger knows
        self.refused = 0
        self.first_answers = [] # when, after a connection was lost, the next decision came
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
            self.refused += 1
            time.sleep(0.002)
            return
        self.first_answers.append(time.monotonic())
        cost = self.random.randrange(1, micro(PRICE))
        if self.durable:
            self.waiting = (decision, cost, False)
            self.report(c, decision, cost, False)
        else:
            self.unsure.append((decision, cost))
            c.oneway("Report", decision=decision, httpStatus=200, cost=cost / 1e6, latencyMs=5)

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


def ledger_of(state_dir):
    """The sums of each service, by verdict, as anybody can read them."""
    return sqlite3.connect(f"file:{os.path.join(state_dir, 'ledger.db')}?mode=ro", uri=True)
