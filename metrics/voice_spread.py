"""Spread of the hidden voice quality over the draws of a system, relative to the known distribution.

Each phrase of the `espeak` corpus draws a vocal effort and a formant scale that models are not told
(``ttsbench.data.espeak.quality``), so several draws of a sentence should differ in them as the distribution does:

    std_ratio_effort          standard deviation of the vocal effort of a phrase over draws, over that of the
                              distribution (2.52 dB per octave); 1 is right, 0 is a deterministic system
    std_ratio_formant_scale   the same of the log formant scale (.035)

The variance is averaged over phrases and utterances before the root is taken. Voice quality is measured from mels
before the vocoder, in vowels, relative to the recording (``ttsbench.data.espeak.estimate``). This needs systems that
take the recording's prosody. Between renderings of the same prosody in the default corpus the standard deviation of the
error is .35 dB per octave and .010; the renderings of the distribution itself have a ratio of 1.00 in effort.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ttsbench.config.schema import MelConfig
from ttsbench.data.espeak.estimate import VOWELS, QualityDifference, compare, mel_spectra
from ttsbench.data.espeak.known_density import MeasuredPhrase, phrases
from ttsbench.data.espeak.quality import QUALITY
from ttsbench.errors import MeasurementError, NotApplicable
from ttsbench.evaluation.paired_draws import DB, mel_draws
from ttsbench.reductions import RatioOfSums
from ttsbench.types import Behaviour, Clip, MetricInfo

MIN_VOWELS = 2
Values = NDArray[np.float64]


class _SpreadRatio(RatioOfSums):
    """Root of the mean variance over draws, relative to the standard deviation of the distribution."""

    def __init__(self, name: str, title: str, quantity: str, std: float) -> None:
        self._quantity, self._std, self._mel = quantity, std, MelConfig()
        self.info = MetricInfo(
            name=name,
            title=title,
            unit="ratio",
            higher_is_better=None,
            columns=("variance", "phrases"),
            signature=f"{name}|espeak|log-mel|vowels|350-4500Hz|std:draws/known:{std:.3g}|v1",
            paper="a convention of this project",
            needs=frozenset({"reference", "draws", "phones"}),
            behaviour=Behaviour(silence="refused"),
        )

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return the sum over phrases of the variance over draws, and the number of phrases.

        Raises ``NotApplicable`` and ``MeasurementError`` as ``mel_draws`` and ``phrases`` do.
        """
        draws, recording = mel_draws(clip, reference)
        if recording.shape[1] != self._mel.n_mels:
            raise MeasurementError(f"clip {clip.id!r} has {recording.shape[1]} mel bands, not {self._mel.n_mels}")
        variances = []
        for phrase in phrases(clip, reference):
            if "effort" not in phrase.drawn:
                raise NotApplicable(f"the voice quality of utterance {clip.id!r} has no known distribution")
            differences = self._differences(draws / DB, recording / DB, phrase)
            values = [getattr(difference, self._quantity) for difference in differences]
            variances.append(float(np.var(values, ddof=1)) if len(values) > 1 else 0.0)
        return float(np.sum(variances)), float(len(variances))

    def _differences(self, draws: Values, recording: Values, phrase: MeasuredPhrase) -> list[QualityDifference]:
        """Return the voice quality of each draw (K, T, M) relative to the recording (T, M)."""
        rate = self._mel.sample_rate / self._mel.hop_length  # frames per second
        spans = [(round(phone.start_s * rate), round(phone.end_s * rate)) for phone in phrase.reference
                 if phone.label.startswith(VOWELS)]  # fmt: skip
        spans = [(start, end) for start, end in spans if start < min(end, len(recording))]
        if len(spans) < MIN_VOWELS:
            raise MeasurementError(f"a phrase has {len(spans)} vowels, and {MIN_VOWELS} are needed")
        lengths = np.array([end - start for start, end in spans], dtype=np.float64)

        def spectra(log_mel: Values) -> Values:
            return mel_spectra(np.array([log_mel[start:end].mean(axis=0) for start, end in spans]), self._mel)

        expected = spectra(recording)
        return [compare(spectra(draw), expected, lengths) for draw in draws]

    def reduce(self, rows: Values) -> float:
        """Return the ratio of standard deviations, rows (n, 2)."""
        return float(np.sqrt(super().reduce(rows))) / self._std

    def reduce_weighted(self, rows: Values, weights: Values) -> Values:
        """Return the ratio for each row of weights (R, n)."""
        ratio: Values = np.sqrt(super().reduce_weighted(rows, weights)) / self._std
        return ratio


class EffortSpread(_SpreadRatio):
    """Spread of the vocal effort over draws; 1 is right, 0 is a deterministic system."""

    def __init__(self) -> None:
        title = "Effort std over draws / known (ideal: 1)"
        super().__init__("std_ratio_effort", title, "effort", QUALITY.effort_deviation)


class FormantSpread(_SpreadRatio):
    """Spread of the log formant scale over draws; 1 is right, 0 is a deterministic system."""

    def __init__(self) -> None:
        title = "Formant scale std over draws / known (ideal: 1)"
        super().__init__("std_ratio_formant_scale", title, "log_formant_scale", QUALITY.formant_deviation)
