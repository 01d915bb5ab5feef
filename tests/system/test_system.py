# SPDX-License-Identifier: Apache-2.0
"""pointsman as an operator meets it: installed from packages, run by systemd. The tests share one machine, in this order."""

import json
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
    def told():
        health = json.loads(machine.run("pointsmanctl", "--json", "health", check=False).stdout)
        return machine.show("pointsman", "StatusText").startswith(f"{health['status']}: {health['checks'][0]['message']}")

    # No vendor answers in here, so how the nodes are changes from second to second.
    wait_for(told, "the StatusText to say what the daemon says of its health")
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
    kept = machine.run("cat", "/var/lib/pointsman-snmp/indexes").stdout
    assert re.search(r"^service \d+ stripe$", kept, re.M)
    assert machine.run("stat", "-c", "%U %a", "/var/lib/pointsman-snmp").stdout.split() == ["pointsman-snmp", "750"]


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


def test_nobody_notices_a_restart(machine, load):
    for _ in range(3):
        machine.run("systemctl", "restart", "pointsman")
        load.go_on()
    load.nobody_noticed()
    journal = machine.run("journalctl", "-u", "pointsman", "--no-pager", "-o", "cat").stdout
    assert re.search(r"Took over (5\d|6\d) connections", journal), journal[-3000:]
    assert machine.show("pointsman", "NFileDescriptorStore") == "0"


def test_the_limits_of_each(machine):
    for service in SERVICES:
        assert int(machine.show(service, "TasksMax")) <= 256 and int(machine.show(service, "MemoryMax")) <= 1 << 30
        assert machine.show(service, "Restart") == "on-failure" and machine.show(service, "WatchdogUSec") in ("30s", "1min")


def test_a_daemon_that_cannot_start_says_why_and_comes_when_it_can(machine):
    machine.write(EXTRA, "services = { stripe = { strategy = \"FAST\"; }; };\n")
    assert machine.run("systemctl", "restart", "pointsman", check=False).returncode != 0
    status = wait_for(lambda: "test.conf:1" in (out := machine.run("systemctl", "status", "--no-pager", "--full", "pointsman",
                                                                    check=False).stdout) and out, "the reason in the status")
    assert "status=78/CONFIG" in status
    machine.run("rm", EXTRA)
    machine.run("systemctl", "reset-failed", "pointsman.service", "pointsman.socket")
    machine.run("systemctl", "start", "pointsman")
    assert route(machine) and is_active(machine, "pointsman.socket")


# ---- the journal ----

def entries(machine, *matches):
    out = machine.run("journalctl", "--no-pager", "--output=json", *matches).stdout
    return [json.loads(line) for line in out.splitlines() if line.startswith("{")]


def test_the_journal_has_a_level_for_each_line(machine):
    ready = entries(machine, "_SYSTEMD_UNIT=pointsman.service", "PRIORITY=6")
    assert any(e["MESSAGE"].startswith("Ready: ") and e["SYSLOG_IDENTIFIER"] == "pointsmand" for e in ready)
    assert all(not e["MESSAGE"].startswith("<") for e in ready)
    refused = entries(machine, "_SYSTEMD_UNIT=pointsman.service", "PRIORITY=3")
    assert any("test.conf:1" in e["MESSAGE"] for e in refused)


def test_the_journal_tells_who_did_what(machine):
    machine.run("pointsmanctl", "node", "drain", "stripe/us-west")
    machine.run("pointsmanctl", "node", "enable", "stripe/us-west")
    found = wait_for(lambda: entries(machine, "POINTSMAN_METHOD=SetNodeState", "POINTSMAN_NODE=stripe/us-west"), "the entries")
    assert found[-1]["_SYSTEMD_UNIT"] == "pointsman.service" and found[-1]["PRIORITY"] == "5"
    assert found[-1]["POINTSMAN_RESULT"] == "ok" and "by user 0" in found[-1]["MESSAGE"] and found[-1]["MESSAGE_ID"]
    serials = [int(e["POINTSMAN_AUDIT_SERIAL"]) for e in found]
    assert serials == sorted(set(serials))


# ---- polkit ----

RULE = "/etc/polkit-1/rules.d/10-test.rules"
LET_OPERATE = """polkit.addRule(function(action, subject) {
    if (action.id == "org.pointsman.Pointsman1.operate" && subject.user == "nobody" && action.lookup("method") == "SetNodeState")
        return polkit.Result.YES;
});
"""


