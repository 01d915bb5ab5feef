# SPDX-License-Identifier: Apache-2.0
"""D-Bus: the same brain as on the socket, behind a real bus."""

import json
import os
import signal
import subprocess
import xml.etree.ElementTree as ElementTree

import dbus
import dbus.bus
import dbus.lowlevel
import pytest

from harness import parts, process
from harness.varlink import VarlinkError

NAME = "org.pointsman.Pointsman1"
PATH = "/org/pointsman/Pointsman1"
MANAGER = NAME + ".Manager"
PROPERTIES = "org.freedesktop.DBus.Properties"
OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"

CONFIG = {"services": {
    "stripe": {"strategy": "WEIGHTED_ROUND_ROBIN", "load_balancing": {"health_check_interval": 0, "retry_backoff_ms": 100}, "nodes": {
        "us-east": {"provider": "stripe", "url": "https://us.test", "weight": 70, "cost_per_request": 0.029},
        "eu-west": {"provider": "stripe", "url": "https://eu.test", "weight": 30, "cost_per_request": 0.031}}},
    "geo-maps": {"load_balancing": {"health_check_interval": 0}, "cost_constraints": {"max_cost_per_hour": 0.008}, "nodes": {
        "here": {"provider": "here", "url": "https://here.test", "cost_per_request": 0.006}}},
}}


class Station:
    """A program on the bus that calls pointsman."""

    def __init__(self, address):
        self.bus = dbus.bus.BusConnection(address)

    def call(self, interface, method, signature="", *arguments, path=PATH):
        return self.bus.call_blocking(NAME, path, interface, method, signature, arguments, timeout=10)

    def manager(self, method, signature="", *arguments):
        return self.call(MANAGER, method, signature, *arguments)

    def get(self, path, interface, name):
        return self.call(PROPERTIES, "Get", "ss", interface, name, path=path)

    def get_all(self, path, interface):
        return self.call(PROPERTIES, "GetAll", "s", interface, path=path)

    def error(self, method, signature="", *arguments, interface=MANAGER, path=PATH):
        """The name and text of the error that a call ends with."""
        with pytest.raises(dbus.exceptions.DBusException) as e:
            self.call(interface, method, signature, *arguments, path=path)
        return e.value.get_dbus_name().removeprefix(NAME + ".Error."), e.value.get_dbus_message()

    def present(self):
        return self.bus.name_has_owner(NAME)


@pytest.fixture
def station():
    stations = []

    def connect(bus):
        stations.append(Station(bus.address))
        return stations[-1]

    yield connect
    for s in stations:
        s.bus.close()


@pytest.fixture
def on_bus(daemon, bus, station, wait_for):
    """on_bus(config) → the daemon and a station, both on the bus."""
    def start(config=CONFIG, *options):
        d = daemon(config, *options, bus=bus.address)
        s = station(bus)
        wait_for(s.present, "the daemon owns its name")
        return d, s

    return start


class Monitor(process.Process):
    """busctl, writing down all that passes over the bus."""

    def __init__(self, bus, directory):
        self.path = os.path.join(directory, "monitor.json")
        super().__init__("monitor", ["busctl", "--address", bus.address, "--json=short", "monitor"], directory, stdout=self.path,
                         clean_exit=(0, -15))

    def messages(self):
        with open(self.path, encoding="utf-8") as f:
            return [json.loads(line) for line in f.read().splitlines(keepends=True) if line.endswith("\n") and line.strip()]

    def wait(self, wanted):
        """All messages so far that are wanted, as soon as there is one."""
        return self.wait_for(lambda: [m for m in self.messages() if wanted(m)], "such a message passes")

    def wait_signal(self, interface, member, path=PATH, wanted=lambda *data: True):
        """The arguments of each such signal."""
        return [m["payload"]["data"] for m in self.wait(lambda m: m["type"] == "signal" and m["path"] == path and (
            m["interface"], m["member"]) == (interface, member) and wanted(*m["payload"]["data"]))]


@pytest.fixture
def monitor(bus, run_dir, started):
    it = started(Monitor(bus, run_dir))
    it.wait_log("Monitoring")
    return it


