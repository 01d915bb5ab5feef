# SPDX-License-Identifier: Apache-2.0
"""Scenarios, registrations and analytics over the socket: what an operator and an admin do."""

import contextlib
import copy
import datetime
import json
import os
import re
import sqlite3
import time

import pytest

from harness.varlink import Client, VarlinkError

NODES = {
    "mapbox": {"provider": "mapbox", "url": "http://127.0.0.1:1", "weight": 60, "cost_per_request": 0.005},
    "google": {"provider": "google", "url": "http://127.0.0.1:2", "weight": 30, "cost_per_request": 0.008},
}
CONFIG = {"services": {name: {"strategy": "ROUND_ROBIN", "load_balancing": {"health_check_interval": 0}, "nodes": NODES}
                       for name in ("maps", "more")}}


@pytest.fixture
def maps(daemon, client):
    return client(daemon(CONFIG))


def fails(client, name, method, **parameters):
    """The parameters of the error that has to come."""
    with pytest.raises(VarlinkError) as e:
        client.call(method, **parameters)
    assert e.value.name == name, e.value
    return e.value.parameters


def service_of(client, name):
    return next(s for s in client.call("GetSystemStatus")["services"] if s["serviceName"] == name)


# ---- scenarios ----

def test_a_scenario_lives_until_it_is_resolved(maps):
    reply = maps.call("HandleScenario", type="NETWORK_ISSUES", serviceName="maps", nodes=["mapbox", "maps/google"], severity="high",
                      detail="the uplink is being repaired")
    scenario = reply["scenario"]
    assert scenario["type"] == "NETWORK_ISSUES" and scenario["serviceName"] == "maps" and scenario["severity"] == "high"
    assert scenario["nodes"] == ["maps/mapbox", "maps/google"] and scenario["state"] == "active" and scenario["declared"]
    assert scenario["reason"] == "the uplink is being repaired" and "resolvedAt" not in scenario
    assert {"error_detection", "routing_decision", "cost_assessment"} <= {t["step"] for t in scenario["timeline"]}
    assert scenario["impact"] == {"failedCalls": 0, "divertedCalls": 0, "revenueAtRisk": 0, "extraCost": 0, "minutes": 0}
    assert scenario["id"] in reply["actions"][0] and "AVAILABILITY_FIRST is in force for maps" in reply["actions"]
    assert service_of(maps, "maps")["optimizationStrategy"] == "AVAILABILITY_FIRST"

    again = maps.call("HandleScenario", type="NETWORK_ISSUES", serviceName="maps")
    assert again["scenario"]["id"] == scenario["id"] and "joined" in again["actions"][0]
    assert [s["id"] for s in maps.call("GetActiveScenarios")["scenarios"]] == [scenario["id"]]
    snapshot = maps.call("GetSnapshot")
    assert [s["id"] for s in snapshot["scenarios"]] == [scenario["id"]]
    assert snapshot["counters"]["activeScenarios"] == snapshot["status"]["activeScenarios"] == 1
    assert maps.call("Route", serviceName="maps")["decision"]["scenario"] == scenario["id"]

    resolved = maps.call("ResolveScenario", id=scenario["id"], why="the uplink is back")["scenario"]
    assert resolved["state"] == "resolved" and resolved["resolvedAt"] >= resolved["startedAt"]
    assert "the uplink is back" in resolved["timeline"][-1]["message"]
    assert maps.call("GetActiveScenarios")["scenarios"] == []
    assert maps.call("GetSystemStatus")["status"]["activeScenarios"] == 0
    assert "optimizationStrategy" not in service_of(maps, "maps")
    assert fails(maps, "NoSuchScenario", "ResolveScenario", id=scenario["id"]) == {"id": scenario["id"]}


def test_one_of_all_services_concerns_each(maps):
    everywhere = maps.call("HandleScenario", type="EMERGENCY_SCENARIO")
    assert "serviceName" not in everywhere["scenario"] and everywhere["scenario"]["severity"] == "critical"
    assert "EMERGENCY_MODE is in force for 2 of 2 services" in everywhere["actions"]
    here = maps.call("HandleScenario", type="COST_OVERRUN", serviceName="more", severity="low")
    assert any(a.startswith("EMERGENCY_MODE stays in force for more") for a in here["actions"])
    ids = [everywhere["scenario"]["id"], here["scenario"]["id"]]  # the worst first
    assert [s["id"] for s in maps.call("GetActiveScenarios", serviceName="more")["scenarios"]] == ids
    assert [s["id"] for s in maps.call("GetActiveScenarios", serviceName="maps")["scenarios"]] == ids[:1]
    assert maps.call("GetSystemStatus")["status"]["activeScenarios"] == 2


