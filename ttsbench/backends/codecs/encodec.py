"""Encodec's latents through `transformers`: sums of codebook embeddings, as SLED models them.

"High fidelity neural audio compression", Defossez et al. 2022, https://arxiv.org/abs/2210.13438. A frame is quantised
by one codebook after another; the sum of what they say is its latent (Ma et al. 2025,
https://arxiv.org/abs/2505.13181: 8 codebooks, 6 kbit/s, 128 channels at 75 Hz), and Encodec's decoder makes speech of
it, in the place of a vocoder.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ttsbench.backends.hub import HubModel, inference, load
from ttsbench.errors import ConfigError
from ttsbench.types import Samples


class Encodec:
    """Mono speech to latents and back; ``bandwidth`` in kbit/s decides how many codebooks are summed.

    ``model`` is a name of the hub or a folder. Raises ``ConfigError`` where the model is absent, has several audio
    channels, cuts audio into chunks, or does not know the bandwidth.
    """

    def __init__(self, model: str = "facebook/encodec_24khz", bandwidth: float = 6.0, device: str = "cpu") -> None:
        self._source = HubModel(model, "the mel", head="EncodecModel", device=device)
        self._bandwidth = bandwidth

    def require(self) -> None:
        """Raise ``ConfigError`` where the model is absent or does not fit."""
        self._source.require()
        config = self._source.config()
        known = config.get("target_bandwidths", [])
        if self._bandwidth not in known:
            raise ConfigError(
                f"bandwidth {self._bandwidth:g} is none of '{self._source.name}'; choose one of "
                f"{', '.join(f'{one:g}' for one in known)} kbit/s."
            )
        if config.get("audio_channels", 1) != 1 or config.get("chunk_length_s") is not None:
            raise ConfigError(
                f"'{self._source.name}' codes {config.get('audio_channels')} audio channels in chunks of "
                f"{config.get('chunk_length_s')} s; take one for whole mono audio, such as facebook/encodec_24khz."
            )

    @property
    def sample_rate(self) -> int:
        """Of the speech, Hz."""
        return int(self._source.config()["sampling_rate"])

    @property
    def frame_rate(self) -> float:
        """Latents per second."""
        hop = int(math.prod(self._source.config()["upsampling_ratios"]))
        return self.sample_rate / hop

    @property
    def channels(self) -> int:
        """C of a latent."""
        return int(self._source.config()["hidden_size"])

    def encode(self, samples: Samples) -> Tensor:
        """Mono samples (N,) at ``sample_rate`` -> latents (T, C), T = N * frame_rate / sample_rate, rounded up."""
        model = self._model()
        given = torch.from_numpy(samples).to(model.device).view(1, 1, -1)
        with inference():
            codes = model.encode(given, bandwidth=self._bandwidth).audio_codes  # (1, 1, codebooks, T)
            latents: Tensor = model.quantizer.decode(codes[0].transpose(0, 1))  # (1, C, T)
        return latents[0].T.cpu()

    def decode(self, latents: Tensor) -> Tensor:
        """Latents (T, C), those of speech or any others -> samples (N,) in [-1, 1]."""
        model = self._model()
        with inference():
            samples: Tensor = model.decoder(latents.T.unsqueeze(0).to(model.device))[0, 0]
        return samples.clamp(-1, 1).cpu()

    def _model(self) -> Any:
        self.require()
        return load(self._source, "EncodecModel", "EncodecFeatureExtractor")[0]
