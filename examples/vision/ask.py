"""Reads lines through the gateway: `python ask.py [LINE …]`.

The model's file is only needed for what its output stands for: its metadata has the characters.
"""

import os
import sys

import onnx
import tritonclient.http as triton

import text

model = onnx.load(text.model())
characters = text.characters({entry.key: entry.value for entry in model.metadata_props})
client = triton.InferenceServerClient(os.environ.get("ADDRESS", "127.0.0.1:7080"))
[described] = client.get_model_metadata("reader")["inputs"]
for line in sys.argv[1:] or text.LINES:
    pixels = text.pixels(text.drawn(line))
    given = triton.InferInput(described["name"], pixels.shape, "FP32")
    given.set_data_from_numpy(pixels)
    answer = client.infer("reader", [given])
    [output] = answer.get_response()["outputs"]
    print(text.read(answer.as_numpy(output["name"])[0], characters))
