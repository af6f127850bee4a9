"""Whether a signal can be analysed at all, asked once, in one place."""

from __future__ import annotations

import numpy as np

from ttsbench.audio.wav import SILENCE_DBFS
from ttsbench.errors import MeasurementError
from ttsbench.types import Clip, Samples

MIN_DURATION_S = 0.05
SILENCE_PEAK = 10 ** (SILENCE_DBFS / 20)


def fault(samples: Samples, sample_rate: int) -> str | None:
    """Why samples (N,) at ``sample_rate`` Hz hold nothing to analyse, as the end of a sentence; None where they do."""
    if samples.ndim != 1:
        return f"has shape {samples.shape}, mono samples (N,) are needed"
    if not np.isfinite(samples).all():
        return "has samples that are NaN or infinite"
    duration_s = len(samples) / sample_rate
    if duration_s < MIN_DURATION_S:
        return f"lasts {duration_s:.3f} s, at least {MIN_DURATION_S} s are needed"
    peak = float(np.abs(samples).max())
    if peak < SILENCE_PEAK:
        return f"is silent (peak {peak:.1e}, below {SILENCE_PEAK:.0e})"
    return None


def require_usable(*clips: Clip) -> None:
    """Raise ``MeasurementError`` with the reason where a clip is empty, too short, silent or not finite."""
    for clip in clips:
        reason = fault(clip.samples, clip.sample_rate)
        if reason is not None:
            raise MeasurementError(f"clip {clip.id!r} {reason}; listen to it and synthesize or record it again")


def usable_at(clip: Clip, sample_rate: int) -> Clip:
    """The clip at ``sample_rate`` Hz, usable before and after: resampling may leave nothing of a very high sound.

    Raises ``MeasurementError`` as ``require_usable`` does.
    """
    require_usable(clip)
    resampled = clip.at(sample_rate)
    require_usable(resampled)
    return resampled
