"""One keep-alive HTTP/1.1 connection for the load client: raw, quick, without retries.

Called by load.py. It must never send a request twice: what fails is reported as
failed. The standard library's clients would cost several times the CPU per request
on cores that the product needs.
"""

import asyncio


class Answer:
    """What came back: `status` is 0 when the connection broke, and `body` says why."""

    __slots__ = ("status", "version", "body")

    def __init__(self, status, version, body):
        self.status, self.version, self.body = status, version, body


class Connection(asyncio.Protocol):
    """Carries one request at a time."""

    def __init__(self):
        self.transport = None
        self.waiter = None
        self.buffer = b""

    @classmethod
    async def open(cls, host, port):
        _, connection = await asyncio.get_running_loop().create_connection(cls, host, port)
        return connection

    @property
    def usable(self):
        return self.transport is not None and not self.transport.is_closing()

    def send(self, head, body):
        """Sends a POST; `head` is the request line and the headers but for the length."""
        self.waiter = asyncio.get_running_loop().create_future()
        self.transport.write(b"%s%d\r\n\r\n%s" % (head, len(body), body))
        return self.waiter

    def close(self):
        if self.transport is not None:
            self.transport.close()

    def connection_made(self, transport):
        self.transport = transport

    def connection_lost(self, error):
        self.transport = None
        self._settle(Answer(0, None, str(error or "connection closed").encode()))

    def data_received(self, data):
        self.buffer = self.buffer + data if self.buffer else data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.buffer[:end].lower()
        length = int(_header(head, b"\r\ncontent-length:") or 0)
        if len(self.buffer) < end + 4 + length:
            return
        body, self.buffer = self.buffer[end + 4:end + 4 + length], self.buffer[end + 4 + length:]
        version = _header(head, b"\r\nmainspan-version:")
        if b"\r\nconnection: close" in head:
            self.transport.close()
        self._settle(Answer(int(head[9:12]), version.decode() if version else None, body))

    def _settle(self, answer):
        waiter, self.waiter = self.waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(answer)


def _header(head, name):
    start = head.find(name)
    if start < 0:
        return None
    start += len(name)
    end = head.find(b"\r\n", start)
    return head[start:end if end >= 0 else len(head)].strip()
