#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Plays the providers over HTTP on loopback, in health and in sickness.

Prints one line of JSON when it is ready: {"ports": {name: port}, "urls": {name: url}, "control": port, "caFile": path or null}.
Then, on the control port:

    POST /-/fault       {"provider": NAME or "all", "fault": FAULT, details…}
    GET  /-/counts      {NAME: {"requests": n, "connections": n, "statuses": {"200": n, …}}}
    GET  /-/requests/NAME   the last 100 requests: [{"method", "target", "headers", "body"}, …]

or by a script, each line SECONDS PROVIDER FAULT [DETAIL=VALUE…], with times from the start, and "SECONDS repeat" as the last:

    0   all     ok latencyMs=40 jitterMs=20
    10  stripe  outage status=503
    20  stripe  ok
    30  mapbox  flapping of=reset downMs=500 upMs=2000
    60  repeat

The faults:

"""

import argparse
import asyncio
import collections
import json
import os
import random
import signal
import socket
import struct
import sys
import tempfile
import urllib.parse

import certificates
import faults
import vendors
from vendors import Answer

REASONS = {200: "OK", 302: "Found", 400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden",
           404: "Not Found", 409: "Conflict", 422: "Unprocessable Entity", 429: "Too Many Requests",
           500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}


class Request:
    def __init__(self, method, target, headers, body):
        self.method, self.target, self.headers, self.body = method, target, headers, body
        parts = urllib.parse.urlsplit(target)
        self.path = parts.path
        self.query = dict(urllib.parse.parse_qsl(parts.query))

    def as_json(self):
        return {"method": self.method, "target": self.target, "headers": self.headers, "body": self.body.decode(errors="replace")}


async def read_request(reader):
    """The next request of a connection, or None at its end. Names of headers become lower case."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {}
    for line in filter(None, lines):
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, target, headers, body)


def head(answer, length, extra=""):
    lines = [f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, 'Status')}", *(f"{k}: {v}" for k, v in answer.headers.items()),
             f"Content-Length: {length}"]
    return "\r\n".join(lines).encode() + b"\r\n" + extra.encode() + b"\r\n"


