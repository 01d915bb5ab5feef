# SPDX-License-Identifier: Apache-2.0
"""pointsman-snmp between a real snmpd and a pointsmand that says what the test wants."""

import os
import re
import subprocess
import threading
import time

import pytest

from harness import parts, process
from harness.snmp import ROOT, get, node, registered, rows, service, snapshot
from harness.traps import Station


def test_scalars(connected):
    assert get(connected, "pmVersion.0") == "0.1.0"
    assert get(connected, "pmUptime.0") == "0:0:00:12.50"
    assert get(connected, "pmHealth.0") == "ok"
    assert get(connected, "pmDecisions.0") == "5000000000 decisions"
    assert get(connected, "pmLastReload.0").startswith("2026-3-1,11:0:0.0,+0:0")
    assert get(connected, "pmServices.0") == "2 services"
    assert get(connected, "pmNodes.0") == "3 nodes"
    assert get(connected, "pmDataState.0") == "fresh"
    assert int(get(connected, "pmDataAge.0").split()[0]) <= 1100


def test_tables(connected):
    nodes = rows(connected, "pmNodeTable", "pmNodeName")
    assert set(nodes) == {"stripe/us-east", "stripe/us-west", "maps/mapbox"}
    east = nodes["stripe/us-east"]
    assert east["pmNodeCircuit"] == "closed"
    assert east["pmNodeSuccessRate"] == "99.80 percent"
    assert east["pmNodeLatencyP95"] == "40250 microseconds"
    assert east["pmNodePrice"] == "29000 micro-dollars"
    assert east["pmNodeFailureForecast"] == "-1 hundredths of a percent"
    assert east["pmNodeLastProbe"] == "none"
    assert nodes["maps/mapbox"]["pmNodeFailureForecast"] == "250 hundredths of a percent"
    assert nodes["maps/mapbox"]["pmNodeCircuit"] == "open"

    services = rows(connected, "pmServiceTable", "pmServiceName")
    assert services["stripe"]["pmServiceUsedPercent"] == "50 percent"
    assert services["stripe"]["pmServiceSpendHour"] == "50250000 micro-dollars"
    assert services["maps"]["pmServiceLimitHour"] == f"{2 ** 64 - 1} micro-dollars"
    # The same number stands for a service in both tables.
    assert {r["index"].split(".")[0] for r in nodes.values()} == {r["index"] for r in services.values()}

    verdicts = {row["index"]: row for row in connected.table("pmNodeVerdictTable")}
    assert verdicts[east["index"]]["pmNodeVerdictOk"] == "9 calls"
    assert verdicts[east["index"]]["pmNodeVerdictNetworkIssue"] == "1 calls"


def test_a_walk_sees_every_value_once_in_order(connected):
    lines = connected.tool("snmpwalk", f"{ROOT}.1", options=("-On", "-Cc")).splitlines()
    oids = [tuple(map(int, line.split(" = ")[0].strip(".").split("."))) for line in lines if line.startswith(".")]
    assert oids == sorted(set(oids))
    assert len(oids) == 15 + 2 * 17 + 3 * 23 + 3 * 11 + 3


@pytest.mark.parametrize("suffix, expected", [
    ("1.3", r"\.1\.3\.1\.2\.\d+\.\d+ "),                     # the table
    ("1.3.1", r"\.1\.3\.1\.2\.\d+\.\d+ "),                   # the entry
    ("1.3.1.0", r"\.1\.3\.1\.2\.\d+\.\d+ "),                 # before the first column
    ("1.3.1.1", r"\.1\.3\.1\.2\.\d+\.\d+ "),                 # the index, which is not accessible
    ("1.3.1.1.4294967295.4294967295.7", r"\.1\.3\.1\.2\.\d+\.\d+ "),
    ("1.3.1.2.4294967295", r"\.1\.3\.1\.3\.\d+\.\d+ "),      # behind the last row
    ("1.3.1.24.4294967295.1", r"\.1\.4\.1\.1\.\d+\.\d+ "),   # behind the last column
    ("1.3.1.25", r"\.1\.4\.1\.1\.\d+\.\d+ "),
    ("1.3.2", r"\.1\.4\.1\.1\.\d+\.\d+ "),
    ("1.1.15.0", r"\.1\.2\.1\.2\.\d+ "),
    ("1.1.15.0.1", r"\.1\.2\.1\.2\.\d+ "),
])
def test_getnext_from_odd_places(connected, suffix, expected):
    line = connected.tool("snmpgetnext", f"{ROOT}.{suffix}", options=("-On", "-Ir"))
    assert re.match(re.escape("." + ROOT) + expected, line), line


