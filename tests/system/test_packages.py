# SPDX-License-Identifier: Apache-2.0
"""The packages over their life: installed, upgraded under load, removed, installed again, purged. In this order, in one machine."""

import configparser
import json
import os

import pytest

from harness import parts
from harness.process import wait_for

UNITS = ("pointsman.socket", "pointsman.service", "pointsman-prober.service", "pointsman-snmp.service")
CONF = "/etc/pointsman/pointsman.conf"
MINE = "/etc/pointsman/conf.d/mine.conf"
TESTS = os.path.join(parts.SOURCE, "debian", "tests")

# $1: a package, $2: where its predecessor goes: the same but for its version and the configuration that it brought.
AGE = """
set -e
root=$(mktemp -d)
dpkg-deb --raw-extract "$1" "$root"
version=$(sed -n 's/^Version: //p' "$root/DEBIAN/control")
sed -i "s/^Version: .*/Version: 0.0.9/; s/(= $version)/(= 0.0.9)/g" "$root/DEBIAN/control"
if [ -f "$root/etc/pointsman/pointsman.conf" ]; then echo '# as it was in 0.0.9' >>"$root/etc/pointsman/pointsman.conf"; fi
dpkg-deb --build -Znone "$root" "$2" >/dev/null
rm -r "$root"
"""


def names(packages):
    return [os.path.basename(p).split("_")[0] for p in packages]


def is_active(machine, unit):
    return machine.show(unit, "ActiveState") == "active"


def all_active(machine):
    return all(is_active(machine, u) for u in UNITS)


def text(machine, path):
    return machine.run("cat", path).stdout


def route(machine):
    return json.loads(machine.run("pointsmanctl", "--json", "route", "stripe", user="nobody").stdout)


def files(machine):
    """All that look like ours."""
    return set(machine.run("find", "/etc", "/run", "/usr", "/lib", "/var/lib", "/var/cache", "-xdev", "-name", "*pointsman*",
                           "-not", "-path", "/var/lib/dpkg/*").stdout.splitlines())


@pytest.fixture(scope="module")
def files_before(bare_machine):
    return files(bare_machine)


@pytest.fixture(scope="module")
def previous(bare_machine, packages, files_before):
    """The packages of the version before."""
    found = []
    for p in packages:
        found.append("/root/previous-" + os.path.basename(p))
        bare_machine.run("sh", "-c", AGE, "age", p, found[-1])
    return found


def test_install_the_version_before(bare_machine, previous):
    machine = bare_machine
    machine.run("dpkg", "--install", *previous)
    wait_for(lambda: all_active(machine), "all to start")
    for unit in UNITS:
        assert machine.run("systemctl", "is-enabled", unit).stdout.strip() == "enabled"
    assert "0.0.9" in text(machine, CONF)
    assert route(machine)
    # They work together from the first moment, whatever was installed first.
    wait_for(lambda: "1 prober connected" in machine.run("pointsmanctl", "health").stdout, "the prober to be let in")
    assert machine.show("pointsman", "NRestarts") == "0"


def test_nobody_notices_the_upgrade(bare_machine, packages, load):
    machine = bare_machine
    opened = machine.show("pointsman.socket", "ActiveEnterTimestampMonotonic")
    pid = machine.show("pointsman", "MainPID")
    machine.run("dpkg", "--install", *packages)
    wait_for(lambda: all_active(machine) and machine.show("pointsman", "MainPID") != pid, "all to start again")
    load.go_on()
    load.nobody_noticed()
    assert machine.show("pointsman.socket", "ActiveEnterTimestampMonotonic") == opened


def test_the_upgrade_renewed_what_nobody_had_changed(bare_machine, packages):
    assert "0.0.9" not in text(bare_machine, CONF)
    versions = bare_machine.run("dpkg-query", "-W", "-f", "${Version}\n", *names(packages)).stdout.split()
    assert "0.0.9" not in versions and len(set(versions)) == 1


def test_an_upgrade_keeps_what_the_administrator_changed(bare_machine, previous, packages):
    machine = bare_machine
    machine.run("dpkg", "--install", *previous)
    assert "0.0.9" in text(machine, CONF)
    machine.run("sh", "-c", f"echo '# mine' >>{CONF}")
    machine.write(MINE, "services = { mine = { nodes = { a = { provider = \"stripe\"; }; }; }; };\n")
    machine.run("dpkg", "--install", "--force-confold", *packages)
    wait_for(lambda: all_active(machine), "all to start again")
    assert text(machine, CONF).endswith("# as it was in 0.0.9\n# mine\n")
    assert "0.0.9" not in text(machine, CONF + ".dpkg-dist")
    assert "mine" in machine.run("pointsmanctl", "services").stdout


def test_removing_keeps_configuration_and_state(bare_machine, packages):
    machine = bare_machine
    machine.run("pointsmanctl", "node", "drain", "mine/a")
    machine.run("dpkg", "--remove", *names(packages))
    assert machine.run("pgrep", "-x", "pointsman.*", check=False).stdout == ""
    for path in ("/run/pointsman/pointsman.sock", "/usr/sbin/pointsmand", "/lib/systemd/system/pointsman.service"):
        assert not machine.exists(path), path
    assert text(machine, CONF).endswith("# mine\n") and machine.exists(MINE)
    assert "SetNodeState" in text(machine, "/var/lib/pointsman/audit/audit.jsonl")
    # snmpd goes on without its subagent.
    machine.run("systemctl", "restart", "snmpd")
    assert is_active(machine, "snmpd")


def test_installing_again_finds_it_as_it_was(bare_machine, packages):
    machine = bare_machine
    machine.run("dpkg", "--install", *packages)
    wait_for(lambda: all_active(machine), "all to start")
    assert text(machine, CONF).endswith("# mine\n")
    assert "mine" in machine.run("pointsmanctl", "services").stdout
    assert "SetNodeState" in machine.run("pointsmanctl", "audit", "show").stdout
    machine.run("pointsmanctl", "audit", "verify")
    machine.run("rm", MINE)
    machine.run("systemctl", "reload", "pointsman")


def control():
    """The tests that debian/tests/control names."""
    with open(os.path.join(TESTS, "control"), encoding="utf-8") as f:
        stanzas = configparser.ConfigParser(delimiters=":")
        stanzas.read_string("".join(f"[{i}]\n{s}\n" for i, s in enumerate(f.read().split("\n\n"))))
    return [name for s in stanzas.sections() for name in stanzas[s]["Tests"].split()]


@pytest.mark.parametrize("name", control())
def test_the_tests_that_come_with_the_packages(bare_machine, name):
    """Run as autopkgtest does: what is written to standard error is a failure too."""
    machine = bare_machine
    machine.run("mkdir", "-p", "/root/tests")
    for file in ("private", name):
        machine.take(os.path.join(TESTS, file), "/root/tests")
    status, output = machine.shell(f"chmod +x tests/{name}; AUTOPKGTEST_TMP=$(mktemp -d) tests/{name} 2>errors || echo 'exit status '$?; "
                                   "cat errors >&2; test ! -s errors", "/root", {})
    assert status == 0 and "exit status" not in output, output


def test_purging_leaves_nothing(bare_machine, packages, files_before):
    machine = bare_machine
    machine.run("dpkg", "--purge", *names(packages))
    assert machine.run("pgrep", "-x", "pointsman.*", check=False).stdout == ""
    for path in ("/etc/pointsman", "/var/lib/pointsman", "/run/pointsman", "/run/pointsmand", "/etc/snmp/snmpd.conf.d/pointsman.conf"):
        assert not machine.exists(path), path
    assert files(machine) == files_before
