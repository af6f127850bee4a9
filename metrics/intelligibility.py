"""Word and character error rates of a transcript.

V. I. Levenshtein, "Binary codes capable of correcting deletions, insertions and reversals", 1966: the smallest number
of substitutions, insertions and deletions that turn the text into the transcript, divided by the length of the text.
`wer` and `cer` are corpus rates (sum of edits over sum of words), so a bad short sentence does not weigh as much as a
long one; `wer_utterances` is the mean of the rates of utterances, which some papers print, and `bad_cases` the share of
utterances with a rate above one half.

Text and transcript pass through the same normaliser: that of the language, or the one that the option names (`ttsbench
list normalisers`). The option `language` may name several languages, such as `de+en`; the normaliser then follows the
language of each utterance. For languages without spaces between words the units of all these rates are characters, so
`wer` cannot join such a language with one of words. The runner
knows the recogniser and appends it to the signature. A text that the normaliser cannot read or without words, and a
silent clip cannot be measured. An empty transcript can: it means that every word was lost.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from rapidfuzz.distance import Levenshtein

from ttsbench import registry
from ttsbench.audio.bandwidth import WIDEBAND_HZ
from ttsbench.audio.usable import require_usable
from ttsbench.data.normalisers import default_normaliser, language_among, languages_of
from ttsbench.data.text import unreadable_letters
from ttsbench.errors import ClipError, ConfigError, MeasurementError
from ttsbench.interfaces import Normaliser
from ttsbench.reductions import Mean, RatioOfSums
from ttsbench.types import Behaviour, Clip, MetricInfo

PAPER = "Levenshtein 1966; rates as in Morris et al. 2004, https://doi.org/10.21437/Interspeech.2004-668"
# A small change may make a recogniser mishear a clip, and it may find words in noise.
BEHAVIOUR = Behaviour(worsens=frozenset({"noise", "low_pass"}))
BAD = 0.5  # error rate of an utterance above which it is a bad case
UNREADABLE = "\ufffd"  # a word of a transcript in another script


def edits(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """Return the Levenshtein distance between two sequences, with all costs 1.

    >>> edits("kitten", "sitting")
    3
    >>> edits("the north wind".split(), "north wind blew".split())
    2
    """
    return int(Levenshtein.distance(reference, hypothesis))


def edit_counts(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[int, int, int]:
    """Return the numbers of substitutions, deletions and insertions of one shortest way of editing.

    >>> edit_counts("the north wind".split(), "north wind blew".split())
    (0, 1, 1)
    """
    kinds = [operation.tag for operation in Levenshtein.editops(reference, hypothesis)]
    return kinds.count("replace"), kinds.count("delete"), kinds.count("insert")


class _ErrorRate:
    """Text and transcript through the normaliser of their language."""

    info: MetricInfo
    _normalisers: Mapping[str, Normaliser]  # by language; the first is that of clips without a language

    def _describe(
        self, name: str, title: str, columns: tuple[str, ...], detail: str, normaliser: str, language: str
    ) -> None:
        """Set up normalisers and description; raises ``ConfigError`` for a language that its normaliser cannot read."""
        self._normalisers = {
            code: registry.load("normalisers", normaliser or default_normaliser(code))(code)
            for code in languages_of(language)
        }
        self.info = MetricInfo(
            name=name,
            title=title,
            unit="ratio",
            higher_is_better=False,
            columns=columns,
            signature=f"{name}|{self._normaliser_signature()}|{detail}",
            paper=PAPER,
            needs=frozenset({"transcript"}),
            band_hz=WIDEBAND_HZ,
            behaviour=BEHAVIOUR,
        )

    def _normaliser_signature(self) -> str:
        return " & ".join(dict.fromkeys(normaliser.signature for normaliser in self._normalisers.values()))

    def _units_counted(self) -> list[str]:
        """Return the kinds of units, "word" or "character", without repetition."""
        return list(dict.fromkeys(normaliser.unit for normaliser in self._normalisers.values()))

    def _normaliser(self, clip: Clip) -> Normaliser:
        """Return the normaliser of the language of a clip."""
        language = language_among(clip.language, list(self._normalisers))
        if language is None:
            raise MeasurementError(
                f"clip {clip.id!r} is in '{clip.language}', and the language of the run is "
                f"'{'+'.join(self._normalisers)}'; add its language with '+'"
            )
        return self._normalisers[language]

    def _units(self, clip: Clip) -> tuple[list[str], list[str]]:
        """Return the units of the text and of the transcript, which may be empty."""
        require_usable(clip)
        if clip.transcript is None:
            raise MeasurementError(
                f"clip {clip.id!r} has no transcript; run the transcribe stage or supply transcripts"
            )
        try:
            expected = self._normaliser(clip).units(clip.text)
        except ClipError as error:
            raise MeasurementError(str(error)) from error
        if not expected:
            raise MeasurementError(f"the text of clip {clip.id!r}, {clip.text!r}, has no words; correct it")
        return expected, _recognised(self._normaliser(clip), clip.transcript)


def _recognised(normaliser: Normaliser, transcript: str) -> list[str]:
    """Return the units of a transcript; every run of letters that cannot be read is one wrong word."""
    try:
        return normaliser.units(transcript)
    except ClipError:
        marked = "".join(UNREADABLE if unreadable_letters(letter) else letter for letter in transcript)
        first, *others = re.split(f"{UNREADABLE}+", marked)
        return [
            *normaliser.units(first),
            *(unit for piece in others for unit in [UNREADABLE, *normaliser.units(piece)]),
        ]


class WordErrorRate(RatioOfSums, _ErrorRate):
    """Word error rate; above 1 if a transcript has more wrong words than the text has words."""

    def __init__(self, normaliser: str = "", language: str = "en") -> None:
        columns = ("errors", "words", "substitutions", "deletions", "insertions")
        self._describe("wer", "Word error rate", columns, "corpus", normaliser, language)
        if len(self._units_counted()) > 1:
            raise ConfigError(
                f"The metric 'wer' cannot join the languages {', '.join(self._normalisers)}, because some count "
                "words and others characters: use cer, wer_utterances or bad_cases, or one list for each language."
            )

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return edits, words of the text, and the edits by kind; raise ``MeasurementError`` without words."""
        text, transcript = self._units(clip)
        counts = edit_counts(text, transcript)
        return float(sum(counts)), float(len(text)), *map(float, counts)


