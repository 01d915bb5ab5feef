# SPDX-License-Identifier: Apache-2.0
"""A registration is answered when it is on the disk, and nobody else waits for that. The disk really hangs."""

import os
import signal
import sqlite3
import subprocess

import pytest

from harness.varlink import VarlinkError

CONFIG = {"services": {"maps": {"strategy": "ROUND_ROBIN", "load_balancing": {"health_check_interval": 0}, "nodes": {
    "mapbox": {"provider": "mapbox", "url": "http://127.0.0.1:1", "weight": 60, "cost_per_request": 0.005}}}}}


def distribution(name):
    return {"serviceName": name, "distribution": {"nodes": [
        {"id": "a", "provider": "stripe", "url": "https://x.test", "costPerRequest": 0.01}]}}


def stored(d):
    db = sqlite3.connect(os.path.join(d.state_dir, "ledger.db"))
    ((text,),) = db.execute("SELECT text FROM document WHERE name = 'registrations'")
    db.close()
    return text


@pytest.fixture
def hanging(daemon, run_dir, slow_disk, bus):
    """A daemon, and the disk that its store is on."""
    state = os.path.join(run_dir, "pointsmand.state")
    disk = slow_disk(os.path.join(state, "ledger"))
    d = daemon(CONFIG, state_dir=state, env=disk.env, bus=bus.address)
    d.client().call("RegisterTrafficDistribution", **distribution("first"))
    disk("hang")
    return d, disk


def service_names(c):
    return [s["serviceName"] for s in c.call("GetSystemStatus")["services"]]


def waits(c, seconds=0.2):
    with pytest.raises(TimeoutError):
        c.receive(seconds)


def test_a_registration_waits_for_the_disk_alone(hanging, client):
    d, disk = hanging
    registering, other = client(d), client(d)
    registering.send("RegisterTrafficDistribution", distribution("later"))
    registering.send("GetHealth")
    waits(registering)
    for _ in range(100):
        other.call("Route", serviceName="maps")
    assert "later" not in service_names(other)
    disk(None)
    assert registering.receive()["service"]["serviceName"] == "later"
    assert registering.receive()["checks"]
    assert "later" in service_names(other) and "later" in stored(d)


def test_registrations_one_after_the_other(hanging, daemon, client):
    d, disk = hanging
    clients = [client(d) for _ in range(6)]
    calls = [("RegisterTrafficDistribution", distribution("later")),
             ("RegisterBudgetAllocation", {"serviceName": "later", "allocation": {"totalBudget": 5, "budgetPeriod": "daily"}}),
             ("UnregisterTrafficDistribution", {"serviceName": "later"}),
             ("RegisterBudgetAllocation", {"serviceName": "later", "allocation": {"totalBudget": 5, "budgetPeriod": "daily"}}),
             ("UnregisterTrafficDistribution", {"serviceName": "maps"}),
             ("RegisterTrafficDistribution", distribution("last"))]
    for n, (c, (method, parameters)) in enumerate(zip(clients, calls)):
        c.send(method, parameters)
        if n < 4:  # which of two connections is read first is not said
            waits(c, 0.05)
    waits(clients[0])
    disk(None)
    assert clients[0].receive()["service"].get("totalBudget") is None
    assert clients[1].receive()["service"]["totalBudget"] == 5
    assert clients[2].receive()["changes"]
    with pytest.raises(VarlinkError, match="NoSuchService"):
        clients[3].receive()
    assert clients[4].receive() == {"changes": []}
    assert clients[5].receive()["service"]["serviceName"] == "last"
    assert "later" not in service_names(clients[0])
    d.kill()
    again = client(daemon(CONFIG, state_dir=d.state_dir, name="again"))
    assert {"first", "last"} <= set(service_names(again)) and "later" not in service_names(again)