def plain(value):
    """D-Bus types as Python's, as JSON would show them."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, dbus.Boolean):
        return bool(value)
    if isinstance(value, str):
        return str(value)
    return float(value) if isinstance(value, float) else int(value)


# ---- methods ----

def test_route_and_report(on_bus):
    _, s = on_bus()
    decision, node, url, cost, details = plain(s.manager("Route", "sa{sv}", "stripe", {}))
    assert (node, url, cost) in (("stripe/us-east", "https://us.test", 0.029), ("stripe/eu-west", "https://eu.test", 0.031))
    assert details["serviceName"] == "stripe" and details["strategy"] == "WEIGHTED_ROUND_ROBIN" and len(details["fallbacks"]) == 1
    verdict, retryable, retry_after, reason, settled, details = plain(
        s.manager("Report", "sa{sv}", decision, {"httpStatus": 200, "latencyMs": 12.5, "headers": dbus.Dictionary({"Request-Id": "r1"})}))
    assert (verdict, retry_after, settled) == ("ok", 0, cost) and retryable in (True, False) and isinstance(reason, str)
    assert details == {"requestId": "r1"}
    assert s.error("Report", "sa{sv}", decision, {"httpStatus": 200})[0] == "NoSuchDecision"


def test_fallback(on_bus):
    _, s = on_bus()
    first = plain(s.manager("Route", "sa{sv}", "stripe", {}))
    second = plain(s.manager("CostAwareFallback", "sa{sv}", first[0], {"httpStatus": 503}))
    assert second[0] != first[0] and second[1] != first[1] and second[4] == "service_unavailable"
    assert second[5]["costAssessment"]["additional"] == second[3] and second[5]["serviceName"] == "stripe"
    assert s.error("CostAwareFallback", "sa{sv}", second[0], {"error": "timeout"})[0] == "NoUsableNode"


def strip(value, *names):
    """Without what time alone changes."""
    if isinstance(value, dict):
        return {k: strip(v, *names) for k, v in value.items() if k not in names}
    return [strip(v, *names) for v in value] if isinstance(value, list) else value


TIMES = ("uptimeSeconds", "uptimeMs", "connections", "cooldownMs", "healthScore")


def test_both_faces_show_the_same(on_bus, client, wait_for):
    d, s = on_bus()
    c = client(d)
    for status in (200, 503, 429, 200, 401):
        c.call("Report", decision=s.manager("Route", "sa{sv}", "stripe", {})[0], httpStatus=status, latencyMs=3.25)
    for method in ("GetSystemStatus", "GetHealth", "GetSnapshot", "ListProviders"):
        names = [a.get("name") for a in arguments(s, method, "out")]

        def unmoved():
            """What both show at a moment when nothing changed by itself, such as a circuit whose time has come."""
            before = strip(c.call(method), *TIMES)
            reply = s.manager(method)
            seen = strip(plain(dict(zip(names, reply if len(names) > 1 else (reply,)))), *TIMES)
            return (before, seen) if strip(c.call(method), *TIMES) == before else None

        on_socket, on_dbus = wait_for(unmoved, "a moment without change")
        assert on_dbus == on_socket, method


def test_manage(on_bus, client):
    d, s = on_bus()
    node = plain(s.manager("SetNodeState", "ss", "stripe/us-east", "draining"))
    assert node["node"] == "stripe/us-east" and node["administrativeState"] == "draining"
    services = client(d).call("GetSystemStatus")["services"]
    assert next(n for x in services for n in x["nodes"] if n["node"] == "stripe/us-east")["administrativeState"] == "draining"
    with open(d.config, encoding="utf-8") as f:
        text = f.read()
    with open(d.config, "w", encoding="utf-8") as f:
        f.write(text.replace("weight = 70", "weight = 50"))
    assert plain(s.manager("Reload")) == [{"path": "services.stripe.nodes.us-east.weight", "before": "70", "after": "50"}]
    assert s.get(PATH + "/node/stripe/us_2deast", NAME + ".Node", "Weight") == 50


def test_errors_carry_what_a_program_wants(on_bus, monitor):
    _, s = on_bus()
    s.manager("Route", "sa{sv}", "geo-maps", {})
    name, text = s.error("Route", "sa{sv}", "geo-maps", {})
    assert name == "BudgetExhausted" and "geo-maps" in text
    text, parameters = monitor.wait(lambda m: m["type"] == "error" and m["error_name"].startswith(NAME))[0]["payload"]["data"]
    parameters = {k: v["data"] for k, v in parameters.items()}
    assert parameters["serviceName"] == "geo-maps" and parameters["limit"] == "maxCostPerHour" and parameters["resetsInMs"] > 0


# ---- input ----

U32, D, S, I64 = dbus.UInt32, dbus.Double, dbus.String, dbus.Int64
LONG = "x" * 70

ROUTE_ERRORS = [
    ({"units": S("x")}, {"units": "x"}, "units"),
    ({"units": D(-1)}, {"units": -1}, "units"),
    ({"units": D(1e300)}, {"units": 1e300}, "units"),
    ({"latitude": D(91), "longitude": D(0)}, {"latitude": 91, "longitude": 0}, "latitude"),
    ({"latitude": D(9)}, {"latitude": 9}, "longitude"),
    ({"strategy": S("BEST")}, {"strategy": "BEST"}, "strategy"),
    ({"strategy": U32(1)}, {"strategy": 1}, "strategy"),
    ({"idempotent": S("yes")}, {"idempotent": "yes"}, "idempotent"),
    ({"explain": U32(1)}, {"explain": 1}, "explain"),
    ({"exclude": S("us-east")}, {"exclude": "us-east"}, "exclude"),
    ({"exclude": dbus.Array([1, 2], "u")}, {"exclude": [1, 2]}, "exclude"),
    ({"exclude": dbus.Dictionary({"a": "b"}, "ss")}, {"exclude": {"a": "b"}}, "exclude"),
    ({"exclude": dbus.Array(["x"] * 257)}, {"exclude": ["x"] * 257}, "exclude"),
    ({"region": S(LONG)}, {"region": LONG}, "region"),
    ({"maxCost": D(2e9)}, {"maxCost": 2e9}, "maxCost"),
]

REPORT_ERRORS = [
    ({}, {}, "httpStatus"),
    ({"httpStatus": D(200.5)}, {"httpStatus": 200.5}, "httpStatus"),
    ({"httpStatus": U32(600)}, {"httpStatus": 600}, "httpStatus"),
    ({"httpStatus": dbus.UInt64(2**64 - 1)}, {"httpStatus": 2**64 - 1}, "httpStatus"),
    ({"headers": dbus.Array(["a"])}, {"headers": ["a"]}, "headers"),
    ({"headers": dbus.Dictionary({"a": U32(1)}, "sv")}, {"headers": {"a": 1}}, "headers"),
    ({"error": S("oops")}, {"error": "oops"}, "error"),
    ({"latencyMs": S("3")}, {"latencyMs": "3"}, "latencyMs"),
    ({"latencyMs": I64(-1)}, {"latencyMs": -1}, "latencyMs"),
]


def test_wrong_input_is_refused_as_on_the_socket(on_bus, client):
    d, s = on_bus()
    c = client(d)

    def compare(method, first, options, parameters, field):
        name, text = s.error(method, "sa{sv}", first, dbus.Dictionary(options, "sv"))
        assert name == "InvalidParameter" and text.startswith(f"Parameter {field} is not valid: "), (options, text)
        with pytest.raises(VarlinkError) as e:
            c.call(method, **parameters)
        assert (e.value.name, e.value.parameters["parameter"]) == ("InvalidParameter", field)

    for options, parameters, field in ROUTE_ERRORS:
        compare("Route", "stripe", options, {"serviceName": "stripe", **parameters}, field)
    compare("Route", LONG, {}, {"serviceName": LONG}, "serviceName")
    decision = c.call("Route", serviceName="stripe")["decision"]["id"]
    for options, parameters, field in REPORT_ERRORS:
        compare("Report", decision, options, {"decision": decision, **parameters}, field)
    assert s.manager("Report", "sa{sv}", decision, {"httpStatus": 200})[0] == "ok"
    name, text = s.error("Route", "sa{sv}", "stripe", {"serviceName": "maps"})
    assert name == "InvalidParameter" and "twice" in text
    name, text = s.error("Route", "sa{sv}", "stripe", {"units": D("nan")})
    assert name == "InvalidParameter" and "units" in text


@pytest.mark.parametrize("status", [dbus.Byte(200), dbus.Int16(200), dbus.UInt16(200), dbus.Int32(200), U32(200), I64(200),
                                    dbus.UInt64(200), D(200.0), dbus.Int32(200, variant_level=2)], ids=repr)
def test_any_type_of_number_is_taken(on_bus, status):
    _, s = on_bus()
    decision = s.manager("Route", "sa{sv}", "stripe", {"units": dbus.Byte(2), "maxCost": U32(1), "latitude": 4, "longitude": D(5)})
    assert decision[3] in (0.058, 0.062)
    assert s.manager("Report", "sa{sv}", decision[0], {"httpStatus": status})[0] == "ok"


def test_lists_and_dictionaries_of_variants_are_taken(on_bus):
    _, s = on_bus()
    d = s.manager("Route", "sa{sv}", "stripe", {"exclude": dbus.Array([S("us-east", variant_level=1)], "v"), "unheard-of": [1, 2]})
    assert d[1] == "stripe/eu-west"
    headers = dbus.Dictionary({"Request-Id": S("r2", variant_level=1)}, "sv")
    assert s.manager("Report", "sa{sv}", d[0], {"httpStatus": 200, "headers": headers})[5] == {"requestId": "r2"}


def test_options_may_be_left_out(on_bus):
    """A method that gets its first option is still called as before."""
    _, s = on_bus()
    assert s.manager("Route", "s", "stripe")[1].startswith("stripe/")
    assert s.manager("Reload") == s.manager("Reload", "a{sv}", {}) == []
    assert s.error("Reload", "s", "x")[0].endswith("InvalidArgs")


def test_what_is_not_there(on_bus):
    _, s = on_bus()
    freedesktop = "org.freedesktop.DBus.Error."
    assert s.error("Route", "sa{sv}", "nowhere", {})[0] == "NoSuchService"
    assert s.error("SetNodeState", "ss", "stripe/nowhere", "enabled")[0] == "NoSuchNode"
    for signature, arguments in (("", ()), ("ss", ("stripe", "x")), ("a{sv}", ({},)), ("sa{sv}s", ("stripe", {}, "x"))):
        assert s.error("Route", signature, *arguments)[0] == freedesktop + "InvalidArgs"
    assert s.error("Dance")[0] == freedesktop + "UnknownMethod"
    assert s.error("Subscribe")[0] == freedesktop + "UnknownMethod"
    assert s.error("FollowProbes")[0] == freedesktop + "UnknownMethod"
    assert s.error("Dance", interface=NAME + ".Ballet")[0] == freedesktop + "UnknownInterface"
    assert s.error("Route", "sa{sv}", "stripe", {}, path=PATH + "/service/stripe")[0] == freedesktop + "UnknownInterface"
    assert s.error("Get", "ss", MANAGER, "Shoes", interface=PROPERTIES)[0] == freedesktop + "UnknownProperty"
    assert s.error("Get", "ss", "a.b", "Health", interface=PROPERTIES)[0] == freedesktop + "UnknownInterface"
    assert s.error("Set", "ssv", MANAGER, "Health", "ok", interface=PROPERTIES)[0] == freedesktop + "PropertyReadOnly"
    for path in ("/service/nowhere", "/node/stripe/nowhere", "/node/stripe", "/elsewhere", "/service"):
        assert s.error("GetAll", "s", "", interface=PROPERTIES, path=PATH + path)[0] == freedesktop + "UnknownObject", path
    assert s.error("Introspect", interface="org.freedesktop.DBus.Introspectable", path=PATH + "/elsewhere")[0] == \
        freedesktop + "UnknownObject"


# ---- introspection ----

def introspect(s, path=PATH):
    return ElementTree.fromstring(s.call("org.freedesktop.DBus.Introspectable", "Introspect", path=path))


def arguments(s, method, direction):
    m = introspect(s).find(f"interface[@name='{MANAGER}']/method[@name='{method}']")
    return m.findall(f"arg[@direction='{direction}']")


def test_introspection_tells_all(on_bus, client):
    d, s = on_bus()
    description = client(d).call("org.varlink.service.GetInterfaceDescription", interface="org.pointsman.routing")["description"]
    methods = {line.split()[1].partition("(")[0] for line in description.splitlines() if line.startswith("method ")}
    root = introspect(s)
    manager = root.find(f"interface[@name='{MANAGER}']")
    assert {m.get("name") for m in manager.findall("method")} == methods - {"Subscribe", "FollowProbes", "ReportProbe"}
    assert all(a.get("name") for a in root.iter("arg"))
    assert [(a.get("type"), a.get("name")) for a in arguments(s, "Route", "in")] == [("s", "serviceName"), ("a{sv}", "options")]
    assert [(a.get("type"), a.get("name")) for a in arguments(s, "Route", "out")] == [
        ("s", "decisionId"), ("s", "node"), ("s", "url"), ("d", "estimatedCost"), ("a{sv}", "details")]
    assert [a.get("type") for a in arguments(s, "Report", "out")] == ["s", "b", "t", "s", "d", "a{sv}"]
    signals = {x.get("name") for x in manager.findall("signal")}
    assert {"CircuitChanged", "CostAlert", "ConfigurationChanged"} <= signals and "RoutingDecisionMade" not in signals
    types = {p.get("name"): p.get("type") for p in manager.findall("property")}
    assert types["Version"] == "s" and types["Health"] == "s" and types["Decisions"] == "t"


def test_the_tree_of_objects(on_bus, bus):
    _, s = on_bus()
    found = set()

    def walk(path):
        found.add(path)
        for child in introspect(s, path).findall("node"):
            walk(path + "/" + child.get("name"))

    walk(PATH)
    managed = {str(p) for p in s.call(OBJECT_MANAGER, "GetManagedObjects")}
    assert managed == {PATH + p for p in ("/service/stripe", "/service/geo_2dmaps", "/node/stripe/us_2deast", "/node/stripe/eu_2dwest",
                                          "/node/geo_2dmaps/here")}
    assert managed < found
    # What people type.
    assert "/node/stripe/us_2deast" in os.popen(f"busctl --address {bus.address} tree {NAME}").read()


# ---- objects ----

def test_properties(on_bus, client):
    d, s = on_bus()
    c = client(d)
    service = next(x for x in c.call("GetSystemStatus")["services"] if x["serviceName"] == "stripe")
    p = plain(s.get_all(PATH + "/service/stripe", NAME + ".Service"))
    assert p.pop("Nodes") == [PATH + "/node/stripe/us_2deast", PATH + "/node/stripe/eu_2dwest"]
    nodes = service.pop("nodes")
    assert {k: p[k[0].upper() + k[1:]] for k in service} == service
    assert p["MaxCostPerHour"] != p["MaxCostPerHour"] and p["BudgetPeriod"] == ""  # NaN and "": none
    assert s.get(PATH + "/service/geo_2dmaps", NAME + ".Service", "MaxCostPerHour") == 0.008
    p = plain(s.get_all(PATH + "/node/stripe/us_2deast", NAME + ".Node"))
    assert {k: p[k[0].upper() + k[1:]] for k in nodes[0]} == nodes[0]
    managed = s.call(OBJECT_MANAGER, "GetManagedObjects")
    assert plain(managed[PATH + "/node/stripe/us_2deast"][NAME + ".Node"])["Url"] == "https://us.test"
    assert s.get(PATH, MANAGER, "Version") == c.call("GetSystemStatus")["status"]["version"]


def test_a_long_list_of_objects(on_bus, monitor, wait_for):
    """It is put together bit by bit; what comes in between, even a reload, must not spoil it."""
    def services(n):
        return {"services": {f"s{i}": {"load_balancing": {"health_check_interval": 0}, "nodes": {
            f"n{k}": {"provider": "here", "url": "https://here.test"} for k in range(100)}} for i in range(n)}}

    def paths(n):
        return {f"{PATH}/service/s{i}" for i in range(n)} | {f"{PATH}/node/s{i}/n{k}" for i in range(n) for k in range(100)}

    d, s = on_bus(services(12))
    assert {str(p) for p in s.call(OBJECT_MANAGER, "GetManagedObjects")} == paths(12)
    with open(d.config, "w", encoding="utf-8") as f:
        f.write(parts.libconfig_file(services(3)))
    for interface, method in ((OBJECT_MANAGER, "GetManagedObjects"), (MANAGER, "Reload"), (OBJECT_MANAGER, "GetManagedObjects")):
        s.bus.send_message(dbus.lowlevel.MethodCallMessage(NAME, PATH, interface, method))
    s.bus.flush()

    def lists():
        return [set(m["payload"]["data"][0]) for m in monitor.messages()
                if m["type"] == "method_return" and m["payload"]["type"] == "a{oa{sa{sv}}}"]

    first, second = wait_for(lambda: len(lists()) == 3 and lists()[1:], "both lists are there")
    assert first in (paths(12), paths(3)) and second == paths(3)


# ---- what comes by itself ----

def break_node(c, node, times=5):
    others = [n for n in ("stripe/us-east", "stripe/eu-west") if n != node]
    for _ in range(times):
        c.call("Report", decision=c.call("Route", serviceName="stripe", exclude=others)["decision"]["id"], httpStatus=503)


def test_a_breaker_opens(on_bus, client, monitor):
    d, _ = on_bus()
    path = PATH + "/node/stripe/us_2deast"
    break_node(client(d), "stripe/us-east")
    serial, time, severity, service, node, message, data = monitor.wait_signal(MANAGER, "CircuitChanged")[0]
    assert serial > 0 and time.endswith("Z") and severity == "high" and (service, node) == ("stripe", "stripe/us-east") and message
    assert data["from"]["data"] == "closed" and data["to"]["data"] == "open"
    interface, changed, invalidated = monitor.wait_signal(PROPERTIES, "PropertiesChanged", path, lambda _, c, __: "Circuit" in c)[0]
    assert interface == NAME + ".Node" and invalidated == []
    assert changed["Failures"]["data"] == 5 and changed["Verdicts"]["data"] == {"service_unavailable": 5}
    assert not {"Node", "Url", "Weight", "CooldownMs"} & set(changed), "only what changed, and what is announced to change"
    monitor.wait_signal(PROPERTIES, "PropertiesChanged", PATH + "/service/stripe", lambda _, c, __: c.get("Failures", {}).get("data") == 5)
    monitor.wait_signal(PROPERTIES, "PropertiesChanged", PATH, lambda _, c, __: "Health" in c or "Failures" in c)
    assert not [m for m in monitor.messages() if m.get("path") == PATH + "/node/geo_2dmaps/here"], "nothing happened there"


def test_what_time_alone_changes_is_told_too(on_bus, client, monitor, wait_for):
    """A health score drifts back while nobody calls."""
    d, _ = on_bus()
    path = PATH + "/node/stripe/us_2deast"
    c = client(d)
    break_node(c, "stripe/us-east", 3)

    def scores():
        return [m["payload"]["data"][1]["HealthScore"]["data"] for m in monitor.messages() if m.get("path") == path and
                m.get("member") == "PropertiesChanged" and "HealthScore" in m["payload"]["data"][1]]

    low = wait_for(scores, "the failures are told")[-1]
    told = len(scores())
    wait_for(lambda: len(scores()) > told and scores()[-1] > low, "the score rises")


def test_changes_are_told_together(on_bus, client, monitor):
    d, _ = on_bus()
    c = client(d)
    for _ in range(500):
        c.call("Report", decision=c.call("Route", serviceName="stripe")["decision"]["id"], httpStatus=200)
    told = monitor.wait_signal(PROPERTIES, "PropertiesChanged", PATH + "/service/stripe",
                               lambda _, c, __: c.get("Decisions", {}).get("data") == 500)
    assert len(told) == 1
    seen = [m for m in monitor.messages() if m.get("path") == PATH + "/service/stripe"]
    spent = (seen[-1]["timestamp-realtime"] - seen[0]["timestamp-realtime"]) / 1e6
    assert len(seen) <= 2 + spent / 0.5


def test_objects_come_and_go(on_bus, monitor):
    d, s = on_bus()
    services = {name: dict(details) for name, details in CONFIG["services"].items()}
    del services["geo-maps"]
    services["stripe"]["nodes"] = {"us-east": CONFIG["services"]["stripe"]["nodes"]["us-east"],
                                   "ap-south": {"provider": "stripe", "url": "https://ap.test"}}
    with open(d.config, "w", encoding="utf-8") as f:
        f.write(parts.libconfig_file({"services": services}))
    s.manager("Reload")
    path, interfaces = monitor.wait_signal(OBJECT_MANAGER, "InterfacesAdded")[0]
    assert path == PATH + "/node/stripe/ap_2dsouth"
    assert interfaces[NAME + ".Node"]["Url"]["data"] == "https://ap.test"
    gone = PATH + "/service/geo_2dmaps"
    monitor.wait_signal(OBJECT_MANAGER, "InterfacesRemoved", wanted=lambda path, _: path == gone)
    removed = {m["payload"]["data"][0]: m["payload"]["data"][1] for m in monitor.messages() if m.get("member") == "InterfacesRemoved"}
    assert removed == {gone: [NAME + ".Service"], PATH + "/node/geo_2dmaps/here": [NAME + ".Node"],
                       PATH + "/node/stripe/eu_2dwest": [NAME + ".Node"]}
    changed = monitor.wait_signal(PROPERTIES, "PropertiesChanged", PATH + "/service/stripe", lambda _, c, __: "Nodes" in c)[0][1]
    assert changed["Nodes"]["data"] == [PATH + "/node/stripe/us_2deast", PATH + "/node/stripe/ap_2dsouth"]
    assert s.error("GetAll", "s", "", interface=PROPERTIES, path=gone)[0].endswith("UnknownObject")
    message = monitor.wait_signal(MANAGER, "ConfigurationChanged")[0][5]
    assert "reloaded" in message


# ---- who may ----

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can call as another user")


def busctl(bus, *arguments_, user=NOBODY, check=True):
    """Calls as another user."""
    done = subprocess.run(["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "busctl", "--address", bus.address,
                           "--json=short", *arguments_], capture_output=True, text=True, timeout=20, check=False)
    if check:
        assert done.returncode == 0, done.stderr
    return done


@pytest.fixture
def open_dir(run_dir):
    """The test's folder, where other users can get to the bus."""
    os.chmod(run_dir, 0o755)


