"""Energy distance between the draws of a system and draws of the known law of a corpus.

G. J. Szekely and M. L. Rizzo, "Energy statistics: a class of statistics based on distances", Journal of Statistical
Planning and Inference 143(8), 2013, https://doi.org/10.1016/j.jspi.2013.03.018. With draws x, x' of a system and y, y'
of the law, for the same text, speaker and prosody,

    2 E||x - y|| - E||x - x'|| - E||y - y'||

is 0 if both have the same distribution and positive otherwise. It is twice the energy score of the system, averaged
over recordings y of the law, minus the value that the law itself would have; proper scores against the single recording
of a test set contain the same quantity with much more noise. Expectations over pairs leave out pairs of a draw with
itself, so that the estimate is unbiased and can fall slightly below 0.

A corpus that can draw its recordings again gives the law: see ``ttsbench.interfaces.RedrawableCorpus``. Distances are
those of ``metrics/proper_scores.py``: mels in dB, divided by the square root of the number of elements.

    energy_distance_law          of the mel bands of a frame
    energy_distance_law_window   of 10 frames together
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ttsbench.errors import NotApplicable
from ttsbench.evaluation.paired_draws import DB, mel_draws
from ttsbench.evaluation.stats.proper import windowed_energy_score
from ttsbench.reductions import Mean
from ttsbench.types import Behaviour, Clip, MetricInfo

WINDOW = 10  # frames
Values = NDArray[np.float64]


class _LawDistance(Mean):
    """Energy distance of windows of frames: its mean over an utterance, then over utterances."""

    def __init__(self, name: str, title: str, window: int) -> None:
        self._window = window
        self.info = MetricInfo(
            name=name,
            title=title,
            unit="dB",
            higher_is_better=False,
            columns=("distance_db",),
            signature=f"{name}|frames:{window}|log-mel|unbiased|mean:frames,utterances|v1",
            paper="Szekely and Rizzo 2013, https://doi.org/10.1016/j.jspi.2013.03.018",
            needs=frozenset({"reference", "draws"}),
            behaviour=Behaviour(silence="refused"),
        )

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return the mean distance in dB.

        Raises ``NotApplicable`` for a corpus without a law, and as ``mel_draws`` does.
        """
        draws, recording = mel_draws(clip, reference)
        law = reference.draws.law if reference.draws else None
        if law is None:
            raise NotApplicable(f"the corpus of {clip.id!r} cannot draw its recordings again")
        sample = law[:, : len(recording)] * DB
        return (energy_distance(draws, sample, self._window),)


def energy_distance(draws: Values, law: Values, window: int) -> float:
    """Return the mean energy distance of windows between draws (K, T, M) and a sample of the law (L, T, M), L >= 2.

    >>> rng = np.random.default_rng(0)
    >>> law = rng.normal(size=(30, 200, 2))
    >>> print(f"{energy_distance(rng.normal(size=(30, 200, 2)), law, 1):.2f}")
    0.00
    >>> energy_distance(np.zeros((1, 200, 2)), law, 1) > 0.2
    True
    """
    between = np.mean([_distances(draws, observation, window).mean() for observation in law])
    return float(2 * between - _mean_distance(draws, window) - _mean_distance(law, window))


def _distances(sample: Values, observation: Values, window: int) -> Values:
    """Return the distances (K, W) of sequences (K, T, M) from one (T, M); the score of one draw is its distance."""
    return windowed_energy_score(sample[None], np.broadcast_to(observation, sample.shape), window)


def _mean_distance(sample: Values, window: int) -> float:
    """Return the mean distance between different members of a sample (K, T, M); 0 for a single one."""
    if len(sample) == 1:
        return 0.0
    sums = [
        _distances(sample[index + 1 :], sample[index], window).mean(axis=1).sum() for index in range(len(sample) - 1)
    ]
    return float(np.sum(sums)) / (len(sample) * (len(sample) - 1) / 2)


class LawDistance(_LawDistance):
    """Energy distance of mel frames to the known law; 0 for a system that draws from it."""

    def __init__(self) -> None:
        super().__init__("energy_distance_law", "Energy distance to the known law", 1)


class WindowedLawDistance(_LawDistance):
    """Energy distance of 10 mel frames together, which also tells how frames depend on each other."""

    def __init__(self) -> None:
        title = "Energy distance to the known law, windows"
        super().__init__("energy_distance_law_window", title, WINDOW)
