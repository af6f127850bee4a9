"""Jensen-Shannon divergence between the feature distributions of a system's clips and of their references.

The divergence (``ttsbench.audio.histogram``, in bits, 0 to 1) compares the histogram p of all clips with the histogram
q of all references over the same fixed bins; https://arxiv.org/abs/2307.16679 uses it for prosody without giving
details. It judges the distribution over the whole set rather than single utterances, so a system is not penalised for
reading a sentence in another acceptable way. Values beyond the outermost edges are counted in the outermost bins. All
speakers are pooled.

Finite samples keep JS above 0. To second order in p - q it is sum_i (p_i - q_i)^2 / (8 m_i ln 2), and for n and n'
independent draws from one distribution over K bins the expectation of (p_i - q_i)^2 is m_i (1 - m_i) (1/n + 1/n'), so

    E JS = (K - 1) (1/n + 1/n') / (8 ln 2),    (K - 1) / (4 n ln 2) for n = n'

Frames of one utterance are not independent, so ``floor`` estimates this value by permutation: if clip and reference had
the same distribution, they would be exchangeable. It swaps them at random, whole utterances with all their draws at
once, and averages JS over ``SWAPS`` such permutations. This is the value to expect if the system does not differ from
the references. If it differs, the swapped sets are mixtures of both distributions, and the floor rises with the
difference: it is then too high, .092 instead of .034 in one case of ten utterances. It is undefined for one utterance.

Empty or silent clips, and clips without the feature in question, raise ``MeasurementError``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from ttsbench.audio import frames
from ttsbench.audio.bandwidth import WIDEBAND_HZ
from ttsbench.audio.cepstrum import FLOOR_DB
from ttsbench.audio.codes import code_of
from ttsbench.audio.f0_trackers import F0Tracker
from ttsbench.audio.histogram import PAPER, Bins, jensen_shannon
from ttsbench.audio.pitch import F0_MAX, F0_MIN
from ttsbench.audio.prosody import delta_log_f0, f0_signature, log_durations, voiced_log_f0
from ttsbench.audio.usable import require_usable, usable_at
from ttsbench.types import Behaviour, Clip, MetricInfo

SWAPS = 100

Values = NDArray[np.float64]


class _Divergence(ABC):
    """Base of the five metrics.

    A row holds a code of the utterance, G * K counts of the clip and as many of the reference.
    """

    bins: Bins
    histograms = 1  # G; the result is the mean over their divergences

    def _columns(self) -> tuple[str, ...]:
        cells = [f"{band}_{level}" for band in range(self.histograms) for level in range(self.bins.count)]
        return ("utterance_code", *(f"clip_{cell}" for cell in cells), *(f"reference_{cell}" for cell in cells))

    @abstractmethod
    def _values(self, clip: Clip) -> Values:
        """Return the values to count, (N, G), N >= 1."""

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return the utterance's code and the counts of both; raise ``MeasurementError`` if there are none."""
        counts = [self.bins.histogram(self._values(side)).reshape(-1) for side in (clip, reference)]
        return (code_of(clip.id), *counts[0].tolist(), *counts[1].tolist())

    def reduce(self, rows: Values) -> float:
        """Return the divergence in bits of the summed counts, mean over histograms, rows (n, 1 + 2 G K)."""
        clip, reference = rows[:, 1:].sum(axis=0).reshape(2, self.histograms, -1)
        return float(jensen_shannon(clip, reference).mean())

    def reduce_weighted(self, rows: Values, weights: Values) -> Values:
        """Return the divergence for each row of weights (R, n)."""
        counts = (weights @ rows[:, 1:]).reshape(len(weights), 2, self.histograms, -1)
        mean: Values = jensen_shannon(counts[:, 0], counts[:, 1]).mean(axis=-1)
        return mean

    def floor(self, rows: Values, rng: np.random.Generator) -> float:
        """Return the mean divergence in bits after swapping clips and references of whole utterances at random.

        NaN for a single utterance, whose swap gives back the divergence itself.
        """
        clip, reference = rows[:, 1:].reshape(len(rows), 2, -1).transpose(1, 0, 2)
        labels, utterance = np.unique(rows[:, 0], return_inverse=True)
        if len(labels) < 2:
            return float("nan")
        difference = np.zeros((len(labels), clip.shape[1]))
        np.add.at(difference, utterance, clip - reference)
        moved = rng.integers(0, 2, size=(SWAPS, len(labels))).astype(np.float64) @ difference
        shape = (SWAPS, self.histograms, self.bins.count)
        swapped = [(total.sum(axis=0) + sign * moved).reshape(shape) for total, sign in ((clip, -1), (reference, 1))]
        return float(jensen_shannon(swapped[0], swapped[1]).mean())


class LogF0Divergence(_Divergence):
    """Divergence of log-F0 over voiced frames. Bins are semitones from 50 Hz, a difference that is easy to hear.

    ``f0`` is the extractor (`world`, `praat` or `crepe`), ``f0_min`` and ``f0_max`` its range in Hz.
    """

    bins = Bins(float(np.log(50.0)), float(np.log(2) / 12), 48)  # up to 800 Hz

    def __init__(self, f0: str = "world", f0_min: float = F0_MIN, f0_max: float = F0_MAX) -> None:
        self._tracker = F0Tracker(f0, f0_min, f0_max)
        self.info = MetricInfo(
            name="js_log_f0",
            title="JS divergence of log-F0",
            unit="bits",
            higher_is_better=False,
            columns=self._columns(),
            signature=(
                f"js_log_f0|{f0_signature(self._tracker)}|frames:voiced|bins:48x1semitone@50Hz|speakers:pooled|log2|v2"
            ),
            paper=PAPER,
            sample_rate=frames.SAMPLE_RATE,
            behaviour=Behaviour(
                identity=0.0,
                gain=0.001,
                shift=0.002,
                resample=0.001,
                symmetric=0.0,
                worsens=frozenset({"flat_f0"}),
                noise="refused",
            ),
        )

    def require(self) -> None:
        """Raise ``ConfigError`` if the extractor's package is missing."""
        self._tracker.require()

    def _values(self, clip: Clip) -> Values:
        return voiced_log_f0(usable_at(clip, frames.SAMPLE_RATE), self._tracker)[:, None]