def test_what_does_not_exist_has_no_scenario(maps):
    assert fails(maps, "NoSuchService", "HandleScenario", type="COST_OVERRUN", serviceName="nope") == {"serviceName": "nope"}
    assert fails(maps, "NoSuchService", "GetActiveScenarios", serviceName="nope") == {"serviceName": "nope"}
    for node in ("here", "maps/here", "more/mapbox", "x" * 300):
        assert fails(maps, "NoSuchNode", "HandleScenario", type="COST_OVERRUN", serviceName="maps", nodes=[node]) == {"node": node}
    assert fails(maps, "NoSuchNode", "HandleScenario", type="COST_OVERRUN", nodes=["mapbox"]) == {"node": "mapbox"}
    assert maps.call("GetActiveScenarios")["scenarios"] == []


def test_events_tell_of_a_scenario(maps, client, daemon):
    serial = maps.call("GetSnapshot")["serial"]
    scenario = maps.call("HandleScenario", type="DATA_CORRUPTION", serviceName="maps")["scenario"]
    maps.call("ResolveScenario", id=scenario["id"])
    events = maps.more("Subscribe", types=["scenario_opened", "scenario_resolved"], since=serial)
    opened, resolved = next(events)["event"], next(events)["event"]
    assert (opened["type"], resolved["type"]) == ("scenario_opened", "scenario_resolved")
    assert opened["data"]["scenario"] == resolved["data"]["scenario"] == scenario["id"]


# ---- analytics ----

def calls(client, node, n, status=200, latency=20):
    """n calls of maps that go to that node."""
    others = [k for k in NODES if k != node]
    for _ in range(n):
        d = client.call("Route", serviceName="maps", exclude=others)["decision"]
        client.call("Report", decision=d["id"], httpStatus=status, latencyMs=latency)


def test_routing_analytics(maps):
    calls(maps, "mapbox", 6)
    calls(maps, "google", 2)
    calls(maps, "google", 1, status=503)
    a = maps.call("GetRoutingAnalytics", serviceName="maps")["analytics"]
    assert (a["decisions"], a["calls"], a["failures"]) == (9, 9, 1)
    assert a["successRate"] == pytest.approx(8 / 9, abs=1e-4) and a["verdicts"] == {"ok": 8, "service_unavailable": 1}
    assert a["cost"] == pytest.approx(6 * 0.005 + 3 * 0.008) and a["costPerSuccess"] == pytest.approx(a["cost"] / 8, abs=1e-6)
    assert a["latencyMeanMs"] == pytest.approx(20)
    assert len(a["points"]) == 60 and {p["seconds"] for p in a["points"]} == {60}
    assert sum(p["calls"] for p in a["points"]) == 9
    assert [p["start"] for p in a["points"]] == sorted(p["start"] for p in a["points"]) and a["points"][0]["start"] == a["from"]
    nodes = {n["node"]: n for n in a["nodes"]}
    assert nodes["maps/mapbox"]["share"] == pytest.approx(6 / 9, abs=1e-4) and nodes["maps/google"]["failures"] == 1
    assert a["sinceStart"]["strategies"] == {"ROUND_ROBIN": 9} and a["sinceStart"]["forecast"]["trustedNodes"] == 0
    assert a["recommendations"] == []

    week = maps.call("GetRoutingAnalytics", serviceName="maps", window="7d")["analytics"]
    assert len(week["points"]) == 168 and week["calls"] == 9 and week["points"][0]["seconds"] == 3600
    assert "calls" in week["points"][0] and "successRate" not in week["points"][0]
    assert len(maps.call("GetRoutingAnalytics", serviceName="maps", window="2m")["analytics"]["points"]) == 2
    for window in ("", "h", "1", "0m", "61m", "169h", "8d", "-1h", "1w", "1h ", "99999999999999999999h", "0x1h"):
        assert fails(maps, "InvalidParameter", "GetRoutingAnalytics", serviceName="maps", window=window)["parameter"] == "window"
    assert fails(maps, "NoSuchService", "GetRoutingAnalytics", serviceName="nope") == {"serviceName": "nope"}


