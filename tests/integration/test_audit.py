# SPDX-License-Identifier: Apache-2.0
"""The audit log: who did what is recorded, nobody changes it unnoticed, and a disk that fails stops nothing."""

import glob
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import threading

import pytest

from harness import parts, process
from harness.varlink import Disconnected, VarlinkError

NOBODY = 65534
MAPS = {"load_balancing": {"health_check_interval": 0}, "nodes": {
    "mapbox": {"provider": "mapbox", "url": "http://127.0.0.1:1", "cost_per_request": 0.005},
    "google": {"provider": "google", "url": "http://127.0.0.1:2", "cost_per_request": 0.008}}}


def config(**audit):
    return {"services": {"maps": MAPS}, "audit": audit} if audit else {"services": {"maps": MAPS}}


def folder(d):
    return os.path.join(d.state_dir, "audit")


def paths(d):
    return [*sorted(glob.glob(os.path.join(folder(d), "audit-*.jsonl"))), os.path.join(folder(d), "audit.jsonl")]


def lines(d):
    """Every whole record of all files, as text."""
    result = []
    for path in paths(d):
        if os.path.exists(path):
            with open(path, encoding="utf-8") as f:
                result += [line.rstrip("\n") for line in f if line.endswith("\n")]
    return result


def records(d, kind=None):
    return [r for r in map(json.loads, lines(d)) if kind in (None, r["kind"])]


def wait_records(d, n, kind="management"):
    d.wait_for(lambda: len(records(d, kind)) >= n, f"{n} records of kind {kind}")
    return records(d, kind)


def drain(client, node="maps/mapbox", state="draining"):
    return client.call("SetNodeState", node=node, administrativeState=state)


def audit_check(client):
    return next(c for c in client.call("GetHealth")["checks"] if c["name"] == "audit")


@pytest.fixture
def ctl(build_dir):
    def run(*arguments):
        return subprocess.run([parts.program(build_dir, "ctl/pointsmanctl"), *map(str, arguments)], capture_output=True, text=True,
                              timeout=30, check=False)
    return run


@pytest.fixture
def verified(ctl):
    """verified(daemon) → what pointsmanctl says of its files, which must be whole."""
    def verify(d):
        done = ctl("audit", "verify", "--json", folder(d))
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)
    return verify


# ---- what is recorded ----

def test_who_did_what(daemon, client, verified):
    d = daemon(config())
    c = client(d)
    drain(c)
    with pytest.raises(VarlinkError):
        drain(c, "maps/nowhere")
    scenario = c.call("HandleScenario", type="NETWORK_ISSUES", serviceName="maps", nodes=["maps/google"])["scenario"]["id"]
    c.call("ResolveScenario", id=scenario, why="the uplink is back")
    c.call("Reload")
    c.call("Route", serviceName="maps")  # not recorded by default
    d.signal(signal.SIGHUP)
    done = wait_records(d, 6)

    assert [r["method"] for r in done] == ["SetNodeState", "SetNodeState", "HandleScenario", "ResolveScenario", "Reload", "Reload"]
    assert all(r["who"] == {"uid": os.getuid(), "pid": os.getpid()} and r["via"] == "varlink" for r in done[:5])
    assert done[0]["parameters"] == {"node": "maps/mapbox", "administrativeState": "draining"} and done[0]["result"] == "ok"
    assert done[1]["result"] == "NoSuchNode" and done[1]["details"] == {"node": "maps/nowhere"}
    assert done[2]["parameters"] == {"type": "NETWORK_ISSUES", "serviceName": "maps", "nodes": ["maps/google"]}
    assert done[2]["scenario"] == done[3]["parameters"]["id"] == scenario
    assert done[3]["parameters"]["why"] == "the uplink is back"
    assert done[5]["via"] == "signal" and done[5]["who"]["uid"] == os.getuid()
    assert [(r["type"], r["scenario"]) for r in records(d, "event")] == \
        [("scenario_opened", scenario), ("scenario_resolved", scenario)]
    assert not records(d, "decision")
    assert [r["serial"] for r in records(d)] == list(range(1, len(records(d)) + 1))
    assert os.stat(paths(d)[-1]).st_mode & 0o777 == 0o640 and os.stat(folder(d)).st_mode & 0o777 == 0o750
    d.stop()
    assert [r["kind"] for r in records(d)][:2] == ["file", "start"] and records(d)[-1]["kind"] == "stop"
    assert verified(d)["records"] == len(records(d))


