"""Word and character error rates of a transcript.

V. I. Levenshtein, "Binary codes capable of correcting deletions, insertions and reversals", 1966: the smallest number
of substitutions, insertions and deletions that turn the text into the transcript, divided by the length of the text.
Rates are corpus rates (sum of edits over sum of words), so a bad short sentence does not weigh as much as a long one.
Text and transcript pass through the same normaliser, which spells out numbers, titles and symbols and then expands
contractions. The runner knows the recogniser and appends it to the signature. A text without words and a silent clip
cannot be measured. An empty transcript can: it means that every word was lost.
"""

from __future__ import annotations

from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein

from ttsbench.audio.bandwidth import WIDEBAND_HZ
from ttsbench.audio.usable import require_usable
from ttsbench.data.contractions import expanded
from ttsbench.data.text import NORMALISER, words
from ttsbench.errors import MeasurementError
from ttsbench.reductions import RatioOfSums
from ttsbench.types import Behaviour, Clip, MetricInfo

NORMALISERS = f"{NORMALISER}+contractions:v1"
PAPER = "Levenshtein 1966; rates as in Morris et al. 2004, https://doi.org/10.21437/Interspeech.2004-668"
# A small change may make a recogniser mishear a clip, and it may find words in noise.
BEHAVIOUR = Behaviour(worsens=frozenset({"noise", "low_pass"}))


def edits(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """Return the Levenshtein distance between two sequences, with all costs 1.

    >>> edits("kitten", "sitting")
    3
    >>> edits("the north wind".split(), "north wind blew".split())
    2
    """
    return int(Levenshtein.distance(reference, hypothesis))


class WordErrorRate(RatioOfSums):
    """Word error rate; above 1 if a transcript has more wrong words than the text has words."""

    info = MetricInfo(
        name="wer",
        title="Word error rate",
        unit="ratio",
        higher_is_better=False,
        columns=("errors", "words"),
        signature=f"wer|{NORMALISERS}|corpus",
        paper=PAPER,
        needs=frozenset({"transcript"}),
        band_hz=WIDEBAND_HZ,
        behaviour=BEHAVIOUR,
    )

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return edits and words of the text; raise ``MeasurementError`` without transcript or words."""
        text, transcript = _texts(clip)
        return float(edits(text, transcript)), float(len(text))


class CharacterErrorRate(RatioOfSums):
    """Character error rate over the normalised words joined by single spaces, which count."""

    info = MetricInfo(
        name="cer",
        title="Character error rate",
        unit="ratio",
        higher_is_better=False,
        columns=("errors", "characters"),
        signature=f"cer|{NORMALISERS}|spaces:yes|corpus",
        paper=PAPER,
        needs=frozenset({"transcript"}),
        band_hz=WIDEBAND_HZ,
        behaviour=BEHAVIOUR,
    )

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return edits and characters of the text; raise ``MeasurementError`` without transcript or words."""
        text, transcript = (" ".join(words) for words in _texts(clip))
        return float(edits(text, transcript)), float(len(text))


def _texts(clip: Clip) -> tuple[list[str], list[str]]:
    """Return the words of the text and of the transcript, which may be empty."""
    require_usable(clip)
    if clip.transcript is None:
        raise MeasurementError(f"clip {clip.id!r} has no transcript; run the transcribe stage or supply transcripts")
    expected = expanded(words(clip.text))
    if not expected:
        raise MeasurementError(f"the text of clip {clip.id!r}, {clip.text!r}, has no words; correct it")
    return expected, expanded(words(clip.transcript))
