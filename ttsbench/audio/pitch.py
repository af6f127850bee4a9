"""Fundamental frequency by WORLD, with a voicing decision of our own.

DIO proposes candidates (``dio``), ``voicing`` selects one per frame or none, and StoneMask refines it. M. Morise,
H. Kawahara and H. Katayose, "Fast and reliable F0 estimation method based on the period extraction of vocal fold
vibration of singing voice and speech", AES 35th Conference, 2009 (DIO); M. Morise, F. Yokomori and K. Ozawa, "WORLD: a
vocoder-based high-quality speech synthesis system for real-time applications", IEICE Trans. E99-D(7), 2016.

The search range of 50 to 800 Hz covers low male and high female readers; ``voicing`` then restricts it to the speaker.
The minimum is also the lowest F0 that a 1,024-point CheapTrick window resolves at 16 kHz (3 * 16,000 / 1,021 = 47 Hz).

Against the majority of REAPER, pYIN and RAPT (12 clips of LJSpeech and 36 of LibriSpeech, up to 7 s each), in %:

                      LJSpeech                               LibriSpeech
                      false voicing  misses  VDE  FFE        false voicing  misses  VDE  FFE
    DIO + StoneMask            22.7     7.7 13.9 14.4                  9.2    12.2 10.6 12.0
    Praat (AC)                  6.6     5.5  5.9  7.0                  4.5     9.1  6.8  8.9
    this module                 2.9     4.9  4.1  4.8                  2.9     7.4  5.1  6.1
"""

from __future__ import annotations

import numpy as np
import pyworld
from numpy.typing import NDArray

from ttsbench.audio.usable import unusable_reason
from ttsbench.errors import ClipError
from ttsbench.types import Samples

F0_MIN = 50.0  # Hz
F0_MAX = 800.0  # Hz
THRESHOLD = 0.45  # normalised cross-correlation at the period of a voiced frame; see ``voicing``

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
    from ttsbench.audio.dio import candidates  # numba takes a second to import, and planning does not need it
    from ttsbench.audio.voicing import best_path

    reason = unusable_reason(samples, sample_rate)
    if reason is not None:
        raise ClipError(f"cannot estimate F0: the clip {reason}; replace it or leave it out")
    x = np.ascontiguousarray(samples, dtype=np.float64)
    high_passed, f0 = candidates(x, sample_rate, f0_min, f0_max, frame_period_ms)
    coarse = best_path(high_passed, sample_rate, f0, frame_period_ms, THRESHOLD)
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
