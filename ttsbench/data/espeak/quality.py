"""The hidden voice quality of the embedded corpus: a known distribution of acoustics that models do not observe.

Given durations and F0, espeak-ng's speech has nearly one realisation, so that a regression model would be optimal. Each
phrase therefore draws a vocal effort and a formant scale, independently of text, prosody, speaker and neighbours:

    mode m ~ {soft: -1, loud: +1}, one half each
    effort            = m * effort_mode + effort_std * z5        tilt of the spectrum, dB per octave
    log formant scale = formant_std * z6                         all formants are multiplied by the scale

The z are standard normal, truncated to [-TRUNCATION, TRUNCATION]. The mean effort, 0, is never spoken.

*Effort* is a zero-phase filter with the gain effort * log2(f / PIVOT_HZ) dB, f clipped to [LOWEST_HZ, HIGHEST_HZ]. A
phrase also has breath, mostly a soft one: white noise with the envelope of the phrase at a level of
BREATH_DB - BREATH_PER_EFFORT * effort dB relative to it, added before the filter.

*Formant scale* multiplies the formant frequencies of espeak-ng's voice variant. These are whole percents, and rounding
moves the scale by less than 0.5 %. espeak-ng itself raises formants with pitch, which the variant cancels, so that the
scale does not depend on prosody. Consonants that espeak-ng plays from recordings have no formants to scale.

Neither changes durations or F0. espeak-ng's flutter moves the boundaries of some voices by up to .2 % of the time.
Tilt does not impair recognition: the word error rate of pocketsphinx on the test clips is in ``prosody.SPEAKERS``.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from scipy.ndimage import uniform_filter1d

from ttsbench.data.espeak.prosody import TRUNCATED_STD, TRUNCATION, log_truncated_normal, truncated_normal

LOWEST_HZ, PIVOT_HZ, HIGHEST_HZ = 250.0, 1000.0, 8000.0
BREATH_DB, BREATH_PER_EFFORT = -38.0, 2.0
ENVELOPE_S = 0.02
MARGIN_S = 0.05  # of zeros around a phrase, for the response of the filter

Values = NDArray[np.float64]


@dataclass(frozen=True)
class PhraseQuality:
    """The voice quality of one phrase."""

    effort: float  # dB per octave; negative is soft
    formant_scale: float


NEUTRAL = PhraseQuality(0.0, 1.0)


@dataclass(frozen=True)
class QualityDistribution:
    """The distribution of voice quality, equal for all speakers; see the top of this file."""

    effort_mode: float = 2.5
    effort_std: float = 0.4
    formant_std: float = 0.04

    def sample(self, rng: np.random.Generator) -> PhraseQuality:
        """Draw the voice quality of one phrase."""
        mode = 1.0 if rng.random() < 0.5 else -1.0
        effort = mode * self.effort_mode + self.effort_std * truncated_normal(rng)
        return PhraseQuality(effort, math.exp(self.formant_std * truncated_normal(rng)))

    def log_density(self, quality: PhraseQuality) -> float:
        """Return the log density of (effort, log formant scale); -inf outside the truncation."""
        soft, loud = (
            log_truncated_normal(quality.effort - mode * self.effort_mode, self.effort_std) for mode in (-1.0, 1.0)
        )
        formant = log_truncated_normal(math.log(quality.formant_scale), self.formant_std)
        return float(np.logaddexp(soft, loud)) - math.log(2.0) + formant

    @property
    def effort_deviation(self) -> float:
        """Standard deviation of the effort, dB per octave."""
        return math.hypot(self.effort_mode, self.effort_std * TRUNCATED_STD)

    @property
    def formant_deviation(self) -> float:
        """Standard deviation of the log formant scale."""
        return self.formant_std * TRUNCATED_STD

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of the distribution as JSON values."""
        return {**asdict(self), "truncation": TRUNCATION}


QUALITY = QualityDistribution()


def tilt(samples: Values, effort: float, sample_rate: int) -> Values:
    """Filter samples (N,) with a tilt of ``effort`` dB per octave, without delay; (N,)."""
    margin = round(MARGIN_S * sample_rate)
    length = next_fast_len(len(samples) + 2 * margin, real=True)
    padded = np.pad(samples, (margin, length - len(samples) - margin))
    frequencies = np.fft.rfftfreq(len(padded), 1.0 / sample_rate)
    octaves = np.log2(np.clip(frequencies, LOWEST_HZ, HIGHEST_HZ) / PIVOT_HZ)
    gains = 10.0 ** (effort * octaves / 20.0)
    filtered: Values = np.fft.irfft(np.fft.rfft(padded) * gains, len(padded))
    return filtered[margin : margin + len(samples)]


def add_breath(samples: Values, effort: float, sample_rate: int, rng: np.random.Generator) -> Values:
    """Add noise with the envelope of samples (N,), stronger for a lower ``effort``; (N,)."""
    envelope = np.sqrt(uniform_filter1d(samples**2, round(ENVELOPE_S * sample_rate), mode="constant"))
    gain = 10.0 ** ((BREATH_DB - BREATH_PER_EFFORT * effort) / 20.0)
    breathy: Values = samples + gain * envelope * rng.standard_normal(len(samples))
    return breathy
