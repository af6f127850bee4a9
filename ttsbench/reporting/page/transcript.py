"""Align the transcript of a recogniser with the text, word by word, as word error rates count them.

The alignment has the smallest number of edits: V. I. Levenshtein, "Binary codes capable of correcting deletions,
insertions, and reversals", Soviet Physics Doklady 10(8), 1966.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ttsbench.data.contractions import expanded
from ttsbench.data.text import unreadable_letters, words


class AlignedWord(NamedTuple):
    """A word of the text and the recognised word in its place; either is empty without a counterpart."""

    text: str
    recognised: str


def compare_words(text: str, transcript: str) -> list[AlignedWord]:
    """Normalise both as ``metrics/intelligibility.py`` does, and align them."""
    return align(_shown(text), _shown(transcript))


def align(text: Sequence[str], recognised: Sequence[str]) -> list[AlignedWord]:
    """Return pairs in order; the number of pairs that differ is the edit distance."""
    cost = np.zeros((len(text) + 1, len(recognised) + 1), dtype=np.int64)
    cost[:, 0], cost[0] = np.arange(len(text) + 1), np.arange(len(recognised) + 1)
    for i, word in enumerate(text, start=1):
        for j, other in enumerate(recognised, start=1):
            cost[i, j] = min(cost[i - 1, j - 1] + (word != other), cost[i - 1, j] + 1, cost[i, j - 1] + 1)
    i, j, pairs = len(text), len(recognised), list[AlignedWord]()
    while i or j:
        if i and j and cost[i, j] == cost[i - 1, j - 1] + (text[i - 1] != recognised[j - 1]):
            i, j = i - 1, j - 1
            pairs.append(AlignedWord(text[i], recognised[j]))
        elif i and cost[i, j] == cost[i - 1, j] + 1:
            i -= 1
            pairs.append(AlignedWord(text[i], ""))
        else:
            j -= 1
            pairs.append(AlignedWord("", recognised[j]))
    return pairs[::-1]


def _shown(text: str) -> list[str]:
    """Return the words of a text; in other scripts than Latin, the words between spaces or the characters."""
    if not unreadable_letters(text):
        return expanded(words(text))
    return text.split() if " " in text.strip() else list(text.strip())