@pytest.mark.parametrize("name", ["pmNodeName.1.1", "pmNodeName.1", f"pmNodeName.1.{2 ** 32 - 1}", "pmServiceName.1.2.3", "pmVersion.1"])
def test_get_of_what_is_not_there(connected, name):
    assert "No Such" in connected.tool("snmpget", f"POINTSMAN-MIB::{name}", options=("-Ir",))


def test_the_daemon_is_asked_once_a_second_at_most_and_only_when_polled(connected, fake, wait_for):
    before, start = len(fake.called("GetSnapshot")), time.monotonic()
    polls = 0
    while time.monotonic() - start < 1.5:
        connected.table("pmNodeTable")
        polls += 1
    assert polls > 3
    assert 1 <= len(fake.called("GetSnapshot")) - before <= 3


def test_data_without_a_daemon_is_stale_and_becomes_fresh_again(connected, fake, wait_for):
    nodes = connected.table("pmNodeTable")
    fake.stop()
    wait_for(lambda: get(connected, "pmDataState.0") == "stale", "the data is stale")
    wait_for(lambda: int(get(connected, "pmDataAge.0").split()[0]) > 2000, "it grows older")
    assert connected.table("pmNodeTable") == nodes

    fake.replies["GetSnapshot"] = snapshot([service("maps", [node("maps/mapbox")])])
    fake.start()
    wait_for(lambda: get(connected, "pmDataState.0") == "fresh", "the data is fresh again")
    after = connected.table("pmNodeTable")
    assert [r["pmNodeCircuit"] for r in after] == ["closed"]
    assert after[0]["index"] in [r["index"] for r in nodes], "an index belongs to a name"


def test_without_a_daemon_from_the_start(run_dir, snmpd, subagent, wait_for):
    p = subagent(run_dir + "/nobody.sock", snmpd)
    wait_for(lambda: registered(snmpd), "the subagent has registered")
    assert get(snmpd, "pmDataState.0") == "none"
    assert get(snmpd, "pmDataAge.0") == f"{2 ** 32 - 1} milliseconds"
    assert "No Such Instance" in get(snmpd, "pmVersion.0")
    assert snmpd.table("pmNodeTable") == []
    walked = snmpd.tool("snmpwalk", f"{ROOT}.1", options=("-On",))
    assert f"{ROOT}.1.1.14.0 " in walked and f"{ROOT}.1.1.1.0 " not in walked
    assert p.log().count("does not answer") == 1


def test_a_daemon_that_hangs_does_not_hang_the_subagent(connected, fake, wait_for):
    connected.table("pmNodeTable")
    fake.hung.set()
    wait_for(lambda: get(connected, "pmDataState.0") == "stale", "the data is stale")
    start = time.monotonic()
    assert len(connected.table("pmNodeTable")) == 3
    assert time.monotonic() - start < 5
    fake.hung.clear()
    wait_for(lambda: get(connected, "pmDataState.0") == "fresh", "the data is fresh again")


@pytest.mark.parametrize("reply", [{}, {"services": 5}, {"services": [{"nodes": "x"}]}])
def test_a_reply_that_is_no_snapshot_is_survived(connected, fake, wait_for, reply):
    good = len(connected.table("pmNodeTable"))
    fake.replies["GetSnapshot"] = reply
    if reply:
        wait_for(lambda: get(connected, "pmDataState.0") == "stale", "the data is stale")
        assert len(connected.table("pmNodeTable")) == good
    else:
        wait_for(lambda: connected.table("pmNodeTable") == [], "there are no nodes any more")


@pytest.mark.parametrize("options, words", [
    (["--nonsense"], "unrecognized option"), (["argument"], "no arguments besides options"), (["--log-level", "loud"], "none of emerg, alert"),
    (["--socket"], "requires an argument"),
])
def test_wrong_options(build_dir, run_dir, options, words):
    p = process.Process("pointsman-snmp", [parts.program(build_dir, "snmp/pointsman-snmp"), *options], run_dir)
    assert p.wait_exit() == 2
    assert words in p.log()


