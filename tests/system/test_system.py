# SPDX-License-Identifier: Apache-2.0
"""pointsman as an operator meets it: installed from packages, run by systemd. The tests share one machine, in this order."""

import json
import os
import pathlib
import re

import pytest

from harness.process import wait_for

SERVICES = ("pointsman", "pointsman-prober", "pointsman-snmp")
MIB_ROOT = "1.3.6.1.4.1.8072.9999.9999.7668"
EXTRA = "/etc/pointsman/conf.d/test.conf"
GET_HEALTH = ("busctl", "call", "org.pointsman.Pointsman1", "/org/pointsman/Pointsman1", "org.pointsman.Pointsman1.Manager", "GetHealth")


def is_active(machine, unit):
    return machine.show(unit, "ActiveState") == "active"


def route(machine, **details):
    out = machine.run("pointsmanctl", "--json", "route", "stripe", user="nobody", **details).stdout
    return json.loads(out)


def test_installing_starts_it(machine):
    for unit in SERVICES:
        wait_for(lambda u=unit: is_active(machine, u), f"{unit} to start")
    assert is_active(machine, "pointsman.socket")
    assert "3 services" in machine.show("pointsman", "StatusText")
    assert "stripe/" in json.dumps(route(machine))


@pytest.mark.parametrize("service", SERVICES)
def test_each_runs_as_its_own_user_with_nothing_to_spare(machine, service):
    pid = machine.show(service, "MainPID")
    status = machine.run("cat", f"/proc/{pid}/status").stdout
    assert machine.run("stat", "-c", "%U", f"/proc/{pid}").stdout.strip() == service
    assert re.search(r"^CapBnd:\s*0+$", status, re.M) and re.search(r"^NoNewPrivs:\s*1$", status, re.M)
    assert re.search(r"^Seccomp:\s*2$", status, re.M)


@pytest.mark.parametrize("service,exposure", [("pointsman", "15"), ("pointsman-prober", "20"), ("pointsman-snmp", "20")])
def test_systemd_finds_it_confined(machine, service, exposure):
    machine.run("systemd-analyze", "security", "--no-pager", "--offline=yes", f"--threshold={exposure}", f"/lib/systemd/system/{service}.service")


def test_the_same_over_snmp(machine):
    machine.write("/etc/snmp/snmpd.conf.d/test.conf", "rocommunity pmtest 127.0.0.1\n")
    machine.run("systemctl", "restart", "snmpd")
    walk = ("snmpwalk", "-v2c", "-cpmtest", "-On", "127.0.0.1", MIB_ROOT)
    seen = wait_for(lambda: "stripe" in (out := machine.run(*walk, check=False).stdout) and out, "the MIB through snmpd", 30, 0.5)
    assert "mapbox" in seen


def test_a_call_on_the_socket_starts_it(machine):
    machine.run("systemctl", "stop", "pointsman.service")
    assert not is_active(machine, "pointsman.service") and is_active(machine, "pointsman.socket")
    assert route(machine)
    assert is_active(machine, "pointsman.service")


def test_a_call_on_the_bus_starts_it(machine):
    # The prober and the subagent would start it through the socket.
    machine.run("systemctl", "stop", "pointsman-prober", "pointsman-snmp", "pointsman.service", "pointsman.socket")
    out = machine.run(*GET_HEALTH, user="nobody").stdout
    assert '"ok"' in out and is_active(machine, "pointsman.service")
    machine.run("systemctl", "start", "pointsman-prober", "pointsman-snmp")


def test_nobody_else_gets_its_name(machine):
    take = "import dbus; print(dbus.SystemBus().request_name('org.pointsman.Pointsman1'))"
    taken = machine.run("/usr/bin/python3", "-c", take, user="nobody", check=False)
    assert taken.returncode != 0 and "AccessDenied" in taken.stdout


def test_a_reload_that_is_refused_fails_and_says_why(machine):
    pid = machine.show("pointsman", "MainPID")
    machine.write(EXTRA, "services = { stripe = { strategy = \"FAST\"; }; };\n")
    assert machine.run("systemctl", "reload", "pointsman", check=False).returncode != 0
    status = machine.run("systemctl", "status", "--no-pager", "--full", "pointsman").stdout
    assert re.search(r"pointsmanctl\[\d+\]: .*test\.conf:1: .*strategy", status), status
    wait_for(lambda: "reload was refused" in machine.show("pointsman", "StatusText"), "the StatusText to tell of it")
    assert is_active(machine, "pointsman") and machine.show("pointsman", "MainPID") == pid
    assert route(machine)


def test_reload(machine):
    pid = machine.show("pointsman", "MainPID")
    machine.write(EXTRA, "services = { stripe = { strategy = \"ROUND_ROBIN\"; }; };\n")
    machine.run("systemctl", "reload", "pointsman")
    # Not a moment later: the reload is over when systemctl is.
    assert "ROUND_ROBIN" in json.dumps(route(machine))
    machine.run("rm", EXTRA)
    machine.run("systemctl", "reload", "pointsman")
    assert machine.show("pointsman", "MainPID") == pid


def comes_back(machine, was):
    def back():
        pid = machine.show("pointsman", "MainPID")
        return pid not in ("0", was) and is_active(machine, "pointsman") and pid
    return wait_for(back, "another process", 40, 0.1)


def test_it_comes_back_after_a_crash(machine):
    pid = machine.show("pointsman", "MainPID")
    machine.run("kill", "-KILL", pid)
    comes_back(machine, pid)
    assert route(machine)


