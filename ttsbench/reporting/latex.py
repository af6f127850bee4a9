"""LaTeX that compiles whatever the text is, with any engine and font encoding: it holds ASCII alone.

Needs ``booktabs``. Widths are those of two columns of 3.3 in on a page of 7 in, at 10 pt.
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Sequence

COLUMN_POINTS = 238.0
TEXT_POINTS = 505.0
GAP_POINTS = 6.0  # between two columns of a tabular, at the \tabcolsep below
CHARACTER_POINTS = 3.9  # of \footnotesize, on average
SMALL_POINTS = 3.45  # of \scriptsize
NAME_POINTS = 125.0  # of a row's name, beyond which it goes on in another line
HEAD_CHARACTERS = 14
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
    """Any text as LaTeX in ASCII. What no common font has stands as its code, such as U+65E5: nothing is lost."""
    words = " ".join(text.split())
    return "".join(
        _character(character) + ("{}" if character == after == "-" else "")  # two hyphens of a name are no dash
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
    """A number or an interval, with a minus that is no hyphen."""
    return text.replace("-", "$-$")


def breaking(text: str) -> str:
    """Escaped text in typewriter type that may break after every bar: a signature."""
    escaped = escape(text)
    for character, told in (("<", SPECIAL["<"]), (">", SPECIAL[">"]), (r"|\allowbreak{}", SPECIAL["|"])):
        escaped = escaped.replace(told, character)  # typewriter type has these in every encoding
    return rf"\texttt{{{escaped}}}"


def head(title: str, unit: str, arrow: str) -> str:
    """A heading of a column, in lines of a few words; the unit has a line of its own."""
    lines = [escape(line) for line in wrapped(title)] + ([f"({escape(unit)})"] if unit else [])
    return rf"\shortstack{{{(chr(92) * 2).join(lines)} {escape(arrow)}}}"


def wrapped(title: str) -> list[str]:
    """A heading's lines, of which none is much longer than a number with its interval."""
    return textwrap.wrap(title, HEAD_CHARACTERS, break_long_words=False) or [""]


def table(tabular: Sequence[str], caption: str, label: str, notes: Sequence[str], points: float) -> list[str]:
    """A float of one column, or of two where ``points`` is more than one holds; ``notes`` stand below, all escaped."""
    kind = "table" if points <= COLUMN_POINTS else "table*"
    small = rf"\par\smallskip\raggedright\scriptsize {' '.join(notes)}"
    return [
        rf"\begin{{{kind}}}[tp]", r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",
        r"\setlength{\belowcaptionskip}{4pt}", rf"\caption{{{caption}}}",
        rf"\label{{{label}}}", *tabular, *([small] if notes else []), rf"\end{{{kind}}}",
    ]  # fmt: skip
