# SPDX-License-Identifier: Apache-2.0
"""The Unix socket: every method of it, and clients that misbehave."""

import itertools
import json
import os
import signal
import socket
import subprocess
from datetime import datetime, timedelta

import pytest

from harness import parts
from harness.varlink import Client, Disconnected, VarlinkError

NODES = {
    "mapbox": {"provider": "mapbox", "url": "http://127.0.0.1:1", "weight": 60, "cost_per_request": 0.005},
    "google": {"provider": "google", "url": "http://127.0.0.1:2", "weight": 30, "cost_per_request": 0.008},
    "here": {"provider": "here", "url": "http://127.0.0.1:3", "weight": 10, "cost_per_request": 0.006},
}


def service(**settings):
    return {"strategy": "ROUND_ROBIN", "load_balancing": {"health_check_interval": 0}, "nodes": NODES, **settings}


CONFIG = {"services": {"maps": service(), "capped": service(cost_constraints={"max_cost_per_hour": 0.020})}}


@pytest.fixture
def maps(daemon, client):
    return client(daemon(CONFIG))


def node_of(snapshot, name):
    return next(n for s in snapshot["services"] for n in s["nodes"] if n["node"] == name)


# ---- deciding and reporting ----

def test_route_and_report(maps):
    decision = maps.call("Route", serviceName="maps", operation="geocode")["decision"]
    assert decision["node"] in {"maps/mapbox", "maps/google", "maps/here"}
    assert decision["strategy"] == "ROUND_ROBIN"
    assert len(decision["fallbacks"]) == 2 and decision["node"] not in decision["fallbacks"]
    assert decision["reason"] and decision["degraded"] is False and decision["retryAfterMs"] == 0

    report = maps.call("Report", decision=decision["id"], httpStatus=200, latencyMs=20.5)
    assert report["verdict"] == "ok"
    assert report["settledCost"] == decision["estimatedCost"]
    with pytest.raises(VarlinkError) as e:
        maps.call("Report", decision=decision["id"], httpStatus=200)
    assert e.value.name == "NoSuchDecision" and e.value.parameters == {"decision": decision["id"]}


def test_every_node_in_turn(maps):
    nodes = []
    for _ in range(6):
        d = maps.call("Route", serviceName="maps")["decision"]
        nodes.append(d["node"])
        maps.call("Report", decision=d["id"], httpStatus=200)
    assert sorted(nodes[:3]) == ["maps/google", "maps/here", "maps/mapbox"] and nodes[:3] == nodes[3:]


def test_the_provider_says_what_a_response_means(maps):
    d = maps.call("Route", serviceName="maps", exclude=["maps/google", "maps/here"])["decision"]
    r = maps.call("Report", decision=d["id"], httpStatus=429, headers={"X-Rate-Limit-Interval": "60"},
                  body='{"message":"Too Many Requests"}')
    assert r["verdict"] == "rate_limit_exceeded" and r["retryable"] is True
    d = maps.call("Route", serviceName="maps", exclude=["mapbox", "here"])["decision"]
    r = maps.call("Report", decision=d["id"], httpStatus=200, body='{"results":[],"status":"REQUEST_DENIED"}')
    assert r["verdict"] == "authentication_failure"


def test_fallback_never_tries_a_node_again(maps):
    d = maps.call("Route", serviceName="maps")["decision"]
    seen = [d["node"]]
    for _ in range(2):
        reply = maps.call("CostAwareFallback", decision=d["id"], httpStatus=503, latencyMs=3)
        assert reply["verdict"] == "service_unavailable"
        assert reply["costAssessment"]["additional"] == reply["decision"]["estimatedCost"]
        d = reply["decision"]
        seen.append(d["node"])
    assert len(set(seen)) == 3
    with pytest.raises(VarlinkError) as e:
        maps.call("CostAwareFallback", decision=d["id"], error="timeout")
    assert e.value.name == "NoUsableNode" and e.value.parameters["serviceName"] == "maps"


def test_a_dearer_node_stays_a_fallback(daemon, client):
    """The shipped price tiers hold us-west back from the first decision, but not from a call that us-east failed."""
    c = client(daemon(os.path.join(parts.SOURCE, "etc", "pointsman.conf")))
    d = c.call("Route", serviceName="stripe")["decision"]
    assert d["node"] == "stripe/us-east" and d["fallbacks"] == ["stripe/us-west"] and d["costTier"] == "normal"
    reply = c.call("CostAwareFallback", decision=d["id"], httpStatus=500)
    assert reply["decision"]["node"] == "stripe/us-west" and reply["costAssessment"]["tier"] == "elevated"