def test_a_reload_records_what_changed(daemon, client):
    d = daemon(config())
    with open(d.config, encoding="utf-8") as f:
        text = f.read()
    with open(d.config, "w", encoding="utf-8") as f:
        f.write(text.replace("0.005", "0.004"))
    client(d).call("Reload")
    assert wait_records(d, 1)[0]["changes"] == \
        [{"path": "services.maps.nodes.mapbox.cost_per_request", "before": "0.005", "after": "0.004"}]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can call as another user")
def test_refusals_are_recorded_and_cannot_flood(daemon, client, run_dir, verified):
    d = daemon(config())
    os.chmod(run_dir, 0o711)
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        c = client(d)
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)
    for _ in range(500):
        with pytest.raises(VarlinkError) as e:
            drain(c)
        assert e.value.name == "PermissionDenied"
    drain(client(d))
    done = wait_records(d, 11)
    assert all(r["who"]["uid"] == NOBODY and r["result"] == "PermissionDenied" and r["details"]["role"] == "operator"
               and "parameters" not in r for r in done[:10])
    assert len(done) == 11 and done[10]["who"]["uid"] == 0 and done[10]["result"] == "ok"
    d.stop()
    assert sum(r["refusals"] for r in records(d, "lost")) == 490
    verified(d)


def decide_and_report(c, n, status=200):
    ids = []
    for _ in range(n):
        ids.append(c.call("Route", serviceName="maps", operation="geocode")["decision"]["id"])
        c.call("Report", decision=ids[-1], httpStatus=status, latencyMs=12)
    return ids


def test_all_decisions(daemon, client, verified):
    d = daemon(config(decisions="all"))
    c = client(d)
    ids = decide_and_report(c, 50)
    again = c.call("Route", serviceName="maps")["decision"]["id"]
    fallback = c.call("CostAwareFallback", decision=again, httpStatus=503)["decision"]["id"]
    d.stop()
    decisions, reports = records(d, "decision"), records(d, "report")
    assert [r["decision"] for r in decisions] == [*ids, again, fallback]
    assert [r["parameters"]["decision"] for r in reports] == ids
    assert decisions[0]["node"].startswith("maps/") and decisions[0]["cost"] in (0.005, 0.008) and decisions[0]["reason"]
    assert decisions[-1]["parameters"]["decision"] == again and decisions[-1]["reportedNode"] == decisions[-2]["node"]
    assert decisions[-1]["node"] != decisions[-2]["node"]
    assert reports[0]["verdict"] == "ok" and reports[0]["node"] == decisions[0]["node"] and reports[0]["cost"] == decisions[0]["cost"]
    verified(d)


def test_failures_alone(daemon, client):
    d = daemon(config(decisions="failures"))
    c = client(d)
    decide_and_report(c, 5)
    ids = decide_and_report(c, 3, status=503)
    with pytest.raises(VarlinkError):
        c.call("Route", serviceName="nothing")
    d.stop()
    assert [r["parameters"]["decision"] for r in records(d, "report")] == ids
    assert [r["result"] for r in records(d, "decision")] == ["NoSuchService"]


def test_a_sample_has_decisions_with_their_reports(daemon, client):
    d = daemon(config(decisions="sampled", sample_rate=20))
    decide_and_report(client(d), 1000)
    d.stop()
    decided = [r["decision"] for r in records(d, "decision")]
    assert decided == [r["parameters"]["decision"] for r in records(d, "report")]
    assert 120 < len(decided) < 280


def test_decisions_follow_a_reload(daemon, client):
    d = daemon(config())
    c = client(d)
    decide_and_report(c, 1)
    with open(d.config, "a", encoding="utf-8") as f:
        f.write('audit = { decisions = "all"; };\n')
    c.call("Reload")
    ids = decide_and_report(c, 1)
    d.stop()
    assert [r["decision"] for r in records(d, "decision")] == ids


