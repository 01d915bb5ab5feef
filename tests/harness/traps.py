# SPDX-License-Identifier: Apache-2.0
"""A station that receives SNMPv2 notifications: as much of BER as they take."""

import socket
import time


def elements(data):
    """The (tag, content) pairs of BER."""
    i = 0
    while i < len(data):
        tag, size, i = data[i], data[i + 1], i + 2
        if size & 0x80:
            n = size & 0x7F
            size, i = int.from_bytes(data[i:i + n], "big"), i + n
        yield tag, data[i:i + size]
        i += size


def oid(content):
    numbers, n = [content[0] // 40, content[0] % 40], 0
    for byte in content[1:]:
        n = n << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(n)
            n = 0
    return ".".join(map(str, numbers))


def value(tag, content):
    if tag in (0x02, 0x41, 0x42, 0x43, 0x46):  # INTEGER, Counter32, Gauge32, TimeTicks, Counter64
        return int.from_bytes(content, "big", signed=tag == 0x02)
    return oid(content) if tag == 0x06 else content.decode(errors="replace") if tag == 0x04 else content


class Station:
    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.received = []  # a dict of OID and value for each notification

    def close(self):
        self.socket.close()

    def poll(self):
        """Takes what has come; returns all that was received so far."""
        self.socket.setblocking(False)
        while True:
            try:
                packet = self.socket.recv(65536)
            except BlockingIOError:
                return self.received
            (_, message), = elements(packet)
            pdu = list(elements(message))[2][1]
            variables = list(elements(pdu))[3][1]
            pairs = (list(elements(v)) for _, v in elements(variables))
            self.received.append({oid(name): value(*what) for (_, name), what in pairs})

    def quiet(self, seconds):
        """Whether nothing comes for that long."""
        before, end = len(self.poll()), time.monotonic() + seconds
        while time.monotonic() < end:
            if len(self.poll()) > before:
                return False
            time.sleep(0.02)
        return True