def test_recommendations_say_what_they_would_save(maps):
    calls(maps, "mapbox", 100)
    calls(maps, "google", 100)
    (advice,) = maps.call("GetRoutingAnalytics", serviceName="maps")["analytics"]["recommendations"]
    assert "COST_OPTIMIZED" in advice["text"] and advice["node"] == "maps/mapbox" and advice["savingPerHour"] == pytest.approx(0.3)
    everything = maps.call("GetOptimizationAnalytics")["analytics"]
    assert everything["recommendations"] == [advice]
    assert everything["strategies"] == {"ROUND_ROBIN": 200} and len(everything["services"]) == 2


def test_optimization_analytics_sum_up_the_scenarios(maps):
    maps.call("HandleScenario", type="NETWORK_ISSUES", serviceName="maps")
    over = maps.call("HandleScenario", type="COST_OVERRUN", serviceName="more")["scenario"]["id"]
    maps.call("ResolveScenario", id=over)
    a = maps.call("GetOptimizationAnalytics")["analytics"]
    s = a["scenarios"]
    assert (s["active"], s["resolved"]) == (1, 1) and s["types"] == {"COST_OVERRUN": 1, "NETWORK_ISSUES": 1}
    assert s["optimizationStrategies"] == {"AVAILABILITY_FIRST": 1, "COST_MINIMIZATION": 1}
    services = {x["serviceName"]: x for x in a["services"]}
    assert services["maps"]["optimizationStrategy"] == "AVAILABILITY_FIRST" and "optimizationStrategy" not in services["more"]


def test_cost_monitoring(daemon, client):
    c = client(daemon({"services": {"maps": {
        "strategy": "ROUND_ROBIN", "nodes": NODES, "load_balancing": {"health_check_interval": 0},
        "cost_constraints": {"max_cost_per_hour": 0.100},
        "budget": {"total": 1000, "period": "daily", "tiers": {"normal": 0.02, "elevated": 0.05, "emergency": 0.1}}}}}))
    calls(c, "google", 10)
    c.call("Route", serviceName="maps", exclude=["google"])
    cost = c.call("GetCostMonitoring", serviceName="maps")["cost"]
    assert cost["hour"]["spent"] == 0.08 and cost["hour"]["limit"] == 0.1 and cost["hour"]["usedPercent"] == 80
    assert cost["reserved"] == 0.005 and cost["hour"]["remaining"] == 0.015
    # A day ends with one of its hours, which may be this one.
    hour, day = cost["hour"]["resetsInMs"], cost["period"]["resetsInMs"]
    assert 0 < hour <= 3600_000 and day <= 86400_000 and (day - hour) % 3600_000 == 0 <= day - hour
    assert cost["budgetState"] == "alert" and cost["budgetPeriod"] == "daily" and cost["period"]["limit"] == 1000
    assert cost["spendPerHour"] == pytest.approx(0.08 * 60) and "exhaustedInMs" not in cost["period"]
    # $0.015 at $4.80 an hour are 11.25 s, unless the hour ends before that.
    assert cost["hour"].get("exhaustedInMs", 11250) == 11250 and ("exhaustedInMs" in cost["hour"] or cost["hour"]["resetsInMs"] <= 11250)
    assert cost["costTiers"] == {"normal": 0.02, "elevated": 0.05, "emergency": 0.1} and cost["onExhausted"] == "deny"
    assert {n["node"]: n["spendHour"] for n in cost["nodes"]} == {"maps/mapbox": 0, "maps/google": 0.08}
    assert fails(c, "NoSuchService", "GetCostMonitoring", serviceName="nope") == {"serviceName": "nope"}


