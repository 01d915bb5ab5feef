# SPDX-License-Identifier: Apache-2.0
"""Walks the interface description: every field of every method, each wrong in every way, on the socket and on D-Bus. A field that is
added is tested without an edit here."""

import copy
import json
import os
import re
import subprocess
import xml.etree.ElementTree as ElementTree

import dbus
import dbus.bus
import pytest

from harness import parts
from harness.varlink import INTERFACE, VarlinkError

NAME = "org.pointsman.Pointsman1"
PATH = "/org/pointsman/Pointsman1"
MANAGER = NAME + ".Manager"

CONFIG = {"limits": {"message_max": 64 << 20}, "access": {"prober": ["*"]},
          "services": {"x": {"nodes": {"x": {"provider": "here", "url": "http://127.0.0.1:1"}}}}}

# What a valid call needs beyond its required fields.
BESIDE = {"Report": {"httpStatus": 200}, "CostAwareFallback": {"httpStatus": 200}, "ReportProbe": {"httpStatus": 200}}


# ---- the description ----

class Type:
    """kind: string, int, float, bool, enum, struct, array, map."""

    def __init__(self, kind, optional=False, names=(), fields=None, inner=None):
        self.kind, self.optional, self.names, self.fields, self.inner = kind, optional, names, fields, inner


def parse(text):
    """(types, methods): methods is name → the Type of its parameters."""
    tokens = re.findall(r"\[string\]|\[\]|->|[A-Za-z_][\w.]*|[(),:?]", re.sub(r"#[^\n]*", "", text))
    at, types, methods = 0, {}, {}

    def next_token(wanted=None):
        nonlocal at
        token = tokens[at]
        assert wanted is None or token == wanted, (token, wanted, tokens[at - 5:at + 5])
        at += 1
        return token

    def parse_group():
        next_token("(")
        fields, names = {}, []
        while tokens[at] != ")":
            name = next_token()
            if tokens[at] == ":":
                next_token(":")
                fields[name] = parse_type()
            else:
                names.append(name)
            if tokens[at] == ",":
                next_token(",")
        next_token(")")
        return Type("enum", names=names) if names else Type("struct", fields=fields)

    def parse_type():
        optional = tokens[at] == "?"
        if optional:
            next_token("?")
        if tokens[at] in ("[]", "[string]"):
            kind = "array" if next_token() == "[]" else "map"
            return Type(kind, optional, inner=parse_type())
        if tokens[at] == "(":
            it = parse_group()
        else:
            name = next_token()
            it = copy.copy(types[name]) if name in types else Type(name)
        it.optional = optional
        return it

    next_token("interface")
    next_token(INTERFACE)
    while at < len(tokens):
        word, name = next_token(), next_token()
        group = parse_group()
        if word == "type":
            types[name] = group
        elif word == "method":
            methods[name] = group
            next_token("->")
            parse_group()
    return types, methods


# ---- what to send ----

class Twice:
    """A value whose field stands in its object twice."""

    def __init__(self, value):
        self.value = value


def to_json(value):
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k)}:{to_json(v.value)},{json.dumps(k)}:{to_json(v.value)}" if isinstance(v, Twice) else
                              f"{json.dumps(k)}:{to_json(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list) and len(value) < 1000:
        return "[" + ",".join(map(to_json, value)) + "]"
    return json.dumps(value)


def valid(t):
    """The least that fits a type."""
    if t.kind == "struct":
        return {k: valid(f) for k, f in t.fields.items() if not f.optional}
    if t.kind == "array":
        return [valid(t.inner)]
    return {"string": "x", "int": 1, "float": 0.5, "bool": True, "map": {"x": "x"}, "enum": t.names[0] if t.names else None}[t.kind]


WRONG_TYPES = {
    "string": [1, True, ["x"], {"x": "x"}], "enum": [1, True, ["x"], {"x": "x"}, "NONSENSE", ""],
    "int": ["1", True, 1.5, [1], {"x": 1}], "float": ["0.5", True, [1], {"x": 1}], "bool": ["true", 1, 0.5, [True], {"x": True}],
    "struct": ["x", 1, True, ["x"]], "array": ["x", 1, True, {"x": "x"}, [1]], "map": ["x", 1, True, ["x"], {"x": 1}],
}
OUT_OF_RANGE = {"int": [1e300, -1e300, 2 ** 63, -2 ** 63 - 1, 2 ** 63 - 1], "float": [1e300, -1e300]}
LONG, MANY = (1 << 20) + 1, 1_000_001


