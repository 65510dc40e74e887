"""Reads five lines with the model, and counts those that are right."""

import os

import mlflow
import onnxruntime

import text

session = onnxruntime.InferenceSession(os.environ["MAINSPAN_IN_MODEL"])
characters = text.characters(session.get_modelmeta().custom_metadata_map)
[given] = session.get_inputs()
right = 0
for line in text.LINES:
    [scores] = session.run(None, {given.name: text.pixels(text.drawn(line))})
    got = text.read(scores[0], characters)
    right += got == line
    print(f"{line!r} is read as {got!r}")
with mlflow.start_run():
    mlflow.log_metric("right", right)