@as_root
def test_roles(open_dir, on_bus, bus):
    d, s = on_bus(CONFIG | {"access": {"admin": ["nosuchgroup"]}})
    decision = json.loads(busctl(bus, "call", NAME, PATH, MANAGER, "Route", "sa{sv}", "stripe", "0").stdout)["data"][0]
    for call in (("SetNodeState", "ss", "stripe/us-east", "disabled"), ("Reload",)):
        denied = busctl(bus, "call", NAME, PATH, MANAGER, *call, check=False)
        assert denied.returncode != 0 and f"You may not call {call[0]}" in denied.stderr
    assert s.get(PATH + "/node/stripe/us_2deast", NAME + ".Node", "AdministrativeState") == "enabled"
    taken = busctl(bus, "call", NAME, PATH, MANAGER, "Report", "sa{sv}", decision, "1", "httpStatus", "u", "200", user=1, check=False)
    assert "another user's" in taken.stderr
    busctl(bus, "call", NAME, PATH, MANAGER, "Report", "sa{sv}", decision, "1", "httpStatus", "u", "200")


@as_root
def test_who_may_not_even_look(open_dir, on_bus, bus):
    on_bus(CONFIG | {"access": {"viewer": ["root"], "client": ["root"]}})
    for interface, *call in ((MANAGER, "GetHealth"), (PROPERTIES, "GetAll", "s", MANAGER), (OBJECT_MANAGER, "GetManagedObjects"),
                             ("org.freedesktop.DBus.Introspectable", "Introspect"), (MANAGER, "Dance")):
        denied = busctl(bus, "call", NAME, PATH, interface, *call, check=False)
        assert "You may not call" in denied.stderr, call


