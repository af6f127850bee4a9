"""Normalisers: from the text of an utterance, or a transcript, to the units that error rates count.

| name | languages | units |
|---|---|---|
| `english` | en | words with numbers, symbols and contractions spelled out |
| `spoken` | any | words in lower case, numbers spelled out where num2words knows the language, German ordinals too |
| `characters` | zh, ja, ko and other scripts without spaces | characters, numbers spelled out |
| `plain` | any | words in lower case without punctuation, numbers as written; characters without spaces |
| `whisper_english` | en | words, as Whisper's English normaliser writes them (numbers in digits) |
| `whisper_basic` | any | words, as Whisper's basic normaliser writes them: no punctuation, no symbols |

A. Radford et al., "Robust speech recognition via large-scale weak supervision", 2022, appendix C, describes the last
two; they come from the package `whisper-normalizer`. A text that a normaliser cannot read is refused: scoring what is
left of it would give a number for another text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from num2words import CONVERTER_CLASSES, num2words

from ttsbench.data.contractions import expanded
from ttsbench.data.german import read_ordinals
from ttsbench.data.mandarin import read_digits, read_number
from ttsbench.data.text import NORMALISER, unreadable_letters, words
from ttsbench.errors import ClipError, ConfigError

WITHOUT_SPACES = ("zh", "ja", "ko", "yue", "cmn", "th", "lo", "my", "km")  # languages whose units are characters
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_LETTERS = r"(?:[^\W_][\u0300-\u036f\u0900-\u0903\u093a-\u094f\u0981-\u0dff]*)+"  # with the marks of Indic scripts
_WORD = re.compile(rf"{_LETTERS}(?:'{_LETTERS})*")
_YEAR = re.compile(r"\d{4}(?=年)")
MANDARIN = ("zh", "cmn", "yue")
_LONGEST = 15  # digits of a number that is spelled out


class English:
    """A reading of English (``ttsbench.data.text``) with contractions expanded."""

    unit = "word"

    def __init__(self, language: str = "en") -> None:
        if base_language(language) != "en":
            raise ConfigError(f"The normaliser 'english' cannot read '{language}'; use 'spoken' or 'characters'.")
        self.signature = f"{NORMALISER}+contractions:v1"

    def units(self, text: str) -> list[str]:
        """Return the words; raises ``ClipError`` for letters without a reading in English."""
        if letters := unreadable_letters(text):
            raise ClipError(
                f"English has no reading of {letters[:12]!r} in {text[:40]!r}: set the language of the text "
                "(corpus.language), or spell it out"
            )
        return expanded(words(text))


class Spoken:
    """Words of any language with spaces: lower case, no punctuation, numbers spelled out where they can be."""

    unit = "word"

    def __init__(self, language: str = "en") -> None:
        self._language = language
        self._german = base_language(language) == "de"
        version = "v2" if self._german else "v1"
        self.signature = f"spoken:{version}:{language}" + ("" if _converter(language) else "|numbers:as-written")

    def units(self, text: str) -> list[str]:
        """Return the words, with apostrophes and accents."""
        text = unicodedata.normalize("NFKC", _without_invisible(text)).translate(_APOSTROPHES).casefold()
        text = read_ordinals(text) if self._german else text
        text = _NUMBER.sub(lambda match: f" {spell_number(match[0], self._language)} ", text)
        return _WORD.findall(text)


class Characters:
    """Characters of a language without spaces between words; punctuation does not count."""

    unit = "character"

    def __init__(self, language: str = "zh") -> None:
        self._language = language
        self.signature = f"characters:v1:{language}"

    def units(self, text: str) -> list[str]:
        """Return the letters and digits one by one, with numbers spelled out."""
        text = unicodedata.normalize("NFKC", _without_invisible(text)).casefold()
        if base_language(self._language) in MANDARIN:
            text = _YEAR.sub(lambda match: read_digits(match[0]), text)
        text = _NUMBER.sub(lambda match: spell_number(match[0], self._language), text)
        return [character for character in text if unicodedata.category(character)[0] in "LMN"]


class Plain:
    """Lower case without punctuation, apostrophes aside; numbers stay as they are written."""

    def __init__(self, language: str = "en") -> None:
        self._split = base_language(language) in WITHOUT_SPACES
        self.unit = "character" if self._split else "word"
        self.signature = "plain:v1" + ("|characters" if self._split else "")

    def units(self, text: str) -> list[str]:
        """Return the words, or the characters."""
        text = unicodedata.normalize("NFC", _without_invisible(text)).translate(_APOSTROPHES).lower()
        plain = "".join(" " if unicodedata.category(c)[0] in "PS" and c != "'" else c for c in text)
        return list("".join(plain.split())) if self._split else plain.split()


class WhisperEnglish:
    """The English normaliser of Whisper."""

    unit = "word"

    def __init__(self, language: str = "en") -> None:
        if base_language(language) != "en":
            raise ConfigError(f"The normaliser 'whisper_english' cannot read '{language}'; use 'whisper_basic'.")
        self.signature = f"whisper-english:{_whisper_version()}"

    @cached_property
    def _normaliser(self) -> Any:
        from whisper_normalizer.english import EnglishTextNormalizer

        return EnglishTextNormalizer()

    def units(self, text: str) -> list[str]:
        """Return the words; raises ``ClipError`` for letters without a reading in English."""
        if letters := unreadable_letters(text):
            raise ClipError(f"English has no reading of {letters[:12]!r} in {text[:40]!r}: use 'whisper_basic'")
        return str(self._normaliser(text)).split()


class WhisperBasic:
    """The basic normaliser of Whisper; languages without spaces are split into characters."""

    def __init__(self, language: str = "en") -> None:
        self._split = base_language(language) in WITHOUT_SPACES
        self.unit = "character" if self._split else "word"
        self.signature = f"whisper-basic:{_whisper_version()}" + ("|characters" if self._split else "")

    @cached_property
    def _normaliser(self) -> Any:
        from whisper_normalizer.basic import BasicTextNormalizer

        return BasicTextNormalizer(remove_diacritics=False, split_letters=self._split)

    def units(self, text: str) -> list[str]:
        """Return the words, or the characters."""
        return str(self._normaliser(text)).split()


def default_normaliser(language: str) -> str:
    """Return the name of the normaliser of a language."""
    base = base_language(language)
    return "english" if base == "en" else "characters" if base in WITHOUT_SPACES else "spoken"


def base_language(language: str) -> str:
    """Return the language without its region.

    >>> base_language("de-AT")
    'de'
    """
    return language.replace("_", "-").split("-")[0].lower()


def languages_of(language: str) -> tuple[str, ...]:
    """Return the languages that a setting such as ``de+en`` names.

    >>> languages_of("de+en")
    ('de', 'en')
    """
    return tuple(language.split("+"))


def language_among(name: str, languages: Sequence[str]) -> str | None:
    """Return the language that a name means: itself, another region of it, or the first of all for an empty name.

    >>> language_among("en-GB", ["de", "en"])
    'en'
    """
    if not name:
        return languages[0]
    same = [language for language in languages if base_language(language) == base_language(name)]
    return name if name in languages else next(iter(same), None)


def spell_number(number: str, language: str) -> str:
    """Return the reading of a number in a language; the number itself if nothing can spell it.

    >>> spell_number("2,5", "de")
    'zwei komma fünf'
    """
    decimal = "." if base_language(language) in ("en", "zh", "cmn", "yue", "ja", "ko", "th") else ","
    plain = number.replace("," if decimal == "." else ".", "").replace(decimal, ".")
    if plain.count(".") > 1 or len(plain) > _LONGEST:
        return number
    if base_language(language) in MANDARIN:
        return read_number(plain)
    converter = _converter(language)
    if converter is None:
        return number
    try:
        spelled = num2words(float(plain) if "." in plain else int(plain), lang=converter)
    # num2words raises NotImplementedError for languages without this form, the others for numbers beyond its tables.
    except (NotImplementedError, ArithmeticError, ValueError, TypeError, IndexError, KeyError):
        return number
    return re.sub(r"[-,]", " ", str(spelled)).casefold()


def _converter(language: str) -> str | None:
    """Return the name by which num2words, or this project, spells the numbers of a language."""
    base = base_language(language)
    if base in MANDARIN:
        return "zh"
    return next((name for name in (language.replace("-", "_"), base) if name in CONVERTER_CLASSES), None)


_APOSTROPHES = str.maketrans(dict.fromkeys("‘’‛ʼʹʻ´`′", "'"))


def _without_invisible(text: str) -> str:
    return "".join(character for character in text if unicodedata.category(character) != "Cf")


def _whisper_version() -> str:
    from importlib.metadata import version

    return version("whisper-normalizer")
