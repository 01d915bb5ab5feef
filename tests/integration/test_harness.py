# SPDX-License-Identifier: Apache-2.0
"""The tools that the other tests stand on must themselves be able to fail."""

import socket
import sys
import threading

import pytest

from harness import parts, process, varlink


def test_private_bus(bus):
    names = bus.call("call", "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "ListNames")
    assert "org.freedesktop.DBus" in names["data"][0]
    with pytest.raises(process.Failed, match="no.such.Name"):
        bus.call("call", "no.such.Name", "/", "a.b", "C")


def test_private_snmpd(snmpd):
    assert "SNMPv2-MIB::sysUpTime" in snmpd.tool("snmpget", "SNMPv2-MIB::sysUpTime.0", mib="SNMPv2-MIB")
    with pytest.raises(process.Failed):
        snmpd.tool("snmpget", "SNMPv2-MIB::sysUpTime.0", mib="SNMPv2-MIB", community="wrong", options=("-t", "0.2", "-r", "0"))


def test_a_process_that_dies_is_noticed(run_dir):
    p = process.Process("dies", [sys.executable, "-c", "print('last words'); raise SystemExit(3)"], run_dir)
    with pytest.raises(process.Failed, match="(?s)status 3.*last words"):
        p.wait_for(lambda: False, "what never comes")
    with pytest.raises(process.Failed, match="status 3"):
        p.stop()


def test_a_process_that_ignores_sigterm_is_killed_and_reported(run_dir):
    p = process.Process("stays", [sys.executable, "-c", "import signal; signal.signal(15, signal.SIG_IGN); print('up', flush=True)\n"
                                  "while True: signal.pause()"], run_dir)
    p.wait_log("up")
    with pytest.raises(process.Failed, match="SIGTERM"):
        p.stop(deadline=0.2)
    assert not p.running()


def test_readiness(run_dir, started):
    code = """
import os, socket, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect(os.environ["NOTIFY_SOCKET"])
s.send(b"STATUS=At work\\nREADY=1")
import signal; signal.sigwait([15])
"""
    p = started(process.Process("ready", [sys.executable, "-c", code], run_dir, notify=True, clean_exit=(0, -15))).wait_ready()
    assert p.status() == "At work"


def test_varlink_client(run_dir):
    path = run_dir + "/s"
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()

    def serve():
        connection, _ = server.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b'{"parameters":{"n":1},"continues":true}\0{"parameters":{"n":2}}\0{"error":"a.b.NoSuch","param')
            connection.recv(1000)
            connection.sendall(b'eters":{"x":1}}\0')

    thread = threading.Thread(target=serve)
    thread.start()
    with server, varlink.Client(path) as c:
        assert [r["n"] for r in c.more("Subscribe")] == [1, 2]
        with pytest.raises(varlink.VarlinkError) as e:
            c.call("Route")
        assert (e.value.name, e.value.parameters) == ("NoSuch", {"x": 1})
        with pytest.raises(varlink.Disconnected):
            c.receive()
    thread.join()


def test_libconfig_syntax():
    assert parts.libconfig_file({"a": {"b": [1, 2.5, True], "c": 'x"y'}, "big": 1 << 40}) == (
        'a = {\n  b = ( 1, 2.5, true );\n  c = "x\\"y";\n};\nbig = 1099511627776L;\n')