FLOOD = """
import os, sys
import dbus.bus, dbus.lowlevel
bus = dbus.bus.BusConnection(sys.argv[1])
for i in range(int(sys.argv[2])):
    message = dbus.lowlevel.MethodCallMessage("{name}", "{path}", "{manager}", "GetHealth")
    message.set_no_reply(True)  # or the bus itself would stop us first
    bus.send_message(message)
bus.flush()
try:
    bus.call_blocking("{name}", "{path}", "{manager}", "GetHealth", "", ())
    print("served")
except dbus.DBusException as e:
    print(e.get_dbus_name())
""".format(name=NAME, path=PATH, manager=MANAGER)


@as_root
def test_a_flood_is_held_back_for_its_user_alone(open_dir, on_bus, bus, wait_for):
    _, s = on_bus(CONFIG | {"limits": {"requests_per_second": 1, "requests_burst": 100}})
    s.manager("GetHealth")
    flood = subprocess.run(["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "/usr/bin/python3", "-c", FLOOD,
                            bus.address, "3000"], capture_output=True, text=True, timeout=60, check=False)
    assert flood.stdout.strip() == NAME + ".Error.RateLimited", flood.stderr
    denied = busctl(bus, "call", NAME, PATH, MANAGER, "GetHealth", check=False)
    assert "Too many requests" in denied.stderr
    denied = busctl(bus, "call", NAME, PATH, PROPERTIES, "Get", "ss", MANAGER, "Health", check=False)
    assert "Too many requests" in denied.stderr
    assert s.manager("GetHealth")[0] in ("ok", "degraded")
    wait_for(lambda: s.get(PATH, MANAGER, "RateLimited") > 0, "it is counted")


