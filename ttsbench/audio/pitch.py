"""Fundamental frequency by WORLD: DIO proposes, StoneMask refines.

M. Morise, H. Kawahara and H. Katayose, "Fast and reliable F0 estimation method based on the period extraction of vocal
fold vibration of singing voice and speech", AES 35th Conference, 2009 (DIO); M. Morise, F. Yokomori and K. Ozawa,
"WORLD: a vocoder-based high-quality speech synthesis system for real-time applications", IEICE Trans. E99-D(7), 2016.

The search range, 65 to 600 Hz, holds the readers of the supported corpora and espeak-ng's voices at their default pitch
(medians 100 to 210 Hz; its male voices at pitch 20 of 100 dip below 65). The floor is what a 1,024-point CheapTrick
window can resolve at 22.05 kHz (3 * 22,050 / 1,021 = 64.8 Hz); the ceiling keeps DIO from reporting first formants,
while an excited female reader (400 to 500 Hz) still fits.
"""

from __future__ import annotations

import numpy as np
import pyworld
from numpy.typing import NDArray

from ttsbench.audio.usable import fault
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
    """F0 in Hz, 0 where unvoiced, (T,) at times ``frame_period_ms * arange(T)`` with T = N / period + 1.

    Raises ``ClipError`` where the samples (N,) are empty, too short, silent or not finite.
    """
    from ttsbench.audio.dio import dio  # its compiler takes a second to import, and a plan needs none

    reason = fault(samples, sample_rate)
    if reason is not None:
        raise ClipError(f"no F0: the clip {reason}; replace it or leave it out")
    x = np.ascontiguousarray(samples, dtype=np.float64)
    coarse = dio(x, sample_rate, f0_min, f0_max, frame_period_ms)
    times = np.arange(len(coarse)) * frame_period_ms / 1000
    refined: Contour = pyworld.stonemask(x, coarse, times, sample_rate)
    refined[(refined < f0_min) | (refined > f0_max)] = 0.0  # StoneMask may leave the range DIO searched
    return refined


def frame_f0(samples: Samples, sample_rate: int, hop_length: int) -> Contour:
    """F0 in Hz, 0 where unvoiced, (N // hop_length,): frame t is centred at sample hop_length * (t + 1/2).

    Raises ``ClipError`` as ``world_f0`` does.
    """
    half_hop_ms = 500.0 * hop_length / sample_rate  # every second point of this grid is the centre of a frame
    return world_f0(samples, sample_rate, half_hop_ms)[1::2][: len(samples) // hop_length]


def interpolate_log_f0(f0: NDArray[np.floating]) -> Contour:
    """Natural log of F0 in Hz (T,), linear through unvoiced frames (0), held at both edges.

    Raises ``ClipError`` where no frame is voiced.
    """
    voiced = np.flatnonzero(f0 > 0)
    if len(voiced) == 0:
        raise ClipError(f"none of the {len(f0)} frames is voiced, so there is no F0 to interpolate; leave the clip out")
    log_f0: Contour = np.interp(np.arange(len(f0)), voiced, np.log(f0[voiced]))
    return log_f0