def test_no_secret_is_recorded(daemon, client):
    d = daemon(config(decisions="all"))
    c = client(d)
    # In pieces, so that what looks for secrets in sources finds none.
    stripe, bearer, samsara = "sk_" + "live_51HxSECRET", "Bearer SECRETbearer", "samsara_" + "api_SECRET"
    c.call("HandleScenario", type="NETWORK_ISSUES", detail=f"{stripe} at https://user:SECRETpw@host/?api_key=SECRETkey&x=1")
    with pytest.raises(VarlinkError):
        drain(c, f"maps/{samsara}")
    with pytest.raises(VarlinkError):
        c.call("Route", serviceName=f"x?access_token=SECRET\"quoted\\{stripe}")
    decision = c.call("Route", serviceName="maps")["decision"]["id"]
    c.call("Report", decision=decision, httpStatus=200, headers={"Authorization": bearer, "Set-Cookie": "SECRETcookie"},
           body='{"card":"SECRETcard"}')
    d.stop()
    text = "\n".join(lines(d))
    assert "SECRET" not in text and "headers" not in text and "SECRET" not in d.log()
    assert "https://***@host/?api_key=***&x=1" in text
    assert len(records(d, "management")) == 2 and len(records(d, "report")) == 1


# ---- the chain ----

@pytest.fixture
def kept(daemon, client):
    """A stopped daemon with ten management actions on record."""
    d = daemon(config())
    c = client(d)
    for i in range(10):
        drain(c, state=("draining", "enabled")[i % 2])
    d.stop()
    assert len(records(d, "management")) == 10
    return d


def rewrite(d, change):
    path = paths(d)[-1]
    with open(path, encoding="utf-8") as f:
        text = f.read().splitlines(keepends=True)
    change(text)
    with open(path, "w", encoding="utf-8") as f:
        f.writelines(text)


def change_line(text):
    text[5] = text[5].replace("draining", "disabled").replace("enabled", "disabled")


def remove_line(text):
    del text[5]


def reorder(text):
    text[5], text[6] = text[6], text[5]


def insert(text):
    text.insert(5, text[5])


def forge(text):
    """A changed line with a hash of its own that fits."""
    change_line(text)
    body = text[5][:text[5].index(',"hash":')]
    previous = json.loads(text[4])["hash"]
    text[5] = body + ',"hash":"' + hashlib.sha256((previous + body).encode()).hexdigest() + '"}\n'


@pytest.mark.parametrize("change, at", [(change_line, 6), (remove_line, 6), (reorder, 6), (insert, 7), (forge, 7)])
def test_tampering_is_found(kept, ctl, change, at):
    rewrite(kept, change)
    done = ctl("audit", "verify", folder(kept))
    assert done.returncode == 1 and f"audit.jsonl:{at}: record" in done.stdout, done.stdout + done.stderr


def test_the_chain_with_standard_tools(kept):
    """As docs/audit.md says."""
    path = os.path.join(parts.SOURCE, "docs/audit.md")
    with open(path, encoding="utf-8") as f:
        script = f.read().split("```sh verify\n")[1].split("```")[0]
    run = lambda: subprocess.run(["bash", "-c", script], cwd=folder(kept), capture_output=True, text=True, timeout=60, check=False)
    assert run().returncode == 0, run().stderr
    rewrite(kept, change_line)
    assert run().returncode == 1 and "record 6" in run().stdout


def test_show(kept, ctl):
    everything = ctl("audit", "show", "--json", folder(kept)).stdout.splitlines()
    assert [json.loads(line) for line in everything] == records(kept)
    half = records(kept)[6]["time"]
    shown = ctl("audit", "show", "--method", "SetNodeState", "--since", half, "--user", os.getuid(), folder(kept)).stdout
    assert len(shown.splitlines()) == sum(r["kind"] == "management" and r["time"] >= half for r in records(kept))
    assert "maps/mapbox" in shown
    assert ctl("audit", "show", "--user", NOBODY, folder(kept)).stdout == ""
    assert ctl("audit", "show", "--since", "yesterday", folder(kept)).returncode == 2
    assert ctl("audit", "verify", folder(kept) + "/nothing").returncode == 2


# ---- rotation ----

