"""Estimate of the hidden voice quality of a phrase, relative to another rendering of the same words.

Both phrases are given as log spectra of corresponding vowels on a logarithmic frequency axis, (P, U) in dB. A formant
scale shifts such a spectrum by its logarithm, and effort adds a tilt. For every shift s on a grid, least squares over
the vowels p, weighted by durations w, gives the tilt e between 350 and 4500 Hz with a free level c of every vowel:

    min over e, c of  sum_p w_p sum_u (clip_p(u) - reference_p(u - s) - c_p - e octaves(u))^2

The shift with the smallest residual, refined by a parabola, is the difference of the log formant scales. Breath fills
spectral valleys of soft phrases, so that a tilt is measured as ``TILT_SLOPE`` times the difference of the efforts.

Spectra come from the envelopes of WORLD, or from a mel spectrogram. The latter resolves harmonics: it is accurate only
between renderings of the same F0, such as draws of a system that is given the recording's prosody.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from ttsbench.audio.mel import filterbank
from ttsbench.config.schema import MelConfig
from ttsbench.data.espeak.quality import HIGHEST_HZ, LOWEST_HZ, PIVOT_HZ

LOW_HZ, HIGH_HZ = 350.0, 4500.0
SMOOTHING = 0.12  # of mels, standard deviation on the frequency axis: hides harmonics
STEP = 0.01  # of the frequency axis, natural logarithm
SHIFTS = 20  # steps to either side: five standard deviations of the log formant scale
TILT_SLOPE = 0.92  # measured over the 348 pairs of renderings of one text in the default corpus
VOWELS = tuple("aeiouæɑɐɒəɚɛɜɪʊʌᵻɔ")  # initial characters of the labels

Values = NDArray[np.float64]

_AXIS = np.arange(np.log(LOW_HZ) - SHIFTS * STEP, np.log(HIGH_HZ) + SHIFTS * STEP + STEP / 2, STEP)
FREQUENCIES_HZ: Values = np.exp(_AXIS)  # (U,), with a margin for the shifts on either side


class QualityDifference(NamedTuple):
    """Voice quality of a phrase minus that of its reference."""

    effort: float  # dB per octave
    log_formant_scale: float


def compare(clip: Values, reference: Values, weights: Values) -> QualityDifference:
    """Return the difference in voice quality of log spectra (P, U) in dB at ``FREQUENCIES_HZ``, weights (P,)."""
    inside = slice(SHIFTS, len(FREQUENCIES_HZ) - SHIFTS)
    octaves = np.log2(np.clip(FREQUENCIES_HZ[inside], LOWEST_HZ, HIGHEST_HZ) / PIVOT_HZ)
    octaves = octaves - octaves.mean()
    shifts = np.arange(-SHIFTS, SHIFTS + 1)
    share = weights / weights.sum()
    tilts, residuals = np.empty(len(shifts)), np.empty(len(shifts))
    for index, shift in enumerate(shifts):
        difference = clip[:, inside] - reference[:, inside.start - shift : inside.stop - shift]
        difference = difference - difference.mean(axis=1, keepdims=True)
        tilts[index] = share @ (difference @ octaves) / (octaves @ octaves)
        residuals[index] = share @ ((difference - tilts[index] * octaves) ** 2).sum(axis=1)
    best = _minimum(residuals)
    return QualityDifference(float(np.interp(best, np.arange(len(shifts)), tilts)) / TILT_SLOPE, STEP * (best - SHIFTS))


def mel_spectra(log_mels: Values, mel: MelConfig) -> Values:
    """Return smoothed spectra (..., U) in dB at ``FREQUENCIES_HZ`` of natural-log mels (..., M)."""
    bands = filterbank(mel).numpy()
    bins_hz = np.linspace(0, mel.sample_rate / 2, len(bands))
    centres = np.log((bins_hz @ bands) / bands.sum(axis=0))
    right = np.clip(np.searchsorted(centres, _AXIS), 1, len(centres) - 1)
    share = np.clip((_AXIS - centres[right - 1]) / (centres[right] - centres[right - 1]), 0.0, 1.0)
    interpolated = log_mels[..., right - 1] * (1 - share) + log_mels[..., right] * share
    smoothed: Values = gaussian_filter1d(interpolated * (20 / np.log(10)), SMOOTHING / STEP, axis=-1)
    return smoothed


def _minimum(values: Values) -> float:
    """Return the position of the minimum of values (N,), by a parabola through it and its neighbours."""
    index = int(values.argmin())
    if not 0 < index < len(values) - 1:
        return float(index)
    before, here, after = values[index - 1 : index + 2]
    curvature = before - 2 * here + after
    return index + 0.5 * float((before - after) / curvature) if curvature > 0 else float(index)
