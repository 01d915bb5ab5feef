# SPDX-License-Identifier: Apache-2.0
"""Fixtures for everybody's integration tests. Whatever a test starts through them ends with it, cleanly or the test fails."""

import copy
import os
import pathlib
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from harness import agentx, parts, process, snmp  # noqa: E402  (found through the path above)
from harness.fake_pointsmand import FakePointsmand  # noqa: E402


@pytest.fixture(scope="session")
def build_dir():
    """Where the programs were built: $POINTSMAN_BUILD, else ./build of the source tree."""
    path = pathlib.Path(os.environ.get("POINTSMAN_BUILD", os.path.join(parts.SOURCE, "build"))).resolve()
    if not path.is_dir():
        pytest.exit(f"{path} does not exist: build first (./dev build), or set POINTSMAN_BUILD", 2)
    return str(path)


@pytest.fixture
def run_dir():
    """A folder of the test's own with a short name: a Unix socket's path may have 107 bytes only."""
    path = tempfile.mkdtemp(prefix="pm-")
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def wait_for():
    return process.wait_for


@pytest.fixture
def started(request):
    """Keeps what a test starts: started(process) → process. All of it is stopped at the end, the latest first."""
    running = []

    def keep(part):
        running.append(part)
        return part

    yield keep
    errors = []
    for part in reversed(running):
        try:
            part.stop()
        except process.Failed as e:
            errors.append(str(e))
        if request.node.stash.get(FAILED, False):
            print(f"--- the end of {part.name}'s log ---\n{part.log_tail(40)}")
    if errors:
        pytest.fail("\n".join(errors))


FAILED = pytest.StashKey()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if call.when == "call":
        item.stash[FAILED] = report.failed


@pytest.fixture
def daemon(build_dir, run_dir, started):
    """daemon(config, *options, bus="none", ready=True, …) → a running parts.Daemon. Call it again for a second one (with name=…)."""
    def start(config, *options, ready=True, **details):
        d = started(parts.Daemon(build_dir, run_dir, config, *options, **details))
        return d.wait_ready() if ready else d

    return start


@pytest.fixture
def client():
    """client(daemon or path, timeout=10) → a connected harness.varlink.Client."""
    clients = []

    def connect(where, **options):
        clients.append(parts.Client(getattr(where, "socket", where), **options))
        return clients[-1]

    yield connect
    for c in clients:
        c.close()


class SlowDisk:
    """env: for a program to which the files whose path contains `files` are on a disk that hangs ("hang"), fails (the number of an
    error) or is well again (None), as this is called with."""

    def __init__(self, build_dir, directory, files):
        library = os.path.join(build_dir, "tests/harness/.libs/slow-disk.so")
        assert os.path.exists(library)
        self.control = os.path.join(directory, "slow-disk")
        self.env = parts.preloading(library, SLOW_DISK=self.control, SLOW_DISK_FILES=files)

    def __call__(self, what):
        if what is None:
            pathlib.Path(self.control).unlink(missing_ok=True)
            return
        with open(self.control + ".new", "w", encoding="ascii") as f:
            f.write(str(what))
        os.rename(self.control + ".new", self.control)


@pytest.fixture
def slow_disk(build_dir, run_dir):
    """slow_disk(files) → a SlowDisk."""
    disks = []

    def make(files):
        disks.append(SlowDisk(build_dir, run_dir, files))
        return disks[-1]

    yield make
    for d in disks:
        d(None)


@pytest.fixture
def prober(build_dir, run_dir, started):
    """prober(daemon or path, *options, env=None) → a running parts.Prober."""
    def start(where, *options, **details):
        return started(parts.Prober(build_dir, run_dir, getattr(where, "socket", where), *options, **details)).wait_ready()

    return start


@pytest.fixture
def bus(run_dir, started):
    """A private dbus-daemon: bus.address, bus.call(busctl arguments)."""
    return started(parts.Bus(run_dir)).wait_ready()


@pytest.fixture
def snmpd(build_dir, run_dir, started):
    """A private snmpd: snmpd.agentx, snmpd.port, snmpd.tool("snmpget", …), snmpd.table("pmNodeTable")."""
    return started(parts.Snmpd(build_dir, run_dir)).wait_ready()


@pytest.fixture
def fake(run_dir):
    """A pointsmand that says what the test wants: fake.replies, fake.called(method), fake.publish(event)."""
    f = FakePointsmand(run_dir + "/pointsmand.sock", {"GetSnapshot": copy.deepcopy(snmp.DEFAULT), "ListProviders": {"providers": []}})
    yield f
    f.stop()


@pytest.fixture
def subagent(build_dir, run_dir, started):
    """subagent(daemon, snmpd, *options) → a running parts.Subagent."""
    def start(where, snmpd, *options, **details):
        return started(parts.Subagent(build_dir, run_dir, getattr(where, "path", where), snmpd.agentx, *options, **details)).wait_ready()

    return start


@pytest.fixture
def master(run_dir):
    """master(…) → an AgentX master of our own, an agentx.Master, on a Unix socket unless path=None."""
    masters = []

    def start(**options):
        masters.append(agentx.Master(**{"path": run_dir + "/snmpd.agentx"} | options))
        return masters[-1]

    yield start
    for m in masters:
        m.close()


@pytest.fixture
def connected(fake, snmpd, subagent, wait_for):
    """snmpd with the subagent, registered."""
    subagent(fake, snmpd)
    wait_for(lambda: snmp.registered(snmpd), "the subagent has registered")
    return snmpd


@pytest.fixture
def standins(run_dir, started):
    """The five provider stand-ins: standins.urls["stripe"], standins.fault("stripe", "outage"), standins.counts()."""
    return started(parts.Standins(run_dir)).wait_ready()


@pytest.fixture
def lives(daemon):
    """lives(config) starts the daemon; lives.killed() and lives.stopped() end it so, and start it once more with what it left."""
    class Lives:
        def __init__(self):
            self.n = 0
            self.config = self.current = None

        def __call__(self, config=None, **details):
            self.config = config or self.config
            self.n += 1
            before = self.current
            if before:
                details |= {"state_dir": before.state_dir, "runtime_dir": before.runtime_dir, "socket_path": before.socket}
            self.current = daemon(self.config, name=f"pointsmand{self.n}", **details)
            return self.current

        def killed(self, config=None, **details):
            self.current.kill()
            return self(config, **details)

        def stopped(self, config=None, **details):
            self.current.stop()
            return self(config, **details)

    return Lives()
