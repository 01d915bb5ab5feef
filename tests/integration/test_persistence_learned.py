# SPDX-License-Identifier: Apache-2.0
"""What was learned survives a restart and a crash, at most a few seconds old; and nothing in it can do harm."""

import contextlib
import json
import os
import sqlite3
import time

import pytest

NODES = {
    "a": {"provider": "mapbox", "url": "http://127.0.0.1:1", "weight": 60, "cost_per_request": 0.01},
    "b": {"provider": "google", "url": "http://127.0.0.1:2", "weight": 40, "cost_per_request": 0.02},
}
SERVICE = {"strategy": "ROUND_ROBIN", "load_balancing": {"health_check_interval": 0, "retry_backoff_ms": 60000}, "nodes": NODES}
CONFIG = {"daemon": {"state_interval": 1}, "services": {"maps": SERVICE, "more": SERVICE}}
ENDS = pytest.mark.parametrize("end", ["killed", "stopped"])


def ledger(d):
    return contextlib.closing(sqlite3.connect(os.path.join(d.state_dir, "ledger.db"), isolation_level=None, timeout=10))


def document(d, name):
    """The document and when it was written, in seconds since 1970; or None."""
    with ledger(d) as db:
        row = db.execute("SELECT text FROM document WHERE name = ?", (name,)).fetchone()
    return json.loads(row[0]) if row else None


def nodes(c, service="maps"):
    status = next(s for s in c.call("GetSystemStatus")["services"] if s["serviceName"] == service)
    return {n["node"]: n for n in status["nodes"]}


def call(c, node=None, service="maps", **report):
    others = [n for n in NODES if node and n != node]
    decision = c.call("Route", serviceName=service, exclude=others)["decision"]
    c.call("Report", decision=decision["id"], **({"httpStatus": 200, "latencyMs": 50} | report))
    return decision


def wait_kept(d, wait_for):
    """Until everything up to now is in the ledger."""
    now = time.time() * 1000
    wait_for(lambda: (document(d, "state") or {"written": 0})["written"] > now + 1, "a round of keeping")


def learn(c):
    """One node works, the other one's circuit opens."""
    for i in range(20):
        call(c, "a", latencyMs=40 + i)
    for _ in range(6):
        call(c, "b", httpStatus=503)


@ENDS
def test_circuits_latency_and_counts(lives, end, wait_for):
    d = lives(CONFIG)
    c = d.client()
    learn(c)
    before = nodes(c)
    assert before["maps/b"]["circuit"] == "open" and before["maps/a"]["health"] == "healthy"
    if end == "killed":
        wait_kept(d, wait_for)
    c = getattr(lives, end)().client()
    after = nodes(c)
    for node in before:
        for member in ("circuit", "health", "calls", "failures", "verdicts", "latencyP50Ms", "latencyP95Ms"):
            assert after[node].get(member) == before[node].get(member), (node, member)
        assert after[node]["successRate"] == pytest.approx(before[node]["successRate"], abs=5)
        assert after[node]["healthScore"] == pytest.approx(before[node]["healthScore"], abs=5)
    # The open circuit keeps calls away, and still has most of its minute to wait.
    assert all(c.call("Route", serviceName="maps")["decision"]["node"] == "maps/a" for _ in range(10))
    assert nodes(c, "more")["more/b"]["circuit"] == "closed"


@ENDS
def test_analytics(lives, end, wait_for):
    d = lives(CONFIG)
    c = d.client()
    learn(c)
    before = c.call("GetRoutingAnalytics", serviceName="maps", window="60m")["analytics"]
    if end == "killed":
        wait_kept(d, wait_for)
    after = getattr(lives, end)().client().call("GetRoutingAnalytics", serviceName="maps", window="60m")["analytics"]
    for member in ("calls", "successes", "failures", "cost", "verdicts"):
        if member in before:
            assert after[member] == before[member], member
    assert after["decisionsByStrategy"] == before["decisionsByStrategy"] if "decisionsByStrategy" in before else True


