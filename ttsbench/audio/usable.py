"""Checks whether a signal can be analysed at all."""

from __future__ import annotations

import numpy as np

from ttsbench.audio.wav import SILENCE_DBFS
from ttsbench.errors import MeasurementError
from ttsbench.types import Clip, Samples

MIN_DURATION_S = 0.05
SILENCE_PEAK = 10 ** (SILENCE_DBFS / 20)


def unusable_reason(samples: Samples, sample_rate: int) -> str | None:
    """Return why samples (N,) at ``sample_rate`` Hz cannot be analysed, as the end of a sentence, or None if they can.

    >>> unusable_reason(np.zeros(16_000, np.float32), 16_000)
    'is silent (peak 0.0e+00, below 1e-03)'
    >>> unusable_reason(np.ones(16_000, np.float32), 16_000) is None
    True
    """
    if samples.ndim != 1:
        return f"has shape {samples.shape}, but must be mono, (N,)"
    if not np.isfinite(samples).all():
        return "has samples that are NaN or infinite"
    duration_s = len(samples) / sample_rate
    if duration_s < MIN_DURATION_S:
        return f"lasts {duration_s:.3f} s, but needs at least {MIN_DURATION_S} s"
    peak = float(np.abs(samples).max())
    if peak < SILENCE_PEAK:
        return f"is silent (peak {peak:.1e}, below {SILENCE_PEAK:.0e})"
    return None


def require_usable(*clips: Clip) -> None:
    """Raise ``MeasurementError`` with the reason if a clip is empty, too short, silent or not finite."""
    for clip in clips:
        reason = unusable_reason(clip.samples, clip.sample_rate)
        if reason is not None:
            raise MeasurementError(f"clip {clip.id!r} {reason}; listen to it, then synthesize or record it again")


def usable_at(clip: Clip, sample_rate: int) -> Clip:
    """Return the clip at ``sample_rate`` Hz, checked before and after resampling, which may remove a very high sound.

    Raises ``MeasurementError`` like ``require_usable``.
    """
    require_usable(clip)
    resampled = clip.at(sample_rate)
    require_usable(resampled)
    return resampled