class CharacterErrorRate(RatioOfSums, _ErrorRate):
    """Character error rate over the normalised words joined by single spaces, which count."""

    def __init__(self, normaliser: str = "", language: str = "en") -> None:
        self._describe("cer", "Character error rate", ("errors", "characters"), "", normaliser, language)
        spaces = "&".join("yes" if unit == "word" else "none" for unit in self._units_counted())
        signature = f"cer|{self._normaliser_signature()}|spaces:{spaces}|corpus"
        self.info = MetricInfo(**{**vars(self.info), "signature": signature})

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return edits and characters of the text; raise ``MeasurementError`` without transcript or words."""
        space = " " if self._normaliser(clip).unit == "word" else ""
        text, transcript = (space.join(units) for units in self._units(clip))
        return float(edits(text, transcript)), float(len(text))


class UtteranceErrorRate(Mean, _ErrorRate):
    """Mean of the word error rates of utterances: a wrong word in a short sentence weighs more."""

    def __init__(self, normaliser: str = "", language: str = "en") -> None:
        title = "Mean of utterance word error rates"
        self._describe("wer_utterances", title, ("rate",), "mean:utterances", normaliser, language)

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return the word error rate of the utterance; raise ``MeasurementError`` without transcript or words."""
        text, transcript = self._units(clip)
        return (edits(text, transcript) / len(text),)


class BadCases(Mean, _ErrorRate):
    """Share of utterances whose word error rate is above one half."""

    def __init__(self, normaliser: str = "", language: str = "en") -> None:
        title = "Utterances with a word error rate above 50 %"
        self._describe("bad_cases", title, ("bad",), f"wer>{BAD:g}|mean:utterances", normaliser, language)

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return 1 for a bad case and 0 otherwise; raise ``MeasurementError`` without transcript or words."""
        text, transcript = self._units(clip)
        return (float(edits(text, transcript) > BAD * len(text)),)
