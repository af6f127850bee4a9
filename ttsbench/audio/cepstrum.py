"""Mel-cepstrum of WORLD's spectral envelope.

M. Morise, "CheapTrick, a spectral envelope estimator for high-quality speech synthesis", Speech Communication 67, 2015;
K. Tokuda, T. Kobayashi, T. Masuko and S. Imai, "Mel-generalized cepstral analysis", ICSLP 1994.

With w' the frequency warped by an all-pass of coefficient alpha, the amplitude envelope is

    log |H(w)| = sum_m c_m cos(m w')

CheapTrick gives |H|^2, the power: `sp2mc` expects just that. Handing power to a routine that expects amplitude
(SPTK's `mcep` with itype 3) doubles every coefficient, and with it every distortion.

The analysis is made at 16 kHz, the band of the mels that systems predict. Above it a 22.05 kHz wav holds whatever the
vocoder left there: for the empty band that Griffin-Lim leaves, MCD at 22.05 kHz was 11.6 dB where it is 3.9 dB here.
"""

from __future__ import annotations

import numpy as np
import pysptk
import pyworld
from numpy.typing import NDArray

from ttsbench.audio.pitch import F0_MIN
from ttsbench.types import Samples

ORDER = 24
ALPHA = 0.42  # approximates the mel scale at 16 kHz
SAMPLE_RATE = 16_000  # Hz


def world_envelope(
    samples: Samples, sample_rate: int, f0: NDArray[np.float64], frame_period_ms: float = 5.0
) -> NDArray[np.float64]:
    """Power spectral envelope (T, n_fft / 2 + 1) at the times of ``f0`` (T,), in Hz with 0 where unvoiced."""
    n_fft = pyworld.get_cheaptrick_fft_size(sample_rate, F0_MIN)
    times = np.arange(len(f0)) * frame_period_ms / 1000
    x = np.ascontiguousarray(samples, dtype=np.float64)
    envelope: NDArray[np.float64] = pyworld.cheaptrick(x, f0, times, sample_rate, fft_size=n_fft)
    return envelope


def mel_cepstrum(power: NDArray[np.float64], order: int = ORDER, alpha: float = ALPHA) -> NDArray[np.float64]:
    """Mel-cepstral coefficients c_0 .. c_order, (T, order + 1), of a power spectral envelope (T, n_fft / 2 + 1)."""
    coefficients: NDArray[np.float64] = pysptk.sp2mc(power, order, alpha)
    return coefficients
