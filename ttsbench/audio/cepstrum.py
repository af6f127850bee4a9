"""Mel-cepstrum of a spectral envelope.

K. Tokuda, T. Kobayashi, T. Masuko and S. Imai, "Mel-generalized cepstral analysis", ICSLP 1994. With w' the frequency
warped by an all-pass of coefficient alpha, the amplitude envelope is

    log |H(w)| = sum_m c_m cos(m w')

so that c is linear in the log envelope. SPTK's frequency transform, which does this one frame at a time, is asked once
for every unit vector; the matrix that this gives serves all frames.

The envelope is WORLD's (``cheaptrick``), a power, |H|^2. Handing power to a routine that expects amplitude (SPTK's
`mcep` with itype 3) doubles every coefficient, and with it every distortion.

A logarithm makes much of what nobody hears, so three things are left out of it:

- What lies above 8 kHz, by an analysis at 16 kHz. There a 22.05 kHz wav holds whatever the vocoder left: where
  Griffin-Lim leaves nothing, MCD was 11.6 dB at 22.05 kHz and 3.9 dB at 16 kHz.
- What lies above 7 kHz, by going on with the value there. A filter that resamples takes away the band's edge:
  recordings at 16 kHz that had been at 48 kHz in between were 3.5 dB from themselves, and now are 0.003 dB.
- What lies 80 dB below the clip's level, by adding that much. The level is sum x^4 / sum x^2, the mean square where the
  sound is: pauses weigh nothing. With a floor that does not follow the level, digital silence makes a clip differ from
  a quieter copy of itself, by 0.09 dB in the espeak corpus.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pysptk
from numpy.typing import NDArray

from ttsbench.types import Samples

ORDER = 24
ALPHA = 0.42  # approximates the mel scale at 16 kHz
SAMPLE_RATE = 16_000  # Hz
TOP_HZ = 7_000.0
FLOOR_DB = -80.0
QUEFRENCIES = 128  # of the envelope: what lies beyond moves none of the 25 coefficients by more than 1e-15 of itself


def world_mel_cepstrum(samples: Samples, sample_rate: int, f0: NDArray[np.float64]) -> NDArray[np.float64]:
    """Coefficients c_0 .. c_24 of WORLD's envelope, (T, 25), every 5 ms at the times of ``f0`` (T,), 0 where unvoiced.

    ``sample_rate`` is in Hz; alpha suits 16 kHz. The samples (N,) must not all be 0.
    """
    from ttsbench.audio.cheaptrick import envelope_cepstrum  # its compiler takes a second to import

    energy = np.square(samples, dtype=np.float64)
    floor = 10 ** (FLOOR_DB / 10) * float(energy @ energy / energy.sum())
    cepstrum = envelope_cepstrum(samples, sample_rate, f0, QUEFRENCIES, floor=floor, top_hz=TOP_HZ)
    mcep: NDArray[np.float64] = cepstrum @ _of_cepstrum(ORDER, ALPHA)
    return mcep


def mel_cepstrum(power: NDArray[np.float64], order: int = ORDER, alpha: float = ALPHA) -> NDArray[np.float64]:
    """Mel-cepstral coefficients c_0 .. c_order, (T, order + 1), of a power spectral envelope (T, n_fft / 2 + 1)."""
    mcep: NDArray[np.float64] = np.log(power) @ _of_log_power(power.shape[1], order, alpha)
    return mcep


@cache
def _of_log_power(bins: int, order: int, alpha: float) -> NDArray[np.float64]:
    """The linear map of log power to mel-cepstrum, (bins, order + 1)."""
    matrix: NDArray[np.float64] = pysptk.sp2mc(np.exp(np.eye(bins)), order, alpha)
    return matrix


@cache
def _of_cepstrum(order: int, alpha: float) -> NDArray[np.float64]:
    """The linear map of the first quefrencies of log power to mel-cepstrum, (QUEFRENCIES, order + 1)."""
    bins = 4 * QUEFRENCIES + 1  # any number does that resolves the highest quefrency
    log_power = 2 * np.cos(np.pi * np.outer(np.arange(QUEFRENCIES), np.linspace(0, 1, bins)))
    log_power[0] = 1.0
    matrix: NDArray[np.float64] = log_power @ _of_log_power(bins, order, alpha)
    return matrix
