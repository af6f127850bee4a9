"""F0 against a reference: gross pitch errors, voicing errors, their union, and the distance of log-F0.

W. Chu and A. Alwan, "Reducing F0 frame error of F0 tracking algorithms under noisy conditions with an unvoiced/voiced
classification frontend", ICASSP 2009. Over L aligned frames, f of the clip and r of the reference, 0 where unvoiced:

    voicing error   (f > 0) != (r > 0)
    gross error     f > 0, r > 0 and |f / r - 1| > 0.2
    FFE = (gross errors + voicing errors) / L
    GPE = gross errors / frames voiced in both
    VDE = voicing errors / L
    log-F0 RMSE = sqrt(sum (ln f - ln r)^2 / frames voiced in both)

All are ratios of sums over the whole set. F0 is WORLD's (DIO and StoneMask, 65 to 600 Hz, every 5 ms); frames are
aligned by DTW over the mel-cepstrum, never over F0 itself, which would warp a wrong contour into a right one. A
reference without a voiced frame says nothing about pitch, and is no measurement.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ttsbench.audio.cepstrum import SAMPLE_RATE
from ttsbench.audio.world import aligned, checked_align
from ttsbench.errors import MeasurementError
from ttsbench.types import Clip, MetricInfo

GROSS = 0.2
FFE_PAPER = "Chu and Alwan 2009, https://doi.org/10.1109/ICASSP.2009.4960497"
EXTRACTOR = "dio+stonemask|65-600Hz|5ms"

Contour = NDArray[np.float64]


def voicing_errors(f0: Contour, reference: Contour) -> int:
    """Frames voiced in one contour only; both in Hz (L,), 0 where unvoiced."""
    return int(np.count_nonzero((f0 > 0) != (reference > 0)))


def gross_errors(f0: Contour, reference: Contour) -> tuple[int, int]:
    """Frames more than 20 % off among those voiced in both contours (L,), and how many those are."""
    both = (f0 > 0) & (reference > 0)
    ratio = f0[both] / reference[both]
    return int(np.count_nonzero(np.abs(ratio - 1) > GROSS)), int(np.count_nonzero(both))


class _PitchMetric:
    """What the four share: F0 of aligned frames, and a ratio of sums."""

    def __init__(self, align: str = "dtw") -> None:
        self._align = checked_align(align)

    def _signature(self, name: str, *details: str) -> str:
        path = "dtw:exact:mcep24" if self._align == "dtw" else "align:none"
        return "|".join([name, EXTRACTOR, path, *details, "ratio-of-sums", "v1"])

    def _contours(self, clip: Clip, reference: Clip) -> tuple[Contour, Contour]:
        """F0 in Hz of aligned frames, (L,) each."""
        pair = aligned(clip, reference, self._align)
        if not pair.reference.f0.any():
            raise MeasurementError(
                f"the reference of clip {clip.id!r} has no voiced frame between 65 and 600 Hz; leave this utterance out"
            )
        return pair.clip.f0, pair.reference.f0

    def reduce(self, rows: NDArray[np.float64]) -> float:
        """Sum of the first column over the sum of the second, rows (n, 2)."""
        errors, frames = rows.sum(axis=0)
        return float(errors / frames) if frames > 0 else float("nan")


class F0FrameError(_PitchMetric):
    """FFE: the share of frames whose voicing or pitch is wrong."""

    def __init__(self, align: str = "dtw") -> None:
        super().__init__(align)
        self.info = MetricInfo(
            name="ffe",
            title="F0 frame error",
            unit="ratio",
            higher_is_better=False,
            columns=("errors", "frames"),
            signature=self._signature("ffe", "gross:20%", "frames:path"),
            paper=FFE_PAPER,
            sample_rate=SAMPLE_RATE,
        )

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Frames in error and frames of the path; raises ``MeasurementError`` without a voiced reference."""
        f0, target = self._contours(clip, reference)
        return float(voicing_errors(f0, target) + gross_errors(f0, target)[0]), float(len(target))


class VoicingDecisionError(_PitchMetric):
    """VDE: the share of frames voiced in one of the two only."""

    def __init__(self, align: str = "dtw") -> None:
        super().__init__(align)
        self.info = MetricInfo(
            name="vde",
            title="Voicing decision error",
            unit="ratio",
            higher_is_better=False,
            columns=("errors", "frames"),
            signature=self._signature("vde", "frames:path"),
            paper=FFE_PAPER,
            sample_rate=SAMPLE_RATE,
        )

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Frames in error and frames of the path; raises ``MeasurementError`` without a voiced reference."""
        f0, target = self._contours(clip, reference)
        return float(voicing_errors(f0, target)), float(len(target))


class GrossPitchError(_PitchMetric):
    """GPE: the share of frames more than 20 % off, among those voiced in both."""

    def __init__(self, align: str = "dtw") -> None:
        super().__init__(align)
        self.info = MetricInfo(
            name="gpe",
            title="Gross pitch error",
            unit="ratio",
            higher_is_better=False,
            columns=("errors", "frames"),
            signature=self._signature("gpe", "gross:20%", "frames:both-voiced"),
            paper=FFE_PAPER,
            sample_rate=SAMPLE_RATE,
        )

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Gross errors and frames voiced in both; raises ``MeasurementError`` where there are none of the latter."""
        errors, frames = gross_errors(*self._contours(clip, reference))
        if frames == 0:
            raise MeasurementError(_nothing_in_common(clip))
        return float(errors), float(frames)


class LogF0Rmse(_PitchMetric):
    """Root mean square difference of natural log-F0: .06 is about 6 %, or a semitone."""

    def __init__(self, align: str = "dtw") -> None:
        super().__init__(align)
        self.info = MetricInfo(
            name="log_f0_rmse",
            title="Log-F0 RMSE",
            unit="ln Hz",
            higher_is_better=False,
            columns=("squared_sum", "frames"),
            signature=self._signature("log_f0_rmse", "ln", "frames:both-voiced"),
            paper="Hayashi et al. 2021, ESPnet2-TTS, https://arxiv.org/abs/2110.07840",
            sample_rate=SAMPLE_RATE,
        )

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Sum of squares and frames voiced in both; raises ``MeasurementError`` where there are none of the latter."""
        f0, target = self._contours(clip, reference)
        both = (f0 > 0) & (target > 0)
        if not both.any():
            raise MeasurementError(_nothing_in_common(clip))
        difference = np.log(f0[both] / target[both])
        return float(difference @ difference), float(np.count_nonzero(both))

    def reduce(self, rows: NDArray[np.float64]) -> float:
        """Root of the ratio of sums, rows (n, 2)."""
        return float(np.sqrt(super().reduce(rows)))


def _nothing_in_common(clip: Clip) -> str:
    return f"no frame is voiced in both clip {clip.id!r} and its reference; listen to the clip, its voicing is lost"
