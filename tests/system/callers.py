# SPDX-License-Identifier: Apache-2.0
"""Callers that route and report on one connection each, until a file appears: callers.py SOCKET COUNT SERVICE END-FILE. Prints what
they saw, as JSON: errors must be none, and reported is what was acknowledged to them, in micro-dollars."""

import json
import os
import socket
import sys
import threading

path, count, service, end = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
lock = threading.Lock()
seen = {"calls": 0, "reported": 0, "least": None, "errors": []}


def call(s, buffer, method, **parameters):
    s.sendall(json.dumps({"method": f"org.pointsman.routing.{method}", "parameters": parameters}).encode() + b"\0")
    while b"\0" not in buffer:
        data = s.recv(65536)
        if not data:
            raise EOFError("the connection was closed")
        buffer += data
    frame, _, rest = buffer.partition(b"\0")
    buffer[:] = rest
    reply = json.loads(frame)
    if "error" in reply:
        raise RuntimeError(json.dumps(reply))
    return reply["parameters"]


def work():
    calls = cost = 0
    try:
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(path)
            buffer = bytearray()
            while not os.path.exists(end):
                decision = call(s, buffer, "Route", serviceName=service)["decision"]
                report = call(s, buffer, "Report", decision=decision["id"], httpStatus=200)
                calls += 1
                cost += round(report["settledCost"] * 1e6)
    except Exception as e:  # pylint: disable=broad-except
        with lock:
            seen["errors"].append(repr(e))
    with lock:
        seen["calls"] += calls
        seen["reported"] += cost
        seen["least"] = calls if seen["least"] is None else min(seen["least"], calls)


threads = [threading.Thread(target=work) for _ in range(count)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print(json.dumps(seen))