def test_the_first_calls_of_a_sender_are_answered_in_order(on_bus, bus, monitor):
    _, s = on_bus()
    decision = s.manager("Route", "sa{sv}", "stripe", {})[0]
    other = dbus.bus.BusConnection(bus.address)
    for status in (200, 503):  # the first one wins
        message = dbus.lowlevel.MethodCallMessage(NAME, PATH, MANAGER, "Report")
        message.append(decision, {"httpStatus": status}, signature="sa{sv}")
        other.send_message(message)
    other.flush()
    replies = monitor.wait(lambda m: m["type"] == "error" and m.get("destination") == other.get_unique_name()) and [
        m for m in monitor.messages() if m["type"] in ("error", "method_return") and m.get("destination") == other.get_unique_name()
        and m["sender"] != "org.freedesktop.DBus"]
    assert [m["type"] for m in replies] == ["method_return", "error"] and replies[0]["payload"]["data"][0] == "ok"
    other.close()


def test_those_who_leave_are_forgotten(on_bus, bus, wait_for):
    d, s = on_bus()
    others = [Station(bus.address) for _ in range(20)]
    for o in others:
        o.manager("GetHealth")
    connections = lambda: s.manager("GetSystemStatus")[0]["connections"]  # noqa: E731
    assert connections() == 21
    for o in others:
        o.bus.close()
    wait_for(lambda: connections() == 1, "only we are left")