def test_help_and_version(build_dir, run_dir):
    for option, word in (("--help", "--agentx ADDRESS"), ("--version", "pointsman-snmp ")):
        p = process.Process("pointsman-snmp", [parts.program(build_dir, "snmp/pointsman-snmp"), option], run_dir)
        assert p.wait_exit() == 0
        assert word in p.log()


# ---- stations ----

def test_snmpv3_with_a_view(build_dir, run_dir, started, fake, subagent, wait_for):
    snmpd = started(parts.Snmpd(build_dir, run_dir, settings=f"""createUser watcher SHA-256 "a long password" AES "another one"
rouser watcher authPriv -V pointsman
view pointsman included .{ROOT}
""")).wait_ready()
    subagent(fake, snmpd)
    wait_for(lambda: registered(snmpd), "the subagent has registered")

    def v3(*options, what):
        return subprocess.run(["snmpget", "-v3", "-u", "watcher", *options, "-m", "", "-Oqv", f"127.0.0.1:{snmpd.port}", what], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, env=os.environ | {"MIBS": ""}).stdout.strip()

    private = ("-l", "authPriv", "-a", "SHA-256", "-A", "a long password", "-x", "AES", "-X", "another one")
    assert v3(*private, what=f"{ROOT}.1.1.1.0") == '"0.1.0"'
    assert "No Such Object" in v3(*private, what="1.3.6.1.2.1.1.3.0")
    assert "authorizationError" in v3("-l", "authNoPriv", "-a", "SHA-256", "-A", "a long password", what=f"{ROOT}.1.1.1.0")


@pytest.mark.parametrize("status, nodes, arguments, code, words", [
    ({}, [{}], [], 0, "OK - 0 of 1 circuits open, at most 50 % of a limit used | open=0;;;0;1 used=50%;80;100;0"),
    ({}, [{}, {"circuit": "open"}], [], 1, "WARNING - 1 of 2"), ({"health": "degraded"}, [{}], [], 1, "WARNING"),
    ({"health": "failing"}, [{}], [], 2, "CRITICAL"), ({}, [{}], ["-w", "50"], 1, "WARNING"), ({}, [{}], ["-c", "50"], 2, "CRITICAL"),
    ({}, [], [], 0, "OK - 0 of 0"), ({}, [{}], ["-s", "-v2c -c wrong -t 0.3 -r 0"], 3, "UNKNOWN - Timeout"), ({}, [{}], ["-w", "x"], 3, "-H HOST"),
    ({}, [{}], ["-r", "1.3.6.1.4.1.1"], 3, "UNKNOWN - snmpd knows no pointsman"),
])
def test_check_pointsman(connected, fake, wait_for, status, nodes, arguments, code, words):
    fake.replies["GetSnapshot"] = snapshot([service("s", [node(f"s/{i}", **n) for i, n in enumerate(nodes)])], **status)
    wait_for(lambda: get(connected, "pmNodes.0") == f"{len(nodes)} nodes", "SNMP shows this")
    done = run_check(connected, *arguments)
    assert done.stdout.startswith("POINTSMAN " * (words[:2] != "-H")) and words in done.stdout
    assert done.returncode == code


def run_check(snmpd, *arguments, **env):
    return subprocess.run([parts.SOURCE + "/mibs/check_pointsman", "-H", f"127.0.0.1:{snmpd.port}", *arguments], capture_output=True, text=True,
                          timeout=30, check=False, env=os.environ | env)


def test_check_pointsman_minds_no_remarks(connected, fake, wait_for, run_dir):
    """The first net-snmp tool on a machine says that it has made a folder."""
    fake.replies["GetSnapshot"] = snapshot([service("s", [node("s/a")])])
    wait_for(lambda: get(connected, "pmNodes.0") == "1 nodes", "SNMP shows this")
    done = run_check(connected, SNMP_PERSISTENT_DIR=run_dir + "/new")
    assert os.path.isdir(run_dir + "/new")
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("POINTSMAN OK - 0 of 1")


def test_check_pointsman_without_a_daemon(connected, fake, wait_for):
    connected.table("pmNodeTable")
    fake.stop()
    wait_for(lambda: get(connected, "pmDataState.0") == "stale", "the data is stale")
    done = run_check(connected)
    assert done.returncode == 2 and "pointsmand has not answered for" in done.stdout


# ---- SET ----

def set_state(fake):
    def answer(parameters):
        for s in fake.replies["GetSnapshot"]["services"]:
            for n in s["nodes"]:
                if n["node"] == parameters["node"]:
                    n["administrativeState"] = parameters["administrativeState"]
                    return {"node": n}
        return "org.pointsman.routing.NoSuchNode", {"node": parameters["node"]}
    return answer