def test_the_watchdog_ends_a_daemon_that_hangs(machine):
    machine.write("/run/systemd/system/pointsman.service.d/test.conf", "[Service]\nWatchdogSec=2s\nTimeoutAbortSec=1s\n")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "pointsman")
    pid = machine.show("pointsman", "MainPID")
    machine.run("kill", "-STOP", pid)
    comes_back(machine, pid)
    assert "watchdog" in machine.run("journalctl", "-u", "pointsman", "--no-pager", "-o", "cat", "-n", "30").stdout.lower()
    assert route(machine)
    machine.run("rm", "-r", "/run/systemd/system/pointsman.service.d")
    machine.run("systemctl", "daemon-reload")


def test_it_needs_neither_bus_nor_snmpd(machine):
    machine.run("systemctl", "stop", "snmpd", "dbus.service", "dbus.socket")
    machine.run("systemctl", "restart", "pointsman", "pointsman-snmp")
    assert route(machine)
    machine.run("systemctl", "start", "dbus.socket", "dbus.service", "snmpd")
    wait_for(lambda: machine.run(*GET_HEALTH, user="nobody", check=False).returncode == 0, "the daemon on the bus", 30, 0.2)


def test_an_upgrade_keeps_the_socket_and_the_configuration(machine, packages):
    machine.run("sh", "-c", "echo '# mine' >>/etc/pointsman/pointsman.conf")
    opened = machine.show("pointsman.socket", "ActiveEnterTimestampMonotonic")
    pid = machine.show("pointsman", "MainPID")
    machine.run("dpkg", "--install", "--force-confold", *packages)
    assert comes_back(machine, pid) != pid
    assert machine.show("pointsman.socket", "ActiveEnterTimestampMonotonic") == opened
    assert machine.run("tail", "-1", "/etc/pointsman/pointsman.conf").stdout == "# mine\n"
    assert route(machine)


LEDGER = "import sqlite3; print(*sqlite3.connect('/var/lib/pointsman/ledger.db').execute(\"{}\").fetchone())"


def books(machine):
    """Calls and micro-dollars of the service in the ledger."""
    query = "SELECT total(calls), total(dollars) * 1e6 FROM monthly WHERE service = 'load'"
    return [round(float(n)) for n in machine.run("/usr/bin/python3", "-c", LEDGER.format(query)).stdout.split()]


@pytest.fixture
def callers(machine):
    """50 callers under way; callers() ends them and returns what they saw."""
    machine.write("/root/callers.py", pathlib.Path(__file__).with_name("callers.py").read_text(encoding="utf-8"))
    machine.write(EXTRA, """services = { load = { load_balancing = { health_check_interval = 0; }; nodes = {
        a = { provider = "stripe"; url = "http://127.0.0.1:1"; cost_per_request = 0.01; };
        b = { provider = "mapbox"; url = "http://127.0.0.1:1"; cost_per_request = 0.02; }; }; }; };\n""")
    machine.run("rm", "-f", "/root/end")
    machine.run("systemctl", "reload", "pointsman")
    # As root, whose rate is not limited.
    running = machine.start("/usr/bin/python3", "/root/callers.py", "/run/pointsman/pointsman.sock", "50", "load", "/root/end")
    wait_for(lambda: books(machine)[0] > 100, "the callers' work in the ledger", 30, 0.2)

    def end():
        machine.run("touch", "/root/end")
        output, _ = running.communicate(timeout=90)
        return json.loads(output)

    yield end
    machine.run("touch", "/root/end")
    running.wait(90)
    machine.run("rm", EXTRA)


def settled(machine, before, seen):
    """Whether the books have just what was acknowledged to the callers."""
    return books(machine) == [before[0] + seen["calls"], before[1] + seen["reported"]]


def test_nobody_notices_a_restart(machine, callers, packages):
    """Nor that the package is installed again: no connection breaks, none is refused, and what was acknowledged is in the books."""
    before = (0, 0)
    for _ in range(3):
        calls = books(machine)[0]
        machine.run("systemctl", "restart", "pointsman")
        wait_for(lambda n=calls: books(machine)[0] > n + 100, "the callers to go on", 30, 0.2)
    pid = machine.show("pointsman", "MainPID")
    machine.run("dpkg", "--install", "--force-confold", *packages)
    comes_back(machine, pid)
    calls = books(machine)[0]
    wait_for(lambda: books(machine)[0] > calls + 100, "the callers to go on", 30, 0.2)
    seen = callers()
    assert seen["errors"] == [] and seen["least"] > 0
    wait_for(lambda: settled(machine, before, seen), f"the books to have {seen}", 10, 0.2)
    journal = machine.run("journalctl", "-u", "pointsman", "--no-pager", "-o", "cat").stdout
    assert re.search(r"Took over (5\d|6\d) connections", journal), journal[-3000:]
    assert machine.show("pointsman", "NFileDescriptorStore") == "0"


def test_purging_leaves_nothing(machine, packages):
    names = [os.path.basename(p).split("_")[0] for p in packages]
    machine.run("dpkg", "--purge", *names)
    for path in ("/etc/pointsman", "/var/lib/pointsman", "/run/pointsman", "/etc/snmp/snmpd.conf.d/pointsman.conf",
                 "/usr/sbin/pointsmand", "/usr/share/dbus-1/system.d/org.pointsman.Pointsman1.conf"):
        assert not machine.exists(path), path
    assert machine.run("pgrep", "-x", "pointsman.*", check=False).stdout == ""
    left = machine.run("sh", "-c", "find /etc /var/lib /usr /lib -xdev -name '*pointsman*' -not -path '/var/lib/dpkg/*' -not -path '/var/lib/private*'").stdout
    assert left == ""
