"""DIO, the first half of WORLD's estimate of F0.

M. Morise, H. Kawahara and H. Katayose, "Fast and reliable F0 estimation method based on the period extraction of vocal
fold vibration of singing voice and speech", AES 35th Conference, 2009; in the version that WORLD 0.3 computes:

1. Two filters per octave let through what lies below their limits (windows by Nuttall), after a cut at 50 Hz.
2. Where the fundamental is all that is left, four intervals agree: between falling and between rising zero crossings,
   between peaks and between dips. Their mean is a candidate, if it lies in the octave below the limit; their deviation,
   relative to it, is its score.
3. The best candidates make a contour. What jumps by more than a tenth is taken away, and so is what lasts less than
   about two periods of the lowest F0. What is left grows at both ends for as long as a candidate continues it.

Filtering block by block, in the processor's cache and without rounding lengths up to a power of two, is three times as
fast as WORLD's own code, and gives the same contour. In digital silence there is no rounding noise to find periods in.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.fft import irfft, rfft

BANDS_PER_OCTAVE = 2.0
ALLOWED_JUMP = 0.1  # of F0, from frame to frame
LOW_CUT_HZ = 50.0
NUTTALL = (0.355768, -0.487396, 0.144232, -0.012604)
BLOCK = 8192  # points of an FFT
TINY = 1e-12
HOPELESS = 1e5  # the deviation of no candidate

Values = NDArray[np.float64]


def dio(x: Values, sample_rate: int, f0_min: float, f0_max: float, frame_period_ms: float) -> Values:
    """F0 in Hz, 0 where unvoiced, (T,) at times ``frame_period_ms * arange(T)``, of samples (N,); see ``stonemask``."""
    frames = int(1000.0 * len(x) / sample_rate / frame_period_ms) + 1
    times: Values = np.arange(frames, dtype=np.float64) * frame_period_ms / 1000.0
    octaves = np.log2(f0_max / f0_min)
    limits = f0_min * 2.0 ** ((1 + np.arange(1 + int(octaves * BANDS_PER_OCTAVE))) / BANDS_PER_OCTAVE)
    candidates, scores = np.zeros((len(limits), frames)), np.zeros((len(limits), frames))
    for band, filtered in enumerate(_filtered(x, sample_rate, limits)):
        _candidates(filtered, float(sample_rate), times, limits[band], f0_min, f0_max, candidates[band], scores[band])
    best = candidates[scores.argmin(axis=0), np.arange(frames)]
    shortest = int(0.5 + 1000.0 / frame_period_ms / f0_min) * 2 + 1
    contour: Values = _connected(best, candidates, shortest)
    return contour


def _filtered(x: Values, sample_rate: int, limits: Values) -> Iterator[Values]:
    """The signal (N + 1,) in each band, by overlap and save; a zero is put behind it, as WORLD does."""
    y = np.append(x, 0.0)
    y -= y.mean()
    low_cut = _low_cut(sample_rate)
    halves = (0.5 * sample_rate / limits + 0.5).astype(int)
    longest = len(low_cut) + 4 * int(halves.max())
    hop = BLOCK - longest
    blocks = -(-len(y) // hop)
    padded = np.zeros(longest + blocks * hop + BLOCK)
    padded[longest : longest + len(y)] = y
    spectra = rfft(np.lib.stride_tricks.sliding_window_view(padded, BLOCK)[::hop][: blocks + 1])
    for half in halves.tolist():
        response = rfft(np.convolve(low_cut, _nuttall(4 * half)), BLOCK)
        delay = 2 * half + len(low_cut) // 2
        yield irfft(spectra * response, BLOCK)[:, longest:].ravel()[delay : delay + len(y)]


def _low_cut(sample_rate: int) -> Values:
    """An impulse less a Hann window two periods of 50 Hz long, (2 c + 1,), centred."""
    half = int(sample_rate / LOW_CUT_HZ + 0.5)
    window = np.hanning(2 * half + 3)[1:-1]
    low_cut: Values = -window / window.sum()
    low_cut[half] += 1.0
    return low_cut


def _nuttall(n: int) -> Values:
    phase = 2 * np.pi * np.arange(n) / (n - 1)
    window: Values = np.array(NUTTALL) @ np.cos(np.outer(np.arange(len(NUTTALL)), phase))
    return window


@njit(cache=True, nogil=True)
def _candidates(
    x: Values,
    sample_rate: float,
    times: Values,
    limit: float,
    f0_min: float,
    f0_max: float,
    candidates: Values,
    scores: Values,
) -> None:
    """Fill a band's candidates in Hz (T,), 0 where there is none, and their scores (T,), less is better."""
    slope = x[1:] - x[:-1]
    found = np.empty((4, len(times)))
    some = True
    for kind, (signal, sign) in enumerate(((x, 1.0), (x, -1.0), (slope, 1.0), (slope, -1.0))):
        some = _rates(signal, sign, sample_rate, times, found[kind]) and some
    for t in range(len(times)):
        mean = found[:, t].sum() / 4.0
        deviation = np.sqrt(np.square(found[:, t] - mean).sum() / 3.0)
        if not some or mean > limit or mean < limit / 2.0 or mean > f0_max or mean < f0_min:
            mean, deviation = 0.0, HOPELESS
        candidates[t], scores[t] = mean, deviation / (mean + TINY)


@njit(cache=True, nogil=True)
def _rates(x: Values, sign: float, sample_rate: float, times: Values, out: Values) -> bool:
    """Inverse intervals in Hz between the points where ``sign * x`` falls through 0, interpolated at ``times`` (T,).

    Beyond the first and the last interval the line through the nearest two goes on. False where there are too few.
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


@njit(cache=True, nogil=True)
def _connected(best: Values, candidates: Values, shortest: int) -> Values:
    """The contour (T,): of the best candidates (T,) what is steady for long enough, continued by any (bands, T)."""
    frames = len(best)
    steady, kept = np.zeros(frames), np.zeros(frames)
    if frames <= shortest:
        return kept
    inner = np.zeros(frames)
    inner[shortest : frames - shortest] = best[shortest : frames - shortest]
    for t in range(shortest, frames):
        if abs(inner[t] - inner[t - 1]) / (TINY + inner[t]) < ALLOWED_JUMP:
            steady[t] = inner[t]
    around = (shortest - 1) // 2
    for t in range(around, frames - around):
        if steady[t - around : t + around + 1].all():
            kept[t] = steady[t]
    starts = np.flatnonzero((kept[1:] != 0) & (kept[:-1] == 0)) + 1
    ends = np.flatnonzero((kept[1:] == 0) & (kept[:-1] != 0))
    for i in range(len(ends)):
        last = frames - 1 if i == len(ends) - 1 else ends[i + 1]
        _grow(kept, candidates, ends[i], last, 1)
    for i in range(len(starts) - 1, -1, -1):
        first = 1 if i == 0 else starts[i - 1]
        _grow(kept, candidates, starts[i], first, -1)
    return kept


@njit(cache=True, nogil=True)
def _grow(contour: Values, candidates: Values, start: int, stop: int, step: int) -> None:
    """Continue the contour from ``start`` on, by the candidate nearest to half the last change, while one is near."""
    for t in range(start, stop, step):
        expected = (3.0 * contour[t] - contour[t - step]) / 2.0
        nearest = candidates[np.argmin(np.abs(candidates[:, t + step] - expected)), t + step]
        contour[t + step] = nearest if abs(expected - nearest) <= ALLOWED_JUMP * abs(expected) else 0.0
        if contour[t + step] == 0.0:
            return
