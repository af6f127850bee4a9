"""Word and character error rates of a transcript.

V. I. Levenshtein, "Binary codes capable of correcting deletions, insertions and reversals", 1966: the fewest
substitutions, insertions and deletions that turn the text into the transcript, over the length of the text. Rates are
the corpus' (sum of edits over sum of words), so that one bad short sentence does not weigh as much as a long one.
Text and transcript pass through the same normaliser: numbers, titles and signs are spelled out as they are read, then
contractions as full words. Which recogniser wrote the transcript belongs to the signature too; the runner, who knows
it, appends it. A text without words and a silent clip are no measurement; an empty transcript is one, of every word
lost.
"""

from __future__ import annotations

from collections.abc import Sequence

from ttsbench.audio.usable import require_usable
from ttsbench.data.contractions import expanded
from ttsbench.data.text import NORMALISER, words
from ttsbench.errors import MeasurementError
from ttsbench.reductions import RatioOfSums
from ttsbench.types import Behaviour, Clip, MetricInfo

NORMALISERS = f"{NORMALISER}+contractions:v1"
PAPER = "Levenshtein 1966; rates as in Morris et al. 2004, https://doi.org/10.21437/Interspeech.2004-668"
# A recogniser may mishear a clip for any small change, and need not answer noise with silence.
BEHAVIOUR = Behaviour(worsens=frozenset({"noise", "low_pass"}))


def edits(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """Levenshtein distance of two sequences, all costs 1.

    >>> edits("the small blue boat".split(), "a small boat".split())
    2
    """
    previous = list(range(len(hypothesis) + 1))
    for i, expected in enumerate(reference, start=1):
        row = [i]
        for j, found in enumerate(hypothesis):
            row.append(min(previous[j] + (expected != found), previous[j + 1] + 1, row[j] + 1))
        previous = row
    return previous[-1]


class WordErrorRate(RatioOfSums):
    """WER; more than 1 where a transcript holds more wrong words than the text has words."""

    info = MetricInfo(
        name="wer",
        title="Word error rate",
        unit="ratio",
        higher_is_better=False,
        columns=("errors", "words"),
        signature=f"wer|{NORMALISERS}|corpus",
        paper=PAPER,
        needs=frozenset({"transcript"}),
        behaviour=BEHAVIOUR,
    )

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Edits and words of the text; raises ``MeasurementError`` without transcript or words."""
        expected, found = _texts(clip)
        return float(edits(expected, found)), float(len(expected))


class CharacterErrorRate(RatioOfSums):
    """CER over the normalised words joined by single spaces, which count."""

    info = MetricInfo(
        name="cer",
        title="Character error rate",
        unit="ratio",
        higher_is_better=False,
        columns=("errors", "characters"),
        signature=f"cer|{NORMALISERS}|spaces:yes|corpus",
        paper=PAPER,
        needs=frozenset({"transcript"}),
        behaviour=BEHAVIOUR,
    )

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Edits and characters of the text; raises ``MeasurementError`` without transcript or words."""
        expected, found = (" ".join(text) for text in _texts(clip))
        return float(edits(expected, found)), float(len(expected))


def _texts(clip: Clip) -> tuple[list[str], list[str]]:
    """Words of the text and of the transcript. An empty transcript is one: every word was lost."""
    require_usable(clip)
    if clip.transcript is None:
        raise MeasurementError(f"clip {clip.id!r} has no transcript; run the transcribe stage or supply transcripts")
    expected = expanded(words(clip.text))
    if not expected:
        raise MeasurementError(f"the text of clip {clip.id!r}, {clip.text!r}, holds no word; correct it")
    return expected, expanded(words(clip.transcript))