def instant(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_cost_report_tells_what_is_remembered(maps):
    calls(maps, "mapbox", 3)
    calls(maps, "google", 2)
    now = int(time.time())
    hour = now - now % 3600
    report = maps.call("GetCostReport")["report"]
    assert report["cost"] == pytest.approx(0.031) and report["calls"] == 5
    assert [r["serviceName"] for r in report["rows"]] == ["maps"] and report["rows"][0]["cost"] == report["cost"]
    by_node = {r["node"]: r["cost"] for r in maps.call("GetCostReport", groupBy=["node"])["report"]["rows"]}
    assert by_node == {"maps/mapbox": 0.015, "maps/google": 0.016}
    by_provider = maps.call("GetCostReport", groupBy=["provider", "day"])["report"]["rows"]
    assert [r["provider"] for r in by_provider] == ["google", "mapbox"] and "serviceName" not in by_provider[0]
    assert by_provider[0]["start"].startswith(instant(now - now % 86400)[:13])
    assert maps.call("GetCostReport", **{"from": instant(hour)})["report"]["calls"] == 5
    (by_month,) = maps.call("GetCostReport", groupBy=["month", "operation", "tier"])["report"]["rows"]
    assert by_month["start"].endswith("-01T00:00:00.000Z") and by_month["operation"] == "" and by_month["costTier"] == "normal"
    assert by_month["calls"] == 5 and report["rememberedSince"] <= instant(now)


def test_cost_report_does_not_guess(maps):
    now = int(time.time())
    hour = now - now % 3600
    for field, value, word in (("from", instant(hour - 7200), "remembered since"), ("from", instant(hour + 7200), "future"),
                               ("to", instant(hour + 7200), "future"), ("to", instant(hour - 3600), "later than from"),
                               ("from", instant(hour + 1), "full hour" if now > hour + 1 else "future"),
                               ("from", "yesterday", "RFC 3339"),
                               ("groupBy", ["colour"], "allowed are"), ("groupBy", ["hour", "month"], "at most one"), ("groupBy", "node", "array")):
        error = fails(maps, "InvalidParameter", "GetCostReport", **{field: value})
        assert error["parameter"] == field and word in error["reason"], (field, value, error)


# ---- registrations ----

# As callers of the earlier REST service send them.
DISTRIBUTION = json.loads("""{"serviceName":"stripe","distribution":{"strategy":"HEALTH_BASED","nodes":[
  {"id":"us-east","provider":"stripe","region":"us-east-1","url":"https://us-east.stripe.test","weight":70,"costPerRequest":0.029,
   "expectedSuccessRate":0.998,"latitude":39.0,"longitude":-77.5},
  {"id":"stripe/eu-west","provider":"stripe","region":"eu-west-1","url":"https://eu-west.stripe.test/","weight":30,"costPerRequest":0.032,
   "expectedSuccessRate":99.5}],
  "loadBalancing":{"algorithm":"health_weighted","healthCheckInterval":30,"failoverThreshold":5,"retryBackoffMs":1000,"maxRetries":3},
  "costConstraints":{"maxCostPerHour":100,"budgetAlertThreshold":80,"costOptimizationEnabled":true}}}""")
ALLOCATION = json.loads("""{"serviceName":"stripe","allocation":{"totalBudget":1000,"budgetPeriod":"daily",
  "costTiers":{"normal":0.029,"elevated":0.050,"emergency":0.100}}}""")


def distribution(name="stripe", **nodes):
    """The payload with other nodes: id=cost."""
    return {"serviceName": name, "distribution": {"nodes": [{"id": k, "provider": "stripe", "url": "https://x.test", "costPerRequest": v}
                                                            for k, v in nodes.items()]}}


def ledger(state_dir):
    return contextlib.closing(sqlite3.connect(os.path.join(state_dir, "ledger.db"), isolation_level=None))


def stored(d):
    with ledger(d.state_dir) as db:
        ((text,),) = db.execute("SELECT text FROM document WHERE name = 'registrations'")
    return json.loads(text)["registrations"]


def test_the_payloads_of_the_earlier_service_work(maps):
    reply = maps.call("RegisterTrafficDistribution", **DISTRIBUTION)
    service = reply["service"]
    assert (service["serviceName"], service["origin"], service["strategy"]) == ("stripe", "registered", "HEALTH_BASED")
    assert [n["node"] for n in service["nodes"]] == ["stripe/us-east", "stripe/eu-west"]
    assert service["nodes"][1]["url"] == "https://eu-west.stripe.test" and service["maxCostPerHour"] == 100
    assert reply["changes"] == [{"path": "services.stripe", "after": "2 nodes"}]
    d = maps.call("Route", serviceName="stripe")["decision"]
    assert d["maxRetries"] == 3 and d["retryBackoffMs"] == 1000 and d["expiresInMs"] == 30000

    reply = maps.call("RegisterBudgetAllocation", **ALLOCATION)
    assert reply["service"]["totalBudget"] == 1000 and reply["service"]["budgetPeriod"] == "daily"
    assert {c["path"]: c["after"] for c in reply["changes"]} == {
        "services.stripe.budget.total": "1000", "services.stripe.budget.period": "daily", "services.stripe.budget.tiers.normal": "0.029",
        "services.stripe.budget.tiers.elevated": "0.05", "services.stripe.budget.tiers.emergency": "0.1"}
    cost = maps.call("GetCostMonitoring", serviceName="stripe")["cost"]
    assert cost["costTiers"] == ALLOCATION["allocation"]["costTiers"] and cost["budgetAlertThreshold"] == 80
    assert maps.call("RegisterBudgetAllocation", **ALLOCATION)["changes"] == []

    assert maps.call("UnregisterTrafficDistribution", serviceName="stripe")["changes"] == [{"path": "services.stripe", "before": "2 nodes"}]
    assert fails(maps, "NoSuchService", "Route", serviceName="stripe") == {"serviceName": "stripe"}
    assert fails(maps, "NoSuchService", "UnregisterTrafficDistribution", serviceName="stripe") == {"serviceName": "stripe"}


def test_percent_and_ratio(daemon, client):
    """An expected success rate may be either; both thresholds are percent."""
    d = daemon(CONFIG)
    client(d).call("RegisterTrafficDistribution", **DISTRIBUTION)
    (entry,) = stored(d)
    rates = [n["expectedSuccessRate"] for n in entry["distribution"]["nodes"]]
    assert rates == [0.998, 0.995]
    assert entry["distribution"]["loadBalancing"]["failoverThreshold"] == 5
    assert entry["distribution"]["costConstraints"]["budgetAlertThreshold"] == 80
    assert node_of(client(d).call("GetSnapshot"), "stripe/us-east")["successRate"] == 0.998


def node_of(snapshot, name):
    return next(n for s in snapshot["services"] for n in s["nodes"] if n["node"] == name)


def test_over_the_file_and_back(daemon, client):
    """What is registered takes the place of the file's; the file's budget holds unless one is registered, too."""
    d = daemon({"services": {"stripe": {
        "strategy": "ROUND_ROBIN", "load_balancing": {"health_check_interval": 0}, "budget": {"total": 50, "period": "weekly"},
        "nodes": {"us-east": {"provider": "stripe", "url": "https://file.test", "cost_per_request": 0.01},
                  "gone": {"provider": "stripe", "url": "https://gone.test"}}}}})
    c = client(d)
    decision = c.call("Route", serviceName="stripe", exclude=["gone"])["decision"]
    c.call("Report", decision=decision["id"], httpStatus=200)
    service = c.call("RegisterTrafficDistribution", **DISTRIBUTION)["service"]
    assert (service["strategy"], service["totalBudget"], service["origin"]) == ("HEALTH_BASED", 50, "registered")
    assert service["spendHour"] == 0.01 and service["decisions"] == 1  # money and health carry over
    assert {n["node"]: n["calls"] for n in service["nodes"]} == {"stripe/us-east": 1, "stripe/eu-west": 0}

    assert c.call("Reload")["changes"] == []
    with open(d.config, encoding="utf-8") as f:
        text = f.read()
    with open(d.config, "w", encoding="utf-8") as f:
        f.write(text.replace("total = 50", "total = 60"))
    assert [x["path"] for x in c.call("Reload")["changes"]] == ["services.stripe.budget.total"]
    assert service_of(c, "stripe")["origin"] == "registered" and service_of(c, "stripe")["totalBudget"] == 60

    c.call("RegisterBudgetAllocation", **ALLOCATION)
    assert service_of(c, "stripe")["totalBudget"] == 1000
    c.call("UnregisterTrafficDistribution", serviceName="stripe")
    service = service_of(c, "stripe")
    assert (service["strategy"], service["totalBudget"], service["origin"]) == ("ROUND_ROBIN", 60, "file")
    assert {n["node"]: n["calls"] for n in service["nodes"]} == {"stripe/us-east": 1, "stripe/gone": 0}
    assert c.call("UnregisterTrafficDistribution", serviceName="stripe")["changes"] == []


def test_a_budget_over_the_file_leaves_its_nodes(maps):
    service = maps.call("RegisterBudgetAllocation", serviceName="maps", allocation={"totalBudget": 5, "budgetPeriod": "hourly"})["service"]
    assert service["origin"] == "registered" and service["totalBudget"] == 5 and len(service["nodes"]) == 2
    assert fails(maps, "NoSuchService", "RegisterBudgetAllocation", **ALLOCATION) == {"serviceName": "stripe"}


def test_registrations_survive_a_kill(daemon, client):
    d = daemon(CONFIG)
    c = client(d)
    c.call("RegisterTrafficDistribution", **DISTRIBUTION)
    c.call("RegisterBudgetAllocation", **ALLOCATION)
    c.call("RegisterTrafficDistribution", **distribution("other", a=0.01))
    c.call("UnregisterTrafficDistribution", serviceName="other")
    before = service_of(c, "stripe")
    d.kill()
    d = daemon(CONFIG, state_dir=d.state_dir, name="again")
    after = service_of(client(d), "stripe")
    keys = ("origin", "strategy", "priority", "totalBudget", "budgetPeriod", "maxCostPerHour")
    assert [after[k] for k in keys] == [before[k] for k in keys]
    keys = ("node", "provider", "region", "url", "weight", "costPerRequest", "successRate")
    assert [[n[k] for k in keys] for n in after["nodes"]] == [[n[k] for k in keys] for n in before["nodes"]]
    assert client(d).call("Reload")["changes"] == []
    assert [s["serviceName"] for s in client(d).call("GetSystemStatus")["services"]] == ["maps", "more", "stripe"]


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"{}", b'{"registrations":[{"serviceName":1}]}', b'{"registrations":[]} x', b"\xff" * 100,
                                  b'{"registrations":[{"serviceName":"s","distribution":{"nodes":[{"id":"x"}]}}]}'])
