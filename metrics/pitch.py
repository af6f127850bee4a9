"""F0 against a reference: gross pitch errors, voicing errors, their union, and the distance and correlation of log-F0.

W. Chu and A. Alwan, "Reducing F0 frame error of F0 tracking algorithms under noisy conditions with an unvoiced/voiced
classification frontend", ICASSP 2009. Over L aligned frames, f of the clip and r of the reference, 0 where unvoiced:

    voicing error   (f > 0) != (r > 0)
    gross error     f > 0, r > 0 and |f / r - 1| > 0.2
    FFE = (gross errors + voicing errors) / L
    GPE = gross errors / frames voiced in both
    VDE = voicing errors / L
    log-F0 RMSE = sqrt(sum (ln f - ln r)^2 / frames voiced in both)

These are ratios of sums over the whole set. The correlation of log-F0 (Pearson's, over frames voiced in both) is taken
within each utterance and averaged: pooled over utterances it would mostly say that speakers differ in their mean, which
any system that keeps them apart gets right.

F0 is WORLD's (DIO and StoneMask, 65 to 600 Hz, every 5 ms). Frames are aligned by DTW over the mel-cepstrum,
never over F0 itself, which would warp a wrong contour into a right one. The metrics named `_plain` pair frames of the
same time instead.

``MeasurementError``, and no number: an empty or silent clip; a reference without a voiced frame, which says nothing of
pitch; for what compares F0 where both are voiced, a clip in which less than a tenth of the reference's voiced frames
are (white noise has up to 4 %); and for `_plain`, lengths that differ by more than a tenth.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ttsbench.audio.cepstrum import SAMPLE_RATE
from ttsbench.audio.world import F0_SIGNATURE, Align, aligned
from ttsbench.errors import MeasurementError
from ttsbench.reductions import Mean, RatioOfSums
from ttsbench.types import Behaviour, Clip, MetricInfo

GROSS = 0.2
LEAST_SHARE = 0.1  # of the reference's voiced frames, to be voiced in the clip
LEAST_FRAMES = 20  # of a correlation: 0.1 s of voice in common
LEAST_MOVEMENT = 1e-4  # ln Hz, standard deviation: below it there is a constant and the extractor's rounding
FFE_PAPER = "Chu and Alwan 2009, https://doi.org/10.1109/ICASSP.2009.4960497"
WARPED, BY_TIME = "dtw:exact:mcep24", "align:time"

Contour = NDArray[np.float64]


def voicing_errors(f0: Contour, reference: Contour) -> int:
    """Frames voiced in one contour only; both in Hz (L,), 0 where unvoiced."""
    return int(np.count_nonzero((f0 > 0) != (reference > 0)))


def gross_errors(f0: Contour, reference: Contour) -> int:
    """Frames more than 20 % off among those voiced in both contours; both in Hz (L,), 0 where unvoiced."""
    both = (f0 > 0) & (reference > 0)
    return int(np.count_nonzero(np.abs(f0[both] / reference[both] - 1) > GROSS))


def _info(name: str, title: str, details: str, behaviour: Behaviour) -> MetricInfo:
    """Of an error rate over frames aligned by DTW; what differs in others is replaced."""
    return MetricInfo(
        name=name,
        title=title,
        unit="ratio",
        higher_is_better=False,
        columns=("errors", "frames"),
        signature=f"{name}|{F0_SIGNATURE}|{WARPED}|{details}|v2",
        paper=FFE_PAPER,
        sample_rate=SAMPLE_RATE,
        behaviour=behaviour,
    )


def _plain(info: MetricInfo) -> MetricInfo:
    """The same metric between frames of the same time, which promises nothing of clips that begin later."""
    name = f"{info.name}_plain"
    _, _, rest = info.signature.replace(WARPED, BY_TIME).partition("|")
    return replace(
        info,
        name=name,
        title=f"{info.title}, frames by time",
        signature=f"{name}|{rest.removesuffix('v2')}v1",
        behaviour=replace(info.behaviour, shift=None, symmetric=None),
    )


class _PitchMetric(RatioOfSums):
    """What they share: F0 of aligned frames, and a ratio of sums."""

    _align: ClassVar[Align] = "dtw"

    def _contours(self, clip: Clip, reference: Clip) -> tuple[Contour, Contour]:
        """F0 in Hz of aligned frames, (L,) each."""
        pair = aligned(clip, reference, self._align)
        if not pair.reference.f0.any():
            raise MeasurementError(
                f"the reference of clip {clip.id!r} has no voiced frame between 65 and 600 Hz; leave this utterance out"
            )
        return pair.clip.f0, pair.reference.f0

    def _voiced_in_both(self, clip: Clip, reference: Clip) -> tuple[Contour, Contour]:
        """F0 in Hz of the aligned frames that are voiced in both, (V,) each, V >= 1."""
        f0, target = self._contours(clip, reference)
        both = (f0 > 0) & (target > 0)
        voiced, common = np.count_nonzero(target), np.count_nonzero(both)
        if common < LEAST_SHARE * voiced:
            raise MeasurementError(
                f"of {voiced} voiced frames of its reference {common} are voiced in clip {clip.id!r}, less than "
                f"{LEAST_SHARE:.0%}; listen to the clip, its voicing is lost"
            )
        return f0[both], target[both]


class F0FrameError(_PitchMetric):
    """FFE: the share of frames whose voicing or pitch is wrong."""

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
        """Frames in error and frames of the path; raises ``MeasurementError`` without a voiced reference."""
        f0, target = self._contours(clip, reference)
        return float(voicing_errors(f0, target) + gross_errors(f0, target)), float(len(target))


class VoicingDecisionError(_PitchMetric):
    """VDE: the share of frames voiced in one of the two only."""

    info = _info(
        "vde",
        "Voicing decision error",
        "frames:path|ratio-of-sums",
        Behaviour(identity=0.0, gain=0.005, shift=0.02, resample=0.005, symmetric=0.005, worsens=frozenset({"noise"})),
    )

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Frames in error and frames of the path; raises ``MeasurementError`` without a voiced reference."""
        f0, target = self._contours(clip, reference)
        return float(voicing_errors(f0, target)), float(len(target))


