"""Variability relative to the references: ratios of standard deviations and of global variance. The ideal value is 1.

A model of the conditional mean speaks with less variation than people do, so its standard deviations are below the
references'. A model that adds noise is above. Standard deviations are computed within speakers, because pooling all
speakers would mostly measure the distance between their voices. With n_s values, sum a_s and sum of squares b_s for
speaker s,

    variance = sum_s (b_s - a_s^2 / n_s) / sum_s n_s

and the ratio is the square root of the clips' variance over the references'. All utterances are pooled, so both
differences between utterances and movement within them count.

Global variance: T. Toda and K. Tokuda, "A speech parameter generation algorithm considering global variance for
HMM-based speech synthesis", IEICE Trans. E90-D(5), 2007. v_m is the variance over time of the mel-cepstral coefficient
c_m in one utterance. Smoothing over time or over training examples lowers it, above all at high m.

Empty or silent clips, and clips without the feature in question, raise ``MeasurementError``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from ttsbench.audio import frames
from ttsbench.audio.cepstrum import ALPHA, FLOOR_DB, MAX_HZ, ORDER, SAMPLE_RATE
from ttsbench.audio.codes import code_of
from ttsbench.audio.f0_trackers import F0Tracker
from ttsbench.audio.pitch import F0_MAX, F0_MIN
from ttsbench.audio.prosody import f0_signature, log_durations, phone_log_f0, voiced_log_f0
from ttsbench.audio.usable import require_usable, usable_at
from ttsbench.audio.world import analyse
from ttsbench.errors import MeasurementError
from ttsbench.reductions import Mean
from ttsbench.types import Behaviour, Clip, MetricInfo

ROUNDING = 1e-12  # relative to the sum of squares; a smaller variance counts as zero
PAPER = "as in https://arxiv.org/abs/2307.16679, which gives no formula: within speakers is this project's choice"
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
    """Base of the three ratios: a row holds a code of the speaker, and count, sum and sum of squares of both clips."""

    @abstractmethod
    def _values(self, clip: Clip) -> Values:
        """Return the values whose variability is compared, (N,), N >= 1."""

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return the moments of clip and reference; raise ``MeasurementError`` if either has no values."""
        return (code_of(reference.speaker), *_moments(self._values(clip)), *_moments(self._values(reference)))

    def reduce(self, rows: Values) -> float:
        """Return the ratio of standard deviations within speakers, rows (n, 7); NaN if the references are constant."""
        return float(self.reduce_weighted(rows, np.ones((1, len(rows))))[0])

    def reduce_weighted(self, rows: Values, weights: Values) -> Values:
        """Return the ratio for each row of weights (R, n)."""
        speakers = [rows[:, 0] == code for code in np.unique(rows[:, 0])]
        sums = np.stack([weights[:, mask] @ rows[mask, 1:] for mask in speakers], axis=-1)
        clip, reference = _variance_within(sums[:, :3]), _variance_within(sums[:, 3:])
        ratio: Values = np.sqrt(np.divide(clip, reference, out=np.full(len(clip), np.nan), where=reference > 0))
        return ratio


def _moments(values: Values) -> tuple[float, float, float]:
    return float(len(values)), float(values.sum()), float(values @ values)


def _variance_within(sums: Values) -> Values:
    """Return the variance within speakers (R,), of counts, sums and sums of squares (R, 3, S)."""
    count, total, squares = sums.transpose(1, 0, 2)
    scatter = (squares - total**2 / np.maximum(count, 1.0)).sum(axis=1)  # a speaker without rows adds nothing
    nonzero = scatter > ROUNDING * squares.sum(axis=1)
    variance: Values = np.divide(scatter, count.sum(axis=1), out=np.zeros(len(scatter)), where=nonzero)
    return variance


class LogF0StdRatio(_StdRatio):
    """Standard deviation of log-F0 over voiced frames, within speakers, relative to the references; ideal: 1."""

    def __init__(self, f0: str = "world", f0_min: float = F0_MIN, f0_max: float = F0_MAX) -> None:
        self._tracker = F0Tracker(f0, f0_min, f0_max)
        self.info = MetricInfo(
            name="std_ratio_log_f0",
            title="Log-F0 std ratio (ideal: 1)",
            unit="ratio",
            higher_is_better=None,
            columns=COLUMNS,
            signature=f"std_ratio_log_f0|{f0_signature(self._tracker)}|frames:voiced|within:speakers|v2",
            paper=PAPER,
            sample_rate=SAMPLE_RATE,
            behaviour=Behaviour(
                identity=1.0, gain=0.02, shift=0.02, resample=0.02, worsens=frozenset({"flat_f0"}), noise="refused"
            ),
        )

    def require(self) -> None:
        """Raise ``ConfigError`` if the extractor's package is missing."""
        self._tracker.require()

    def _values(self, clip: Clip) -> Values:
        return voiced_log_f0(usable_at(clip, SAMPLE_RATE), self._tracker)


