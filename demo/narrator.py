"""What the person at the terminal reads: chapters, lines with the time, and one line of progress.

Called by story.py and __main__.py. Colours and the moving line only appear on a terminal.
"""

import os
import shutil
import sys
import time


class Narrator:
    """Prints to standard output; `clock` starts with the story."""

    def __init__(self, out=sys.stdout):
        self.out = out
        self.live = out.isatty() and os.environ.get("TERM") != "dumb"
        self.colours = self.live and "NO_COLOR" not in os.environ
        self.begun = None
        self.moving = False

    def start(self):
        self.begun = time.monotonic()

    @property
    def seconds(self):
        return 0.0 if self.begun is None else time.monotonic() - self.begun

    def chapter(self, title):
        self._print("")
        self._print(self._paint("1", f"── {title} " + "─" * max(0, 86 - len(title))))

    def say(self, text):
        stamp = "" if self.begun is None else self._paint("2", f"{self.seconds:6.1f} s  ")
        self._print(stamp + text)

    def good(self, text):
        self.say(self._paint("32", "✓ ") + text)

    def bad(self, text):
        self.say(self._paint("31", "✗ ") + text)

    def command(self, text):
        self._print(self._paint("36", f"          $ {text}"))

    def quote(self, text, lines=40):
        """Output of the product, as it is."""
        all_lines = text.rstrip().splitlines()
        for line in all_lines[:lines]:
            self._print(f"          {line}")
        if len(all_lines) > lines:
            self._print(f"          … and {len(all_lines) - lines} more lines")

    def progress(self, text):
        """Replaces the moving line; nothing where there is no terminal."""
        if self.live:
            width = shutil.get_terminal_size().columns
            self.out.write("\r\x1b[K" + self._paint("2", f"{self.seconds:6.1f} s  {text}"[:width - 1]))
            self.out.flush()
            self.moving = True

    def _print(self, text):
        if self.moving:
            self.out.write("\r\x1b[K")
            self.moving = False
        print(text, file=self.out, flush=True)

    def _paint(self, code, text):
        return f"\x1b[{code}m{text}\x1b[0m" if self.colours else text
