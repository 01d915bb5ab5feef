# SPDX-License-Identifier: Apache-2.0
"""docs/runbook.md: each section is read in the very situation that it is about, and its tables are held against what is so."""

import os
import re

import pytest

from harness import documents, parts, process, situations
from harness.varlink import Client

RUNBOOK = os.path.join(parts.SOURCE, "docs", "runbook.md")
TROUBLES = ("The prober is gone", "The daemon does not answer")
BEFORE = {"The audit log cannot be written": situations.make_audit_unwritable, "The ledger cannot be written": situations.make_ledger_unwritable,
          "The ledger was damaged": situations.damage_ledger}  # what is done to the state folder before the daemon starts
GENERAL = ("Where to look",)  # run by test_docs.py's instance, with all faces


def blocks():
    return [b for b in documents.markdown_blocks(RUNBOOK) if b.kind in documents.COMMANDS and b.place == "" and b.heading not in GENERAL]


def headings():
    return list(dict.fromkeys(b.heading for b in blocks()))


def table(heading):
    """The rows of the table under a heading, as lists of cells without marks; the first is the head."""
    with open(RUNBOOK, encoding="utf-8") as f:
        section = re.split(r"^#+ ", f.read().split(f" {heading}\n")[1], maxsplit=1, flags=re.M)[0]
    rows = [line for line in section.splitlines() if line.startswith("|") and not line.startswith("| ---")]
    return [[cell.strip().strip("`") for cell in row.strip("|").split("|")] for row in rows]


@pytest.fixture
def place(build_dir, run_dir, started):
    """place(heading) → run(script), beside a daemon that is in that situation."""
    def make(heading):
        config = situations.configuration(os.path.join(run_dir, "etc"))
        state = os.path.join(run_dir, "state")
        if heading in BEFORE:
            BEFORE[heading](state)
        daemon = started(parts.Daemon(build_dir, run_dir, config, state_dir=state)).wait_ready()
        client = Client(daemon.socket)
        if heading.partition(":")[0] in situations.SITUATIONS:
            situations.SITUATIONS[heading.partition(":")[0]](situations.Caller(client))
        elif heading == "The prober is gone":
            prober = parts.Prober(build_dir, run_dir, daemon.socket).wait_ready().wait_following()
            prober.stop()
            process.wait_for(lambda: client.call("GetSystemStatus")["status"]["probers"] == 0, "the daemon notices")
        elif heading in BEFORE:
            process.wait_for(lambda: client.call("GetSystemStatus")["status"]["eventSerial"] > 0, "the daemon notices")
        elif heading == "A configuration is refused":
            situations.break_configuration(config)
        else:
            assert heading in TROUBLES, f"no situation is known for “{heading}”"
        client.close()
        environment = {k: v for k, v in os.environ.items() if k not in process.INHERITED_BY_ACCIDENT} | {
            "PATH": f"{os.path.join(build_dir, 'ctl')}:{os.environ['PATH']}", "POINTSMAN_SOCKET": daemon.socket, "COLUMNS": "120",
            "LC_ALL": "C.UTF-8"}
        return lambda script: documents.bash(script, run_dir, environment)

    return make


@pytest.mark.parametrize("heading", headings())
def test_section(place, heading):
    run = place(heading)
    wrong = [w for w in (documents.run_block(b, run) for b in blocks() if b.heading == heading) if w]
    assert not wrong, "\n\n".join(wrong)


def test_every_scenario_has_a_section():
    assert [h.partition(":")[0] for h in headings() if h.partition(":")[0].isupper()] == list(situations.SITUATIONS)


@pytest.mark.parametrize("scenario", situations.SITUATIONS)
def test_situations_are_what_they_are_called(build_dir, run_dir, started, scenario):
    daemon = started(parts.Daemon(build_dir, run_dir, situations.configuration(os.path.join(run_dir, "etc")))).wait_ready()
    with Client(daemon.socket) as c:
        caller = situations.Caller(c)
        situations.SITUATIONS[scenario](caller)
        assert scenario in caller.types()


def test_what_tells_of_what(daemon, bus):
    """Every event and signal stands in the table, and every notification that the MIB has."""
    rows = table("What tells of what")
    assert rows[0] == ["what happens", "event", "D-Bus signal", "SNMP notification", "journal"]
    d = daemon({"services": {}}, bus=bus.address)
    with Client(d.socket) as c:
        text = c.call("org.varlink.service.GetInterfaceDescription", interface="org.pointsman.routing")["description"]
    events = re.search(r"type EventType \(([^)]*)\)", text).group(1).split(", ")
    assert sorted(row[1] for row in rows[1:]) == sorted(events)
    xml = bus.call("call", "org.pointsman.Pointsman1", "/org/pointsman/Pointsman1", "org.freedesktop.DBus.Introspectable", "Introspect")["data"][0]
    manager = xml.split("org.pointsman.Pointsman1.Manager")[1]
    assert sorted(row[2] for row in rows[1:] if row[2]) == sorted(re.findall(r'<signal name="(\w+)">', manager))
    for row in rows[1:]:
        assert row[2] in ("", "".join(word.capitalize() for word in row[1].split("_")))
    with open(os.path.join(parts.SOURCE, "mibs", "POINTSMAN-MIB.txt"), encoding="utf-8") as f:
        notifications = re.findall(r"^(pm\w+) NOTIFICATION-TYPE", f.read(), re.M)
    assert {n for row in rows[1:] for n in re.findall(r"pm\w+", row[3])} == set(notifications)


def test_what_answers_a_scenario(daemon):
    """Each cell of the table, with what the daemon does; and what it does when it is worse."""
    rows = table("What pointsmand does by itself")
    priorities = rows[0][1:]
    node = {"n": {"provider": "here", "url": "http://127.0.0.1:1"}}
    d = daemon({"services": {p: {"priority": p, "load_balancing": {"health_check_interval": 0}, "nodes": node} for p in priorities},
                "access": {"operator": ["*"]}})

    def answer(c, scenario, priority, severity):
        s = c.call("HandleScenario", type=scenario, serviceName=priority, severity=severity)["scenario"]
        c.call("ResolveScenario", id=s["id"])
        return s["optimizationStrategy"]

    with Client(d.socket) as c:
        told = set()
        for names, *cells in rows[1:]:
            for scenario in names.split(", "):
                told.add(scenario)
                assert [answer(c, scenario, p, "medium") for p in priorities] == cells, scenario
        assert told == set(situations.SITUATIONS)
        for scenario in ("SERVICE_UNAVAILABLE", "RATE_LIMIT_EXCEEDED"):
            assert answer(c, scenario, "cost", "high") == "AVAILABILITY_FIRST"
        assert {answer(c, "CASCADING_FAILURE", p, "critical") for p in priorities} == {"EMERGENCY_MODE"}