def huge(t, dbus_too):
    if t.kind in ("string", "enum"):
        yield "y" * LONG
    elif t.kind == "array" and t.inner.kind == "struct":
        if not dbus_too:  # a million dictionaries take dbus-python half a minute
            yield [valid(t.inner)] * MANY
    elif t.kind == "array":
        yield [valid(t.inner)] * 300
        if t.inner.kind == "string":
            yield ["y" * LONG]
    elif t.kind == "map":
        yield {f"n{i}": "x" for i in range(300)}


MISSING = object()


def mistakes(t, dbus_too):
    """Every wrong value of a field of that type, with a word for what is wrong."""
    if not t.optional:
        yield "missing", MISSING
        yield "missing", None
    for v in WRONG_TYPES[t.kind]:
        yield "type", v
    for v in OUT_OF_RANGE.get(t.kind, ()):
        yield "range", v
    for v in huge(t, dbus_too):
        yield "huge", v
    yield "twice", Twice(valid(t))


def cases(t, path="", build=lambda inner: inner, base=None, dbus_too=False):
    """(path, what, parameters) for each field of a structure, those of the structures in it included."""
    base = valid(t) if base is None else base
    for name, f in t.fields.items():
        here = f"{path}.{name}" if path else name
        for what, value in mistakes(f, dbus_too):
            whole = {k: v for k, v in base.items() if k != name}
            if value is not MISSING:
                whole[name] = value
            yield here, what, build(whole)
        if f.kind == "struct":
            yield from cases(f, here, lambda inner, name=name: build({**base, name: inner}), dbus_too=dbus_too)
        elif f.kind == "array" and f.inner.kind == "struct":
            yield from cases(f.inner, here + "[0]", lambda inner, name=name: build({**base, name: [inner]}), dbus_too=dbus_too)


def all_cases(methods, dbus_too=False):
    for name, t in methods.items():
        for case in cases(t, base={**valid(t), **BESIDE.get(name, {})}, dbus_too=dbus_too):
            yield name, *case


def short(value):
    text = repr(value)
    return text if len(text) < 300 else f"{text[:150]}…({len(text)} characters)"


@pytest.fixture
def described(daemon, client, bus):
    d = daemon(CONFIG, bus=bus.address)
    c = client(d)
    return d, c, parse(c.call("org.varlink.service.GetInterfaceDescription", interface=INTERFACE)["description"])[1]


# ---- the tests ----

def test_the_walk_sees_what_is_there(described):
    """Were the parser to lose something, nothing below would notice."""
    _, _, methods = described
    assert {"Route", "Report", "HandleScenario", "RegisterTrafficDistribution", "Subscribe", "ReportProbe", "GetCostReport"} <= set(methods)
    seen = {(name, path) for name, path, _, _ in all_cases(methods)}
    assert {("Route", "serviceName"), ("Report", "headers"), ("Subscribe", "types"), ("GetCostReport", "groupBy"),
            ("RegisterTrafficDistribution", "distribution.nodes[0].priceTiers[0].price"),
            ("RegisterTrafficDistribution", "distribution.loadBalancing.maxRetries"),
            ("RegisterBudgetAllocation", "allocation.costTiers.emergency")} <= seen


def test_the_interface_text_is_shipped(described):
    """docs/ has what the daemon says. After a change: POINTSMAN_UPDATE=1 ./dev test integration -k interface_text"""
    _, c, _ = described
    text = c.call("org.varlink.service.GetInterfaceDescription", interface=INTERFACE)["description"]
    path = os.path.join(parts.SOURCE, "docs", INTERFACE + ".varlink")
    if os.environ.get("POINTSMAN_UPDATE"):
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
    with open(path, encoding="utf-8") as f:
        assert f.read() == text


def test_what_is_valid_is_understood(described, client):
    """Or else everything would be refused below for a reason of its own."""
    d, _, methods = described
    for name, t in methods.items():
        c = client(d)
        c.send(name, {**valid(t), **BESIDE.get(name, {})}, more=name in ("Subscribe", "FollowProbes"))
        if name in ("Subscribe", "FollowProbes"):
            continue
        try:
            c.receive()
        except VarlinkError as e:
            assert e.name in ("NoSuchService", "NoSuchNode", "NoSuchDecision", "NoSuchScenario", "InvalidConfiguration"), (name, e)


def test_each_mistake_on_the_socket(described):
    _, c, methods = described
    n = 0
    for name, path, what, parameters in all_cases(methods):
        c.send_raw(f'{{"method":"{INTERFACE}.{name}","parameters":{to_json(parameters)},"more":true}}'.encode() + b"\0")
        with pytest.raises(VarlinkError) as e:
            pytest.fail(f"{name} took {path} ({what}): {short(c.receive())}")
        assert e.value.full_name == "org.varlink.service.InvalidParameter" and e.value.parameters["parameter"] == path, (
            name, path, what, short(parameters), e.value)
        assert e.value.parameters["reason"]
        n += 1
    assert n > 700
    assert c.call("GetHealth")


