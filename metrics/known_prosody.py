"""Divergence of a system's prosody from the known distribution of the `espeak` corpus.

Each phrase of that corpus draws its log pitch from two modes and its log rate from a normal distribution, both
truncated, independently of the text (``ttsbench.data.espeak.prosody``). The divergence is described in
``ttsbench.data.espeak.known_density``. Values are relative to the speaker's base, so that speakers can be pooled. A
phrase of the clip is measured against the same words of its reference, which was rendered at a known pitch p and rate
r. With the median F0 f, f' and the durations d, d' of reference and clip,

    log pitch = log p + log f' - log f              log rate = log r + (log d - log d') / .889

The exponent and the errors were measured over the 348 ordered pairs of renderings of one text in the default corpus.
The standard deviation of the error is .017 for the rate. The error of the pitch is below .008 in half and below .032 in
nine tenths of the pairs, which corresponds to a standard deviation of .02. The median F0 alone would miss the drawn
pitch by .037, mostly because of the text; this error does not average out over the few sentences of a test set, and the
recordings themselves were at three times the floor.

Raises ``MeasurementError`` for a clip with other phones than the reference and for empty or silent clips, and
``NotApplicable`` for other corpora.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ttsbench.audio.cepstrum import SAMPLE_RATE
from ttsbench.audio.f0_trackers import FRAME_S, WORLD
from ttsbench.audio.histogram import PAPER, Bins
from ttsbench.audio.prosody import MIN_VOICED_SHARE, f0_signature, log_f0_between
from ttsbench.audio.usable import usable_at
from ttsbench.data.espeak.known_density import KnownDensityDivergence, MeasuredPhrase, Values, integrated
from ttsbench.data.espeak.prosody import SPEAKERS
from ttsbench.errors import MeasurementError
from ttsbench.types import Behaviour, Clip, MetricInfo, Phone

PITCH_ERROR = 0.02  # log F0; these three are explained at the top of this file
RATE_ERROR = 0.017
DURATION_EXPONENT = 0.889


class KnownLogF0Divergence(KnownDensityDivergence):
    """Divergence of the log pitch of phrases from the known mixture; bins of .05 resolve its modes, .28 apart."""

    bins = Bins(-0.4, 0.05, 16)

    def __init__(self) -> None:
        self.info = MetricInfo(
            name="js_known_log_f0",
            title="JS divergence of phrase log-F0 from the known density",
            unit="bits",
            higher_is_better=False,
            columns=self.columns(),
            signature=(
                f"js_known_log_f0|espeak|{f0_signature(WORLD)}|median:phrase|re:reference-drawn|bins:16x0.05@-0.4"
                f"|error:{PITCH_ERROR:g}|log2|v2"
            ),
            paper=PAPER,
            needs=frozenset({"reference", "phones"}),
            sample_rate=SAMPLE_RATE,
            behaviour=Behaviour(gain=0.05, shift=0.05, resample=0.05, noise="refused"),
        )

    def value(self, clip: Clip, reference: Clip, phrase: MeasuredPhrase) -> float:
        """Return the log of the pitch of a phrase relative to the speaker's base."""
        base_hz = SPEAKERS[clip.speaker].prosody.base_pitch_hz
        difference = _median_log_f0(clip, phrase.clip) - _median_log_f0(reference, phrase.reference)
        return float(np.log(phrase.drawn["pitch"] / base_hz)) + difference

    def probabilities(self, speaker: str) -> Values:
        """Return the known probability of each bin, (16,)."""
        prosody = SPEAKERS[speaker].prosody
        return integrated([-prosody.register_log, prosody.register_log], prosody.pitch_std, PITCH_ERROR, self.bins)


def _median_log_f0(clip: Clip, phones: Sequence[Phone]) -> float:
    start_s, end_s = phones[0].start_s, phones[-1].end_s
    voiced = log_f0_between(usable_at(clip, SAMPLE_RATE), start_s, end_s)
    if len(voiced) * FRAME_S <= MIN_VOICED_SHARE * _duration_s(phones):
        raise MeasurementError(
            f"less than {MIN_VOICED_SHARE:.0%} of clip {clip.id!r} is voiced from {start_s:.2f} to {end_s:.2f} s, a "
            "whole phrase; listen to it: its voicing is lost"
        )
    return float(np.median(voiced))


class KnownRateDivergence(KnownDensityDivergence):
    """Divergence of the log speaking rate of phrases from the known truncated normal distribution; bins of .06."""

    bins = Bins(-0.42, 0.06, 14)

    def __init__(self) -> None:
        self.info = MetricInfo(
            name="js_known_rate",
            title="JS divergence of phrase rate from the known density",
            unit="bits",
            higher_is_better=False,
            columns=self.columns(),
            signature=(
                f"js_known_rate|espeak|phones|duration:rate^-{DURATION_EXPONENT:g}|re:reference-drawn"
                f"|bins:14x0.06@-0.42|error:{RATE_ERROR:g}|log2|v1"
            ),
            paper=PAPER,
            needs=frozenset({"reference", "phones"}),
            behaviour=Behaviour(gain=0.001, shift=0.001, resample=0.001, worsens=frozenset({"stretch"})),
        )

    def value(self, clip: Clip, reference: Clip, phrase: MeasuredPhrase) -> float:
        """Return the log of the rate of a phrase relative to the speaker's base."""
        base_wpm = SPEAKERS[clip.speaker].prosody.base_rate_wpm
        log_ratio = np.log(_duration_s(phrase.reference) / _duration_s(phrase.clip))
        return float(np.log(phrase.drawn["rate"] / base_wpm) + log_ratio / DURATION_EXPONENT)

    def probabilities(self, speaker: str) -> Values:
        """Return the known probability of each bin, (14,)."""
        return integrated([0.0], SPEAKERS[speaker].prosody.rate_std, RATE_ERROR, self.bins)


def _duration_s(phones: Sequence[Phone]) -> float:
    return phones[-1].end_s - phones[0].start_s
