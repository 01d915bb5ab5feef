# SPDX-License-Identifier: Apache-2.0
"""pointsman-snmp while its peers come, go, hang, forget it and talk nonsense."""

import collections
import os
import random
import re
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

from harness import agentx, parts, process
from harness.agentx import ask
from harness.snmp import ROOT, node, registered, rows, service, snapshot


def test_snmpd_may_come_later_and_go_away(build_dir, run_dir, fake, started, subagent, wait_for):
    port = parts.free_udp_port()
    snmpd = parts.Snmpd.__new__(parts.Snmpd)
    snmpd.agentx = run_dir + "/snmpd.agentx"
    p = subagent(fake, snmpd)
    p.wait_log("No snmpd at")
    for _ in range(2):
        snmpd = started(parts.Snmpd(build_dir, run_dir, port=port)).wait_ready()
        wait_for(lambda: registered(snmpd), "the subagent has come back", 5)
        assert len(snmpd.table("pmNodeTable")) == 3
        snmpd.stop()
    p.wait_log("Lost snmpd")
    assert p.log().count("Connected to snmpd") == 2
    assert len(p.log().splitlines()) <= 6, p.log()


def test_snmpd_that_hangs_is_found_again(connected, wait_for):
    connected.signal(signal.SIGSTOP)
    # Longer than pings take to fail.
    try:
        wait_for(lambda: "Lost snmpd" in open(connected.log_path.replace("snmpd.log", "pointsman-snmp.log"), encoding="utf-8").read(),
                 "the subagent has noticed")
    finally:
        connected.signal(signal.SIGCONT)
    wait_for(lambda: registered(connected), "the subagent has come back", 5)


# ---- masters that are none ----

class FalseMaster:
    """Listens where snmpd should, and answers everything with the same bytes."""

    def __init__(self, path, answer):
        self.agentx, self.answer, self.accepted = path, answer, 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        connections = []
        while True:
            try:
                c, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            connections.append(c)
            if self.answer is None:
                c.close()
            elif self.answer and c.recv(65536):
                c.sendall(self.answer)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.mark.parametrize("answer", [
    None,                                           # hangs up
    b"",                                            # says nothing
    b"GET / HTTP/1.0\r\n\r\n",
    bytes(20), b"\xff" * 4000,
    bytes([1, 18, 0, 0]) + bytes(12) + b"\x7f\xff\xff\xff",  # a response that claims to be 2 GB long
    bytes([1, 18, 0, 0]) + bytes(12) + b"\0\0\0\x04" + bytes(4),  # one that ends in its header
], ids=["hangs up", "silent", "HTTP", "zeros", "ones", "2 GB", "short"])
def test_a_master_that_is_none_is_survived(run_dir, build_dir, fake, subagent, wait_for, started, answer):
    master = FalseMaster(run_dir + "/snmpd.agentx", answer)
    p = started(parts.Subagent(build_dir, run_dir, fake.path, master.agentx))
    wait_for(lambda: master.accepted >= 2, "it has tried again")
    assert p.running()
    assert len(p.log().splitlines()) <= 4, p.log()
    master.close()
    os.unlink(master.agentx)
    snmpd = started(parts.Snmpd(build_dir, run_dir)).wait_ready()
    wait_for(lambda: registered(snmpd), "the subagent has found the true one")


def test_ends_on_sigterm_while_snmpd_hangs(fake, snmpd, subagent, wait_for):
    p = subagent(fake, snmpd)
    wait_for(lambda: registered(snmpd), "the subagent has registered")
    snmpd.signal(signal.SIGSTOP)
    try:
        p.signal(signal.SIGTERM)
        assert p.wait_exit() == 0
    finally:
        snmpd.signal(signal.SIGCONT)


def test_the_watchdog_is_fed(build_dir, run_dir, fake, snmpd, started, monkeypatch, wait_for):
    monkeypatch.setattr(process, "INHERITED_BY_ACCIDENT", set())
    monkeypatch.setenv("WATCHDOG_USEC", "300000")
    p = started(parts.Subagent(build_dir, run_dir, fake.path, snmpd.agentx)).wait_ready()
    wait_for(lambda: p.notify.receive().count("WATCHDOG=1") >= 5, "the watchdog has been fed", 3)


# ---- a master of our own ----

