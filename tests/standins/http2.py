# SPDX-License-Identifier: Apache-2.0
"""A stand-in's side of HTTP/2, with the faults as that protocol has them: a stream is reset where HTTP/1.1 resets the connection."""

import asyncio

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions

# What this protocol has no like of, or what the library will not do.
MISSING = {"endless_headers"}


class Connection:
    """serve() until the client goes. make_request: of (method, target, headers, body)."""

    def __init__(self, standin, make_request, reader, writer):
        self.standin, self.make_request, self.reader, self.writer = standin, make_request, reader, writer
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self.requests = {}  # those that are not whole yet, by stream
        self.answers = {}   # tasks, by stream
        self.room = asyncio.Event()  # the client may have given more of it

    async def serve(self):
        self.h2.initiate_connection()
        try:
            while True:
                await self.flush()
                data = await self.reader.read(65536)
                if not data or not self.take(data):
                    return
        except (ConnectionError, h2.exceptions.ProtocolError):
            pass
        finally:
            for task in self.answers.values():
                task.cancel()

    def take(self, data):
        """False: the client says good-bye."""
        for event in self.h2.receive_data(data):
            stream = getattr(event, "stream_id", None)
            if isinstance(event, h2.events.RequestReceived):
                self.requests[stream] = (dict(event.headers), bytearray())
            elif isinstance(event, h2.events.DataReceived):
                self.requests[stream][1].extend(event.data)
                self.h2.acknowledge_received_data(event.flow_controlled_length, stream)
            elif isinstance(event, h2.events.StreamEnded):
                headers, body = self.requests.pop(stream)
                request = self.make_request(headers.pop(":method"), headers.pop(":path"), headers, bytes(body))
                self.answers[stream] = asyncio.create_task(self.answer(stream, request))
            elif isinstance(event, h2.events.StreamReset):
                self.requests.pop(stream, None)
                if stream in self.answers:
                    self.answers.pop(stream).cancel()
            elif isinstance(event, h2.events.ConnectionTerminated):
                return False
        self.room.set()
        return True

    async def flush(self):
        self.writer.write(self.h2.data_to_send())
        await self.writer.drain()

    async def answer(self, stream, request):
        try:
            fault, details = await self.standin.begin(request)
            await getattr(self, "do_" + fault, self.do_answer)(stream, request, fault, details)
            await self.flush()
        except (ConnectionError, h2.exceptions.ProtocolError):
            pass  # the client did not want it any more
        finally:
            self.answers.pop(stream, None)

    def head(self, stream, answer, length, more=(), end=False):
        self.standin.statuses[answer.status] += 1
        headers = [(":status", str(answer.status)), *((k.lower(), v) for k, v in answer.headers.items()), *more]
        if length is not None:
            headers.append(("content-length", str(length)))
        self.h2.send_headers(stream, headers, end_stream=end)

    async def data(self, stream, data, end=False):
        """As the client gives room for it."""
        while data or end:
            n = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size, len(data))
            if n == 0 and data:
                self.room.clear()
                await self.flush()
                await self.room.wait()
                continue
            self.h2.send_data(stream, data[:n], end_stream=end and n == len(data))
            data, end = data[n:], end and n < len(data)
        await self.flush()

    async def do_answer(self, stream, request, fault, details, more=()):
        answer = self.standin.compose(request, fault, details)
        body = b"" if request.method == "HEAD" else answer.body
        self.head(stream, answer, len(answer.body), more, end=not body)
        if body:
            await self.data(stream, body, end=True)

    async def do_hang(self, *_):
        await asyncio.sleep(3600)

    async def do_reset(self, stream, *_):
        self.h2.reset_stream(stream, h2.errors.ErrorCodes.INTERNAL_ERROR)

    async def do_empty(self, *_):
        self.h2.close_connection()
        await self.flush()
        self.writer.close()

    async def do_half(self, stream, request, *_):
        answer = self.standin.compose(request, "ok", {})
        self.head(stream, answer, len(answer.body))
        await self.data(stream, answer.body[:len(answer.body) // 2])
        self.h2.reset_stream(stream, h2.errors.ErrorCodes.INTERNAL_ERROR)

    async def do_slow(self, stream, request, _fault, details):
        answer = self.standin.compose(request, "ok", {})
        self.head(stream, answer, len(answer.body))
        for i in range(len(answer.body)):
            await self.data(stream, answer.body[i:i + 1], end=i == len(answer.body) - 1)
            await asyncio.sleep(details.get("byteMs", 50) / 1000)

    async def do_huge_headers(self, stream, request, _fault, details):
        await self.do_answer(stream, request, "ok", details, [(f"x-filler-{i}", "f" * 1000) for i in range(200)])

    async def do_endless_body(self, stream, request, *_):
        self.head(stream, self.standin.compose(request, "ok", {}), None)
        while True:
            await self.data(stream, b"f" * 16384)

    async def do_not_http(self, *_):
        self.writer.write(b"220 mail.example ESMTP ready\r\n")
        await self.writer.drain()
        self.writer.close()
