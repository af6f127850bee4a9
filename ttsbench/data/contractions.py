"""Expansion of contractions, so that a word error rate treats "don't" and "do not" as equal.

A recogniser writes the form it was trained on, so reference and transcript go through the same table after ``words``.
"'s" becomes "is" after pronouns and question words and is unchanged elsewhere, where it is mostly a genitive; "'d"
becomes "would", its more frequent reading. "cannot" becomes two words.
"""

from __future__ import annotations

from collections.abc import Iterable

_WHOLE = {"can't": "can not", "cannot": "can not", "won't": "will not", "shan't": "shall not", "ain't": "is not",
          "let's": "let us", "y'all": "you all", "ma'am": "madam", "o'clock": "o'clock"}  # fmt: skip
_ENDINGS = {"n't": "not", "'re": "are", "'ll": "will", "'ve": "have", "'m": "am", "'d": "would"}
_IS = {"he", "she", "it", "that", "this", "what", "who", "where", "when", "how", "why", "there", "here"}


def expanded(words: Iterable[str]) -> list[str]:
    """Return normalised words with contractions written out.

    >>> expanded(["they'll", "know", "the", "king's", "name"])
    ['they', 'will', 'know', 'the', "king's", 'name']
    """
    return [part for word in words for part in _expand(word)]


def _expand(word: str) -> list[str]:
    if word in _WHOLE:
        return _WHOLE[word].split()
    if word.endswith("'s") and word[:-2] in _IS:
        return [word[:-2], "is"]
    for ending, full in _ENDINGS.items():
        if word.endswith(ending) and len(word) > len(ending):
            return [*_expand(word.removesuffix(ending)), full]
    return [word]
