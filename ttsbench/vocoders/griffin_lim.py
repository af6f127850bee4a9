"""Griffin-Lim (Griffin and Lim 1984; momentum by Perraudin et al. 2013): the vocoder that needs no weights.

The mel is brought back to magnitudes X >= 0 by non-negative least squares, min ||X B - exp(mel)||, solved by the
multiplicative updates of Lee and Seung (2001) from the pseudo-inverse, then the phase is iterated from zero: the same
mel always gives the same waveform.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchaudio.functional import griffinlim

from ttsbench.audio.mel import filterbank
from ttsbench.config import MelConfig

SMALL = 1e-8


class GriffinLim:
    """Vocoder with ``iterations`` of phase estimation."""

    def __init__(self, mel: MelConfig, *, iterations: int = 32, momentum: float = 0.99) -> None:
        if iterations < 1 or not 0 <= momentum < 1:
            raise ValueError(f"iterations must be at least 1 and momentum in [0, 1), got {iterations} and {momentum}")
        self._mel, self._iterations, self._momentum = mel, iterations, momentum
        self._bands = filterbank(mel)  # (F, M)
        self._inverse = torch.linalg.pinv(self._bands)  # (M, F)

    def synthesize(self, log_mel: Tensor) -> Tensor:
        """(T, M) natural-log mel -> (T * hop_length,) samples in [-1, 1]."""
        mel = self._mel
        magnitudes = self.magnitudes(log_mel.float().exp()).T
        length = log_mel.shape[0] * mel.hop_length
        # torch centres frame t on sample hop * t; here it is centred half a hop later. One more frame at the end
        # covers the samples after the last centre.
        magnitudes = torch.cat([magnitudes, magnitudes[:, -1:]], dim=1)
        shifted = griffinlim(
            magnitudes,
            torch.hann_window(mel.n_fft),
            mel.n_fft,
            mel.hop_length,
            mel.n_fft,
            power=1.0,
            n_iter=self._iterations,
            momentum=self._momentum,
            length=length,
            rand_init=False,
        )
        half = mel.hop_length // 2
        samples = torch.nn.functional.pad(shifted[: length - half], (half, 0))
        peak = samples.abs().max()
        return samples / peak if peak > 1 else samples

    def magnitudes(self, mel: Tensor, updates: int = 30) -> Tensor:
        """Mel magnitudes (T, M) -> STFT magnitudes (T, F), non-negative."""
        bands = self._bands
        estimate: Tensor = (mel @ self._inverse).clamp_min(SMALL)
        numerator = mel @ bands.T
        gram = bands @ bands.T
        for _ in range(updates):
            estimate = estimate * numerator / (estimate @ gram).clamp_min(SMALL)
        return estimate