@ENDS
def test_operators_word(lives, end):
    """What an operator has said counts from the moment of the answer."""
    c = lives(CONFIG).client()
    c.call("SetNodeState", node="maps/a", administrativeState="draining")
    told = c.call("HandleScenario", type="NETWORK_ISSUES", serviceName="maps", detail="a cable was cut")["scenario"]
    over = c.call("HandleScenario", type="COST_OVERRUN", serviceName="more")["scenario"]
    c.call("ResolveScenario", id=over["id"])
    c = getattr(lives, end)().client()
    assert nodes(c)["maps/a"]["administrativeState"] == "draining"
    (scenario,) = c.call("GetActiveScenarios")["scenarios"]
    for member in ("id", "type", "serviceName", "severity", "state", "declared", "optimizationStrategy", "startedAt", "reason", "timeline"):
        assert scenario[member] == told[member], member
    status = next(s for s in c.call("GetSystemStatus")["services"] if s["serviceName"] == "maps")
    assert status["optimizationStrategy"] == told["optimizationStrategy"]
    c.call("ResolveScenario", id=told["id"])
    c.call("SetNodeState", node="maps/a", administrativeState="enabled")
    c = getattr(lives, end)().client()
    assert c.call("GetActiveScenarios")["scenarios"] == []
    assert nodes(c)["maps/a"]["administrativeState"] == "enabled"


@ENDS
def test_alerts_are_told_once(lives, end, wait_for):
    config = {"daemon": {"state_interval": 1}, "services": {"maps": SERVICE | {"cost_constraints": {
        "max_cost_per_hour": 0.1, "budget_alert_threshold": 50}}}}
    d = lives(config)
    c = d.client()
    for _ in range(6):
        call(c, "a")
    first = [e["event"]["message"] for e in events(d, since=0, types=["cost_alert"], n=1)]
    assert "0.05" in first[0] or "50" in first[0]
    serial = c.call("GetSystemStatus")["status"]["eventSerial"]
    if end == "killed":
        wait_kept(d, wait_for)
    d = getattr(lives, end)()
    c = d.client()
    assert c.call("GetSystemStatus")["status"]["eventSerial"] >= serial  # `since` never goes back
    call(c, "a")
    for _ in range(3):
        call(c, "a")
    told = [e["event"]["message"] for e in events(d, since=0, types=["cost_alert"], n=1)]
    assert told[0] != first[0] and first[0] not in told


def events(d, n, **parameters):
    with d.client() as c:
        stream = c.more("Subscribe", **parameters)
        return [next(stream) for _ in range(n)]


def test_age_counts(lives):
    """A day later, an open circuit has had its time, and nobody takes old latencies for new."""
    d = lives(CONFIG)
    learn(d.client())
    d.stop()
    with ledger(d) as db:
        db.execute("UPDATE document SET text = replace(text, substr(text, instr(text, '\"written\":'), 23), '\"written\":' || "
                   "(unixepoch() * 1000 - 86400000)) WHERE name LIKE 'nodes/%'")
    assert time.time() * 1000 - document(d, "nodes/0")["written"] > 86000000
    c = lives().client()
    after = nodes(c)
    assert after["maps/a"]["health"] == "unknown" and after["maps/a"]["calls"] == 20
    assert any(call(c)["node"] == "maps/b" for _ in range(10))


GARBAGE = ["", "{", "null", "[]", "\"text\"", "{\"version\":99}", "{\"version\":1,\"written\":\"x\"}", "{\"version\":1,\"written\":0,\"entries\":[1]}",
           "{\"version\":1,\"written\":0,\"entries\":[{\"x\":1}]}", "\0\1\2", "[" * 1000]


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_is_set_aside(lives, garbage):
    d = lives(CONFIG)
    learn(d.client())
    d.stop()
    names = ("state", "nodes/0", "services/0", "node-states")
    with ledger(d) as db:
        db.executemany("INSERT OR REPLACE INTO document VALUES (?, 0, ?)", [(name, garbage) for name in names])
    d = lives()
    c = d.client()
    call(c)
    assert "kept as" in d.log()
    with ledger(d) as db:
        kept = db.execute("SELECT count(*) FROM document WHERE text = ?", (garbage,)).fetchone()[0]
    assert kept >= 3


def test_garbage_in_a_value_is_refused_alone(lives):
    d = lives(CONFIG)
    learn(d.client())
    d.stop()
    whole = document(d, "nodes/0")
    entry = next(e for e in whole["entries"] if e["name"] == "maps/a")
    entry |= {"latency.peak_ns": -1, "breaker.circuit": 7, "verdicts": [1e300, "x", None], "latency.buckets": [1] * 5000, "what": {"is": ["this"]},
              "breaker.open_until_ns": 1e300, "success.good": {}, "forecast.model.weights": [1e9] * 10}
    whole["entries"].append({"name": "gone/away", "calls": 7})
    with ledger(d) as db:
        db.execute("UPDATE document SET text = ? WHERE name = 'nodes/0'", (json.dumps(whole),))
    d = lives()
    c = d.client()
    assert "made no sense" in d.log()
    after = nodes(c)["maps/a"]
    assert after["calls"] == 20 and after["circuit"] == "closed"
    call(c)