class Standin:
    """One name, one port, one vendor, one fault at a time."""

    def __init__(self, name, vendor, contexts, http2, seed):
        self.name, self.vendor, self.contexts, self.http2 = name, vendor, contexts, http2
        self.random = random.Random(f"{seed}/{name}")
        self.fault, self.details, self.left, self.since = "ok", {}, None, 0.0
        self.port, self.server, self.certificate = 0, None, None
        self.connections = set()
        self.n_connections, self.n_requests, self.statuses = 0, 0, collections.Counter()
        self.requests = collections.deque(maxlen=100)

    async def listen(self, certificate="good"):
        context = self.contexts[certificate] if self.contexts else None
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", self.port, ssl=context, limit=1 << 17)
        self.certificate = certificate
        self.port = self.server.sockets[0].getsockname()[1]

    async def close(self):
        if self.server:
            self.server.close()
            self.server = None
        for writer in list(self.connections):
            writer.transport.abort()

    def check(self, fault, details):
        """Raises ValueError unless it can play that fault."""
        faults.check(fault, details)
        if fault == "certificate" and not self.contexts:
            raise ValueError("certificate faults need --tls")
        if self.http2 and {fault, details.get("of")} & self.http2.MISSING:
            raise ValueError(f"{fault} is not played over HTTP/2")

    async def set_fault(self, fault, details):
        self.fault, self.details, self.left = fault, details, details.get("count")
        self.since = asyncio.get_running_loop().time()
        certificate = details.get("kind", "expired") if fault == "certificate" else "good"
        if fault == "refuse":
            await self.close()
        elif not self.server or certificate != self.certificate:
            await self.close()
            await self.listen(certificate)

    async def serve(self, reader, writer):
        self.n_connections += 1
        self.connections.add(writer)
        try:
            if self.http2 and writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2":
                await self.http2.Connection(self, Request, reader, writer).serve()
                return
            while request := await read_request(reader):
                fault, details = await self.begin(request)
                play = getattr(self, "do_" + fault, None)
                going_on = await (play(writer, request, details) if play else
                                  self.send(writer, request, self.compose(request, fault, details)))
                if not going_on:
                    break
        except (ConnectionError, asyncio.IncompleteReadError, ValueError):
            pass
        finally:
            self.connections.discard(writer)
            writer.close()

    async def begin(self, request):
        """Takes note of a request, and waits; returns the fault that it meets."""
        self.n_requests += 1
        self.requests.append(request)
        fault, details = self.fault, self.details
        if self.left is not None:
            if self.left == 0:
                return "ok", {}
            self.left -= 1
        wait = details.get("latencyMs", 0) + self.random.random() * details.get("jitterMs", 0)
        if wait:
            await asyncio.sleep(wait / 1000)
        if fault != "flapping":
            return fault, details
        down, up = details.get("downMs", 1000), details.get("upMs", 1000)
        since = (asyncio.get_running_loop().time() - self.since) * 1000
        return (details.get("of", "outage"), {}) if since % max(down + up, 1) < down else ("ok", {})

    def compose(self, request, fault, details):
        """The answer to a request, of those faults that are answers."""
        if fault in faults.VENDOR:
            arguments = [details.get(name) for name in faults.VENDOR[fault][0]]
            return getattr(self.vendor, fault)(request, *arguments) or Answer(500)
        if fault == "redirect":
            return Answer(302, {"Location": details.get("location", "/elsewhere")})
        if fault == "echo":
            body = json.dumps({"message": "Invalid key", "headers": request.headers, "target": request.target,
                               "body": request.body.decode(errors="replace")}).encode()
            quoted = {"X-Echo": request.headers.get("authorization", "none"), "X-Target": request.target}
            return Answer(401, {"Content-Type": "application/json"} | quoted, body)
        answer = self.vendor.answer(request)
        if fault == "corrupt":
            return Answer(200, answer.headers, answer.body[:-3].replace(b":", b" ", 1) or b"{")
        return answer

    async def send(self, writer, request, answer, extra=""):
        self.statuses[answer.status] += 1
        writer.write(head(answer, len(answer.body), extra) + (b"" if request.method == "HEAD" else answer.body))
        await writer.drain()
        return request.headers.get("connection", "").lower() != "close"

    # ---- the faults that are no answer; True: the connection goes on ----

    async def do_hang(self, writer, _request, _details):
        await writer.wait_closed() if writer.is_closing() else await asyncio.sleep(3600)

    async def do_reset(self, writer, _request, _details):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async def do_empty(self, _writer, _request, _details):
        return False

    async def do_half(self, writer, request, _details):
        answer = self.vendor.answer(request)
        writer.write(head(answer, len(answer.body)) + answer.body[:len(answer.body) // 2])
        await writer.drain()
        return False

    async def do_slow(self, writer, request, details):
        answer = self.vendor.answer(request)
        for byte in head(answer, len(answer.body)) + answer.body:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(details.get("byteMs", 50) / 1000)
        return True

    async def do_huge_headers(self, writer, request, _details):
        extra = "".join(f"X-Filler-{i}: {'f' * 1000}\r\n" for i in range(200))
        return await self.send(writer, request, self.vendor.answer(request), extra)

    async def do_endless_headers(self, writer, _request, _details):
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X-Filler: " + b"f" * 1000 + b"\r\n")
            await writer.drain()

    async def do_endless_body(self, writer, _request, _details):
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"filler":"')
        while True:
            writer.write(b"f" * 16384)
            await writer.drain()

    async def do_not_http(self, writer, _request, _details):
        writer.write(b"220 mail.example ESMTP ready\r\n")
        await writer.drain()
        return False

    def counts(self):
        return {"requests": self.n_requests, "connections": self.n_connections, "statuses": self.statuses}


def chosen(standins, name):
    return standins.values() if name == "all" else [standins[name]]


async def set_faults(standins, name, fault, details):
    for standin in chosen(standins, name):
        standin.check(fault, details)
    for standin in chosen(standins, name):
        await standin.set_fault(fault, details)


async def follow(script, standins):
    steps, repeat = script
    loop = asyncio.get_running_loop()
    start = loop.time()
    while True:
        for seconds, name, fault, details in steps:
            await asyncio.sleep(start + seconds - loop.time())
            await set_faults(standins, name, fault, details)
        if repeat is None:
            return
        await asyncio.sleep(start + repeat - loop.time())
        start += repeat


class Control:
    def __init__(self, standins):
        self.standins = standins

    async def fault(self, order):
        fault, name = order.pop("fault", None), order.pop("provider", None)
        if name != "all" and name not in self.standins:
            raise ValueError(f"no provider named {name!r}")
        await set_faults(self.standins, name, fault, order)
        return {}

    async def answer(self, request):
        if request.path == "/-/fault" and request.method == "POST":
            return await self.fault(json.loads(request.body))
        if request.path == "/-/counts":
            return {name: s.counts() for name, s in self.standins.items()}
        if request.path.startswith("/-/requests/"):
            return [r.as_json() for r in self.standins[request.path[12:]].requests]
        raise ValueError(f"no such path: {request.path}")

    async def serve(self, reader, writer):
        while request := await read_request(reader):
            try:
                status, reply = 200, await self.answer(request)
            except (ValueError, KeyError, AttributeError) as e:
                status, reply = 400, {"error": str(e)}
            body = json.dumps(reply).encode()
            writer.write(head(Answer(status, {"Content-Type": "application/json", "Connection": "close"}), len(body)) + body)
            await writer.drain()
            break
        writer.close()


async def run(options, directory):
    samples = vendors.Samples(options.samples)
    contexts = certificates.make(directory) if options.tls else None
    http2 = None
    if options.http2:
        import http2  # pylint: disable=import-outside-toplevel  # it needs python3-h2, which the rest does not
        for context in contexts.values():
            context.set_alpn_protocols(["h2", "http/1.1"])
    standins = {name: Standin(name, vendors.VENDORS[vendor](samples), contexts, http2, options.seed)
                for name, vendor in options.wanted.items()}
    try:
        for _, name, fault, details in options.script[0]:
            for s in chosen(standins, name):
                s.check(fault, details)
    except ValueError as e:
        sys.exit(f"--script: {e}")
    for s in standins.values():
        await s.listen()
    control = await asyncio.start_server(Control(standins).serve, "127.0.0.1", 0)

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    scheme = "https" if options.tls else "http"
    print(json.dumps({"ports": {n: s.port for n, s in standins.items()},
                      "urls": {n: f"{scheme}://127.0.0.1:{s.port}" for n, s in standins.items()},
                      "control": control.sockets[0].getsockname()[1],
                      "caFile": os.path.join(directory, "ca.pem") if options.tls else None}), flush=True)
    script = asyncio.create_task(follow(options.script, standins))
    await stop.wait()
    script.cancel()


def main():
    data = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data", "provider_samples.jsonl")
    parser = argparse.ArgumentParser(description=__doc__ + faults.explain(), formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", action="append", default=[], metavar="NAME=PROVIDER",
                        help="play PROVIDER under NAME, on a port of its own; may be repeated (default: all five, by their names)")
    parser.add_argument("--tls", action="store_true", help="HTTPS, with a certificate authority made for this run")
    parser.add_argument("--http2", action="store_true", help="offer HTTP/2 as well; with --tls, needs python3-h2")
    parser.add_argument("--script", metavar="FILE", help="faults by the clock (default: none)")
    parser.add_argument("--samples", default=data, metavar="FILE", help="the vendors' answers (default: %(default)s)")
    parser.add_argument("--seed", default="1", help="of the jitter (default: %(default)s)")
    options = parser.parse_args()
    for n in options.listen:
        if n.partition("=")[2] not in vendors.VENDORS:
            parser.error(f"--listen {n}: want NAME=PROVIDER, where PROVIDER is one of {', '.join(vendors.VENDORS)}")
    options.wanted = dict(n.split("=", 1) for n in options.listen) or {name: name for name in vendors.VENDORS}
    if options.http2 and not options.tls:
        parser.error("--http2 needs --tls")
    try:
        options.script = faults.read_script(options.script, options.wanted) if options.script else ([], None)
    except (OSError, ValueError) as e:
        parser.error(f"--script: {e}")
    with tempfile.TemporaryDirectory(prefix="standins-") as directory:
        asyncio.run(run(options, directory))


if __name__ == "__main__":
    sys.exit(main())
