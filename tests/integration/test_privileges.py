# SPDX-License-Identifier: Apache-2.0
"""What each program gives up by itself, when no unit of systemd has confined it."""

import os
import subprocess

import pytest

from harness import parts


@pytest.fixture
def programs(daemon, prober, run_dir, started, build_dir):
    """Each long-running program, started as the tests themselves are: perhaps as root."""
    d = daemon({"services": {"pay": {"nodes": {"a": {"provider": "stripe"}}}}})
    snmpd = started(parts.Snmpd(build_dir, run_dir)).wait_ready()
    return {"pointsmand": d, "pointsman-prober": prober(d).wait_ready(),
            "pointsman-snmp": started(parts.Subagent(build_dir, run_dir, d.socket, snmpd.agentx)).wait_ready()}


def status(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f)


@pytest.mark.parametrize("name", ["pointsmand", "pointsman-prober", "pointsman-snmp"])
def test_no_capability_is_kept_and_none_can_be_had(programs, name):
    found = status(programs[name].pid)
    assert found["NoNewPrivs"] == "1"
    for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(found[kind], 16) == 0, kind
    # The bounding set is for those alone to empty who hold a capability; without one, and without new privileges, it gives none.
    if int(status("self")["CapEff"], 16):
        assert int(found["CapBnd"], 16) == 0


def test_nobody_of_its_own_user_looks_into_the_prober(programs):
    """It holds credentials; the daemon, which holds none, may be debugged."""
    bare = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"] if os.geteuid() == 0 else []

    def can_look_into(pid):
        return subprocess.run([*bare, "cat", f"/proc/{pid}/maps"], capture_output=True, check=False).returncode == 0

    assert can_look_into(programs["pointsmand"].pid)
    assert not can_look_into(programs["pointsman-prober"].pid)
