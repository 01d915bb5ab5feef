# SPDX-License-Identifier: Apache-2.0
"""An AgentX master (RFC 2741) that does what a test wants: as much of the protocol as subagents need to see."""

import collections
import fcntl
import itertools
import os
import socket
import struct
import termios
import threading

from . import process

OPEN, CLOSE, REGISTER, GET, GETNEXT, GETBULK, TESTSET, COMMITSET, UNDOSET, CLEANUPSET, NOTIFY, PING = 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13
RESPONSE = 18
GENERAL_ERROR, NOT_OPEN, UNSUPPORTED_CONTEXT, PARSE_ERROR = 5, 257, 262, 266
NON_DEFAULT_CONTEXT, NETWORK_BYTE_ORDER = 0x08, 0x10
NO_SUCH_OBJECT, NO_SUCH_INSTANCE, END_OF_MIB_VIEW = 128, 129, 130


def encode_oid(text, order, include=False):
    numbers = [int(n) for n in text.split(".")] if text else []
    return struct.pack(f"{order}BBBx{len(numbers)}I", len(numbers), 0, include, *numbers)


def decode_oid(data, i, order):
    n, prefix = data[i], data[i + 1]
    numbers = struct.unpack_from(f"{order}{n}I", data, i + 4)
    return ".".join(map(str, ((1, 3, 6, 1, prefix) if prefix else ()) + numbers)), i + 4 + 4 * n


def decode_value(type_, data, i, order):
    if type_ in (2, 65, 66, 67):
        return struct.unpack_from(order + ("i" if type_ == 2 else "I"), data, i)[0], i + 4
    if type_ == 70:
        return struct.unpack_from(order + "Q", data, i)[0], i + 8
    if type_ in (4, 64, 68):
        n = struct.unpack_from(order + "I", data, i)[0]
        return data[i + 4:i + 4 + n], i + 4 + (n + 3) // 4 * 4
    return (decode_oid(data, i, order) if type_ == 6 else (None, i))


class Session:
    """One connection of a subagent."""

    packet_ids = itertools.count(1000000)

    def __init__(self, connection, number):
        self.connection, self.number = connection, number
        self.order, self.flags = "<", 0

    def receive(self):
        """(type, session id, transaction id, packet id, payload), or None at the end."""
        header = self._read(20)
        if header is None:
            return None
        self.flags = header[2] & NETWORK_BYTE_ORDER
        self.order = ">" if self.flags else "<"
        session, transaction, packet, size = struct.unpack(self.order + "4I", header[4:])
        payload = self._read(size)
        return None if payload is None else (header[1], session, transaction, packet, payload)

    def _read(self, n):
        data = b""
        while len(data) < n:
            try:
                more = self.connection.recv(n - len(data))
            except OSError:
                return None
            if not more:
                return None
            data += more
        return data

    def frame(self, type_, payload=b"", transaction=1, packet=None, flags=0):
        """(packet id, bytes) of a message."""
        packet = next(self.packet_ids) if packet is None else packet
        return packet, struct.pack(self.order + "BBBx4I", 1, type_, self.flags | flags, self.number, transaction, packet, len(payload)) + payload

    def send(self, type_, payload=b"", transaction=1, packet=None, flags=0):
        packet, message = self.frame(type_, payload, transaction, packet, flags)
        try:
            self.connection.sendall(message)
        except OSError:
            pass  # gone
        return packet

    def unread(self):
        """Bytes that the subagent has not taken yet."""
        return struct.unpack("i", fcntl.ioctl(self.connection, termios.TIOCOUTQ, bytes(4)))[0]

    def respond(self, transaction, packet, error=0):
        self.send(RESPONSE, struct.pack(self.order + "IHH", 0, error, 0), transaction, packet)

    def variables(self, payload):
        """What a response says: (error, [(oid, type, value), …])."""
        error, i, found = struct.unpack_from(self.order + "H", payload, 4)[0], 8, []
        while i < len(payload):
            type_ = struct.unpack_from(self.order + "H", payload, i)[0]
            name, i = decode_oid(payload, i + 4, self.order)
            value, i = decode_value(type_, payload, i, self.order)
            found.append((name, type_, value))
        return error, found

    def ranges(self, *pairs):
        """Search ranges: (from, to, include)."""
        return b"".join(encode_oid(start, self.order, include) + encode_oid(end, self.order) for start, end, include in pairs)

    def integer(self, name, value):
        """A variable with an INTEGER."""
        return struct.pack(self.order + "Hxx", 2) + encode_oid(name, self.order) + struct.pack(self.order + "i", value)

    def close(self):
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class Master:
    """path: None for a TCP port of the loopback. registered(session): called when a subagent has registered, in the thread that
    reads what it sends. answered(session): likewise, after each response. forget: pings are told that there is no such session."""

    def __init__(self, path, registered=None):
        self.registered = registered
        self.sessions, self.opened, self.forget, self.answered = [], 0, False, None
        self.responses = {}  # by packet id
        self.received = collections.Counter()  # by type
        self.path = path
        self.listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        self.listener.bind(path or ("127.0.0.1", 0))
        self.agentx = path or f"tcp:127.0.0.1:{self.listener.getsockname()[1]}"
        self.listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(Session(connection, 0),), daemon=True).start()

    def _serve(self, session):
        while message := session.receive():
            type_, number, transaction, packet, payload = message
            self.received[type_] += 1
            if type_ == OPEN:
                self.opened += 1
                session.number = self.opened
                session.respond(transaction, packet)
            elif type_ == RESPONSE:
                self.responses[packet] = session.variables(payload)
                if self.answered:
                    self.answered(session)
            elif type_ == PING and self.forget:
                session.respond(transaction, packet, NOT_OPEN)
            else:
                session.respond(transaction, packet)
            if type_ == REGISTER and session not in self.sessions:
                self.sessions.append(session)
                if self.registered:
                    self.registered(session)
        session.connection.close()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for s in self.sessions:
            s.close()
        if self.path:
            os.unlink(self.path)


def ask(m, type_, *ranges, head=b""):
    """The variables of the answer to a GET, GETNEXT or GETBULK, from a master's last session."""
    session = m.sessions[-1]
    packet = session.send(type_, head + session.ranges(*ranges))
    process.wait_for(lambda: packet in m.responses, "the subagent has answered")
    error, variables = m.responses.pop(packet)
    if error != 0:
        raise process.Failed(f"the subagent has answered with error {error}")
    return variables
