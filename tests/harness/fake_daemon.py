# SPDX-License-Identifier: Apache-2.0
"""The daemon's side of FollowProbes and ReportProbe, under the test's control: what it asks for, and how it misbehaves."""

import itertools
import json
import os
import select
import socket
import threading

from .process import wait_for


class FakeDaemon:
    """Listens on path. refuse: the error that FollowProbes gets; deaf: reports are not read."""

    def __init__(self, path, refuse=None, deaf=False):
        self.path, self.refuse, self.deaf = path, refuse, deaf
        self.reports = []  # the parameters of each ReportProbe
        self.followers = []
        self.attempts = 0  # FollowProbes received
        self._ids = itertools.count(1)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen()
        self._connections = {}
        self._wake, self._woken = os.pipe()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def stop(self):
        """Goes away: every connection is closed, and the socket's path is gone."""
        if self._thread.is_alive():
            os.write(self._woken, b"x")
            self._thread.join()
        os.path.exists(self.path) and os.unlink(self.path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def _serve(self):
        while True:
            heard = [c for c, buffer in self._connections.items() if not (self.deaf and buffer.reports)]
            for s in select.select([self._listener, self._wake, *heard], [], [], 0.05)[0]:
                if s is self._wake:
                    for c in [self._listener, *self._connections]:
                        c.close()
                    os.close(self._wake)
                    os.close(self._woken)
                    return
                if s is self._listener:
                    connection, _ = s.accept()
                    self._connections[connection] = Buffer()
                else:
                    self._read(s)

    def _read(self, s):
        try:
            data = s.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        if not data:
            self._connections.pop(s)
            if s in self.followers:
                self.followers.remove(s)
            s.close()
            return
        for frame in self._connections[s].feed(data):
            self._handle(s, json.loads(frame))

    def _handle(self, s, message):
        method = message["method"]
        if method == "org.pointsman.routing.FollowProbes" and message.get("more"):
            self.attempts += 1
            if self.refuse:
                s.sendall(json.dumps({"error": self.refuse, "parameters": {}}).encode() + b"\0")
            else:
                self.followers.append(s)
        elif method == "org.pointsman.routing.ReportProbe" and message.get("oneway"):
            self._connections[s].reports = True
            self.reports.append(message["parameters"])
        else:
            raise AssertionError(f"the prober has no business calling {message}")

    def send_raw(self, data):
        wait_for(lambda: self.followers, "the prober follows")
        self.followers[-1].sendall(data)

    def ask(self, url, method="GET", node="test/node", timeoutMs=5000, **rest):
        """Asks for a probe; returns its id."""
        probe = {"id": f"p{next(self._ids)}", "node": node, "method": method, "url": url, "headers": {}, "timeoutMs": timeoutMs} | rest
        self.send_raw(json.dumps({"parameters": {"probe": probe}, "continues": True}).encode() + b"\0")
        return probe["id"]

    def report(self, probe_id, deadline=10):
        """Waits for the report of a probe."""
        def find():
            return [r for r in self.reports if r["probe"] == probe_id]
        found = wait_for(find, f"the report of {probe_id}", deadline)
        assert len(found) == 1, f"{probe_id} was reported more than once: {found}"
        return found[0]

    def probe(self, url, **details):
        """Asks for a probe and waits for its report."""
        return self.report(self.ask(url, **details))


class Buffer:
    def __init__(self):
        self.data, self.reports = b"", False

    def feed(self, data):
        *frames, self.data = (self.data + data).split(b"\0")
        return frames
