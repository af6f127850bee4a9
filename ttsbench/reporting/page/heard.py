"""What a recogniser heard against what was to be said, word by word, over the words that word error rates count.

The alignment is one of those with the fewest edits, V. I. Levenshtein, "Binary codes capable of correcting deletions,
insertions, and reversals", Soviet Physics Doklady 10(8), 1966.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ttsbench.data.contractions import expanded
from ttsbench.data.text import words


class Word(NamedTuple):
    """A word of the text, and what was heard in its place; either is empty where it has no counterpart."""

    said: str
    heard: str


def compared(text: str, transcript: str) -> list[Word]:
    """Both normalised as ``metrics/intelligibility.py`` does it, and aligned."""
    return aligned(expanded(words(text)), expanded(words(transcript)))


def aligned(said: Sequence[str], heard: Sequence[str]) -> list[Word]:
    """Pairs in order; those that differ are as many as the edits."""
    cost = np.zeros((len(said) + 1, len(heard) + 1), dtype=np.int64)
    cost[:, 0], cost[0] = np.arange(len(said) + 1), np.arange(len(heard) + 1)
    for i, one in enumerate(said, start=1):
        for j, other in enumerate(heard, start=1):
            cost[i, j] = min(cost[i - 1, j - 1] + (one != other), cost[i - 1, j] + 1, cost[i, j - 1] + 1)
    i, j, found = len(said), len(heard), list[Word]()
    while i or j:
        if i and j and cost[i, j] == cost[i - 1, j - 1] + (said[i - 1] != heard[j - 1]):
            i, j = i - 1, j - 1
            found.append(Word(said[i], heard[j]))
        elif i and cost[i, j] == cost[i - 1, j] + 1:
            i -= 1
            found.append(Word(said[i], ""))
        else:
            j -= 1
            found.append(Word("", heard[j]))
    return found[::-1]