def test_rotation_under_load_loses_nothing(daemon, client, verified):
    d = daemon(config(decisions="all", max_size=65536, keep=1000))
    expected, errors = [[], [], []], []

    def load(i):
        try:
            with d.client() as c:
                expected[i] += decide_and_report(c, 600)
        except Exception as e:  # pylint: disable=broad-except
            errors.append(e)

    threads = [threading.Thread(target=load, args=(i,)) for i in range(3)]
    for t in threads:
        t.start()
    c = client(d)
    for i in range(200):
        drain(c, "maps/google", ("draining", "enabled")[i % 2])
    for t in threads:
        t.join()
    assert not errors
    d.stop()
    assert len(paths(d)) > 10 and all(os.path.getsize(p) <= 65536 for p in paths(d))
    assert len(records(d, "management")) == 200 and not records(d, "lost")
    assert sorted(r["decision"] for r in records(d, "decision")) == sorted(sum(expected, []))
    assert verified(d)["files"] == len(paths(d)) == len(records(d, "file"))


def test_old_files_go_and_the_rest_is_whole(daemon, client, verified, ctl):
    d = daemon(config(max_size=4096, keep=3))
    c = client(d)
    for i in range(200):
        drain(c, state=("draining", "enabled")[i % 2])
    d.stop()
    assert len(paths(d)) == 4
    assert verified(d)["first"] > 1 and verified(d)["last"] == records(d)[-1]["serial"] > 200
    assert "rotation has removed" in ctl("audit", "verify", folder(d)).stderr
    # One taken from the middle is noticed.
    os.unlink(paths(d)[1])
    done = ctl("audit", "verify", folder(d))
    assert done.returncode == 1 and "missing between them" in done.stdout


def test_a_file_that_is_old_enough_is_followed_by_another(daemon, client, verified):
    d = daemon(config(max_age=1))
    c = client(d)
    drain(c)

    def rotated():
        drain(c, "maps/google")
        return len(paths(d)) > 1
    d.wait_for(rotated, "a new file")
    d.stop()
    verified(d)


def test_one_that_was_moved_away_is_followed_by_another(daemon, client, ctl):
    d = daemon(config())
    c = client(d)
    drain(c)
    wait_records(d, 1)
    os.rename(paths(d)[-1], paths(d)[-1] + ".old")
    drain(c)
    wait_records(d, 1)
    d.stop()
    # Whoever keeps them apart can still put them in order.
    assert ctl("audit", "verify", paths(d)[-1] + ".old", paths(d)[-1]).returncode == 0


# ---- trouble ----

def test_kill_9_in_mid_line(daemon, client, run_dir, verified, ctl):
    state = os.path.join(run_dir, "state")
    d = daemon(config(), state_dir=state)
    drain(client(d))
    wait_records(d, 1)
    before = lines(d)
    d.kill()
    # What a crash leaves when it comes while a line is written.
    with open(paths(d)[-1], "a", encoding="utf-8") as f:
        f.write('{"serial":99,"time":"2026-01-01T0')
    torn = ctl("audit", "verify", folder(d))
    assert torn.returncode == 0 and "not complete" in torn.stderr

    again = daemon(config(), state_dir=state, name="again")
    drain(client(again))
    wait_records(again, 2)
    again.stop()
    assert lines(again)[:len(before)] == before
    recovered = records(again)[len(before)]
    assert recovered["kind"] == "recovered" and recovered["text"] == '{"serial":99,"time":"2026-01-01T0' and recovered["bytes"] == 33
    verified(again)
    assert "a crash tore a line (33 bytes" in ctl("audit", "verify", folder(again)).stderr


def test_kill_9_under_load(daemon, client, run_dir, verified):
    state = os.path.join(run_dir, "state")
    for i in range(5):
        d = daemon(config(decisions="all", max_size=16384, keep=1000), state_dir=state, name=f"d{i}")
        c = client(d)
        decide_and_report(c, 100)
        drain(c)
        wait_records(d, i + 1)
        decide_and_report(c, 20)
        d.kill()
    daemon(config(), state_dir=state, name="last").stop()
    verified(d)
    assert len(records(d, "management")) == 5 and len(records(d, "start")) == 6


