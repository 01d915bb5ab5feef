# SPDX-License-Identifier: Apache-2.0
"""The ledger in trouble: routing goes on, it is announced, and it heals by itself."""

import contextlib
import os
import sqlite3
import time

import pytest

from harness import process
from harness.varlink import VarlinkError

PRICE = 0.01
NODES = {
    "a": {"provider": "mapbox", "url": "http://127.0.0.1:1", "weight": 60, "cost_per_request": PRICE},
    "b": {"provider": "google", "url": "http://127.0.0.1:2", "weight": 40, "cost_per_request": PRICE},
}
CONFIG = {"ledger": {"patience": 0.3}, "services": {"maps": {"strategy": "ROUND_ROBIN", "load_balancing": {"health_check_interval": 0},
                                                             "nodes": NODES}}}


def call(c):
    decision = c.call("Route", serviceName="maps")["decision"]
    return c.call("Report", decision=decision["id"], httpStatus=200, latencyMs=20)["settledCost"]


def store_check(c):
    health = c.call("GetHealth")
    return health["status"], next(check for check in health["checks"] if check["name"] == "store")


@contextlib.contextmanager
def locked(state_dir):
    """Somebody else writes into the ledger, and does not come to an end."""
    db = sqlite3.connect(os.path.join(state_dir, "ledger.db"), isolation_level=None, timeout=10)
    db.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        db.execute("ROLLBACK")
        db.close()


def total(state_dir):
    with contextlib.closing(sqlite3.connect(f"file:{os.path.join(state_dir, 'ledger.db')}?mode=ro", uri=True)) as db:
        return db.execute("SELECT coalesce(sum(cost), 0) FROM month").fetchone()[0]


def check_announced_and_healed(d, c, trouble, wait_for):
    """trouble: a context in which the ledger cannot be written."""
    with d.client() as listener:
        listener.send("Subscribe", {"types": ["system_health_changed"]}, more=True)
        for _ in range(5):
            call(c)
        with trouble:
            begun = time.monotonic()
            for _ in range(20):
                call(c)  # answered although it is not on the disk
            took = time.monotonic() - begun
            wait_for(lambda: store_check(c)[1]["status"] == "degraded", "the trouble shows")
            assert store_check(c)[0] == "degraded"
            assert c.call("GetSystemStatus")["status"]["health"] == "degraded"
            event = listener.receive()["event"]
            assert event["message"].startswith("Ledger: ") and event["severity"] == "high"
            for _ in range(20):
                call(c)
        wait_for(lambda: store_check(c)[1]["status"] == "ok", "it heals")
        event = listener.receive()["event"]
        assert event["message"].startswith("Ledger: ") and event["severity"] == "low"
    assert took < 15
    call(c)
    wait_for(lambda: total(d.state_dir) == 46 * 10000, "all is in the ledger")
    assert d.log().count("Ledger: ") == 2  # a line a change, not one a try


def test_a_lock_held_by_another(daemon, wait_for):
    d = daemon(CONFIG)
    check_announced_and_healed(d, d.client(), locked(d.state_dir), wait_for)


def test_started_while_another_holds_the_lock(lives, wait_for):
    """What is spent now goes into the ledger when it can, and so do the calls that the life before had not brought there. Nothing
    counts twice."""
    d = lives(CONFIG)
    c = d.client()
    for _ in range(7):
        call(c)
    open_decision = c.call("Route", serviceName="maps")["decision"]["id"]
    with locked(d.state_dir):
        lost = [c.call("Route", serviceName="maps")["decision"]["id"] for _ in range(3)]
        for decision in lost:
            c.oneway("Report", decision=decision, httpStatus=200)
        c.call("GetHealth")  # they have been read
        d.kill()
        begun = time.monotonic()
        d = lives()
        assert time.monotonic() - begun < process.DEADLINE
        c = d.client()
        for _ in range(4):
            call(c)
        wait_for(lambda: store_check(c)[1]["status"] == "degraded", "the trouble shows")
        c.call("Report", decision=open_decision, httpStatus=200)  # it is open again all the same
    wait_for(lambda: store_check(c)[1]["status"] == "ok", "it heals")
    wait_for(lambda: total(d.state_dir) == (7 + 3 + 4 + 1) * 10000, "all is in the ledger, once")
    d = lives.killed()
    assert total(d.state_dir) == (7 + 3 + 4 + 1) * 10000
    status = d.client().call("GetSystemStatus")["services"][0]
    assert round(status["spendHour"] * 1e6) in (15 * 10000, 0)  # 0: the hour has turned
    assert d.client().call("GetCostReport")["report"]["cost"] == pytest.approx(0.15)