def test_a_broken_store_is_set_aside(daemon, client, run_dir, text):
    """Whether it is the file of a version that had no ledger, or in the ledger."""
    state = os.path.join(run_dir, "state")
    os.makedirs(state)
    with open(os.path.join(state, "registrations.json"), "wb") as f:
        f.write(text)
    for i in (1, 2):
        d = daemon(CONFIG, state_dir=state, name=f"d{i}")
        assert "cannot be understood" in d.log()
        with open(os.path.join(state, "registrations.json.old"), "rb") as f:
            assert f.read() == text
        with ledger(state) as db:
            aside = db.execute("SELECT CAST(text AS BLOB) FROM document WHERE name LIKE 'registrations 2%'").fetchall()
        assert aside == [(text,)] * i
        c = client(d)
        assert [s["serviceName"] for s in c.call("GetSystemStatus")["services"]] == ["maps", "more"]
        c.call("RegisterTrafficDistribution", **DISTRIBUTION)
        assert [e["serviceName"] for e in stored(d)] == ["stripe"]
        d.stop()
        with ledger(state) as db:
            db.execute("UPDATE document SET text = CAST(? AS TEXT) WHERE name = 'registrations'", (text,))


def test_the_file_of_an_earlier_version_is_taken_over(daemon, client, run_dir):
    """Once, and kept: another file of that name is somebody else's."""
    state = os.path.join(run_dir, "state")
    os.makedirs(state)
    text = json.dumps({"registrations": [distribution(a=0.01) | ALLOCATION]})
    for name in ("d1", "d2"):
        with open(os.path.join(state, "registrations.json"), "w", encoding="utf-8") as f:
            f.write(text if name == "d1" else "{}")
        d = daemon(CONFIG, state_dir=state, name=name)
        service = service_of(client(d), "stripe")
        assert (service["origin"], service["totalBudget"]) == ("registered", 1000)
        with open(os.path.join(state, "registrations.json.old"), encoding="utf-8") as f:
            assert f.read() == text
        assert os.path.exists(os.path.join(state, "registrations.json")) == (name == "d2")
        d.stop()


