# SPDX-License-Identifier: Apache-2.0
"""Scenarios, registrations and analytics over the socket: what an operator and an admin do."""

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
