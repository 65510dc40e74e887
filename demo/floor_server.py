"""A plain server for the floor: the same model, the same traffic, nothing else.

Run by hand (see docs/performance.md), with the Python of the example's lock:
`python -m demo.floor_server MODEL PORT`. The product is measured against it.
"""

import asyncio
import json
import sys

import numpy as np
import onnxruntime

TYPES = {"tensor(string)": object}


class Server(asyncio.Protocol):
    """Answers keep-alive POSTs of one plain row each; label batches are taken and dropped."""

    session = None
    inputs = None

    def connection_made(self, transport):
        self.transport, self.buffer = transport, b""

    def data_received(self, data):
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        at = self.buffer.lower().find(b"content-length:") + 15
        length = int(self.buffer[at:self.buffer.find(b"\r\n", at)])
        if len(self.buffer) < end + 4 + length:
            return
        row, self.buffer = json.loads(self.buffer[end + 4:]), b""
        answer = {} if isinstance(row, list) else {"prediction": self.predict(row), "version": 1}
        body = json.dumps(answer).encode()
        self.transport.write(b"HTTP/1.1 200 OK\r\nmainspan-version: 1\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))

    def predict(self, row):
        columns = {name: np.array([[row[name]]], kind) for name, kind in self.inputs}
        return float(self.session.run(None, columns)[0][0, 0])


async def main(model, port):
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    Server.session = onnxruntime.InferenceSession(model, settings)
    Server.inputs = [(tensor.name, TYPES.get(tensor.type, np.float32)) for tensor in Server.session.get_inputs()]
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", int(port))
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
