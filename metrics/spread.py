"""Spread against the references': how much of the movement of speech a system keeps. 1 is right for all of these.

A model of the conditional mean speaks flatter than people do: its standard deviations are below the references'. One
that adds noise lies above. Standard deviations are taken within speakers: with all speakers pooled, the distance of
their voices would hide everything. With n_s values of sum a_s and sum of squares b_s for speaker s,

    variance = sum_s (b_s - a_s^2 / n_s) / sum_s n_s

and the ratio is the root of the clips' variance over the references'. Values are those of all utterances together, so
that what differs from one utterance to the next counts as well as what happens within one.

The global variance: T. Toda and K. Tokuda, "A speech parameter generation algorithm considering global variance for
HMM-based speech synthesis", IEICE Trans. E90-D(5), 2007. v_m is the variance over time of the mel-cepstral coefficient
c_m in one utterance; smoothing in time or over training examples lowers it, above all at high m.

Empty or silent clips, and those without what is to be counted, are refused with ``MeasurementError``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from ttsbench.audio import frames
from ttsbench.audio.cepstrum import ALPHA, FLOOR_DB, ORDER, SAMPLE_RATE, TOP_HZ
from ttsbench.audio.codes import code_of
from ttsbench.audio.prosody import F0_SIGNATURE, log_durations, phone_log_f0, voiced_log_f0
from ttsbench.audio.usable import require_usable, usable_at
from ttsbench.audio.world import analyse
from ttsbench.errors import MeasurementError
from ttsbench.reductions import Mean
from ttsbench.types import Behaviour, Clip, MetricInfo

ROUNDING = 1e-12  # of the sum of squares: a variance below it is zero
PAPER = "as in https://arxiv.org/abs/2307.16679, whose formula is not known: within speakers is this project's choice"
COLUMNS = (
    "speaker_code",
    "clip_count",
    "clip_sum",
    "clip_squares",
    "reference_count",
    "reference_sum",
    "reference_squares",
)

Values = NDArray[np.float64]


class _StdRatio(ABC):
    """What the three share. Rows are a code of the speaker, and count, sum and sum of squares of both clips."""

    @abstractmethod
    def _values(self, clip: Clip) -> Values:
        """What is to vary, (N,), N >= 1."""

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Moments of clip and reference; raises ``MeasurementError`` where one of them has no value."""
        return (code_of(reference.speaker), *_moments(self._values(clip)), *_moments(self._values(reference)))

    def reduce(self, rows: Values) -> float:
        """Ratio of standard deviations within speakers, rows (n, 7); NaN where the references do not vary."""
        return float(self.reduce_weighted(rows, np.ones((1, len(rows))))[0])

    def reduce_weighted(self, rows: Values, weights: Values) -> Values:
        """The same for each row of weights (R, n)."""
        speakers = [rows[:, 0] == code for code in np.unique(rows[:, 0])]
        sums = np.stack([weights[:, own] @ rows[own, 1:] for own in speakers], axis=-1)
        clip, reference = _within(sums[:, :3]), _within(sums[:, 3:])
        ratio: Values = np.sqrt(np.divide(clip, reference, out=np.full(len(clip), np.nan), where=reference > 0))
        return ratio


def _moments(values: Values) -> tuple[float, float, float]:
    return float(len(values)), float(values.sum()), float(values @ values)


def _within(sums: Values) -> Values:
    """Variance within speakers (R,), of counts, sums and sums of squares (R, 3, S)."""
    count, total, squares = sums.transpose(1, 0, 2)
    scatter = (squares - total**2 / np.maximum(count, 1.0)).sum(axis=1)  # a speaker who is not there adds nothing
    varies = scatter > ROUNDING * squares.sum(axis=1)
    variance: Values = np.divide(scatter, count.sum(axis=1), out=np.zeros(len(scatter)), where=varies)
    return variance


class LogF0StdRatio(_StdRatio):
    """Standard deviation of log-F0 over voiced frames, within speakers, over the references'; 1 is right."""

    def __init__(self) -> None:
        self.info = MetricInfo(
            name="std_ratio_log_f0",
            title="Log-F0 std ratio (1 is right)",
            unit="ratio",
            higher_is_better=None,
            columns=COLUMNS,
            signature=f"std_ratio_log_f0|{F0_SIGNATURE}|frames:voiced|within:speakers|v1",
            paper=PAPER,
            sample_rate=SAMPLE_RATE,
            behaviour=Behaviour(
                identity=1.0, gain=0.02, shift=0.02, resample=0.02, worsens=frozenset({"flat_f0"}), noise="refused"
            ),
        )

    def _values(self, clip: Clip) -> Values:
        return usable_at(clip, SAMPLE_RATE).feature(voiced_log_f0)