@pytest.fixture
def small_disk(run_dir):
    """A state folder of 4 MiB."""
    path = os.path.join(run_dir, "disk")
    os.mkdir(path)
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", path], check=False).returncode:
        pytest.skip("a file system cannot be mounted here")
    yield path
    subprocess.run(["umount", "--lazy", path], check=True)


def fill(path):
    with open(os.path.join(path, "ballast"), "ab", buffering=0) as f:
        for size in (4096, 1):
            try:
                while True:
                    f.write(bytes(size))
            except OSError:
                pass


def audit_event(events):
    """The next one that is about the audit log: the ledger lies on the same disk."""
    return next(e["event"] for e in events if e["event"]["message"].startswith("Audit log"))


def test_a_full_disk_stops_nothing(daemon, client, small_disk, verified):
    d = daemon(config(decisions="all", max_size=65536, keep=1000), state_dir=small_disk)
    c, events = client(d), client(d).more("Subscribe", types=["system_health_changed"], since=0)
    drain(c)
    wait_records(d, 1)
    assert audit_check(c)["status"] == "ok"

    fill(small_disk)
    ids = decide_and_report(c, 300)
    for i in range(50):
        drain(c, "maps/google", ("draining", "enabled")[i % 2])
    d.wait_for(lambda: audit_check(c)["status"] == "degraded", "the trouble is announced")
    health = c.call("GetHealth")
    assert health["status"] == "degraded" and "No space left on device" in audit_check(c)["message"]
    event = audit_event(events)
    assert event["severity"] == "high" and "No space left on device" in event["message"]
    ids += decide_and_report(c, 300)

    os.unlink(os.path.join(small_disk, "ballast"))
    d.wait_for(lambda: audit_check(c)["status"] == "ok", "it heals")
    assert "written" in audit_event(events)["message"]
    d.stop()
    assert d.log().count("Audit log: cannot be written") == 1 and d.log().count("Audit log: written") == 1
    assert len(records(d, "management")) == 51
    lost = records(d, "lost")
    assert sum(r["management"] for r in lost) == 0
    assert sum(r["decisions"] for r in lost) == 2 * len(ids) - len(records(d, "decision") + records(d, "report")) > 0
    verified(d)


def test_a_read_only_disk(daemon, client, small_disk, verified):
    d = daemon(config(), state_dir=small_disk)
    c = client(d)
    drain(c)
    wait_records(d, 1)
    # What is open for writing forbids to remount; so the disk is taken away as a whole.
    subprocess.run(["mount", "--bind", small_disk, small_disk], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", small_disk], check=True)
    try:
        e = daemon(config(), state_dir=small_disk, name="other")
        other = client(e)
        drain(other)
        e.wait_for(lambda: audit_check(other)["status"] == "degraded", "the trouble is announced")
        other.call("Route", serviceName="maps")
    finally:
        subprocess.run(["umount", small_disk], check=True)
    # It is still the other daemon's.
    e.wait_for(lambda: "another process" in audit_check(other)["message"], "two do not write to one log")
    d.stop()
    e.wait_for(lambda: audit_check(other)["status"] == "ok", "it heals")
    e.stop()
    assert len(records(e, "management")) == 2
    verified(e)


def test_a_log_that_is_not_ours_is_kept(daemon, client, run_dir, ctl):
    state = os.path.join(run_dir, "state")
    os.makedirs(os.path.join(state, "audit"))
    with open(os.path.join(state, "audit", "audit.jsonl"), "w", encoding="utf-8") as f:
        f.write("not a line of ours\nnor is this\n")
    d = daemon(config(), state_dir=state)
    drain(client(d))
    d.stop()
    old, new = paths(d)
    with open(old, encoding="utf-8") as f:
        assert f.read() == "not a line of ours\nnor is this\n"
    assert ctl("audit", "verify", new).returncode == 0
    assert ctl("audit", "verify", folder(d)).returncode == 1


# ---- the journal ----

class Journal:
    """The other end of sd_journal_send(), for one daemon that sees it in the journal's place; and that sees us in a unit."""

    def __init__(self, run_dir):
        self.folder = os.path.join(run_dir, "journal")
        os.mkdir(self.folder)
        self.cgroup = os.path.join(run_dir, "cgroup")
        with open(self.cgroup, "w", encoding="utf-8") as f:
            f.write("0::/system.slice/deploy.service\n")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self.socket.bind(os.path.join(self.folder, "socket"))
        self.socket.settimeout(process.DEADLINE)

    def wrap(self, *argv):
        script = 'mount -t tmpfs none /run && mkdir -p /run/systemd/journal && mount --bind "$1" /run/systemd/journal && ' \
            'mount --bind "$2" "/proc/$3/cgroup" && shift 3 && exec "$@"'
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", self.folder, self.cgroup,
                str(os.getpid()), *argv]

    def receive(self):
        fields = self.socket.recv(65536).decode().splitlines()
        return dict(f.split("=", 1) for f in fields)


