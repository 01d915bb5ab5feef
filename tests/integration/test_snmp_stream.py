# SPDX-License-Identifier: Apache-2.0
"""pointsman-snmp and the bytes of its AgentX session: in whatever pieces they come, however many, and whoever takes the answers."""

import signal
import socket
import struct
import subprocess

import pytest

from harness import agentx, parts
from harness.agentx import ask
from harness.snmp import ROOT

VERSION, UPTIME = f"{ROOT}.1.1.1.0", f"{ROOT}.1.1.2.0"
VERSION_IS = (0, [(VERSION, 4, b"0.1.0")])
LONGEST = 65536  # of a message


@pytest.fixture
def talking(master, fake, subagent, wait_for):
    """A master with a subagent that has registered."""
    fake.replies["SetNodeState"] = {"node": {}}
    m = master()
    m.subagent = subagent(fake, m)
    wait_for(lambda: m.sessions, "the subagent has registered")
    return m


def get(session, name=VERSION):
    """(packet id, bytes)"""
    return session.frame(agentx.GET, session.ranges((name, "", False)))


def state_of_a_node(m):
    return ask(m, agentx.GETNEXT, (f"{ROOT}.1.3.1.5", "", False))[0][0]


@pytest.mark.parametrize("type_", [agentx.GET, agentx.TESTSET], ids=["ours", "net-snmp's"])
def test_messages_cut_anywhere(talking, wait_for, type_):
    session, where = talking.sessions[-1], state_of_a_node(talking)
    n = len(session.frame(type_, session.integer(where, 2))[1]) if type_ == agentx.TESTSET else len(get(session)[1])
    for cut in range(1, n):
        if type_ == agentx.GET:
            packet, message = get(session)
        else:
            packet, message = session.frame(type_, session.integer(where, 2), transaction=cut)
        session.connection.sendall(message[:cut])
        wait_for(lambda: session.unread() == 0, "the subagent has taken the beginning", interval=0.001)
        assert packet not in talking.responses
        session.connection.sendall(message[cut:])
        wait_for(lambda: packet in talking.responses, "the subagent has answered", interval=0.001)
        assert talking.responses[packet][0] == 0
        if type_ == agentx.TESTSET:
            session.send(agentx.CLEANUPSET, transaction=cut)
    assert talking.opened == 1


def test_many_messages_at_once(talking, fake, wait_for):
    """GETs and phases of SETs; the last message has only begun."""
    session, where = talking.sessions[-1], state_of_a_node(talking)
    gets, phases = [], []

    def another_get(name=VERSION):
        packet, message = get(session, name)
        gets.append(packet)
        return message

    def phase(type_, payload=b""):
        packet, message = session.frame(type_, payload, transaction=7)
        phases.append(packet)
        return message

    def answered(packets):
        return all(p in talking.responses for p in packets)

    def send(message):
        session.connection.sendall(message)

    begun = another_get()
    other = session.frame(agentx.TESTSET, session.integer(where, 3), transaction=8)
    send(another_get() + phase(agentx.TESTSET, session.integer(where, 2)) + another_get() + other[1] + another_get() + begun[:30])
    wait_for(lambda: answered(gets[1:] + phases + [other[0]]), "the subagent has answered")
    assert gets[0] not in talking.responses
    send(begun[30:] + phase(agentx.COMMITSET) + another_get())
    wait_for(lambda: answered(gets + phases), "the subagent has answered")
    last = phase(agentx.CLEANUPSET) + another_get() + another_get()[:5]
    send(last)
    wait_for(lambda: answered(gets[:-1]), "the subagent has answered")
    assert [talking.responses[p] for p in gets[:-1]] == [VERSION_IS] * len(gets[:-1])
    assert [talking.responses[p][0] for p in phases[:2]] == [0, 0]
    assert [p["administrativeState"] for p in fake.called("SetNodeState")] == ["draining"]
    assert talking.opened == 1


@pytest.mark.parametrize("type_", [agentx.GET, agentx.TESTSET], ids=["ours", "net-snmp's"])
@pytest.mark.parametrize("more", [4, 4000, 200000])
def test_a_message_that_is_too_long(talking, wait_for, type_, more):
    """It has no answer; what is behind it has."""
    session = talking.sessions[-1]
    size = LONGEST + more - 20
    too_long, message = session.frame(type_, b"\xff" * size)
    first, before = get(session)
    second, behind = get(session)
    third, again = get(session)
    session.connection.sendall(before + message + behind[:7])
    wait_for(lambda: first in talking.responses and session.unread() == 0, "the subagent has taken it")
    session.connection.sendall(behind[7:] + again)
    wait_for(lambda: third in talking.responses, "the subagent has answered")
    assert talking.responses[first] == talking.responses[second] == talking.responses[third] == VERSION_IS
    assert too_long not in talking.responses and talking.opened == 1