def test_what_cannot_be_read_is_not_written_over(daemon, client, run_dir):
    state = os.path.join(run_dir, "state")
    os.makedirs(os.path.join(state, "registrations.json"))
    c = client(daemon(CONFIG, state_dir=state))
    assert "could not be read" in fails(c, "Busy", "RegisterTrafficDistribution", **DISTRIBUTION)["reason"]
    assert "could not be read" in fails(c, "Busy", "UnregisterTrafficDistribution", serviceName="maps")["reason"]
    assert c.call("Route", serviceName="maps")


def test_what_cannot_be_stored_is_not_in_force(daemon, client, wait_for):
    d = daemon(CONFIG)
    c = client(d)
    c.call("RegisterTrafficDistribution", **distribution(a=0.01))
    with ledger(d.state_dir) as db:
        db.execute("BEGIN IMMEDIATE")
        error = fails(c, "Busy", "RegisterTrafficDistribution", **distribution(a=0.02, b=0.01))
        assert "cannot be stored" in error["reason"]
        fails(c, "Busy", "UnregisterTrafficDistribution", serviceName="stripe")
        assert [(n["node"], n["costPerRequest"]) for n in service_of(c, "stripe")["nodes"]] == [("stripe/a", 0.01)]
        db.execute("ROLLBACK")
    wait_for(lambda: try_to_register(c, distribution(a=0.02, b=0.01)), "the store to heal")
    assert len(service_of(c, "stripe")["nodes"]) == 2


