"""Proper scores of the draws of a system, against the recording: energy score and CRPS of mels and of prosody.

T. Gneiting and A. E. Raftery, "Strictly Proper Scoring Rules, Prediction, and Estimation", Journal of the American
Statistical Association 102(477), 2007, in the fair version of C. A. T. Ferro, "Fair scores for ensemble forecasts",
Quarterly Journal of the Royal Meteorological Society 140, 2014. ``ttsbench.evaluation.stats.proper`` has the formulas.

Distances to one recording, such as mel-cepstral distortion, are lowest for the conditional mean, which is a blurred
utterance. A proper score is lowest for a system that draws from the distribution of the recordings: it subtracts half
the mean distance between two draws. A deterministic system gets its distance to the recording.

    energy_score          of the M mel bands of a frame; mean over frames
    energy_score_window   of 10 frames together, which also scores how frames depend on each other
    crps                  of each mel band and frame alone; the absolute error for a deterministic system
    energy_score_prosody  of the log-F0 and log-duration of all phones of a phrase together; mean over phrases
    crps_prosody          of the log-F0 and log-duration of each phone alone

Mels are compared frame by frame in dB, before the vocoder, so they need systems that take the recording's durations.
Systems that predict prosody are compared with the recording's in standard deviations over training phones. A vector of
D elements has its distances divided by sqrt(D), so that scores of frames, windows and phrases are in the same unit. A
phrase is a run of phones between pauses; pauses are left out.

The mels of the user's folders are computed from the wavs. Frames correspond only if the lengths do: a difference of
more than two frames is a failure. Time warping would not help: the alignment would be chosen for each draw by its
nearness to the recording, and the score would not be proper.

All draws of an utterance make one row, with its first draw.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from ttsbench.evaluation.paired_draws import mel_draws, prosody_draws
from ttsbench.evaluation.stats.proper import crps, energy_score, windowed_energy_score
from ttsbench.reductions import Mean
from ttsbench.types import Behaviour, Clip, MetricInfo

WINDOW = 10  # frames
PAPER = "Gneiting and Raftery 2007, https://doi.org/10.1198/016214506000001437; Ferro 2014"
NEEDS = frozenset({"reference", "draws"})
BEHAVIOUR = Behaviour(silence="refused")

MELS = "log-mel|fair|mean:frames,utterances|v1"
PROSODY = "log-f0,log-duration|standardised:training|fair|mean:phrases,utterances|v1"

Values = NDArray[np.float64]


def _info(name: str, title: str, detail: str, of: str = MELS) -> MetricInfo:
    """Return the description of a score of mels, in dB, or of prosody, in standard deviations."""
    unit, column = ("dB", "score_db") if of == MELS else ("deviations", "score")
    return MetricInfo(
        name=name,
        title=title,
        unit=unit,
        higher_is_better=False,
        columns=(column,),
        signature=f"{name}|{detail}|{of}",
        paper=PAPER,
        needs=NEEDS,
        behaviour=BEHAVIOUR,
    )


class _MelScore(Mean, ABC):
    """A score of mels: its mean over the frames of an utterance, then over utterances."""

    @abstractmethod
    def score(self, draws: Values, recording: Values) -> Values:
        """Return scores of draws (K, T, M) against the recording (T, M), in dB."""

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return the mean score; see ``mel_draws`` for errors."""
        return (float(self.score(*mel_draws(clip, reference)).mean()),)


class EnergyScore(_MelScore):
    """Energy score of the mel bands of a frame. Lowest for a system that draws frames as the recordings have them."""

    info = _info("energy_score", "Energy score of mel frames", "frame")

    def score(self, draws: Values, recording: Values) -> Values:
        """Return the score of each frame, (T,)."""
        return energy_score(draws, recording)


class WindowEnergyScore(_MelScore):
    """Energy score of 10 frames together, which also scores how frames depend on each other."""

    info = _info("energy_score_window", "Energy score of 10 mel frames", f"window:{WINDOW}")

    def score(self, draws: Values, recording: Values) -> Values:
        """Return the score of each window, (W,)."""
        return windowed_energy_score(draws, recording, WINDOW)


class Crps(_MelScore):
    """CRPS of each mel band and frame: the mean absolute error if the system is deterministic."""

    info = _info("crps", "CRPS of mels", "band")

    def score(self, draws: Values, recording: Values) -> Values:
        """Return the score of each element, (T, M)."""
        return crps(draws, recording)


class _ProsodyScore(Mean, ABC):
    """A score of predicted prosody: its mean over the phrases of an utterance, then over utterances."""

    @abstractmethod
    def score(self, draws: Values, recording: Values) -> float:
        """Return the score of one phrase, of draws (K, P', 2) against the recording (P', 2)."""

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return the mean score; see ``prosody_draws`` for errors."""
        return (float(np.mean([self.score(*phrase) for phrase in zip(*prosody_draws(clip, reference), strict=True)])),)


class ProsodyEnergyScore(_ProsodyScore):
    """Energy score of the log-F0 and log-duration of all phones of a phrase together."""

    info = _info("energy_score_prosody", "Energy score of phrase prosody", "phrase", PROSODY)

    def score(self, draws: Values, recording: Values) -> float:
        """Return the score of the phrase as one vector."""
        return float(energy_score(draws.reshape(len(draws), -1), recording.ravel()))


class ProsodyCrps(_ProsodyScore):
    """CRPS of the log-F0 and log-duration of each phone: the mean absolute error if the system is deterministic."""

    info = _info("crps_prosody", "CRPS of phone prosody", "phone", PROSODY)

    def score(self, draws: Values, recording: Values) -> float:
        """Return the mean over the phones of a phrase."""
        return float(crps(draws, recording).mean())
