"""Word and character error rates of a transcript.

V. I. Levenshtein, "Binary codes capable of correcting deletions, insertions and reversals", 1966: the smallest number
of substitutions, insertions and deletions that turn the text into the transcript, divided by the length of the text.
`wer` and `cer` are corpus rates (sum of edits over sum of words), so a bad short sentence does not weigh as much as a
long one; `wer_utterances` is the mean of the rates of utterances, which some papers print, and `bad_cases` the share of
utterances with a rate above one half.

Text and transcript pass through the same normaliser: that of the language, or the one that the option names (`ttsbench
list normalisers`). For languages without spaces between words the units of all these rates are characters. The runner
knows the recogniser and appends it to the signature. A text that the normaliser cannot read or without words, and a
silent clip cannot be measured. An empty transcript can: it means that every word was lost.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein

from ttsbench import registry
from ttsbench.audio.bandwidth import WIDEBAND_HZ
from ttsbench.audio.usable import require_usable
from ttsbench.data.normalisers import default_normaliser
from ttsbench.data.text import unreadable_letters
from ttsbench.errors import ClipError, MeasurementError
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
    """Text and transcript through one normaliser."""

    info: MetricInfo
    _normaliser: Normaliser

    def _describe(
        self, name: str, title: str, columns: tuple[str, ...], detail: str, normaliser: str, language: str
    ) -> None:
        """Set up normaliser and description; raises ``ConfigError`` for a language that the normaliser cannot read."""
        self._normaliser = registry.load("normalisers", normaliser or default_normaliser(language))(language)
        self.info = MetricInfo(
            name=name,
            title=title,
            unit="ratio",
            higher_is_better=False,
            columns=columns,
            signature=f"{name}|{self._normaliser.signature}|{detail}",
            paper=PAPER,
            needs=frozenset({"transcript"}),
            band_hz=WIDEBAND_HZ,
            behaviour=BEHAVIOUR,
        )

    def _units(self, clip: Clip) -> tuple[list[str], list[str]]:
        """Return the units of the text and of the transcript, which may be empty."""
        require_usable(clip)
        if clip.transcript is None:
            raise MeasurementError(
                f"clip {clip.id!r} has no transcript; run the transcribe stage or supply transcripts"
            )
        try:
            expected = self._normaliser.units(clip.text)
        except ClipError as error:
            raise MeasurementError(str(error)) from error
        if not expected:
            raise MeasurementError(f"the text of clip {clip.id!r}, {clip.text!r}, has no words; correct it")
        return expected, _recognised(self._normaliser, clip.transcript)


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

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return edits, words of the text, and the edits by kind; raise ``MeasurementError`` without words."""
        text, transcript = self._units(clip)
        counts = edit_counts(text, transcript)
        return float(sum(counts)), float(len(text)), *map(float, counts)


class CharacterErrorRate(RatioOfSums, _ErrorRate):
    """Character error rate over the normalised words joined by single spaces, which count."""

    def __init__(self, normaliser: str = "", language: str = "en") -> None:
        self._describe("cer", "Character error rate", ("errors", "characters"), "", normaliser, language)
        spaces = "yes" if self._normaliser.unit == "word" else "none"
        signature = f"cer|{self._normaliser.signature}|spaces:{spaces}|corpus"
        self.info = MetricInfo(**{**vars(self.info), "signature": signature})

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return edits and characters of the text; raise ``MeasurementError`` without transcript or words."""
        space = " " if self._normaliser.unit == "word" else ""
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
