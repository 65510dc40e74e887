#!/usr/bin/env bash
# Makes target/test-python, a Python with the real clients that the end-to-end tests drive, from the hashed lock beside
# this script. Called by `make test` (through tests/prepare.sh); does nothing when the lock has not changed.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
target="${CARGO_TARGET_DIR:-$here/../../target}/test-python"
lock="$here/requirements.lock"
want="$(sha256sum "$lock" | cut -d' ' -f1)"
if [ "$(cat "$target/lock.sha256" 2>/dev/null)" = "$want" ] && [ -x "$target/bin/python" ]; then
    exit 0
fi
echo "preparing a Python with the MLflow client for the tests (a few minutes, once)"
rm -rf "$target"
mkdir -p "$(dirname "$target")"
"${PYTHON:-python3}" -m venv "$target"
if command -v uv >/dev/null; then
    uv pip install --quiet --python "$target/bin/python" --require-hashes -r "$lock"
else
    "$target/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
fi
echo "$want" >"$target/lock.sha256"
