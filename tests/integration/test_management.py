# SPDX-License-Identifier: Apache-2.0
"""Scenarios, registrations and analytics over the socket: what an operator and an admin do."""

import datetime
import time

import pytest

from harness.varlink import VarlinkError

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
    assert 0 < cost["hour"]["resetsInMs"] <= 3600_000 < cost["period"]["resetsInMs"] <= 86400_000
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
    hour, minute = now - now % 3600, now - now % 60
    report = maps.call("GetCostReport")["report"]
    assert report["cost"] == pytest.approx(0.031) and report["calls"] == 5
    assert [r["serviceName"] for r in report["rows"]] == ["maps"] and report["rows"][0]["cost"] == report["cost"]
    by_node = {r["node"]: r["cost"] for r in maps.call("GetCostReport", groupBy=["node"])["report"]["rows"]}
    assert by_node == {"maps/mapbox": 0.015, "maps/google": 0.016}
    by_provider = maps.call("GetCostReport", groupBy=["provider", "day"])["report"]["rows"]
    assert [r["provider"] for r in by_provider] == ["google", "mapbox"] and "serviceName" not in by_provider[0]
    assert by_provider[0]["start"].startswith(instant(now - now % 86400)[:13])
    assert maps.call("GetCostReport", **{"from": instant(minute - 120)})["report"]["calls"] == 5 or hour > minute - 120
    if minute - 600 >= hour:
        assert maps.call("GetCostReport", **{"from": instant(hour), "to": instant(minute - 540)})["report"]["rows"] == []


def test_cost_report_does_not_guess(maps):
    now = int(time.time())
    hour = now - now % 3600
    for field, value, word in (("from", instant(hour - 7200), "remembered since"), ("from", instant(hour + 7200), "future"),
                               ("to", instant(hour + 7200), "future"), ("to", instant(hour - 3600), "later than from"),
                               ("from", instant(hour + 1), "full minute" if now > hour + 1 else "future"),
                               ("from", "yesterday", "RFC 3339"),
                               ("groupBy", ["operation"], "allowed are"), ("groupBy", "node", "array")):
        error = fails(maps, "InvalidParameter", "GetCostReport", **{field: value})
        assert error["parameter"] == field and word in error["reason"], (field, value, error)