def try_to_register(client, parameters):
    try:
        return client.call("RegisterTrafficDistribution", **parameters)
    except VarlinkError as error:
        assert error.name == "Busy", error
        return None


def test_a_registration_that_no_longer_fits(daemon, client):
    """The file has changed: at the start the file counts; a reload is refused."""
    def config(cost):
        return {"services": {"maps": {"nodes": {"mapbox": {**NODES["mapbox"], "cost_per_request": cost}}}}}

    d = daemon(config(0.005))
    c = client(d)
    tiers = {"normal": 0.005, "elevated": 0.006, "emergency": 0.007}
    c.call("RegisterBudgetAllocation", serviceName="maps", allocation={"totalBudget": 7, "budgetPeriod": "daily", "costTiers": tiers})
    with open(d.config, encoding="utf-8") as f:
        text = f.read()
    with open(d.config, "w", encoding="utf-8") as f:
        f.write(text.replace("0.005", "0.5"))
    error = fails(c, "InvalidConfiguration", "Reload")
    assert error["field"] == "services.maps" and "registered for maps does not fit" in error["reason"]
    assert service_of(c, "maps")["totalBudget"] == 7
    d.stop()

    d = daemon(d.config, state_dir=d.state_dir, name="again")
    assert "does not fit the configuration file" in d.log()
    c = client(d)
    assert service_of(c, "maps")["origin"] == "file" and "totalBudget" not in service_of(c, "maps")
    assert len(stored(d)) == 1
    c.call("UnregisterTrafficDistribution", serviceName="maps")
    assert stored(d) == []


@pytest.mark.parametrize(("method", "path", "value", "word"), [
    ("distribution", "nodes", [], "at least one node"),
    ("distribution", "nodes.0.id", "us east", "must have a name"),
    ("distribution", "nodes.0.id", "maps/us-east", "must have a name"),
    ("distribution", "nodes.1.id", "us-east", "again"),
    ("distribution", "nodes.0.provider", "strip", "ListProviders"),
    ("distribution", "nodes.1.url", "ftp://x", "https://"),
    ("distribution", "nodes.0.url", "https://user:pass@x", "no user name"),
    ("distribution", "nodes.0.weight", 1001, "from 0 to 1000"),
    ("distribution", "nodes.0.costPerRequest", -0.01, "from 0"),
    ("distribution", "nodes.0.expectedSuccessRate", 101, "up to 100"),
    ("distribution", "nodes.0.expectedSuccessRate", 0, "above 0"),
    ("distribution", "nodes.0.latencyLimitMs", 600001, "600000"),
    ("distribution", "nodes.0.credential", "sk_live:1", "never the credential itself"),
    ("distribution", "nodes.0.options", {"a b": "x"}, "has a name that"),
    ("distribution", "nodes.0.options.nonsense", "x", "unknown"),
    ("distribution", "nodes.0.priceTiers", [{"upTo": 5, "price": 0.1}, {"upTo": 5, "price": 0.2}], "more than the 5"),
    ("distribution", "loadBalancing.failoverThreshold", 0, "above 0 up to 100 (percent)"),
    ("distribution", "loadBalancing.failoverThreshold", 101, "up to 100 (percent)"),
    ("distribution", "loadBalancing.healthCheckInterval", 86401, "86400"),
    ("distribution", "loadBalancing.retryBackoffMs", 0, "from 1"),
    ("distribution", "loadBalancing.maxRetries", 101, "100"),
    ("distribution", "loadBalancing.leaseSeconds", 0, "from 1"),
    ("distribution", "costConstraints.maxCostPerHour", -1, "from 0"),
    ("distribution", "costConstraints.budgetAlertThreshold", 101, "percent"),
    ("distribution", "revenuePerCall", -1, "from 0"),
    ("allocation", "totalBudget", -1, "from 0"),
    ("allocation", "costTiers.elevated", 0.02, "must not be less"),
    ("allocation", "costTiers.emergency", 0.001, "must not be less"),
    ("allocation", "emergencyMultiplier", 0.5, "from 1"),
])
def test_each_mistake_is_named_and_nothing_changes(maps, method, path, value, word):
    maps.call("RegisterTrafficDistribution", **DISTRIBUTION)
    before = maps.call("GetSnapshot")["services"]
    call, payload = {"distribution": ("RegisterTrafficDistribution", DISTRIBUTION), "allocation": ("RegisterBudgetAllocation", ALLOCATION)}[method]
    payload = copy.deepcopy(payload)
    *steps, last = [int(s) if s.isdigit() else s for s in path.split(".")]
    at = payload[method]
    for s in steps:
        at = at[s] if isinstance(s, int) else at.setdefault(s, {})
    at[last] = value
    error = fails(maps, "InvalidConfiguration", call, **payload)
    wanted = re.sub(r"\.(\d+)", r"[\1]", f"{method}.{path}")
    assert error["field"].startswith(wanted) and word in error["reason"], error
    assert maps.call("GetSnapshot")["services"] == before