def test_the_longest_messages(talking, wait_for):
    session = talking.sessions[-1]
    nothing, n = session.ranges(("", "", False)), (LONGEST - 28) // 8

    def send(payload):
        packet, message = session.frame(agentx.GET, payload)
        session.connection.sendall(message)
        wait_for(lambda: packet in talking.responses, "the subagent has answered")
        return len(message), *talking.responses[packet]

    assert send(nothing * n)[1:] == (0, [("", agentx.NO_SUCH_OBJECT, None)] * n)
    # The answer would be longer than any.
    assert send(nothing * (n + 1))[1:] == (agentx.GENERAL_ERROR, [])
    assert send(nothing * n + session.ranges(("9", "", False)))[:2] == (LONGEST, agentx.GENERAL_ERROR)
    assert ask(talking, agentx.GET, (VERSION, "", False)) == VERSION_IS[1]


def test_requests_that_are_refused(talking, wait_for):
    session = talking.sessions[-1]
    version = session.ranges((VERSION, "", False))
    context = struct.pack(session.order + "I", 5) + b"local\0\0\0"
    refused = {session.send(agentx.GET, version[:-1]): agentx.PARSE_ERROR,
               session.send(agentx.GETNEXT, context + version, flags=agentx.NON_DEFAULT_CONTEXT): agentx.UNSUPPORTED_CONTEXT}
    session.number += 1
    refused[session.send(agentx.GET, version)] = agentx.NOT_OPEN
    session.number -= 1
    wait_for(lambda: all(p in talking.responses for p in refused), "the subagent has answered")
    assert {p: talking.responses[p] for p in refused} == {p: (error, []) for p, error in refused.items()}


def test_over_tcp(master, fake, subagent, wait_for):
    m = master(path=None)
    subagent(fake, m)
    wait_for(lambda: m.sessions, "the subagent has registered")
    session, name, names = m.sessions[-1], ROOT, []
    session.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    packet, message = get(session)
    for byte in message:
        session.connection.sendall(bytes([byte]))
    wait_for(lambda: packet in m.responses, "the subagent has answered")
    assert m.responses[packet] == VERSION_IS
    while True:
        name, type_, _ = ask(m, agentx.GETNEXT, (name, f"{ROOT}.2", False))[0]
        if type_ == agentx.END_OF_MIB_VIEW:
            break
        names.append(name)
    assert len(names) == len(set(names)) == 15 + 2 * 17 + 3 * 23 + 3 * 11 + 3
    assert m.opened == 1


# ---- too much ----

EVENT = {"serial": 1, "time": "2026-03-01T12:00:00Z", "type": "circuit_changed", "severity": "high", "serviceName": "maps",
         "node": "maps/mapbox", "message": "", "data": {"to": "open"}}


def test_an_endless_walk_keeps_nothing_else_from_its_turn(build_dir, run_dir, master, fake, started, wait_for):
    """The subagent waits a minute for the next request, so that a pause of ours does not end the walk."""
    patient = run_dir + "/patient.so"
    subprocess.run(["cc", "-D_GNU_SOURCE", "-O1", "-shared", "-fPIC", "-o", patient, parts.SOURCE + "/tests/harness/patient.c"], check=True, timeout=60)

    def go_on(session):
        session.send(agentx.GETNEXT, session.ranges((VERSION, "", False)), packet=1)

    m = master(registered=go_on)
    m.answered = go_on
    p = started(parts.Subagent(build_dir, run_dir, fake.path, m.agentx, env=parts.preloading(patient))).wait_ready()
    wait_for(lambda: 1 in m.responses, "the walk has begun")
    wait_for(lambda: fake.subscribers(), "the subagent follows the events")
    fake.publish(EVENT)
    wait_for(lambda: m.received[agentx.NOTIFY] > 0, "the notification has come")
    wait_for(lambda: m.received[agentx.PING] > 0, "snmpd is asked whether it still knows us", 10)
    p.signal(signal.SIGTERM)
    assert p.wait_exit() == 0
    assert m.opened == 1


def test_a_master_that_takes_no_answers(master, fake, subagent, wait_for):
    """It is left, and found again."""
    gone = []

    def registered(session):
        """In the thread that would read the answers."""
        try:
            while m.opened == 1:
                session.connection.sendall(get(session)[1])
        except OSError:
            gone.append(session)

    m = master(registered=registered)
    p = subagent(fake, m)
    wait_for(lambda: gone, "the subagent has hung up", 10)
    wait_for(lambda: len(m.sessions) == 2, "it has come back", 10)
    assert ask(m, agentx.GET, (VERSION, "", False)) == VERSION_IS[1]
    assert p.log().count("Lost snmpd") == 1
