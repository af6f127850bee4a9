"""The known distribution of prosody in the embedded corpus.

Each phrase draws its prosody independently of its text and of its neighbours:

    register r ~ {low: -1, high: +1}, one half each
    log pitch = log base_pitch_hz + r * register_log + pitch_std * z1       median F0 of the phrase, Hz
    log range = log median_range + range_std * z2                          level of ``espeakRANGE``, 50 is the default
    log rate  = log base_rate_wpm + rate_std * z3                          words per minute

After each phrase but the last, log pause = log median_pause_s + pause_std * z4. The z are standard normal, truncated to
[-TRUNCATION, TRUNCATION] by rejection. Log pitch has two modes and a standard deviation of about
sqrt(register_log^2 + pitch_std^2) = 0.15 around a mean that is almost never spoken, so a model of the conditional mean
is visibly wrong.

espeak-ng takes integer levels. Its median F0 over 12 sentences of the grammar, measured with WORLD's DIO, is within
1.5 % of

    F0 = offset_hz + hz_per_range * (range - 50) + scale_hz * 2 ** ((pitch level - 50) / 50)

which is solved for the level. Rounding moves F0 by less than 1 % and the rate by less than 0.5 %. The median F0 of a
single phrase scatters around the drawn pitch with a standard deviation of 3 %, because it depends on the text. The
manifest holds the drawn values, before rounding.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

VOICES = {"en": "en-us", "zh": "cmn", "no": "nb"}  # languages by other names
TRUNCATION = 2.0  # standard deviations; keeps clips between 2 and 6 s and levels within espeak-ng's range
TRUNCATED_STD = 0.8796  # standard deviation of a standard normal number truncated there


@dataclass(frozen=True)
class PhraseProsody:
    """The prosody of one phrase."""

    pitch: float  # median F0, Hz
    range: float  # level; 50 is the voice's default
    rate: float  # words per minute


@dataclass(frozen=True)
class ProsodyDistribution:
    """The distribution of a speaker's prosody, independent of the text; see the top of this file."""

    base_pitch_hz: float
    base_rate_wpm: float
    register_log: float = 0.14
    pitch_std: float = 0.05
    median_range: float = 45.0
    range_std: float = 0.2
    rate_std: float = 0.15
    median_pause_s: float = 0.13
    pause_std: float = 0.3

    def sample(self, rng: np.random.Generator) -> PhraseProsody:
        """Draw the prosody of one phrase."""
        register = 1.0 if rng.random() < 0.5 else -1.0
        return PhraseProsody(
            pitch=self.base_pitch_hz * math.exp(register * self.register_log + self.pitch_std * truncated_normal(rng)),
            range=self.median_range * math.exp(self.range_std * truncated_normal(rng)),
            rate=self.base_rate_wpm * math.exp(self.rate_std * truncated_normal(rng)),
        )

    def sample_pause(self, rng: np.random.Generator) -> float:
        """Draw the silence after a phrase that is not the last one, in seconds."""
        return self.median_pause_s * math.exp(self.pause_std * truncated_normal(rng))

    def log_density(self, prosody: PhraseProsody) -> float:
        """Return the log density of (log pitch, log range, log rate); -inf outside the truncation."""
        centre = math.log(prosody.pitch / self.base_pitch_hz)
        low, high = (log_truncated_normal(centre - sign * self.register_log, self.pitch_std) for sign in (-1.0, 1.0))
        return (
            float(np.logaddexp(low, high))
            - math.log(2.0)
            + log_truncated_normal(math.log(prosody.range / self.median_range), self.range_std)
            + log_truncated_normal(math.log(prosody.rate / self.base_rate_wpm), self.rate_std)
        )

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of the distribution as JSON values."""
        return {**asdict(self), "truncation": TRUNCATION}


@dataclass(frozen=True)
class Speaker:
    """A voice of espeak-ng, the calibration of its median F0, and its distribution of prosody."""

    voice: str
    offset_hz: float
    hz_per_range: float
    scale_hz: float
    prosody: ProsodyDistribution

    def in_language(self, language: str) -> Speaker:
        """Return the same variant of the voice of another language, such as ``de`` or ``zh``."""
        name = VOICES.get(language, language.lower())
        return replace(self, voice=f"{name}+{self.voice.partition('+')[2]}")

    def levels(self, drawn: PhraseProsody) -> dict[str, int]:
        """Return the arguments pitch, pitch_range and rate of ``voice.speak``."""
        pitch_range = round(drawn.range)
        factor = (drawn.pitch - self.offset_hz - self.hz_per_range * (pitch_range - 50)) / self.scale_hz
        return {"pitch": round(50 + 50 * math.log2(factor)), "pitch_range": pitch_range, "rate": round(drawn.rate)}


# Intelligible voices: the word error rates of pocketsphinx (flat unigram of 119 words) on the test clips of the default
# corpus are .05 (f5), .04 (edward), .11 (robosoft3), .01 (mike2) and .05 (m6), .05 in total; with neutral voice quality
# .10, .08, .07, .09 and .23, .11 in total. Different base pitches and rates make the speakers easier to tell apart.
SPEAKERS = {
    "f5": Speaker("en-us+f5", 54.6, 0.460, 151.6, ProsodyDistribution(205.0, 184.0)),
    "edward": Speaker("en-us+edward", 30.4, 0.263, 71.5, ProsodyDistribution(108.0, 184.0)),
    "robosoft3": Speaker("en-us+robosoft3", 37.4, 0.197, 61.3, ProsodyDistribution(118.0, 190.0)),
    "mike2": Speaker("en-us+mike2", 32.2, 0.278, 58.3, ProsodyDistribution(94.0, 182.0)),
    "hugo": Speaker("en-us+Hugo", 47.3, 0.406, 62.0, ProsodyDistribution(128.0, 180.0)),
    "f2": Speaker("en-us+f2", 62.9, 0.533, 133.3, ProsodyDistribution(190.0, 180.0)),
    "benjamin": Speaker("en-us+benjamin", 30.3, 0.266, 71.5, ProsodyDistribution(102.0, 175.0)),
    "m6": Speaker("en-us+m6", 27.4, 0.241, 73.9, ProsodyDistribution(110.0, 184.0)),
    "klatt4": Speaker("en-us+klatt4", 29.5, 0.257, 72.2, ProsodyDistribution(115.0, 185.0)),
}
DEFAULT_SPEAKERS = ("f5", "edward", "robosoft3", "mike2", "m6")


def truncated_normal(rng: np.random.Generator) -> float:
    """Draw a standard normal number in [-TRUNCATION, TRUNCATION]."""
    while True:
        z = float(rng.standard_normal())
        if abs(z) <= TRUNCATION:
            return z


def log_truncated_normal(deviation: float, std: float) -> float:
    """Return the log density of a zero-mean normal truncated at ``TRUNCATION`` standard deviations."""
    if abs(deviation) > TRUNCATION * std * (1.0 + 1e-9):
        return -math.inf
    inside = math.erf(TRUNCATION / math.sqrt(2.0))
    return -0.5 * (deviation / std) ** 2 - math.log(std * math.sqrt(2.0 * math.pi) * inside)