def instance(snmpd, name):
    return f"POINTSMAN-MIB::pmNodeAdministrativeState.{rows(snmpd, 'pmNodeTable', 'pmNodeName')[name]['index']}"


def test_a_manager_drains_a_node(connected, fake):
    fake.replies["GetSnapshot"] = snapshot([service("stripe", [node("stripe/us-east"), node("stripe/us-west")])])
    fake.replies["SetNodeState"] = set_state(fake)
    where = instance(connected, "stripe/us-west")
    connected.tool("snmpset", where, "i", "draining", community="private")
    assert fake.called("SetNodeState") == [{"node": "stripe/us-west", "administrativeState": "draining"}]
    assert rows(connected, "pmNodeTable", "pmNodeName")["stripe/us-west"]["pmNodeAdministrativeState"] == "draining"


@pytest.mark.parametrize("what, error", [
    (("i", "4"), "wrongValue|out of range|Bad value"), (("i", "0"), "wrongValue|Bad value"), (("u", "1"), "wrongType"), (("s", "enabled"), "wrongType"),
])
def test_a_wrong_set_changes_nothing(connected, fake, what, error):
    where = instance(connected, "stripe/us-west").replace("POINTSMAN-MIB::pmNodeAdministrativeState", ROOT + ".1.3.1.5")
    with pytest.raises(process.Failed, match=error):
        connected.tool("snmpset", where, *what, options=("-Ir",), community="private", mib="")
    assert fake.called("SetNodeState") == []


def test_set_where_it_is_not_allowed(connected, fake):
    fake.replies["SetNodeState"] = "org.varlink.service.PermissionDenied", {}
    where = instance(connected, "stripe/us-west")
    with pytest.raises(process.Failed, match="commitFailed"):
        connected.tool("snmpset", where, "i", "disabled", community="private")
    with pytest.raises(process.Failed, match="noAccess"):
        connected.tool("snmpset", where, "i", "disabled", community="public")
    with pytest.raises(process.Failed, match="notWritable"):
        connected.tool("snmpset", where.replace("AdministrativeState", "Circuit"), "i", "1", community="private")
    with pytest.raises(process.Failed, match="noCreation"):
        connected.tool("snmpset", f"{ROOT}.1.3.1.5.1.1", "i", "1", community="private")


def test_one_of_two_sets_fails_and_the_other_is_undone(connected, fake):
    def second_fails(parameters):
        if parameters["node"] == "stripe/us-west":
            return "org.pointsman.routing.Busy", {"reason": "no"}
        return {"node": {}}

    fake.replies["SetNodeState"] = second_fails
    with pytest.raises(process.Failed, match="commitFailed"):
        connected.tool("snmpset", instance(connected, "stripe/us-east"), "i", "disabled", instance(connected, "stripe/us-west"), "i", "disabled",
                       community="private")
    states = [p["administrativeState"] for p in fake.called("SetNodeState") if p["node"] == "stripe/us-east"]
    assert states == ["disabled", "enabled"]


# ---- notifications ----

TRAP_OID = "1.3.6.1.6.3.1.1.4.1.0"


def event(serial, type_="circuit_changed", name="stripe/us-east", severity="high", **data):
    return {"serial": serial, "time": "2026-03-01T12:00:00Z", "type": type_, "severity": severity, "serviceName": name.partition("/")[0],
            "node": name, "message": f"{name}: event {serial}", "data": data}


def kinds(station):
    """The numbers of our notifications received, in order."""
    return [int(n[TRAP_OID].removeprefix(f"{ROOT}.0.")) for n in station.poll() if n[TRAP_OID].startswith(f"{ROOT}.0.")]


@pytest.fixture
def station():
    s = Station()
    yield s
    s.close()


@pytest.fixture
def notified(build_dir, run_dir, started, fake, station, subagent, wait_for):
    """snmpd that passes notifications on to the station, with the subagent, which follows the daemon's events."""
    snmpd = started(parts.Snmpd(build_dir, run_dir, settings=f"trap2sink 127.0.0.1:{station.port} public\n")).wait_ready()
    wait_for(lambda: 0 < len(station.poll()), "snmpd itself has said that it started")
    station.received.clear()
    subagent(fake, snmpd)
    wait_for(lambda: registered(snmpd), "the subagent has registered")
    wait_for(lambda: fake.subscribers(), "the subagent follows the events")
    return snmpd


