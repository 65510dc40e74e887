"""The model, pictures of text as it takes them, and the text of what it gives."""

from importlib.metadata import distribution
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

# The model's input: three channels, 48 pixels high, as wide as the text.
HEIGHT = 48
LINES = ["Mainspan", "Hello World", "ONNX 2026", "Gateway", "bridge to production"]


def model():
    """The model's file in the wheel that it comes in; the package itself, which needs many others, is not imported."""
    package = distribution("rapidocr-onnxruntime")
    [file] = [file for file in package.files if "_rec_" in file.name and file.suffix == ".onnx"]
    return Path(package.locate_file(file))


def drawn(line):
    """A picture of a line, dark on white."""
    font = ImageFont.load_default(size=30)
    width = int(font.getlength(line)) + 40
    picture = Image.new("RGB", (width, HEIGHT), "white")
    ImageDraw.Draw(picture).text((20, 4), line, "black", font)
    return picture


def pixels(picture):
    """The model's input: [1, 3, 48, width], from -1 to 1."""
    values = np.asarray(picture, np.float32).transpose(2, 0, 1) / 255
    return ((values - 0.5) / 0.5)[None]


def characters(metadata):
    """What each place of the output stands for; the first is nothing, the last a space."""
    return ["", *metadata["character"].splitlines(), " "]


def read(scores, characters):
    """The text of [width, places]: the best place of each column, repeats and nothing left out."""
    best = scores.argmax(axis=1)
    kept = [place for at, place in enumerate(best) if place and (at == 0 or place != best[at - 1])]
    return "".join(characters[place] for place in kept).strip()
