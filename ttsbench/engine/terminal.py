r"""Standard output and the terminal: results only go to standard output, and names cannot send control sequences.

>>> visible("clip\x1b[2J.wav")
'clip\\x1b[2J.wav'
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TextIO

# Categories of Unicode: control characters and lone surrogates (bytes of a name that are not UTF-8).
HIDDEN_CATEGORIES = {"Cc", "Cs"}
BIDIRECTIONAL_CONTROLS = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

_results: TextIO | None = None


def visible(text: str) -> str:
    """Return the text with control characters, other than line feed and tab, written as escape sequences.

    File names and texts come from anywhere; sent as they are, they could clear the screen or retitle the window.
    """
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    if character in "\n\t" or character.isprintable():
        return character
    if unicodedata.category(character) in HIDDEN_CATEGORIES or character in BIDIRECTIONAL_CONTROLS:
        return character.encode("unicode_escape").decode("ascii")
    return character


@contextmanager
def reserved_stdout() -> Iterator[None]:
    """Reserve standard output for ``write_result``: what plug-ins print meanwhile goes to standard error."""
    global _results
    previous, _results = _results, sys.stdout
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _results = previous


def write_result(text: str) -> None:
    """Write a result to standard output."""
    stream = _results or sys.stdout
    stream.write(visible(text))
    stream.flush()
