"""German ordinal numbers in digits: ``1. Mai``, ``im 19. Jahrhundert`` and dates such as ``24.12.2024``.

A number with a full stop is an ordinal number before a month or a century, and after an article or a preposition that
contains one; elsewhere the stop may end a sentence, and the number stays a cardinal number. Digits do not show how an
ordinal number is inflected (``der erste``, ``am ersten``), so all its forms become the one in -e, in texts and
transcripts alike.
"""

from __future__ import annotations

import re
from functools import cache

from num2words import num2words

LARGEST = 100  # of the ordinal numbers whose inflected forms are joined
AFTER = ("januar", "jänner", "februar", "märz", "april", "mai", "juni", "juli", "august", "september", "oktober",
         "november", "dezember", "jahrhundert", "jahrhunderts", "jahrtausend", "jahrtausends")  # fmt: skip
BEFORE = ("der", "die", "das", "dem", "den", "des", "am", "im", "zum", "zur", "vom", "beim", "ins", "ans")
ENDINGS = ("e", "en", "er", "es", "em")
_DATE = re.compile(r"(?<![\d.,])(\d{1,2})\.\s?(\d{1,2})\.(?:\s?(\d{4})(?![\d.,]\d))?(?!\d)")
_ORDINAL = re.compile(
    rf"(?<![\d.,])(?:(?<=\b)(\d{{1,3}})\.(?=\s+(?:{'|'.join(AFTER)})\b)"
    rf"|(?P<before>\b(?:{'|'.join(BEFORE)})\s+)(\d{{1,3}})\.(?=\s+[^\W\d_]))"
)
_WORD = re.compile(r"[^\W\d_]+")


def read_ordinals(text: str) -> str:
    """Return a text in lower case with ordinal numbers as words in -e; cardinal numbers stay in digits.

    >>> read_ordinals("am 1. mai war er 21. dann ging er")
    'am erste mai war er 21. dann ging er'
    """
    text = _DATE.sub(_date, text)
    text = _ORDINAL.sub(lambda match: (match["before"] or "") + _ordinal(int(match[1] or match[3])), text)
    return _WORD.sub(lambda match: _inflected().get(match[0], match[0]), text)


def _date(match: re.Match[str]) -> str:
    """Return the reading of a date; other numbers between full stops stay as they are."""
    day, month = int(match[1]), int(match[2])
    if not (1 <= day <= 31 and 1 <= month <= 12):
        return match[0]
    return f"{_ordinal(day)} {_ordinal(month)}{f' {match[3]}' if match[3] else ''}"


@cache
def _ordinal(number: int) -> str:
    return str(num2words(number, lang="de", to="ordinal"))


@cache
def _inflected() -> dict[str, str]:
    """Return the form in -e of every inflected ordinal number up to ``LARGEST``."""
    forms = (_ordinal(number) for number in range(1, LARGEST + 1))
    return {form[:-1] + ending: form for form in forms for ending in ENDINGS}
