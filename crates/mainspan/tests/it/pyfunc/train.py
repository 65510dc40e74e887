"""A step that trains one of the models, and hands the folder that MLflow wrote on."""

import os
import shutil
import sys
import tempfile

import pyfunc_models

with tempfile.TemporaryDirectory() as folder:
    trained = getattr(pyfunc_models, sys.argv[1])(folder)
    path = trained if isinstance(trained, str) else trained[0]
    shutil.copytree(path, os.environ["MAINSPAN_OUT_MODEL"])
