# SPDX-License-Identifier: Apache-2.0
"""The same facts through every face: the Unix socket, D-Bus and SNMP."""

from harness.process import Failed, wait_for
from harness.varlink import Client

BUS_NAME = "org.pointsman.Pointsman1"
OBJECT = "/org/pointsman/Pointsman1"


def object_name(text):
    """A part of an object path as D-Bus wants it: what is not a letter or digit becomes _xx."""
    return "".join(c if c.isascii() and c.isalnum() and not (i == 0 and c.isdigit()) else f"_{ord(c):02x}" for i, c in enumerate(text))


def plain(value):
    """busctl's {"type": …, "data": …} without the types."""
    if isinstance(value, dict) and value.keys() == {"type", "data"}:
        return plain(value["data"])
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    return value


def from_socket(socket_path):
    """{node: facts}, as all three faces are brought to it."""
    with Client(socket_path) as c:
        nodes = [n for s in c.call("GetSystemStatus")["services"] for n in s["nodes"]]
    return {n["node"]: {"provider": n["provider"], "weight": n["weight"], "calls": n["calls"], "failures": n["failures"],
                        "administrativeState": n["administrativeState"], "spendHour": round(n["spendHour"] * 1e6)} for n in nodes}


def from_dbus(bus, names):
    facts = {}
    for name in names:
        service, _, node = name.partition("/")
        properties = plain(bus.call("call", BUS_NAME, f"{OBJECT}/node/{object_name(service)}/{object_name(node)}",
                                    "org.freedesktop.DBus.Properties", "GetAll", "s", BUS_NAME + ".Node"))[0]
        facts[name] = {"provider": properties["Provider"], "weight": properties["Weight"], "calls": properties["Calls"],
                       "failures": properties["Failures"], "administrativeState": properties["AdministrativeState"],
                       "spendHour": round(properties["SpendHour"] * 1e6)}
    return facts


def from_snmp(snmpd):
    states = {"enabled", "draining", "disabled"}
    facts = {}
    for row in snmpd.table("pmNodeTable"):
        state = row["pmNodeAdministrativeState"].partition("(")[0]
        facts[row["pmNodeName"]] = {
            "provider": row["pmNodeProvider"], "weight": int(row["pmNodeWeight"].split()[0]), "calls": int(row["pmNodeCalls"].split()[0]),
            "failures": int(row["pmNodeFailures"].split()[0]), "administrativeState": state if state in states else f"? {state}",
            "spendHour": int(row["pmNodeSpendHour"].split()[0])}
    return facts


def compare(socket_path, bus, snmpd, deadline=10):
    """Waits until all faces tell the same (SNMP's cache is up to a second old); returns the facts, or raises Failed with what differs."""
    last = {}

    def agreed():
        # Nobody calls any more; should a lease still end in between, the next round sees it on both sides.
        last["socket"] = from_socket(socket_path)
        last["D-Bus"] = from_dbus(bus, last["socket"])
        last["SNMP"] = from_snmp(snmpd)
        return last["socket"] == last["D-Bus"] == last["SNMP"] == from_socket(socket_path)

    try:
        wait_for(agreed, "the faces agree", deadline, interval=0.2)
    except Failed as e:
        texts = [f"{face}: {name}: {facts.get(name)}" for name in last["socket"] for face, facts in last.items()
                 if facts.get(name) != last["socket"][name] or face == "socket"]
        raise Failed("the faces do not agree\n" + "\n".join(texts)) from e
    return last["socket"]


def decide_by_each(socket_path, bus, snmpd):
    """One decision by the socket, one by D-Bus; SNMP, which decides nothing, must count both. Returns the two nodes."""
    def count():
        return int(snmpd.tool("snmpget", "POINTSMAN-MIB::pmDecisions.0", options=("-Oqv",)).split()[0])

    before = count()
    with Client(socket_path) as c:
        first = c.call("Route", serviceName="maps")["decision"]
        c.call("Report", decision=first["id"], error="not_sent")
    reply = plain(bus.call("call", BUS_NAME, OBJECT, BUS_NAME + ".Manager", "Route", "sa{sv}", "maps", "0"))
    second = dict(zip(("id", "node", "url", "estimatedCost", "details"), reply))
    plain(bus.call("call", BUS_NAME, OBJECT, BUS_NAME + ".Manager", "Report", "sa{sv}", second["id"], "1", "error", "s", "not_sent"))
    wait_for(lambda: count() == before + 2, f"SNMP counts two decisions more than {before}", 10, interval=0.2)
    return first["node"], second["node"]