def test_a_circuit_opens_and_closes(notified, fake, station, wait_for):
    assert fake.called("Subscribe")[0].keys() == {"types"}, "what was before us is no news"
    fake.publish(event(1, to="open"), event(2, to="half_open"), event(3, to="closed"))
    wait_for(lambda: len(station.poll()) >= 2, "the notifications have come")
    assert kinds(station) == [1, 2]
    first = station.received[0]
    index = rows(notified, "pmNodeTable", "pmNodeName")["stripe/us-east"]["index"]
    assert first[f"{ROOT}.1.8.1.0"] == 1
    assert first[f"{ROOT}.1.8.4.0"] == "stripe/us-east: event 1"
    assert first[f"{ROOT}.1.8.6.0"] == "stripe/us-east"
    assert first[f"{ROOT}.1.3.1.8.{index}"] == 1
    assert first[f"{ROOT}.1.3.1.9.{index}"] == 9980


@pytest.mark.parametrize("which, number", [
    (event(1, "scenario_opened"), 3), (event(1, "scenario_escalation"), 4), (event(1, "scenario_resolved"), 5),
    (event(1, "cost_alert", "stripe", "medium"), 6), (event(1, "cost_alert", "stripe", "critical"), 7),
    (event(1, "performance_degradation"), 8), (event(1, "cost_alert", "stripe", "critical", to="emergency"), 9),
    (event(1, "optimization_executed", "stripe", to="EMERGENCY_MODE"), 9), (event(1, to="open", name="gone/node"), 1),
])
def test_each_kind_has_its_notification(notified, fake, station, wait_for, which, number):
    fake.publish(which)
    wait_for(lambda: station.poll(), "the notification has come")
    assert kinds(station) == [number]


def test_what_is_no_event_is_passed_over(notified, fake, station, wait_for):
    for nonsense in ({}, {"serial": "x"}, {"type": "new_type", "serial": 4}, event(5, to="sideways")):
        fake.publish(nonsense)
    fake.publish(event(6, to="open"))
    wait_for(lambda: station.poll(), "the notification has come")
    assert kinds(station) == [1]


def test_a_kind_can_be_switched_off(notified, fake, station, wait_for):
    notified.tool("snmpset", "POINTSMAN-MIB::pmNotificationEnable.0", "b", "1 2 3", community="private")
    fake.publish(event(1, to="open"), event(2, to="closed"))
    wait_for(lambda: station.poll(), "the other notification has come")
    assert kinds(station) == [2]
    assert get(notified, "pmNotificationsSent.0") == "1 notifications"
    with pytest.raises(process.Failed, match="wrongLength"):
        notified.tool("snmpset", f"{ROOT}.1.7.1.0", "x", "FFFFFF", options=("-Ir",), community="private", mib="")


def test_none_is_lost_or_doubled_when_the_daemon_hangs_up(notified, fake, station, wait_for):
    fake.publish(event(7, to="open"))
    wait_for(lambda: station.poll(), "the first notification has come")
    fake.replies["GetSnapshot"]["status"]["eventSerial"] = 8
    fake.stop()
    fake.start()
    wait_for(lambda: fake.subscribers(), "the subagent follows again")
    assert fake.called("Subscribe")[-1]["since"] == 7
    # Another daemon counts anew: all that it has to tell is news.
    fake.replies["GetSnapshot"]["status"] |= {"eventSerial": 3, "startedAt": "2026-03-01T12:00:00Z"}
    fake.stop()
    fake.start()
    wait_for(lambda: fake.subscribers(), "the subagent follows again")
    assert fake.called("Subscribe")[-1]["since"] == 0


def test_events_wait_for_snmpd(notified, build_dir, run_dir, fake, station, started, wait_for):
    log = notified.log_path.replace("snmpd.log", "pointsman-snmp.log")
    notified.stop()
    wait_for(lambda: "Lost snmpd" in open(log, encoding="utf-8").read(), "the subagent has noticed")
    fake.publish(event(1, to="open"))
    again = started(parts.Snmpd(build_dir, run_dir, port=notified.port, settings=f"trap2sink 127.0.0.1:{station.port} public\n"))
    again.wait_ready()
    wait_for(lambda: any(TRAP_OID in n and n[TRAP_OID] == f"{ROOT}.0.1" for n in station.poll()), "the notification has come")


