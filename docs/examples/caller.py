#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""caller.py SERVICE PATH: calls an API by pointsman's advice, with Python's standard library alone."""

import json
import os
import socket
import sys
import time
import urllib.error
import urllib.request


class PointsmanError(Exception):
    """The daemon's answer was an error: name, such as NoUsableNode, and its parameters."""

    def __init__(self, name, parameters):
        super().__init__(f"{name} {json.dumps(parameters)}")
        self.name, self.parameters = name.rsplit(".", 1)[-1], parameters


class Pointsman:
    """One connection. Requests are answered in order; each message is JSON ended by a NUL byte."""

    def __init__(self, path=None):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(5)
        self.socket.connect(path or os.environ.get("POINTSMAN_SOCKET", "/run/pointsman/pointsman.sock"))
        self.received = b""

    def call(self, method, **parameters):
        self.socket.sendall(json.dumps({"method": "org.pointsman.routing." + method, "parameters": parameters}).encode() + b"\0")
        while b"\0" not in self.received:
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionError("pointsmand has hung up")
            self.received += data
        message, self.received = self.received.split(b"\0", 1)
        reply = json.loads(message)
        if "error" in reply:
            raise PointsmanError(reply["error"], reply.get("parameters", {}))
        return reply["parameters"]


def call_provider(url):
    """The call itself: (body or None, what Report wants to know of it)."""
    start = time.monotonic()
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            body, outcome = response.read(), {"httpStatus": response.status, "headers": dict(response.headers)}
    except urllib.error.HTTPError as e:  # headers and body tell an outage from a rate limit, and for how long
        body, outcome = None, {"httpStatus": e.code, "headers": dict(e.headers), "body": e.read(4096).decode(errors="replace")}
    except OSError as e:
        reason = getattr(e, "reason", e)
        body, outcome = None, {"error": "timeout" if isinstance(reason, TimeoutError) else
                               "dns" if isinstance(reason, socket.gaierror) else
                               "connect" if isinstance(reason, ConnectionRefusedError) else "reset"}
    return body, outcome | {"latencyMs": (time.monotonic() - start) * 1000}


def main(service, path):
    pointsman = Pointsman()
    decision = pointsman.call("Route", serviceName=service)["decision"]
    for attempt in (1, 2, 3):
        print(f"attempt {attempt}: {decision['node']}", file=sys.stderr)
        body, outcome = call_provider(decision["url"] + path)
        if body is not None:
            pointsman.call("Report", decision=decision["id"], **outcome)
            sys.stdout.buffer.write(body)
            return 0
        # Reports the failure, and asks for a node that was not tried yet.
        decision = pointsman.call("CostAwareFallback", decision=decision["id"], **outcome)["decision"]
    # A decision that is not used says so; else it would count as open until it expires.
    pointsman.call("Report", decision=decision["id"], error="not_sent")
    return 1


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        sys.exit(main(*sys.argv[1:]))
    except (PointsmanError, OSError) as error:
        sys.exit(f"caller.py: {error}")
