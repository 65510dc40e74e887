"""The commits that the story makes apply to the example as it is."""

import ast
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from demo import flights, prepare, story, tiny_onnx


class Commits(unittest.TestCase):
    def test_each_patch_applies_where_the_story_applies_it(self):
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder) / "flights"
            shutil.copytree(prepare.ROOT / "examples" / "flights", work, ignore=shutil.ignore_patterns("data"))
            story.git(work, "init", "--quiet")
            story.commit_all(work, "begin")
            self.apply(work, "better")
            story.commit_all(work, "better")
            for kind, *_ in story.CANDIDATES:
                self.apply(work, kind)
                story.git(work, "reset", "--hard", "--quiet")

    def apply(self, work, name):
        patch = prepare.ROOT / "demo" / "commits" / f"{name}.patch"
        self.assertRegex(patch.read_text().splitlines()[0], r"^[A-Z].{10,}")
        story.git(work, "apply", "--index", patch)
        # A version that takes other inputs than the one before would not be rolled out by itself.
        self.assertIn("for name in REQUEST]", (work / "fit.py").read_text())
        self.assertEqual(self.request(work / "fit.py"), flights.REQUEST_NUMBERS)
        for script in work.glob("*.py"):
            subprocess.run([sys.executable, "-c", f"compile(open({str(script)!r}).read(), {script.name!r}, 'exec')"], check=True)

    @staticmethod
    def request(script):
        """What fit.py says that a request brings."""
        line = next(line for line in script.read_text().splitlines() if line.startswith("REQUEST = "))
        return ast.literal_eval(line.removeprefix("REQUEST = "))

    def test_the_tiny_model_is_the_same_bytes_for_the_same_number(self):
        self.assertEqual(len(tiny_onnx.adding(1.0)), 142)
        self.assertNotEqual(tiny_onnx.adding(1.0), tiny_onnx.adding(2.0))
        self.assertTrue(tiny_onnx.adding(1.0).startswith(b"\x08\x08\x12\rmainspan demo"))


if __name__ == "__main__":
    unittest.main()