def test_two_daemons_do_not_share_their_leases(daemon):
    first = daemon(CONFIG)
    second = daemon(CONFIG, name="second", runtime_dir=first.runtime_dir)
    assert "Another daemon keeps its open decisions" in second.log()
    a, b = first.client(), second.client()
    decision = a.call("Route", serviceName="maps")["decision"]["id"]
    call(b)
    a.call("Report", decision=decision, httpStatus=200)


def test_a_lease_file_that_is_no_file_of_ours(daemon, run_dir):
    os.mkdir(os.path.join(run_dir, "elsewhere"))
    os.mkdir(os.path.join(run_dir, "runtime"))
    target = os.path.join(run_dir, "elsewhere", "precious")
    with open(target, "w", encoding="utf-8") as f:
        f.write("precious")
    os.symlink(target, os.path.join(run_dir, "runtime", "leases"))
    d = daemon(CONFIG, runtime_dir=os.path.join(run_dir, "runtime"))
    assert "do not survive a restart" in d.log()
    call(d.client())
    with open(target, encoding="utf-8") as f:
        assert f.read() == "precious"


def test_a_damaged_lease_file(lives):
    """Any bytes: they are dropped, and the daemon does its work."""
    d = lives(CONFIG)
    c = d.client()
    for _ in range(5):
        c.call("Route", serviceName="maps")
    path = os.path.join(d.runtime_dir, "leases")
    size = os.path.getsize(path)
    for damage in (b"", os.urandom(100000), b"\xff" * 100000):
        d.kill()
        with open(path, "r+b") as f:
            f.seek(64 if damage else 0)
            f.write(damage)
            f.truncate(size if damage else 10)
        d = lives()
        call(d.client())
    assert os.path.getsize(path) == size and os.stat(path).st_mode & 0o777 == 0o600


def test_started_while_the_ledger_cannot_even_be_read(lives, wait_for):
    """What was spent before, and which calls are in the ledger, is not known until it can be read. Then all is there once."""
    d = lives(CONFIG)
    c = d.client()
    for _ in range(7):
        call(c)
    open_decision = c.call("Route", serviceName="maps")["decision"]["id"]
    with locked(d.state_dir):
        for decision in [c.call("Route", serviceName="maps")["decision"]["id"] for _ in range(3)]:
            c.oneway("Report", decision=decision, httpStatus=200)
        c.call("GetHealth")  # they have been read
        d.kill()
    other = sqlite3.connect(os.path.join(d.state_dir, "ledger.db"), isolation_level=None)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    d = lives()
    c = d.client()
    assert store_check(c)[1]["status"] == "degraded" and "budgets begin anew" in d.log()
    for _ in range(4):
        call(c)
    c.call("Report", decision=open_decision, httpStatus=200)
    with pytest.raises(VarlinkError, match="Busy"):
        c.call("GetCostReport")
    other.execute("ROLLBACK")
    other.close()
    wait_for(lambda: store_check(c)[1]["status"] == "ok", "it heals")
    wait_for(lambda: total(d.state_dir) == 15 * 10000, "all is in the ledger, once")
    assert round(c.call("GetCostReport")["report"]["cost"] * 1e6) == 15 * 10000
    assert round(c.call("GetSystemStatus")["services"][0]["spendHour"] * 1e6) in (15 * 10000, 0)  # 0: the hour has turned
    d = lives.killed()
    assert total(d.state_dir) == 15 * 10000
