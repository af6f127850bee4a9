"""Griffin-Lim vocoder (Griffin and Lim 1984; momentum by Perraudin et al. 2013), which needs no weights.

The mel is converted to magnitudes X >= 0 by non-negative least squares, min ||X B - exp(mel)||, solved by the
multiplicative updates of Lee and Seung (2001) from the pseudo-inverse. The phase is then iterated from zero, so that
the same mel always gives the same waveform.

A stream is synthesized chunk by chunk: emitted samples are fixed, and the phase of each chunk is iterated next to them,
following Zhu, Beauregard and Wyse 2007 (https://doi.org/10.1109/TASL.2007.899236). The last ``HELD`` frames wait for
their right neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

import torch
from torch import Tensor
from torchaudio.functional import griffinlim

from ttsbench.audio.mel import filterbank
from ttsbench.config.schema import MelConfig

SMALL = 1e-8
HELD = 2  # frames of a stream that are emitted with the next chunk
BESIDE = 8  # emitted frames that constrain the phase of the next chunk


class GriffinLim:
    """Griffin-Lim vocoder with ``iterations`` of phase estimation."""

    def __init__(self, mel: MelConfig, *, iterations: int = 32, momentum: float = 0.99) -> None:
        if iterations < 1 or not 0 <= momentum < 1:
            raise ValueError(f"iterations must be at least 1 and momentum in [0, 1), got {iterations} and {momentum}")
        self._mel, self._iterations, self._momentum = mel, iterations, momentum
        self._bands = filterbank(mel)  # (F, M)
        self._inverse = torch.linalg.pinv(self._bands)  # (M, F)

    def synthesize(self, log_mel: Tensor) -> Tensor:
        """Return samples (T * hop_length,) in [-1, 1] for a natural-log mel (T, M)."""
        mel = self._mel
        magnitudes = self.magnitudes(log_mel.float().exp()).T
        length = log_mel.shape[0] * mel.hop_length
        # torch centres frame t on sample hop * t; here it is centred half a hop later. An additional frame at the
        # end covers the samples after the last centre.
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

    def stream(self, log_mels: Iterable[Tensor]) -> Iterator[Tensor]:
        """Yield samples for chunks (T_i, M), delayed by ``HELD`` frames; in total hop_length samples per frame.

        The peak is not known in advance, so unlike in ``synthesize`` samples are clipped at -1 and 1.
        """
        hop = self._mel.hop_length
        known, frames = (
            torch.zeros(0),
            torch.zeros(len(self._bands), 0),
        )  # emitted samples and their frames
        lead = torch.zeros(hop // 2)  # frame t is centred half a hop after sample hop * t
        for log_mel in log_mels:
            frames = torch.cat([frames, self.magnitudes(log_mel.float().exp()).T], dim=1)
            ready = hop * (frames.shape[1] - HELD) - len(known)
            if ready > 0:
                made = self._beside(frames, known)[:ready]
                yield torch.cat([lead, made]).clamp(-1, 1)
                known, lead = torch.cat([known, made])[-BESIDE * hop :], lead[:0]
                frames = frames[:, -(len(known) // hop + HELD) :]
        if frames.shape[1]:
            made = self._beside(torch.cat([frames, frames[:, -1:]], dim=1), known)
            yield torch.cat([lead, made[: -hop - hop // 2]]).clamp(-1, 1)

    def _beside(self, magnitudes: Tensor, known: Tensor) -> Tensor:
        """Return the samples (T * hop_length - K,) after the ``known`` samples (K,) for magnitudes (F, T)."""
        mel, frames = self._mel, magnitudes.shape[1]
        window, length = torch.hann_window(mel.n_fft), frames * mel.hop_length
        inverse = partial(torch.istft, n_fft=mel.n_fft, hop_length=mel.hop_length, window=window, length=length)
        spectrum, before = magnitudes.to(torch.complex64), torch.zeros_like(magnitudes, dtype=torch.complex64)
        for _ in range(self._iterations):
            samples = torch.cat([known, inverse(spectrum)[len(known) :]])
            now = torch.stft(
                samples, mel.n_fft, mel.hop_length, window=window, pad_mode="constant", return_complex=True
            )[:, :frames]
            ahead = now - self._momentum / (1 + self._momentum) * before
            spectrum, before = magnitudes * ahead / ahead.abs().clamp_min(SMALL), now
        return inverse(spectrum)[len(known) :]

    def magnitudes(self, mel: Tensor, updates: int = 30) -> Tensor:
        """Return non-negative STFT magnitudes (T, F) for mel magnitudes (T, M)."""
        bands = self._bands
        estimate: Tensor = (mel @ self._inverse).clamp_min(SMALL)
        numerator = mel @ bands.T
        gram = bands @ bands.T
        for _ in range(updates):
            estimate = estimate * numerator / (estimate @ gram).clamp_min(SMALL)
        return estimate