def test_an_outage_opens_the_breaker_and_traffic_leaves(maps):
    for _ in range(5):
        d = maps.call("Route", serviceName="maps", exclude=["google", "here"])["decision"]
        maps.call("Report", decision=d["id"], httpStatus=500)
    assert node_of(maps.call("GetSnapshot"), "maps/mapbox")["circuit"] == "open"
    for _ in range(6):
        assert maps.call("Route", serviceName="maps")["decision"]["node"] != "maps/mapbox"
    assert maps.call("GetHealth")["status"] == "degraded"


def test_the_cap_holds_and_not_sent_gives_back(maps):
    ids = []
    with pytest.raises(VarlinkError) as e:
        for _ in range(10):
            ids.append(maps.call("Route", serviceName="capped", exclude=["google", "here"])["decision"]["id"])
    assert e.value.name == "BudgetExhausted"
    assert e.value.parameters["limit"] == "maxCostPerHour" and 0 < e.value.parameters["resetsInMs"] <= 3600_000
    assert len(ids) == 4  # of $0.005 each, under a cap of $0.020
    assert maps.call("Report", decision=ids[0], error="not_sent")["settledCost"] == 0
    maps.call("Route", serviceName="capped", exclude=["google", "here"])


def test_explained(maps):
    d = maps.call("Route", serviceName="maps", exclude=["here"], explain=True)["decision"]
    by_node = {c["node"]: c for c in d["candidates"]}
    assert len(by_node) == 3 and by_node["maps/here"]["excluded"] and "excluded" not in by_node["maps/mapbox"]


def test_set_node_state(maps):
    node = maps.call("SetNodeState", node="maps/mapbox", administrativeState="draining")["node"]
    assert node["administrativeState"] == "draining"
    for _ in range(6):
        assert maps.call("Route", serviceName="maps")["decision"]["node"] != "maps/mapbox"
    with pytest.raises(VarlinkError) as e:
        maps.call("SetNodeState", node="maps/nowhere", administrativeState="enabled")
    assert e.value.name == "NoSuchNode" and e.value.parameters == {"node": "maps/nowhere"}


# ---- status ----

def test_status_snapshot_and_providers_agree(maps):
    d = maps.call("Route", serviceName="maps")["decision"]
    maps.call("Report", decision=d["id"], httpStatus=200, latencyMs=10)
    status, snapshot = maps.call("GetSystemStatus"), maps.call("GetSnapshot")
    assert status["status"]["decisions"] == snapshot["counters"]["decisions"] == 1
    assert [s["serviceName"] for s in status["services"]] == [s["serviceName"] for s in snapshot["services"]]
    node = node_of(snapshot, d["node"])
    assert node["calls"] == 1 and node["verdicts"] == {"ok": 1} and node["spendHour"] == d["estimatedCost"]
    providers = maps.call("ListProviders")["providers"]
    assert [p["name"] for p in providers] == ["generic", "google", "here", "mapbox", "samsara", "stripe"]
    # What the generic one can do is said by each node's options.
    assert all(bool(p["operations"]) == (p["name"] != "generic") and "error" not in p for p in providers)


def test_introspection(maps):
    info = maps.call("org.varlink.service.GetInfo")
    assert "org.pointsman.routing" in info["interfaces"]
    text = maps.call("org.varlink.service.GetInterfaceDescription", interface="org.pointsman.routing")["description"]
    assert "method Route(serviceName: string, operation: ?string" in text and "error BudgetExhausted" in text
    with pytest.raises(VarlinkError) as e:
        maps.call("org.varlink.service.GetInterfaceDescription", interface="org.example")
    assert e.value.name == "InterfaceNotFound"


# ---- events ----

def break_node(c, node):
    for _ in range(5):
        d = c.call("Route", serviceName="maps", exclude=[n for n in NODES if n != node])["decision"]
        c.call("Report", decision=d["id"], httpStatus=500)


def test_subscribe_and_resume(daemon, client):
    d = daemon(CONFIG)
    caller, listener = client(d), client(d)
    listener.send("Subscribe", {"types": ["circuit_changed"]}, more=True)
    caller.call("GetHealth")
    break_node(caller, "mapbox")
    event = listener.receive()["event"]
    assert event["type"] == "circuit_changed" and event["node"] == "maps/mapbox"
    assert event["data"]["from"] == "closed" and event["data"]["to"] == "open"
    again = client(d)
    again.send("Subscribe", {"types": ["circuit_changed"], "since": 0}, more=True)
    assert again.receive()["event"] == event


