# SPDX-License-Identifier: Apache-2.0
"""D-Bus: the same brain as on the socket, behind a real bus."""

import json
import os
import xml.etree.ElementTree as ElementTree

import dbus
import dbus.bus
import pytest

from harness import process
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


def test_what_is_not_there(on_bus):
    _, s = on_bus()
    freedesktop = "org.freedesktop.DBus.Error."
    assert s.error("Route", "sa{sv}", "nowhere", {})[0] == "NoSuchService"
    assert s.error("SetNodeState", "ss", "stripe/nowhere", "enabled")[0] == "NoSuchNode"
    assert s.error("Route", "s", "stripe")[0] == freedesktop + "InvalidArgs"
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
