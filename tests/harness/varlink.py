# SPDX-License-Identifier: Apache-2.0
"""A Varlink client small enough to be read at a glance. It also sends what no honest client would."""

import json
import os
import socket
import time

INTERFACE = "org.pointsman.routing"


class VarlinkError(Exception):
    """The daemon's answer was an error. name is short: "NoSuchService"; full_name has the interface in front."""

    def __init__(self, full_name, parameters):
        super().__init__(f"{full_name} {json.dumps(parameters)}")
        self.full_name = full_name
        self.name = full_name.rpartition(".")[2]
        self.parameters = parameters


class Disconnected(Exception):
    """The other side closed the connection."""


class Client:
    def __init__(self, path, timeout=10):
        self.timeout = timeout  # seconds, of every operation
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.socket.settimeout(timeout)
        self.socket.connect(str(path))
        self.buffer = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    # ---- bytes ----

    def send_raw(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError) as e:
            raise Disconnected from e

    def receive_raw(self, timeout=None):
        """One frame without its NUL. Raises Disconnected at the end of the stream, TimeoutError when nothing comes."""
        end = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            frame, nul, rest = self.buffer.partition(b"\0")
            if nul:
                self.buffer = rest
                return bytes(frame)
            self.socket.settimeout(max(0.000001, end - time.monotonic()))
            try:
                data = self.socket.recv(1 << 16)
            except ConnectionResetError as e:
                raise Disconnected from e
            if not data:
                raise Disconnected
            self.buffer += data

    # ---- messages ----

    def send(self, method, parameters=None, **flags):
        """Sends one request without waiting, so that many can be pipelined; then receive() one reply for each."""
        name = method if "." in method else f"{INTERFACE}.{method}"
        self.send_raw(json.dumps({"method": name, "parameters": parameters or {}, **flags}).encode() + b"\0")

    def receive_message(self, timeout=None):
        return json.loads(self.receive_raw(timeout))

    def receive(self, timeout=None):
        """The parameters of one reply; raises VarlinkError if it is an error."""
        message = self.receive_message(timeout)
        if "error" in message:
            raise VarlinkError(message["error"], message.get("parameters", {}))
        return message.get("parameters", {})

    def call(self, method, **parameters):
        self.send(method, parameters)
        return self.receive()

    def oneway(self, method, **parameters):
        self.send(method, parameters, oneway=True)

    def more(self, method, **parameters):
        """Follows a stream: an iterator over the parameters of each reply, until the last one."""
        self.send(method, parameters, more=True)
        while True:
            message = self.receive_message()
            if "error" in message:
                raise VarlinkError(message["error"], message.get("parameters", {}))
            yield message.get("parameters", {})
            if not message.get("continues"):
                return


def answers(path):
    """Whether somebody listens on that socket."""
    if not os.path.exists(path):
        return False
    try:
        Client(path).close()
        return True
    except OSError:
        return False