@pytest.mark.parametrize("oneway", [False, True])
def test_who_registers_and_leaves(hanging, client, wait_for, oneway):
    d, disk = hanging
    leaving, other = client(d), client(d)
    leaving.send("RegisterTrafficDistribution", distribution("later"), oneway=oneway)
    other.send("RegisterTrafficDistribution", distribution("last"))
    waits(other)
    leaving.close()
    wait_for(lambda: client(d).call("GetSystemStatus")["status"]["connections"] <= 4, "the connection is gone")
    disk(None)
    assert other.receive()["service"]["serviceName"] == "last"
    wait_for(lambda: {"later", "last"} <= set(service_names(other)), "both are in force")


def test_a_disk_that_does_not_answer_refuses_a_registration(hanging, daemon, client, wait_for):
    d, disk = hanging
    c, other = client(d), client(d)
    c.send("RegisterTrafficDistribution", distribution("later"))
    other.send("UnregisterTrafficDistribution", {"serviceName": "first"})
    for k in (c, other):
        with pytest.raises(VarlinkError, match="Busy.*it cannot be stored"):
            k.receive()
    assert "later" not in service_names(c) and "first" in service_names(c)
    disk(None)
    # Whatever the disk has made of it in the end, what was refused is not there after the next start.
    wait_for(lambda: next(k for k in c.call("GetHealth")["checks"] if k["name"] == "store")["status"] == "ok", "it heals")
    c.call("RegisterTrafficDistribution", **distribution("last"))
    d.kill()
    again = client(daemon(CONFIG, state_dir=d.state_dir, name="again"))
    assert {"first", "last"} <= set(service_names(again)) and "later" not in service_names(again)


def test_a_stop_waits_for_a_registration(hanging, client, wait_for):
    d, disk = hanging
    c, left = client(d), client(d)
    c.send("RegisterTrafficDistribution", distribution("later"))
    waits(c)
    left.send("RegisterTrafficDistribution", distribution("last"))
    left.close()
    c.send("Route", {"serviceName": "maps"})
    d.signal(signal.SIGTERM)
    wait_for(lambda: "STOPPING=1" in d.notify.receive(), "the daemon stops")
    disk(None)
    assert c.receive()["service"]["serviceName"] == "later"
    d.stop()
    assert "later" in stored(d)
    assert "not answered" not in d.log()


def test_over_dbus_a_registration_waits_alone(hanging, bus, client, wait_for):
    d, disk = hanging
    manager = ("call", "org.pointsman.Pointsman1", "/org/pointsman/Pointsman1", "org.pointsman.Pointsman1.Manager")
    d.wait_log("org.pointsman.Pointsman1")
    call = ["busctl", "--address", bus.address, *manager, "UnregisterTrafficDistribution", "s", "first"]
    c = client(d)

    def connections():
        return c.call("GetSystemStatus")["status"]["connections"]

    before = connections()
    with subprocess.Popen(call, stdout=subprocess.PIPE, text=True) as first:
        wait_for(lambda: connections() == before + 1, "the call is there")
        with subprocess.Popen(call, stdout=subprocess.PIPE) as leaving:
            wait_for(lambda: connections() == before + 2, "the other is there")
            leaving.kill()
        c.call("Route", serviceName="maps")
        assert bus.call(*manager, "GetHealth")
        assert first.poll() is None
        disk(None)
        assert "first" in first.communicate(timeout=10)[0]
    assert "first" not in service_names(c)


def test_the_bus_goes_away_before_the_answer(hanging, bus, client, wait_for):
    d, disk = hanging
    d.wait_log("org.pointsman.Pointsman1")
    manager = ("call", "org.pointsman.Pointsman1", "/org/pointsman/Pointsman1", "org.pointsman.Pointsman1.Manager")
    c = client(d)
    before = c.call("GetSystemStatus")["status"]["connections"]
    with subprocess.Popen(["busctl", "--address", bus.address, *manager, "UnregisterTrafficDistribution", "s", "first"],
                          stderr=subprocess.DEVNULL) as call:
        wait_for(lambda: c.call("GetSystemStatus")["status"]["connections"] == before + 1, "the call is there")
        bus.kill()
        call.wait(10)
    d.wait_log("Not on the bus")
    disk(None)
    wait_for(lambda: "first" not in service_names(c), "it is in force")
