"""HiFi-GAN (Kong, Kim and Bae 2020, https://arxiv.org/abs/2010.05646) with SpeechBrain's weights.

Its generators of LJSpeech and LibriTTS at 22,050 Hz are trained on the mels of ``ttsbench/audio/mel.py``, but for one
thing: their frames are centred on sample hop * t, ours half a hop later, so what they make is delayed by half a hop.
Five frames are repeated on either side, as SpeechBrain does, and cut off again.
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
    """Vocoder; ``model`` is a name of the hub or a folder. Raises ``ConfigError`` where its mels are not the run's."""

    def __init__(self, mel: MelConfig, *, model: str = "speechbrain/tts-hifigan-ljspeech", device: str = "cpu") -> None:
        self._mel = mel
        self._source = HubModel(model, "griffin_lim", ((HYPERPARAMS,), (WEIGHTS,)), device=device)

    def require(self) -> None:
        """The weights are there and fit the run's mels; raises ``ConfigError`` with what to do."""
        sizes = _sizes(self._source, self._source.require())
        hop, bands = math.prod(sizes["upsample_factors"]), sizes["in_channels"]
        if (hop, bands) != (self._mel.hop_length, self._mel.n_mels):
            raise ConfigError(
                f"'{self._source.name}' takes mels of {bands} bands every {hop} samples, and the run's have "
                f"{self._mel.n_mels} every {self._mel.hop_length}; set mel.n_mels and mel.hop_length, or name another."
            )

    def synthesize(self, log_mel: Tensor) -> Tensor:
        """(T, M) natural-log mel -> (T * hop_length,) samples in [-1, 1]."""
        network = load_generator(self._source, self._source.require())
        padded = functional.pad(log_mel.float().T[None].to(self._source.device), (MARGIN, MARGIN), "replicate")
        with inference():
            samples: Tensor = network(padded).flatten().cpu()
        start = MARGIN * self._mel.hop_length - self._mel.hop_length // 2
        return samples[start : start + len(log_mel) * self._mel.hop_length]


@cache
def load_generator(source: HubModel, folder: Path) -> Any:
    """The generator in eval mode, from SpeechBrain's files in ``folder``, once per process."""
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
        f"{folder} holds no HiFi-GAN of SpeechBrain ({reason}); get '{source.name}' again. {source.instead} works "
        "without it."
    )
