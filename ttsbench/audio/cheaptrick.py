"""Spectral envelope of WORLD, returned as a cepstrum.

M. Morise, "CheapTrick, a spectral envelope estimator for high-quality speech synthesis", Speech Communication 67, 2015.
At each frame with fundamental frequency f:

    P(w)      power of the frame under a Hann window of three periods, mean removed, window scaled to unit energy
    P(w)     += P(f - w)                              below f, to restore the 0th harmonic that the window suppresses
    P_s(w)    = mean of P over [w - f/3, w + f/3]
    c(q)      = cepstrum of log P_s, times  sinc(f q) (1 + 0.6 sin^2(pi f q))

The last factor equals sinc(f q) (1 - 2 q1 + 2 q1 cos(2 pi f q)) with q1 = -0.15. Unvoiced frames, and frames whose F0
is too low for the FFT to resolve, are analysed with f = 500 Hz.

WORLD continues with exp of the Fourier transform of c. A mel-cepstrum would undo that step, so we skip the round trip.
WORLD also adds Gaussian noise of about 1e-16 of the power to keep the logarithm finite; we add a constant instead, so
that all frames of digital silence are equal.
"""

from __future__ import annotations

import math

import numpy as np
import pyworld
from numba import njit
from numpy.typing import NDArray
from scipy.fft import dct, rfft

from ttsbench.audio.pitch import F0_MIN
from ttsbench.types import Samples

UNVOICED_F0 = 500.0  # Hz
MIN_POWER = float(np.finfo(np.float64).eps)
CHUNK = 128  # frames per block, so that their spectra stay in the processor's cache

Frames = NDArray[np.float64]


def fft_size(sample_rate: int) -> int:
    """Return the number of FFT points that hold three periods of the lowest F0.

    >>> fft_size(16_000), fft_size(22_050)
    (1024, 2048)
    """
    return int(pyworld.get_cheaptrick_fft_size(sample_rate, F0_MIN))


def envelope_cepstrum(
    samples: Samples,
    sample_rate: int,
    f0: Frames,
    quefrencies: int,
    *,
    floor: float = MIN_POWER,
    max_hz: float | None = None,
    frame_period_ms: float = 5.0,
) -> Frames:
    """Return the cepstrum c (T, quefrencies) of the envelope at the times of ``f0`` (T,), in Hz with 0 where unvoiced.

    The envelope is log |H(w)|^2 = c_0 + 2 sum_q c_q cos(q w). |H|^2 is a power: for white noise it is the mean square.
    ``floor`` is added to P_s. Above ``max_hz``, log P_s is held at its value at ``max_hz``.
    """
    n_fft = fft_size(sample_rate)
    top = n_fft // 2 if max_hz is None else round(max_hz / sample_rate * n_fft)
    pitch = np.where(f0 > 3 * sample_rate / (n_fft - 3), f0, UNVOICED_F0)
    centres = np.floor(np.arange(len(f0)) * frame_period_ms / 1000 * sample_rate + 0.001 + 0.5).astype(np.int64)
    x = np.ascontiguousarray(samples, dtype=np.float64)
    out = np.empty((len(f0), quefrencies))
    windowed, power = np.empty((CHUNK, n_fft)), np.empty((CHUNK, n_fft // 2 + 1))
    for start in range(0, len(f0), CHUNK):
        stop = min(start + CHUNK, len(f0))
        chunk_f0, n = pitch[start:stop], stop - start
        _window(x, centres[start:stop], chunk_f0, sample_rate, windowed[:n])
        _smooth(rfft(windowed[:n]), chunk_f0, sample_rate, floor, top, power[:n])
        out[start:stop] = dct(np.log(power[:n]), type=1)[:, :quefrencies] / n_fft
        _apply_lifters(out[start:stop], chunk_f0, sample_rate)
    return out


@njit(cache=True, nogil=True)
def _window(x: Frames, centres: NDArray[np.int64], f0: Frames, sample_rate: int, out: Frames) -> None:
    """Write the windowed frames of x (N,) to the start of each row of ``out`` (T, n_fft)."""
    for row in range(len(out)):
        half = int(1.5 * sample_rate / f0[row] + 0.5)
        window = np.empty(2 * half + 1)
        for i in range(half + 1):
            window[half - i] = 0.5 + 0.5 * math.cos(math.pi * i * f0[row] / (1.5 * sample_rate))
            window[half + i] = window[half - i]
        frame = np.empty(2 * half + 1)
        for i in range(2 * half + 1):
            frame[i] = x[min(max(centres[row] + i - half, 0), len(x) - 1)] * window[i]
        mean = frame.sum() / window.sum()
        gain = 1 / math.sqrt((window * window).sum())
        for i in range(2 * half + 1):
            out[row, i] = (frame[i] - mean * window[i]) * gain
        out[row, 2 * half + 1 :] = 0.0


@njit(cache=True, nogil=True)
def _smooth(spectra: NDArray[np.complex128], f0: Frames, sample_rate: int, floor: float, top: int, out: Frames) -> None:
    """Compute smoothed power spectra (T, n_fft / 2 + 1) with a floor.

    Each spectrum is completed below F0 and averaged over 2/3 of F0. The average is a difference of the cumulative sum,
    interpolated linearly between bins. Beyond 0 Hz and half the sample rate the spectrum is mirrored. Above bin ``top``
    the output is held at its value there.
    """
    last = spectra.shape[1] - 1
    width_hz = sample_rate / (2 * last)
    for row in range(len(spectra)):
        power = spectra[row].real ** 2 + spectra[row].imag ** 2
        _add_mirror_below_f0(power, f0[row] / width_hz)
        width = 2 / 3 * f0[row] / width_hz  # in bins
        edge = int(width) + 1
        total = np.zeros(last + 2 * edge + 2)  # index i holds the sum of the bins before i - edge
        for i in range(last + 2 * edge + 1):
            k = abs(i - edge)
            total[i + 1] = total[i] + power[k if k <= last else 2 * last - k]
        low, high = edge + 0.5 - width / 2, edge + 0.5 + width / 2
        i, j = int(low), int(high)
        left, right = low - i, high - j
        for k in range(top + 1):
            below = total[i + k] + left * (total[i + k + 1] - total[i + k])
            above = total[j + k] + right * (total[j + k + 1] - total[j + k])
            out[row, k] = (above - below) / width + floor
        out[row, top + 1 :] = out[row, top]


@njit(cache=True, nogil=True)
def _add_mirror_below_f0(power: Frames, f0: float) -> None:
    """Add the mirror image about half of F0 (in bins) to the bins up to one above F0."""
    n = int(f0) + 1
    image = np.empty(n)
    for k in range(n):
        i = int(f0 - k)
        image[k] = power[i] + (f0 - k - i) * (power[i + 1] - power[i])
    power[:n] += image


@njit(cache=True, nogil=True)
def _apply_lifters(cepstra: Frames, f0: Frames, sample_rate: int) -> None:
    """Multiply cepstra (T, Q) by both lifters, with the recursion sin((q+1) a) = 2 cos(a) sin(q a) - sin((q-1) a)."""
    for row in range(len(cepstra)):
        angle = math.pi * f0[row] / sample_rate
        before, sine = 0.0, math.sin(angle)
        for q in range(1, cepstra.shape[1]):
            cepstra[row, q] *= sine / (q * angle) * (1 + 0.6 * sine * sine)
            before, sine = sine, 2 * math.cos(angle) * sine - before
