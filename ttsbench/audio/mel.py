"""Log-mel spectrograms in the convention of neural vocoders (HiFi-GAN, Kong et al. 2020).

Hann window of n_fft samples, reflect padding of (n_fft - hop_length) / 2 on each side, magnitudes, Slaney mel bands
with Slaney normalisation, natural logarithm with a floor of 1e-5. A clip of N samples has N // hop_length frames, and
frame t is centred at sample hop_length * t + hop_length / 2.
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
    """Return the mel filterbank, (n_fft // 2 + 1, M)."""
    bands: Tensor = melscale_fbanks(
        mel.n_fft // 2 + 1, mel.f_min, mel.f_max, mel.n_mels, mel.sample_rate, norm="slaney", mel_scale="slaney"
    )
    return bands


def magnitudes(samples: Tensor, mel: MelConfig) -> Tensor:
    """Return STFT magnitudes (N // hop_length, n_fft // 2 + 1) of samples (N,) at the config's sample rate.

    >>> mel = MelConfig(sample_rate=16_000, n_fft=512, hop_length=160, n_mels=16, f_min=0.0, f_max=8_000.0)
    >>> linear = magnitudes(torch.sin(2 * torch.pi * 440 * torch.arange(16_000) / 16_000), mel)
    >>> tuple(linear.shape), tuple(log_mel(linear, mel).shape)
    ((100, 257), (100, 16))
    """
    margin = (mel.n_fft - mel.hop_length) // 2
    padded = torch.nn.functional.pad(samples.reshape(1, 1, -1), (margin, margin), mode="reflect").reshape(-1)
    window = torch.hann_window(mel.n_fft, device=samples.device)
    spectrum = torch.stft(padded, mel.n_fft, mel.hop_length, window=window, center=False, return_complex=True)
    return spectrum.abs().T[: len(samples) // mel.hop_length]


def log_mel(linear: Tensor, mel: MelConfig) -> Tensor:
    """Return the natural-log mel spectrogram (T, M) of magnitudes (T, n_fft // 2 + 1)."""
    return (linear @ filterbank(mel).to(linear.device)).clamp_min(FLOOR).log()
