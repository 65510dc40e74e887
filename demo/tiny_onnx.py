"""Writes a small ONNX file by hand: `delay = dep_delay + constant`.

Called by story.py for the project that measures how long a commit takes to answer: its
only step copies a finished file, and each commit needs another one. The standard library
knows no ONNX, but the format is protobuf (onnx/onnx:onnx/onnx.proto), and this graph is
150 bytes.
"""

import struct


def adding(constant):
    """The model as bytes."""
    value = _number(2, 1) + _field(8, b"shift") + _field(9, struct.pack("<f", constant))
    node = _field(1, b"dep_delay") + _field(1, b"shift") + _field(2, b"delay") + _field(4, b"Add")
    graph = (_field(1, node) + _field(2, b"tiny") + _field(5, value)
             + _field(11, _tensor(b"dep_delay")) + _field(12, _tensor(b"delay")))
    opset = _field(1, b"") + _number(2, 17)
    return _number(1, 8) + _field(2, b"mainspan demo") + _field(7, graph) + _field(8, opset)


def _tensor(name):
    """ValueInfoProto: float[rows, 1]."""
    shape = _field(1, _field(2, b"rows")) + _field(1, _number(1, 1))
    return _field(1, name) + _field(2, _field(1, _number(1, 1) + _field(2, shape)))


def _varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number(field, value):
    return _varint(field << 3) + _varint(value)


def _field(field, data):
    return _varint(field << 3 | 2) + _varint(len(data)) + data
