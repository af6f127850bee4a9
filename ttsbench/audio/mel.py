"""Log-mel spectrograms in the convention neural vocoders are trained on (HiFi-GAN, Kong et al. 2020).

Hann window of n_fft samples, reflected padding of (n_fft - hop_length) / 2 on each side, magnitudes, Slaney mel bands
with Slaney normalisation, natural logarithm floored at 1e-5. A clip of N samples has N // hop_length frames, and frame
t is centred at sample hop_length * t + hop_length / 2.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from torchaudio.functional import melscale_fbanks

from ttsbench.config.schema import MelConfig

FLOOR = 1e-5


@cache
def filterbank(mel: MelConfig) -> Tensor:
    """Mel bands, (n_fft // 2 + 1, M)."""
    bands: Tensor = melscale_fbanks(
        mel.n_fft // 2 + 1, mel.f_min, mel.f_max, mel.n_mels, mel.sample_rate, norm="slaney", mel_scale="slaney"
    )
    return bands


def magnitudes(samples: Tensor, mel: MelConfig) -> Tensor:
    """Samples (N,) at the config's rate -> STFT magnitudes (N // hop_length, n_fft // 2 + 1)."""
    margin = (mel.n_fft - mel.hop_length) // 2
    padded = torch.nn.functional.pad(samples.reshape(1, 1, -1), (margin, margin), mode="reflect").reshape(-1)
    window = torch.hann_window(mel.n_fft, device=samples.device)
    spectrum = torch.stft(padded, mel.n_fft, mel.hop_length, window=window, center=False, return_complex=True)
    return spectrum.abs().T[: len(samples) // mel.hop_length]


def log_mel(linear: Tensor, mel: MelConfig) -> Tensor:
    """Magnitudes (T, n_fft // 2 + 1) -> natural-log mel (T, M)."""
    return (linear @ filterbank(mel).to(linear.device)).clamp_min(FLOOR).log()
