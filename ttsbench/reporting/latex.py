"""Escape any text for LaTeX and build floats; the output is ASCII and compiles with any engine and font encoding.

Needs ``booktabs``. Widths are for a two-column page of 7 in with columns of 3.3 in, at 10 pt.
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Sequence

COLUMN_POINTS = 238.0
TEXT_POINTS = 505.0
GAPS = (6.0, 4.0)  # points between two columns of a tabular; the smaller one if a table fits only with it
CHARACTER_POINTS = 3.9  # of \footnotesize, on average
SMALL_POINTS = 3.45  # of \scriptsize
NAME_POINTS = 125.0  # maximum width of a row's name; longer names are wrapped
HEAD_CHARACTERS = 12
PREAMBLE = "needs \\usepackage{booktabs}"

SPECIAL = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", **{character: rf"\{character}" for character in "&%$#_{}"},
    "\u00a0": "~", "–": "--", "—": "---", "‘": "`", "’": "'", "“": "``", "”": "''", "…": r"\ldots{}",
    "ß": r"\ss{}", "æ": r"\ae{}", "Æ": r"\AE{}", "œ": r"\oe{}", "Œ": r"\OE{}", "ø": r"\o{}", "Ø": r"\O{}",
    "ł": r"\l{}", "Ł": r"\L{}", "ı": r"\i{}",
}  # fmt: skip
MATHS = {
    "↑": "uparrow", "↓": "downarrow", "→": "rightarrow", "←": "leftarrow", "†": "dagger", "‡": "ddagger",
    "∗": "ast", "±": "pm", "×": "times", "·": "cdot", "−": "-", "≤": "leq", "≥": "geq", "≠": "neq", "≈": "approx",
    "∞": "infty", "°": "circ", "µ": "mu", "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon",
    "θ": "theta", "λ": "lambda", "μ": "mu", "π": "pi", "σ": "sigma", "τ": "tau", "φ": "phi", "ω": "omega",
    "Δ": "Delta", "Σ": "Sigma", "Ω": "Omega",
}  # fmt: skip
ACCENTS = dict(zip("\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327", "`'^~=u.\"rHvc",
                   strict=True))  # fmt: skip


def escape(text: str) -> str:
    """Return any text as ASCII LaTeX; characters without a common glyph become their code point, such as U+65E5."""
    words = " ".join(text.split())
    return "".join(
        _character(character) + ("{}" if character == after == "-" else "")  # two hyphens must not become a dash
        for character, after in zip(words, f"{words[1:]} ", strict=False)
    )


def _character(character: str) -> str:
    if character in SPECIAL:
        return SPECIAL[character]
    if character in MATHS:
        name = MATHS[character]
        return rf"\ensuremath{{{name if len(name) == 1 else chr(92) + name}}}"
    if character.isascii() and character.isprintable():
        return character
    parts = unicodedata.normalize("NFD", character)
    if len(parts) == 2 and parts[0].isascii() and parts[1] in ACCENTS:
        base = rf"\{parts[0]}" if parts[0] in "ij" else parts[0]
        return rf"\{ACCENTS[parts[1]]}{{{base}}}"
    return f"U+{ord(character):04X}"


def number(text: str) -> str:
    """Return a number or an interval with a true minus sign."""
    return text.replace("-", "$-$")


def breaking(text: str) -> str:
    """Return a signature in typewriter type that may break after every bar."""
    escaped = escape(text)
    for character, escape_code in (("<", SPECIAL["<"]), (">", SPECIAL[">"]), (r"|\allowbreak{}", SPECIAL["|"])):
        escaped = escaped.replace(escape_code, character)  # typewriter type has these in every encoding
    return rf"\texttt{{{escaped}}}"


def head(title: str, unit: str, arrow: str) -> str:
    """Return the heading of a column in short lines, with the unit on its own line."""
    lines = [escape(line) for line in wrapped(title)] + ([f"({escape(unit)})"] if unit else [])
    return rf"\shortstack{{{(chr(92) * 2).join(lines)} {escape(arrow)}}}"


def wrapped(title: str) -> list[str]:
    """Split a heading into lines about as wide as a number with its interval."""
    return textwrap.wrap(title, HEAD_CHARACTERS, break_long_words=False) or [""]


def table(
    tabular: Sequence[str], caption: str, label: str, notes: Sequence[str], points: float, gap: float = GAPS[0]
) -> list[str]:
    """Return a float, over two columns if ``points`` exceeds the width of one.

    ``notes`` (escaped) go below it; ``gap`` is the space between two columns in points.
    """
    kind = "table" if points <= COLUMN_POINTS else "table*"
    small = rf"\par\smallskip\raggedright\scriptsize {' '.join(notes)}"
    return [
        rf"\begin{{{kind}}}[tp]", rf"\centering\footnotesize\setlength{{\tabcolsep}}{{{gap / 2:g}pt}}",
        r"\setlength{\belowcaptionskip}{4pt}", rf"\caption{{{caption}}}",
        rf"\label{{{label}}}", *tabular, *([small] if notes else []), rf"\end{{{kind}}}",
    ]  # fmt: skip
