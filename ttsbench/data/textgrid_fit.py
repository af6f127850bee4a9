"""Whether the phones of a TextGrid fit the sound of a recording, in any language.

Two things are true of an aligned recording. The spectrum changes where one phone ends and the next begins, and labelled
silences are quieter than the rest. Each is a mean over frames: of the spectral change at the boundaries, and of the
negative rank of the level in the silences. Both are compared with the same mean after every circular shift of the
labels along the recording, in standard deviations of the shifts, so that no threshold on sound levels is needed. The
fit is the first score, or (first + second) / sqrt(2) if enough of the clip is labelled silence and that is larger. The
fit of a right alignment grows with the square root of the number of boundaries, and so does the limit for short clips.

D. T. Toledano, L. A. Hernandez Gomez and L. Villarrubia Grande, "Automatic phonetic segmentation", IEEE Transactions on
Speech and Audio Processing 11(6), 2003, reviews spectral change as a cue of phone boundaries. The scores and the
threshold are choices of this project.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, rfft

from ttsbench.audio import frames
from ttsbench.audio.usable import unusable_reason
from ttsbench.audio.wav import resample
from ttsbench.errors import ClipError
from ttsbench.types import SILENCE, Clip, Phone, Samples

MIN_FIT = 2.5  # standard deviations of shifted labels, of clips with 40 boundaries or more
MIN_FIT_OF_ONE = 0.4  # times the square root of the number of boundaries, of shorter clips
MIN_BOUNDARIES = 10  # of a clip that is judged
MIN_SILENCE = 8  # frames that are labelled silence, and frames that are not, for the second score
MARGIN = 2  # frames, half the distance between the two spectra of a change
FLOOR_DB = -60.0  # relative to the level of the clip; digital silence would be one large change
TOLERANCE = 1  # frames by which an aligner may be early or late

Values = NDArray[np.float64]


def require_fit(phones: Sequence[Phone], samples: Samples, sample_rate: int, path: Path) -> None:
    """Raise ``ClipError`` if the phones of the TextGrid ``path`` do not fit samples (N,) at ``sample_rate`` Hz.

    Clips that cannot be measured, or with too few phones for a decision, pass.
    """
    if unusable_reason(samples, sample_rate) is not None:
        return
    fit = sound_fit(phones, samples, sample_rate)
    least = min(MIN_FIT, MIN_FIT_OF_ONE * np.sqrt(len(phones) - 1))
    if fit is not None and fit < least:
        raise ClipError(
            f"The phones of {path} do not fit the sound: boundaries and silences lie {fit:.1f} standard deviations "
            f"above shifted labels, at least {least:.1f} expected. Give the TextGrid of this clip, or remove it "
            "to have the clip aligned."
        )


def sound_fit(phones: Sequence[Phone], samples: Samples, sample_rate: int) -> float | None:
    """Return how well phones fit usable samples (N,), in standard deviations; None if that cannot be judged.

    Fewer than ``MIN_BOUNDARIES`` phones or a constant level say nothing.
    """
    levels = frames.levels(Clip("", resample(samples, sample_rate, frames.SAMPLE_RATE), frames.SAMPLE_RATE))
    change = _spectral_change(np.maximum(levels.bands, FLOOR_DB))
    starts = np.array([round(phone.start_s / frames.HOP_S) for phone in phones[1:]], dtype=np.int64)
    inside = starts[(starts >= MARGIN) & (starts < len(change) - MARGIN)]
    if len(inside) < MIN_BOUNDARIES or float(np.ptp(levels.overall)) == 0.0:
        return None
    boundaries = np.zeros(len(change))
    boundaries[inside] = 1.0
    fit = _score(change, boundaries)
    silent = np.zeros(len(change))
    for phone in phones:
        if phone.label == SILENCE:
            silent[round(phone.start_s / frames.HOP_S) : round(phone.end_s / frames.HOP_S)] = 1.0
    if not MIN_SILENCE <= silent.sum() <= len(silent) - MIN_SILENCE:
        return fit
    rank = np.argsort(np.argsort(levels.overall)).astype(np.float64)
    return max(fit, float((fit + _score(-rank, silent)) / np.sqrt(2.0)))


def _spectral_change(bands: Values) -> Values:
    """Return the distance in dB between the spectra before and after each frame of bands (T, B); 0 at both ends."""
    change = np.zeros(len(bands))
    difference = bands[2 * MARGIN :] - bands[: -2 * MARGIN]
    change[MARGIN : len(bands) - MARGIN] = np.linalg.norm(difference, axis=1)
    return change


def _score(values: Values, labels: Values) -> float:
    """Return the mean of values (T,) at labels (T,) of 0 and 1, in standard deviations over all shifts."""
    means = irfft(rfft(values) * np.conj(rfft(labels)), len(values)) / labels.sum()
    near = max(means[shift] for shift in range(-TOLERANCE, TOLERANCE + 1))
    spread = float(means.std())
    return float((near - means.mean()) / spread) if spread > 0 else 0.0
