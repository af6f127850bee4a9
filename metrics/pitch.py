"""F0 against a reference: gross pitch errors, voicing errors, their union, and distance and correlation of log-F0.

W. Chu and A. Alwan, "Reducing F0 frame error of F0 tracking algorithms under noisy conditions with an unvoiced/voiced
classification frontend", ICASSP 2009. Over L aligned frames, f of the clip and r of the reference, 0 where unvoiced:

    voicing error   (f > 0) != (r > 0)
    gross error     f > 0, r > 0 and |f / r - 1| > 0.2
    FFE = (gross errors + voicing errors) / L
    GPE = gross errors / frames voiced in both
    VDE = voicing errors / L
    log-F0 RMSE = sqrt(sum (ln f - ln r)^2 / frames voiced in both)

These are ratios of sums over the whole set. The correlation of log-F0 (Pearson's, over frames voiced in both) is
computed within each utterance and averaged. Pooled over utterances it would mostly reflect the different mean F0 of the
speakers, which any system that separates them gets right.

The extractor is an option: ``f0`` is `world` (the default), `praat` or `crepe` (``ttsbench.audio.f0_trackers``), every
5 ms between ``f0_min`` and ``f0_max`` Hz. Frames are aligned by DTW over the mel-cepstrum, never over F0 itself, which
would warp a wrong contour into a right one. The metrics named `_plain` compare frames of the same time instead.

What they show: whether pitch and voicing follow the reference's. What they cannot show: whether another intonation
would be as natural. A system that reads the sentence in another acceptable way is penalised.

``MeasurementError`` is raised for an empty or silent clip; if less than 20 % of the reference's speech is voiced within
the range; for metrics over frames voiced in both, if the same holds for the clip, or if fewer than a tenth of the
reference's voiced frames are voiced in the clip; and for `_plain`, if the lengths differ by more than a tenth.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ttsbench.audio.cepstrum import SAMPLE_RATE
from ttsbench.audio.f0_trackers import WORLD, F0Tracker
from ttsbench.audio.pitch import F0_MAX, F0_MIN
from ttsbench.audio.prosody import f0_signature, voiced_f0
from ttsbench.audio.usable import usable_at
from ttsbench.audio.world import Align, align_pair
from ttsbench.errors import MeasurementError
from ttsbench.reductions import Mean, RatioOfSums
from ttsbench.types import Behaviour, Clip, MetricInfo

GROSS = 0.2
MIN_SHARE = 0.1  # of the reference's voiced frames that must be voiced in the clip
MIN_FRAMES = 20  # of a correlation: 0.1 s voiced in both
MIN_STD = 1e-4  # ln Hz; a smaller standard deviation is the extractor's rounding of a constant
FFE_PAPER = "Chu and Alwan 2009, https://doi.org/10.1109/ICASSP.2009.4960497"
VERSION = "v3"
DTW_TAG, TIME_TAG = "dtw:exact:mcep24", "align:time"

Contour = NDArray[np.float64]


def voicing_errors(f0: Contour, reference: Contour) -> int:
    """Return the number of frames voiced in only one contour; both are in Hz (L,), 0 where unvoiced.

    >>> voicing_errors(np.array([100.0, 0.0, 0.0]), np.array([100.0, 100.0, 0.0]))
    1
    """
    return int(np.count_nonzero((f0 > 0) != (reference > 0)))


def gross_errors(f0: Contour, reference: Contour) -> int:
    """Return the number of frames voiced in both contours that differ by more than 20 %; in Hz (L,), 0 where unvoiced.

    >>> gross_errors(np.array([100.0, 130.0, 0.0]), np.array([110.0, 100.0, 100.0]))
    1
    """
    both = (f0 > 0) & (reference > 0)
    return int(np.count_nonzero(np.abs(f0[both] / reference[both] - 1) > GROSS))


def _info(name: str, title: str, details: str, behaviour: Behaviour) -> MetricInfo:
    """Return the description of an error rate over frames aligned by DTW."""
    return MetricInfo(
        name=name,
        title=title,
        unit="ratio",
        higher_is_better=False,
        columns=("errors", "frames"),
        signature=f"{name}|{f0_signature(WORLD)}|{DTW_TAG}|{details}|{VERSION}",
        paper=FFE_PAPER,
        sample_rate=SAMPLE_RATE,
        behaviour=behaviour,
    )


def _plain(info: MetricInfo) -> MetricInfo:
    """Return the description of the same metric without warping, which has no tolerance for a time shift."""
    name = f"{info.name}_plain"
    _, _, rest = info.signature.replace(DTW_TAG, TIME_TAG).partition("|")
    return replace(
        info,
        name=name,
        title=f"{info.title} (no warping)",
        signature=f"{name}|{rest}",
        behaviour=replace(info.behaviour, shift=None, symmetric=None),
    )


class _PitchMetric(RatioOfSums):
    """Base of the pitch metrics: F0 of aligned frames, and a ratio of sums."""

    info: MetricInfo
    _align: ClassVar[Align] = "dtw"

    def __init__(self, f0: str = "world", f0_min: float = F0_MIN, f0_max: float = F0_MAX) -> None:
        self._tracker = F0Tracker(f0, f0_min, f0_max)
        signature = self.info.signature.replace(f0_signature(WORLD), f0_signature(self._tracker))
        self.info = replace(self.info, signature=signature)

    def require(self) -> None:
        """Raise ``ConfigError`` if the extractor's package is missing."""
        self._tracker.require()

    def _contours(self, clip: Clip, reference: Clip) -> tuple[Contour, Contour]:
        """Return F0 in Hz of aligned frames, (L,) each."""
        pair = align_pair(clip, reference, self._align, self._tracker)
        voiced_f0(usable_at(reference, SAMPLE_RATE), self._tracker)
        return pair.clip.f0, pair.reference.f0

    def _voiced_in_both(self, clip: Clip, reference: Clip) -> tuple[Contour, Contour]:
        """Return F0 in Hz of the aligned frames that are voiced in both, (V,) each, V >= 1."""
        f0, target = self._contours(clip, reference)
        voiced_f0(usable_at(clip, SAMPLE_RATE), self._tracker)
        both = (f0 > 0) & (target > 0)
        voiced, common = np.count_nonzero(target), np.count_nonzero(both)
        if common < MIN_SHARE * voiced:
            raise MeasurementError(
                f"only {common} of the reference's {voiced} voiced frames are voiced in clip {clip.id!r}, less than "
                f"{MIN_SHARE:.0%}; listen to the clip, its voicing is lost"
            )
        return f0[both], target[both]


