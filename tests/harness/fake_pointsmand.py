# SPDX-License-Identifier: Apache-2.0
"""A pointsmand that says what a test wants it to: for tests of its clients, not of itself."""

import json
import os
import socket
import threading


class FakePointsmand:
    """replies: by short method name, the parameters of the reply, or a function of the request's parameters that returns them.
    It may return an (error, parameters) pair instead."""

    def __init__(self, path, replies):
        self.path = path
        self.replies = replies
        self.calls = []  # (short method name, parameters), in the order received
        self.connections = []
        self.hung = threading.Event()  # while set, nothing is answered
        self.listener = None
        self.start()

    def start(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def stop(self):
        """As a crash would: the socket stays, nobody listens, connections are reset."""
        if self.listener:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.listener = None
        for c in self.connections:
            try:
                c.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.connections = []

    def called(self, method):
        return [parameters for name, parameters in self.calls if name == method]

    def send(self, connection, message):
        try:
            connection.sendall(json.dumps(message).encode() + b"\0")
        except OSError:
            pass  # the other side is gone, which is its right

    def subscribers(self):
        return [c for c in self.connections if c.subscribed]

    def publish(self, *events):
        """To all who have subscribed."""
        for c in self.subscribers():
            for event in events:
                self.send(c, {"parameters": {"event": event}, "continues": True})

    def _accept(self, listener):
        while True:
            try:
                s, _ = listener.accept()
            except OSError:
                return
            connection = Connection(s)
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        data = b""
        while True:
            try:
                received = connection.recv(1 << 16)
            except OSError:
                return
            if not received:
                return
            *frames, data = (data + received).split(b"\0")
            for frame in frames:
                self._answer(connection, json.loads(frame))

    def _answer(self, connection, request):
        method, parameters = request["method"].rpartition(".")[2], request.get("parameters", {})
        self.calls.append((method, parameters))
        if self.hung.is_set():
            return
        if method == "Subscribe":
            connection.subscribed = True
            return
        reply = self.replies.get(method, ("org.varlink.service.MethodNotFound", {"method": method}))
        reply = reply(parameters) if callable(reply) else reply
        if isinstance(reply, tuple):
            self.send(connection, {"error": reply[0], "parameters": reply[1]})
        else:
            self.send(connection, {"parameters": reply})


class Connection:
    """A socket that can carry a mark."""

    def __init__(self, s):
        self.socket = s
        self.recv, self.sendall, self.shutdown = s.recv, s.sendall, s.shutdown
        self.subscribed = False