def test_what_a_report_makes_due_soon_is_not_late(daemon, client):
    """The half-open event of the first node comes with a tick, so nothing but the report can bring the next one forward."""
    d = daemon({"services": {"maps": service(load_balancing={"health_check_interval": 0, "retry_backoff_ms": 50})}})
    caller, listener = client(d), client(d)
    listener.send("Subscribe", {"types": ["circuit_changed"]}, more=True)
    caller.call("GetHealth")
    for node in "mapbox", "google":
        break_node(caller, node)
        opened, half_open = (listener.receive()["event"] for _ in range(2))
        assert (opened["data"]["to"], half_open["data"]["to"]) == ("open", "half_open"), (opened, half_open)
    took = datetime.fromisoformat(half_open["time"]) - datetime.fromisoformat(opened["time"])
    assert took < timedelta(seconds=0.5)


def test_decisions_are_told_only_to_those_who_ask(daemon, client):
    d = daemon(CONFIG)
    caller, all_events, decisions = client(d), client(d), client(d)
    decisions.send("Subscribe", {"types": ["routing_decision_made"]}, more=True)
    all_events.send("Subscribe", {"types": ["configuration_changed", "circuit_changed"]}, more=True)
    caller.call("GetHealth")
    decision = caller.call("Route", serviceName="maps")["decision"]
    event = decisions.receive()["event"]
    assert event["data"]["decision"] == decision["id"] and event["node"] == decision["node"]
    with pytest.raises(TimeoutError):
        all_events.receive(timeout=0.05)


def test_a_subscriber_that_does_not_read_is_dropped(daemon, client):
    d = daemon({**CONFIG, "limits": {"send_buffer_max": 65536}})
    caller, slow = client(d), client(d)
    slow.send("Subscribe", {"types": ["routing_decision_made"]}, more=True)
    caller.call("GetHealth")
    for _ in range(4000):
        caller.send("Route", {"serviceName": "maps"})
        caller.receive_raw()
        if caller.call("GetSystemStatus")["status"]["subscribers"] == 0:
            break
    else:
        pytest.fail("still subscribed")
    last = None
    with pytest.raises(Disconnected):
        while True:
            last = slow.receive_message()
    assert not last.get("continues") and "too slowly" in last["parameters"]["event"]["message"]


# ---- the protocol ----

def test_pipelining_keeps_the_order(maps):
    for i in range(500):
        maps.send("Route", {"serviceName": "maps"} if i % 2 else {"serviceName": f"none-{i}"})
    for i in range(500):
        message = maps.receive_message()
        if i % 2:
            assert "decision" in message["parameters"]
        else:
            assert message["parameters"] == {"serviceName": f"none-{i}"}


def test_oneway_has_no_answer(maps):
    d = maps.call("Route", serviceName="maps")["decision"]
    maps.oneway("Report", decision=d["id"], httpStatus=200)
    maps.oneway("Report", decision="nonsense", httpStatus=200)
    maps.oneway("NoSuchMethod")
    assert maps.call("GetSystemStatus")["status"]["reports"] == 1


def text_of(fields, order):
    return "{" + ", ".join(f'"{name}": {fields[name]}' for name in order) + "}"


def test_the_fields_of_a_message_in_any_order(maps):
    """Where the method is known first, its parameters are read at once. Nobody can tell, whatever is in them."""
    fields = {"method": '"org.pointsman.routing.Route"', "parameters": '{"serviceName": "m\\u0061ps", "operation": null}', "oneway": "false"}
    wrong = fields | {"parameters": '{"serviceName": "maps", "region": "\\u0065u", "strategy": "LUCK", "units": 1}'}
    for order in itertools.permutations(fields):
        maps.send_raw(text_of(fields, order).encode() + b"\0")
        assert maps.receive()["decision"]["serviceName"] == "maps"
        maps.send_raw(text_of(wrong, order).encode() + b"\0")
        with pytest.raises(VarlinkError) as e:
            maps.receive()
        assert e.value.name == "InvalidParameter" and e.value.parameters["parameter"] == "strategy"
        # Text that is no JSON is told before what is wrong in it.
        text = text_of(wrong, order)[:-1]
        maps.send_raw(text.encode() + b"\0")
        with pytest.raises(VarlinkError) as e:
            maps.receive()
        assert e.value.parameters == {"parameter": "message", "reason": f"not JSON: it ends too early at byte {len(text)}"}
        maps.send_raw(text_of(wrong | {"oneway": "true"}, order).encode() + b"\0")
        assert "status" in maps.call("GetSystemStatus"), "a oneway call has no answer, not even an error"


