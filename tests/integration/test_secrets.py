# SPDX-License-Identifier: Apache-2.0
"""A secret is planted in the prober, sent to vendors that misbehave in every way, and then looked for everywhere else."""

import os
import resource
import signal
import subprocess
import urllib.parse

import pytest

from harness import parts, process

# What a URL must encode is in them, so that both spellings are looked for.
SECRETS = {"stripe": "sk_live_p1anted+/=%secret", "mapbox": "pk.p1anted+/=%&?#secret", "sms": "p1anted sms+/=%secret"}
READ_ONLY = ("GetSnapshot", "GetSystemStatus", "GetHealth", "ListProviders")


def spellings(secret):
    return {secret, urllib.parse.quote(secret, safe=""), urllib.parse.quote(secret, safe="-._~").lower(), urllib.parse.quote_plus(secret)}


ALL = set().union(*(spellings(s) for s in SECRETS.values()))


def put(directory, name, secret):
    path = os.path.join(directory, name + ".new")
    with open(path, "w", encoding="ascii", opener=lambda p, f: os.open(p, f, 0o600)) as f:
        f.write(secret)
    os.rename(path, os.path.join(directory, name))


@pytest.fixture
def credentials_dir(run_dir):
    path = os.path.join(run_dir, "credentials")
    os.mkdir(path, 0o700)
    for name, secret in SECRETS.items():
        put(path, name, secret)
    return path


@pytest.fixture
def vendors(run_dir, started):
    return started(parts.Standins(run_dir, "--listen", "stripe=stripe", "--listen", "mapbox=mapbox", "--listen", "sms=stripe")).wait_ready()


def configuration(vendors):
    probe = {"probe": "authenticated"}
    nodes = {
        "stripe": {"provider": "stripe", "options": probe},
        "mapbox": {"provider": "mapbox", "options": probe},
        "sms": {"provider": "generic", "options": probe | {
            "authenticated_probe": "GET /v1/balance?a=b", "auth_query": "api_key={credential}", "auth_header": "X-Key: {credential}",
            "rule_refused": "401 /message -> authentication_failure", "code": "/message /target /headers/x-key", "request_id": "X-Target"}},
    }
    return {"services": {"all": {
        "nodes": {name: n | {"url": vendors.urls[name], "credential": name} for name, n in nodes.items()},
        "load_balancing": {"health_check_interval": 1, "retry_backoff_ms": 100},
    }}}


def events(c):
    c.send("Subscribe", {"since": 0}, more=True)
    found = []
    try:
        while True:
            found.append(c.receive(timeout=0.5))
    except TimeoutError:
        return found


def proc(pid, name):
    with open(f"/proc/{pid}/{name}", "rb") as f:
        return f.read().decode("latin-1")


def memory(pid):
    """What a process may write to, as far as we may look into it."""
    found = []
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            addresses, permissions = line.split()[:2]
            start, end = (int(a, 16) for a in addresses.split("-"))
            if permissions.startswith("rw") and end - start < 1 << 28:
                try:
                    mem.seek(start)
                    found.append(mem.read(end - start).decode("latin-1"))
                except OSError:
                    pass
    return "".join(found)


def files(directory, but):
    for root, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(root, name)
            if os.path.isfile(path) and not path.startswith(but):
                with open(path, encoding="latin-1") as f:
                    yield path, f.read()


def leaks(places):
    return [name for name, text in places if any(s in text for s in ALL)]