def test_a_snmpd_that_forgets_us(master, fake, subagent, wait_for):
    m = master()
    p = subagent(fake, m)
    wait_for(lambda: m.sessions, "the subagent has registered")
    m.forget = True
    wait_for(lambda: m.opened == 2, "it has noticed, and opened another session", 5)
    m.forget = False
    wait_for(lambda: len(m.sessions) == 2, "it has registered again", 5)
    assert ask(m, agentx.GET, (f"{ROOT}.1.1.1.0", "", False)) == [(f"{ROOT}.1.1.1.0", 4, b"0.1.0")]
    assert p.log().count("Connected to snmpd") == 2 and p.log().count("Lost snmpd") == 1, p.log()


def test_a_snmpd_that_goes_while_it_registers_us(master, fake, subagent, wait_for):
    m = master()
    receive = agentx.Session.receive

    def hang_up(session):
        message = receive(session)
        if message and message[0] == agentx.REGISTER and m.opened == 1:
            session.close()
            return None
        return message

    session_class = pytest.MonkeyPatch()
    session_class.setattr(agentx.Session, "receive", hang_up)
    try:
        subagent(fake, m)
        wait_for(lambda: m.sessions, "it has come back, and registered", 10)
    finally:
        session_class.undo()
    assert ask(m, agentx.GET, (f"{ROOT}.1.1.1.0", "", False)) == [(f"{ROOT}.1.1.1.0", 4, b"0.1.0")]


def test_search_ranges(master, fake, subagent, wait_for):
    m = master()
    subagent(fake, m)
    wait_for(lambda: m.sessions, "the subagent has registered")
    first, second = f"{ROOT}.1.1.1.0", f"{ROOT}.1.1.2.0"
    end = agentx.END_OF_MIB_VIEW
    for type_, head in ((agentx.GETNEXT, b""), (agentx.GETBULK, struct.pack("=HH", 0, 5))):
        asked = [(ROOT, "", False), (first, "", False), (first, "", True), (first, second, True), (first, second, False),
                 (first, f"{second}.0", False), (f"{ROOT}.2", "", False), ("1.3", f"{ROOT}.1.1.1", False)]
        found = ask(m, type_, *asked, head=head)
        assert [name for name, _, _ in found] == [first, second, first, first, first, second, f"{ROOT}.2", "1.3"]
        assert [t for _, t, _ in found] == [4, 67, 4, 4, end, 67, end, end]
    found = ask(m, agentx.GET, (first, "", False), (f"{ROOT}.1.1.1.1", "", False), (f"{ROOT}.1.1.99.0", "", False), ("1.3", "", False))
    assert [t for _, t, _ in found] == [4, agentx.NO_SUCH_INSTANCE, agentx.NO_SUCH_OBJECT, agentx.NO_SUCH_OBJECT]
    assert ask(m, agentx.GET) == []


@pytest.mark.parametrize("end, states", [(agentx.CLEANUPSET, ["draining"]), (agentx.UNDOSET, ["draining", "enabled"])], ids=["done", "undone"])
def test_rows_may_go_between_the_phases_of_a_set(master, fake, subagent, wait_for, end, states):
    m = master()
    fake.replies["SetNodeState"] = {"node": {}}
    subagent(fake, m)
    wait_for(lambda: m.sessions and fake.subscribers(), "the subagent has registered")
    session = m.sessions[-1]
    where = ask(m, agentx.GETNEXT, (f"{ROOT}.1.3.1.5", "", False))[0][0]
    name = ask(m, agentx.GET, (where.replace(".1.3.1.5.", ".1.3.1.2."), "", False))[0][2].decode()

    def phase(type_, payload=b""):
        packet = session.send(type_, payload, transaction=7)
        if type_ != agentx.CLEANUPSET:  # which is not answered
            wait_for(lambda: packet in m.responses, "the subagent has answered")
            assert m.responses[packet][0] == 0

    phase(agentx.TESTSET, session.integer(where, 2))
    fake.replies["GetSnapshot"] = snapshot([])
    seen = len(fake.called("GetSnapshot"))
    fake.publish({"serial": 1, "time": "2026-03-01T12:00:00Z", "type": "circuit_changed", "severity": "high", "serviceName": "maps",
                  "node": "maps/mapbox", "message": "", "data": {"to": "open"}})
    wait_for(lambda: len(fake.called("GetSnapshot")) > seen, "the rows have gone")
    phase(agentx.COMMITSET)
    phase(end)
    wait_for(lambda: len(fake.called("SetNodeState")) == len(states), "all has been asked for")
    assert fake.called("SetNodeState") == [{"node": name, "administrativeState": s} for s in states]
    assert ask(m, agentx.GET, (where, "", False))[0][1] == agentx.NO_SUCH_INSTANCE