def test_a_storm_is_cut_down_and_its_last_state_is_told(notified, fake, station, wait_for):
    """A thousand events a second, for some seconds; meanwhile snmpd and the subagent answer as ever."""
    n, rate, slowest, polls = 4000, 1000, 0, 0
    start = time.monotonic()

    def blow():
        for i in range(1, n + 1):
            time.sleep(max(0, start + i / rate - time.monotonic()))
            fake.publish(event(i, to="closed" if i % 2 == 0 else "open", name=f"stripe/n{i % 3}"))

    storm = threading.Thread(target=blow)
    storm.start()
    while storm.is_alive():
        for what, expected in (("pmVersion.0", "0.1.0"), ("pmDataState.0", "fresh")):
            begin = time.monotonic()
            assert get(notified, what) == expected
            begin, polls = time.monotonic() - begin, polls + 1
            slowest = max(slowest, begin)
        begin = time.monotonic()
        notified.tool("snmpget", "1.3.6.1.2.1.1.3.0", mib="")
        slowest = max(slowest, time.monotonic() - begin)
    storm.join()
    assert time.monotonic() - start < 2 * n / rate, "the events were taken as fast as they came"
    assert polls > 20 and slowest < 1, f"{polls} polls, the slowest in {slowest:.2f} s"

    def told():
        return {r[f"{ROOT}.1.8.6.0"]: r[f"{ROOT}.1.8.1.0"] for r in station.poll()}

    wait_for(lambda: sorted(told().values()) == [n - 2, n - 1, n], "the last state of each node is told")
    seconds = time.monotonic() - start
    assert len(station.poll()) <= 20 + 5 * (seconds + 1) + 1
    assert int(get(notified, "pmNotificationsSuppressed.0").split()[0]) + len(station.poll()) == n


# ---- the real daemon ----

NODES = {
    "mapbox": {"provider": "mapbox", "region": "eu", "url": "http://127.0.0.1:1", "weight": 60, "cost_per_request": 0.005},
    "here": {"provider": "here", "url": "http://127.0.0.1:3", "weight": 10, "cost_per_request": 0.006},
}
CONFIG = {"services": {
    "maps": {"strategy": "ROUND_ROBIN", "load_balancing": {"health_check_interval": 0}, "nodes": NODES},
    "capped": {"load_balancing": {"health_check_interval": 0}, "nodes": NODES, "cost_constraints": {"max_cost_per_hour": 0.02}}}}


def word(name):
    """half_open and HALF_OPEN are halfOpen in the MIB."""
    return re.sub("_(.)", lambda m: m[1].upper(), name.lower())


# Column: field of the API's node, and how the one's value becomes the other's.
MICRO = (lambda x: round(x * 1e6))
HUNDREDTHS = (lambda x: round(x * 1e4))
DRIFTS = {"HealthScore": 3, "SuccessRate": 100, "Cooldown": 5000}  # by itself while we look; so far
NODE_COLUMNS = {
    "Name": ("node", str), "Provider": ("provider", str), "Region": ("region", str), "AdministrativeState": ("administrativeState", word),
    "Health": ("health", word), "HealthScore": ("healthScore", round), "Circuit": ("circuit", word), "SuccessRate": ("successRate", HUNDREDTHS),
    "LatencyP50": ("latencyP50Ms", lambda x: round(x * 1e3)), "LatencyP95": ("latencyP95Ms", lambda x: round(x * 1e3)),
    "LatencyP99": ("latencyP99Ms", lambda x: round(x * 1e3)), "InFlight": ("inFlight", int), "Calls": ("calls", int),
    "Failures": ("failures", int), "Cooldown": ("cooldownMs", int), "SpendHour": ("spendHour", MICRO), "SpendPeriod": ("spendPeriod", MICRO),
    "Price": ("costPerRequest", MICRO), "Weight": ("weight", int), "Share": ("share", HUNDREDTHS),
}
SERVICE_COLUMNS = {
    "Name": ("serviceName", str), "Strategy": ("strategy", word),
    "Priority": ("priority", word), "Origin": ("origin", word), "CostTier": ("costTier", word), "BudgetState": ("budgetState", word),
    "SpendHour": ("spendHour", MICRO), "LimitHour": ("maxCostPerHour", lambda x: MICRO(x) if x is not None else 2 ** 64 - 1),
    "Decisions": ("decisions", int), "Failures": ("failures", int), "SuccessRate": ("successRate", HUNDREDTHS), "Nodes": ("nodes", len),
}