def test_the_secret_is_nowhere_else(daemon, prober, client, vendors, credentials_dir, run_dir, build_dir, wait_for):
    d = daemon(configuration(vendors), "--log-level", "debug")
    p = prober(d, "--credentials-dir", credentials_dir, "--log-level", "debug").wait_following()
    c = client(d)

    # The vendors do get it, each as it wants it.
    wait_for(lambda: all(vendors.counts()[n]["requests"] > 0 for n in SECRETS), "all are probed")
    assert vendors.requests("stripe")[-1]["headers"]["authorization"] == "Bearer " + SECRETS["stripe"]
    assert vendors.requests("mapbox")[-1]["target"].endswith("access_token=" + urllib.parse.quote(SECRETS["mapbox"], safe="-._~"))
    assert vendors.requests("sms")[-1]["headers"]["x-key"] == SECRETS["sms"]
    assert vendors.requests("sms")[-1]["target"] == "/v1/balance?a=b&api_key=" + urllib.parse.quote(SECRETS["sms"], safe="-._~")

    for fault, details in (("echo", {}), ("reset", {}), ("not_http", {}), ("half", {}), ("corrupt", {}), ("auth", {}),
                           ("redirect", {"location": "http://127.0.0.1/?key="}), ("refuse", {})):
        before = p.log().count("\n")
        for name, secret in SECRETS.items():  # a vendor knows the secret that it is sent, and no other's
            vendors.fault(name, fault, **{k: v + secret for k, v in details.items()})
        wait_for(lambda before=before: p.log().count("\n") >= before + 3, f"probes meet {fault}", 30)

    places = [("the daemon's log", d.log()), ("the prober's log", p.log())]
    places += [(m, str(c.call(m))) for m in READ_ONLY]
    places += [("events", str(events(client(d))))]
    for pid in (d.pid, p.pid):
        places += [(f"{pid} {name}", proc(pid, name)) for name in ("cmdline", "environ", "status")]
    ctl = [parts.program(build_dir, "ctl/pointsmanctl"), "--socket", d.socket]
    for command in (["status"], ["nodes"], ["providers"], ["health"], ["check-config", d.config, "--provider-dir", parts.provider_dir(build_dir)]):
        done = subprocess.run([*ctl, *command], capture_output=True, text=True, timeout=20, check=False)
        places.append((" ".join(command), done.stdout + done.stderr))
    places += files(run_dir, but=credentials_dir)
    assert leaks(places) == []
    assert len(places) > 20

    # The daemon never had it, not even where a vendor quoted it.
    assert leaks([("the daemon's memory", memory(d.pid))]) == []
    assert "mapbox" in memory(d.pid), "what is looked through is the daemon's memory"


def test_a_new_secret_is_used_at_once(daemon, prober, vendors, credentials_dir, wait_for):
    d = daemon(configuration(vendors))
    p = prober(d, "--credentials-dir", credentials_dir).wait_following()

    def last():
        sent = vendors.requests("stripe")
        return sent and sent[-1]["headers"].get("authorization")

    wait_for(lambda: last() == "Bearer " + SECRETS["stripe"], "the first secret is used")
    put(credentials_dir, "stripe", "sk_live_second")
    wait_for(lambda: last() == "Bearer sk_live_second", "the second is used, without a word to the prober")

    # A whole new folder under the old name, as a deployment may bring it.
    os.rename(credentials_dir, credentials_dir + ".old")
    os.mkdir(credentials_dir, 0o700)
    for name in SECRETS:
        put(credentials_dir, name, "sk_live_third" if name == "stripe" else SECRETS[name])
    p.signal(signal.SIGHUP)
    wait_for(lambda: last() == "Bearer sk_live_third", "the third is used after a reload")

    os.rename(credentials_dir, credentials_dir + ".gone")
    p.signal(signal.SIGHUP)
    p.wait_log("the one before stays in use")
    seen = vendors.counts()["stripe"]["requests"]
    wait_for(lambda: vendors.counts()["stripe"]["requests"] > seen, "it goes on")
    assert last() == "Bearer sk_live_third" and "sk_live" not in p.log()


def dumps_core(popen):
    """Whether a process that was sent SIGABRT left a core dump."""
    ended = os.waitid(os.P_PID, popen.pid, os.WEXITED | os.WNOWAIT)
    assert ended.si_code in (os.CLD_KILLED, os.CLD_DUMPED), "it was killed by the signal"
    return ended.si_code == os.CLD_DUMPED


def test_no_core_dump(build_dir, run_dir):
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    try:
        with subprocess.Popen(["sleep", "60"], cwd=run_dir) as other:
            other.send_signal(signal.SIGABRT)
            if not dumps_core(other):
                pytest.skip("no process leaves a core dump here")
        log = os.path.join(run_dir, "log")
        with open(log, "wb") as f, subprocess.Popen([parts.program(build_dir, "prober/pointsman-prober"), "--socket", run_dir + "/none"],
                                                    cwd=run_dir, stdout=f, stderr=f) as p:
            process.wait_for(lambda: os.path.getsize(log) > 0, "it has started")
            p.send_signal(signal.SIGABRT)
            assert not dumps_core(p)
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


def test_the_unit_keeps_its_memory_off_the_disks(build_dir):
    with open(os.path.join(build_dir, "systemd", "pointsman-prober.service"), encoding="utf-8") as f:
        settings = dict(line.split("=", 1) for line in f.read().splitlines() if "=" in line and not line.startswith("#"))
    assert settings["LimitCORE"] == "0" and settings["MemorySwapMax"] == "0" and settings["KeyringMode"] == "private"