# ---- the same on D-Bus ----

def to_dbus(value):
    if isinstance(value, bool):
        return dbus.Boolean(value)
    if isinstance(value, int):
        return dbus.Int64(value) if -2 ** 63 <= value < 2 ** 63 else dbus.Double(value)
    if isinstance(value, dict):
        return dbus.Dictionary({k: to_dbus(v) for k, v in value.items()}, signature="sv")
    if isinstance(value, list):
        signature = "a{sv}" if value and isinstance(value[0], dict) else "v"
        return dbus.Array([to_dbus(v) for v in value], signature=signature)
    return dbus.Double(value) if isinstance(value, float) else dbus.String(value)


def signatures(bus):
    """Method → its input arguments as (name, signature), from introspection."""
    text = bus.call_blocking(NAME, PATH, "org.freedesktop.DBus.Introspectable", "Introspect", "", ())
    found = {}
    for interface in ElementTree.fromstring(text).iter("interface"):
        if interface.get("name") == MANAGER:
            for m in interface.iter("method"):
                found[m.get("name")] = [(a.get("name"), a.get("type")) for a in m.iter("arg") if a.get("direction") == "in"]
    return found


def fits(signature, value):
    """Whether a value may stand at that place at all: what may not is refused by the message's signature."""
    return {"s": str, "x": int, "d": float, "b": bool}.get(signature, dict if signature.startswith("a{") else list) is type(value)


def arguments(wanted, parameters):
    """The arguments of a call, or None if it cannot be made like that."""
    rest = dict(parameters)
    out = []
    for name, signature in wanted:
        if name == "options" and name not in rest:
            out.append(to_dbus(rest))
        elif name not in rest or not fits(signature, rest[name]):
            return None
        else:
            out.append(to_dbus(rest.pop(name)))
    return out


def has(parameters, kind):
    """Whether there is such a value anywhere."""
    inner = parameters.values() if isinstance(parameters, dict) else parameters if isinstance(parameters, list) else ()
    return isinstance(parameters, kind) or any(has(v, kind) for v in inner)


def test_each_mistake_on_dbus(described, wait_for, bus):
    _, _, methods = described
    connection = dbus.bus.BusConnection(bus.address)
    wait_for(lambda: connection.name_has_owner(NAME), "the daemon owns its name")
    wanted, n = signatures(connection), 0
    for name, path, what, parameters in all_cases(methods, dbus_too=True):
        # A dictionary cannot hold null, and dbus-python's none with a key twice.
        if name not in wanted or has(parameters, (Twice, type(None))):
            continue
        values = arguments(wanted[name], parameters)
        if values is None:
            continue
        with pytest.raises(dbus.exceptions.DBusException) as e:
            pytest.fail(f"{name} took {path} ({what}): " + short(connection.call_blocking(
                NAME, PATH, MANAGER, name, "".join(s for _, s in wanted[name]), values)))
        assert e.value.get_dbus_name() == NAME + ".Error.InvalidParameter", (name, path, what, short(parameters), e.value)
        assert e.value.get_dbus_message().startswith(f"Parameter {path} is not valid: "), (name, path, what, short(parameters), e.value)
        n += 1
    assert n > 400


def test_a_key_twice_on_dbus(described, bus, wait_for):
    """busctl writes what dbus-python cannot."""
    _, _, methods = described
    connection = dbus.bus.BusConnection(bus.address)
    wait_for(lambda: connection.name_has_owner(NAME), "the daemon owns its name")
    wanted, n = signatures(connection), 0
    values = {"string": ("s", "x"), "int": ("x", "1"), "float": ("d", "0.5"), "bool": ("b", "true")}
    for name, t in methods.items():
        optional = {k: f for k, f in t.fields.items() if f.optional and f.kind in values or f.kind == "enum" and f.optional}
        required = [f for f in t.fields.values() if not f.optional]
        if name not in wanted or not all(f.kind in ("string", "enum") for f in required):
            continue
        for field, f in optional.items():
            signature, value = values.get(f.kind) or ("s", f.names[0])
            value = "2026-03-01T12:00:00Z" if field in ("from", "to") else value
            done = subprocess.run(["busctl", "--address", bus.address, "call", NAME, PATH, MANAGER, name,
                                   "".join(s for _, s in wanted[name]), *[valid(r) for r in required], "2",
                                   *[field, signature, value] * 2], capture_output=True, text=True, timeout=10, check=False)
            assert f"Parameter {field} is not valid: the field is there twice" in done.stderr, (name, field, done.stderr)
            n += 1
    assert n > 20