@pytest.mark.parametrize("field", ["method", "parameters", "more", "oneway"])
def test_a_field_of_a_message_that_is_there_twice(maps, field):
    fields = {"method": '"org.pointsman.routing.Route"', "parameters": '{"serviceName": "maps"}', "more": "false", "oneway": "false"}
    maps.send_raw(text_of(fields, [*fields, field]).encode() + b"\0")
    with pytest.raises(VarlinkError) as e:
        maps.receive()
    assert e.value.parameters == {"parameter": field, "reason": "the field is there twice"}


def test_a_request_in_crumbs(maps):
    frame = json.dumps({"method": "org.pointsman.routing.Route", "parameters": {"serviceName": "maps"}}).encode() + b"\0"
    for i in range(len(frame)):
        maps.send_raw(frame[i:i + 1])
    assert maps.receive()["decision"]["serviceName"] == "maps"


def test_many_clients(daemon):
    d = daemon(CONFIG)
    clients = [Client(d.socket) for _ in range(200)]
    try:
        for c in clients:
            c.send("Route", {"serviceName": "maps"})
        assert all(c.receive()["decision"]["id"] for c in clients)
    finally:
        for c in clients:
            c.close()


BAD_FRAMES = [
    (b"", "message"),
    (b"{", "message"),
    (b"nonsense", "message"),
    (b"[]", "message"),
    (b"\xff\xfe", "message"),
    (b'{"method":"org.pointsman.routing.Route","parameters":{"serviceName":"\xc3("}}', "message"),
    (b"[" * 20000, "message"),
    (b'{"a":' * 20000, "message"),
    (b'{"method":"org.pointsman.routing.Route"} x', "message"),
    (b'{"parameters":{}}', "method"),
    (b'{"method":5}', "method"),
    (b'{"method":"org.pointsman.routing.Route","parameters":[]}', "parameters"),
    (b'{"method":"org.pointsman.routing.Route","more":1}', "more"),
    (b'{"method":"org.pointsman.routing.Route"}', "serviceName"),
]


@pytest.mark.parametrize("frame,parameter", BAD_FRAMES, ids=[str(i) for i in range(len(BAD_FRAMES))])
def test_bad_frames_are_answered_and_harm_nobody(maps, frame, parameter):
    maps.send_raw(frame + b"\0")
    with pytest.raises(VarlinkError) as e:
        maps.receive()
    assert e.value.full_name == "org.varlink.service.InvalidParameter"
    assert e.value.parameters["parameter"] == parameter and e.value.parameters["reason"]
    assert maps.call("GetHealth")["status"]


BAD_PARAMETERS = [
    ({"serviceName": 5}, "serviceName"),
    ({"serviceName": "x" * 65}, "serviceName"),
    ({"serviceName": "maps", "units": -1}, "units"),
    ({"serviceName": "maps", "units": "1"}, "units"),
    ({"serviceName": "maps", "latitude": 91, "longitude": 0}, "latitude"),
    ({"serviceName": "maps", "latitude": 1}, "longitude"),
    ({"serviceName": "maps", "strategy": "BEST"}, "strategy"),
    ({"serviceName": "maps", "idempotent": "yes"}, "idempotent"),
    ({"serviceName": "maps", "exclude": "maps/here"}, "exclude"),
    ({"serviceName": "maps", "exclude": ["x"] * 257}, "exclude"),
    ({"serviceName": "maps", "maxCost": 1e30}, "maxCost"),
]


@pytest.mark.parametrize("parameters,field", BAD_PARAMETERS, ids=[f"{i}-{f}" for i, (_, f) in enumerate(BAD_PARAMETERS)])
def test_bad_parameters_are_named(maps, parameters, field):
    with pytest.raises(VarlinkError) as e:
        maps.call("Route", **parameters)
    assert e.value.name == "InvalidParameter" and e.value.parameters["parameter"] == field


