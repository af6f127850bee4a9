"""Fundamental frequency by WORLD: DIO estimates a contour and StoneMask refines it.

M. Morise, H. Kawahara and H. Katayose, "Fast and reliable F0 estimation method based on the period extraction of vocal
fold vibration of singing voice and speech", AES 35th Conference, 2009 (DIO); M. Morise, F. Yokomori and K. Ozawa,
"WORLD: a vocoder-based high-quality speech synthesis system for real-time applications", IEICE Trans. E99-D(7), 2016.

The search range of 65 to 600 Hz covers the readers of the supported corpora and the default pitch of espeak-ng's voices
(medians of 100 to 210 Hz; its male voices at pitch 20 of 100 dip below 65). The minimum is the lowest F0 that a
1,024-point CheapTrick window resolves at 22.05 kHz (3 * 22,050 / 1,021 = 64.8 Hz). The maximum prevents DIO from
reporting first formants and still covers an excited female reader (400 to 500 Hz).
"""

from __future__ import annotations

import numpy as np
import pyworld
from numpy.typing import NDArray

from ttsbench.audio.usable import unusable_reason
from ttsbench.errors import ClipError
from ttsbench.types import Samples

F0_MIN = 65.0  # Hz
F0_MAX = 600.0  # Hz

Contour = NDArray[np.float64]


def world_f0(
    samples: Samples,
    sample_rate: int,
    frame_period_ms: float = 5.0,
    f0_min: float = F0_MIN,
    f0_max: float = F0_MAX,
) -> Contour:
    """Return F0 in Hz, 0 where unvoiced, (T,) at times ``frame_period_ms * arange(T)`` with T = N / period + 1.

    Raises ``ClipError`` if the samples (N,) are empty, too short, silent or not finite.

    >>> f0 = world_f0(np.sin(2 * np.pi * 200 * np.arange(16_000) / 16_000).astype(np.float32), 16_000)
    >>> f0.shape, round(float(f0[100]))
    ((201,), 200)
    """
    from ttsbench.audio.dio import dio  # numba takes a second to import, and planning does not need it

    reason = unusable_reason(samples, sample_rate)
    if reason is not None:
        raise ClipError(f"cannot estimate F0: the clip {reason}; replace it or leave it out")
    x = np.ascontiguousarray(samples, dtype=np.float64)
    coarse = dio(x, sample_rate, f0_min, f0_max, frame_period_ms)
    times = np.arange(len(coarse)) * frame_period_ms / 1000
    refined: Contour = pyworld.stonemask(x, coarse, times, sample_rate)
    refined[(refined < f0_min) | (refined > f0_max)] = 0.0  # StoneMask may leave the search range
    return refined


def frame_f0(samples: Samples, sample_rate: int, hop_length: int) -> Contour:
    """Return F0 in Hz, 0 where unvoiced, (N // hop_length,): frame t is centred at sample hop_length * (t + 1/2).

    Raises ``ClipError`` like ``world_f0``.
    """
    half_hop_ms = 500.0 * hop_length / sample_rate  # every second point of this grid is a frame centre
    return world_f0(samples, sample_rate, half_hop_ms)[1::2][: len(samples) // hop_length]


def interpolate_log_f0(f0: NDArray[np.floating]) -> Contour:
    """Return natural log-F0 (T,) of F0 in Hz (T,), linear over unvoiced frames (0) and constant at the edges.

    Raises ``ClipError`` if no frame is voiced.

    >>> np.exp(interpolate_log_f0(np.array([0.0, 100.0, 0.0, 100.0]))).round(6)
    array([100., 100., 100., 100.])
    """
    voiced = np.flatnonzero(f0 > 0)
    if len(voiced) == 0:
        raise ClipError(f"none of the {len(f0)} frames is voiced, F0 cannot be interpolated; leave the clip out")
    log_f0: Contour = np.interp(np.arange(len(f0)), voiced, np.log(f0[voiced]))
    return log_f0