def test_the_journal_has_it_too(build_dir, run_dir, started):
    journal = Journal(run_dir)
    if os.geteuid() != 0 or subprocess.run(journal.wrap("true"), check=False).returncode:
        pytest.skip("a file system cannot be mounted here")
    path, state = os.path.join(run_dir, "pm.conf"), os.path.join(run_dir, "state")
    with open(path, "w", encoding="utf-8") as f:
        f.write(parts.libconfig_file(config()))
    os.mkdir(state)
    d = started(process.Process("pointsmand", journal.wrap(
        parts.program(build_dir, "daemon/pointsmand"), "--config", path, "--socket", run_dir + "/pm.sock", "--state-dir", state,
        "--provider-dir", parts.provider_dir(build_dir), "--bus", "none"), run_dir, notify=True)).wait_ready()
    d.state_dir = state
    with parts.Client(run_dir + "/pm.sock") as c:
        drain(c)
        entry = journal.receive()
        record = wait_records(d, 1)[0]
        assert record["who"] == {"uid": os.getuid(), "pid": os.getpid(), "unit": "deploy.service"}
        assert entry["MESSAGE"] == \
            f"SetNodeState maps/mapbox by user {os.getuid()} (process {os.getpid()} of deploy.service): ok"
        assert entry["MESSAGE_ID"] == "d1f94d5267ee4b3e873f6018782c602b" and entry["PRIORITY"] == "5"
        assert entry["POINTSMAN_METHOD"] == "SetNodeState" and entry["POINTSMAN_NODE"] == "maps/mapbox"
        assert entry["POINTSMAN_RESULT"] == "ok" and entry["POINTSMAN_UNIT"] == "deploy.service"
        assert entry["POINTSMAN_AUDIT_SERIAL"] == str(record["serial"]) and entry["POINTSMAN_AUDIT_HASH"] == record["hash"]

        scenario = c.call("HandleScenario", type="NETWORK_ISSUES", serviceName="maps", detail="line\nbreak")["scenario"]["id"]
        call, opened = journal.receive(), journal.receive()
        assert call["POINTSMAN_SCENARIO"] == opened["POINTSMAN_SCENARIO"] == scenario
        assert opened["MESSAGE_ID"] == "b6ea14a40b334268b739de786c27d166" and opened["POINTSMAN_EVENT"] == "scenario_opened"
        assert opened["POINTSMAN_SERVICE"] == "maps" and "line break" in opened["MESSAGE"]


# ---- a reply waits for its record ----

@pytest.fixture
def hanging(daemon, run_dir, slow_disk, bus):
    """A daemon, and the disk that its audit log is on."""
    state = os.path.join(run_dir, "pointsmand.state")
    disk = slow_disk(os.path.join(state, "audit"))
    d = daemon(config(), state_dir=state, env=disk.env, bus=bus.address)
    wait_records(d, 1, "start")
    return d, disk


def nothing_comes(c, seconds=0.3):
    with pytest.raises(TimeoutError):
        c.receive(seconds)


