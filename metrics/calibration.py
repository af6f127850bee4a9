"""Calibration of the draws of a system: whether their spread is as large as their error.

V. Fortin et al., "Why should ensemble spread match the RMSE of the ensemble mean?", Journal of Hydrometeorology 15(4),
2014, https://doi.org/10.1175/JHM-D-14-0008.1. ``ttsbench.evaluation.stats.proper`` has the formulas and their
corrections for few draws. A calibrated system need not be good: one that draws from all recordings is calibrated as
well. So these metrics stand beside the proper scores, which say which of two systems is better.

    calibration           standard deviation of K draws over the root mean square error of their mean, times
                          sqrt((K + 1) / K); over mel bands and frames. 1 is right, below 1 the draws are too alike,
                          0 is a deterministic system
    calibration_prosody   the same of the log-F0 and log-duration of phones
    coverage_50, _75, _90 share of mel bands and frames at which the recording lies within the central interval of the
                          draws. The level is right, below it the draws are too alike. K draws hold levels up to
                          (K - 1) / (K + 1): 8 draws are enough for 75 %, 90 % needs 19
    coverage_50_prosody   the same of the log-F0 and log-duration of phones

Which clips these can be computed for, and how clips of the user's folders are compared, is described in
``metrics/proper_scores.py``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ttsbench.errors import NotApplicable
from ttsbench.evaluation.paired_draws import mel_draws, prosody_draws
from ttsbench.evaluation.stats.proper import interval_coverage, spread_and_error, widest_interval
from ttsbench.reductions import Mean, RatioOfSums
from ttsbench.types import Clip, MetricInfo

NEEDS = frozenset({"reference", "draws"})
Values = NDArray[np.float64]
Phrases = tuple[list[Values], list[Values]]


def _mels(clip: Clip, reference: Clip) -> Phrases:
    """Return all frames as one phrase, (K, T, M) and (T, M)."""
    draws, recording = mel_draws(clip, reference)
    return [draws], [recording]


class _Calibration(RatioOfSums):
    """Root of the ratio of squared spread to squared error, each summed over all elements and utterances."""

    def __init__(self, name: str, title: str, elements: str, read: Callable[[Clip, Clip], Phrases]) -> None:
        self._read = read
        self.info = MetricInfo(
            name=name,
            title=title,
            unit="ratio",
            higher_is_better=None,
            columns=("squared_spread", "squared_error"),
            signature=f"{name}|{elements}|std:draws*sqrt((K+1)/K)/rmse:mean|ratio-of-sums|v1",
            paper="Fortin et al. 2014, https://doi.org/10.1175/JHM-D-14-0008.1",
            needs=NEEDS,
        )

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return squared spread and squared error, summed over elements; errors are those of ``paired_draws``."""
        pairs = [spread_and_error(*phrase) for phrase in zip(*self._read(clip, reference), strict=True)]
        return float(sum(spread.sum() for spread, _ in pairs)), float(sum(error.sum() for _, error in pairs))

    def reduce(self, rows: Values) -> float:
        """Return spread over error, rows (n, 2); NaN if the mean of the draws has no error."""
        return float(np.sqrt(super().reduce(rows)))

    def reduce_weighted(self, rows: Values, weights: Values) -> Values:
        """Return the same for each row of weights (R, n)."""
        ratio: Values = np.sqrt(super().reduce_weighted(rows, weights))
        return ratio


class Calibration(_Calibration):
    """Spread of mel frames over the error of their mean; 1 is right, 0 is a deterministic system."""

    def __init__(self) -> None:
        super().__init__("calibration", "Spread over error of mels (ideal: 1)", "log-mel", _mels)


class ProsodyCalibration(_Calibration):
    """Spread of phone log-F0 and log-duration over the error of their mean; 1 is right."""

    def __init__(self) -> None:
        title = "Spread over error of prosody (ideal: 1)"
        super().__init__("calibration_prosody", title, "phone-log-f0,log-duration", prosody_draws)


class _Coverage(Mean):
    """Share of elements at which the recording lies within the central interval of the draws."""

    def __init__(self, name: str, title: str, level: float, read: Callable[[Clip, Clip], Phrases]) -> None:
        self._level, self._read = level, read
        self.info = MetricInfo(
            name=name,
            title=title,
            unit="ratio",
            higher_is_better=None,
            columns=("covered",),
            signature=f"{name}|ranks:non-randomised|mean:elements,utterances|v1",
            paper="Gneiting and Raftery 2007, s. 6; ranks as in Czado, Gneiting and Held 2009",
            needs=NEEDS,
        )

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return the covered share of the elements.

        Raises ``NotApplicable`` if there are too few draws for the interval; other errors are those of
        ``paired_draws``.
        """
        draws, recordings = self._read(clip, reference)
        count = len(draws[0])
        if count > 1 and widest_interval(count) < self._level - 1e-9:
            raise NotApplicable(f"{count} draws hold central intervals up to {widest_interval(count):.0%}")
        covered = [interval_coverage(*phrase, self._level).ravel() for phrase in zip(draws, recordings, strict=True)]
        return (float(np.concatenate(covered).mean()),)


class Coverage50(_Coverage):
    """Coverage of the central half of the draws, over mel bands and frames; 50 % is right."""

    def __init__(self) -> None:
        super().__init__("coverage_50", "Coverage of central 50 % intervals (ideal: 0.5)", 0.5, _mels)


class Coverage75(_Coverage):
    """Coverage of the central three quarters of the draws, over mel bands and frames; 75 % is right."""

    def __init__(self) -> None:
        super().__init__("coverage_75", "Coverage of central 75 % intervals (ideal: 0.75)", 0.75, _mels)


class Coverage90(_Coverage):
    """Coverage of the central nine tenths of the draws, over mel bands and frames; needs 19 draws. 90 % is right."""

    def __init__(self) -> None:
        super().__init__("coverage_90", "Coverage of central 90 % intervals (ideal: 0.9)", 0.9, _mels)


class ProsodyCoverage50(_Coverage):
    """Coverage of the central half of the draws, over phone log-F0 and log-duration; 50 % is right."""

    def __init__(self) -> None:
        super().__init__(
            "coverage_50_prosody", "Coverage of central 50 % intervals, prosody (ideal: 0.5)", 0.5, prosody_draws
        )
