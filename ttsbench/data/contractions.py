"""Contractions written out, so that "don't" and "do not" are one thing to a word error rate.

A recogniser writes whichever form it learnt, and a listener hears the text either way. After ``words`` both sides go
through the same table. "'s" is "is" after pronouns and question words and stays what it is elsewhere, where it is
mostly a genitive; "'d" is "would", its commoner reading. "cannot" parts into two words, as "can not" does.
"""

from __future__ import annotations

from collections.abc import Iterable

_WHOLE = {"can't": "can not", "cannot": "can not", "won't": "will not", "shan't": "shall not", "ain't": "is not",
          "let's": "let us", "y'all": "you all", "ma'am": "madam", "o'clock": "o'clock"}  # fmt: skip
_ENDINGS = {"n't": "not", "'re": "are", "'ll": "will", "'ve": "have", "'m": "am", "'d": "would"}
_IS = {"he", "she", "it", "that", "this", "what", "who", "where", "when", "how", "why", "there", "here"}


def expanded(words: Iterable[str]) -> list[str]:
    """Normalised words with contractions written out: "they'll" becomes "they", "will"."""
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