def test_a_request_while_it_waits_for_snmpd_itself(master, fake, subagent, wait_for):
    """It is answered at once, and what was waited for comes behind it."""
    m = master()
    waiting = []
    respond = agentx.Session.respond

    def later(session, transaction, packet, error=0):
        """Answers a ping only after a GETNEXT."""
        if m.sessions and len(waiting) < 2:
            waiting.append(session.send(agentx.GETNEXT if waiting else agentx.GET, session.ranges((f"{ROOT}.1.1.1.0", "", False))))
            wait_for(lambda: True, "")
        respond(session, transaction, packet, error)

    session_class = pytest.MonkeyPatch()
    session_class.setattr(agentx.Session, "respond", later)
    try:
        subagent(fake, m)
        wait_for(lambda: len(waiting) == 2 and all(p in m.responses for p in waiting), "it has answered both", 10)
    finally:
        session_class.undo()
    assert m.responses[waiting[0]] == (0, [(f"{ROOT}.1.1.1.0", 4, b"0.1.0")])
    assert m.responses[waiting[1]][1][0][0] == f"{ROOT}.1.1.2.0"
    assert m.opened == 1


def has_sessions(m, p, n):
    p.notify.receive()  # it waits until its supervisor listens
    return len(m.sessions) >= n


def test_garbage_in_a_session(master, fake, subagent, wait_for):
    """Whatever a master sends after a good beginning, the subagent neither dies nor stays away."""
    m = master()
    p = subagent(fake, m)
    rng = random.Random(7)
    get_one = struct.pack("<BBBx4IBBBx", 4, 0, 0, 1, 3, 6, 1, 0, 0, 0)
    payloads = [b"", b"\xff" * 4, b"\xff" * 400, get_one[:-3], get_one * 3000, struct.pack("<BBBx", 255, 0, 0),
                struct.pack("<BBBx128I", 128, 4, 1, *[0xFFFFFFFF] * 128) * 2,
                *(rng.randbytes(rng.randrange(600)) for _ in range(40))]
    for i, payload in enumerate(payloads):
        wait_for(lambda: has_sessions(m, p, 1), "it has registered")
        n, session = len(m.sessions), m.sessions[-1]
        session.send(rng.choice((1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 18, 77)), payload)
        if i % 8 == 7:  # cut off
            session.connection.sendall(struct.pack("<BBBx4I", 1, 5, 0, 1, 1, 1, 4000) + b"x" * 20)
            session.close()
            wait_for(lambda: has_sessions(m, p, n + 1), "it has come back", 5)
        assert p.running(), p.log()
    n = len(m.sessions)
    m.sessions[-1].close()
    wait_for(lambda: has_sessions(m, p, n + 1), "it has come back", 5)
    assert ask(m, agentx.GET, (f"{ROOT}.1.1.1.0", "", False)) == [(f"{ROOT}.1.1.1.0", 4, b"0.1.0")]
    counts = collections.Counter(re.sub(r"\d+", "N", line) for line in p.log().splitlines())
    assert max(n for line, n in counts.items() if "snmpd at" not in line) <= 3, p.log()


def test_a_refused_socket(run_dir, build_dir, fake, started, wait_for):
    """A socket that nobody listens on, as a snmpd leaves it that was killed."""
    path = run_dir + "/snmpd.agentx"
    s = socket.socket(socket.AF_UNIX)
    s.bind(path)
    s.close()
    p = started(parts.Subagent(build_dir, run_dir, fake.path, path)).wait_ready()
    p.wait_log("No snmpd at")
    os.unlink(path)
    snmpd = started(parts.Snmpd(build_dir, run_dir)).wait_ready()
    wait_for(lambda: registered(snmpd), "it has found a snmpd", 5)
    assert len(p.log().splitlines()) <= 3, p.log()


def resources(p):
    with open(f"/proc/{p.pid}/status", encoding="ascii") as f:
        rss = int(re.search(r"RssAnon:\s*(\d+) kB", f.read())[1])
    return rss, len(os.listdir(f"/proc/{p.pid}/fd"))


