"""Mel-cepstrum of a spectral envelope.

K. Tokuda, T. Kobayashi, T. Masuko and S. Imai, "Mel-generalized cepstral analysis", ICSLP 1994. With w' the frequency
warped by an all-pass filter of coefficient alpha, the amplitude envelope is

    log |H(w)| = sum_m c_m cos(m w')

so c is linear in the log envelope. SPTK computes this frequency transform one frame at a time. We apply it once to
each unit vector and use the resulting matrix for all frames.

The envelope is WORLD's power envelope |H|^2 (``cheaptrick``). A routine that expects amplitude (SPTK's `mcep` with
itype 3) would double every coefficient, and with it every distortion.

The logarithm gives inaudible components a large weight, so the analysis excludes three of them:

- Frequencies above 8 kHz: the analysis runs at 16 kHz. Above 8 kHz, a 22.05 kHz file mostly contains vocoder
  artefacts. Griffin-Lim leaves that band empty, which gave an MCD of 11.6 dB at 22.05 kHz against 3.9 dB at 16 kHz.
- Frequencies above 7 kHz: the envelope is held at its value at 7 kHz, because resampling filters remove the edge of
  the band. Without this, recordings converted from 16 to 48 kHz and back differed by 3.5 dB from the originals; with
  it they differ by 0.003 dB.
- Power more than 45 dB below the clip's level: that power is added as a floor. The level is sum x^4 / sum x^2, the
  mean square weighted by power, so pauses do not count. A floor that does not follow the level would make a clip with
  digital silence differ from a quieter copy of itself (by 0.09 dB in the espeak corpus).

The floor was chosen by MCD's rank correlation with wide-band PESQ over low-pass filters, white noise, babble and codecs
(MP3, Vorbis, mu-law at 8 kHz) of LibriSpeech clips. With a low floor, a band limit that every listener understands
counts more than noise or another sentence:

    floor, dB   Spearman   low-pass 4.3 kHz   low-pass 2 kHz   babble 10 dB   noise 0 dB   another sentence
          -80        .51               13.1             20.1            6.2          9.7                8.5
          -60        .71                6.5             11.9            6.0          9.2                8.2
          -50        .84                3.9              8.3            5.7          8.2                7.6
          -45        .87                2.9              6.7            5.4          7.5                7.0
          -40        .89                2.1              5.3            4.9          6.7                6.2

``benchmarks/mcd_floor.py`` repeats this with wider ranges of damage; on four other clips the correlation was .37, .64,
.81, .86 and .89.

At -45 dB another sentence first is worse than speech limited to 2 kHz. A lower resolution for small differences is the
price: at -40 dB, MP3 at its best rate is .4 dB from the original, at -80 dB it is .9 dB.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pysptk
from numpy.typing import NDArray

from ttsbench.types import Samples

ORDER = 24
ALPHA = 0.42  # approximates the mel scale at 16 kHz
SAMPLE_RATE = 16_000  # Hz
MAX_HZ = 7_000.0
FLOOR_DB = -45.0
DECIBEL = 10 / math.log(10) * math.sqrt(2)  # dB per unit of Euclidean distance between mel-cepstra
QUEFRENCIES = 128  # of the envelope; higher ones change the 25 coefficients by less than 1e-15 of their value


def world_mel_cepstrum(samples: Samples, sample_rate: int, f0: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mel-cepstrum c_0 .. c_24 of WORLD's envelope, (T, 25), every 5 ms at the times of ``f0``.

    ``samples`` (N,) must not all be 0; ``sample_rate`` is in Hz, and alpha is meant for 16 kHz. ``f0`` (T,) is in Hz, 0
    in unvoiced frames.

    >>> import numpy as np
    >>> tone = np.sin(2 * np.pi * 200 * np.arange(16_000) / 16_000)
    >>> world_mel_cepstrum(tone, 16_000, np.full(201, 200.0)).shape
    (201, 25)
    """
    from ttsbench.audio.cheaptrick import envelope_cepstrum  # numba takes a second to import

    energy = np.square(samples, dtype=np.float64)
    floor = 10 ** (FLOOR_DB / 10) * float(energy @ energy / energy.sum())
    cepstrum = envelope_cepstrum(samples, sample_rate, f0, QUEFRENCIES, floor=floor, max_hz=MAX_HZ)
    mcep: NDArray[np.float64] = cepstrum @ _cepstrum_matrix(ORDER, ALPHA)
    return mcep


def mel_cepstrum(power: NDArray[np.float64], order: int = ORDER, alpha: float = ALPHA) -> NDArray[np.float64]:
    """Return the mel-cepstrum c_0 .. c_order, (T, order + 1), of a power spectral envelope (T, n_fft / 2 + 1).

    >>> import numpy as np
    >>> flat = mel_cepstrum(np.full((1, 513), np.e**2))  # log amplitude 1 at every frequency
    >>> flat.shape, bool(np.isclose(flat[0, 0], 1.0)), bool(np.allclose(flat[0, 1:], 0.0))
    ((1, 25), True, True)
    """
    mcep: NDArray[np.float64] = np.log(power) @ _log_power_matrix(power.shape[1], order, alpha)
    return mcep


def mean_distortion(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return the mean distance in dB between the mel-cepstra of L aligned frames, (L, C) each.

    >>> import numpy as np
    >>> round(mean_distortion(np.ones((5, 1)), np.zeros((5, 1))), 3)
    6.142
    """
    return DECIBEL * float(np.linalg.norm(a - b, axis=1).mean())


@cache
def _log_power_matrix(bins: int, order: int, alpha: float) -> NDArray[np.float64]:
    """Return the linear map from log power to mel-cepstrum, (bins, order + 1)."""
    matrix: NDArray[np.float64] = pysptk.sp2mc(np.exp(np.eye(bins)), order, alpha)
    return matrix


@cache
def _cepstrum_matrix(order: int, alpha: float) -> NDArray[np.float64]:
    """Return the linear map from the first quefrencies of log power to mel-cepstrum, (QUEFRENCIES, order + 1)."""
    bins = 4 * QUEFRENCIES + 1  # enough to resolve the highest quefrency
    log_power = 2 * np.cos(np.pi * np.outer(np.arange(QUEFRENCIES), np.linspace(0, 1, bins)))
    log_power[0] = 1.0
    matrix: NDArray[np.float64] = log_power @ _log_power_matrix(bins, order, alpha)
    return matrix