# ---- the bus itself ----

def test_without_a_bus(daemon, client, run_dir):
    d = daemon(CONFIG, bus=f"unix:path={run_dir}/nowhere")
    assert client(d).call("Route", serviceName="stripe")["decision"]["node"]
    d.wait_log("Not on the bus")


def test_an_address_that_makes_no_sense(daemon, client):
    d = daemon(CONFIG, bus="unix:nonsense")
    d.wait_log("Cannot use the bus unix:nonsense")
    assert client(d).call("GetHealth")["status"]


def test_the_bus_comes_late_goes_and_comes_back(daemon, client, run_dir, started, station, wait_for):
    d = daemon(CONFIG, bus=f"unix:path={run_dir}/bus.sock")
    d.wait_log("Not on the bus")
    c = client(d)
    first = started(parts.Bus(run_dir)).wait_ready()
    s = station(first)
    wait_for(s.present, "it is on the bus that came late")
    assert s.manager("GetHealth")[0]
    first.stop()
    wait_for(lambda: d.log().count("Not on the bus") == 2, "it notices")
    break_node(c, "stripe/us-east")  # events while nobody can be told
    second = started(parts.Bus(run_dir)).wait_ready()
    s = station(second)
    wait_for(s.present, "it is back")
    assert s.get(PATH + "/node/stripe/us_2deast", NAME + ".Node", "Failures") == 5
    assert d.log().count("Not on the bus") == 2 and d.log().count("On the bus") == 2, d.log()