def test_a_management_action_is_answered_when_it_is_recorded(hanging, client):
    d, disk = hanging
    manager, other = client(d), client(d)
    drain(manager)
    disk("hang")
    # What comes before it does not wait, what comes behind it does.
    manager.send("Route", {"serviceName": "maps"})
    manager.send("SetNodeState", {"node": "maps/mapbox", "administrativeState": "enabled"})
    manager.send("Route", {"serviceName": "maps"})
    decision = manager.receive()["decision"]
    nothing_comes(manager)
    # Nobody else waits, and reports need no audit log.
    for _ in range(100):
        other.call("Report", decision=other.call("Route", serviceName="maps")["decision"]["id"], httpStatus=200)
    other.call("Report", decision=decision["id"], httpStatus=200)
    nothing_comes(manager, 0.1)
    disk(None)
    assert manager.receive()["node"]["administrativeState"] == "enabled"
    assert manager.receive()["decision"]["serviceName"] == "maps"


def test_what_was_answered_is_recorded(daemon, client, run_dir):
    """The record is there the moment the reply is, whatever becomes of the daemon."""
    for i in range(10):
        d = daemon(config(), state_dir=os.path.join(run_dir, "state"), name=f"pointsmand{i}")
        drain(client(d), "maps/google", ("draining", "enabled")[i % 2])
        d.kill()
        assert len(records(d, "management")) == i + 1


def test_a_refusal_too_is_answered_when_it_is_recorded(hanging, client):
    d, disk = hanging
    c = client(d)
    drain(c)
    disk("hang")
    c.send("SetNodeState", {"node": "maps/nobody", "administrativeState": "enabled"})
    nothing_comes(c)
    disk(None)
    with pytest.raises(VarlinkError, match="NoSuchNode"):
        c.receive()


def test_a_hanging_disk_does_not_hold_an_answer_for_ever(hanging, client):
    d, disk = hanging
    c = client(d)
    drain(c)
    disk("hang")
    assert drain(c, state="enabled")["node"]["administrativeState"] == "enabled"
    d.wait_for(lambda: audit_check(c)["status"] == "degraded", "the trouble is announced")
    assert "the disk does not answer" in audit_check(c)["message"]
    drain(c), drain(c, state="enabled")  # nobody waits any more
    disk(None)
    d.wait_for(lambda: audit_check(c)["status"] == "ok", "it heals")
    d.wait_for(lambda: len(records(d, "management")) == 4, "all is recorded")


def test_a_hanging_disk_does_not_keep_it_from_ending(hanging, client):
    d, disk = hanging
    c = client(d)
    drain(c)
    disk("hang")
    c.send("SetNodeState", {"node": "maps/mapbox", "administrativeState": "enabled"})
    nothing_comes(c)
    d.signal(signal.SIGTERM)
    assert d.wait_exit() == 0
    assert re.search(r"[1-9]\d* records of the audit log were not written: Connection timed out", d.log())


def test_who_leaves_while_a_reply_waits(hanging, client):
    d, disk = hanging
    waiting, leaving = client(d), client(d)
    drain(waiting)
    disk("hang")
    for c in (leaving, waiting):
        c.send("SetNodeState", {"node": "maps/mapbox", "administrativeState": "enabled"})
    waiting.socket.shutdown(socket.SHUT_WR)  # it reads on
    nothing_comes(waiting)
    leaving.close()
    client(d).call("Route", serviceName="maps")
    disk(None)
    assert waiting.receive()["node"]["administrativeState"] == "enabled"
    with pytest.raises(Disconnected):
        waiting.receive()


def test_over_dbus_a_management_action_waits_alone(hanging, bus, wait_for):
    d, disk = hanging
    manager = ("call", "org.pointsman.Pointsman1", "/org/pointsman/Pointsman1", "org.pointsman.Pointsman1.Manager")
    bus.wait_for(lambda: "org.pointsman.Pointsman1" in d.log(), "the daemon is on the bus")
    bus.call(*manager, "SetNodeState", "ss", "maps/mapbox", "draining")
    disk("hang")
    with subprocess.Popen(["busctl", "--address", bus.address, *manager, "SetNodeState", "ss", "maps/mapbox", "enabled"],
                          stdout=subprocess.PIPE, text=True) as waiting:
        wait_for(lambda: "enabled" in str(bus.call("get-property", manager[1], "/org/pointsman/Pointsman1/node/maps/mapbox",
                                                   "org.pointsman.Pointsman1.Node", "AdministrativeState")), "the call is served")
        assert waiting.poll() is None
        disk(None)
        assert "enabled" in waiting.communicate(timeout=10)[0]