def test_a_thousand_reconnects_leak_nothing(build_dir, run_dir, master, fake, started, wait_for):
    """With a clock that runs two hundred times as fast, as it looks for snmpd every two seconds only."""
    fast = run_dir + "/fast.so"
    subprocess.run(["cc", "-D_GNU_SOURCE", "-O1", "-shared", "-fPIC", "-o", fast, parts.SOURCE + "/tests/harness/fast.c"], check=True, timeout=60)
    m = master(registered=lambda session: session.close())
    p = parts.Subagent(build_dir, run_dir, fake.path, m.agentx, env=parts.preloading(fast, FAST="200"))
    started(p)

    p.wait_for(lambda: has_sessions(m, p, 200), "200 reconnects", 60)
    rss, fds = resources(p)
    p.wait_for(lambda: has_sessions(m, p, 1200), "1000 more reconnects", 120)
    m.registered = None
    n = len(m.sessions) + 1
    p.wait_for(lambda: has_sessions(m, p, n), "it is back")
    after = resources(p)
    assert after[1] <= fds + 3, "file descriptors; its connections, which may come and go, are three of them"
    if not os.environ.get("POINTSMAN_SANITIZED"):
        # net-snmp 5.9 itself loses some 110 bytes, an address, with each connection.
        assert after[0] - rss <= 256, f"from {rss} to {after[0]} kB"
    assert p.log().count("Connected to snmpd") >= 1200


@pytest.mark.parametrize("peers", [(), ("snmpd",), ("daemon",), ("snmpd", "daemon")], ids=lambda p: " and ".join(p) or "nobody")
def test_it_rests_when_there_is_nothing_to_do(build_dir, run_dir, fake, started, wait_for, peers):
    def used():
        with open(f"/proc/{p.pid}/schedstat", encoding="ascii") as f:
            return int(f.read().split()[0]) / 1e9

    if "snmpd" in peers:
        started(parts.Snmpd(build_dir, run_dir)).wait_ready()
    if "daemon" not in peers:
        fake.stop()
    p = started(parts.Subagent(build_dir, run_dir, fake.path, run_dir + "/snmpd.agentx")).wait_ready()
    wait_for(lambda: used() > 0, "it has begun")
    time.sleep(1)
    before = used()
    time.sleep(5)  # two of its looks for who is away
    assert used() - before < 0.05


# ---- indexes ----

# Two names for which the same index is worked out.
FIRST, SECOND = "maps/n142358", "maps/n205002"
THEIRS = 1142147677


def node_indexes(snmpd):
    return {name: int(row["index"].split(".")[1]) for name, row in rows(snmpd, "pmNodeTable", "pmNodeName").items()}


def test_an_index_stays_with_its_name(build_dir, run_dir, fake, snmpd, started, wait_for):
    def show(*names):
        fake.replies["GetSnapshot"] = snapshot([service("maps", [node(n) for n in names])])
        wait_for(lambda: set(node_indexes(snmpd)) == set(names), "these are shown")
        return node_indexes(snmpd)

    def start():
        p = started(parts.Subagent(build_dir, run_dir, fake.path, snmpd.agentx)).wait_ready()
        wait_for(lambda: registered(snmpd), "the subagent has registered")
        return p

    fake.replies["GetSnapshot"] = snapshot([])
    p = start()
    assert show(FIRST) == {FIRST: THEIRS}
    assert show(SECOND) == {SECOND: THEIRS + 1}, "the other one may come back"
    p.stop()
    p = start()
    assert show(SECOND, FIRST, "maps/here")[FIRST] == THEIRS
    assert show(SECOND) == {SECOND: THEIRS + 1}
    wait_for(lambda: "maps/here" in open(p.state_dir + "/indexes", encoding="utf-8").read(), "they are kept")
    p.kill()
    p = start()
    assert show(FIRST, SECOND) == {FIRST: THEIRS, SECOND: THEIRS + 1}
    assert p.log().count("\n") <= 12, p.log()


def test_without_a_place_for_the_indexes(build_dir, run_dir, fake, snmpd, started, wait_for):
    p = started(parts.Subagent(build_dir, run_dir, fake.path, snmpd.agentx, "--state-dir", run_dir + "/nowhere")).wait_ready()
    wait_for(lambda: registered(snmpd), "the subagent has registered")
    assert len(node_indexes(snmpd)) == 3
    p.wait_log("Cannot save the indexes of the rows, trying again every minute: No such file or directory")
    fake.replies["GetSnapshot"] = snapshot([service("maps", [node("maps/new")])])
    wait_for(lambda: set(node_indexes(snmpd)) == {"maps/new"}, "it goes on")
    assert p.log().count("Cannot save") == 1


def test_indexes_that_cannot_be_read_are_not_written_over(build_dir, run_dir, fake, snmpd, started, wait_for):
    state = run_dir + "/state"
    os.makedirs(state + "/indexes")
    p = started(parts.Subagent(build_dir, run_dir, fake.path, snmpd.agentx, "--state-dir", state)).wait_ready()
    wait_for(lambda: registered(snmpd), "the subagent has registered")
    assert len(node_indexes(snmpd)) == 3
    assert p.log().count("Cannot read") == 1
    assert os.listdir(state) == ["indexes"]
