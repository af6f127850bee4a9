"""Pronunciations of words: the dictionary of pocketsphinx, and espeak-ng for words that it lacks.

The phones are the 39 of the CMU Pronouncing Dictionary (ARPAbet in capitals, without stress,
http://www.speech.cs.cmu.edu/cgi-bin/cmudict), which are those of pocketsphinx' acoustic model besides silence.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path

from ttsbench.errors import ClipError

_ALL = "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH"
PHONES = frozenset(_ALL.split())

# espeak-ng's American English, then its phones of foreign names, mapped to the nearest English phone.
_IPA = {
    "aɪɚ": "AY ER", "aɪə": "AY AH", "aʊɚ": "AW ER", "eɪ": "EY", "aɪ": "AY", "ɔɪ": "OY", "aʊ": "AW", "oʊ": "OW",
    "əʊ": "OW", "oɪ": "OY", "iə": "IY AH", "əl": "AH L", "ɑː": "AA", "ɔː": "AO", "oː": "AO", "ɜː": "ER", "iː": "IY",
    "uː": "UW", "aː": "AA", "eː": "EY", "æ": "AE", "ɑ": "AA", "ɒ": "AA", "ɔ": "AO", "ə": "AH", "ɐ": "AH", "ʌ": "AH",
    "ɛ": "EH", "ɜ": "ER", "ɚ": "ER", "ɝ": "ER", "ɪ": "IH", "ᵻ": "IH", "ɨ": "IH", "i": "IY", "ʊ": "UH", "ᵿ": "UH",
    "u": "UW", "ʉ": "UW", "o": "OW", "e": "EY", "a": "AE", "y": "UW", "ø": "ER", "œ": "ER",
    "n̩": "AH N", "l̩": "AH L", "m̩": "AH M", "ɑ̃": "AA N", "ɔ̃": "AO N", "æ̃": "AE N", "ɛ̃": "AE N",
    "tʃ": "CH", "dʒ": "JH", "p": "P", "b": "B", "t": "T", "d": "D", "k": "K", "g": "G", "ɡ": "G", "f": "F", "v": "V",
    "θ": "TH", "ð": "DH", "s": "S", "z": "Z", "ʃ": "SH", "ʒ": "ZH", "h": "HH", "m": "M", "n": "N", "ŋ": "NG",
    "l": "L", "ɫ": "L", "ɹ": "R", "r": "R", "j": "Y", "w": "W", "ɾ": "T", "ʔ": "T", "x": "K", "ç": "HH", "ɬ": "L",
    "ɲ": "N Y", "ʍ": "W", "β": "V", "ɣ": "G", "ʁ": "R", "c": "K", "q": "K", "ɕ": "SH", "ʑ": "ZH",
}  # fmt: skip
_PLAIN_WORD = re.compile(r"[a-z]+(?:'[a-z]+)*")
_STRESS = dict.fromkeys(map(ord, "ˈˌ'‿ |_-"))
_ENTRY = re.compile(r"([a-z']+)(?:\(\d+\))? ([A-Z ]+)")


@cache
def dictionary() -> dict[str, str]:
    """Return the first pronunciation of each word, phones separated by spaces, from pocketsphinx' dictionary."""
    from pocketsphinx import get_model_path

    entries: dict[str, str] = {}
    with Path(get_model_path("en-us/cmudict-en-us.dict")).open(encoding="utf-8") as file:
        for line in file:
            entry = _ENTRY.fullmatch(line.rstrip())
            if entry:
                entries.setdefault(entry[1], entry[2])
    return entries


@lru_cache(maxsize=65536)
def pronounce(word: str) -> tuple[str, ...]:
    """Return the ARPAbet phones of one normalised word (see ``ttsbench.data.text.words``); at least one phone.

    Raises ``ClipError`` with the word if neither the dictionary nor espeak-ng has a pronunciation.

    >>> pronounce("hello")
    ('HH', 'AH', 'L', 'OW')
    """
    if not _PLAIN_WORD.fullmatch(word):
        raise ClipError(f"{word!r} is not a normalised word: pass the text through ttsbench.data.text.words first.")
    entry = dictionary().get(word)
    if entry is not None:
        return tuple(entry.split())
    from ttsbench.data.espeak.voice import phonemize

    return to_arpabet(phonemize(word), word)


def to_arpabet(symbols: Iterable[str], word: str) -> tuple[str, ...]:
    """Convert the IPA symbols of ``word`` to ARPAbet phones; raises ``ClipError`` with the word and the symbol.

    >>> to_arpabet(["h", "ə", "l", "oʊ"], "hello")
    ('HH', 'AH', 'L', 'OW')
    """
    phones: list[str] = []
    for symbol in symbols:
        rest = unicodedata.normalize("NFD", symbol.translate(_STRESS))
        while rest:
            size = next((size for size in (3, 2, 1) if rest[:size] in _DECOMPOSED), 0)
            if size:
                phones += _DECOMPOSED[rest[:size]].split()
            elif not _modifies(rest[0]):
                raise ClipError(
                    f"No ARPAbet phone corresponds to {rest[0]!r}, which espeak-ng uses in {word!r}: respell the word."
                )
            rest = rest[size or 1 :]
    if not phones:
        raise ClipError(f"espeak-ng has no pronunciation for {word!r}: respell the word.")
    return tuple(phones)


def _modifies(character: str) -> bool:
    """Return whether a character modifies the one before it: length, palatalisation, a diacritic."""
    return unicodedata.category(character) in {"Lm", "Mn"}


_DECOMPOSED = {unicodedata.normalize("NFD", symbol): phones for symbol, phones in _IPA.items()}