def shown(row, columns, prefix):
    """A row of snmptable as the values that columns make of the API's."""
    def value(text):
        number = re.match(r"(-?\d*)(?:\.(\d\d))?(?= |$)", text)
        return int(number[1] + (number[2] or "")) if number and number[0] else text
    return {c: value(row[f"pm{prefix}{c}"]) for c in columns}


def told(entry, columns):
    return {c: convert(entry.get(field)) for c, (field, convert) in columns.items()}


def agree(snmpd, api):
    """Waits until both faces say the same about everything: the subagent may be a second behind."""
    def same():
        services = api.call("GetSnapshot")["services"]
        by_api = ({s["serviceName"]: told(s, SERVICE_COLUMNS) for s in services},
                  {n["node"]: told(n, NODE_COLUMNS) for s in services for n in s["nodes"]})
        by_snmp = ({n: shown(r, SERVICE_COLUMNS, "Service") for n, r in rows(snmpd, "pmServiceTable", "pmServiceName").items()},
                   {n: shown(r, NODE_COLUMNS, "Node") for n, r in rows(snmpd, "pmNodeTable", "pmNodeName").items()})
        nonlocal differences
        differences = [f"{name} {column}: socket {a[name].get(column)}, SNMP {b[name].get(column)}" for a, b in zip(by_api, by_snmp)
                       for name in a if name in b for column in a[name] if not same_value(column, a[name][column], b[name][column])]
        return not differences and all(a.keys() == b.keys() for a, b in zip(by_api, by_snmp))

    def same_value(column, a, b):
        return abs(a - b) <= DRIFTS[column] if column in DRIFTS else a == b

    differences = []
    try:
        process.wait_for(same, "SNMP and the socket agree", 10)
    except process.Failed as e:
        pytest.fail("\n".join([str(e), *differences]))


def test_snmp_and_the_socket_agree(daemon, client, snmpd, subagent, wait_for):
    d = daemon(CONFIG)
    api = client(d)
    subagent(d.socket, snmpd)
    wait_for(lambda: registered(snmpd), "the subagent has registered")
    for status in (200, 200, 503, 429, 401):
        decision = api.call("Route", serviceName="maps")["decision"]
        api.call("Report", decision=decision["id"], httpStatus=status, latencyMs=20.25)
    api.call("Route", serviceName="capped")
    api.call("SetNodeState", node="maps/here", administrativeState="draining")
    agree(snmpd, api)

    status = api.call("GetSystemStatus")["status"]
    assert get(snmpd, "pmVersion.0") == status["version"]
    assert get(snmpd, "pmDecisions.0") == f"{status['decisions']} decisions" == "6 decisions"
    assert get(snmpd, "pmReports.0") == "5 reports"
    assert get(snmpd, "pmHealth.0") == status["health"]

    providers = rows(snmpd, "pmProviderTable", "pmProviderName")
    listed = {p["name"]: p for p in api.call("ListProviders")["providers"]}
    assert set(providers) == set(listed)
    assert providers["stripe"]["pmProviderOperations"] == ",".join(listed["stripe"]["operations"])[:255]


def test_indexes_survive_a_restart_with_other_services(daemon, client, snmpd, subagent, wait_for):
    d = daemon(CONFIG)
    subagent(d.socket, snmpd)
    wait_for(lambda: registered(snmpd), "the subagent has registered")
    before = {name: row["index"] for name, row in rows(snmpd, "pmNodeTable", "pmNodeName").items()}
    d.stop()
    wait_for(lambda: get(snmpd, "pmDataState.0") == "stale", "the data is stale")
    d = daemon({"services": {"first": CONFIG["services"]["maps"], **CONFIG["services"]}})
    wait_for(lambda: get(snmpd, "pmDataState.0") == "fresh", "the data is fresh again")
    after = {name: row["index"] for name, row in rows(snmpd, "pmNodeTable", "pmNodeName").items()}
    assert len(after) == len(before) + 2
    assert {name: after[name] for name in before} == before
    agree(snmpd, client(d))


def test_a_manager_drains_a_real_node(daemon, client, snmpd, subagent, wait_for):
    d = daemon(CONFIG)
    api = client(d)
    subagent(d.socket, snmpd)
    wait_for(lambda: registered(snmpd), "the subagent has registered")
    snmpd.tool("snmpset", instance(snmpd, "maps/mapbox"), "i", "draining", community="private")
    assert {api.call("Route", serviceName="maps")["decision"]["node"] for _ in range(4)} == {"maps/here"}
    agree(snmpd, api)


