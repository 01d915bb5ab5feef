# SPDX-License-Identifier: Apache-2.0
"""A restart without a seam: connections live on in the next process. The service manager is played by the test: it keeps the
descriptors that the daemon hands over, and passes them to the next one."""

import array
import contextlib
import fcntl
import json
import os
import signal
import socket
import sqlite3
import struct
import threading
import time

import pytest

from harness import parts, process
from harness.varlink import Client, Disconnected, VarlinkError

CONFIG = {"services": {"maps": {"strategy": "ROUND_ROBIN", "load_balancing": {"health_check_interval": 0}, "nodes": {
    "mapbox": {"provider": "mapbox", "url": "http://127.0.0.1:1", "cost_per_request": 0.005},
    "google": {"provider": "google", "url": "http://127.0.0.1:2", "cost_per_request": 0.008}}}}}


class Store(threading.Thread):
    """What systemd does with FDSTORE=1, FDSTOREREMOVE=1 and BARRIER=1 on the notify socket."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self.socket.bind(path)
        self.path, self.kept, self.fields = path, [], []  # kept: (name, descriptor)
        self.start()

    def run(self):
        while True:
            try:
                text, control, _, _ = self.socket.recvmsg(4096, socket.CMSG_LEN(253 * 4))
            except OSError:
                return
            fds = array.array("i")
            for level, kind, data in control:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    fds.frombytes(data[:len(data) - len(data) % 4])
            for fd in fds:
                os.set_inheritable(fd, False)
            fields = text.decode().split("\n")
            names = [f[7:] for f in fields if f.startswith("FDNAME=")]
            if "FDSTORE=1" in fields:
                self.kept += [(names[0], fd) for fd in fds]
            else:
                for fd in fds:
                    os.close(fd)
            if "FDSTOREREMOVE=1" in fields:
                for _, fd in [k for k in self.kept if k[0] == names[0]]:
                    os.close(fd)
                self.kept = [k for k in self.kept if k[0] != names[0]]
            self.fields += fields

    def names(self):
        return [name for name, _ in self.kept]

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.join(5)
        for _, fd in self.kept:
            os.close(fd)
        os.unlink(self.path)


# Descriptors from 3 on, as sd_listen_fds() wants them. The first argument: how many there are, the second: their names.
PASS = r"""
import os, sys
n, names, argv = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
os.environ |= {"LISTEN_FDS": str(n), "LISTEN_PID": str(os.getpid()), "LISTEN_FDNAMES": names}
os.execv(argv[0], argv)
"""


class Manager:
    """Starts the daemon as systemd would: with a listening socket that outlives it, and with what the one before left."""

    def __init__(self, build_dir, directory, started, store, config=CONFIG):
        self.build_dir, self.directory, self.started, self.store, self.config = build_dir, directory, started, store, config
        self.path = os.path.join(directory, "pm.sock")
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.listener.bind(self.path)
        self.listener.listen(4096)
        self.n = 0
        self.daemon = None
        for name in ("state", "run"):
            os.mkdir(os.path.join(directory, name))

    def start(self, kept=None, keeps=1024, **env):
        kept = self.store.kept if kept is None else kept
        self.n += 1
        name = f"pointsmand{self.n}"
        config = os.path.join(self.directory, name + ".conf")
        with open(config, "w", encoding="utf-8") as f:
            f.write(parts.libconfig_file(self.config))
        names = ":".join(["pointsman.socket", *(name for name, _ in kept)])
        fds = [self.listener.fileno(), *(fd for _, fd in kept)]
        argv = [parts.program(self.build_dir, "daemon/pointsmand"), "--config", config, "--state-dir",
                os.path.join(self.directory, "state"), "--runtime-dir", os.path.join(self.directory, "run"),
                "--provider-dir", parts.provider_dir(self.build_dir), "--bus", "none"]
        self.store.fields.clear()
        self.daemon = self.started(Passed(name, ["/usr/bin/python3", "-S", "-c", PASS, str(len(fds)), names, *argv], self.directory, fds,
                                          {"NOTIFY_SOCKET": self.store.path} | ({"FDSTORE": str(keeps)} if keeps else {}) | env))
        self.daemon.wait_for(lambda: "READY=1" in self.store.fields, "READY=1")
        return self.daemon

    def restart(self, **details):
        self.daemon.stop()
        return self.start(**details)


class Passed(process.Process):
    """A process that gets descriptors from 3 on."""

    def __init__(self, name, argv, directory, fds, env):
        self.fds = fds
        super().__init__(name, argv, directory, env=env)

    def popen_options(self):
        def arrange():
            high = [os.dup2(fd, 3000 + i) for i, fd in enumerate(self.fds)]
            for i, fd in enumerate(high):
                os.dup2(fd, 3 + i)
                os.close(fd)

        return {"preexec_fn": arrange, "close_fds": False}


@pytest.fixture
def manager(build_dir, run_dir, started):
    store = Store(os.path.join(run_dir, "notify"))
    m = Manager(build_dir, run_dir, started, store)
    yield m
    if m.daemon and m.daemon.running():
        m.daemon.stop()
    store.close()


def route(c):
    return c.call("Route", serviceName="maps")["decision"]


def test_a_connection_lives_on(manager, client):
    manager.start()
    clients = [client(manager.path) for _ in range(20)]
    for c in clients:
        route(c)
    manager.daemon.stop()
    assert sorted(manager.store.names()) == ["connection"] * 20 + ["connections"]
    manager.start()
    assert manager.store.kept == []
    for c in clients:
        assert route(c)["serviceName"] == "maps"
    # It is a connection like any other: counted, and closed when its client leaves.
    status = clients[0].call("GetSystemStatus")["status"]
    assert status["connections"] == 20
    for c in clients[1:]:
        c.close()
    manager.daemon.wait_for(lambda: clients[0].call("GetSystemStatus")["status"]["connections"] == 1, "they are closed")


def test_half_a_request(manager, client):
    """What came before the restart and what comes after it make one request."""
    manager.start()
    c = client(manager.path)
    text = json.dumps({"method": "org.pointsman.routing.Route", "parameters": {"serviceName": "maps"}}).encode() + b"\0"
    c.send_raw(text + text[:30])
    c.receive()
    manager.restart()
    c.send_raw(text[30:])
    assert c.receive()["decision"]["serviceName"] == "maps"


def test_requests_while_nobody_is_there(manager, client):
    manager.start()
    c = client(manager.path)
    route(c)
    manager.daemon.stop()
    for _ in range(50):  # a socket whose other end does not read takes some 70
        c.send("Route", {"serviceName": "maps"})
    newcomer = client(manager.path)
    newcomer.send("Route", {"serviceName": "maps"})
    manager.start()
    for _ in range(50):
        assert c.receive()["decision"]
    assert newcomer.receive()["decision"]


def test_replies_that_nobody_has_read(manager, client):
    """More of them than a socket takes."""
    manager.start()
    c = client(manager.path)
    for _ in range(40):
        c.send("GetSnapshot")
    first = c.receive()
    for _ in range(3000):
        c.send("Route", {"serviceName": "maps", "explain": True})
    manager.restart()
    for _ in range(39):
        assert c.receive().keys() == first.keys()
    for _ in range(3000):
        assert c.receive()["decision"]["candidates"]
    assert route(c)


def test_a_stream_goes_on(manager, client):
    manager.start()
    c, other = client(manager.path), client(manager.path)
    c.send("Subscribe", {"types": ["configuration_changed"]}, more=True)
    c.send("Route", {"serviceName": "maps"})  # waits for the end of the stream, which does not come
    manager.daemon.wait_for(lambda: other.call("GetSystemStatus")["status"]["subscribers"] == 1, "the subscription")
    other.call("Reload")
    before = c.receive()["event"]
    for _ in range(3):
        manager.restart()
        other.call("Reload")
        other.call("GetHealth")
        after = c.receive()["event"]
        assert after["type"] == "configuration_changed" and after["serial"] > before["serial"]
        before = after
    # Who comes back with a serial of before gets what has happened since.
    again = client(manager.path).more("Subscribe", types=["configuration_changed"], since=before["serial"] - 1)
    assert next(again)["event"]["serial"] == before["serial"]
    with pytest.raises(TimeoutError):
        c.receive(0.1)


def test_probes_go_on(manager, client):
    manager.config = {"services": {"maps": CONFIG["services"]["maps"] | {"load_balancing": {"health_check_interval": 1}}}}
    manager.start()
    prober, other = client(manager.path), client(manager.path)
    probes = prober.more("FollowProbes")
    other.call("ReportProbe", probe=next(probes)["probe"]["id"], httpStatus=200)
    manager.restart()

    def answer():
        try:
            return other.call("ReportProbe", probe=next(probes)["probe"]["id"], httpStatus=200)
        except VarlinkError:  # one that the process before had asked for
            return None

    assert manager.daemon.wait_for(answer, "a probe of the next process")["verdict"]


def test_who_leaves_meanwhile(manager, client):
    manager.start()
    staying, leaving, ending = (client(manager.path) for _ in range(3))
    for c in (staying, leaving, ending):
        route(c)
    manager.daemon.stop()
    leaving.close()
    ending.send("Route", {"serviceName": "maps"})
    ending.socket.shutdown(socket.SHUT_WR)
    manager.start()
    assert route(staying)
    assert ending.receive()["decision"]
    with pytest.raises(Disconnected):
        ending.receive()
    manager.daemon.wait_for(lambda: staying.call("GetSystemStatus")["status"]["connections"] == 1, "the others are forgotten")


def test_more_connections_than_are_kept(manager, client):
    manager.start(keeps=11)
    clients = [client(manager.path) for _ in range(30)]
    for c in clients:
        route(c)
    manager.restart()
    alive = 0
    for c in clients:
        try:
            route(c)
            alive += 1
        except Disconnected:
            pass
    assert alive == 10


def test_nothing_is_handed_over_where_nobody_keeps_it(manager, client):
    manager.start(keeps=0)
    c = client(manager.path)
    route(c)
    manager.daemon.stop()
    assert manager.store.kept == []
    with pytest.raises(Disconnected):
        c.receive()
    manager.start()
    assert route(client(manager.path))


def sealed(data, seals=True):
    fd = os.memfd_create("connections", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, data)
    if seals:
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, 15)
    return fd


def cookie(sock):
    return sock.getsockopt(socket.SOL_SOCKET, 57, 8)


HEADER = struct.pack("=Q", 0x6b6e696c6d70)


@pytest.mark.parametrize("state", [
    b"", b"x", HEADER, b"\0" * 24, struct.pack("=QQQ", 1, 2, 3),
    HEADER + struct.pack("=QQ", 2**64 - 1, 2**64 - 1),
    HEADER + struct.pack("=QQ", 0, 1) + b"COOKIE.." + struct.pack("=QQQ", 0, 2**64 - 1, 0),
    HEADER + struct.pack("=QQ", 0, 1) + b"COOKIE.." + struct.pack("=QQQ", 0, 2**63, 2**63) + b"abc",
    HEADER + struct.pack("=QQ", 0, 1) + b"COOKIE.." + struct.pack("=QQQ", 0, 4, 0) + b"abc",
    HEADER + struct.pack("=QQ", 0, 2) + 2 * (b"COOKIE.." + struct.pack("=QQQ", 0, 0, 0)),
    HEADER + struct.pack("=QQ", 0, 1) + b"COOKIE.." + struct.pack("=QQQ", 0, 3, 0) + b"\xff{\0",
], ids=range(11))
def test_a_state_that_makes_no_sense(manager, client, state):
    """Nothing worse comes of it than that a client has to connect anew."""
    ours, theirs = socket.socketpair()
    manager.store.kept = [("connections", sealed(state.replace(b"COOKIE..", cookie(theirs)))), ("connection", theirs.detach())]
    manager.start()
    ours.settimeout(10)
    try:
        ours.sendall(b'{"method":"org.pointsman.routing.GetHealth"}\0')
        answer = ours.recv(65536)
    except (BrokenPipeError, ConnectionResetError):
        answer = b""
    assert answer == b"" or answer.startswith((b'{"parameters"', b'{"error"'))
    ours.close()
    assert route(client(manager.path))


@pytest.mark.parametrize("kind", ["unsealed", "missing", "file", "twice"])
def test_descriptors_that_make_no_sense(manager, client, kind, run_dir):
    ours, theirs = socket.socketpair()
    state = HEADER + struct.pack("=QQ", 0, 1) + cookie(theirs) + struct.pack("=QQQ", 0, 0, 0)
    connection = ("connection", theirs.detach())
    manager.store.kept = {
        "unsealed": lambda: [("connections", sealed(state, False)), connection],
        "missing": lambda: [connection],
        "file": lambda: [("connections", sealed(state)), ("connection", os.open("/dev/null", os.O_RDONLY)), connection],
        "twice": lambda: [("connections", sealed(state)), ("connection", os.dup(connection[1])), connection],
    }[kind]()
    manager.start()
    c = client(manager.path)
    assert route(c)
    assert c.call("GetSystemStatus")["status"]["connections"] == (2 if kind in ("file", "twice") else 1)
    ours.close()
    manager.daemon.wait_for(lambda: c.call("GetSystemStatus")["status"]["connections"] == 1, "it is closed")


def test_a_decision_of_before_is_reported_after(manager, client):
    manager.start()
    c = client(manager.path)
    decision = route(c)
    manager.restart()
    reply = c.call("Report", decision=decision["id"], httpStatus=200)
    assert reply["settledCost"] == decision["estimatedCost"]


def test_a_decision_is_known_under_other_limits(manager, client):
    """The table of open decisions grows and shrinks with the limits, and its file with it."""
    file = os.path.join(manager.directory, "run", "leases")
    manager.start()
    sizes = [os.path.getsize(file)]
    c = client(manager.path)
    decisions = [route(c) for _ in range(3)]
    for limits in ({"leases": 200000, "nodes": 50}, {"leases": 100000, "nodes": 9000}, {}):
        manager.config = CONFIG | {"limits": limits}
        manager.restart()
        sizes.append(os.path.getsize(file))
        decision = decisions.pop()
        assert c.call("Report", decision=decision["id"], httpStatus=200)["settledCost"] == decision["estimatedCost"]
    assert sizes[1] > sizes[2] > sizes[3] == sizes[0]
    report = c.call("GetCostReport")["report"]
    assert report["calls"] == 3


def test_a_reply_that_waits_for_the_disk_comes_before_the_end(manager, client, slow_disk):
    disk = slow_disk(os.path.join(manager.directory, "state"))
    manager.start(**disk.env)
    c = client(manager.path)
    decision = route(c)
    disk("hang")
    c.send("Report", {"decision": decision["id"], "httpStatus": 200})
    c.send("Route", {"serviceName": "maps"})
    with pytest.raises(TimeoutError):
        c.receive(0.1)
    manager.daemon.signal(signal.SIGTERM)
    manager.daemon.wait_for(lambda: "STOPPING=1" in manager.store.fields, "it stops")
    disk(None)
    assert manager.daemon.wait_exit() == 0
    manager.start()
    assert c.receive()["settledCost"] == decision["estimatedCost"]
    assert c.receive()["decision"]


def books(manager):
    """Calls and micro-dollars in the ledger."""
    with contextlib.closing(sqlite3.connect(os.path.join(manager.directory, "state", "ledger.db"))) as db:
        return tuple(round(n) for n in db.execute("SELECT total(calls), total(dollars) * 1e6 FROM monthly").fetchone())


def test_under_load_nobody_notices(manager):
    """50 callers, five restarts: every connection lives, every request is answered once and in order, and no report is lost."""
    manager.start()
    end, failures, calls, costs = threading.Event(), [], [], []

    def caller():
        n = cost = 0
        try:
            with Client(manager.path, timeout=30) as c:
                while not end.is_set():
                    decision = route(c)
                    cost += round(c.call("Report", decision=decision["id"], httpStatus=200)["settledCost"] * 1e6)
                    n += 1
        except Exception as e:  # pylint: disable=broad-except
            failures.append(repr(e))
        calls.append(n)
        costs.append(cost)

    threads = [threading.Thread(target=caller) for _ in range(50)]
    for t in threads:
        t.start()
    for _ in range(5):
        time.sleep(0.2)  # some load in between; what is asserted does not depend on how much
        manager.restart()
    end.set()
    for t in threads:
        t.join(60)
    assert not failures
    assert len(calls) == 50 and min(calls) > 0
    assert books(manager) == (sum(calls), sum(costs))
