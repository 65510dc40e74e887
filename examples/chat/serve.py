"""Serves the weights beside this file with llama.cpp, in OpenAI's protocol, where the environment says."""

import os
import signal
import sys
from pathlib import Path

import xllamacpp


def start(folder, host, port, context=2048, at_a_time=2):
    """Starts the server; it answers at /health once the weights are loaded, and serves until this process ends."""
    [weights] = Path(folder).glob("*.gguf")
    settings = xllamacpp.CommonParams()
    settings.model.path = str(weights)
    settings.model_alias = {"smol"}
    settings.hostnames = [host]
    settings.port = port
    settings.n_parallel = at_a_time
    settings.n_ctx = context * at_a_time
    return xllamacpp.Server(settings)


if __name__ == "__main__":
    server = start(Path(__file__).parent, os.environ["HOST"], int(os.environ["PORT"]))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    signal.pause()