class PhoneLogF0StdRatio(_StdRatio):
    """The same of the mean log-F0 of phones, those without a voiced frame left out; 1 is right."""

    def __init__(self) -> None:
        self.info = MetricInfo(
            name="std_ratio_phone_log_f0",
            title="Phone log-F0 std ratio (1 is right)",
            unit="ratio",
            higher_is_better=None,
            columns=COLUMNS,
            signature=f"std_ratio_phone_log_f0|{F0_SIGNATURE}|mean:phone|silence:no|within:speakers|v1",
            paper=PAPER,
            needs=frozenset({"reference", "phones"}),
            sample_rate=SAMPLE_RATE,
            behaviour=Behaviour(
                identity=1.0, gain=0.02, shift=0.02, resample=0.02, worsens=frozenset({"flat_f0"}), noise="refused"
            ),
        )

    def _values(self, clip: Clip) -> Values:
        return usable_at(clip, SAMPLE_RATE).feature(phone_log_f0)


class DurationStdRatio(_StdRatio):
    """Standard deviation of the log-duration of phones, silence left out, over the references'; 1 is right."""

    def __init__(self) -> None:
        self.info = MetricInfo(
            name="std_ratio_duration",
            title="Log-duration std ratio (1 is right)",
            unit="ratio",
            higher_is_better=None,
            columns=COLUMNS,
            signature="std_ratio_duration|phones|silence:no|within:speakers|v1",
            paper=PAPER,
            needs=frozenset({"reference", "phones"}),
            behaviour=Behaviour(identity=1.0, gain=0.001, shift=0.001, resample=0.001),
        )

    def _values(self, clip: Clip) -> Values:
        require_usable(clip)
        return clip.feature(log_durations)


class GlobalVarianceRatio(Mean):
    """Global variance over the reference's, geometric mean over c_1 .. c_24 and over utterances; 1 is right.

    Frames of speech only: how a pause is rendered would make up most of the variance.
    """

    def __init__(self) -> None:
        self.info = MetricInfo(
            name="gv_ratio",
            title="Global variance ratio (1 is right)",
            unit="ratio",
            higher_is_better=None,
            columns=("log_ratio",),
            signature=(
                f"gv_ratio|world|{SAMPLE_RATE // 1000}kHz|0-{TOP_HZ / 1000:g}kHz|floor:{FLOOR_DB:g}dB|order:{ORDER}"
                f"|alpha:{ALPHA}|5ms|c0:no|frames:>{frames.SPEECH_DB:g}dB|mean:geometric|v1"
            ),
            paper="Toda and Tokuda 2007, https://doi.org/10.1093/ietisy/e90-d.5.816",
            sample_rate=SAMPLE_RATE,
            behaviour=Behaviour(
                identity=1.0,
                gain=0.002,
                shift=0.01,
                resample=0.005,
                worsens=frozenset({"noise", "low_pass", "smoothing"}),
            ),
        )

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Mean over coefficients of the log ratio; raises ``MeasurementError`` where one of them does not vary."""
        ratio = _log_variances(usable_at(clip, SAMPLE_RATE)) - _log_variances(usable_at(reference, SAMPLE_RATE))
        return (float(ratio.mean()),)

    def reduce(self, rows: Values) -> float:
        """Geometric mean over utterances, rows (n, 1)."""
        return float(np.exp(super().reduce(rows)))

    def reduce_weighted(self, rows: Values, weights: Values) -> Values:
        """The same for each row of weights (R, n)."""
        mean: Values = np.exp(super().reduce_weighted(rows, weights))
        return mean


def _log_variances(clip: Clip) -> Values:
    """Natural log of the variance over the frames of speech of c_1 .. c_order, (order,)."""
    mcep, speech = clip.feature(analyse).mcep, clip.feature(frames.levels).speech
    nearest = np.minimum(np.arange(len(mcep)) // 2, len(speech) - 1)  # WORLD's frames are 5 ms apart, those 10 ms
    variances: Values = mcep[speech[nearest], 1:].var(axis=0)
    if not (variances > 0).all():
        raise MeasurementError(f"the spectrum of clip {clip.id!r} never changes; listen to it and synthesize it again")
    return np.log(variances)
