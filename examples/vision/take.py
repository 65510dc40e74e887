"""Takes the model that reads a line of text out of the wheel that it came in."""

import os
import shutil
from importlib.resources import files

[model] = [file for file in (files("rapidocr_onnxruntime") / "models").iterdir() if "_rec_" in file.name]
shutil.copyfile(model, os.environ["MAINSPAN_OUT_MODEL"])
print(model.name)