def test_errors_by_name(maps):
    for method, name in (("Route", "NoSuchService"), ("Nope", "MethodNotFound"), ("org.example.Nope", "InterfaceNotFound"),
                         ("nodots", "MethodNotFound"), ("Subscribe", "ExpectedMore")):
        with pytest.raises(VarlinkError) as e:
            maps.call(method, serviceName="none") if method == "Route" else maps.call(method)
        assert e.value.name == name
    with pytest.raises(VarlinkError) as e:
        maps.call("Report", decision="0" * 24)
    assert e.value.parameters["parameter"] == "httpStatus"


def test_unknown_fields_are_passed_over(maps):
    assert maps.call("Route", serviceName="maps", colour="red", nested={"a": [1, {"b": None}]})["decision"]


def test_a_message_too_long_ends_only_its_connection(daemon, client):
    d = daemon({**CONFIG, "limits": {"message_max": 4096}})
    long, other = client(d), client(d)
    long.send_raw(b'{"method":"' + b"x" * 9000)
    with pytest.raises(VarlinkError) as e:
        long.receive()
    assert e.value.name == "InvalidParameter" and "4096" in e.value.parameters["reason"]
    with pytest.raises(Disconnected):
        long.receive()
    assert other.call("GetHealth")


def private_memory(process):
    """In KiB."""
    with open(f"/proc/{process.pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("RssAnon"))


def test_a_client_that_never_reads_stops_being_read(daemon, client):
    """Its replies fill its own buffers and no more; the others are served."""
    d = daemon({**CONFIG, "limits": {"send_buffer_max": 65536}})
    greedy, other = client(d), client(d)
    assert other.call("GetHealth")
    before = private_memory(d)
    greedy.socket.settimeout(0.2)
    frame = json.dumps({"method": "org.pointsman.routing.GetSnapshot"}).encode() + b"\0"
    with pytest.raises(TimeoutError):
        for _ in range(10000):
            greedy.send_raw(frame * 50)
    assert other.call("GetHealth")
    assert private_memory(d) - before < 16 * 1024
    # Once it reads, all that it asked is answered.
    greedy.socket.settimeout(10)
    for _ in range(100):
        assert "services" in greedy.receive()


def test_half_a_frame_and_silence(daemon):
    d = daemon(CONFIG)
    silent = [Client(d.socket) for _ in range(50)]
    for c in silent:
        c.send_raw(b'{"method":"org.poin')
    with Client(d.socket) as c:
        assert c.call("GetHealth")
    for c in silent:
        c.close()
    with Client(d.socket) as c:
        c.send_raw(b'{"method":"org.poin')
        c.socket.shutdown(socket.SHUT_WR)
        with pytest.raises(Disconnected):
            c.receive()


def test_too_many_connections_are_told_so(daemon, wait_for):
    d = daemon({**CONFIG, "limits": {"connections": 3}})
    clients = [Client(d.socket) for _ in range(3)]
    for c in clients:
        c.call("GetHealth")
    with Client(d.socket) as c:
        with pytest.raises(VarlinkError) as e:
            c.receive()
        assert e.value.name == "Busy" and "connections" in e.value.parameters["reason"]
    clients.pop().close()

    def admitted():  # as soon as the daemon has seen the other leave
        with Client(d.socket) as c:
            try:
                return c.call("GetHealth")
            except (VarlinkError, Disconnected, BrokenPipeError):
                return None

    wait_for(admitted, "a place for another connection")
    for c in clients:
        c.close()


# ---- life ----

def test_reload_keeps_what_is_known_and_refuses_what_is_bad(daemon, client, wait_for):
    d = daemon(CONFIG)
    c = client(d)
    decision = c.call("Route", serviceName="maps")["decision"]
    with open(d.config, "w", encoding="utf-8") as f:
        f.write('services = { maps = { strategy = "BEST"; }; };\n')
    with pytest.raises(VarlinkError) as e:
        c.call("Reload")
    assert e.value.name == "InvalidConfiguration" and "services.maps.strategy" in e.value.parameters["field"]
    assert len(c.call("GetSystemStatus")["services"]) == 2
    assert c.call("GetHealth")["status"] == "degraded"

    settings = {"services": {"maps": service(strategy="WEIGHTED_ROUND_ROBIN")}}
    with open(d.config, "w", encoding="utf-8") as f:
        f.write(parts.libconfig_file(settings))
    os.kill(d.pid, signal.SIGHUP)
    wait_for(lambda: len(c.call("GetSystemStatus")["services"]) == 1, "the reload is done")
    status = c.call("GetSystemStatus")["services"][0]
    assert status["strategy"] == "WEIGHTED_ROUND_ROBIN" and status["decisions"] == 1
    assert c.call("Report", decision=decision["id"], httpStatus=200)["verdict"] == "ok"


def test_check_reports_every_mistake_at_once(build_dir, run_dir):
    path = os.path.join(run_dir, "bad.conf")
    with open(path, "w", encoding="utf-8") as f:
        f.write('services = {\n  maps = {\n    strategy = "BEST";\n    nodes = { a = { provider = "mapbox"; weight = -1; }; };\n  };\n};\n')
    done = subprocess.run([os.path.join(build_dir, "daemon/pointsmand"), "--check", "--config", path, "--provider-dir",
                           parts.provider_dir(build_dir)], capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 1
    assert f"{path}:3: services.maps.strategy" in done.stderr and f"{path}:4: services.maps.nodes.a.weight" in done.stderr


def test_a_bad_plugin_does_not_keep_the_others_away(daemon, client, build_dir, run_dir):
    plugins = os.path.join(run_dir, "plugins")
    os.mkdir(plugins, 0o755)
    for name in ("mapbox", "google", "here"):
        with open(os.path.join(parts.provider_dir(build_dir), name + ".so"), "rb") as source:
            with open(os.path.join(plugins, name + ".so"), "wb") as target:
                target.write(source.read() if name != "here" else b"not a shared object")
        os.chmod(os.path.join(plugins, name + ".so"), 0o644)
    c = client(daemon(CONFIG, provider_dir_=plugins))
    listed = {p["name"]: p for p in c.call("ListProviders")["providers"]}
    assert listed["here"]["error"] and "error" not in listed["mapbox"]
    assert c.call("GetHealth")["status"] == "degraded"
    assert {c.call("Route", serviceName="maps")["decision"]["node"] for _ in range(6)} == {"maps/mapbox", "maps/google"}


def test_a_socket_left_behind_is_taken_over(daemon, client, run_dir):
    path = os.path.join(run_dir, "left.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
        left.bind(path)
        left.listen()
    assert client(daemon(CONFIG, socket_path=path)).call("GetHealth")


def test_a_second_daemon_does_not_take_the_socket_away(daemon, client, build_dir, run_dir):
    first = daemon(CONFIG)
    second = subprocess.run([os.path.join(build_dir, "daemon/pointsmand"), "--config", first.config, "--socket", first.socket,
                             "--state-dir", run_dir, "--provider-dir", parts.provider_dir(build_dir), "--bus", "none"],
                            capture_output=True, text=True, timeout=10, check=False)
    assert second.returncode == 1 and "Another process listens" in second.stderr
    assert client(first).call("GetHealth")


def test_without_a_state_folder_it_routes_and_says_so(build_dir, run_dir, daemon, client):
    blocked = os.path.join(run_dir, "file")
    with open(blocked, "w", encoding="utf-8"):
        pass
    d = daemon(CONFIG, "--state-dir", os.path.join(blocked, "state"))
    assert client(d).call("Route", serviceName="maps")
    d.wait_log("Cannot make the state folder")


def test_socket_activation(build_dir, run_dir):
    """The client connects and asks before the daemon runs; nothing is lost."""
    path, config = os.path.join(run_dir, "activated.sock"), os.path.join(run_dir, "activated.conf")
    with open(config, "w", encoding="utf-8") as f:
        f.write(parts.libconfig_file(CONFIG))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        listener.listen()
        with Client(path) as c:
            c.send("GetHealth")
            # The shell becomes the daemon, so that $$ is the daemon's own pid, which it compares with LISTEN_PID.
            command = ["bash", "-c", 'exec env LISTEN_FDS=1 LISTEN_PID=$$ "$@" 3<&"$FD"', "bash",
                       os.path.join(build_dir, "daemon/pointsmand"), "--config", config, "--socket", "/nonexistent/socket",
                       "--state-dir", run_dir, "--provider-dir", parts.provider_dir(build_dir), "--bus", "none"]
            fd = listener.fileno()
            with subprocess.Popen(command, pass_fds=[fd], env=os.environ | {"FD": str(fd)}) as daemon_process:
                try:
                    assert c.receive()["status"]
                finally:
                    daemon_process.terminate()
            assert daemon_process.returncode == 0
    assert os.path.exists(path)  # it is systemd's, not the daemon's, to remove
