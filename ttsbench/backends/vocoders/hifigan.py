"""HiFi-GAN (Kong, Kim and Bae 2020, https://arxiv.org/abs/2010.05646) with SpeechBrain's weights.

The generators of LJSpeech and LibriTTS at 22,050 Hz are trained on the mels of ``ttsbench/audio/mel.py`` with one
difference: their frames are centred on sample hop * t, ours half a hop later, so the output is shifted by half a hop.
Five frames are repeated on either side, as in SpeechBrain, and removed from the output.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ttsbench.backends.hub import HubModel, inference
from ttsbench.backends.speechbrain import HYPERPARAMS, read_sizes
from ttsbench.config.schema import MelConfig
from ttsbench.errors import ConfigError
from ttsbench.rng import global_seed

WEIGHTS = "generator.ckpt"
MARGIN = 5  # frames on either side


class HifiGan:
    """HiFi-GAN vocoder; ``model`` is a hub name or a folder. Raises ``ConfigError`` if the mels do not fit."""

    def __init__(self, mel: MelConfig, *, model: str = "speechbrain/tts-hifigan-ljspeech", device: str = "cpu") -> None:
        self._mel = mel
        self._source = HubModel(
            model, "griffin_lim", ((HYPERPARAMS,), (WEIGHTS,)), device=device, package="speechbrain"
        )

    def require(self) -> None:
        """Raise ``ConfigError`` with the next action if the weights are missing or do not fit the mels of the run."""
        sizes = _sizes(self._source, self._source.require())
        hop, bands = math.prod(sizes["upsample_factors"]), sizes["in_channels"]
        if (hop, bands) != (self._mel.hop_length, self._mel.n_mels):
            raise ConfigError(
                f"'{self._source.name}' takes mels of {bands} bands every {hop} samples, but those of the run have "
                f"{self._mel.n_mels} every {self._mel.hop_length}; set mel.n_mels and mel.hop_length, or use another."
            )

    def synthesize(self, log_mel: Tensor) -> Tensor:
        """Return samples (T * hop_length,) in [-1, 1] for a natural-log mel (T, M)."""
        network = load_generator(self._source, self._source.require())
        padded = functional.pad(log_mel.float().T[None].to(self._source.device), (MARGIN, MARGIN), "replicate")
        with inference():
            samples: Tensor = network(padded).flatten().cpu()
        start = MARGIN * self._mel.hop_length - self._mel.hop_length // 2
        return samples[start : start + len(log_mel) * self._mel.hop_length]


@cache
def load_generator(source: HubModel, folder: Path) -> Any:
    """Load the generator in eval mode from SpeechBrain's files in ``folder``, once per process."""
    from speechbrain.lobes.models.HifiGAN import HifiganGenerator

    try:
        weights = torch.load(folder / WEIGHTS, map_location="cpu", weights_only=True)
        with global_seed(0):
            network = HifiganGenerator(**_sizes(source, folder))
        network.load_state_dict(weights)
    except Exception as error:  # a damaged file fails in many ways
        raise _damaged(source, folder, error) from error
    network.remove_weight_norm()
    return network.eval().to(source.device)


def _sizes(source: HubModel, folder: Path) -> dict[str, Any]:
    try:
        sizes: dict[str, Any] = read_sizes(folder / HYPERPARAMS)["generator"]
        math.prod(sizes["upsample_factors"]), int(sizes["in_channels"])
    except Exception as error:
        raise _damaged(source, folder, error) from error
    return sizes


def _damaged(source: HubModel, folder: Path, error: Exception) -> ConfigError:
    reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
    return ConfigError(
        f"{folder} does not hold a HiFi-GAN of SpeechBrain ({reason}); get '{source.name}' again. {source.instead} "
        "works without it."
    )