class F0FrameError(_PitchMetric):
    """FFE: the share of frames with a wrong voicing decision or pitch."""

    info = _info(
        "ffe",
        "F0 frame error",
        "gross:20%|frames:path|ratio-of-sums",
        Behaviour(
            identity=0.0,
            gain=0.005,
            shift=0.02,
            resample=0.005,
            symmetric=0.01,
            worsens=frozenset({"noise", "flat_f0"}),
        ),
    )

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return frames in error and frames of the path; raise ``MeasurementError`` without a voiced reference."""
        f0, target = self._contours(clip, reference)
        return float(voicing_errors(f0, target) + gross_errors(f0, target)), float(len(target))


class VoicingDecisionError(_PitchMetric):
    """VDE: the share of frames voiced in only one of the two."""

    info = _info(
        "vde",
        "Voicing decision error",
        "frames:path|ratio-of-sums",
        Behaviour(identity=0.0, gain=0.005, shift=0.02, resample=0.005, symmetric=0.005, worsens=frozenset({"noise"})),
    )

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return frames in error and frames of the path; raise ``MeasurementError`` without a voiced reference."""
        f0, target = self._contours(clip, reference)
        return float(voicing_errors(f0, target)), float(len(target))


class GrossPitchError(_PitchMetric):
    """GPE: the share of frames that differ by more than 20 %, among those voiced in both."""

    info = _info(
        "gpe",
        "Gross pitch error",
        "gross:20%|frames:both-voiced>=10%|ratio-of-sums",
        Behaviour(
            identity=0.0,
            gain=0.005,
            shift=0.01,
            resample=0.005,
            symmetric=0.01,
            worsens=frozenset({"flat_f0"}),
            noise="refused",
        ),
    )

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return gross errors and frames voiced in both; raise ``MeasurementError`` if there are too few."""
        f0, target = self._voiced_in_both(clip, reference)
        return float(gross_errors(f0, target)), float(len(f0))


class LogF0Rmse(_PitchMetric):
    """Root mean square difference of natural log-F0; .06 is about 6 %, or a semitone."""

    info = replace(
        _info(
            "log_f0_rmse",
            "Log-F0 RMSE",
            "ln|frames:both-voiced>=10%|ratio-of-sums",
            Behaviour(
                identity=0.0,
                gain=0.005,
                shift=0.05,
                resample=0.005,
                symmetric=0.005,
                worsens=frozenset({"flat_f0"}),
                noise="refused",
            ),
        ),
        unit="ln Hz",
        columns=("squared_sum", "frames"),
        paper="Hayashi et al. 2021, ESPnet2-TTS, https://arxiv.org/abs/2110.07840",
    )

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return sum of squares and frames voiced in both; raise ``MeasurementError`` if there are too few."""
        f0, target = self._voiced_in_both(clip, reference)
        difference = np.log(f0 / target)
        return float(difference @ difference), float(len(difference))

    def reduce(self, rows: NDArray[np.float64]) -> float:
        """Return the root of the ratio of sums, rows (n, 2)."""
        return float(np.sqrt(super().reduce(rows)))

    def reduce_weighted(self, rows: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the same for each row of weights (R, n)."""
        root: NDArray[np.float64] = np.sqrt(super().reduce_weighted(rows, weights))
        return root


class F0Correlation(Mean, _PitchMetric):
    """Pearson's correlation of log-F0 within an utterance: whether pitch moves when and where the reference's does.

    It ignores an offset and the size of the movement, which log-F0 RMSE measures.
    """

    info = replace(
        _info(
            "f0_correlation",
            "F0 correlation",
            "pearson|ln|frames:both-voiced>=10%,20|mean:utterances",
            Behaviour(
                identity=1.0,
                gain=0.01,
                shift=0.03,
                resample=0.01,
                symmetric=0.01,
                worsens=frozenset({"flat_f0"}),
                noise="refused",
            ),
        ),
        unit="correlation",
        higher_is_better=True,
        columns=("correlation",),
        paper="a convention of the field (Pearson's r of log-F0); no paper",
    )

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return the correlation, -1 to 1.

        Raises ``MeasurementError`` if too few frames are voiced in both, or if either contour is constant.
        """
        contours = [np.log(f0) for f0 in self._voiced_in_both(clip, reference)]
        if len(contours[0]) < MIN_FRAMES:
            raise MeasurementError(
                f"only {len(contours[0])} frames are voiced in both clip {clip.id!r} and its reference, but a "
                f"correlation needs {MIN_FRAMES}; listen to the clip, or leave the utterance out"
            )
        for contour, owner in zip(contours, ("", "the reference of "), strict=True):
            if float(contour.std()) < MIN_STD:
                raise MeasurementError(
                    f"the F0 of {owner}clip {clip.id!r} is constant (standard deviation {contour.std():.1e} ln Hz), so "
                    "its correlation is undefined; use log_f0_rmse instead"
                )
        return (float(np.clip(np.corrcoef(contours)[0, 1], -1.0, 1.0)),)


class F0FrameErrorPlain(F0FrameError):
    """FFE between frames of the same time."""

    info = _plain(F0FrameError.info)
    _align = "time"


class VoicingDecisionErrorPlain(VoicingDecisionError):
    """VDE between frames of the same time."""

    info = _plain(VoicingDecisionError.info)
    _align = "time"


class GrossPitchErrorPlain(GrossPitchError):
    """GPE between frames of the same time."""

    info = _plain(GrossPitchError.info)
    _align = "time"


class LogF0RmsePlain(LogF0Rmse):
    """Log-F0 RMSE between frames of the same time."""

    info = _plain(LogF0Rmse.info)
    _align = "time"


class F0CorrelationPlain(F0Correlation):
    """F0 correlation between frames of the same time."""

    info = _plain(F0Correlation.info)
    _align = "time"