class DeltaLogF0Divergence(_Divergence):
    """Divergence of the change of log-F0 between neighbouring voiced frames.

    Bins are 0.005 wide, the middle one around no change. The quartiles of read speech lie at about 0.015, and 29 of 30
    frames lie within 0.1. Faster changes are mostly errors of the tracker and share the outermost bins.
    """

    bins = Bins(-0.1025, 0.005, 41)

    def __init__(self, f0: str = "world", f0_min: float = F0_MIN, f0_max: float = F0_MAX) -> None:
        self._tracker = F0Tracker(f0, f0_min, f0_max)
        self.info = MetricInfo(
            name="js_delta_log_f0",
            title="JS divergence of delta log-F0",
            unit="bits",
            higher_is_better=False,
            columns=self._columns(),
            signature=(
                f"js_delta_log_f0|{f0_signature(self._tracker)}|frames:voiced|bins:41x0.005@-0.1025|speakers:pooled|log2|v2"
            ),
            paper=PAPER,
            sample_rate=frames.SAMPLE_RATE,
            behaviour=Behaviour(identity=0.0, gain=0.001, shift=0.002, resample=0.001, symmetric=0.0, noise="refused"),
        )

    def require(self) -> None:
        """Raise ``ConfigError`` if the extractor's package is missing."""
        self._tracker.require()

    def _values(self, clip: Clip) -> Values:
        return delta_log_f0(usable_at(clip, frames.SAMPLE_RATE), self._tracker)[:, None]


class DurationDivergence(_Divergence):
    """Divergence of the log-duration of phones other than silence. Bins are 1/3 octave wide, from 9.3 to 595 ms.

    Durations are multiples of a frame shift; 9.3 ms keeps those of the usual shifts (10, 10.7, 11.6, 12.5, 16 ms) away
    from all edges, where rounding would decide.
    """

    bins = Bins(float(np.log(0.0093)), float(np.log(2) / 3), 18)

    def __init__(self) -> None:
        self.info = MetricInfo(
            name="js_duration",
            title="JS divergence of log phone duration",
            unit="bits",
            higher_is_better=False,
            columns=self._columns(),
            signature="js_duration|phones|silence:no|bins:18x1/3octave@9.3ms|speakers:pooled|log2|v1",
            paper=PAPER,
            needs=frozenset({"reference", "phones"}),
            behaviour=Behaviour(
                identity=0.0, gain=0.001, shift=0.002, resample=0.001, symmetric=0.0, worsens=frozenset({"stretch"})
            ),
        )

    def _values(self, clip: Clip) -> Values:
        require_usable(clip)
        return clip.feature(log_durations)[:, None]


class EnergyDivergence(_Divergence):
    """Divergence of frame levels relative to the clip's own level, so a gain has no effect."""

    bins = Bins(frames.SPEECH_DB, 2.5, 20)  # up to +10 dB; less than 1 frame in 1,000 lies above

    def __init__(self) -> None:
        self.info = MetricInfo(
            name="js_energy",
            title="JS divergence of frame energy",
            unit="bits",
            higher_is_better=False,
            columns=self._columns(),
            signature=f"js_energy|{frames.SIGNATURE}|bins:20x2.5dB|speakers:pooled|log2|v1",
            paper=PAPER,
            sample_rate=frames.SAMPLE_RATE,
            behaviour=Behaviour(
                identity=0.0,
                gain=0.001,
                shift=0.002,
                resample=0.001,
                symmetric=0.0,
                worsens=frozenset({"noise", "low_pass"}),
            ),
        )

    def _values(self, clip: Clip) -> Values:
        levels = usable_at(clip, frames.SAMPLE_RATE).feature(frames.levels)
        return levels.overall[levels.speech][:, None]


class MelDivergence(_Divergence):
    """Divergence of levels in each of 16 mel bands relative to the clip's own level; mean over the bands.

    Levels below MCD's floor of -45 dB are equal, so that inaudible noise in high bands does not count: the rank
    correlation with PESQ rises from .82 to .88 (the experiment of ``ttsbench.audio.cepstrum``).
    """

    bins = Bins(FLOOR_DB, 6.0, 11)  # up to +21 dB; the first bin also counts what lies below
    histograms = frames.BANDS

    def __init__(self) -> None:
        self.info = MetricInfo(
            name="js_mel",
            title="JS divergence of mel bands",
            unit="bits",
            higher_is_better=False,
            columns=self._columns(),
            signature=f"js_mel|{frames.SIGNATURE}|bands:16|floor:{FLOOR_DB:g}dB|bins:11x6dB|mean:bands|speakers:pooled|log2|v2",
            paper=PAPER,
            sample_rate=frames.SAMPLE_RATE,
            band_hz=WIDEBAND_HZ,
            behaviour=Behaviour(
                identity=0.0,
                gain=0.001,
                shift=0.002,
                resample=0.001,
                symmetric=0.0,
                worsens=frozenset({"noise", "low_pass"}),
            ),
        )

    def _values(self, clip: Clip) -> Values:
        levels = usable_at(clip, frames.SAMPLE_RATE).feature(frames.levels)
        return levels.bands[levels.speech]
