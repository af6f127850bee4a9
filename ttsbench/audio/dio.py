"""F0 candidates of DIO, the first half of WORLD's F0 estimation.

M. Morise, H. Kawahara and H. Katayose, "Fast and reliable F0 estimation method based on the period extraction of vocal
fold vibration of singing voice and speech", AES 35th Conference, 2009, in the version that WORLD 0.3 implements:

1. Low-pass filters, two per octave (Nuttall windows), follow a high-pass filter at 50 Hz.
2. Where only the fundamental passes a filter, four kinds of intervals agree: between falling zero crossings, between
   rising zero crossings, between peaks and between dips. Their mean is a candidate if it lies in the octave below the
   cutoff.

DIO then connects the candidates whose four intervals agree best, and every frame in which it finds a period counts as
voiced. We replace that step by ``voicing``, which tests the candidates for periodicity.

Block-wise filtering in the processor's cache, without padding to a power of two, is three times as fast as WORLD's own
code and gives the same candidates. Digital silence contains no rounding noise in which to find periods.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.fft import irfft, rfft

BANDS_PER_OCTAVE = 2.0
HIGH_PASS_HZ = 50.0
NUTTALL = (0.355768, -0.487396, 0.144232, -0.012604)
BLOCK = 8192  # points of an FFT

Values = NDArray[np.float64]


def candidates(
    x: Values, sample_rate: int, f0_min: float, f0_max: float, frame_period_ms: float
) -> tuple[Values, Values]:
    """Return the samples (N,) after the high-pass filter, and F0 candidates in Hz (bands, T), 0 where a band has none.

    Frames are at times ``frame_period_ms * arange(T)``; ``sample_rate``, ``f0_min`` and ``f0_max`` are in Hz.

    >>> tone = np.sin(2 * np.pi * 200 * np.arange(16_000) / 16_000)
    >>> high_passed, f0 = candidates(tone, 16_000, 65.0, 600.0, 5.0)
    >>> high_passed.shape, f0.shape, round(float(f0[:, 100].max()))
    ((16000,), (7, 201), 200)
    """
    frames = int(1000.0 * len(x) / sample_rate / frame_period_ms) + 1
    times: Values = np.arange(frames, dtype=np.float64) * frame_period_ms / 1000.0
    octaves = np.log2(f0_max / f0_min)
    cutoffs = f0_min * 2.0 ** ((1 + np.arange(1 + int(octaves * BANDS_PER_OCTAVE))) / BANDS_PER_OCTAVE)
    signals = _band_signals(x, sample_rate, cutoffs)
    high_passed = next(signals)[: len(x)]
    f0 = np.zeros((len(cutoffs), frames))
    for band, signal in enumerate(signals):
        _band_candidates(signal, float(sample_rate), times, cutoffs[band], f0_min, f0_max, f0[band])
    return high_passed, f0


def _band_signals(x: Values, sample_rate: int, cutoffs: Values) -> Iterator[Values]:
    """Yield the high-passed signal (N + 1,) and then the signal of each band, filtered by overlap-save.

    A zero is appended to the signal, as in WORLD.
    """
    y = np.append(x, 0.0)
    y -= y.mean()
    high_pass = _high_pass(sample_rate)
    halves = (0.5 * sample_rate / cutoffs + 0.5).astype(int)
    longest = len(high_pass) + 4 * int(halves.max())
    hop = BLOCK - longest
    blocks = -(-len(y) // hop)
    padded = np.zeros(longest + blocks * hop + BLOCK)
    padded[longest : longest + len(y)] = y
    spectra = rfft(np.lib.stride_tricks.sliding_window_view(padded, BLOCK)[::hop][: blocks + 1])
    for half in (0, *halves.tolist()):
        filter_ = np.convolve(high_pass, _nuttall(4 * half)) if half else high_pass
        delay = 2 * half + len(high_pass) // 2
        yield irfft(spectra * rfft(filter_, BLOCK), BLOCK)[:, longest:].ravel()[delay : delay + len(y)]


def _high_pass(sample_rate: int) -> Values:
    """Return the high-pass filter (2 c + 1,): an impulse minus a Hann window two periods of 50 Hz long."""
    half = int(sample_rate / HIGH_PASS_HZ + 0.5)
    window = np.hanning(2 * half + 3)[1:-1]
    high_pass: Values = -window / window.sum()
    high_pass[half] += 1.0
    return high_pass


def _nuttall(n: int) -> Values:
    phase = 2 * np.pi * np.arange(n) / (n - 1)
    window: Values = np.array(NUTTALL) @ np.cos(np.outer(np.arange(len(NUTTALL)), phase))
    return window


@njit(cache=True, nogil=True)
def _band_candidates(
    x: Values, sample_rate: float, times: Values, cutoff: float, f0_min: float, f0_max: float, out: Values
) -> None:
    """Write the candidates of a band in Hz (T,), 0 where there is none."""
    slope = x[1:] - x[:-1]
    rates = np.empty((4, len(times)))
    enough = True
    for kind, (signal, sign) in enumerate(((x, 1.0), (x, -1.0), (slope, 1.0), (slope, -1.0))):
        enough = _rates(signal, sign, sample_rate, times, rates[kind]) and enough
    for t in range(len(times)):
        mean = rates[:, t].sum() / 4.0
        if enough and cutoff / 2.0 <= mean <= cutoff and f0_min <= mean <= f0_max:
            out[t] = mean


@njit(cache=True, nogil=True)
def _rates(x: Values, sign: float, sample_rate: float, times: Values, out: Values) -> bool:
    """Interpolate the inverse intervals in Hz between falling zero crossings of ``sign * x`` at ``times`` (T,).

    The first and the last two intervals are extrapolated linearly. Returns False with fewer than four crossings.
    """
    crossings = np.empty(len(x) // 2 + 1)
    n = 0
    for i in range(len(x) - 1):
        if sign * x[i] > 0.0 and sign * x[i + 1] <= 0.0:
            crossings[n] = i + 1 - x[i] / (x[i + 1] - x[i])
            n += 1
    if n < 4:
        out[:] = 0.0
        return False
    rate = sample_rate / (crossings[1:n] - crossings[: n - 1])
    at = (crossings[1:n] + crossings[: n - 1]) / (2.0 * sample_rate)
    k = 0
    for t in range(len(times)):
        while k < n - 3 and times[t] >= at[k + 1]:
            k += 1
        out[t] = rate[k] + (times[t] - at[k]) / (at[k + 1] - at[k]) * (rate[k + 1] - rate[k])
    return True
