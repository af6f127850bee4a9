"""The target of acoustic models and its decoder: log-mels with a vocoder, or the latents of a codec.

Both use the frames of the experiment's ``mel``: F0, energy and durations lie on its grid. With a codec, ``mel`` must
state the codec's sample rate, frame shift and number of channels, and the codec's decoder replaces the vocoder.
"""

from __future__ import annotations

import json

from torch import Tensor

from ttsbench import registry
from ttsbench.config.schema import Experiment, VocoderConfig
from ttsbench.devices import compute_device
from ttsbench.errors import ConfigError
from ttsbench.interfaces import Codec, Vocoder


class Decoder:
    """The decoder of a codec, used as a vocoder."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    def synthesize(self, log_mel: Tensor) -> Tensor:
        """Decode latents (T, C) into samples (T * hop_length,) in [-1, 1]."""
        return self._codec.decode(log_mel.float())


def make_codec(experiment: Experiment) -> Codec | None:
    """Return the codec whose latents are predicted, on the device of the experiment; None for log-mels."""
    config = experiment.codec
    if config is None:
        return None
    device = str(compute_device(experiment.compute.accelerator))
    options = registry.device_options("codecs", config.name, config.options, device)
    codec: Codec = registry.load("codecs", config.name)(**options)
    return codec


def make_vocoder(experiment: Experiment) -> Vocoder:
    """Return the vocoder, or the decoder of the codec, on the device of the experiment."""
    codec = make_codec(experiment)
    if codec is not None:
        return Decoder(codec)
    config, device = experiment.vocoder, str(compute_device(experiment.compute.accelerator))
    options = registry.device_options("vocoders", config.name, config.options, device)
    vocoder: Vocoder = registry.load("vocoders", config.name)(experiment.mel, **options)
    return vocoder


def codec_signature(experiment: Experiment) -> str:
    """Return the codec as text, on which features depend; empty for log-mels."""
    config = experiment.codec
    return json.dumps(registry.plugin_key("codecs", config.name, config.options), sort_keys=True) if config else ""


def maker(experiment: Experiment) -> str:
    """Return the vocoder or codec as a table names it."""
    return f"codec {experiment.codec.name}" if experiment.codec else f"vocoder {experiment.vocoder.name}"


def check_codec(experiment: Experiment, codec: Codec) -> None:
    """Raise ``ConfigError`` if the grid of the mel is not the codec's, or if a vocoder is configured as well."""
    if experiment.vocoder != VocoderConfig():
        raise ConfigError("codec: its decoder makes the speech; leave the vocoder out.")
    wanted = {
        "sample_rate": codec.sample_rate,
        "hop_length": round(codec.sample_rate / codec.frame_rate),
        "n_mels": codec.channels,
    }
    given = {name: getattr(experiment.mel, name) for name in wanted}
    if given != wanted:
        name = experiment.codec.name if experiment.codec else ""
        raise ConfigError(
            f"codec: '{name}' has other frames than mel: set mel to {_said(wanted)} (n_mels: its channels); "
            f"got {_said(given)}."
        )


def _said(values: dict[str, int]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