def test_the_name_is_taken(bus, daemon, client, station, wait_for):
    s = station(bus)
    s.bus.request_name(NAME)
    d = daemon(CONFIG, bus=bus.address)
    d.wait_log("another process owns the name")
    assert client(d).call("GetHealth")["status"]
    s.bus.release_name(NAME)
    wait_for(s.present, "it gets the name")


def test_a_stuck_bus_delays_nobody(bus, daemon, client, wait_for):
    d = daemon(CONFIG, bus=bus.address)
    d.wait_log("On the bus")
    bus.signal(signal.SIGSTOP)
    try:
        c = client(d, timeout=5)
        for _ in range(3):
            break_node(c, "stripe/us-east", 2)
        assert c.call("GetHealth")["status"]
    finally:
        bus.signal(signal.SIGCONT)


def test_scenarios_are_handled(on_bus, wait_for):
    _, station = on_bus()
    scenario, actions = station.manager("HandleScenario", "sa{sv}", "NETWORK_ISSUES", dbus.Dictionary(
        {"serviceName": "stripe", "nodes": dbus.Array(["us-east"], signature="s")}, signature="sv"))
    assert scenario["state"] == "active" and scenario["nodes"] == ["stripe/us-east"] and scenario["id"] in actions[0]
    wait_for(lambda: station.get(PATH, MANAGER, "ActiveScenarios") == 1, "the property follows")
    (active,) = station.manager("GetActiveScenarios", "a{sv}", dbus.Dictionary({}, signature="sv"))
    assert active["id"] == scenario["id"]
    assert station.manager("ResolveScenario", "sa{sv}", scenario["id"], dbus.Dictionary({}, signature="sv"))["state"] == "resolved"
    assert station.error("ResolveScenario", "sa{sv}", scenario["id"], dbus.Dictionary({}, signature="sv"))[0] == "NoSuchScenario"