def test_a_real_circuit_opens(build_dir, run_dir, daemon, client, started, station, subagent, wait_for):
    snmpd = started(parts.Snmpd(build_dir, run_dir, settings=f"trap2sink 127.0.0.1:{station.port} public\n")).wait_ready()
    d = daemon(CONFIG)
    api = client(d)
    subagent(d.socket, snmpd)
    wait_for(lambda: registered(snmpd), "the subagent has registered")
    wait_for(lambda: api.call("GetSystemStatus")["status"]["subscribers"] == 1, "the subagent follows the events")
    for _ in range(5):  # in a row; with others to go to, a node that fails is soon asked less
        decision = api.call("Route", serviceName="maps", exclude=["google", "here"])["decision"]
        api.call("Report", decision=decision["id"], httpStatus=503, latencyMs=20)
    wait_for(lambda: any(n.get(TRAP_OID) == f"{ROOT}.0.1" for n in station.poll()), "the station hears of it")
    told = next(n for n in station.received if n.get(TRAP_OID) == f"{ROOT}.0.1")
    assert told[f"{ROOT}.1.8.6.0"] == "maps/mapbox"
    index = rows(snmpd, "pmNodeTable", "pmNodeName")["maps/mapbox"]["index"]
    assert told[f"{ROOT}.1.3.1.8.{index}"] == 2, "the row that it shows is not older than the event"


def test_a_real_scenario(build_dir, run_dir, daemon, client, started, station, subagent, wait_for):
    snmpd = started(parts.Snmpd(build_dir, run_dir, settings=f"trap2sink 127.0.0.1:{station.port} public\n")).wait_ready()
    d = daemon(CONFIG)
    api = client(d)
    subagent(d.socket, snmpd)
    wait_for(lambda: registered(snmpd), "the subagent has registered")
    wait_for(lambda: api.call("GetSystemStatus")["status"]["subscribers"] == 1, "the subagent follows the events")
    scenario = api.call("HandleScenario", type="EMERGENCY_SCENARIO", serviceName="maps", severity="critical", detail="a drill")["scenario"]

    def told(number):
        return next((n for n in station.poll() if n.get(TRAP_OID) == f"{ROOT}.0.{number}"), None)

    wait_for(lambda: told(3), "the station hears of the scenario")
    assert scenario["id"] in told(3).values(), "with its row"
    wait_for(lambda: told(9), "the station hears of emergency mode")
    row = rows(snmpd, "pmScenarioTable", "pmScenarioId")[scenario["id"]]
    assert row["pmScenarioType"] == "emergencyScenario" and row["pmScenarioService"] == "maps"
    assert row["pmScenarioSeverity"] == scenario["severity"] and row["pmScenarioStrategy"] == "emergencyMode"
    assert rows(snmpd, "pmServiceTable", "pmServiceName")["maps"]["pmServiceOptimizationStrategy"] == "emergencyMode"
    assert get(snmpd, "pmActiveScenarios.0") == "1 scenarios"
    api.call("ResolveScenario", id=scenario["id"])
    wait_for(lambda: told(5), "the station hears that it is over")
    wait_for(lambda: get(snmpd, "pmActiveScenarios.0") == "0 scenarios", "the tables say so too")


def test_an_emergency_of_all_services(build_dir, run_dir, daemon, client, started, station, subagent, wait_for):
    snmpd = started(parts.Snmpd(build_dir, run_dir, settings=f"trap2sink 127.0.0.1:{station.port} public\n")).wait_ready()
    d = daemon(CONFIG)
    api = client(d)
    subagent(d.socket, snmpd)
    wait_for(lambda: registered(snmpd), "the subagent has registered")
    wait_for(lambda: api.call("GetSystemStatus")["status"]["subscribers"] == 1, "the subagent follows the events")
    api.call("HandleScenario", type="EMERGENCY_SCENARIO", severity="critical", detail="a drill")
    wait_for(lambda: 9 in kinds(station), "the station hears of emergency mode")
    told = next(n for n in station.received if n.get(TRAP_OID) == f"{ROOT}.0.9")
    assert told[f"{ROOT}.1.8.5.0"] == "", "it is about no service alone"
    assert "EMERGENCY_MODE" in told[f"{ROOT}.1.8.4.0"]