def set_state(machine, state, user):
    return machine.run("busctl", "call", "org.pointsman.Pointsman1", "/org/pointsman/Pointsman1", "org.pointsman.Pointsman1.Manager",
                       "SetNodeState", "ss", "stripe/us-west", state, user=user, check=False)


def test_polkit_lets_an_ordinary_user_do_what_a_rule_says(machine):
    refused = set_state(machine, "draining", "nobody")
    assert refused.returncode != 0 and "polkit wants a password" in refused.stdout, refused.stdout
    machine.write(RULE, LET_OPERATE)
    machine.run("chmod", "a+r", RULE)
    machine.run("systemctl", "restart", "polkit")
    done = set_state(machine, "draining", "nobody")
    assert done.returncode == 0 and "draining" in done.stdout, done.stdout
    audit = machine.run("pointsmanctl", "--json", "audit", "show", "--method", "SetNodeState").stdout
    assert json.loads(audit.splitlines()[-1])["authorizedBy"] == "polkit"


def test_it_needs_no_polkit(machine):
    machine.run("systemctl", "mask", "--now", "polkit")
    machine.run("systemctl", "restart", "pointsman")
    wait_for(lambda: machine.run(*GET_HEALTH, user="nobody", check=False).returncode == 0, "the daemon on the bus", 30, 0.2)
    assert route(machine)
    # Nobody can be asked, so nobody is let in but those who need not ask.
    assert set_state(machine, "enabled", "nobody").returncode != 0
    assert set_state(machine, "enabled", None).returncode == 0
    machine.run("systemctl", "unmask", "polkit")
    machine.run("rm", RULE)


# ---- credentials ----

VENDOR = """import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open("/run/vendor.log", "a") as f:
            print(self.headers.get("Authorization"), file=f)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"object":"balance","available":[],"livemode":true}')
http.server.HTTPServer(("127.0.0.1", 8099), Handler).serve_forever()
"""
NODE = """services = { pay = { load_balancing = { health_check_interval = 1; }; nodes = { a = {
    provider = "stripe"; url = "http://127.0.0.1:8099"; credential = "pay"; options = { probe = "authenticated"; }; }; }; }; };
"""


def test_a_credential_comes_encrypted_and_reaches_the_vendor_alone(machine):
    machine.write("/run/vendor.py", VENDOR)
    machine.run("systemd-run", "--unit=vendor", "/usr/bin/python3", "-B", "/run/vendor.py")
    machine.run("sh", "-c", "mkdir -p /etc/credstore.encrypted && printf sk_live_secretsecret | "
                "systemd-creds encrypt --name=pay - /etc/credstore.encrypted/pay")
    assert "sk_live" not in machine.run("cat", "/etc/credstore.encrypted/pay").stdout
    machine.write("/run/systemd/system/pointsman-prober.service.d/test.conf", "[Service]\nLoadCredentialEncrypted=pay\n")
    machine.write(EXTRA, NODE)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "pointsman-prober")
    machine.run("systemctl", "reload", "pointsman")
    wait_for(lambda: "Bearer sk_live_secretsecret" in machine.run("cat", "/run/vendor.log", check=False).stdout, "a probe with it", 30, 0.2)
    wait_for(lambda: '"lastProbe":"ok"' in machine.run("pointsmanctl", "--json", "nodes", "pay").stdout.replace(" ", ""), "its verdict", 30, 0.2)
    # No user of the machine but root finds it, and no log has it.
    assert machine.run("cat", "/run/credentials/pointsman-prober.service/pay", user="pointsman", check=False).returncode != 0
    assert "sk_live" not in machine.run("journalctl", "--no-pager", "-u", "pointsman*").stdout
    assert machine.run("grep", "-rl", "sk_live", "/var/lib/pointsman", "/run/pointsman", "/run/pointsmand", check=False).stdout == ""
    pid = machine.show("pointsman-prober", "MainPID")
    assert machine.run("stat", "-c", "%U", f"/proc/{pid}/maps").stdout.strip() == "root"
    machine.run("systemctl", "stop", "vendor")
    machine.run("rm", "-r", "/run/systemd/system/pointsman-prober.service.d", EXTRA)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "pointsman-prober")
    machine.run("systemctl", "reload", "pointsman")