class GrossPitchError(_PitchMetric):
    """GPE: the share of frames more than 20 % off, among those voiced in both."""

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
        """Gross errors and frames voiced in both; raises ``MeasurementError`` where those are too few."""
        f0, target = self._voiced_in_both(clip, reference)
        return float(gross_errors(f0, target)), float(len(f0))


class LogF0Rmse(_PitchMetric):
    """Root mean square difference of natural log-F0: .06 is about 6 %, or a semitone."""

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
        """Sum of squares and frames voiced in both; raises ``MeasurementError`` where those are too few."""
        f0, target = self._voiced_in_both(clip, reference)
        difference = np.log(f0 / target)
        return float(difference @ difference), float(len(difference))

    def reduce(self, rows: NDArray[np.float64]) -> float:
        """Root of the ratio of sums, rows (n, 2)."""
        return float(np.sqrt(super().reduce(rows)))

    def reduce_weighted(self, rows: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same for each row of weights (R, n)."""
        root: NDArray[np.float64] = np.sqrt(super().reduce_weighted(rows, weights))
        return root


class F0Correlation(Mean, _PitchMetric):
    """Pearson's correlation of log-F0 within an utterance: whether pitch moves when and where the reference's does.

    Blind to an offset and to the size of the movement, which log-F0 RMSE hears.
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
        """The correlation, -1 to 1.

        Raises ``MeasurementError`` where too few frames are voiced in both, or where either contour is constant.
        """
        contours = [np.log(f0) for f0 in self._voiced_in_both(clip, reference)]
        if len(contours[0]) < LEAST_FRAMES:
            raise MeasurementError(
                f"{len(contours[0])} frames are voiced in both clip {clip.id!r} and its reference, a correlation needs "
                f"{LEAST_FRAMES}; listen to the clip, or leave so short an utterance out"
            )
        for contour, whose in zip(contours, ("", "the reference of "), strict=True):
            if float(contour.std()) < LEAST_MOVEMENT:
                raise MeasurementError(
                    f"the F0 of {whose}clip {clip.id!r} does not move (standard deviation {contour.std():.1e} in ln "
                    "Hz), so nothing correlates with it; look at log_f0_rmse instead"
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