def test_limits_of_services_and_nodes(daemon, client):
    c = client(daemon({**CONFIG, "limits": {"services": 3, "nodes": 7, "nodes_per_service": 3}}))
    c.call("RegisterTrafficDistribution", **distribution(a=1, b=1))
    assert "limits.services allows 3" in fails(c, "InvalidConfiguration", "RegisterTrafficDistribution", **distribution("s2", a=1))["reason"]
    error = fails(c, "InvalidConfiguration", "RegisterTrafficDistribution", **distribution(a=1, b=1, c=1, d=1))
    assert error["field"] == "distribution.nodes" and "limits.nodes_per_service allows 3" in error["reason"]
    c.call("RegisterTrafficDistribution", **distribution(a=1, b=1, c=1))
    assert "limits.nodes allows 7" in fails(c, "InvalidConfiguration", "RegisterTrafficDistribution", **distribution(
        "maps", a=1, b=1, c=1))["reason"]


def test_events_tell_of_a_registration(maps):
    serial = maps.call("GetSnapshot")["serial"]
    maps.call("RegisterTrafficDistribution", **DISTRIBUTION)
    event = next(maps.more("Subscribe", types=["configuration_changed"], since=serial))["event"]
    assert event["message"] == f"RegisterTrafficDistribution of stripe by user {os.getuid()}: 1 settings changed"


# ---- roles ----

NOBODY = 65534


def as_nobody(path, calls):
    """The name of the error that each call ends with for a user without any group, or "ok"."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            answers = []
            with Client(path) as c:
                for method, parameters in calls:
                    try:
                        c.call(method, **parameters)
                        answers.append("ok")
                    except VarlinkError as e:
                        answers.append(f"{e.name} {e.parameters.get('role', '')}".strip())
            os.write(writing, json.dumps(answers).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as f:
        text = f.read()
    os.waitpid(pid, 0)
    return json.loads(text)


CALLS = [  # each with a role that it needs
    ("GetActiveScenarios", {}, "viewer"), ("GetRoutingAnalytics", {"serviceName": "maps"}, "viewer"),
    ("GetCostMonitoring", {"serviceName": "maps"}, "viewer"), ("GetOptimizationAnalytics", {}, "viewer"), ("GetCostReport", {}, "viewer"),
    ("HandleScenario", {"type": "EMERGENCY_SCENARIO"}, "operator"), ("ResolveScenario", {"id": "x"}, "operator"),
    ("RegisterTrafficDistribution", DISTRIBUTION, "admin"), ("RegisterBudgetAllocation", ALLOCATION, "admin"),
    ("UnregisterTrafficDistribution", {"serviceName": "maps"}, "admin"),
]
ROLES = ["viewer", "client", "operator", "admin"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("role", [None, *ROLES])
def test_who_may_do_what(daemon, run_dir, role):
    """A user who has that role and no more."""
    access = {r: ["*"] if r == role else ["root"] for r in ROLES}
    d = daemon({**CONFIG, "access": access})
    os.chmod(run_dir, 0o755)
    answers = as_nobody(d.socket, [(method, parameters) for method, parameters, _ in CALLS])
    for (method, _, needed), answer in zip(CALLS, answers):
        allowed = role is not None and ROLES.index(needed) <= ROLES.index(role)
        assert (answer == f"PermissionDenied {needed}") == (not allowed), (method, answer)
    if role != "admin":
        with ledger(d.state_dir) as db:
            assert db.execute("SELECT name FROM document WHERE name = 'registrations'").fetchall() == []