class PhoneLogF0StdRatio(_StdRatio):
    """Standard deviation of the mean log-F0 of phones with a voiced frame, relative to the references; ideal: 1."""

    def __init__(self, f0: str = "world", f0_min: float = F0_MIN, f0_max: float = F0_MAX) -> None:
        self._tracker = F0Tracker(f0, f0_min, f0_max)
        self.info = MetricInfo(
            name="std_ratio_phone_log_f0",
            title="Phone log-F0 std ratio (ideal: 1)",
            unit="ratio",
            higher_is_better=None,
            columns=COLUMNS,
            signature=f"std_ratio_phone_log_f0|{f0_signature(self._tracker)}|mean:phone|silence:no|within:speakers|v2",
            paper=PAPER,
            needs=frozenset({"reference", "phones"}),
            sample_rate=SAMPLE_RATE,
            behaviour=Behaviour(
                identity=1.0, gain=0.02, shift=0.02, resample=0.02, worsens=frozenset({"flat_f0"}), noise="refused"
            ),
        )

    def require(self) -> None:
        """Raise ``ConfigError`` if the extractor's package is missing."""
        self._tracker.require()

    def _values(self, clip: Clip) -> Values:
        return phone_log_f0(usable_at(clip, SAMPLE_RATE), self._tracker)


class DurationStdRatio(_StdRatio):
    """Standard deviation of the log-duration of phones other than silence, relative to the references; ideal: 1."""

    def __init__(self) -> None:
        self.info = MetricInfo(
            name="std_ratio_duration",
            title="Log-duration std ratio (ideal: 1)",
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
    """Global variance relative to the reference, geometric mean over c_1 .. c_24 and over utterances; ideal: 1.

    Only frames of speech count, because the rendering of pauses would otherwise dominate the variance.
    """

    def __init__(self) -> None:
        self.info = MetricInfo(
            name="gv_ratio",
            title="Global variance ratio (ideal: 1)",
            unit="ratio",
            higher_is_better=None,
            columns=("log_ratio",),
            signature=(
                f"gv_ratio|world|{SAMPLE_RATE // 1000}kHz|0-{MAX_HZ / 1000:g}kHz|floor:{FLOOR_DB:g}dB|order:{ORDER}"
                f"|alpha:{ALPHA}|5ms|c0:no|frames:>{frames.SPEECH_DB:g}dB|mean:geometric|v2"
            ),
            paper="Toda and Tokuda 2007, https://doi.org/10.1093/ietisy/e90-d.5.816",
            sample_rate=SAMPLE_RATE,
            band_hz=MAX_HZ,
            behaviour=Behaviour(
                identity=1.0,
                gain=0.002,
                shift=0.01,
                resample=0.005,
                worsens=frozenset({"noise", "low_pass", "smoothing"}),
            ),
        )

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return the mean log ratio over coefficients; raise ``MeasurementError`` if one of them is constant."""
        ratio = _log_variances(usable_at(clip, SAMPLE_RATE)) - _log_variances(usable_at(reference, SAMPLE_RATE))
        return (float(ratio.mean()),)

    def reduce(self, rows: Values) -> float:
        """Return the geometric mean over utterances, rows (n, 1)."""
        return float(np.exp(super().reduce(rows)))

    def reduce_weighted(self, rows: Values, weights: Values) -> Values:
        """Return the same for each row of weights (R, n)."""
        mean: Values = np.exp(super().reduce_weighted(rows, weights))
        return mean


def _log_variances(clip: Clip) -> Values:
    """Return the natural log of the variance of c_1 .. c_order over frames of speech, (order,)."""
    mcep, speech = clip.feature(analyse).mcep, clip.feature(frames.levels).speech
    nearest = np.minimum(np.arange(len(mcep)) // 2, len(speech) - 1)  # WORLD's frames are 5 ms apart, the levels' 10 ms
    variances: Values = mcep[speech[nearest], 1:].var(axis=0)
    if not (variances > 0).all():
        raise MeasurementError(
            f"the spectrum of clip {clip.id!r} is constant; listen to the clip and synthesize it again"
        )
    return np.log(variances)
