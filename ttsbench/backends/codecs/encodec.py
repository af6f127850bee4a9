"""Latents of Encodec through `transformers`: sums of codebook embeddings, as modelled by SLED.

"High fidelity neural audio compression", Defossez et al. 2022, https://arxiv.org/abs/2210.13438. A frame is quantised
by successive codebooks, and the sum of their embeddings is its latent (Ma et al. 2025,
https://arxiv.org/abs/2505.13181: 8 codebooks, 6 kbit/s, 128 channels at 75 Hz). Encodec's decoder turns latents into
speech and replaces the vocoder.
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
    """A codec of mono speech; ``bandwidth`` in kbit/s determines how many codebooks are summed.

    ``model`` is a hub name or a folder. Raises ``ConfigError`` if the model is absent, has several audio channels,
    processes audio in chunks, or does not support the bandwidth.
    """

    def __init__(self, model: str = "facebook/encodec_24khz", bandwidth: float = 6.0, device: str = "cpu") -> None:
        self._source = HubModel(model, "the mel", head="EncodecModel", device=device)
        self._bandwidth = bandwidth

    def require(self) -> None:
        """Raise ``ConfigError`` if the model is absent or unsuitable."""
        self._source.require()
        config = self._source.config()
        known = config.get("target_bandwidths", [])
        if self._bandwidth not in known:
            raise ConfigError(
                f"bandwidth {self._bandwidth:g} is not supported by '{self._source.name}'; choose "
                f"one of {', '.join(f'{rate:g}' for rate in known)} kbit/s."
            )
        if config.get("audio_channels", 1) != 1 or config.get("chunk_length_s") is not None:
            raise ConfigError(
                f"'{self._source.name}' codes {config.get('audio_channels')} audio channels in chunks of "
                f"{config.get('chunk_length_s')} s; use one for unchunked mono, such as facebook/encodec_24khz."
            )

    @property
    def sample_rate(self) -> int:
        """Sample rate of the speech in Hz."""
        return int(self._source.config()["sampling_rate"])

    @property
    def frame_rate(self) -> float:
        """Latents per second."""
        hop = int(math.prod(self._source.config()["upsampling_ratios"]))
        return self.sample_rate / hop

    @property
    def channels(self) -> int:
        """Number of channels C of a latent."""
        return int(self._source.config()["hidden_size"])

    def encode(self, samples: Samples) -> Tensor:
        """Encode mono samples (N,) as latents (T, C), T = ceil(N * frame_rate / sample_rate)."""
        model = self._model()
        inputs = torch.from_numpy(samples).to(model.device).view(1, 1, -1)
        with inference():
            codes = model.encode(inputs, bandwidth=self._bandwidth).audio_codes  # (1, 1, codebooks, T)
            latents: Tensor = model.quantizer.decode(codes[0].transpose(0, 1))  # (1, C, T)
        return latents[0].T.cpu()

    def decode(self, latents: Tensor) -> Tensor:
        """Decode any latents (T, C) to samples (N,) in [-1, 1]."""
        model = self._model()
        with inference():
            samples: Tensor = model.decoder(latents.T.unsqueeze(0).to(model.device))[0, 0]
        return samples.clamp(-1, 1).cpu()

    def _model(self) -> Any:
        self.require()
        return load(self._source, "EncodecModel", "EncodecFeatureExtractor")[0]
